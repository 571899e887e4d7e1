"""Serving fetched weights to libraries that ask a model hub for them, without a network."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jpegprep.common.errors import UserError
from jpegprep.common.files import sha256_of


def sidecar_of(weights: str | Path) -> Path:
    """Return the path of the JSON file that says what a weights file is and whose."""
    return Path(weights).with_suffix(".json")


def verified_weights(weights: str | Path) -> Path:
    """Return the path of a weights file, which is what was fetched.

    Raises:
        UserError: where it is not, by the checksum in its sidecar.
    """
    path = Path(weights)
    if not path.exists() or sha256_of(path) != _sidecar(path)["sha256"]:
        raise UserError(
            f"{path} is missing or damaged ({sidecar_of(path)} tells its SHA-256); "
            "remove it: it is fetched again"
        )
    return path


def _sidecar(weights: str | Path) -> dict[str, str]:
    path = sidecar_of(weights)
    try:
        told: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return told
    except (OSError, ValueError):
        raise UserError(
            f"{path} is missing or damaged; remove {weights}: both are fetched again"
        ) from None


@contextmanager
def offline_hub(weights: str | Path) -> Iterator[None]:
    """Make ``pretrained=True`` of timm, and so of AutoGluon, load these weights and no others.

    A temporary folder in the layout of the Hugging Face cache holds a link to the file, and the
    environment says that there is no network. The hub's library reads the environment when it is
    imported: enter this before anything imports timm.
    """
    repo = _sidecar(weights)["hub_repo"]
    with tempfile.TemporaryDirectory(prefix="jpegprep-hub-") as cache:
        home = Path(cache) / f"models--{repo.replace('/', '--')}"
        snapshot = home / "snapshots" / "local"
        snapshot.mkdir(parents=True)
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text("local", encoding="utf-8")
        (snapshot / "model.safetensors").symlink_to(verified_weights(weights).resolve())
        os.environ["HF_HUB_CACHE"] = cache
        os.environ["HF_HUB_OFFLINE"] = "1"
        yield
