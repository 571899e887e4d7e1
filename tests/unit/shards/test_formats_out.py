"""Conversion into WebDataset shards and Parquet, and back: the same labels, the same bytes."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conversions import content, encoded, tree
from image_files import photograph, rich_files, saved
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.datasets.own_images import inspect
from jpegprep.images.preserving import giving
from jpegprep.shards.conversion import convert, main
from jpegprep.shards.conversion_record import read_record

FORMS = ["webdataset", "parquet"]


@pytest.fixture(scope="module")
def jpegs(patches: Callable[..., list[bytes]]) -> list[bytes]:
    """Return 24 photographs that quality 99 makes no smaller, so that they stay as they are."""
    cut = patches("coffee.png", 12) + patches("chelsea.png", 12)
    return [encoded(data, "JPEG", quality=60) for data in cut]


@pytest.fixture
def photos_in_classes(tmp_path: Path, jpegs: list[bytes]) -> Path:
    """Return a folder of train and test, two classes, folders in them, and odd names."""
    files = {}
    for i, data in enumerate(jpegs):
        split, deep = ("train" if i % 3 else "test"), ("ü b/" if i % 4 == 0 else "")
        files[f"{split}/{'coffee' if i < 12 else 'chelsea'}/{deep}{i}.jpg"] = data
    return tree(tmp_path / "photos", files)


def shown(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder but hidden ones."""
    return {name: data for name, data in content(folder).items() if not name.startswith(".")}


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_comes_back_byte_for_byte(
    photos_in_classes: Path, tmp_path: Path, form: str
) -> None:
    """Into shards or Parquet and out again: the same files, in the same folders."""
    convert(photos_in_classes, tmp_path / form, 99, threads=2, form=form)
    assert inspect(tmp_path / form).classes == ("chelsea", "coffee")
    convert(tmp_path / form, tmp_path / "back", 99, form="folder")
    assert shown(tmp_path / "back") == content(photos_in_classes)
    for target in (form, "back"):
        assert main(["--verify", str(tmp_path / target)]) == 0


@pytest.mark.parametrize("form", FORMS)
def test_from_one_form_to_the_other_and_home(
    photos_in_classes: Path, tmp_path: Path, form: str
) -> None:
    """Shards to Parquet, or Parquet to shards, then to folders: nothing is lost on the way."""
    other = FORMS[1 - FORMS.index(form)]
    convert(photos_in_classes, tmp_path / "1", 99, form=form)
    convert(tmp_path / "1", tmp_path / "2", 99, form=other)
    convert(tmp_path / "2", tmp_path / "3", 99, form="folder")
    assert shown(tmp_path / "3") == content(photos_in_classes)


@pytest.mark.parametrize("form", FORMS)
def test_images_are_compressed_as_in_a_folder(
    tmp_path: Path, patches: Callable[..., list[bytes]], form: str
) -> None:
    """The JPEG files are those of a conversion to a folder, under the names that it gives."""
    pngs = patches("brick.png", 6) + patches("gravel.png", 6)
    files = {f"{'ab'[i % 2]}/{i}.png": data for i, data in enumerate(pngs)}
    source = tree(tmp_path / "source", files)
    convert(source, tmp_path / "folder", 30)
    summary = convert(source, tmp_path / form, 30, form=form)
    convert(tmp_path / form, tmp_path / "back", 99, form="folder")
    assert shown(tmp_path / "back") == shown(tmp_path / "folder")
    assert summary.images == 12 and summary.after < summary.before


RAW = b"II*\0" + bytes(200)


