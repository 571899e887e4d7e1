"""A user's own images: folders, archives and CSVs as people have them, and what is wrong there."""

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.datasets.adapters import read_samples
from jpegprep.datasets.archives import Sample
from jpegprep.datasets.fetch import fetch
from jpegprep.datasets.listing import image_suffixes, looks_like_image
from jpegprep.datasets.manifest import build_manifest
from jpegprep.datasets.own_images import OwnImages, inspect, name_of, registry_entry
from jpegprep.datasets.splits import split_dataset
from jpegprep.study.config import validate

Pack = Callable[..., Path]
ODD = ["with space", "it's", 'say "cheese"', "two\nlines", "über-日本", "-rf", "100%", "a,b;c"]


@pytest.fixture(scope="session")
def png(patches: Callable[..., list[bytes]]) -> bytes:
    """Return a small real image."""
    return patches("brick.png", 1, side=16)[0]


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def classes(data: bytes, *names: str, count: int = 4, below: str = "") -> dict[str, bytes]:
    """Return files: so many images of each class."""
    return {f"{below}{name}/{i}.png": data for name in names for i in range(count)}


def samples(path: Path, scratch: Path) -> list[Sample]:
    """Return what the workflow reads: the entry's archive is fetched, and read by its adapter."""
    entry = registry_entry(path)
    validate({name_of(path): entry}, "datasets", "entry")
    archive = scratch / "fetched" / entry["archives"][0]["name"]
    fetch(entry["archives"][0], archive)
    return list(read_samples(entry, [archive]))


def used(found: list[Sample]) -> dict[str, str]:
    """Return the class of each member that has one and no problem."""
    return {s.member: s.class_name for s in found if s.class_name is not None and not s.problem}


