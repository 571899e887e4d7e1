"""Shards: WebDataset tars that other programs read, with an index that cannot mislead."""

import io
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pandas as pd
import pytest
import webdataset
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.layout import index_of
from jpegprep.shards.shards import (
    ShardReader,
    ShardWriter,
    pack,
    read_index,
    splits_of,
    tars_of,
    writing_shard,
)

Samples = list[tuple[str, int, bytes]]


@pytest.fixture(scope="module")
def samples(photos: Path) -> Samples:
    """Return real photographs, PNG and JPEG, with keys and labels."""
    names = ["coffee.png", "rocket.jpg", "camera.png", "cell.png", "hubble_deep_field.jpg"]
    return [
        (f"sample-{i}", (7 * i) % 5, (photos / name).read_bytes()) for i, name in enumerate(names)
    ]


def write(path: Path, samples: Samples) -> Path:
    """Write a shard of samples and return its path."""
    with writing_shard(path, "original", "none") as writer:
        for sample in samples:
            add(writer, *sample)
    return path


def add(writer: ShardWriter, key: str, label: int, data: bytes) -> None:
    """Add an original to a shard."""
    writer.append(pack([(key, label, data, data)]))


def by_tarfile(samples: Samples) -> bytes:
    """Return the tar that Python's tarfile writes of samples, without owner and time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for key, label, data in samples:
            extension = "png" if data.startswith(b"\x89PNG") else "jpg"
            for name, content in ((f"{key}.cls", b"%d" % label), (f"{key}.{extension}", data)):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def flip(path: Path, at: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_the_webdataset_library_reads_a_shard(tmp_path: Path, samples: Samples) -> None:
    """The library whose format this is gets every key, image and label, in order."""
    shard = write(tmp_path / "train-0.tar", samples)
    found = [
        (s["__key__"], int(s["cls"]), s.get("png") or s.get("jpg"))
        for s in webdataset.WebDataset(str(shard), shardshuffle=False)
    ]
    assert found == samples


def test_the_index_says_where_images_stand_in_the_tar(tmp_path: Path, samples: Samples) -> None:
    """Offset and length of the index are those at which Python's tarfile finds the image."""
    shard = write(tmp_path / "train-0.tar", samples)
    index, _ = read_index(shard)
    assert index["key"].tolist() == [key for key, _, _ in samples]
    assert index["extension"].tolist() == ["png", "jpg", "png", "png", "jpg"]
    content = shard.read_bytes()
    with tarfile.open(shard) as tar:
        members = [f"{row.key}.{row.extension}" for row in index.itertuples()]
        labels = [tar.extractfile(f"{row.key}.cls").read() for row in index.itertuples()]
        assert index["offset"].tolist() == [tar.getmember(name).offset_data for name in members]
        assert index["bytes"].tolist() == [tar.getmember(name).size for name in members]
    assert [int(label) for label in labels] == index["label"].tolist()
    for row, (_, _, data) in zip(index.itertuples(), samples, strict=True):
        assert content[row.offset : row.offset + row.bytes] == data


def test_several_shards_read_as_one(tmp_path: Path, samples: Samples) -> None:
    """A reader of several shards gives what was written, in the order of the shards."""
    shards = [
        write(tmp_path / "a-0.tar", samples[:2]),
        write(tmp_path / "a-1.tar", []),
        write(tmp_path / "a-2.tar", samples[2:]),
    ]
    reader = ShardReader(shards)
    read = [(reader.keys[i], reader.labels[i], reader.image(i)) for i in range(len(reader))]
    assert read == samples
    assert reader.image_bytes == sum(len(data) for _, _, data in samples)


def test_a_part_of_a_reader_has_the_samples_named(tmp_path: Path, samples: Samples) -> None:
    """In the order in which they are named; the whole stays as it was."""
    whole = ShardReader(
        [write(tmp_path / "a-0.tar", samples[:2]), write(tmp_path / "a-1.tar", samples[2:])]
    )
    part = whole.part([4, 0, 3])
    read = [(part.keys[i], part.labels[i], part.image(i)) for i in range(len(part))]
    assert read == [samples[4], samples[0], samples[3]]
    assert part.image_bytes == sum(len(samples[i][2]) for i in (0, 3, 4))
    assert part.checksum() != whole.checksum()
    assert len(whole) == len(samples)
    assert len(whole.part([])) == 0


