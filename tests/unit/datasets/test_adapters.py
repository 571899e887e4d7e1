"""The adapters: what each layout of archives holds, hostile and broken archives included."""

import gzip
import importlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.datasets import adapters, archives
from jpegprep.datasets.adapters import read_samples
from jpegprep.datasets.archives import Sample
from jpegprep.datasets.fetch import fetch
from jpegprep.datasets.own_images import registry_entry

Files = Callable[..., list[bytes]]
Pack = Callable[..., Path]
FOLDERS: dict[str, Any] = {"adapter": "class_folders"}
NESTED: dict[str, Any] = {**FOLDERS, "options": {"nested": True}}
CIFAR = {"adapter": "cifar"}
PETS = {"adapter": "oxford_pets"}
KINDS = ["tar", "tar.gz", "tar.xz", "tar.bz2", "zip"]


@pytest.fixture
def members(patches: Files) -> dict[str, bytes]:
    """Return an archive's members: two classes of three real images."""
    return {
        f"{name}/{i}.png": data
        for name in ("brick", "gravel")
        for i, data in enumerate(patches(f"{name}.png", 3))
    }


def rooted(root: str, **options: Any) -> dict[str, Any]:
    """Return a data set of class folders below a root."""
    return {**FOLDERS, "options": {"root": root, **options}}


def classes_of(dataset: dict[str, Any], *archives: Path) -> dict[str, str | None]:
    """Return the class of every member, or its problem in angle brackets."""
    return {
        sample.member: f"<{sample.problem}>" if sample.problem else sample.class_name
        for sample in read_samples(dataset, archives)
    }


def refusal(dataset: dict[str, Any], *archives: Path) -> str:
    """Return the message of the error that reading ends with, which is one line."""
    with pytest.raises(UserError) as error:
        list(read_samples(dataset, archives))
    assert "\n" not in str(error.value)
    return str(error.value)


# Class folders


@pytest.mark.parametrize("kind", KINDS)
def test_class_folders_reads_every_kind_of_archive(
    tmp_path: Path, pack: Pack, members: dict[str, bytes], kind: str
) -> None:
    """Tar, with any compression, and zip give the same samples in the archive's order."""
    archive = pack(tmp_path / f"images.{kind}", members)
    assert list(read_samples(FOLDERS, [archive])) == [
        Sample(name.split("/")[0], name, data) for name, data in members.items()
    ]


def test_an_archive_may_be_of_another_kind_than_its_name(
    tmp_path: Path, pack: Pack, members: dict[str, bytes]
) -> None:
    """A plain tar called .tar.gz, as DTD's is, and a zip called .tar are read by content."""
    plain = pack(tmp_path / "a.tar", members).rename(tmp_path / "dtd-r1.0.1.tar.gz")
    zipped = pack(tmp_path / "b.zip", members).rename(tmp_path / "b.tar")
    expected = list(read_samples(FOLDERS, [pack(tmp_path / "c.tar", members)]))
    assert list(read_samples(FOLDERS, [plain])) == expected
    assert list(read_samples(FOLDERS, [zipped])) == expected


def test_several_archives_are_read_in_their_order(
    tmp_path: Path, pack: Pack, members: dict[str, bytes]
) -> None:
    """A data set of several archives holds what the first has, then what the second has."""
    names = list(members)
    archives = [
        pack(tmp_path / "1.zip", {name: members[name] for name in names[3:]}),
        pack(tmp_path / "2.tar", {name: members[name] for name in names[:3]}),
    ]
    assert list(classes_of(FOLDERS, *archives)) == names[3:] + names[:3]


def test_names_may_begin_with_a_dot_and_a_slash(
    tmp_path: Path, pack: Pack, members: dict[str, bytes]
) -> None:
    """What ``tar -c .`` writes reads like any other tar."""
    archive = pack(tmp_path / "images.tar", {f"./{name}": data for name, data in members.items()})
    assert [sample.class_name for sample in read_samples(FOLDERS, [archive])] == [
        *("brick",) * 3,
        *("gravel",) * 3,
    ]


def test_nested_folders_are_classes_by_their_path(tmp_path: Path, pack: Pack) -> None:
    """In SUN397's layout a class is the path below the root, with and without a last part."""
    expected = {
        "SUN397/a/abbey/sun_1.jpg": "a/abbey",
        "SUN397/a/apartment_building/outdoor/sun_2.jpg": "a/apartment_building/outdoor",
        "SUN397/a/apartment_building/indoor/sun_3.jpg": "a/apartment_building/indoor",
        "SUN397/ClassName.txt": None,
        "SUN397/README.txt": None,
        "SUN397/a/.cache/sun_4.jpg": None,
        "SUN397/.git/a/abbey/sun_5.jpg": None,
        "SUN397/a/abbey/._sun_1.jpg": None,
        "SUN397x/a/abbey/sun_6.jpg": None,
        "sun_7.jpg": None,
    }
    archive = pack(tmp_path / "SUN397.tar.gz", dict.fromkeys(expected, b"?"))
    assert classes_of(rooted("SUN397", nested=True), archive) == expected


def test_strays_of_caltech_are_in_no_class(tmp_path: Path, pack: Pack) -> None:
    """What lies too deep is in no class; what lies in a class folder is left to the manifest."""
    expected = {
        "256_ObjectCategories/056.dog/056_0001.jpg": "056.dog",
        "256_ObjectCategories/056.dog/greg/vision309/note.m": None,
        "256_ObjectCategories/056.dog/greg/vision309/056_0002.jpg": None,
        "256_ObjectCategories/198.spider/198_0001.jpg": "198.spider",
        "256_ObjectCategories/198.spider/RENAME2": "198.spider",
    }
    archive = pack(tmp_path / "256_ObjectCategories.tar", dict.fromkeys(expected, b"?"))
    assert classes_of(rooted("256_ObjectCategories"), archive) == expected


