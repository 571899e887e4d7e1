"""AutoGluon's models: packed into one file, unpacked again, and damaged ones refused."""

import os
import tarfile
from pathlib import Path

import pytest

from jpegprep.common.errors import UserError
from jpegprep.learners.model_tars import pack_model, unpack_model

FILES = {"model.ckpt": os.urandom(50_000), "assets.json": b"{}", "data/x.bin": b"deep"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a packed model."""
    folder = tmp_path / "predictor"
    for name, data in {**FILES, "events.out.tfevents.1": b"a log"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    pack_model(folder, tmp_path / "model.tar")
    return tmp_path / "model.tar"


def test_a_model_is_unpacked_as_it_was_packed(tmp_path: Path, model: Path) -> None:
    """All files of AutoGluon's folder come back, byte for byte, but for its logs."""
    unpack_model(model, tmp_path / "again")
    found = {
        str(path.relative_to(tmp_path / "again")): path.read_bytes()
        for path in (tmp_path / "again").rglob("*")
        if path.is_file()
    }
    assert found == FILES


@pytest.mark.parametrize("damage", ["cut off", "text", "empty", "zeros", "removed", "outside"])
def test_a_damaged_model_is_one_line(tmp_path: Path, model: Path, damage: str) -> None:
    """A model.tar that is no whole tar is named, with what to do."""
    whole = model.read_bytes()
    match damage:
        case "cut off":
            model.write_bytes(whole[: len(whole) // 2])
        case "text":
            model.write_bytes(b"<html>404 Not Found</html>" * 100)
        case "empty":
            model.write_bytes(b"")
        case "zeros":
            model.write_bytes(b"\1" * 2048)
        case "removed":
            model.unlink()
        case "outside":
            with tarfile.open(model, "w") as tar:
                tar.add(__file__, arcname="../evil.py")
    with pytest.raises(UserError) as error:
        unpack_model(model, tmp_path / "again")
    line = str(error.value)
    assert line.startswith(f"{model}: damaged (")
    assert line.endswith("); remove it: its run is made again")
    assert "\n" not in line
    assert not (tmp_path / "evil.py").exists()