@pytest.mark.parametrize("form", FORMS)
def test_what_jpeg_cannot_hold_stays_whole(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a folder; a camera's raw file, which no such form holds, is counted by its name."""
    source = tree(tmp_path / "source", {**rich_files(), "a/raw.dng": RAW})
    folder = convert(source, tmp_path / "folder", 50)
    found = convert(source, tmp_path / form, 50, form=form)
    assert found.held == folder.held
    assert found.held == {"over 8 bits": 5, "several frames": 1, "transparent": 1}
    assert (found.images, found.left_out) == (folder.images, folder.left_out)
    assert (folder.unread, found.unwritten, found.skipped) == ({".dng": 1}, {".dng": 1}, 0)
    assert "images of formats that are not read (.dng 1), not written: 1\n" in str(found)
    convert(tmp_path / form, tmp_path / "back", 99, form="folder")
    assert {**shown(tmp_path / "back"), "a/raw.dng": RAW} == shown(tmp_path / "folder")
    assert main(["--verify", str(tmp_path / form)]) == 1
    assert "skipped (not read: .dng): a/raw.dng" in capsys.readouterr().out


@pytest.mark.parametrize("form", FORMS)
def test_asked_for_eight_bits_each_form_has_the_range_of_a_folder(
    tmp_path: Path, form: str
) -> None:
    """Out of a folder, within one form, and when a call goes on with more images."""
    source = tree(tmp_path / "source", rich_files())
    given, measure = giving("8", alpha="white", frames="first", metadata="strip")
    how: dict[str, Any] = {"keep_smaller": False, "given": given, "measure": measure}

    def variant(target: str) -> str:
        said: str = json.loads((tmp_path / target / ".jpegprep.json").read_text())["variant"]
        return said

    assert convert(source, tmp_path / "folder", 95, **how).held == {}
    expected = shown(tmp_path / "folder")
    assert convert(source, tmp_path / "out", 95, form=form, **how).held == {}
    assert variant("out").startswith(variant("folder") + ", ")
    convert(tmp_path / "out", tmp_path / "back", 99, form="folder")
    assert shown(tmp_path / "back") == expected
    # Shards that stay shards, Parquet that stays Parquet.
    as_they_were = tree(tmp_path / "deep", {n: d for n, d in rich_files().items() if n < "b/q"})
    convert(as_they_were, tmp_path / "in", 99, form=form)
    convert(tmp_path / "in", tmp_path / "same", 95, **how)
    assert variant("same") == variant("folder") + ", " + form
    convert(tmp_path / "same", tmp_path / "home", 99, form="folder")
    deep = {name: data for name, data in expected.items() if name.startswith("a/")}
    found = shown(tmp_path / "home")
    assert len(deep) == 5 and {name: found[name] for name in deep} == deep
    # What was begun has its range, and would have another one now.
    before = variant("same")
    brighter = photograph().convert("L").convert("I;16").point(lambda value: value * 200)
    bright = saved(brighter, "PNG")
    later = tree(tmp_path / "later", {"a/bright.png": bright, "b/bright.png": bright})
    convert(later, tmp_path / "more", 99, form=form)
    name = next(path for path in (tmp_path / "more").rglob("*-0000*") if path.is_file())
    (tmp_path / "in" / f"z{name.suffix}").write_bytes(name.read_bytes())
    convert(tmp_path / "in", tmp_path / "same", 95, **how)
    assert variant("same") == before


def test_raw_files_in_shards_are_counted(tmp_path: Path) -> None:
    """They stay where they are, under a name that tells them from other files."""
    (tmp_path / "in").mkdir()
    png = saved(photograph(), "PNG")
    with tarfile.open(tmp_path / "in" / "x-0.tar", "w") as tar:
        for i in range(4):
            for name, part in (
                (f"{i}.{'png' if i else 'dng'}", png if i else RAW),
                (f"{i}.cls", b"1"),
            ):
                info = tarfile.TarInfo(name)
                info.size = len(part)
                tar.addfile(info, io.BytesIO(part))
    for form in ("webdataset", "folder"):
        found = convert(tmp_path / "in", tmp_path / form, 50, form=form)
        assert (found.images, found.unread) == (3, {".dng": 1})
        assert main(["--verify", str(tmp_path / form)]) == 0
    assert shown(tmp_path / "folder")["1/0.dng"] == RAW


def test_webdataset_reads_the_shards(photos_in_classes: Path, tmp_path: Path) -> None:
    """The library decodes each image with its label; the numbers are those of classes.json."""
    webdataset = pytest.importorskip("webdataset")
    convert(photos_in_classes, tmp_path / "out", 99, form="webdataset")
    names = json.loads((tmp_path / "out" / "classes.json").read_text("utf-8"))
    assert names == ["chelsea", "coffee"]
    found = {}
    for split in ("train", "test"):
        shards = str(tmp_path / "out" / f"{split}-000000.tar")
        dataset = webdataset.WebDataset(shards, shardshuffle=False).decode("pil")
        for image, label, said in dataset.to_tuple("jpg", "cls", "json"):
            found[said["path"]] = np.asarray(image)
            assert said["label"] == names[label] == said["path"].split("/")[1]
    expected = content(photos_in_classes)
    assert set(found) == set(expected)
    for name, pixels in found.items():
        assert (pixels == np.asarray(Image.open(io.BytesIO(expected[name])))).all()


def test_datasets_reads_the_parquet(
    photos_in_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library finds the splits, the images and the names of the classes by itself."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    convert(photos_in_classes, tmp_path / "out", 99, form="parquet")
    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 16, "test": 8}
    assert found["train"].features["label"].names == ["chelsea", "coffee"]
    assert isinstance(found["train"].features["image"], datasets.Image)
    rows = found["train"].cast_column("image", datasets.Image(decode=False))
    held = {row["image"]["path"]: row["image"]["bytes"] for row in rows}
    expected = content(photos_in_classes)
    assert held == {name: data for name, data in expected.items() if name.startswith("train/")}
    names = found["train"].features["label"].names
    assert all(names[row["label"]] == row["image"]["path"].split("/")[1] for row in rows)
    assert found["test"][0]["image"].size == (64, 64)


def test_shards_stay_shards(tmp_path: Path, patches: Callable[..., list[bytes]]) -> None:
    """The same samples in the same order; all that stands beside the images is as it was."""
    pngs = patches("brick.png", 8)
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "x-0.tar", "w") as tar:
        for i, data in enumerate(pngs):
            for ending, part in (
                *(("png", data), ("cls", b"%d" % (i % 2)), ("txt", b"bricks")),
                ("npy", bytes(range(i))),
            ):
                info = tarfile.TarInfo(f"{i:03d}.{ending}")
                info.size, info.mtime, info.uname = len(part), 10**9 + i, "somebody"
                tar.addfile(info, io.BytesIO(part))
    (tmp_path / "in" / "README.md").write_text("bricks")
    convert(tmp_path / "in", tmp_path / "out", 40, threads=2)
    with tarfile.open(tmp_path / "out" / "x-0.tar") as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
        assert {(m.mtime - 10**9, m.uname) for m in tar.getmembers()} == {
            (i, "somebody") for i in range(8)
        }
    assert list(members) == [f"{i:03d}.{e}" for i in range(8) for e in ("jpg", "cls", "txt", "npy")]
    for i, data in enumerate(pngs):
        buffer = io.BytesIO()
        Image.open(io.BytesIO(data)).save(buffer, "JPEG", quality=40)
        assert members[f"{i:03d}.jpg"] == buffer.getvalue()
        assert members[f"{i:03d}.npy"] == bytes(range(i))
    assert (tmp_path / "out" / "README.md").read_text() == "bricks"
    assert main(["--verify", str(tmp_path / "out")]) == 0


