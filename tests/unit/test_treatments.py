"""Treatments: from archives to original shards, and from those to the variants."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from jpegprep.errors import UserError
from jpegprep.manifest import build_manifest
from jpegprep.shards import ShardReader, read_index
from jpegprep.splits import split_dataset
from jpegprep.treatments import treat_shard, write_original_shards

Files = Callable[..., list[bytes]]
Pack = Callable[..., Path]
HOW = {"strategy": "stratified", "val": 0.2, "test": 0.2, "seed": 0}
COUNTS = {"train": 2, "val": 1, "test": 1}


def registry(classes: int, count: int) -> dict[str, Any]:
    """Return what a registry says of class folders."""
    return {"adapter": "class_folders", "classes": classes, "images": count}


def shard_originals(
    folder: Path, dataset: Mapping[str, Any], archives: list[Path]
) -> dict[tuple[str, int], Path]:
    """Make manifest, split and original shards of archives; return the shards' paths."""
    manifest, split = folder / "manifest.parquet", folder / "split.parquet"
    build_manifest(dataset, archives, manifest)
    split_dataset(HOW, COUNTS, manifest, split)
    shards = {
        (part, k): folder / "original" / f"{part}-{k}.tar"
        for part, number in COUNTS.items()
        for k in range(number)
    }
    write_original_shards(dataset, archives, split, manifest, shards)
    return shards


def contents(shards: Mapping[Any, Path]) -> dict[str, tuple[int, bytes]]:
    """Return label and image file of every key of some shards; keys are unique."""
    reader = ShardReader(list(shards.values()))
    found = {
        str(reader.keys[i]): (int(reader.labels[i]), reader.image(i)) for i in range(len(reader))
    }
    assert len(found) == len(reader)
    return found


@pytest.fixture
def textures(patches: Files) -> dict[str, bytes]:
    """Return the members of an archive of two classes of real textures."""
    return {
        f"data/{name}/{i:03}.png": data
        for name in ("gravel", "brick")
        for i, data in enumerate(patches(f"{name}.png", 20))
    }


def test_originals_are_the_archives_files(
    tmp_path: Path, pack: Pack, textures: dict[str, bytes]
) -> None:
    """Every image stands in exactly one shard, byte for byte, under its class's label."""
    archive = pack(tmp_path / "textures.tar.gz", textures)
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    found = contents(shard_originals(tmp_path, dataset, [archive]))
    labels = {"brick": 0, "gravel": 1}
    expected = [(labels[name.split("/")[1]], data) for name, data in textures.items()]
    assert sorted(found.values()) == sorted(expected)


def test_shards_follow_the_split(tmp_path: Path, pack: Pack, textures: dict[str, bytes]) -> None:
    """Each shard holds the samples that the split file puts there, and no others."""
    archive = pack(tmp_path / "textures.tar", textures)
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    shards = shard_originals(tmp_path, dataset, [archive])
    split = pd.read_parquet(tmp_path / "split.parquet").set_index("key")
    for (part, k), path in shards.items():
        index, facts = read_index(path)
        wanted = split[(split["split"] == part) & (split["shard"] == k)]
        assert sorted(index["key"]) == sorted(wanted.index)
        assert dict(zip(index["key"], index["label"], strict=True)) == wanted["label"].to_dict()
        assert facts["variant"] == "original"


