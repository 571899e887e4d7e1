"""How fast this machine is at a user's images: what the plan of a recommendation rests on."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jpegprep.common.cpu import use_processors
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parquet import read_parquet
from jpegprep.datasets.adapters import read_samples
from jpegprep.datasets.manifest import read_decoding
from jpegprep.datasets.problems import SET_ASIDE
from jpegprep.datasets.weights import pretrained_model
from jpegprep.images.images import codec
from jpegprep.learners.extraction import GPU_TYPES, load_network
from jpegprep.learners.fitting import Classifier
from jpegprep.shards.shards import ShardReader, pack, writing_shard
from jpegprep.shards.treatments import treat_shard_each

_IMAGES = 64


def measure_speed(
    content: Mapping[str, Any],
    archives: Sequence[str | Path],
    manifest: str | Path,
    weights: str | Path,
    recipe: Mapping[str, Any],
    variants: Sequence[str],
    training: Mapping[str, Any] | None,
    classes: int,
    threads: int,
    at_a_time: int,
) -> dict[str, Any]:
    """Measure on up to 64 of the images, spread over the data set.

    Args:
        content: what the registry says of the data set's content.
        archives: its archives.
        manifest: its manifest.
        weights: the probe's pretrained weights.
        recipe: the probe's.
        variants: to be made, without the original.
        training: the recipe of the networks that are fine-tuned, if some are, of the same weights.
        classes: the number of classes.
        threads: processors of the machine.
        at_a_time: how many trainings run side by side.

    Returns:
        ``treat_seconds``, of an image, all variants; ``features_seconds``, of an image of one
        variant; ``changed``, of each variant the share of images that it changes;
        ``training_seconds``, of an image in a step, where
        `at_a_time` trainings run.
    """
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        folder = Path(scratch)
        original = folder / "original.tar"
        how = read_decoding(manifest)
        with writing_shard(original, ORIGINAL, codec(), how=how) as writer:
            for i, data in enumerate(_some(content, archives, manifest)):
                writer.append(pack([(f"{i}", 0, data, data)]))
        targets = [folder / f"{variant}.tar" for variant in variants]
        treat = _seconds(lambda: treat_shard_each(original, variants, targets, threads))
        readers = [ShardReader([tar]) for tar in (original, *targets)]
        images = len(readers[0])
        network = load_network(recipe, weights, threads)

        def extract() -> None:
            for reader in (readers[0], readers[-1]):
                for _ in network.features(reader):
                    pass

        sources = [readers[0].image(i) for i in range(images)]
        found = {
            "treat_seconds": treat / images,
            "features_seconds": _seconds(extract) / (2 * images),
            "changed": {
                variant: float(np.mean([r.image(i) != sources[i] for i in range(images)]))
                for variant, r in zip(variants, readers[1:], strict=True)
            },
        }
    if training:
        each = max(1, threads // at_a_time)
        found["training_seconds"] = _step_seconds(training, weights, classes, each, at_a_time)
    return found


def _some(
    content: Mapping[str, Any], archives: Sequence[str | Path], manifest: str | Path
) -> list[bytes]:
    """Return up to so many usable images, spread evenly over the data set."""
    handling = read_parquet(manifest, ["handling"]).to_pandas()["handling"]
    usable = np.flatnonzero((handling != SET_ASIDE).to_numpy())
    rows = set(usable[np.linspace(0, len(usable) - 1, min(_IMAGES, len(usable)), dtype=int)])
    found = []
    for row, sample in enumerate(read_samples(content, archives)):
        if row in rows:
            found.append(sample.data)
            if len(found) == len(rows):
                break
    return found


def _seconds(do: Callable[[], Any]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _step_seconds(
    recipe: Mapping[str, Any], weights: str | Path, classes: int, threads: int, at_a_time: int
) -> float:
    """Return the seconds of a training step by image, of so many trainings side by side.

    On a CPU as many steps are measured at once: two virtual cores may be one, and then two
    trainings take longer than one. GPUs do not wait for each other.
    """
    use_processors(threads)
    together = 1 if torch.cuda.is_available() else at_a_time
    steps = [_step(recipe, weights, classes) for _ in range(together)]
    with ThreadPoolExecutor(together) as pool:

        def once() -> None:
            for done in [pool.submit(step) for step in steps]:
                done.result()

        once()
        seconds = min(_seconds(once) for _ in range(2))
    return seconds / recipe["batch_size"] / at_a_time


def _step(recipe: Mapping[str, Any], weights: str | Path, classes: int) -> Callable[[], None]:
    """Return a function that does a training step of a network of its own."""
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    model = pretrained_model(recipe["architecture"], weights, classes)
    network = Classifier(model, recipe, steps=10).to(device).train()
    (optimizer,), _ = network.configure_optimizers()
    size, batch = recipe["image_size"], recipe["batch_size"]
    images = torch.zeros(batch, 3, size, size, dtype=torch.uint8, device=device)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    kind = GPU_TYPES[recipe["gpu_precision"]]

    def step() -> None:
        with torch.autocast("cuda", kind, enabled=gpu and kind is not torch.float32):
            loss = network.training_step((images, labels), 0)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if gpu:
            torch.cuda.synchronize()

    return step
