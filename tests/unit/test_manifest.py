"""The manifest and the adapters: what archives hold, and what is wrong with it."""

import hashlib
import io
import re
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jpegprep.adapters import Sample, read_samples
from jpegprep.errors import UserError
from jpegprep.fetch import fetch
from jpegprep.manifest import build_manifest, sample_key

Files = Callable[..., list[bytes]]
Pack = Callable[..., Path]
FOLDERS = {"adapter": "class_folders"}
KINDS = ["tar", "tar.gz", "tar.xz", "tar.bz2", "zip"]


def saved(image: Image.Image, kind: str) -> bytes:
    """Return the bytes of a file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def manifest_of(folder: Path, archives: list[Path], **registry: Any) -> pd.DataFrame:
    """Build a manifest and read it."""
    build_manifest({**FOLDERS, **registry}, archives, folder / "manifest.parquet")
    return pd.read_parquet(folder / "manifest.parquet")


@pytest.fixture
def members(patches: Files) -> dict[str, bytes]:
    """Return an archive's members: two classes of three real images."""
    return {
        f"{name}/{i}.png": data
        for name in ("brick", "gravel")
        for i, data in enumerate(patches(f"{name}.png", 3))
    }


@pytest.mark.parametrize("kind", KINDS)
def test_class_folders_reads_every_kind_of_archive(
    tmp_path: Path, pack: Pack, members: dict[str, bytes], kind: str
) -> None:
    """Tar, with any compression, and zip give the same samples in the archive's order."""
    archive = pack(tmp_path / f"images.{kind}", members)
    assert list(read_samples(FOLDERS, [archive])) == [
        Sample(name.split("/")[0], name, data) for name, data in members.items()
    ]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_only_files_of_class_folders_are_images_of_the_data_set(
    tmp_path: Path, pack: Pack, members: dict[str, bytes], kind: str
) -> None:
    """Files beside, above, below and hidden in the class folders are set aside as outside."""
    inside = {f"set-1.0/images/{name}": data for name, data in members.items()}
    strays = {
        "set-1.0/README.txt": b"Please read me",
        **dict.fromkeys(
            [
                *("set-1.0/README.png", "set-1.0/images/list.png", "set-1.0/labels/brick/0.png"),
                *("set-1.0/images/brick/deep/0.png", "set-1.0/images/brick/.0.png"),
                *("set-1.0/images/.cache/0.png", "other/images/brick/0.png"),
            ],
            members["brick/0.png"],
        ),
    }
    archive = pack(tmp_path / f"images.{kind}", {**strays, **inside})
    options = {"root": "set-1.0/images"}
    table = manifest_of(tmp_path, [archive], classes=2, images=6, options=options)
    problems = dict(zip(table["member"], table["problem"], strict=True))
    assert problems == dict.fromkeys(inside, "ok") | dict.fromkeys(strays, "outside")
    assert set(table[table["problem"] == "outside"]["class"]) == {None}


def test_names_may_begin_with_a_dot_and_a_slash(
    tmp_path: Path, pack: Pack, members: dict[str, bytes]
) -> None:
    """What ``tar -c .`` writes reads like any other tar."""
    archive = pack(tmp_path / "images.tar", {f"./{name}": data for name, data in members.items()})
    assert [sample.class_name for sample in read_samples(FOLDERS, [archive])] == [
        *("brick",) * 3,
        *("gravel",) * 3,
    ]


def test_folders_and_links_of_a_tar_are_no_samples(tmp_path: Path, patches: Files) -> None:
    """Members that hold no data, such as folders and links out of the archive, are passed over."""
    data = patches("brick.png", 1)[0]
    archive = tmp_path / "images.tar"
    with tarfile.open(archive, "w") as tar:
        folder = tarfile.TarInfo("brick")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        link = tarfile.TarInfo("brick/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        file = tarfile.TarInfo("brick/0.png")
        file.size = len(data)
        tar.addfile(file, io.BytesIO(data))
    assert list(read_samples(FOLDERS, [archive])) == [Sample("brick", "brick/0.png", data)]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_archive_is_refused(
    tmp_path: Path, pack: Pack, members: dict[str, bytes], kind: str, share: float
) -> None:
    """A download that broke off is one line that names the archive and what to do."""
    archive = pack(tmp_path / f"images.{kind}", members)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=re.escape(archive.name)) as error:
        manifest_of(tmp_path, [archive], classes=2, images=6)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "manifest.parquet").exists()


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
    with pytest.raises(UserError, match=re.escape(archive.name)) as error:
        list(read_samples(FOLDERS, [archive]))
    assert "\n" not in str(error.value)


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    """An archive that is not there is one line that names it."""
    with pytest.raises(UserError, match="gone.tar"):
        list(read_samples(FOLDERS, [tmp_path / "gone.tar"]))