def refusal(path: str | Path) -> str:
    """Return the message of the error that inspecting ends with, which is one line."""
    with pytest.raises(UserError) as error:
        inspect(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(("images=", str(path)))
    return str(error.value)


# Layouts


def test_class_folders(tmp_path: Path, png: bytes) -> None:
    """A folder of class folders: its classes, its images, and what the adapter then reads."""
    files = classes(png, "cat", "dog")
    path = tree(tmp_path / "My Photos", files)
    found = inspect(path)
    assert found == OwnImages(
        path=str(path),
        kind="folder",
        name="my-photos",
        classes=("cat", "dog"),
        images=8,
        splits=False,
        root=".",
        amounts={"": (8, 8 * len(png))},
        digest=found.digest,
        sides=found.sides,
    )
    assert len(found.sides) == 8 and set(found.sides) == {16}  # read from headers
    assert samples(path, tmp_path) == [
        Sample(name.split("/")[0], name, data) for name, data in sorted(files.items())
    ]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("top", ["", "photos/", "a/b/"])
def test_archives_are_as_folders(
    tmp_path: Path, pack: Pack, png: bytes, kind: str, top: str
) -> None:
    """A tar or zip, with or without folders on top, holds what the folder holds."""
    path = pack(tmp_path / f"My Photos.{kind}", classes(png, "cat", "dog", below=top))
    found = inspect(path)
    assert (found.kind, found.name, found.root) == ("archive", "my-photos", top.rstrip("/") or ".")
    assert (found.classes, found.images) == (("cat", "dog"), 8)
    assert found.amounts == {"": (8, 8 * len(png))}
    assert used(samples(path, tmp_path)) == {
        name: name.split("/")[-2] for name in classes(png, "cat", "dog", below=top)
    }


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_like_dtd(tmp_path: Path, pack: Pack, png: bytes, kind: str) -> None:
    """Folders beside that of the classes, without images, hide no classes."""
    files = classes(png, "banded", "dotted", below="dtd/images/")
    files |= {"dtd/labels/train1.txt": b"x", "dtd/imdb/imdb.mat": b"x", "README.md": b"x"}
    path = tree(tmp_path / "x", files) if kind == "folder" else pack(tmp_path / "x.zip", files)
    found = inspect(path)
    assert (found.root, found.classes, found.images) == ("dtd/images", ("banded", "dotted"), 8)
    assert set(used(samples(path, tmp_path)).values()) == {"banded", "dotted"}


def test_deeper_folders_belong_to_the_class(tmp_path: Path, png: bytes) -> None:
    """As in torchvision's ImageFolder, the first folder is the class, however deep an image is."""
    files = classes(png, "cat", "dog/brown/old", "dog/black")
    path = tree(tmp_path / "x", files)
    assert inspect(path).classes == ("cat", "dog")
    assert used(samples(path, tmp_path)) == {name: name[:3] for name in files}


def test_torchvision_finds_the_same_classes_and_images(tmp_path: Path, png: bytes) -> None:
    """ImageFolder itself, where it is, has the same classes and files."""
    datasets = pytest.importorskip("torchvision.datasets")
    files = classes(png, "cat", "dog/brown", "Bird") | {"cat/notes.txt": b"x"}
    path = tree(tmp_path / "x", files)
    theirs = datasets.ImageFolder(path)
    ours = used([s for s in samples(path, tmp_path) if s.member.endswith(".png")])
    assert list(inspect(path).classes) == theirs.classes
    assert ours == {
        str(Path(name).relative_to(path)): theirs.classes[label] for name, label in theirs.samples
    }


def test_what_is_no_image_is_not_counted(tmp_path: Path, png: bytes) -> None:
    """Texts, hidden files and what file managers leave are no images; texts still become rows."""
    files = classes(png, "cat", "dog")
    path = tree(
        tmp_path / "x",
        files
        | dict.fromkeys(
            [
                *("README", "cat/notes.txt", "cat/Thumbs.db", "dog/.DS_Store", "cat/._0.png"),
                *("__MACOSX/cat/0.png", ".cache/a/0.png", "stray.png"),
            ],
            b"?",
        ),
    )
    assert inspect(path).images == 8
    rows = {s.member: s.class_name for s in samples(path, tmp_path)}
    assert set(rows) - set(files) == {"README", "cat/notes.txt", "stray.png"}
    assert (rows["README"], rows["stray.png"], rows["cat/notes.txt"]) == (None, None, "cat")


@pytest.mark.parametrize("end", [".JPG", ".jpeg", ".webp", ".tif", ".avif", ".jp2", ".bmp", ".MPO"])
def test_formats_that_pillow_opens_count(tmp_path: Path, end: str) -> None:
    """Files count by the endings of Pillow's formats, in any case."""
    path = tree(tmp_path / "x", {f"{c}/{i}{end}": b"x" for c in "ab" for i in range(4)})
    assert inspect(path).images == 8


def test_a_format_that_pillow_only_writes_does_not_count() -> None:
    """A PDF, or a file without an ending, is none."""
    assert ".pdf" not in image_suffixes()
    assert not any(map(looks_like_image, ["x.pdf", "x", ".png", "png", "x.png/y", "x.py"]))


def test_odd_names_work_throughout(tmp_path: Path, pack: Pack, png: bytes) -> None:
    """Spaces, quotes, newlines, other alphabets: in classes and files, folders and archives."""
    files = {f"{name}/{name}{i}.png": png for name in ODD for i in range(4)}
    for path in (tree(tmp_path / "x", files), pack(tmp_path / "x.zip", files)):
        assert inspect(path).classes == tuple(sorted(ODD))
        assert used(samples(path, tmp_path)) == {name: name.split("/")[0] for name in files}


def test_names_that_are_no_utf8_work(tmp_path: Path, png: bytes) -> None:
    """Names of another encoding are read as Latin-1, as those in archives are."""
    path = tree(tmp_path / "x", classes(png, "dog"))
    folder = os.fsencode(path) + b"/caf\xe9"
    try:
        os.mkdir(folder)  # noqa: PTH102
    except OSError:
        pytest.skip("this file system takes no such name")
    for i in range(4):
        Path(os.fsdecode(folder + b"/\xff%d.png" % i)).write_bytes(png)
    assert inspect(path).classes == ("café", "dog")
    found = used(samples(path, tmp_path))
    assert found["café/ÿ3.png"] == "café"
    assert len(found) == 8


def test_links_are_rows_and_never_followed(tmp_path: Path, png: bytes) -> None:
    """Links to files and folders, inside and out, and pipes are set aside, unread."""
    outside = tree(tmp_path / "outside", classes(png, "fish"))
    path = tree(tmp_path / "x", classes(png, "cat", "dog"))
    (path / "cat" / "out.png").symlink_to(outside / "fish" / "0.png")
    (path / "cat" / "in.png").symlink_to("0.png")
    (path / "cat" / "gone.png").symlink_to("nowhere")
    (path / "fish").symlink_to(outside / "fish")
    (path / "cat" / "loop").symlink_to(path)
    os.mkfifo(path / "cat" / "pipe.png")
    assert (inspect(path).classes, inspect(path).images) == (("cat", "dog"), 8)
    problems = {s.member: s.problem for s in samples(path, tmp_path) if s.problem}
    assert problems == dict.fromkeys(
        [*(f"cat/{x}" for x in ("out.png", "in.png", "gone.png", "loop", "pipe.png")), "fish"],
        "link",
    )


def test_the_folder_itself_may_be_a_link(tmp_path: Path, png: bytes) -> None:
    """What the user names is followed: often it is a link to a larger disk."""
    tree(tmp_path / "disk", classes(png, "cat", "dog"))
    (tmp_path / "photos").symlink_to("disk")
    assert inspect(tmp_path / "photos").images == 8
    assert len(used(samples(tmp_path / "photos", tmp_path))) == 8


# Splits


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Training", "validation", "Testing"), ("train", "valid", "test")],
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_given_splits(
    tmp_path: Path, pack: Pack, png: bytes, names: tuple[str, ...], kind: str
) -> None:
    """Folders of splits, whatever they are called: members begin with train, val or test."""
    files = {f"data/{name}/{c}/{i}.png": png for name in names for c in "ab" for i in range(2)}
    files["data/readme.txt"] = b"x"
    path = tree(tmp_path / "x", files) if kind == "folder" else pack(tmp_path / "x.zip", files)
    found = inspect(path)
    assert (found.splits, found.root, found.classes, found.images) == (True, "data", ("a", "b"), 12)
    assert found.amounts == {s: (4, 4 * len(png)) for s in ("test", "train", "val")}
    assert used(samples(path, tmp_path)) == {
        f"{split}/{c}/{i}.png": c
        for split in ("train", "val", "test")
        for c in "ab"
        for i in range(2)
    }


def test_train_may_be_a_class(tmp_path: Path, png: bytes) -> None:
    """Trains beside buses are a class: the splits would have a val or a test."""
    found = inspect(tree(tmp_path / "x", classes(png, "train", "bus")))
    assert (found.classes, found.splits) == (("bus", "train"), False)


def test_a_single_split_is_no_split(tmp_path: Path, png: bytes) -> None:
    """Where there is only train, it is the folder of the classes, and all splits are drawn."""
    found = inspect(tree(tmp_path / "x", classes(png, "a", "b", below="train/")))
    assert (found.classes, found.splits, found.root) == (("a", "b"), False, "train")


SPLITS_WRONG = [
    ({"train": "ab", "test": "a"}, "class 'b' has 0 images in test"),
    ({"train": "a", "test": "ab"}, "class 'b' has 0 images in train"),
    ({"val": "ab", "test": "ab"}, "only test and val; give train"),
    ({"train": "ab", "val": "ab", "valid": "ab"}, "name a split twice"),
    ({"train": "ab", "test": "ab", "more": "ab"}, "the folder 'more' holds images; take it out"),
]


@pytest.mark.parametrize(("layout", "message"), SPLITS_WRONG)
def test_splits_that_cannot_be_are_refused(
    tmp_path: Path, png: bytes, layout: dict[str, str], message: str
) -> None:
    """What is missing or too much is named, with what to do."""
    files = {f"{s}/{c}/{i}.png": png for s, cs in layout.items() for c in cs for i in range(4)}
    assert message in refusal(tree(tmp_path / "x", files))


def test_a_split_without_class_folders_is_refused(tmp_path: Path, png: bytes) -> None:
    """A test set without labels, as competitions give it, is named."""
    files = classes(png, "a", "b", below="train/") | {f"test/{i}.png": png for i in range(4)}
    assert "the images of 'test' lie directly in it" in refusal(tree(tmp_path / "x", files))


def test_one_image_to_draw_val_from_is_too_few(tmp_path: Path, png: bytes) -> None:
    """Without val, train gives some of each class, and keeps some."""
    files = classes(png, "a", "b", below="test/") | classes(png, "a", below="train/")
    files["train/b/0.png"] = png
    path = tree(tmp_path / "x", files)
    assert "class 'b' has 1 images in train, and needs 2" in refusal(path)
    tree(path, classes(png, "a", "b", below="val/", count=1))
    assert inspect(path).amounts["train"][0] == 5


# CSV


def csv_of(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    """Write a CSV beside images."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def pool(tmp_path: Path, png: bytes) -> Path:
    """Return a folder with eight images in one subfolder."""
    return tree(tmp_path / "pool", {f"all/{i}.png": png for i in range(8)})


def rows(*changes: tuple[int, str]) -> str:
    """Return a CSV of the eight images, of two classes, with other text for some lines."""
    lines = ["path,label"] + [f"all/{i}.png,{'cat' if i % 2 else 'dog'}" for i in range(8)]
    for line, text in changes:
        lines[line - 1] = text
    return "\n".join(lines) + "\n"


def test_a_csv_gives_the_labels(tmp_path: Path, pool: Path) -> None:
    """Rows name files and classes; more columns, in any order, do not matter."""
    text = "id,label,path\n" + "".join(
        f'{i},"cat, big",all/{i}.png\n' if i % 2 else f"{i},dog,./all/{i}.png\n" for i in range(8)
    )
    path = csv_of(pool, text)
    found = inspect(path)
    assert (found.kind, found.name, found.classes) == ("csv", "labels", ("cat, big", "dog"))
    assert (found.images, found.splits) == (8, False)
    assert used(samples(path, tmp_path)) == {
        f"all/{i}.png": "cat, big" if i % 2 else "dog" for i in range(8)
    }


def test_a_csv_may_give_the_splits(tmp_path: Path, pool: Path) -> None:
    """With a column split, members begin with it."""
    splits = ["train"] * 4 + ["Val", "valid"] + ["TEST"] * 2
    text = "path,label,split\n" + "".join(
        f"all/{i}.png,{'cat' if i % 2 else 'dog'},{split}\n" for i, split in enumerate(splits)
    )
    path = csv_of(pool, text)
    assert inspect(path).splits
    assert sorted(used(samples(path, tmp_path))) == sorted(
        f"{'train' if i < 4 else 'val' if i < 6 else 'test'}/all/{i}.png" for i in range(8)
    )


def test_a_csv_as_spreadsheets_write_it(pool: Path) -> None:
    """A byte order mark, capitals, other line ends and empty lines are taken."""
    text = rows().replace("path,label", "Path, Label").replace("\n", "\r\n") + "\r\n\r\n"
    assert inspect(csv_of(pool, text, "utf-8-sig")).images == 8


CSV_WRONG = [
    ((1, "what,class"), "the column path is missing; it has 'what', 'class': name the one that"),
    ((1, "path;label"), "line 2: the label is empty"),
    ((1, "path,split"), "the column label is missing; it has 'path', 'split': name the one that"),
    ((3, "all/1.png,"), "line 3: the label is empty"),
    ((3, "all/1.png"), "line 3: the label is empty"),
    ((3, "all/1.png,  "), "line 3: the label is empty"),
    ((3, "../x.png,cat"), "line 3: path is '../x.png'; a path is absolute, or relative"),
    ((3, "all/../../x.png,cat"), "line 3: path is 'all/../../x.png'"),
    ((3, "/etc/nothing.png,cat"), "line 3: path is '/etc/nothing.png', and "),
    (
        (3, r"C:\all\1.png,cat"),
        "line 3: path is 'C:\\\\all\\\\1.png', a path of another machine; and ",
    ),
    ((3, ",cat"), "line 3: path is ''"),
    ((3, "all/9.png,cat"), "line 3: path is 'all/9.png', and "),
    ((3, "all/\0.png,cat"), r"line 3: path is 'all/\x00.png', and "),
    ((3, "all,cat"), "line 3: path is 'all', which is a folder"),
    ((3, f"{'x' * 300}.png,cat"), "holds no such file"),
    ((3, "all/0.png,cat"), "line 3: 'all/0.png' stands in line 2 already"),
    ((3, "all//0.png,dog"), "line 3: 'all/0.png' stands in line 2 already"),
    ((3, '"all/1.png,cat'), "no CSV"),
    ((3, 'all/1.png,"cat"x'), "line 3: no CSV"),
    ((1, "path,label,split"), "line 2: split is ''; it is train, val or test"),
]


@pytest.mark.parametrize(("change", "message"), CSV_WRONG)
def test_a_mistake_in_a_csv_is_named(pool: Path, change: tuple[int, str], message: str) -> None:
    """The line, the value and what is right."""
    assert message in refusal(csv_of(pool, rows(change)))


@pytest.mark.parametrize("text", ["", "\n", "path,label\n"])
def test_an_empty_csv_is_refused(pool: Path, text: str) -> None:
    """Without rows or header there are no images."""
    assert "labels.csv" in refusal(csv_of(pool, text))


def test_odd_and_foreign_names_in_a_csv(tmp_path: Path, png: bytes) -> None:
    """Quoted newlines, commas and quotes; names and labels that are no UTF-8."""
    files = {f"{name}{i}.png": png for name in ODD for i in range(4)}
    folder = tree(tmp_path / "x", files)
    (folder / "odd.csv").write_text(
        pd.DataFrame({"path": list(files), "label": [n[:-5] for n in files]}).to_csv(index=False)
    )
    assert used(samples(folder / "odd.csv", tmp_path)) == {name: name[:-5] for name in files}
    foreign = b"\xe9.png"
    Path(os.fsdecode(os.fsencode(folder) + b"/" + foreign)).write_bytes(png)
    text = b"path,label\n" + foreign + b",caf\xe9\n"
    text += b"".join(b"-rf%d.png,%s\n" % (i, b"caf\xe9" if i else b"tea") for i in range(4))
    text += b"".join(b"100%%%d.png,tea\n" % i for i in range(3))
    (folder / "foreign.csv").write_bytes(text)
    found = used(samples(folder / "foreign.csv", tmp_path))
    assert found["é.png"] == "café"
    assert sorted(found.values()) == ["café"] * 4 + ["tea"] * 4


def test_links_in_a_csv_are_set_aside(tmp_path: Path, pool: Path, png: bytes) -> None:
    """A link, or a file behind a linked folder, is not followed."""
    tree(tmp_path / "outside", {"a.png": png})
    (pool / "link.png").symlink_to(tmp_path / "outside" / "a.png")
    (pool / "door").symlink_to(tmp_path / "outside")
    path = csv_of(pool, rows() + "link.png,cat\ndoor/a.png,dog\n")
    assert inspect(path).images == 8
    problems = {s.member: (s.problem, s.data) for s in samples(path, tmp_path) if s.problem}
    assert problems == {"link.png": ("link", b""), "door/a.png": ("link", b"")}


# What is refused


def test_what_is_not_there_or_no_data_set_is_refused(tmp_path: Path, photos: Path) -> None:
    """A missing path, a text, an image: neither a folder, nor an archive, nor a CSV."""
    text = tmp_path / "notes.txt"
    text.write_text("no")
    empty = tmp_path / "empty.zip"
    empty.touch()
    for path in (tmp_path / "gone", text, empty, photos / "brick.png", Path("x" * 300), "a\nb"):
        assert "is neither a folder, nor an archive, nor a CSV, nor Parquet; name" in refusal(path)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_small_a_class_is_refused(tmp_path: Path, png: bytes, count: int) -> None:
    """Each class needs three images; the class and its number are named."""
    path = tree(tmp_path / "x", classes(png, "cat", "dog") | classes(png, "two\nlines", count=3))
    if count == 0:
        shutil.rmtree(path / "two\nlines")
        (path / "two\nlines").mkdir()
        assert r"the folder 'two\nlines' is empty" in refusal(path)
        return
    for i in range(count, 3):
        (path / "two\nlines" / f"{i}.png").unlink()
    line = refusal(path)
    assert rf"class 'two\nlines' has {count} images; each class needs 3" in line
    assert line.endswith("; add some, leave the class out, or set rare=drop")
    tree(path, classes(png, "fox", "owl", count=1))
    assert "class 'fox' has 1 images; each class needs 3 or more, for train, val and test (2" in (
        refusal(path)
    )


LONG_TAIL = {"fox": 1, "owl": 2}


def long_tail(png: bytes) -> dict[str, bytes]:
    """Return files of two large classes and two rare ones."""
    files = classes(png, "cat", "dog")
    for name, count in LONG_TAIL.items():
        files |= classes(png, name, count=count)
    return files


@pytest.mark.parametrize("kind", ["folder", "zip", "csv"])
def test_rare_classes_can_be_dropped(tmp_path: Path, pack: Pack, png: bytes, kind: str) -> None:
    """What is left is counted, what is dropped is kept by name and number."""
    path = tree(tmp_path / "x", files := long_tail(png))
    if kind == "zip":
        path = pack(tmp_path / "x.zip", files)
    elif kind == "csv":
        text = "".join(f"{name},{name.partition('/')[0]}\n" for name in files)
        path = csv_of(path, f"path,label\n{text}")
    for kept_in in (tmp_path / "kept", tmp_path / "kept"):
        found = inspect(path, kept_in, "drop")
        assert (found.classes, found.images, found.rare) == (("cat", "dog"), 8, LONG_TAIL)
        assert found.amounts == {"": (8, 8 * len(png))}
    with pytest.raises(UserError, match="class 'fox' has 1 images"):
        inspect(path, tmp_path / "kept")
    entry = registry_entry(found, rare="drop")
    assert entry == registry_entry(path, rare="drop")
    validate({"x": entry}, "datasets", "entry")
    assert (entry["classes"], entry["class_names"], entry["images"]) == (2, ["cat", "dog"], 8)
    assert (entry["split"]["rare"], entry["options"]["rare"]) == ("drop", ["fox", "owl"])


def made(path: Path, scratch: Path, pngs: list[bytes] | None = None, **how: Any) -> Any:
    """Return the manifest and the split of a user's images, in which some were made different."""
    for file, data in zip(sorted(path.rglob("*.png")), pngs or [], strict=False):
        file.write_bytes(data)
    entry = registry_entry(path, val=0.25, test=0.25, **how)
    archive = scratch / "fetched" / entry["archives"][0]["name"]
    fetch(entry["archives"][0], archive)
    build_manifest(entry, [archive], scratch / "manifest.parquet")
    split_dataset(
        entry["split"], entry["shards"], scratch / "manifest.parquet", scratch / "split.parquet"
    )
    return pd.read_parquet(scratch / "manifest.parquet"), pd.read_parquet(scratch / "split.parquet")


def test_dropped_classes_are_set_aside_from_manifest_to_split(
    tmp_path: Path,
    png: bytes,
    patches: Callable[..., list[bytes]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The split has none of them, and its job names them, also where a damaged file makes one."""
    path = tree(tmp_path / "x", long_tail(png) | {"owl/broken.png": png})
    files = [*patches("coffee.png", 11, side=16), b"no image"]
    manifest, split = made(path, tmp_path, files, rare="drop")
    problems = manifest.groupby("class")["problems"].apply(sorted).to_dict()
    assert problems == {
        **{name: ["ok"] * 4 for name in ("cat", "dog")},
        "fox": ["rare class"],
        "owl": ["not an image", "ok", "ok"],
    }
    assert set(manifest.loc[manifest["class"] == "fox", "handling"]) == {"set aside"}
    assert sorted(set(zip(split["class"], split["label"], strict=True))) == [("cat", 0), ("dog", 1)]
    assert "are left out: too small for the splits: 'owl' (2), 'fox' (1)" in capsys.readouterr().out


# Names in two spellings: é as one character (NFC), or as e and an accent (NFD), as on a Mac.

COMPOSED, DECOMPOSED = "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"


@pytest.mark.parametrize("kind", ["zip", "csv"])
def test_both_spellings_of_a_class_are_one(
    tmp_path: Path,
    pack: Pack,
    patches: Callable[..., list[bytes]],
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    """They have one name, and what stands under the other one is marked."""
    different = iter(patches("coffee.png", 8, side=16))
    files = {f"{name}/{i}.png": next(different) for name in (COMPOSED, DECOMPOSED) for i in (0, 1)}
    files |= {f"tea/{i}.png": next(different) for i in range(4)}
    path = pack(tmp_path / "x.zip", files)
    if kind == "csv":
        named = {name.replace("/", "-").encode().hex() + ".png": name for name in files}
        tree(tmp_path / "x", {file: files[name] for file, name in named.items()})
        lines = "".join(f"{file},{name.partition('/')[0]}\n" for file, name in named.items())
        path = csv_of(tmp_path / "x", f"path,label\n{lines}")
    found = inspect(path)
    assert (found.classes, found.images) == ((COMPOSED, "tea"), 8)
    manifest, split = made(path, tmp_path)
    assert manifest.groupby("class")["problems"].apply(sorted).to_dict() == {
        COMPOSED: ["ok", "ok", "respelled class", "respelled class"],
        "tea": ["ok"] * 4,
    }
    assert set(manifest["handling"]) == {"kept"}
    assert manifest["key"].is_unique
    assert len(split) == 8
    assert f"class {COMPOSED!r} has 2 Unicode spellings: they are one class" in (
        capsys.readouterr().out
    )


def test_one_spelling_alone_is_no_problem(
    tmp_path: Path, pack: Pack, patches: Callable[..., list[bytes]]
) -> None:
    """A class spelled as on a Mac throughout is called as elsewhere, and nothing is marked."""
    different = iter(patches("coffee.png", 8, side=16))
    files = {f"{name}/{i}.png": next(different) for name in (DECOMPOSED, "tea") for i in range(4)}
    path = pack(tmp_path / "x.zip", files)
    assert inspect(path).classes == (COMPOSED, "tea")
    manifest, _ = made(path, tmp_path)
    assert set(manifest["class"]) == {COMPOSED, "tea"}
    assert set(manifest["problems"]) == {"ok"}


def test_nothing_and_one_class_are_refused(tmp_path: Path, pack: Pack, png: bytes) -> None:
    """An empty folder, one without images, images without class folders, a single class."""
    (tmp_path / "empty").mkdir()
    texts = tree(tmp_path / "texts", {"a/x.txt": b"x", "b/y.txt": b"y"})
    flat = tree(tmp_path / "flat", {f"{i}.png": png for i in range(9)})
    one = tree(tmp_path / "one", classes(png, "cat"))
    stray = tree(tmp_path / "stray", classes(png, "cat") | {"0.png": png})
    assert "holds no image" in refusal(tmp_path / "empty")
    assert "holds no image" in refusal(texts)
    assert "all images lie directly in one folder; put" in refusal(flat)
    assert "all images lie directly in one folder 'cat'; put" in refusal(one)
    assert "of one class, 'cat'" in refusal(stray)
    assert "holds no image" in refusal(pack(tmp_path / "x.tar", {"a/x.txt": b"x"}))
    links = tmp_path / "links"
    links.mkdir()
    (links / "cat").symlink_to(one / "cat")
    assert "(1 links are not followed)" in refusal(links)


def test_a_damaged_archive_is_refused(tmp_path: Path, pack: Pack, png: bytes) -> None:
    """A cut archive is one line, and nobody is told to remove his own file."""
    for kind in ("zip", "tar.gz"):
        path = pack(tmp_path / f"x.{kind}", classes(png, "cat", "dog"))
        path.write_bytes(path.read_bytes()[:-100])
        assert "truncated or damaged: make it again" in refusal(path)


def test_hostile_names_in_an_archive_are_no_images(tmp_path: Path, pack: Pack, png: bytes) -> None:
    """Names that lead out of the archive, and links, are in no class."""
    files = classes(png, "cat", "dog") | dict.fromkeys(
        ["../cat/9.png", "/cat/9.png", "cat/../../9.png", "a/../b/9.png"], png
    )
    path = pack(tmp_path / "x.tar", files)
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("fish/0.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        hard = tarfile.TarInfo("cat/hard.png")
        hard.type, hard.linkname = tarfile.LNKTYPE, "cat/0.png"
        tar.addfile(hard)
    assert (inspect(path).classes, inspect(path).images) == (("cat", "dog"), 8)
    assert used(samples(path, tmp_path)) == {
        name: name.split("/")[0] for name in classes(png, "cat", "dog")
    }


# Without permission: as another user where the tests run as root, whom nothing is forbidden.

AS_NOBODY = """
import os, sys
from jpegprep.common.errors import UserError
from jpegprep.datasets.listing import image_suffixes
from jpegprep.datasets.own_images import inspect
image_suffixes()  # Pillow imports its formats while it may
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for path in sys.argv[1:]:
    try:
        print(inspect(path).images)
    except UserError as error:
        print(f"UserError: {error}")
sys.stdout.flush()
os._exit(0)  # without coverage, which would write where nobody may
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that every user may enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def test_what_may_not_be_read_is_named(
    open_folder: Path, pack: Pack, png: bytes, python: Callable[..., Any]
) -> None:
    """A folder, a subfolder, a file, a CSV or an archive without permission is one line."""
    files = classes(png, "cat", "dog")
    whole = tree(open_folder / "whole", files)
    folders = {
        name: tree(open_folder / f"x{i}", files) for i, name in enumerate(["", "cat", "cat/0.png"])
    }
    csv = csv_of(open_folder, "path,label\nwhole/cat/0.png,cat\n")
    archive = pack(open_folder / "x.zip", files)
    forbidden = [folder / name for name, folder in folders.items()] + [csv, archive]
    for path in forbidden:
        path.chmod(0)
    done = python(AS_NOBODY, *folders.values(), csv, archive, whole)
    assert done.stderr == ""
    *lines, last = done.stdout.splitlines()
    assert last == "8"
    for line, path in zip(lines, forbidden, strict=True):
        assert line.startswith("UserError: ")
        assert f"{path}: no permission to read it" in line


# Digest, cache, registry entry


def test_the_digest_follows_names_sizes_and_times(tmp_path: Path, pack: Pack, png: bytes) -> None:
    """It is the same as long as nothing changes, and litter changes nothing."""
    path = tree(tmp_path / "x", classes(png, "cat", "dog"))
    csv = csv_of(
        path,
        "path,label\n" + "".join(f"{c}/{i}.png,{c}\n" for c in ("cat", "dog") for i in range(4)),
    )
    before = inspect(path).digest, inspect(csv).digest
    (path / ".DS_Store").write_bytes(b"x")
    assert (inspect(path).digest, inspect(csv).digest) == before
    os.utime(path / "cat" / "0.png", (1, 1))
    touched = inspect(path).digest, inspect(csv).digest
    assert touched[0] != before[0]
    assert touched[1] != before[1]
    (path / "cat" / "0.png").rename(path / "cat" / "9.png")
    assert inspect(path).digest != touched[0]
    archive = pack(tmp_path / "x.zip", classes(png, "cat", "dog"))
    first = inspect(archive).digest
    assert inspect(archive).digest == first
    os.utime(archive, (1, 1))
    assert inspect(archive).digest != first


def test_another_label_changes_the_digest_of_a_csv(pool: Path) -> None:
    """The files may be the same; their classes are not."""
    before = inspect(csv_of(pool, rows((2, "all/0.png,dog")))).digest
    swapped = rows((2, "all/0.png,cat"), (3, "all/1.png,dog"))
    assert inspect(csv_of(pool, swapped)).digest != before


def test_what_an_archive_holds_is_read_once(tmp_path: Path, pack: Pack, png: bytes) -> None:
    """With a folder to keep it in, the names of an archive are read again only when it changed."""
    path = pack(tmp_path / "x.zip", classes(png, "cat", "dog"))
    found = inspect(path, tmp_path / "kept")
    assert found == inspect(path) == inspect(path, tmp_path / "kept")
    status = path.stat()
    path.write_bytes(bytes(status.st_size))  # nobody looks in, as size and time are the same
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.open("r+b").write(b"PK\3\4")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert inspect(path, tmp_path / "kept") == found
    pack(path, classes(png, "cat", "dog", "fish"))
    assert inspect(path, tmp_path / "kept").classes == ("cat", "dog", "fish")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/My Photos.zip", "my-photos"),
        ("dtd-r1.0.1.tar.gz", "dtd-r1-0-1"),
        ("Ünïcode_2024.TGZ", "n-code-2024"),
        ("фото", "my-images"),
        ("labels.csv", "labels"),
        ("-x-", "x"),
        ("/", "my-images"),
    ],
)
def test_names_of_data_sets(path: str, name: str) -> None:
    """From the file's name, what a registry takes."""
    assert name_of(path) == name


def test_the_registry_takes_the_entry(tmp_path: Path, pack: Pack, png: bytes) -> None:
    """Entries of all kinds are valid; an archive's name, too, is one that a registry takes."""
    files = classes(png, "cat", "dog")
    folder = tree(tmp_path / "My Photos", files)
    csv = csv_of(folder, "path,label\n" + "".join(f"{n},{n[:3]}\n" for n in files))
    entries = {
        kind: registry_entry(path, val=0.2, test=0.3, seed=7)
        for kind, path in {
            "folder": folder,
            "csv": csv,
            "archive": pack(tmp_path / "_Fotos (1) ü.zip", files),
        }.items()
    }
    validate(entries, "datasets", "entries")
    assert json.loads(json.dumps(entries)) == entries
    assert {kind: entry["archives"][0]["name"] for kind, entry in entries.items()} == {
        "folder": "images.jsonl",
        "csv": "images.jsonl",
        "archive": "Fotos-1-.zip",
    }
    entry = entries["folder"]
    assert entry["title"] == "My Photos"
    assert entry["split"] == {
        "strategy": "stratified",
        "val": 0.2,
        "test": 0.3,
        "seed": 7,
        "duplicates": "together",
        "rare": "stop",
    }
    assert (entry["classes"], entry["class_names"], entry["images"]) == (2, ["cat", "dog"], 8)
    assert entry["archives"][0]["about_bytes"] == 8 * len(png)
    assert registry_entry(inspect(folder), name="Cats")["title"] == "Cats"


def test_shards_are_of_about_256_mib(tmp_path: Path) -> None:
    """A split has a shard for each 256 MiB begun, and no shard is empty."""

    def shards(count: int, mebibytes: int, *below: str) -> dict[str, int]:
        path = tmp_path / f"{count}-{mebibytes}-{len(below)}"
        for part in below or [""]:
            for name in "ab":
                for i in range(count):
                    file = path / part / name / f"{i}.png"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with file.open("wb") as sparse:
                        sparse.truncate(mebibytes << 20)
        return registry_entry(path)["shards"]

    assert shards(4, 1) == {"train": 1, "val": 1, "test": 1}
    # 2 x 100 x 20 MiB: of 4000 MiB half, 15 % and 35 %.
    assert shards(100, 20) == {"train": 8, "val": 3, "test": 6}
    assert shards(50, 20, "train", "val", "test") == {"train": 8, "val": 8, "test": 8}
    # val is drawn from train: 85 % and 15 % of 2000 MiB; the given val is the test.
    assert shards(50, 20, "train", "val") == {"train": 7, "val": 2, "test": 8}
    # 8 images of 400 MiB: 1 or 2 to a split.
    assert shards(4, 400)["val"] == 1


def test_a_title_may_be_odd(tmp_path: Path, png: bytes) -> None:
    """A folder's own name may have spaces, quotes, newlines and other alphabets."""
    for name in ODD:
        path = tree(tmp_path / name, classes(png, "cat", "dog"))
        assert registry_entry(path)["title"] == name
        assert len(used(samples(path, tmp_path))) == 8


def test_a_path_that_is_no_utf8_is_refused(tmp_path: Path, png: bytes) -> None:
    """It could not be written into a config or a record."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    tree(path, classes(png, "cat", "dog"))
    with pytest.raises(UserError, match="no UTF-8; rename it"):
        inspect(path)


@pytest.mark.parametrize("kind", ["folder", "splits", "csv", "zip"])
def test_from_a_path_to_splits(
    tmp_path: Path, pack: Pack, patches: Callable[..., list[bytes]], kind: str
) -> None:
    """The entry goes through the real stages: fetching, manifest, splits."""
    from jpegprep.datasets.manifest import build_manifest

    below = ["train/", "test/"] if kind == "splits" else [""]
    pictures = {name: patches(f"{name}.png", 20, side=16) for name in ("brick", "gravel")}
    files = {
        f"{top}{name}/{i}.png": data
        for name, images in pictures.items()
        for k, top in enumerate(below)
        for i, data in enumerate(images[10 * k : 10 * k + 10])
    } | {"readme.txt": b"x"}
    files["train/brick/x.txt" if kind == "splits" else "brick/x.txt"] = b"x"
    path = pack(tmp_path / "x.zip", files) if kind == "zip" else tree(tmp_path / "x", files)
    if kind == "csv":
        pngs = [name for name in files if name.endswith(".png")]
        path = csv_of(path, "path,label\n" + "".join(f"{n},{n.split('/')[0]}\n" for n in pngs))
    entry = registry_entry(path, val=0.2, test=0.3)
    archive = tmp_path / "archives" / entry["archives"][0]["name"]
    fetch(entry["archives"][0], archive)
    build_manifest(entry, [archive], tmp_path / "manifest.parquet")
    split_dataset(
        entry["split"], entry["shards"], tmp_path / "manifest.parquet", tmp_path / "split"
    )
    table = pd.read_parquet(tmp_path / "split")
    counts = table.groupby(["class", "split"]).size().unstack()
    expected = (
        {"train": 8, "val": 2, "test": 10}
        if kind == "splits"
        else {"train": 5, "val": 2, "test": 3}
    )
    assert (counts[list(expected)] == list(expected.values())).all(axis=None)


def test_a_hundred_thousand_files_take_seconds(tmp_path: Path) -> None:
    """It is run whenever the workflow starts: 20,000 files well below two seconds of computing."""
    for k in range(100):
        (tmp_path / "x" / f"class{k}").mkdir(parents=True)
        for i in range(200):
            os.close(os.open(tmp_path / "x" / f"class{k}" / f"image{i}.jpg", os.O_CREAT))
    begin = os.times()
    found = inspect(tmp_path / "x")
    end = os.times()
    assert found.images == 20_000
    assert end.user + end.system - begin.user - begin.system < 2