def test_folders_are_no_samples(tmp_path: Path, members: dict[str, bytes]) -> None:
    """Folders that an archive lists on their own, empty ones too, are passed over."""
    archive = tmp_path / "images.tar"
    with tarfile.open(archive, "w") as tar:
        for name in (".", "brick", "gravel", "empty"):
            folder = tarfile.TarInfo(name)
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
        add(tar, "brick/0.png", members["brick/0.png"])
    zipped = tmp_path / "images.zip"
    with zipfile.ZipFile(zipped, "w") as opened:
        opened.mkdir("brick")
        opened.mkdir("empty")
        opened.writestr("brick/0.png", members["brick/0.png"])
    for path in (archive, zipped):
        assert classes_of(FOLDERS, path) == {"brick/0.png": "brick"}


# Broken archives


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.5, 0.6])
@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_archive_is_refused(
    tmp_path: Path, pack: Pack, members: dict[str, bytes], kind: str, share: float
) -> None:
    """A download that broke off is one line that names the archive and what to do."""
    archive = pack(tmp_path / f"images.{kind}", members)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    message = refusal(FOLDERS, archive)
    assert str(archive) in message
    assert "remove it" in message


def test_a_tar_cut_between_two_members_is_refused(
    tmp_path: Path, pack: Pack, members: dict[str, bytes]
) -> None:
    """A plain tar that ends where a member ends, which tar readers overlook, is no whole one."""
    archive = pack(tmp_path / "images.tar", members)
    with tarfile.open(archive) as tar:
        starts = [member.offset for member in tar][1:]
    content = archive.read_bytes()
    for start in starts:
        archive.write_bytes(content[:start])
        assert str(archive) in refusal(FOLDERS, archive)


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "tar.bz2", "zip"])
def test_a_damaged_archive_is_refused(
    tmp_path: Path, pack: Pack, members: dict[str, bytes], kind: str
) -> None:
    """Overwritten bytes inside a compressed archive are one line that names it."""
    texts = {f"{name[:-4]}.txt": data.hex().encode() for name, data in members.items()}
    archive = pack(tmp_path / f"images.{kind}", texts)
    content = bytearray(archive.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(range(256)) + bytes(44)
    archive.write_bytes(content)
    assert str(archive) in refusal(FOLDERS, archive)


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_a_tar_with_a_damaged_header_is_refused(
    tmp_path: Path, pack: Pack, members: dict[str, bytes], kind: str
) -> None:
    """A header inside a tar whose checksum is wrong is one line, not the end of the data set."""
    plain = pack(tmp_path / "plain.tar", members)
    with tarfile.open(plain) as tar:
        third = tar.getmembers()[2].offset
    content = plain.read_bytes()
    content = content[:third] + b"?" + content[third + 1 :]
    archive = tmp_path / f"images.{kind}"
    archive.write_bytes(gzip.compress(content) if kind == "tar.gz" else content)
    assert str(archive) in refusal(FOLDERS, archive)


@pytest.mark.parametrize("content", [b"<html>404 Not Found</html>", b"", b"\0" * 100])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """A web page in place of an archive is one line that names it."""
    archive = tmp_path / "images.tar.gz"
    archive.write_bytes(content)
    assert str(archive) in refusal(FOLDERS, archive)


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    """An archive that is not there is one line that names it."""
    assert "gone.tar" in refusal(FOLDERS, tmp_path / "gone.tar")


def test_an_encrypted_zip_is_refused(tmp_path: Path, pack: Pack, members: dict[str, bytes]) -> None:
    """A zip that wants a password is one line that names it."""
    archive = pack(tmp_path / "images.zip", members)
    content = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(signature), bytes(content)):
            content[found.start() + flags] |= 1
    archive.write_bytes(content)
    assert str(archive) in refusal(FOLDERS, archive)


@pytest.mark.parametrize("last", ["labels/list.zip", "gravel/3.png"])
def test_a_zip_inside_a_tar_does_not_hide_the_tar(
    tmp_path: Path, pack: Pack, members: dict[str, bytes], last: str
) -> None:
    """A tar whose last member is, or ends as, a zip is still read as the tar it is."""
    inner = pack(tmp_path / "list.zip", {"list.txt": b"none"}).read_bytes()
    archive = pack(tmp_path / "images.tar", {**members, last: members["gravel/0.png"] + inner})
    assert set(classes_of(FOLDERS, archive)) == {*members, last}


def test_a_zip_with_a_damaged_name_is_refused_or_read(tmp_path: Path, pack: Pack) -> None:
    """A name that is flagged as UTF-8 and is none gives one line, or a row; no traceback."""
    archive = pack(tmp_path / "images.zip", {"café/0.png": b"?"})
    archive.write_bytes(archive.read_bytes().replace("é".encode(), b"\xff\xfe"))
    try:
        assert len(list(read_samples(FOLDERS, [archive]))) == 1
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(("root", "name"), [("images", "images"), (".", "."), (".", "./")])
def test_a_file_in_place_of_the_root_is_outside(tmp_path: Path, root: str, name: str) -> None:
    """A link or a file that is called as the root folder is a row like any other stray."""
    archive = tmp_path / "images.tar"
    with tarfile.open(archive, "w") as tar:
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
        tar.addfile(link)
        add(tar, f"{root}/brick/0.png", b"?")
    found = list(classes_of(rooted(root), archive).values())
    assert found == ["<link>", "brick"]