def test_a_missing_class_folder_is_named(
    tmp_path: Path, pack: Pack, members: dict[str, bytes]
) -> None:
    """Where the registry lists the classes, the error names archive and missing class."""
    archive = pack(tmp_path / "images.tar", members)
    with pytest.raises(UserError, match=r"images\.tar: class folder 'grass' is missing") as error:
        manifest_of(
            tmp_path, [archive], classes=3, images=6, class_names=["brick", "grass", "gravel"]
        )
    assert "\n" not in str(error.value)


def test_a_class_folder_without_a_readable_image_is_named(
    tmp_path: Path, pack: Pack, members: dict[str, bytes]
) -> None:
    """A class whose images are all damaged is missing, too."""
    members["grass/0.png"] = b"404 Not Found"
    archive = pack(tmp_path / "images.tar", members)
    with pytest.raises(UserError, match=r"images\.tar: class folder 'grass'"):
        manifest_of(
            tmp_path, [archive], classes=3, images=6, class_names=["brick", "grass", "gravel"]
        )


@pytest.mark.parametrize(
    ("registry", "message"),
    [
        ({"classes": 3, "images": 6}, r"2 class folders hold images \(brick, gravel\).* says 3"),
        ({"classes": 2, "images": 7}, r"6 usable images found, the registry says 7"),
    ],
)
def test_what_differs_from_the_registry_is_named(
    tmp_path: Path,
    pack: Pack,
    members: dict[str, bytes],
    registry: dict[str, int],
    message: str,
) -> None:
    """An archive with other classes or images than registered gives both numbers."""
    archive = pack(tmp_path / "images.tar", members)
    with pytest.raises(UserError, match=message):
        manifest_of(tmp_path, [archive], **registry)
    assert not (tmp_path / "manifest.parquet").exists()


