"""Serving fetched weights to libraries that ask a model hub for them, without a network."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sidecar_of(weights: str | Path) -> Path:
    """Return the path of the JSON file that says what a weights file is and whose."""
    return Path(weights).with_suffix(".json")


@contextmanager
def offline_hub(weights: str | Path) -> Iterator[None]:
    """Make ``pretrained=True`` of timm, and so of AutoGluon, load these weights and no others.

    A temporary folder in the layout of the Hugging Face cache holds a link to the file, and the
    environment says that there is no network. The hub's library reads the environment when it is
    imported: enter this before anything imports timm.
    """
    repo = json.loads(sidecar_of(weights).read_text(encoding="utf-8"))["hub_repo"]
    with tempfile.TemporaryDirectory(prefix="jpegprep-hub-") as cache:
        home = Path(cache) / f"models--{repo.replace('/', '--')}"
        snapshot = home / "snapshots" / "local"
        snapshot.mkdir(parents=True)
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text("local", encoding="utf-8")
        (snapshot / "model.safetensors").symlink_to(Path(weights).resolve())
        os.environ["HF_HUB_CACHE"] = cache
        os.environ["HF_HUB_OFFLINE"] = "1"
        yield