def test_unreadable_files_are_in_no_shard(
    tmp_path: Path, pack: Pack, textures: dict[str, bytes]
) -> None:
    """A text, a truncated image and a stray among the images are left out; the rest is sharded."""
    whole = textures["data/brick/000.png"]
    bad = {
        "readme.png": whole,
        "data/brick/notes.png": b"not an image",
        "data/brick/half.png": whole[: len(whole) // 2],
    }
    archive = pack(tmp_path / "textures.zip", {**bad, **textures})
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    found = contents(shard_originals(tmp_path, dataset, [archive]))
    assert sorted(data for _, data in found.values()) == sorted(textures.values())


@pytest.mark.parametrize("same_bytes", [True, False])
def test_two_archives_may_use_the_same_names(
    tmp_path: Path, pack: Pack, patches: Files, same_bytes: bool
) -> None:
    """Publishers call files 0.png in each of several archives: no image is lost or mixed up."""
    brick, gravel = patches("brick.png", 12), patches("gravel.png", 12)
    first = {"a/0.png": brick[0]} | {f"a/{i}.png": brick[i] for i in range(6)}
    first |= {f"b/{i}.png": gravel[i] for i in range(6)}
    second = first
    if not same_bytes:
        second = {f"a/{i}.png": brick[6 + i] for i in range(6)}
        second |= {f"b/{i}.png": gravel[6 + i] for i in range(6)}
    archives = [pack(tmp_path / "one.tar", first), pack(tmp_path / "two.tar", second)]
    found = contents(shard_originals(tmp_path, registry(2, 24), archives))
    expected = [
        ("ab".index(name[0]), data) for members in (first, second) for name, data in members.items()
    ]
    assert sorted(found.values()) == sorted(expected)


def test_a_name_may_stand_in_a_tar_several_times(
    tmp_path: Path, pack: Pack, patches: Files
) -> None:
    """A tar that was appended to holds a name thrice: every image gets a key of its own."""
    brick, gravel = patches("brick.png", 8), patches("gravel.png", 6)
    members = [("a/0.png", data) for data in brick[:3]]
    members += [(f"a/{i}.png", brick[i]) for i in range(3, 8)]
    members += [(f"b/{i}.png", data) for i, data in enumerate(gravel)]
    archive = pack(tmp_path / "appended.tar", members)
    found = contents(shard_originals(tmp_path, registry(2, 14), [archive]))
    assert sorted(data for _, data in found.values()) == sorted(data for _, data in members)


@pytest.mark.parametrize("length", [80, 88, 89, 200])
def test_names_may_be_long(tmp_path: Path, pack: Pack, patches: Files, length: int) -> None:
    """Long names, also two that differ in the extension alone, fit into a tar."""
    data = patches("brick.png", 12)
    name = "n" * length
    members = {f"c/{name}.png": data[0], f"c/{name}.jpg": data[1], f"c/{name}.jpeg": data[2]}
    members |= {f"c/{i}.png": data[i] for i in range(3, 6)}
    members |= {f"d/{i}.png": data[i] for i in range(6, 12)}
    archive = pack(tmp_path / "long.tar", members)
    found = contents(shard_originals(tmp_path, registry(2, 12), [archive]))
    assert sorted(file for _, file in found.values()) == sorted(data)


@pytest.mark.parametrize("change", ["other bytes", "gone"])
def test_an_archive_that_changed_is_refused(
    tmp_path: Path, pack: Pack, textures: dict[str, bytes], change: str
) -> None:
    """Shards are not made of another archive than the manifest's: no shard appears."""
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    archive = pack(tmp_path / "textures.tar", textures)
    manifest, split = tmp_path / "manifest.parquet", tmp_path / "split.parquet"
    build_manifest(dataset, [archive], manifest)
    split_dataset(HOW, COUNTS, manifest, split)
    name = "data/brick/007.png"
    if change == "gone":
        del textures[name]
    else:
        textures[name] = textures["data/gravel/000.png"]
    pack(archive, textures)
    shards = {
        (part, k): tmp_path / "original" / f"{part}-{k}.tar" for part in COUNTS for k in range(2)
    }
    with pytest.raises(UserError, match=f"manifest.parquet: {name} .*remove the manifest"):
        write_original_shards(dataset, [archive], split, manifest, shards)
    assert list((tmp_path / "original").iterdir()) == []


@pytest.mark.parametrize("quality", [10, 90])
def test_a_variant_has_the_same_samples_compressed(
    tmp_path: Path, pack: Pack, textures: dict[str, bytes], quality: int
) -> None:
    """Keys, labels and order are the original's; each image is what Pillow saves."""
    archive = pack(tmp_path / "textures.tar", textures)
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    original = shard_originals(tmp_path, dataset, [archive])["train", 0]
    target = tmp_path / f"jpeg-q{quality}" / "train-0.tar"
    treat_shard(original, f"jpeg-q{quality}", target)
    before, after = ShardReader([original]), ShardReader([target])
    assert after.keys.tolist() == before.keys.tolist()
    assert after.labels.tolist() == before.labels.tolist()
    grown = 0
    for i in range(len(before)):
        buffer = io.BytesIO()
        Image.open(io.BytesIO(before.image(i))).save(buffer, "JPEG", quality=quality)
        assert after.image(i) == buffer.getvalue()
        grown += len(buffer.getvalue()) > len(before.image(i))
    _, facts = read_index(target)
    assert facts["variant"] == f"jpeg-q{quality}"
    assert facts["inflated"] == grown


def test_images_that_grow_are_counted(tmp_path: Path, pack: Pack, patches: Files) -> None:
    """Small flat images are larger as JPEG than as PNG, and the index says how many grew."""
    flat = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(flat, "PNG")
    members = {f"a/{i}.png": flat.getvalue() for i in range(10)}
    members |= {f"b/{i}.png": data for i, data in enumerate(patches("gravel.png", 10))}
    archive = pack(tmp_path / "mixed.tar", members)
    shards = shard_originals(tmp_path, registry(2, 20), [archive])
    grown = 0
    for (part, k), path in shards.items():
        target = tmp_path / "jpeg-q30" / f"{part}-{k}.tar"
        treat_shard(path, "jpeg-q30", target)
        grown += read_index(target)[1]["inflated"]
    assert grown == 10


def test_a_damaged_original_stops_the_variant(
    tmp_path: Path, pack: Pack, textures: dict[str, bytes]
) -> None:
    """No variant is made of a damaged shard; the error names the original to make again."""
    archive = pack(tmp_path / "textures.tar", textures)
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    original = shard_originals(tmp_path, dataset, [archive])["val", 0]
    index, _ = read_index(original)
    content = bytearray(original.read_bytes())
    content[int(index["offset"][3]) + 100] ^= 0xFF
    original.write_bytes(content)
    target = tmp_path / "jpeg-q30" / "val-0.tar"
    with pytest.raises(UserError, match=f"{original}.*{index['key'][3]}"):
        treat_shard(original, "jpeg-q30", target)
    assert list(target.parent.iterdir()) == []