def test_a_reader_can_go_to_another_process(tmp_path: Path, samples: Samples) -> None:
    """A reader that has read can be pickled, as for a worker, and reads on."""
    reader = ShardReader([write(tmp_path / "a-0.tar", samples)])
    first = reader.image(0)
    assert pickle.loads(pickle.dumps(reader)).image(0) == first == samples[0][2]


def test_equal_samples_make_equal_shards(tmp_path: Path, samples: Samples) -> None:
    """Neither time, owner nor folder is written, so that a shard's checksum can be compared."""
    one = write(tmp_path / "one" / "train-0.tar", samples)
    other = write(tmp_path / "other" / "train-0.tar", samples)
    assert one.read_bytes() == other.read_bytes()
    assert index_of(one).read_bytes() == index_of(other).read_bytes()


def test_a_flipped_bit_is_refused_by_shard_and_key(tmp_path: Path, samples: Samples) -> None:
    """A damaged image is never handed on: the error names the shard and the key, on one line."""
    shard = write(tmp_path / "train-0.tar", samples)
    index, _ = read_index(shard)
    flip(shard, int(index["offset"][1]) + 1000)
    reader = ShardReader([shard])
    with pytest.raises(UserError) as error:
        reader.image(1)
    assert str(shard) in str(error.value)
    assert "sample-1" in str(error.value)
    assert "\n" not in str(error.value)
    assert reader.image(0) == samples[0][2]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_truncated_shard_is_refused(tmp_path: Path, samples: Samples, share: float) -> None:
    """A shard that was cut off, even to nothing, is an error that names it."""
    shard = write(tmp_path / "train-0.tar", samples)
    content = shard.read_bytes()
    shard.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match="train-0.tar"):
        ShardReader([shard]).image(len(samples) - 1)


def test_a_missing_or_damaged_index_is_refused(tmp_path: Path, samples: Samples) -> None:
    """An index that is absent, cut off, or another program's is an error that names it."""
    shard = write(tmp_path / "train-0.tar", samples)
    index = index_of(shard)
    content = index.read_bytes()
    index.write_bytes(content[:-20])
    with pytest.raises(UserError, match="train-0.index.parquet"):
        ShardReader([shard])
    pd.DataFrame({"key": ["a"]}).to_parquet(index)
    with pytest.raises(UserError, match="train-0.index.parquet"):
        ShardReader([shard])
    index.unlink()
    with pytest.raises(UserError, match="train-0.index.parquet"):
        ShardReader([shard])


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path, samples: Samples) -> None:
    """Where writing fails there is neither tar, index, nor any other file."""
    with (
        pytest.raises(RuntimeError, match="power cut"),
        writing_shard(tmp_path / "train-0.tar", "original", "none") as writer,
    ):
        add(writer, *samples[0])
        raise RuntimeError("power cut")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_writer_keeps_the_older_shard(tmp_path: Path, samples: Samples) -> None:
    """Where writing a shard anew fails, the shard from before still reads."""
    shard = write(tmp_path / "train-0.tar", samples[:2])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with (
        pytest.raises(RuntimeError, match="power cut"),
        writing_shard(shard, "jpeg-q30", "none") as writer,
    ):
        add(writer, *samples[2])
        raise RuntimeError("power cut")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert ShardReader([shard]).image(1) == samples[1][2]


def test_what_is_no_image_is_not_sharded(tmp_path: Path) -> None:
    """A text among the images stops the shard; no half shard stays."""
    with (
        pytest.raises(ValueError, match="no image"),
        writing_shard(tmp_path / "train-0.tar", "original", "none") as writer,
    ):
        add(writer, "readme", 0, b"Please read me")
    assert list(tmp_path.iterdir()) == []


