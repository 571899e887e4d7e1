"""Weights from a model hub: the paper's EfficientNets and a Swin, fetched, loaded, trained."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import timm
import torch
import trainings

from jpegprep.images.images import codec
from jpegprep.learners.timm_learner import train
from jpegprep.shards.shards import pack, writing_shard

# Millions of parameters with 1,000 classes, as timm publishes them (results/results-imagenet.csv);
# the EfficientNet paper (Tan, Le, 2019, Table 2) rounds them to 5.3, 7.8, 9.2, 12 and 19.
PARAMETERS = {
    "efficientnet_b0": 5.29,
    "efficientnet_b1": 7.79,
    "efficientnet_b2": 9.11,
    "efficientnet_b3": 12.23,
    "efficientnet_b4": 19.34,
}
SWIN = "swin_tiny_patch4_window7_224"  # a Swin as the paper's, and a quarter of its size
REVISION = "89abcdef0123456789abcdef0123456789abcdef"
RECIPE: dict[str, Any] = {**trainings.RECIPE, "image_size": 64, "epochs": 1, "batch_size": 4}


class Hub(SimpleHTTPRequestHandler):
    """A model hub: files of a folder, each with its checksum and commit."""

    def end_headers(self) -> None:
        """Say what a hub's client asks for."""
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self.send_header("ETag", f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"')
            self.send_header("X-Repo-Commit", REVISION)
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Stay quiet."""


def as_published(name: str) -> dict[str, torch.Tensor]:
    """Return a network's random weights, as its hub file holds them."""
    torch.manual_seed(sum(name.encode()))
    model = timm.create_model(name, pretrained=False)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    # The published Swins still hold buffers that timm computes anew since.
    state |= {
        key: value.contiguous()
        for key, value in model.named_buffers()
        if key.endswith(("relative_position_index", "attn_mask"))
    }
    return state


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Yield the address of a hub on this machine, and its folder."""
    root = tmp_path_factory.mktemp("hub")
    for name in (*PARAMETERS, SWIN):
        file = root / "timm" / name / "resolve" / REVISION / "model.safetensors"
        file.parent.mkdir(parents=True)
        safetensors.torch.save_file(as_published(name), file)
    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directory=str(root)))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}", root
    web.shutdown()
    web.server_close()
    shutil.rmtree(root)


FETCH = """
import json, sys
from jpegprep.datasets.weights import fetch_weights
for entry, target in json.loads(sys.argv[1]):
    fetch_weights(entry, target)
"""


@pytest.fixture(scope="module")
def fetched(
    tmp_path_factory: pytest.TempPathFactory,
    published: tuple[str, Path],
    python: Callable[..., Any],
) -> Iterator[Path]:
    """Yield a folder of weights, fetched in a new process: the hub's address is read at import."""
    address, root = published
    folder = tmp_path_factory.mktemp("weights")
    jobs = []
    for name in (*PARAMETERS, SWIN):
        file = root / "timm" / name / "resolve" / REVISION / "model.safetensors"
        entry: dict[str, Any] = {
            "architecture": name,
            "layout": "timm",
            "source": "hub",
            "repo": f"timm/{name}",
            "revision": REVISION,
            "path": "model.safetensors",
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "license": "Apache-2.0",
            "origin": "a test",
        }
        if name == SWIN:
            entry["input_size"] = 224
        jobs.append((entry, str(folder / f"{name}.safetensors")))
    done = python(FETCH, json.dumps(jobs), HF_ENDPOINT=address, HF_HOME=str(folder / "hf"))
    assert done.returncode == 0, done.stderr
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shards(
    tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]
) -> dict[str, list[Path]]:
    """Return the shards of a data set of two photographs: eight patches to train, four to test."""
    folder = tmp_path_factory.mktemp("shards")
    files = [iter(patches(name, 8)) for name in ("coffee.png", "gravel.png")]
    found = {}
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        found[split] = [folder / f"{split}-0.tar"]
        with writing_shard(found[split][0], "original", codec()) as writer:
            for label in (0, 1):
                for i in range(count):
                    data = next(files[label])
                    writer.append(pack([(f"{label}-{split}-{i}", label, data, data)]))
    return found


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_efficientnet_is_as_large_as_published(fetched: Path, name: str) -> None:
    """The fetched network has the published number of parameters."""
    model = timm.create_model(name, pretrained=False)
    model.load_state_dict(safetensors.torch.load_file(fetched / f"{name}.safetensors"), strict=True)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert round(count / 1e6, 2) == PARAMETERS[name]


@pytest.mark.parametrize("name", [*PARAMETERS, SWIN])
def test_no_value_is_changed_on_the_way(fetched: Path, name: str) -> None:
    """What the rule keeps are the hub's tensors: all that timm's network has, and no other."""
    tensors = safetensors.torch.load_file(fetched / f"{name}.safetensors")
    hub = as_published(name)
    assert tensors.keys() == timm.create_model(name, pretrained=False).state_dict().keys()
    assert all(torch.equal(tensors[key], hub[key]) for key in tensors)


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_efficientnet_trains_and_is_tested(
    tmp_path: Path, fetched: Path, shards: dict[str, list[Path]], name: str
) -> None:
    """Two steps change the network's first filters; each test image gets its probabilities."""
    outputs = {
        "history": tmp_path / "history.csv",
        "predictions": tmp_path / "predictions.parquet",
        "run": tmp_path / "run.json",
        "model": tmp_path / "model.safetensors",
    }
    about = {"dataset": "two", "variant": "original", "learner": name, "seed": 0, "code": "0"}
    weights = fetched / f"{name}.safetensors"
    train(shards, weights, {**RECIPE, "architecture": name}, 2, about, outputs, threads=1)
    table = pq.read_table(outputs["predictions"]).to_pandas()
    probabilities = np.stack(table["probabilities"])
    assert probabilities.shape == (4, 2)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    before, after = (safetensors.torch.load_file(path) for path in (weights, outputs["model"]))
    assert not torch.equal(before["conv_stem.weight"], after["conv_stem.weight"])
    record = json.loads(outputs["run"].read_text(encoding="utf-8"))
    assert record["test"]["n"] == 4
    assert record["recipe"]["architecture"] == name