def test_parquet_stays_parquet(tmp_path: Path, patches: Callable[..., list[bytes]]) -> None:
    """The same rows, columns, metadata and row groups; a row without an image stays so."""
    pngs = patches("brick.png", 8)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(pngs)]
    columns = {"id": list(range(9)), "image": pa.array([*images, None], kind)}
    columns |= {"label": [i % 2 for i in range(9)], "boxes": [[1.5, i] for i in range(9)]}
    table = pa.table(columns).replace_schema_metadata({b"who": b"me"})
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in" / "x.parquet", row_group_size=4, compression="zstd")
    convert(tmp_path / "in", tmp_path / "out", 40)
    found = pq.ParquetFile(tmp_path / "out" / "x.parquet")
    before = pq.ParquetFile(tmp_path / "in" / "x.parquet").schema_arrow
    assert found.schema_arrow.equals(before, check_metadata=True)
    assert found.schema_arrow.metadata[b"who"] == b"me"
    assert [found.metadata.row_group(k).num_rows for k in range(3)] == [4, 4, 1]
    rows = found.read()
    for name in ("id", "label", "boxes"):
        assert rows[name].to_pylist() == table[name].to_pylist()
    held = rows["image"].to_pylist()
    assert held[8] is None and [row["path"] for row in held[:8]] == [f"{i}.jpg" for i in range(8)]
    for row, data in zip(held, pngs, strict=False):
        assert row["bytes"].startswith(b"\xff\xd8") and len(row["bytes"]) < len(data)
    assert main(["--verify", str(tmp_path / "out")]) == 0


