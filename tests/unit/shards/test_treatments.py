"""Treatments: from archives to original shards, and from those to the variants."""

import hashlib
import io
import multiprocessing
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.layout import index_of
from jpegprep.datasets.manifest import build_manifest
from jpegprep.datasets.splits import split_dataset
from jpegprep.images.recompress import encoder
from jpegprep.shards import treatments
from jpegprep.shards.shards import ShardReader, read_index, writing_shard
from jpegprep.shards.shards import pack as pack_samples
from jpegprep.shards.treatments import (
    treat_shard,
    write_all_variants,
    write_original_shards,
    write_variant_shards,
)

Files = Callable[..., list[bytes]]
Pack = Callable[..., Path]
HOW = {"strategy": "stratified", "val": 0.2, "test": 0.2, "seed": 0, "duplicates": "apart"}
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
    write_original_shards(dataset, archives, manifest, split, COUNTS, folder / "original")
    assert sorted((folder / "original").glob("*.tar")) == sorted(shards.values())
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
    # The publisher counted the two unreadable ones among his images.
    dataset = {**registry(2, 42), "options": {"root": "data"}}
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
    target = tmp_path / "shards" / "original"
    with pytest.raises(UserError, match=f"manifest.parquet: {name} .*remove the manifest"):
        write_original_shards(dataset, [archive], manifest, split, COUNTS, target)
    assert list((tmp_path / "shards").iterdir()) == []


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


@pytest.mark.parametrize("threads", [1, 2])
def test_a_damaged_original_stops_the_variant(
    tmp_path: Path,
    mixed: Path,
    small_chunks: None,
    threads: int,
) -> None:
    """No variant is made of a damaged shard; the error names the original to make again."""
    index, _ = read_index(mixed)
    content = bytearray(mixed.read_bytes())
    content[int(index["offset"][30]) + 100] ^= 0xFF
    mixed.write_bytes(content)
    target = tmp_path / "jpeg-q30" / "train-0.tar"
    with pytest.raises(UserError, match=f"{mixed}.*{index['key'][30]}"):
        treat_shard(mixed, "jpeg-q30", target, threads)
    assert list(target.parent.iterdir()) == []
    assert multiprocessing.active_children() == []


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut shards into runs of a few images."""
    monkeypatch.setattr(treatments, "_CHUNK_IMAGES", 7)
    monkeypatch.setattr(treatments, "_CHUNK_BYTES", 30_000)


@pytest.fixture
def mixed(tmp_path: Path, patches: Files, photos: Path) -> Path:
    """Return a shard of originals: PNG patches, small JPEGs, flat images, a large photograph."""
    files = [*patches("gravel.png", 12), *patches("coffee.png", 12)]
    for data in patches("rocket.jpg", 12):
        compressed = io.BytesIO()
        Image.open(io.BytesIO(data)).save(compressed, "JPEG", quality=20)
        files.append(compressed.getvalue())
    for k in range(6):
        flat = io.BytesIO()
        Image.new("RGBA", (8 + k, 8), (50 * k, 9, 9, 200)).save(flat, "PNG")
        files.append(flat.getvalue())
    files.insert(20, (photos / "coffee.png").read_bytes())
    shard = tmp_path / "original" / "train-0.tar"
    with writing_shard(shard, "original", "none") as writer:
        writer.append(pack_samples((f"k{i}", i % 3, d, d) for i, d in enumerate(files)))
    return shard


def by_pillow(data: bytes, quality: int) -> bytes:
    """Return what Pillow alone makes of an upright image without a comment."""
    image, buffer = on_white(Image.open(io.BytesIO(data))), io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def on_white(image: Image.Image) -> Image.Image:
    """Return a transparent image laid on white, any other one as it is."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