# Hostile archives


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file to a tar under any name."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def listing(folder: Path) -> dict[str, int]:
    """Return all files and links below a folder, with their sizes."""
    return {
        str(path): path.lstat().st_size
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


@pytest.fixture
def nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder for archives; the folders around it and the working folder stay as they are."""
    inside = tmp_path / "a" / "b" / "c"
    work = tmp_path / "work" / "deep"
    inside.mkdir(parents=True)
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    yield inside
    assert {Path(name).parent for name in listing(tmp_path)} == {inside}
    assert not Path("/abs-jpegprep").exists()


ESCAPING = ["../x.jpg", "../../class/x.jpg", "/abs-jpegprep/x.jpg", "class/../../x.jpg", "x.jpg"]


@pytest.mark.parametrize("dataset", [FOLDERS, NESTED], ids=["flat", "nested"])
@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_names_that_lead_out_of_the_archive_are_rows_without_class(
    nothing_is_written: Path, pack: Pack, kind: str, dataset: dict[str, Any]
) -> None:
    """Each such member is there, belongs to no class, and nothing is written anywhere."""
    archive = pack(nothing_is_written / f"hostile.{kind}", dict.fromkeys(ESCAPING, b"pwned"))
    before = listing(nothing_is_written)
    assert classes_of(dataset, archive) == dict.fromkeys(ESCAPING)
    assert listing(nothing_is_written) == before


@pytest.mark.parametrize("dataset", [FOLDERS, NESTED], ids=["flat", "nested"])
def test_links_and_devices_of_a_tar_are_never_followed(
    nothing_is_written: Path, patches: Files, dataset: dict[str, Any]
) -> None:
    """Links, hard links, fifos and devices are rows with that problem and without data."""
    data = patches("brick.png", 1)[0]
    secret = nothing_is_written / "secret.jpg"
    secret.write_bytes(data)
    kinds = {
        "class/link.jpg": (tarfile.SYMTYPE, "/etc/passwd"),
        "class/secret.jpg": (tarfile.SYMTYPE, str(secret)),
        "class/inner.jpg": (tarfile.SYMTYPE, "0.png"),
        "class/hard.jpg": (tarfile.LNKTYPE, "class/0.png"),
        "class/fifo.jpg": (tarfile.FIFOTYPE, ""),
        "class/device.jpg": (tarfile.CHRTYPE, ""),
        "class/disk.jpg": (tarfile.BLKTYPE, ""),
    }
    archive = nothing_is_written / "hostile.tar"
    with tarfile.open(archive, "w") as tar:
        add(tar, "class/0.png", data)
        for name, (kind, target) in kinds.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    samples = {sample.member: sample for sample in read_samples(dataset, [archive])}
    assert samples.pop("class/0.png") == Sample("class", "class/0.png", data)
    assert samples.keys() == kinds.keys()
    assert {(sample.problem, sample.data) for sample in samples.values()} == {("link", b"")}


def test_a_symbolic_link_of_a_zip_is_not_followed(nothing_is_written: Path, patches: Files) -> None:
    """A link in a zip yields at most its own text, never the file that it names."""
    secret = nothing_is_written / "secret.jpg"
    secret.write_bytes(patches("brick.png", 1)[0])
    archive = nothing_is_written / "hostile.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        link = zipfile.ZipInfo("class/link.jpg")
        link.external_attr = 0o120777 << 16
        opened.writestr(link, str(secret))
    (sample,) = read_samples(FOLDERS, [archive])
    assert sample.data in (b"", str(secret).encode())


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_a_member_too_large_is_not_read(
    tmp_path: Path,
    pack: Pack,
    members: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """A file beyond the limit is a row without data; one at the limit, and later ones, are."""
    limit = max(map(len, members.values()))
    monkeypatch.setattr(archives, "LARGEST", limit)
    files = {"brick/large.png": bytes(limit + 1), "brick/at.png": bytes(limit), **members}
    samples = list(read_samples(FOLDERS, [pack(tmp_path / f"images.{kind}", files)]))
    assert samples[0] == Sample("brick", "brick/large.png", b"", "too large")
    assert [(sample.member, sample.data) for sample in samples[1:]] == list(files.items())[1:]


ODD_NAMES = [
    *("new\nline.jpg", "tab\t.jpg", "bell\a.jpg", "escape\x1b[31m.jpg", "delete\x7f.jpg"),
    *("x" * 300 + ".jpg", "é猫🐈.jpg", "bidi\u202egpj.jpg", "back\\slash.jpg", " .jpg", "-rf.jpg"),
]


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_odd_names_are_read_as_they_are(tmp_path: Path, pack: Pack, kind: str) -> None:
    """Control characters, any script, 300 characters: every member is there, under its name."""
    names = [f"class/{name}" for name in ODD_NAMES]
    archive = pack(tmp_path / f"odd.{kind}", dict.fromkeys(names, b"?"))
    assert classes_of(FOLDERS, archive) == dict.fromkeys(names, "class")


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_names_in_no_encoding_are_read_as_latin1(tmp_path: Path, form: int) -> None:
    """A tar with names in Latin-1 loses no member, and a name is text without surrogates."""
    archive = tmp_path / "latin1.tar"
    with tarfile.open(archive, "w", format=form, encoding="latin-1") as tar:
        for name in ("café/é.jpg", "café/plain.jpg", "plain/é.jpg"):
            add(tar, name, b"?")
    assert classes_of(FOLDERS, archive) == {
        "café/é.jpg": "café",
        "café/plain.jpg": "café",
        "plain/é.jpg": "plain",
    }


# CIFAR


def pixels(count: int, seed: int) -> np.ndarray:
    """Return random images, (count, 32, 32, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def rows(images: np.ndarray) -> np.ndarray:
    """Return images as CIFAR's rows: its page says 1024 red values, 1024 green, 1024 blue."""
    return np.concatenate(
        [images[..., channel].reshape(len(images), 1024) for channel in range(3)], axis=1
    )


def batch(images: np.ndarray, labels: list[Any], prefix: str = "x") -> dict[bytes, Any]:
    """Return one of CIFAR-10's batches."""
    names = [f"{prefix}_s_{i:06}.png".encode() for i in range(len(images))]
    return {b"batch_label": b"1", b"labels": labels, b"data": rows(images), b"filenames": names}


NAMES = [b"airplane", b"automobile", b"bird"]
META = {b"num_cases_per_batch": 4, b"label_names": NAMES, b"num_vis": 3072}


def python2(content: dict[bytes, Any]) -> bytes:
    """Pickle as Python 2 did: byte strings as its str, and NumPy's module as it was called then."""

    def item(value: Any) -> bytes:
        if isinstance(value, bytes):
            return b"U" + bytes([len(value)]) + value  # SHORT_BINSTRING
        if isinstance(value, int):
            return b"J" + struct.pack("<i", value)  # BININT
        if isinstance(value, list):
            return b"](" + b"".join(map(item, value)) + b"e"
        array = np.ascontiguousarray(value)
        shape = b"(" + b"".join(map(item, array.shape)) + b"t"
        kind = b"cnumpy\ndtype\n(" + item(b"u1") + item(0) + item(1) + b"tR"
        kind += b"(" + item(3) + item(b"|") + b"NNN" + item(-1) + item(-1) + item(0) + b"tb"
        begin = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + item(0) + b"t"
        begin += item(b"b") + b"tR"
        raw = array.tobytes()
        return (
            begin + b"(" + item(1) + shape + kind + b"\x89T" + struct.pack("<i", len(raw)) + raw
        ) + b"tb"

    pairs = b"".join(item(key) + item(value) for key, value in content.items())
    return b"\x80\x02}(" + pairs + b"u."


def python3(content: dict[bytes, Any]) -> bytes:
    """Pickle as this Python does for old ones."""
    return pickle.dumps(content, protocol=2)


def cifar10(pack: Pack, path: Path, **files: Any) -> Path:
    """Pack an archive in CIFAR-10's layout; `files` replace or join the usual ones."""
    usual = {
        "batches.meta": META,
        "data_batch_1": batch(pixels(4, 1), [0, 1, 2, 0]),
        "test_batch": batch(pixels(3, 2), [2, 1, 0], "t"),
    }
    return pack(
        path,
        {
            f"cifar-10-batches-py/{name}": file if isinstance(file, bytes) else python3(file)
            for name, file in {**usual, **files}.items()
        },
    )


def decoded(sample: Sample) -> np.ndarray:
    """Return the pixels of a sample, which is a PNG file."""
    image = Image.open(io.BytesIO(sample.data))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return np.asarray(image)


@pytest.mark.parametrize("pickled", [python2, python3])
def test_cifar10_is_read_as_published(tmp_path: Path, pack: Pack, pickled: Any) -> None:
    """The images have the arrays' pixels and the classes of their labels; strays have none."""
    order = ["batches.meta", "data_batch_4", "readme.html", "test_batch", "data_batch_1"]
    labels = {"data_batch_4": [0, 2], "test_batch": [1, 1, 2], "data_batch_1": [2]}
    images = {name: pixels(len(of), seed) for seed, (name, of) in enumerate(labels.items())}
    files = {name: pickled(batch(images[name], of, name)) for name, of in labels.items()}
    files |= {"batches.meta": pickled(META), "readme.html": b"<html>"}
    archive = pack(
        tmp_path / "cifar-10-python.tar.gz",
        {f"cifar-10-batches-py/{name}": files[name] for name in order},
    )
    samples = list(read_samples(CIFAR, [archive]))
    strays = [sample for sample in samples if sample.class_name is None]
    assert strays == [Sample(None, "cifar-10-batches-py/readme.html", b"<html>")]
    found = {sample.member: sample for sample in samples if sample.class_name}
    for name, of in labels.items():
        for i, label in enumerate(of):
            sample = found.pop(f"cifar-10-batches-py/{name}/{name}_s_{i:06}.png")
            assert sample.class_name == NAMES[label].decode()
            assert sample.problem is None
            assert np.array_equal(decoded(sample), images[name][i])
    assert not found


@pytest.mark.parametrize("pickled", [python2, python3])
def test_cifar100_has_its_fine_classes(tmp_path: Path, pack: Pack, pickled: Any) -> None:
    """The classes are the 100 fine ones, not the coarse; meta may come last, as published."""
    images = pixels(3, 0)
    train = batch(images, [1, 0, 2])
    train[b"fine_labels"] = train.pop(b"labels")
    train[b"coarse_labels"] = [0, 0, 1]
    meta = {b"fine_label_names": NAMES, b"coarse_label_names": [b"vehicle", b"animal"]}
    archive = pack(
        tmp_path / "cifar-100-python.tar.gz",
        {
            "cifar-100-python/train": pickled(train),
            "cifar-100-python/meta": pickled(meta),
            "cifar-100-python/file.txt~": b"",
        },
    )
    samples = {sample.member: sample for sample in read_samples(CIFAR, [archive])}
    assert samples.pop("cifar-100-python/file.txt~").class_name is None
    assert [sample.class_name for sample in samples.values()] == ["automobile", "airplane", "bird"]
    assert all(map(np.array_equal, map(decoded, samples.values()), images))


class Calls:
    """Something whose unpickling calls a function."""

    def __init__(self, function: str, *arguments: Any) -> None:
        """Keep which function is called, with what."""
        self.module, _, self.name = function.rpartition(".")
        self.arguments = arguments

    def pickled(self) -> bytes:
        """Return the pickle, which calls the function wherever it is loaded."""
        arguments = b"".join(pickle.dumps(value, 2)[2:-1] for value in self.arguments)
        return b"\x80\x02c%s\n%s\n(%stR." % (self.module.encode(), self.name.encode(), arguments)


@pytest.mark.parametrize("place", ["batches.meta", "data_batch_1", "train", "test"])
@pytest.mark.parametrize(
    "function",
    [
        *("os.system", "posix.system", "subprocess.getoutput", "builtins.eval", "builtins.exec"),
        *("__builtin__.eval", "builtins.open", "os.mkdir", "pathlib.Path.touch"),
        *("numpy.load", "numpy.fromfile", "numpy.memmap", "numpy.core.multiarray.fromfile"),
        *("builtins.getattr", "importlib.import_module", "numpy.testing._private.utils.runstring"),
    ],
)
def test_a_hostile_pickle_executes_nothing(
    tmp_path: Path, pack: Pack, function: str, place: str
) -> None:
    """A batch that asks for anything but arrays is one line; what it wanted is not done."""
    trap = tmp_path / "trap"
    arguments: dict[str, tuple[Any, ...]] = {
        **dict.fromkeys(["os.system", "posix.system"], (f"touch {trap}",)),
        "subprocess.getoutput": (f"touch {trap}",),
        **dict.fromkeys(["builtins.eval", "__builtin__.eval"], (f"open({str(trap)!r}, 'w')",)),
        "builtins.exec": (f"open({str(trap)!r}, 'w')",),
        "builtins.open": (str(trap), "w"),
        "numpy.memmap": (str(trap), "uint8", "w+", 0, (4,)),
        "numpy.testing._private.utils.runstring": (f"open({str(trap)!r}, 'w')", {}),
    }
    hostile = Calls(function, *arguments.get(function, (str(trap),))).pickled()
    archive = cifar10(pack, tmp_path / "cifar.tar.gz", **{place: hostile})
    message = refusal(CIFAR, archive)
    assert str(archive) in message and place in message
    assert not trap.exists()


def test_the_hostile_pickles_of_these_tests_would_work(tmp_path: Path) -> None:
    """Loaded without care, such a pickle makes its file: the test above has a real trap."""
    trap = tmp_path / "trap"
    hostile = Calls("os.system", f"touch {trap}").pickled()
    assert importlib.import_module("pickle").loads(hostile) == 0
    assert trap.exists()


class _Makes:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_object_in_a_sound_batch_executes_nothing(
    tmp_path: Path, pack: Pack, protocol: int
) -> None:
    """An object among the file names, in any protocol, does not run."""
    trap = tmp_path / "trap"
    content = batch(pixels(2, 0), [0, 1])
    content[b"filenames"].append(_Makes(trap))
    hostile = pickle.dumps(content, protocol)
    archive = cifar10(pack, tmp_path / "cifar.tar", data_batch_1=hostile)
    assert "data_batch_1" in refusal(CIFAR, archive)
    assert not trap.exists()


@pytest.mark.parametrize(
    "hostile", [b"", b"\x80", b"\x80\x02}", b"<html>", b"\x80\x02K\x01.", b"0"]
)
@pytest.mark.parametrize("place", ["batches.meta", "test_batch"])
def test_what_is_no_batch_is_refused(
    tmp_path: Path, pack: Pack, hostile: bytes, place: str
) -> None:
    """A damaged pickle, or one of something else, is one line that names archive and member."""
    archive = cifar10(pack, tmp_path / "cifar.tar", **{place: hostile})
    message = refusal(CIFAR, archive)
    assert str(archive) in message and place in message


def test_cifar_without_names_of_classes_is_refused(tmp_path: Path, pack: Pack) -> None:
    """An archive without meta is one line that says what is missing."""
    archive = pack(tmp_path / "cifar.tar", {"c/data_batch_1": python3(batch(pixels(2, 0), [0, 1]))})
    message = refusal(CIFAR, archive)
    assert str(archive) in message and "batches.meta" in message


WRONG: dict[str, dict[bytes, Any]] = {
    "label beyond the names": {b"labels": [0, 3]},
    "label as text": {b"labels": [0, b"bird"]},
    "no labels": {b"labels": None},
    "too few labels": {b"labels": [0]},
    "too many labels": {b"labels": [0, 1, 2]},
    "rows too short": {b"data": np.zeros((2, 3000), np.uint8)},
    "an image too few": {b"data": np.zeros((1, 3072), np.uint8)},
    "no array": {b"data": [0, 1]},
    "no data": {b"data": None},
    "too few names": {b"filenames": [b"x.png"]},
    "names of another type": {b"filenames": [1, 2]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_batch_of_the_wrong_shape_is_refused(
    tmp_path: Path, pack: Pack, wrong: dict[bytes, Any]
) -> None:
    """A batch whose parts do not fit together is one line that names archive and batch."""
    content = {**batch(pixels(2, 0), [0, 1]), **wrong}
    archive = cifar10(pack, tmp_path / "cifar.tar", data_batch_1=content)
    message = refusal(CIFAR, archive)
    assert str(archive) in message and "data_batch_1" in message


def test_a_negative_label_is_refused(tmp_path: Path, pack: Pack) -> None:
    """A label of −1 names no class."""
    content = batch(pixels(2, 0), [0, -1])
    assert "data_batch_1" in refusal(
        CIFAR, cifar10(pack, tmp_path / "cifar.tar", data_batch_1=content)
    )


@pytest.mark.parametrize("value", [300, -1, 0.5])
def test_pixels_that_are_no_bytes_are_refused(tmp_path: Path, pack: Pack, value: float) -> None:
    """An array with other values than 0 to 255 is no batch: no pixel is changed in silence."""
    content = {**batch(pixels(2, 0), [0, 1]), b"data": np.full((2, 3072), value)}
    assert "data_batch_1" in refusal(
        CIFAR, cifar10(pack, tmp_path / "cifar.tar", data_batch_1=content)
    )


@pytest.mark.parametrize("names", [3, [b"\xff", b"b"], [1, 2]])
def test_names_of_classes_of_the_wrong_type_are_refused(
    tmp_path: Path, pack: Pack, names: Any
) -> None:
    """A damaged list of names is one line that names the archive, as a damaged batch is."""
    archive = cifar10(pack, tmp_path / "cifar.tar", **{"batches.meta": {b"label_names": names}})
    assert str(archive) in refusal(CIFAR, archive)


# Oxford-IIIT Pets

PET_CLASSES = {
    "images/Abyssinian_1.jpg": "Abyssinian",
    "images/Maine_Coon_12.jpg": "Maine_Coon",
    "images/american_pit_bull_terrier_191.jpg": "american_pit_bull_terrier",
    "images/breed_2_7.jpg": "breed_2",
    "images/x86_dog_003.jpg": "x86_dog",
    "images/Abyssinian_100.mat": None,
    "images/README": None,
    "images/Abyssinian.jpg": None,
    "images/._Abyssinian_1.jpg": None,
}
LIST = b"""#Image CLASS-ID SPECIES BREED ID
#ID: 1:37 Class ids
Abyssinian_1 1 1 1
Maine_Coon_12 2 1 2

breed_2_7 3 1 3
"""


def pets(pack: Pack, folder: Path, annotations: dict[str, bytes]) -> list[Path]:
    """Pack images and annotations in the layout of Oxford-IIIT Pets."""
    return [
        pack(folder / "images.tar.gz", dict.fromkeys(PET_CLASSES, b"?")),
        pack(folder / "annotations.tar.gz", annotations),
    ]


@pytest.mark.parametrize("options", [{}, {"listed_only": False}])
def test_a_pets_class_is_its_name_without_the_number(
    tmp_path: Path, pack: Pack, options: dict[str, bool]
) -> None:
    """Names with underscores and digits, of cats and dogs, are classes; other files are in none."""
    archives = pets(pack, tmp_path, {"annotations/list.txt": LIST})
    assert classes_of({**PETS, "options": options}, *archives) == PET_CLASSES


def test_images_that_the_publisher_does_not_list_can_be_set_aside(
    tmp_path: Path, pack: Pack
) -> None:
    """With listed_only an image that is not in list.txt is unlisted; strays stay what they are."""
    archives = pets(pack, tmp_path, {"annotations/README": b"", "annotations/list.txt": LIST})
    unlisted = [
        "images/american_pit_bull_terrier_191.jpg",
        "images/x86_dog_003.jpg",
    ]
    found = classes_of({**PETS, "options": {"listed_only": True}}, *archives)
    assert found == PET_CLASSES | dict.fromkeys(unlisted, "<unlisted>")


@pytest.mark.parametrize(
    "annotations",
    [{"annotations/trainval.txt": LIST}, {"annotations/list.txt": b"# nothing\n"}],
)
def test_annotations_without_a_list_are_refused(
    tmp_path: Path, pack: Pack, annotations: dict[str, bytes]
) -> None:
    """The wrong archive in place of the annotations is one line that names it."""
    archives = pets(pack, tmp_path, annotations)
    message = refusal(PETS, *archives)
    assert str(archives[1]) in message and "list.txt" in message


@pytest.mark.parametrize(
    "name", ["../images/Abyssinian_2.jpg", "/abs/Abyssinian_2.jpg", "other/.cache/Abyssinian_2.jpg"]
)
def test_a_pet_outside_the_folder_of_images_is_in_no_class(
    tmp_path: Path, pack: Pack, name: str
) -> None:
    """Only what lies in images/ is an image; what leads out of the archive is outside."""
    _, annotations = pets(pack, tmp_path, {"annotations/list.txt": LIST})
    images = pack(tmp_path / "hostile.tar", {"images/Abyssinian_1.jpg": b"?", name: b"?"})
    found = classes_of(PETS, images, annotations)
    assert found == {"images/Abyssinian_1.jpg": "Abyssinian", name: None}


def test_a_symbolic_link_of_a_zip_is_named_a_link(tmp_path: Path) -> None:
    """A link in a zip has the problem link, as one in a tar has, and is no image file."""
    archive = tmp_path / "hostile.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        link = zipfile.ZipInfo("class/link.jpg")
        link.external_attr = 0o120777 << 16
        opened.writestr(link, "/etc/passwd")
    assert classes_of(FOLDERS, archive) == {"class/link.jpg": "<link>"}


# The official layouts, with real images


def plain_count(name: str, archive: Path) -> dict[str, int]:
    """Count images a class with the standard library alone, by the layout's own rule."""
    found: Counter[str] = Counter()
    with tarfile.open(archive) as tar:
        files = [member for member in tar.getmembers() if member.isfile()]
        if name.startswith("cifar"):
            contents = {
                file.name.split("/")[1]: pickle.loads(
                    tar.extractfile(file).read(), encoding="bytes"
                )
                for file in files
                if file.name.split("/")[1] not in ("readme.html", "file.txt~")
            }
            if name == "cifar10":
                names = contents.pop("batches.meta")[b"label_names"]
                labels = [content[b"labels"] for content in contents.values()]
            else:
                names = contents.pop("meta")[b"fine_label_names"]
                labels = [content[b"fine_labels"] for content in contents.values()]
            found.update(names[label].decode() for of_batch in labels for label in of_batch)
            return dict(found)
    for file in files:
        parts = file.name.split("/")
        if not file.name.endswith(".jpg"):
            continue
        if name == "oxford-iiit-pets":
            found[parts[1].rsplit("_", 1)[0]] += 1
        elif name == "sun397":
            found["/".join(parts[1:-1])] += 1
        else:
            found[parts[-2]] += 1
    return dict(found)


MIRRORED = ["cifar10", "cifar100", "caltech256", "oxford-iiit-pets", "sun397", "dtd"]


@pytest.mark.parametrize("name", MIRRORED)
def test_the_official_layouts_hold_what_a_plain_count_says(
    root: Path, datasets: dict[str, Any], name: str
) -> None:
    """Real images in the layout of each official archive: each class has as many as counted."""
    mirror = root.parent / "shared" / "mirror"
    archives = [mirror / archive["name"] for archive in datasets[name]["archives"]]
    if not all(archive.exists() for archive in archives):
        pytest.skip(f"{mirror} is not there: it holds the real images of this test")
    samples = list(read_samples(datasets[name], archives))
    images = [sample for sample in samples if sample.class_name and not sample.problem]
    # Caltech-256's stray in a class folder is no image, which the manifest finds.
    images = [sample for sample in images if not sample.member.endswith("RENAME2")]
    expected = plain_count(name, archives[0])
    assert len(expected) >= 10
    assert Counter(sample.class_name for sample in images) == expected
    assert all(sample.data for sample in images)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_has_the_pixels_of_its_arrays(
    root: Path, datasets: dict[str, Any], name: str
) -> None:
    """Each real CIFAR image is, pixel for pixel, the row of the batch that its member names."""
    archive = root.parent / "shared" / "mirror" / datasets[name]["archives"][0]["name"]
    if not archive.exists():
        pytest.skip(f"{archive} is not there: it holds the real images of this test")
    place = {"cifar10": "cifar-10-batches-py/test_batch", "cifar100": "cifar-100-python/test"}[name]
    with tarfile.open(archive) as tar:
        content = pickle.loads(tar.extractfile(place).read(), encoding="bytes")
    samples = [
        sample
        for sample in read_samples(datasets[name], [archive])
        if sample.member.startswith(f"{place}/")
    ]
    assert len(samples) == len(content[b"data"]) == 1000
    for sample, row, file in zip(samples, content[b"data"], content[b"filenames"], strict=True):
        assert sample.member == f"{place}/{file.decode()}"
        red, green, blue = row.reshape(3, 32, 32)
        assert np.array_equal(decoded(sample), np.dstack([red, green, blue]))


# Photographs


@pytest.fixture(scope="module")
def photographs(
    tmp_path_factory: pytest.TempPathFactory, datasets: dict[str, Any]
) -> dict[str, Path]:
    """Return the demo's real photographs, fetched as the registry says, by class."""
    folder = tmp_path_factory.mktemp("photographs")
    for archive in datasets["photo-patches"]["archives"]:
        fetch(archive, folder / archive["name"])
    return {path.stem: path for path in sorted(folder.iterdir())}


def place(member: str) -> tuple[int, int]:
    """Return the left upper corner that a patch's member names."""
    match = re.search(r"\[(\d+),(\d+)\]$", member)
    assert match
    return int(match[1]), int(match[2])


def test_patches_are_the_photographs_pixels_and_do_not_overlap(
    datasets: dict[str, Any], photographs: dict[str, Path]
) -> None:
    """Each patch equals its region of the photograph, and no pixel is in two patches."""
    dataset = datasets["photo-patches"]
    for name, path in photographs.items():
        photograph = np.asarray(Image.open(path))
        used = np.zeros(photograph.shape[:2], dtype=int)
        for sample in read_samples(dataset, [path]):
            x, y = place(sample.member)
            region = photograph[y : y + 64, x : x + 64]
            assert sample.class_name == name
            assert np.array_equal(Image.open(io.BytesIO(sample.data)), region)
            used[y : y + 64, x : x + 64] += 1
        assert used.max() == 1
        rows, columns = np.nonzero(used)
        height, width = photograph.shape[:2]
        # As much as fits of the centre: at most 768 px a side, and what is left over is symmetric.
        assert used.sum() == (min(height, 768) // 64) * (min(width, 768) // 64) * 64 * 64
        assert abs(columns.min() - (width - 1 - columns.max())) <= 1
        assert abs(rows.min() - (height - 1 - rows.max())) <= 1


def test_patches_come_along_the_longer_side(
    tmp_path: Path, photographs: dict[str, Path], datasets: dict[str, Any]
) -> None:
    """In order, patches fill a photograph band by band, so that a contiguous split cuts bands."""
    dataset = datasets["photo-patches"]
    wide = photographs["rocket"]
    tall = tmp_path / "tall.png"
    Image.open(wide).rotate(90, expand=True).save(tall)
    for path, along in ((wide, 0), (tall, 1)):
        positions = [place(sample.member)[along] for sample in read_samples(dataset, [path])]
        assert positions == sorted(positions)


@pytest.mark.parametrize("content", [b"<html>404 Not Found</html>", b"half"])
def test_a_damaged_photograph_is_named(tmp_path: Path, photos: Path, content: bytes) -> None:
    """A photograph that cannot be read is one line that names it."""
    whole = (photos / "rocket.jpg").read_bytes()
    path = tmp_path / "rocket.jpg"
    path.write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    dataset = {"adapter": "photo_patches", "options": {"patch": 64, "crop": 768}}
    with pytest.raises(UserError, match="rocket.jpg") as error:
        list(read_samples(dataset, [path]))
    assert "\n" not in str(error.value)


# A user's own images; test_own_images.py has all their layouts


def listed(folder: Path) -> tuple[dict[str, Any], Path]:
    """Return the entry of a folder of two classes of four images, and its fetched listing."""
    entry = registry_entry(folder)
    fetch(entry["archives"][0], folder.parent / "fetched" / "images.jsonl")
    return entry, folder.parent / "fetched" / "images.jsonl"


@pytest.fixture
def own(tmp_path: Path, patches: Files) -> Path:
    """Return a folder of two classes of four images."""
    for name in ("brick", "gravel"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i, data in enumerate(patches(f"{name}.png", 4)):
            (tmp_path / "own" / name / f"{i}.png").write_bytes(data)
    return tmp_path / "own"


CHANGES: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "rewritten": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "touched": lambda path: os.utime(path, (1, 1)),
    "a link now": lambda path: (path.rename(f"{path}.old"), path.symlink_to(f"{path}.old")),
    "a folder now": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_listed_file_that_changed_is_named(own: Path, change: str) -> None:
    """What is no longer what was listed ends in one line that says to run again."""
    entry, listing = listed(own)
    assert len(list(read_samples(entry, [listing]))) == 8
    CHANGES[change](own / "gravel" / "2.png")
    message = refusal(entry, listing)
    assert str(own / "gravel" / "2.png") in message
    assert message.endswith("run again")


def test_a_listing_that_is_none_is_refused(own: Path) -> None:
    """A listing that is cut or of another kind is one line that says to remove it."""
    entry, listing = listed(own)
    for content in (listing.read_bytes()[:-9], b"", b"path,class\n", b"{}\n", b"\xff\n[1]\n"):
        listing.write_bytes(content)
        assert f"{listing}: no listing of images; remove it" in refusal(entry, listing)


def test_a_listed_file_of_half_a_gibibyte_is_set_aside(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read, as one in an archive is not."""
    monkeypatch.setattr(adapters, "LARGEST", 100_000)
    with (own / "brick" / "large.png").open("wb") as file:
        file.truncate(100_001)
    entry, listing = listed(own)
    found = {sample.member: sample for sample in read_samples(entry, [listing])}
    assert found["brick/large.png"] == Sample("brick", "brick/large.png", b"", "too large")
    assert len(found) == 9


FORBIDDEN = """
import json, os, sys
from jpegprep.datasets.adapters import read_samples
from jpegprep.common.errors import UserError
samples = read_samples(json.loads(sys.argv[1]), [sys.argv[2]])
next(samples)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    list(samples)
except UserError as error:
    print(f"UserError: {error}", file=sys.stderr, flush=True)
    os._exit(1)  # without coverage, which would write where nobody may
"""


def test_a_listed_file_that_may_not_be_read_is_named(own: Path, python: Callable[..., Any]) -> None:
    """Permission that was taken away since is one line; tried as another user than root."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = shutil.copytree(own, Path(name) / "own")
        entry, listing = listed(folder)
        (folder / "brick" / "1.png").chmod(0)
        done = python(FORBIDDEN, json.dumps(entry), listing)
        assert done.returncode == 1
        assert f"{folder}/brick/1.png: no permission to read it; give" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("cat/0.png", {}, ("cat", "cat/0.png")),
        ("cat/old/0.png", {}, ("cat", "cat/old/0.png")),
        ("0.png", {}, (None, "0.png")),
        ("a/cat/0.png", {"root": "a"}, ("cat", "a/cat/0.png")),
        ("b/cat/0.png", {"root": "a"}, (None, "b/cat/0.png")),
        ("../cat/0.png", {}, (None, "../cat/0.png")),
        ("/cat/0.png", {}, (None, "/cat/0.png")),
        ("cat/.git/0.png", {}, (None, "cat/.git/0.png")),
        ("a/Valid/cat/x/0.png", {"root": "a", "splits": True}, ("cat", "val/cat/x/0.png")),
        ("a/train/0.png", {"root": "a", "splits": True}, (None, "a/train/0.png")),
        ("a/extra/cat/0.png", {"root": "a", "splits": True}, (None, "a/extra/cat/0.png")),
    ],
)
def test_places_among_class_folders(
    name: str, options: dict[str, Any], expected: tuple[str | None, str]
) -> None:
    """The class is the first folder below the root; a given split begins the member's name."""
    assert adapters.place(name, options) == expected
