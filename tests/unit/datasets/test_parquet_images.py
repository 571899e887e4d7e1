"""Image data sets as Parquet: what the library `datasets` writes is what is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpegprep.common.errors import UserError
from jpegprep.datasets.adapters import read_samples
from jpegprep.datasets.fetch import fetch
from jpegprep.datasets.own_images import inspect, registry_entry
from jpegprep.datasets.sources import kind_of


@pytest.fixture(scope="module")
def pngs(patches: Callable[..., list[bytes]]) -> list[bytes]:
    """Return sixteen small images."""
    return patches("coffee.png", 16, side=16)


def rows(pngs: list[bytes], **more: list[Any]) -> pa.Table:
    """Return a table of images and labels, without what `datasets` says of it."""
    images = [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(pngs)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    labels = [["cat", "dog"][i % 2] for i in range(len(pngs))]
    return pa.table({"image": pa.array(images, kind), "label": labels, **more})


def written(path: Path, table: pa.Table) -> Path:
    """Write a file, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def read(path: Path, tmp_path: Path) -> list[Any]:
    """Return the samples, as the manifest gets them."""
    entry = registry_entry(path)
    archive = tmp_path / "archives" / entry["archives"][0]["name"]
    fetch(entry["archives"][0], archive)
    return list(read_samples(entry, [archive]))


def refusal(path: Path, **columns: Any) -> str:
    """Return the one line with which inspection ends."""
    with pytest.raises(UserError) as error:
        inspect(path, columns=columns)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    return str(error.value)


def test_what_the_library_writes_is_read(
    tmp_path: Path, pngs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its names of classes, its splits, and every image byte for byte."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])}
    )
    folder = tmp_path / "data"
    folder.mkdir()
    for split, part in (("train", pngs[:10]), ("test", pngs[10:])):
        images = [{"bytes": data, "path": None} for data in part]
        labels = [i % 2 for i in range(len(part))]
        table = datasets.Dataset.from_dict({"image": images, "label": labels}, features)
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    assert kind_of(folder) == "parquet"
    found = inspect(folder)
    assert (found.classes, found.splits) == (("cat", "dog"), True)
    assert {split: count for split, (count, _) in found.amounts.items()} == {"train": 10, "test": 6}
    assert found.told == "image from 'image', label from 'label'"
    samples = read(folder, tmp_path)
    assert sorted(s.data for s in samples) == sorted(pngs)
    of_train = [s for s in samples if s.member.startswith("train/")]
    assert [s.class_name for s in of_train] == ["dog", "cat"] * 5
    assert of_train[3].member == "train/train-00000-of-00001.parquet/000003-image.png"


def test_columns_of_splits_and_groups_are_found(tmp_path: Path, pngs: list[bytes]) -> None:
    """By their usual names."""
    more = {"split": ["train"] * 8 + ["test"] * 8, "patient_id": [i // 4 for i in range(16)]}
    path = written(tmp_path / "x.parquet", rows(pngs, **more))
    found = inspect(path)
    assert found.splits and found.told == (
        "image from 'image', label from 'label', group from 'patient_id', split from 'split'"
    )
    assert [s.group for s in read(path, tmp_path)] == [str(i // 4) for i in range(16)]


def test_bytes_without_a_path_are_images_where_it_is_said(
    tmp_path: Path, pngs: list[bytes]
) -> None:
    """A column of bytes may be anything; the metadata say that it is images."""
    table = pa.table({"picture": pngs, "label": [i % 2 for i in range(16)]})
    assert "0 columns are image" in refusal(written(tmp_path / "x" / "x.parquet", table).parent)
    about = b'{"info": {"features": {"picture": {"_type": "Image"}}}}'
    told = table.replace_schema_metadata({b"huggingface": about})
    found = read(written(tmp_path / "y" / "y.parquet", told).parent, tmp_path)
    assert [sample.data for sample in found] == pngs


def test_which_of_two_labels_is_asked(tmp_path: Path, pngs: list[bytes]) -> None:
    """And the answer is heeded."""
    kinds = {"category": [i % 2 for i in range(16)], "species": [i // 8 for i in range(16)]}
    table = rows(pngs, **kinds).drop_columns(["label"])
    path = written(tmp_path / "x.parquet", table)
    assert "label may stand in 'category' or 'species'" in refusal(path)
    assert inspect(path, columns={"label": "species"}).classes == ("0", "1")
    assert "label_column is 'what'" in refusal(path, label="what")


def test_rows_without_a_label_are_told(tmp_path: Path, pngs: list[bytes]) -> None:
    """None is no class, nor is -1 of a ClassLabel."""
    table = rows(pngs)
    labels = [None, *table["label"].to_pylist()[1:]]
    path = written(tmp_path / "x.parquet", table.set_column(1, "label", [labels]))
    assert inspect(path).images == 15 and "1 images have no label" in inspect(path).told


def test_images_in_other_files_and_damage_are_named(tmp_path: Path, pngs: list[bytes]) -> None:
    """With the fix."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": None, "path": "/elsewhere/1.png"}] * 16, kind)
    path = written(tmp_path / "x.parquet", rows(pngs).set_column(0, "image", images))
    with pytest.raises(UserError, match=r"row 0 has no bytes, only the path '/elsewhere/1\.png'"):
        read(path, tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read as Parquet" in refusal(path)


def test_files_with_other_columns_are_named(tmp_path: Path, pngs: list[bytes]) -> None:
    """Which differ from the first."""
    written(tmp_path / "x" / "a.parquet", rows(pngs))
    written(tmp_path / "x" / "b.parquet", rows(pngs, patient=["p"] * 16))
    with pytest.raises(UserError, match=r"b\.parquet: has other columns .* than a\.parquet"):
        inspect(tmp_path / "x")