def test_problems_are_told_apart(tmp_path: Path, pack: Pack, photos: Path) -> None:
    """Each file of the manifest says what it is and what is wrong with it."""
    coffee = Image.open(photos / "coffee.png").resize((64, 48))
    png, jpeg = saved(coffee, "PNG"), saved(coffee, "JPEG")
    files = {
        "good.jpg": (jpeg, "JPEG", "ok"),
        "good.JPEG": (jpeg, "JPEG", "ok"),
        "good.png": (png, "PNG", "ok"),
        "page.jpg": (b"<html>404 Not Found</html>", None, "not an image"),
        "empty.jpg": (b"", None, "not an image"),
        "half.jpg": (jpeg[: len(jpeg) // 2], "JPEG", "truncated"),
        "half.png": (png[: len(png) // 2], "PNG", "truncated"),
        "really-png.jpg": (png, "PNG", "mislabelled"),
        "really-jpeg.png": (jpeg, "JPEG", "mislabelled"),
    }
    archive = pack(tmp_path / "a.tar", {f"c/{name}": file[0] for name, file in files.items()})
    table = manifest_of(tmp_path, [archive], classes=1, images=5).set_index("member")
    for name, (data, kind, problem) in files.items():
        row = table.loc[f"c/{name}"]
        assert (row["format"], row["problem"]) == (kind, problem), name
        assert row["bytes"] == len(data)
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        size = (row["width"], row["height"])
        assert size == ((0, 0) if kind is None else (64, 48)), name


HOSTILE = [
    *("a class/an image.png", "a_class/an_image.png", "a?class/an image.png"),
    *('it\'s/"quoted".png', "$(rm -rf ~)/`id`.png", "semi;colon/pi|pe.png", "star*/[0].png"),
    *("new\nline/tab\there.png", "dots.in.name/v1.0.final.png", "dots/v1.png", "dots/v1.jpg"),
    *("Čapek/žluťoučký.png", "猫/1.png", "犬/1.png", "emoji/🐈.png", "back\\slash/a\\b.png"),
    *("-rf/-rf.png", "long/" + "x" * 200 + ".png", "long/" + "x" * 200 + "y.png"),
]


def test_keys_are_unique_and_harmless_whatever_the_names(
    tmp_path: Path, pack: Pack, patches: Files
) -> None:
    """Spaces, quotes, newlines, dots, any script: keys are unique, ASCII, and without dots."""
    data = patches("brick.png", len(HOSTILE))
    archive = pack(tmp_path / "hostile.tar", zip(HOSTILE, data, strict=True))
    classes = len({name.split("/")[0] for name in HOSTILE})
    table = manifest_of(tmp_path, [archive], classes=classes, images=len(HOSTILE))
    assert table["member"].tolist() == HOSTILE
    assert table["class"].tolist() == [name.split("/")[0] for name in HOSTILE]
    assert table["key"].is_unique
    assert table["key"].str.fullmatch(r"[A-Za-z0-9_-]{1,90}").all()


def test_keys_do_not_depend_on_the_other_files(patches: Files) -> None:
    """A plain name's key can be read back: class, then name."""
    data = patches("brick.png", 1)[0]
    assert sample_key(Sample("banded", "dtd/images/banded/banded_0002.jpg", data)) == (
        "banded-banded_0002"
    )


def test_names_in_no_encoding_are_read(tmp_path: Path, patches: Files) -> None:
    """A tar of the nineties, with Latin-1 names, is read like any other."""
    archive = tmp_path / "latin1.tar"
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        for i, data in enumerate(patches("brick.png", 4)):
            info = tarfile.TarInfo(f"{('café', 'the')[i % 2]}/é{i}.png")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    table = manifest_of(tmp_path, [archive], classes=2, images=4)
    assert table["key"].is_unique
    assert Counter(table["class"]).most_common()[0][1] == 2


def test_an_error_is_one_line_whatever_the_names(
    tmp_path: Path, pack: Pack, patches: Files
) -> None:
    """A newline in a folder's name does not break the message into two."""
    archive = pack(tmp_path / "odd.tar", {"new\nline/0.png": patches("brick.png", 1)[0]})
    with pytest.raises(UserError) as error:
        manifest_of(tmp_path, [archive], classes=2, images=2)
    assert "\n" not in str(error.value)


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


def test_the_demo_is_what_its_registry_says(
    tmp_path: Path, datasets: dict[str, Any], photographs: dict[str, Path]
) -> None:
    """The demo's photographs give the registered 870 images of 12 classes, all sound."""
    dataset = datasets["photo-patches"]
    build_manifest(dataset, list(photographs.values()), tmp_path / "manifest.parquet")
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    assert (len(table), table["class"].nunique()) == (870, 12)
    assert set(table["class"]) == set(photographs)
    assert set(table["problem"]) == {"ok"}
    assert set(zip(table["width"], table["height"], strict=True)) == {(64, 64)}
    assert table["key"].is_unique


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


def test_the_textures_archive_is_read_as_published(tmp_path: Path, root: Path) -> None:
    """Real files in the layout of DTD's official archive: 10 classes of 40 images, all sound."""
    archive = root.parent / "shared" / "mirror" / "dtd-r1.0.1.tar.gz"
    if not archive.exists():
        pytest.skip(f"{archive} is not there: it holds the real images of this test")
    table = manifest_of(tmp_path, [archive], classes=10, images=400, options={"root": "dtd/images"})
    images = table[table["problem"] != "outside"]  # the archive has lists of labels as well
    assert set(Counter(images["class"]).values()) == {40}
    assert set(images["format"]) == {"JPEG"}
    assert set(images["problem"]) == {"ok"}
    # DTD calls its files after their class: banded/banded_0002.jpg.
    assert all(row.key.startswith(f"{row[2]}-{row[2]}_") for row in images.itertuples())
