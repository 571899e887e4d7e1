"""WebDataset shards: what the library writes is what is read; labels, splits, groups, errors."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jpegprep.common.errors import UserError
from jpegprep.datasets.adapters import read_samples
from jpegprep.datasets.fetch import fetch
from jpegprep.datasets.own_images import inspect, registry_entry
from jpegprep.datasets.sources import kind_of
from jpegprep.datasets.webdataset import key_and_ending

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def pngs(patches: Callable[..., list[bytes]]) -> list[bytes]:
    """Return sixteen small images."""
    return patches("coffee.png", 16, side=16)


def shard(path: Path, files: Files) -> Path:
    """Write a tar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def labelled(pngs: list[bytes], first: int = 0, count: int = 8) -> Files:
    """Return samples of two classes, as most shards have them."""
    files: Files = {}
    for i in range(first, first + count):
        files[f"{i:04d}.png"] = pngs[i]
        files[f"{i:04d}.cls"] = b"%d" % (i % 2)
    return files


def told_by_json(pngs: list[bytes], **more: Callable[[int], Any]) -> Files:
    """Return samples whose .json says their class, and more."""
    files: Files = {}
    for i, data in enumerate(pngs):
        said = {"label": ["cat", "dog"][i % 2], **{key: of(i) for key, of in more.items()}}
        files |= {f"{i:04d}.png": data, f"{i:04d}.json": json.dumps(said).encode()}
    return files


def read(path: Path, tmp_path: Path) -> list[Any]:
    """Return the samples of shards, as the manifest gets them."""
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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0001.jpg", ("0001", "jpg")),
        ("a/b.left.png", ("a/b", "left.png")),
        ("a.b/c.JPG", ("a.b/c", "jpg")),
        ("README", None),
        (".hidden", None),
    ],
)
def test_keys_and_endings_are_the_library_s(name: str, expected: tuple[str, str] | None) -> None:
    """The ending begins at the first dot of the last part."""
    webdataset = pytest.importorskip("webdataset")
    assert key_and_ending(name) == expected
    key, ending = webdataset.tariterators.base_plus_ext(name)
    if expected:
        assert (key, ending.lower()) == expected


def test_what_the_library_writes_is_read(tmp_path: Path, pngs: list[bytes]) -> None:
    """Its ShardWriter, with a number a class: every image with its label, byte for byte."""
    webdataset = pytest.importorskip("webdataset")
    folder = tmp_path / "shards"
    folder.mkdir()
    with webdataset.ShardWriter(str(folder / "x-%04d.tar"), maxcount=5, verbose=0) as sink:
        for i, data in enumerate(pngs):
            sink.write({"__key__": f"{i:04d}", "png": data, "cls": i % 2})
    assert kind_of(folder) == "webdataset"
    found = inspect(folder)
    assert (found.classes, found.images, found.splits) == (("0", "1"), 16, False)
    assert found.told == "label from '.cls'"
    samples = read(folder, tmp_path)
    assert [s.data for s in samples] == pngs
    assert [s.class_name for s in samples] == [str(i % 2) for i in range(16)]
    assert samples[5].member == "x-0001.tar/0005.png"


def test_names_of_shards_give_the_splits(tmp_path: Path, pngs: list[bytes]) -> None:
    """As in imagenet-train-000000.tar."""
    shard(tmp_path / "x" / "pets-train-000000.tar", labelled(pngs, 0, 8))
    shard(tmp_path / "x" / "pets-val-000000.tar", labelled(pngs, 8, 8))
    found = inspect(tmp_path / "x")
    assert found.splits and {k: n for k, (n, _) in found.amounts.items()} == {"train": 8, "val": 8}
    members = [sample.member for sample in read(tmp_path / "x", tmp_path)]
    assert {member.partition("/")[0] for member in members} == {"train", "val"}


def test_json_says_label_split_and_group(tmp_path: Path, pngs: list[bytes]) -> None:
    """Its usual keys are found, and told."""
    about: dict[str, Callable[[int], Any]] = {
        "patient": lambda i: f"p{i // 4}",
        "split": lambda i: ["train", "train", "test", "test"][i // 4],
        "caption": lambda i: f"number {i}",
    }
    path = shard(tmp_path / "x.tar", told_by_json(pngs, **about))
    assert kind_of(path) == "webdataset"
    found = inspect(path)
    assert found.classes == ("cat", "dog") and found.splits
    assert found.told == "label from 'label', split from 'split', group from 'patient'"
    samples = read(path, tmp_path)
    assert [s.group for s in samples] == [f"p{i // 4}" for i in range(16)]
    assert [s.member.partition("/")[0] for s in samples] == ["train"] * 8 + ["test"] * 8


def test_a_number_beside_a_name_is_that_class(tmp_path: Path, pngs: list[bytes]) -> None:
    """Where .cls is a number and .json says what it is called, the name is the label."""
    files = told_by_json(pngs) | {f"{i:04d}.cls": b"%d" % (i % 2) for i in range(16)}
    files = dict(sorted(files.items()))
    assert inspect(shard(tmp_path / "x.tar", files)).classes == ("cat", "dog")


def test_images_without_a_label_are_told_and_set_aside(tmp_path: Path, pngs: list[bytes]) -> None:
    """They are counted, and no class."""
    files = labelled(pngs, 0, 16)
    del files["0003.cls"]
    (tmp_path / "x").mkdir()
    found = inspect(shard(tmp_path / "x" / "x.tar", files).parent)
    assert found.images == 15 and "1 images have no label and are left out" in found.told


def test_what_is_no_shard_stays_an_archive(tmp_path: Path, pngs: list[bytes]) -> None:
    """Class folders in a tar, also with a .json beside each image."""
    files: Files = {}
    for i, data in enumerate(pngs):
        files |= {f"{'ab'[i % 2]}/{i}.png": data, f"{'ab'[i % 2]}/{i}.json": b'{"label": "x"}'}
    path = shard(tmp_path / "x.tar", files)
    assert kind_of(path) == "archive" and inspect(path).classes == ("a", "b")


def test_samples_without_labels_or_with_two_images_are_refused(
    tmp_path: Path, pngs: list[bytes]
) -> None:
    """In a line that says what there is."""
    captions = {
        f"{i}.{end}": data
        for i, png in enumerate(pngs)
        for end, data in (("png", png), ("txt", b"a cup"))
    }
    folder = shard(tmp_path / "captions" / "x.tar", captions).parent
    assert "no label; they have .png, .txt" in refusal(folder)
    assert ".txt is taken for a caption" in refusal(folder)
    two = labelled(pngs) | {"0001.left.png": pngs[0]}
    folder = shard(tmp_path / "two" / "x.tar", dict(sorted(two.items()))).parent
    assert "'0001' has 2 images" in refusal(folder)
    unclear = told_by_json(pngs, category=lambda i: i % 3)
    del_label = {name: data.replace(b'"label"', b'"species"') for name, data in unclear.items()}
    folder = shard(tmp_path / "unclear" / "x.tar", del_label).parent
    assert "label may stand in 'category' or 'species'" in refusal(folder)
    assert inspect(folder, columns={"label": "species"}).classes == ("cat", "dog")


def test_a_truncated_shard_is_named(tmp_path: Path, pngs: list[bytes]) -> None:
    """With the fix."""
    folder = shard(tmp_path / "x" / "x.tar", labelled(pngs, 0, 16)).parent
    data = (folder / "x.tar").read_bytes()
    (folder / "x.tar").write_bytes(data[: len(data) // 2])
    assert "truncated or damaged: make it again" in refusal(folder)