def test_a_csv_with_patients_takes_them_along(tmp_path: Path, jpegs: list[bytes]) -> None:
    """The group of each image stands in the shards, and is found there again."""
    source = tree(tmp_path / "in", {f"all/{i}.jpg": data for i, data in enumerate(jpegs)})
    rows = "".join(f"all/{i}.jpg;{'ab'[i % 2]};p{i // 3}\n" for i in range(24))
    (source / "labels.csv").write_text("image_id;class;patient\n" + rows)
    for form in FORMS:
        convert(source / "labels.csv", tmp_path / form, 99, form=form)
        assert "group from 'group'" in inspect(tmp_path / form).told
    told = pq.read_table(next((tmp_path / "parquet").rglob("train-*.parquet")))
    groups = dict(
        zip(
            [row["path"] for row in told["image"].to_pylist()],
            told["group"].to_pylist(),
            strict=True,
        )
    )
    assert groups == {f"all/{i}.jpg": f"p{i // 3}" for i in range(24)}


def test_what_no_shard_can_hold_is_told(
    photos_in_classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A README is left where it was, and counted; the source is whole without it."""
    (photos_in_classes / "README.md").write_text("x")
    before = content(photos_in_classes)
    assert (
        main(
            [str(photos_in_classes), str(tmp_path / "out"), "--quality", "50"]
            + ["--format", "webdataset"]
        )
        == 0
    )
    assert "files without a label or no images, not written: 1" in capsys.readouterr().out
    assert content(photos_in_classes) == before
    assert main(["--verify", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_second_call_writes_nothing_again(
    photos_in_classes: Path, tmp_path: Path, form: str
) -> None:
    """What stands is left; what was taken away is written again, the same."""
    convert(photos_in_classes, tmp_path / "out", 50, form=form)
    files = {
        path: path.stat().st_ino
        for path in (tmp_path / "out").rglob("*.*[tr]")
        if not path.name.startswith(".")
    }
    before = shown(tmp_path / "out")
    gone = min(files)
    gone.unlink()
    convert(photos_in_classes, tmp_path / "out", 50, form=form)
    assert shown(tmp_path / "out") == before
    assert all(path.stat().st_ino == files[path] for path in files if path != gone)
    done = Counter(read_record(tmp_path / "out")["done"].to_pylist())
    assert done["converted"] + done["kept"] + done["copied"] == 24


@pytest.mark.parametrize("form", FORMS)
def test_damage_inside_is_found(photos_in_classes: Path, tmp_path: Path, form: str) -> None:
    """A changed image in a shard or a Parquet file is named, and the exit status is 1."""
    convert(photos_in_classes, tmp_path / "out", 50, form=form)
    path = next(
        p
        for p in sorted((tmp_path / "out").rglob("*"))
        if p.suffix in (".tar", ".parquet") and not p.name.startswith(".")
    )
    data = bytearray(path.read_bytes())
    place = data.index(b"\xff\xda") + 40  # inside of the first image's scan
    data[place] ^= 0xFF
    path.write_bytes(data)
    assert main(["--verify", str(tmp_path / "out")]) == 1


def test_an_unknown_format_and_no_classes_are_refused(tmp_path: Path, jpegs: list[bytes]) -> None:
    """In one line."""
    source = tree(tmp_path / "in", {f"{i}.jpg": data for i, data in enumerate(jpegs)})
    with pytest.raises(UserError, match="format is 'zip'; it is folder, webdataset or parquet"):
        convert(source, tmp_path / "out", 50, form="zip")
    with pytest.raises(UserError, match="all images lie directly in one folder"):
        convert(source, tmp_path / "out", 50, form="parquet")
    assert not (tmp_path / "out").exists()


def test_two_classes_of_one_folder_are_refused(tmp_path: Path, jpegs: list[bytes]) -> None:
    """A class a/b and a class a_b cannot both be a folder a_b."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": data, "path": f"{i}.jpg"} for i, data in enumerate(jpegs)], kind)
    labels: list[Any] = [["a/b", "a_b"][i % 2] for i in range(24)]
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"image": images, "label": labels}), tmp_path / "in" / "x.parquet")
    with pytest.raises(UserError, match="'a/b' and 'a_b' would have one folder, 'a_b'"):
        convert(tmp_path / "in", tmp_path / "out", 50, form="folder")
