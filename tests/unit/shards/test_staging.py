"""Shards on a node's own disk: the same bytes, gone afterwards, and errors that name the shards."""

from pathlib import Path

import pytest

from jpegprep.common.errors import UserError
from jpegprep.common.layout import index_of
from jpegprep.shards import staging
from jpegprep.shards.staging import staged


@pytest.fixture
def shards(tmp_path: Path) -> dict[str, list[str]]:
    """Return shards of two splits; what is in them does not matter here."""
    folder = tmp_path / "shards" / "original"
    folder.mkdir(parents=True)
    found = {"train": ["train-0.tar", "train-1.tar"], "test": ["test-0.tar"]}
    for names in found.values():
        for name in names:
            (folder / name).write_bytes(f"the shard {name}".encode())
            index_of(folder / name).write_bytes(f"the index of {name}".encode())
    return {split: [str(folder / name) for name in names] for split, names in found.items()}


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the scratch folder that the environment names."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("JPEGPREP_SCRATCH", str(folder))
    return folder


def test_without_a_scratch_folder_shards_stay_where_they_are(
    shards: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is copied."""
    monkeypatch.delenv("JPEGPREP_SCRATCH", raising=False)
    with staged(shards) as here:
        assert here == shards


def test_shards_and_indexes_are_copied_and_removed(
    shards: dict[str, list[str]], scratch: Path
) -> None:
    """In the same order."""
    with staged(shards) as here:
        for split, tars in shards.items():
            assert [Path(tar).name for tar in here[split]] == [Path(tar).name for tar in tars]
            for copy, tar in zip(here[split], tars, strict=True):
                assert scratch in Path(copy).parents
                assert Path(copy).read_bytes() == Path(tar).read_bytes()
                assert index_of(copy).read_bytes() == index_of(tar).read_bytes()
    assert list(scratch.iterdir()) == []


def test_an_error_names_the_shard_and_not_its_copy(
    shards: dict[str, list[str]], scratch: Path
) -> None:
    """Whoever removes the copy has removed nothing."""
    with (
        pytest.raises(UserError, match=f"^{shards['train'][1]} is damaged$"),
        staged(shards) as here,
    ):
        raise UserError(f"{here['train'][1]} is damaged")
    assert list(scratch.iterdir()) == []


def test_a_folder_that_is_missing_or_too_small_is_named(
    shards: dict[str, list[str]], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is copied."""

    class Full:
        free = 50

    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _: Full)
    with pytest.raises(UserError, match=f"JPEGPREP_SCRATCH is {scratch}, where 0.00 GB are free"):
        staged(shards).__enter__()
    scratch.rmdir()
    with pytest.raises(UserError, match=f"JPEGPREP_SCRATCH is {scratch}, which is no folder"):
        staged(shards).__enter__()