@pytest.mark.parametrize("variant", ["jpeg-q30", "jpeg-q30-444", "jpeg-q90-smaller"])
def test_the_number_of_threads_does_not_show(
    tmp_path: Path, mixed: Path, small_chunks: None, variant: str
) -> None:
    """One, two or three threads write the same tar and index, byte for byte."""
    made = []
    for threads in (1, 2, 3):
        target = tmp_path / str(threads) / "train-0.tar"
        treat_shard(mixed, variant, target, threads)
        made.append((target.read_bytes(), index_of(target).read_bytes()))
    assert made[0] == made[1] == made[2]
    with tarfile.open(tmp_path / "3" / "train-0.tar") as tar:
        assert len(tar.getnames()) == 2 * len(ShardReader([mixed]))


def test_the_length_of_runs_does_not_show(
    tmp_path: Path, mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a shard is cut into runs, down to single images, the result is the same."""
    made = []
    for images, size in ((512, 4 << 20), (7, 30_000), (1, 1 << 30), (512, 1)):
        monkeypatch.setattr(treatments, "_CHUNK_IMAGES", images)
        monkeypatch.setattr(treatments, "_CHUNK_BYTES", size)
        target = tmp_path / f"{images}-{size}" / "train-0.tar"
        treat_shard(mixed, "jpeg-q50", target, 2)
        made.append((target.read_bytes(), index_of(target).read_bytes()))
    assert all(one == made[0] for one in made)


@pytest.mark.parametrize("threads", [1, 2])
def test_images_that_would_grow_are_kept_where_asked(
    tmp_path: Path, mixed: Path, small_chunks: None, threads: int
) -> None:
    """With -smaller an image that JPEG does not make smaller stays as published, and is counted."""
    target = tmp_path / "jpeg-q99-smaller" / "train-0.tar"
    treat_shard(mixed, "jpeg-q99-smaller", target, threads)
    before, after = ShardReader([mixed]), ShardReader([target])
    kept = 0
    for i in range(len(before)):
        compressed = by_pillow(before.image(i), 99)
        keep = len(compressed) >= len(before.image(i))
        assert after.image(i) == (before.image(i) if keep else compressed)
        kept += keep
    index, facts = read_index(target)
    assert 0 < kept < len(before)
    assert facts == {
        "variant": "jpeg-q99-smaller",
        "encoder": encoder(),
        "inflated": 0,
        "kept": kept,
        "shards": 1,
    }
    assert set(index["extension"]) == {"png", "jpg"}


# Of the shards of a few images, made when these were all variants there were: names that exist keep
# their bytes, since studies share shards.
WRITTEN = {
    "original": "cc328294c358dacd019913888eca5c77d02ebc0c5c2c206a57abe317f49602a2",
    "jpeg-q90": "9b62bf872ba284bd212e685d6e90e05371af150973025aa18d5c2c1af93df938",
    "jpeg-q30": "75004f59a827a3977a2a6c2011672a5809f977c08870b8d0e5238df6fad87f02",
    "jpeg-q30-smaller": "135fa954387e5c486675d6b3a748dd92460496218dbe2e25d281f6d5bf6b9ca8",
    "jpeg-q1": "d3f71441d829f27ecd6c45b24e4252e0b1b0c4398ef9d0ae7601369017984197",
    "noise": "c136589e591fe234eb25d4a2618e83c841d0a06cbee711f4107f1e2fa8c51381",
    "noise-jpeg-q30": "136ff0be9579bd847c55fd5c85b0432ec9238a4a84f7d420c4bfc1bb6d1bdac7",
}
WRITTEN_BY = "Pillow 12.3.0, libjpeg-turbo 3.1.4.1; plain files: OpenCV 5.0.0, libjpeg-turbo 3.1.2"


def test_variants_keep_their_bytes(tmp_path: Path, photos: Path) -> None:
    """Colour, gray, palette, CMYK, a photograph, a tiny image: shards are those of before."""
    if encoder() != WRITTEN_BY:
        pytest.skip(f"recorded with other libraries: {WRITTEN_BY}")
    whole = (100, 100, 164, 164)

    def cut(name: str, box: tuple[int, ...] = whole, kind: str = "PNG", **how: Any) -> bytes:
        buffer, mode = io.BytesIO(), how.pop("mode", None)
        piece = Image.open(photos / name).crop(box)
        (piece.convert(mode) if mode else piece).save(buffer, kind, **how)
        return buffer.getvalue()

    files = {
        "colour": cut("chelsea.png"),
        "gray": cut("brick.png"),
        "palette": cut("chelsea.png", mode="P"),
        "cmyk": cut("chelsea.png", mode="CMYK", kind="JPEG"),
        "jpeg": (photos / "rocket.jpg").read_bytes(),
        "small": cut("coffee.png", (0, 0, 5, 3)),
        "saved": cut("coffee.png", kind="JPEG", quality=30),
    }
    original = tmp_path / "original" / "test-0.tar"
    with writing_shard(original, "original", "none") as writer:
        writer.append(pack_samples([(key, 0, data, data) for key, data in files.items()]))
    found = {"original": hashlib.sha256(original.read_bytes()).hexdigest()}
    for variant in [*WRITTEN][1:]:
        target = tmp_path / variant / "test-0.tar"
        treat_shard(original, variant, target)
        found[variant] = hashlib.sha256(target.read_bytes()).hexdigest()
    assert found == WRITTEN


def test_full_chroma_shards_hold_what_pillow_saves(tmp_path: Path, mixed: Path) -> None:
    """`jpeg-q30-444` is Pillow's subsampling=0; of gray images it is what `jpeg-q30` is."""
    targets = {v: tmp_path / v / "train-0.tar" for v in ("jpeg-q30", "jpeg-q30-444")}
    for variant, target in targets.items():
        treat_shard(mixed, variant, target)
    before = ShardReader([mixed])
    subsampled, full = (ShardReader([target]) for target in targets.values())
    differ = 0
    for i in range(len(before)):
        image, buffer = on_white(Image.open(io.BytesIO(before.image(i)))), io.BytesIO()
        image.save(buffer, "JPEG", quality=30, subsampling=0)
        assert full.image(i) == buffer.getvalue()
        assert (full.image(i) == subsampled.image(i)) == (image.mode == "L")
        differ += full.image(i) != subsampled.image(i)
    assert differ > 0


def test_images_that_grow_are_counted_over_all_runs(
    tmp_path: Path, mixed: Path, small_chunks: None
) -> None:
    """Without -smaller every image is compressed; those that grew are counted, none is kept."""
    target = tmp_path / "jpeg-q99" / "train-0.tar"
    treat_shard(mixed, "jpeg-q99", target, 2)
    before, after = ShardReader([mixed]), ShardReader([target])
    grown = 0
    for i in range(len(before)):
        assert after.image(i) == by_pillow(before.image(i), 99)
        grown += len(after.image(i)) > len(before.image(i))
    _, facts = read_index(target)
    assert grown > 0
    assert (facts["inflated"], facts["kept"]) == (grown, 0)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_shard_without_images_has_variants_without_images(tmp_path: Path, threads: int) -> None:
    """An empty shard is treated to an empty shard."""
    original, target = tmp_path / "original" / "val-0.tar", tmp_path / "jpeg-q30" / "val-0.tar"
    with writing_shard(original, "original", "none"):
        pass
    treat_shard(original, "jpeg-q30", target, threads)
    assert len(ShardReader([target])) == 0
    assert read_index(target)[1]["variant"] == "jpeg-q30"


def test_original_shards_count_no_growth(
    tmp_path: Path, pack: Pack, textures: dict[str, bytes]
) -> None:
    """In the shards of originals every image is its own original and none grew."""
    archive = pack(tmp_path / "textures.tar", textures)
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    for shard in shard_originals(tmp_path, dataset, [archive]).values():
        index, facts = read_index(shard)
        assert (facts["inflated"], facts["kept"]) == (0, len(index))


PEAK = """
import re, sys
from pathlib import Path
from jpegprep.shards.treatments import treat_shard

treat_shard(sys.argv[1], "jpeg-q99", sys.argv[2], int(sys.argv[3]))
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("threads", [1, 2])
def test_memory_does_not_grow_with_the_shard(
    tmp_path: Path,
    patches: Files,
    python: Callable[..., subprocess.CompletedProcess[str]],
    threads: int,
) -> None:
    """Twenty times the images, 120 MB in and 20 MB out, take hardly more memory at their peak."""
    # Bytes behind a PNG's end are no part of the picture: files as heavy as larger images are.
    files = [data + bytes(30_000 - len(data)) for data in patches("coffee.png", 50)]
    peaks = []
    for count in (200, 4000):
        original, target = tmp_path / f"{count}.tar", tmp_path / f"{count}-treated.tar"
        with writing_shard(original, "original", "none") as writer:
            for i in range(count):
                data = files[i % 50]
                writer.append(pack_samples([(f"k{i}", 0, data, data)]))
        done = python(PEAK, original, target, threads)
        assert done.returncode == 0, done.stderr
        peaks.append(float(done.stdout.split()[-1]))
    assert original.stat().st_size > 120e6
    assert target.stat().st_size > 20e6
    assert peaks[1] - peaks[0] < 30


def test_a_variants_shards_are_those_of_its_originals(
    tmp_path: Path, pack: Pack, textures: dict[str, bytes]
) -> None:
    """Each tar is what treating its original makes, byte for byte, with one thread and with two."""
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    originals = shard_originals(tmp_path, dataset, [pack(tmp_path / "t.tar", textures)])
    for threads in (1, 2):
        target = tmp_path / f"with-{threads}" / "jpeg-q30"
        write_variant_shards(tmp_path / "original", "jpeg-q30", target, threads)
        assert list(target.parent.iterdir()) == [target]
        assert len(list(target.iterdir())) == 2 * len(originals)
        for original in originals.values():
            alone = tmp_path / "alone" / original.name
            treat_shard(original, "jpeg-q30", alone)
            for file in (alone, index_of(alone)):
                assert (target / file.name).read_bytes() == file.read_bytes()


def test_all_variants_at_once_are_what_each_alone_is(
    tmp_path: Path, pack: Pack, textures: dict[str, bytes]
) -> None:
    """Every tar and index, byte for byte."""
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    shard_originals(tmp_path, dataset, [pack(tmp_path / "t.tar", textures)])
    names = ["jpeg-q90-smaller", "jpeg-q30", "jpeg-q5-smaller"]
    together = [tmp_path / "together" / name for name in names]
    write_all_variants(tmp_path / "original", names, together, threads=2)
    for name, folder in zip(names, together, strict=True):
        alone = tmp_path / "alone" / name
        write_variant_shards(tmp_path / "original", name, alone)
        assert sorted(f.name for f in alone.iterdir()) == sorted(f.name for f in folder.iterdir())
        for file in alone.iterdir():
            assert file.read_bytes() == (folder / file.name).read_bytes()


def test_a_variant_is_whole_or_absent(
    tmp_path: Path, pack: Pack, textures: dict[str, bytes]
) -> None:
    """Where the last shard is damaged, the folder does not appear, and nothing is left over."""
    dataset = {**registry(2, 40), "options": {"root": "data"}}
    originals = shard_originals(tmp_path, dataset, [pack(tmp_path / "t.tar", textures)])
    tar = originals["test", 0]
    content = bytearray(tar.read_bytes())
    content[int(read_index(tar)[0]["offset"].iloc[-1]) + 100] ^= 1
    tar.write_bytes(content)
    target = tmp_path / "variants" / "jpeg-q30"
    with pytest.raises(UserError, match=f"{tar}: .* is damaged"):
        write_variant_shards(tmp_path / "original", "jpeg-q30", target)
    assert list(target.parent.iterdir()) == []