def test_the_index_records_variant_encoder_inflation_and_what_was_kept(
    tmp_path: Path, photos: Path
) -> None:
    """Of each shard is known its variant, its encoder, how many images grew, how many are as is."""
    data = (photos / "coffee.png").read_bytes()
    shard = tmp_path / "train-0.tar"
    with writing_shard(shard, "jpeg-q30", "Some Encoder 1.0") as writer:
        writer.append(pack([("grew", 0, data, data[:-1]), ("same", 0, data, data)]))
        other = data[:-1] + b"?"
        writer.append(pack([("shrank", 0, data, data + b"x"), ("as long", 0, data, other)]))
        writer.append(pack([("grew again", 0, data, b"")]))
    _, facts = read_index(shard)
    assert facts == {
        "variant": "jpeg-q30",
        "encoder": "Some Encoder 1.0",
        "inflated": 2,
        "kept": 1,
        "shards": 1,
    }
    assert ShardReader([shard]).encoders == ["Some Encoder 1.0"]


def test_a_shard_is_what_tarfile_writes(tmp_path: Path, samples: Samples) -> None:
    """The whole tar, to its padding, is the USTAR archive that Python's tarfile makes."""
    edges = [
        ("k" * 89 + "-" * 7, 0, samples[0][2]),  # with .cls 100 characters, the most there are
        ("a", 2**31 - 1, samples[1][2]),
        *(("n" * n, n, samples[0][2] + bytes(n)) for n in (1, 17, 511, 512, 513) if n < 96),
        ("whole-block", 3, samples[0][2] + bytes(-len(samples[0][2]) % 512)),
        ("block-and-one", 3, samples[0][2] + bytes(-len(samples[0][2]) % 512 + 1)),
    ]
    for members in (samples, edges, samples[:1], []):
        shard = write(tmp_path / "train-0.tar", members)
        assert shard.read_bytes() == by_tarfile(members)


def test_how_samples_are_packed_does_not_show(tmp_path: Path, samples: Samples) -> None:
    """Samples packed one by one, in runs or all at once make the same shard and index."""
    packed = [(*sample, sample[2]) for sample in samples]
    shards = []
    for size in (1, 2, len(packed)):
        shards.append(tmp_path / f"by-{size}.tar")
        with writing_shard(shards[-1], "original", "none") as writer:
            for start in range(0, len(packed), size):
                writer.append(pack(packed[start : start + size]))
    for shard in shards:
        assert shard.read_bytes() == by_tarfile(samples)
        assert index_of(shard).read_bytes() == index_of(shards[0]).read_bytes()


def test_an_empty_shard_is_an_empty_tar(tmp_path: Path) -> None:
    """A shard without samples is a tar without members and an index without rows."""
    shard = write(tmp_path / "test-0.tar", [])
    with tarfile.open(shard) as tar:
        assert tar.getmembers() == []
    index, facts = read_index(shard)
    assert len(index) == 0
    assert (facts["inflated"], facts["kept"]) == (0, 0)
    assert len(ShardReader([shard])) == 0


def test_packing_nothing_changes_nothing(tmp_path: Path, samples: Samples) -> None:
    """An empty pack between others leaves offsets and bytes as they were."""
    shard = tmp_path / "train-0.tar"
    with writing_shard(shard, "original", "none") as writer:
        writer.append(pack([]))
        for sample in samples:
            add(writer, *sample)
            writer.append(pack([]))
    assert shard.read_bytes() == by_tarfile(samples)
    reader = ShardReader([shard])
    assert [reader.image(i) for i in range(len(reader))] == [data for _, _, data in samples]


def test_members_have_neither_owner_nor_time(tmp_path: Path, samples: Samples) -> None:
    """Every member is a plain file of nobody, of the epoch, that all may read."""
    shard = write(tmp_path / "train-0.tar", samples)
    with tarfile.open(shard) as tar:
        members = tar.getmembers()
    assert len(members) == 2 * len(samples)
    for member in members:
        assert member.isreg()
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert (member.mtime, member.mode) == (0, 0o644)


@pytest.mark.parametrize("data", [b"", b"Please read me", b"\xff\xd8", b"<svg></svg>"])
def test_what_is_no_image_cannot_be_packed(samples: Samples, data: bytes) -> None:
    """Bytes that are no image are an error, also behind good ones."""
    good = (*samples[0], samples[0][2])
    with pytest.raises(ValueError, match="no image"):
        pack([good, ("bad", 0, data, data)])


@pytest.mark.parametrize(
    "name",
    [
        "é",
        pytest.param(
            "n" * 97,
            id="long",
        ),
    ],
)
def test_a_name_that_ustar_cannot_hold_is_no_quiet_damage(samples: Samples, name: str) -> None:
    """A key beyond ASCII or 100 characters with its extension never makes a broken header."""
    data = samples[0][2]
    with pytest.raises(ValueError):
        pack([(name, 0, data, data)])


@pytest.mark.parametrize(
    ("kind", "extension"),
    [("JPEG", "jpg"), ("PNG", "png"), ("GIF", "gif"), ("TIFF", "tif"), ("WEBP", "webp")],
)
def test_a_member_has_its_formats_extension(
    tmp_path: Path, photos: Path, kind: str, extension: str
) -> None:
    """The tar's member is called by what the bytes are, so that other programs decode it."""
    buffer = io.BytesIO()
    Image.open(photos / "chelsea.png").save(buffer, kind)
    shard = write(tmp_path / "train-0.tar", [("cat", 0, buffer.getvalue())])
    with tarfile.open(shard) as tar:
        assert tar.getnames() == ["cat.cls", f"cat.{extension}"]


def test_an_index_lies_beside_its_shard() -> None:
    """The index of train-0.tar is train-0.index.parquet in the same folder."""
    assert index_of("results/shards/x/original/train-0.tar") == Path(
        "results/shards/x/original/train-0.index.parquet"
    )


def test_threads_share_a_reader(tmp_path: Path, samples: Samples) -> None:
    """Threads that all begin at once read what was written: none closes another's file."""
    shard = write(tmp_path / "train-0.tar", samples)
    for _ in range(50):
        reader, together = ShardReader([shard]), Barrier(8)

        def read(i: int, reader: ShardReader = reader, together: Barrier = together) -> bytes:
            together.wait()
            return reader.image(i % len(reader))

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(read, range(8)))
        assert found == [samples[i % len(samples)][2] for i in range(8)]


def folder_of(path: Path, data: bytes, counts: dict[str, int]) -> Path:
    """Write a folder of shards, each with one image: its key is its split and number."""
    for split, count in counts.items():
        for k in range(count):
            with writing_shard(path / f"{split}-{k}.tar", "original", "none", count) as writer:
                writer.append(pack([(f"{split}-{k}", 0, data, data)]))
    return path


COUNTS = {"train": 12, "val": 2, "test": 1}


def test_a_folders_shards_are_found_in_the_order_of_their_numbers(
    tmp_path: Path, photos: Path
) -> None:
    """Ten comes after nine, and every split has its own."""
    folder = folder_of(tmp_path / "original", (photos / "coffee.png").read_bytes(), COUNTS)
    found = splits_of(folder)
    assert list(found) == ["train", "val", "test"]
    for split, count in COUNTS.items():
        names = [f"{split}-{k}" for k in range(count)]
        assert [Path(tar).stem for tar in found[split]] == names
        assert ShardReader(found[split]).keys.tolist() == names


@pytest.mark.parametrize("gone", ["train-0", "train-7", "train-11", "val-1"])
def test_a_missing_shard_is_never_left_out(tmp_path: Path, photos: Path, gone: str) -> None:
    """One that somebody removed, with its index, is missed: the line says what to remove."""
    folder = folder_of(tmp_path / "original", (photos / "coffee.png").read_bytes(), COUNTS)
    tar = folder / f"{gone}.tar"
    tar.unlink()
    index_of(tar).unlink()
    with pytest.raises(UserError, match=rf"{folder}/{gone}\..* is missing.*; remove {folder}: its"):
        splits_of(folder)


def test_a_damaged_index_tells_to_remove_the_folder(tmp_path: Path, photos: Path) -> None:
    """The index alone would not be made again: shards of a variant are one job's output."""
    folder = folder_of(tmp_path / "original", (photos / "coffee.png").read_bytes(), COUNTS)
    index = folder / "val-0.index.parquet"
    index.write_bytes(index.read_bytes()[:-10])
    with pytest.raises(UserError, match=rf"{index} is .*damaged; remove {folder}: its shards"):
        tars_of(folder, "val")
