"""The manifest: what each file of a data set is, what is wrong with it, what follows."""

import hashlib
import io
import re
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas as pd
import pytest
import skimage
from image_files import HEIC, profile, tiff
from PIL import ExifTags, Image

from jpegprep.common.errors import UserError
from jpegprep.datasets.fetch import fetch
from jpegprep.datasets.manifest import PROBLEMS, build_manifest, sample_key

Files = Callable[..., list[bytes]]
Pack = Callable[..., Path]
FOLDERS = {"adapter": "class_folders"}
KINDS = ["tar", "tar.gz", "tar.xz", "tar.bz2", "zip"]


def saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    """Return the bytes of a file that Pillow writes."""
    buffer = io.BytesIO()
    # Copies, as saving in some formats leaves settings in the image.
    if "append_images" in settings:
        settings["append_images"] = [other.copy() for other in settings["append_images"]]
    image.copy().save(buffer, kind, **settings)
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
    problems = dict(zip(table["member"], table["problems"], strict=True))
    assert problems == dict.fromkeys(inside, "grayscale") | dict.fromkeys(strays, "outside")
    assert set(table[table["problems"] == "outside"]["class"]) == {None}


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
        (
            {"classes": 3, "images": 6},
            r"2 class folders hold images \(brick, gravel\).* says 3.* correct classes",
        ),
        (
            {"classes": 2, "images": 7},
            r"6 image files found \(6 of them usable\), the registry says 7.* correct images",
        ),
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
    with pytest.raises(UserError, match=message) as error:
        manifest_of(tmp_path, [archive], **registry)
    assert str(error.value).startswith(f"{archive}: ")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "manifest.parquet").exists()


def coffee() -> Image.Image:
    """Return a real photograph, 64 by 48 pixels."""
    return Image.open(Path(skimage.data_dir) / "coffee.png").resize((64, 48))


def png(width: int, height: int, depth: int, colour: int, pixels: Iterable[bytes]) -> bytes:
    """Return a PNG file written from its specification, for what Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    packer = zlib.compressobj(9)
    packed = b"".join(map(packer.compress, pixels)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def bomb() -> bytes:
    """Return a PNG file of 1 MB with a gigabyte of pixels."""
    side = 1 << 15
    return png(side, side, 8, 0, (bytes(side + 1) for _ in range(side)))


def clear(mode: str) -> Image.Image:
    """Return the photograph with a part of it half transparent."""
    image = coffee().convert(mode)
    image.putalpha(Image.new("L", image.size, 255))
    alpha = image.getchannel("A")
    alpha.paste(128, (0, 0, 20, 20))
    image.putalpha(alpha)
    return image


def exif(orientation: int) -> Image.Exif:
    """Return an EXIF block with an orientation."""
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    return block


def damaged(data: bytes, at: int) -> bytes:
    """Return a file with one byte changed."""
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


@cache
def real_files() -> dict[str, bytes]:
    """Return a file of every kind that data sets hold."""
    image = coffee()
    turned = image.transpose(Image.Transpose.ROTATE_90)
    jpeg, plain = saved(image, "JPEG"), saved(image, "PNG")
    frames = [image.convert("P"), turned.resize((64, 48)).convert("P")]
    pages = {"save_all": True, "append_images": [image.rotate(180)]}
    deep = Image.fromarray((np.asarray(image.convert("L")).astype(np.uint16) + 1) * 250)
    return {
        "good.jpg": jpeg,
        "good.JPEG": saved(image, "JPEG", quality=80),
        "progressive.jpg": saved(image, "JPEG", progressive=True),
        "good.png": plain,
        "good.bmp": saved(image, "BMP"),
        "good.tif": saved(image, "TIFF"),
        "good.webp": saved(image, "WEBP"),
        "preview.jpg": saved(image, "MPO", **pages),
        "preview.mpo": saved(image, "MPO", save_all=True, append_images=[image]),
        "1x1.png": saved(image.resize((1, 1)), "PNG"),
        "1x1.jpg": saved(image.resize((1, 1)), "JPEG"),
        "gray.jpg": saved(image.convert("L"), "JPEG"),
        "gray.png": saved(image.convert("L"), "PNG"),
        "bits.png": saved(image.convert("1"), "PNG"),
        "cmyk.jpg": saved(image.convert("CMYK"), "JPEG"),
        "palette.png": saved(image.quantize(64), "PNG"),
        "still.gif": saved(frames[0], "GIF"),
        "moving.gif": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "moving.png": saved(image, "PNG", **pages),
        "moving.webp": saved(image, "WEBP", **pages),
        "pages.tiff": saved(image, "TIFF", **pages),
        "alpha.png": saved(image.convert("RGBA"), "PNG"),
        "gray-alpha.png": saved(image.convert("LA"), "PNG"),
        "clear.png": saved(clear("RGBA"), "PNG"),
        "gray-clear.png": saved(clear("LA"), "PNG"),
        "clear.webp": saved(clear("RGBA"), "WEBP"),
        "clear-palette.png": saved(image.quantize(64), "PNG", transparency=3),
        "deep.png": saved(deep, "PNG"),
        "deep.tif": tiff(np.asarray(image).astype(np.uint16) * 250, photometric="rgb"),
        "float.tif": tiff((np.asarray(image.convert("L")) / 300).astype(np.float32)),
        "phone.heic": (HEIC / "turned.heic").read_bytes(),
        "still.jxl": imagecodecs.jpegxl_encode(np.asarray(image), lossless=True),
        "wide.png": saved(image, "PNG", icc_profile=profile()),
        "infrared.tif": tiff(
            np.dstack([image, image.convert("L")]), photometric="rgb", extrasamples=["unspecified"]
        ),
        "bands.tif": tiff(np.zeros((48, 64, 13), np.uint16), planarconfig="contig"),
        "raw.dng": tiff(np.asarray(image)[:16], photometric="rgb"),
        "scan.dcm": bytes(128) + b"DICM",
        "raw.NEF": b"raw",
        "turned.jpg": saved(turned, "JPEG", exif=exif(6)),
        "turned.png": saved(turned, "PNG", exif=exif(8)),
        "turned.tif": saved(turned, "TIFF", exif=exif(6)),
        "upright.jpg": saved(image, "JPEG", exif=exif(1)),
        "really-gif.jpg": saved(frames[0], "GIF"),
        "really-png.jpg": saved(image, "PNG", compress_level=1),
        "really-jpeg.png": saved(image, "JPEG", quality=90),
        "really-bmp.jpg": saved(image.resize((8, 8)), "BMP"),
        "no-extension": saved(image, "JPEG", quality=91),
        "turned-gray.png": saved(turned.convert("L"), "JPEG", exif=exif(6)),
        "half.jpg": jpeg[: len(jpeg) // 2],
        "half.png": plain[: len(plain) // 2],
        "damaged.png": damaged(plain, 60),
        "damaged-size.png": damaged(plain, 19),
        "empty.jpg": b"",
        "text.jpg": b"<html>404 Not Found</html>",
        "note.m": b"% a note\n",
        "bomb.png": bomb(),
        "same.jpg": jpeg,
        "same-png.jpg": plain,
    }


REAL_FILES = {
    **dict.fromkeys(
        [
            *("good.jpg", "good.JPEG", "progressive.jpg", "good.png", "good.bmp", "good.tif"),
            *("good.webp", "preview.jpg", "preview.mpo", "1x1.png", "1x1.jpg", "upright.jpg"),
        ],
        ("ok", "kept"),
    ),
    **dict.fromkeys(["gray.jpg", "gray.png", "bits.png"], ("grayscale", "kept")),
    "cmyk.jpg": ("cmyk", "repaired"),
    **dict.fromkeys(["palette.png", "still.gif"], ("palette", "repaired")),
    "moving.gif": ("palette, animated", "repaired"),
    **dict.fromkeys(["moving.png", "moving.webp", "pages.tiff"], ("animated", "repaired")),
    "alpha.png": ("ok", "kept"),
    "gray-alpha.png": ("grayscale", "kept"),
    "clear.png": ("transparent", "repaired"),
    "gray-clear.png": ("transparent, grayscale", "repaired"),
    "clear.webp": ("transparent", "repaired"),
    "clear-palette.png": ("palette, transparent", "repaired"),
    "deep.png": ("over 8 bits, grayscale", "repaired"),
    "deep.tif": ("over 8 bits", "repaired"),
    "float.tif": ("over 8 bits, grayscale", "repaired"),
    "phone.heic": ("ok", "kept"),
    "still.jxl": ("ok", "kept"),
    "wide.png": ("not sRGB", "kept"),
    "infrared.tif": ("extra channel", "repaired"),
    "bands.tif": ("bands", "set aside"),
    **dict.fromkeys(["raw.dng", "scan.dcm", "raw.NEF"], ("no reader", "set aside")),
    **dict.fromkeys(["turned.jpg", "turned.png", "turned.tif"], ("rotated", "repaired")),
    "really-gif.jpg": ("mislabelled, palette, duplicate", "repaired"),
    **dict.fromkeys(["really-png.jpg", "really-jpeg.png"], ("mislabelled", "repaired")),
    **dict.fromkeys(["really-bmp.jpg", "no-extension"], ("mislabelled", "repaired")),
    "turned-gray.png": ("mislabelled, rotated, grayscale", "repaired"),
    **dict.fromkeys(["half.jpg", "half.png", "damaged.png"], ("truncated", "set aside")),
    "damaged-size.png": ("not an image", "set aside"),
    **dict.fromkeys(["empty.jpg", "text.jpg", "note.m"], ("not an image", "set aside")),
    "bomb.png": ("too large", "set aside"),
    "same.jpg": ("duplicate", "kept"),
    "same-png.jpg": ("mislabelled, duplicate", "repaired"),
}
# note.m alone is neither an image nor called as one.
IMAGE_FILES = len(REAL_FILES) - 1


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, pack: Pack) -> pd.DataFrame:
    """Return the manifest of an archive with a file of every kind, by the file's name."""
    folder = tmp_path_factory.mktemp("real")
    archive = pack(folder / "a.tar", {f"c/{name}": data for name, data in real_files().items()})
    table = manifest_of(folder, [archive], classes=1, images=IMAGE_FILES)
    return table.set_index(table["member"].str.removeprefix("c/"))


@pytest.mark.parametrize("name", REAL_FILES)
def test_each_kind_of_file_has_its_problems_and_handling(real: pd.DataFrame, name: str) -> None:
    """A file of each kind is told to be what it is, and what follows from it."""
    row = real.loc[name]
    assert (row["problems"], row["handling"]) == REAL_FILES[name]
    data = real_files()[name]
    assert row["bytes"] == len(data)
    assert row["sha256"] == hashlib.sha256(data).hexdigest()


def test_no_file_of_an_archive_is_without_a_row(real: pd.DataFrame) -> None:
    """The manifest has the files of the archive in its order, one row each."""
    assert real.index.tolist() == list(real_files())
    assert set(real.index) == set(REAL_FILES)


@pytest.mark.parametrize(
    ("name", "kind", "size", "mode"),
    [
        ("good.jpg", "JPEG", (64, 48), "RGB"),
        ("really-png.jpg", "PNG", (64, 48), "RGB"),
        ("preview.jpg", "MPO", (64, 48), "RGB"),
        ("1x1.png", "PNG", (1, 1), "RGB"),
        ("cmyk.jpg", "JPEG", (64, 48), "CMYK"),
        ("deep.png", "PNG", (64, 48), "I;16"),
        ("turned.jpg", "JPEG", (48, 64), "RGB"),
        ("half.png", "PNG", (64, 48), "RGB"),
        ("moving.gif", "GIF", (64, 48), "P"),
        ("empty.jpg", None, (0, 0), None),
        ("bomb.png", None, (0, 0), None),
    ],
)
def test_format_size_and_mode_are_of_the_content(
    real: pd.DataFrame, name: str, kind: str | None, size: tuple[int, int], mode: str | None
) -> None:
    """The manifest says what the file holds, whatever it is called; sizes are as stored."""
    row = real.loc[name]
    assert (row["format"], (row["width"], row["height"]), row["mode"]) == (kind, size, mode)


def test_quality_and_subsampling_are_of_jpeg_files_alone(real: pd.DataFrame) -> None:
    """Pillow saves JPEG at quality 75 and 4:2:0 by default; other formats have neither."""
    assert real.loc["good.jpg", "quality"] == 75
    assert real.loc["good.JPEG", "quality"] == 80
    assert real.loc["really-jpeg.png", "quality"] == 90
    assert bool(real.loc["good.jpg", "standard_tables"])
    assert real.loc["good.jpg", "subsampling"] == "4:2:0"
    assert real.loc["gray.jpg", "subsampling"] is None
    others = real[~real["format"].isin(["JPEG", "MPO"])]
    assert others[["quality", "standard_tables", "subsampling"]].isna().all(axis=None)


def test_orientation_is_that_of_the_exif_block(real: pd.DataFrame) -> None:
    """1 is upright, as is a file without EXIF; what could not be opened has none."""
    expected = {"turned.jpg": 6, "turned.png": 8, "turned.tif": 6, "upright.jpg": 1, "good.bmp": 1}
    assert {name: real.loc[name, "orientation"] for name in expected} == expected
    assert real.loc[["empty.jpg", "bomb.png"], "orientation"].isna().all()


def test_the_columns_and_their_types_are_as_documented(real: pd.DataFrame) -> None:
    """A manifest has its columns, in order, and numbers are numbers though some are missing."""
    assert real.columns.tolist() == [
        *("key", "class", "member", "group", "bytes", "sha256", "format", "width", "height"),
        *("mode", "quality", "standard_tables", "subsampling", "orientation"),
        *("scale", "low", "high", "profile", "problems", "duplicate_of", "handling"),
    ]
    types = {name: str(real[name].dtype) for name in ("width", "quality", "standard_tables")}
    assert types == {"width": "int32", "quality": "Int16", "standard_tables": "boolean"}


def test_every_problem_has_a_rule() -> None:
    """Each problem of the table says what it means and is handled in one of three ways."""
    assert {rule.handling for rule in PROBLEMS.values()} == {"kept", "repaired", "set aside"}
    assert all(rule.meaning for rule in PROBLEMS.values())
    named = {part for problems, _ in REAL_FILES.values() for part in problems.split(", ")}
    # The others depend on where a file lies: tested with the adapters and a user's own images.
    of_places = {"outside", "link", "unlisted", "rare class", "respelled class"}
    assert named - {"ok"} == set(PROBLEMS) - of_places


def test_a_decompression_bomb_is_not_decoded(
    tmp_path: Path, pack: Pack, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A gigabyte of pixels in a megabyte is set aside in less memory than 600 MiB."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc, which this system lacks")
    data = real_files()["bomb.png"]
    assert len(data) < 1.5e6
    archive = pack(tmp_path / "a.tar", {"c/bomb.png": data, "c/0.png": saved(coffee(), "PNG")})
    code = """if True:
        import re, sys
        from pathlib import Path
        from jpegprep.datasets.manifest import build_manifest
        dataset = {"adapter": "class_folders", "classes": 1, "images": 2}
        build_manifest(dataset, [sys.argv[1]], sys.argv[2])
        print("peak", re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    """
    done = python(code, archive, tmp_path / "manifest.parquet")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split("peak")[1]) / 1024 < 600
    table = pd.read_parquet(tmp_path / "manifest.parquet").set_index("member")
    assert table["problems"].to_dict() == {"c/bomb.png": "too large", "c/0.png": "ok"}


def cuts(data: bytes) -> list[int]:
    """Return some fifty lengths, from nothing to all but the last few bytes."""
    return sorted({int(share * (len(data) - 3)) for share in np.linspace(0, 1, 50)})


def problems_of(folder: Path, pack: Pack, members: dict[str, bytes]) -> dict[str, str]:
    """Return the problems of files in class c, beside a sound one, called sound.png."""
    members = {"c/sound.png": saved(coffee(), "PNG"), **members}
    archive = pack(folder / "a.tar", members)
    named = sum(Path(name).suffix != "" for name in members)
    table = manifest_of(folder, [archive], classes=1, images=named)
    return dict(zip(table["member"], table["problems"], strict=True))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *(("jpg", {}), ("jpg", {"progressive": True}), ("png", {}), ("bmp", {}), ("webp", {})),
        *(("gif", {}), ("tif", {}), ("tif", {"compression": "tiff_lzw"})),
    ],
)
def test_a_file_cut_anywhere_is_set_aside(
    tmp_path: Path, pack: Pack, name: str, settings: dict[str, Any]
) -> None:
    """A file that broke off, wherever, is told so and is never used; nothing else is."""
    kind = {"jpg": "JPEG", "tif": "TIFF"}.get(name, name.upper())
    data = saved(coffee(), kind, **settings)
    members = {f"c/{length}.{name}": data[:length] for length in cuts(data)}
    found = problems_of(tmp_path, pack, members)
    assert found.pop("c/sound.png") == "ok"
    # Behind the pixels: the last few bytes of a PNG or a GIF hold nothing of the image.
    whole = {member for member, problems in found.items() if problems not in BROKEN}
    assert whole <= {f"c/{length}.{name}" for length in cuts(data) if length > len(data) - 20}


BROKEN = {"truncated", "not an image"}


def test_an_animation_cut_behind_its_first_frame_is_a_row(tmp_path: Path, pack: Pack) -> None:
    """A GIF that broke off in a later frame is a row like any other; no traceback."""
    data = real_files()["moving.gif"]
    members = {f"c/{length}.gif": data[:length] for length in cuts(data)}
    assert set(problems_of(tmp_path, pack, members)) == {"c/sound.png", *members}


def test_damaged_bytes_of_any_file_end_in_rows(tmp_path: Path, pack: Pack) -> None:
    """Files with a few changed bytes, of every format but animated GIF, are all rows."""
    random = np.random.default_rng(0)
    members = {}
    for name, data in real_files().items():
        if len(data) < 100 or name in ("bomb.png", "moving.gif"):
            continue
        for i in range(20):
            damage = bytearray(data)
            for place in random.integers(0, min(len(data), 600), size=2):
                damage[place] = random.integers(0, 256)
            members[f"c/{i}-{name}.jpg"] = bytes(damage)
    assert set(problems_of(tmp_path, pack, members)) == {"c/sound.png", *members}


def jpeg_with_exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """Return a JPEG file with EXIF entries: tag, type, count and value (TIFF 6.0, section 2)."""
    block = b"II*\0" + struct.pack("<IH", 8, len(entries))
    block += b"".join(struct.pack("<HHI4s", *entry) for entry in entries) + bytes(4)
    return saved(coffee(), "JPEG", exif=b"Exif\0\0" + block)


def test_a_turned_image_with_a_damaged_exif_entry_is_a_row(tmp_path: Path, pack: Pack) -> None:
    """An image to be turned whose EXIF has a text in place of a number is a row; no traceback."""
    data = jpeg_with_exif((274, 3, 1, b"\x06\0\0\0"), (296, 2, 4, b"abc\0"))
    assert "c/x.jpg" in problems_of(tmp_path, pack, {"c/x.jpg": data})


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_means_nothing_is_upright(
    tmp_path: Path, pack: Pack, orientation: int
) -> None:
    """Only 2 to 8 turn an image; 0, which cameras do write, says that it is not known."""
    data = saved(coffee(), "JPEG", exif=exif(orientation))
    assert problems_of(tmp_path, pack, {"c/x.jpg": data})["c/x.jpg"] == "ok"


@pytest.mark.parametrize(
    "entry",
    [(274, 3, 1, b"\xff\xff\0\0"), (274, 2, 2, b"6\0\0\0"), (274, 5, 1, b"\x08\0\0\0")],
    ids=["65535", "text", "fraction"],
)
def test_an_orientation_of_the_wrong_kind_is_a_row(
    tmp_path: Path, pack: Pack, entry: tuple[int, int, int, bytes]
) -> None:
    """A damaged EXIF orientation does not end the manifest of a whole data set."""
    data = jpeg_with_exif(entry)
    assert "c/x.jpg" in problems_of(tmp_path, pack, {"c/x.jpg": data})


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4)], ids=["RGB", "RGBA"])
def test_sixteen_bits_a_channel_in_colour_are_named(
    tmp_path: Path, pack: Pack, colour: int, channels: int
) -> None:
    """A PNG file of 16 bits in each of several channels has more than 8."""
    data = png(8, 8, 16, colour, [b"\0" + b"\x12\x34" * channels * 8] * 8)
    assert "over 8 bits" in problems_of(tmp_path, pack, {"c/x.png": data})["c/x.png"]


def test_duplicates_name_the_first_of_their_bytes(tmp_path: Path, pack: Pack) -> None:
    """Equal files, in a class and across classes, name the first; what is set aside does not."""
    one, other = saved(coffee(), "PNG"), saved(coffee().rotate(180), "PNG")
    members = {
        "outside.png": one,
        "a/1.png": one,
        "a/2.png": other,
        "a/3.png": one,
        "b/1.png": one,
        "b/2.png": saved(coffee(), "BMP"),  # the same pixels, but other bytes
        "b/3.png": other,
        "b/4.png": b"404",
        "b/5.png": b"404",
    }
    archive = pack(tmp_path / "a.tar", members)
    table = manifest_of(tmp_path, [archive], classes=2, images=8).set_index("member")
    keys = table["key"]
    first = table["duplicate_of"].dropna().to_dict()
    assert first == {
        "a/3.png": keys["a/1.png"],
        "b/1.png": keys["a/1.png"],
        "b/3.png": keys["a/2.png"],
    }
    with_problem = table[table["problems"].str.contains("duplicate")]
    assert set(with_problem.index) == set(first)
    assert set(with_problem["handling"]) == {"kept"}


def test_links_and_hostile_names_are_rows_that_are_never_used(tmp_path: Path) -> None:
    """What leads out of the archive is in the manifest, set aside, and does not count."""
    data = saved(coffee(), "PNG")
    archive = tmp_path / "hostile.tar"
    names = ["../x.png", "/abs/x.png", "c/../../x.png", "c/.hidden.png"]
    with tarfile.open(archive, "w") as tar:
        for name in ("c/0.png", *names):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, kind in (("c/link.png", tarfile.SYMTYPE), ("c/hard.png", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "c/0.png"
            tar.addfile(info)
    table = manifest_of(tmp_path, [archive], classes=1, images=1).set_index("member")
    expected = {"c/0.png": "ok", **dict.fromkeys(names, "outside")}
    expected |= dict.fromkeys(["c/link.png", "c/hard.png"], "link")
    assert table["problems"].to_dict() == expected
    assert set(table["handling"].drop("c/0.png")) == {"set aside"}
    assert table["duplicate_of"].isna().all()


def test_a_file_beyond_the_limit_is_set_aside(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file too large to be an image is a row, unread, and still counts as an image file."""
    data = saved(coffee(), "PNG")
    monkeypatch.setattr("jpegprep.datasets.archives.LARGEST", len(data))
    archive = pack(tmp_path / "a.tar", {"c/0.png": data, "c/1.png": data + b"\0"})
    table = manifest_of(tmp_path, [archive], classes=1, images=2)
    assert table["problems"].tolist() == ["ok", "too large"]
    assert table["handling"].tolist() == ["kept", "set aside"]


@pytest.mark.parametrize("name", ["x.jpg", "x.JPG", "x.jpeg", "x.png", "x.gif", "x.webp"])
@pytest.mark.parametrize("content", [b"", b"404"])
def test_a_file_named_as_an_image_counts_whatever_it_holds(
    tmp_path: Path, pack: Pack, members: dict[str, bytes], name: str, content: bytes
) -> None:
    """The registry's number of images is the publisher's, who counts unreadable ones too."""
    archive = pack(tmp_path / "a.tar", {**members, f"brick/{name}": content})
    table = manifest_of(tmp_path, [archive], classes=2, images=7)
    assert (table["handling"] != "set aside").sum() == 6
    with pytest.raises(UserError, match=r"7 image files found \(6 of them usable\).* says 6;"):
        manifest_of(tmp_path, [archive], classes=2, images=6)


def test_a_stray_that_is_no_image_does_not_count(
    tmp_path: Path, pack: Pack, members: dict[str, bytes]
) -> None:
    """RENAME2 in a class folder, as in Caltech-256, is set aside and is no image file."""
    archive = pack(tmp_path / "a.tar", {**members, "brick/RENAME2": b"mv 1 2\n"})
    table = manifest_of(tmp_path, [archive], classes=2, images=6)
    assert table["problems"].tolist() == ["grayscale"] * 6 + ["not an image"]


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_an_archive_without_files_is_refused(tmp_path: Path, pack: Pack, kind: str) -> None:
    """An empty archive is one line that names it."""
    archive = pack(tmp_path / f"a.{kind}", {})
    with pytest.raises(UserError, match=re.escape(archive.name)):
        manifest_of(tmp_path, [archive], classes=1, images=1)


def test_an_archive_without_usable_files_is_refused(tmp_path: Path, pack: Pack) -> None:
    """An archive of nothing but strays is one line that names it."""
    archive = pack(tmp_path / "a.tar", {"README": b"", "c/0.jpg": b""})
    with pytest.raises(UserError, match=r"a\.tar: 0 class folders") as error:
        manifest_of(tmp_path, [archive], classes=1, images=1)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "manifest.parquet").exists()


@pytest.mark.parametrize("processes", [2, 3])
def test_the_number_of_threads_changes_nothing(
    tmp_path: Path, pack: Pack, patches: Files, processes: int
) -> None:
    """The manifest is the same file, byte for byte, however many processes made it."""
    sound = patches("gravel.png", 16)
    members = {f"{'ab'[i % 2]}/{i}.png": sound[i % 16] for i in range(1500)}
    members |= {f"c/{name}": data for name, data in real_files().items()}
    archive = pack(tmp_path / "a.tar", members)
    dataset = {**FOLDERS, "classes": 3, "images": 1500 + IMAGE_FILES}
    build_manifest(dataset, [archive], tmp_path / "one.parquet")
    build_manifest(dataset, [archive], tmp_path / "many.parquet", threads=processes)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "many.parquet").read_bytes()


@pytest.mark.parametrize("processes", [1, 3])
def test_a_broken_archive_leaves_no_manifest(
    tmp_path: Path, pack: Pack, patches: Files, processes: int
) -> None:
    """An archive that breaks off behind many good images ends in one line, and no file."""
    data = patches("gravel.png", 16)
    archive = pack(tmp_path / "a.tar", {f"c/{i}.png": data[i % 16] for i in range(1200)})
    content = archive.read_bytes()
    archive.write_bytes(content[: int(0.9 * len(content))])
    dataset = {**FOLDERS, "classes": 1, "images": 1200}
    with pytest.raises(UserError, match=r"a\.tar") as error:
        build_manifest(dataset, [archive], tmp_path / "manifest.parquet", threads=processes)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_the_error_names_every_archive_of_a_data_set_of_two(tmp_path: Path, pack: Pack) -> None:
    """Where two archives make a data set, the fault may lie in either: both are named."""
    image = saved(coffee(), "PNG")
    archives = [
        pack(tmp_path / "images.tar.gz", {"images/Abyssinian_1.jpg": image}),
        pack(tmp_path / "annotations.tar.gz", {"annotations/list.txt": b"Abyssinian_2 1 1 1\n"}),
    ]
    pets = {"adapter": "oxford_pets", "options": {"listed_only": False}, "classes": 1}
    with pytest.raises(UserError, match=r"images\.tar\.gz and .*annotations\.tar\.gz: 1 image"):
        manifest_of(tmp_path, archives, **pets, images=2)
    # Only what the publisher lists counts, where only that is wanted.
    pets["options"] = {"listed_only": True}
    with pytest.raises(UserError, match="0 class folders"):
        manifest_of(tmp_path, archives, **pets, images=1)


MIRRORED = {
    # As ../shared/README.md says: classes, images.
    "cifar10": (10, 6000),
    "cifar100": (100, 6000),
    "oxford-iiit-pets": (37, 370),
    "sun397": (18, 540),
    "dtd": (10, 400),
    "caltech256": (20, 1280),
}


@pytest.mark.parametrize("name", MIRRORED)
def test_the_official_layouts_give_sound_images(
    tmp_path: Path, root: Path, datasets: dict[str, Any], name: str
) -> None:
    """Real files in each official archive's layout: all images are usable, strays set aside."""
    mirror = root.parent / "shared" / "mirror"
    archives = [mirror / archive["name"] for archive in datasets[name]["archives"]]
    if not all(archive.exists() for archive in archives):
        pytest.skip(f"{mirror} is not there: it holds the real images of this test")
    classes, images = MIRRORED[name]
    dataset = {**datasets[name], "classes": classes, "images": images}
    build_manifest(dataset, archives, tmp_path / "manifest.parquet", threads=2)
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    usable = table[table["handling"] != "set aside"]
    assert (usable["class"].nunique(), len(usable)) == (classes, images)
    assert set(usable["format"]) == {"PNG" if name.startswith("cifar") else "JPEG"}
    assert table["key"].is_unique
    strays = table[table["handling"] == "set aside"]
    assert set(strays["problems"]) <= {"outside", "not an image"}
    if name == "dtd":  # its files are called after their class: banded/banded_0002.jpg
        assert all(row.key.startswith(f"{row[2]}-{row[2]}_") for row in usable.itertuples())


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


def test_keys_do_not_depend_on_the_other_files() -> None:
    """A plain name's key can be read back: class, then name."""
    assert sample_key("banded", "dtd/images/banded/banded_0002.jpg") == "banded-banded_0002"


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


def test_the_demo_is_what_its_registry_says(
    tmp_path: Path, datasets: dict[str, Any], photographs: dict[str, Path]
) -> None:
    """The demo's photographs give the registered 870 images of 12 classes, all sound."""
    dataset = datasets["photo-patches"]
    build_manifest(dataset, list(photographs.values()), tmp_path / "manifest.parquet")
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    assert (len(table), table["class"].nunique()) == (870, 12)
    assert set(table["class"]) == set(photographs)
    # The photograph of a rocket has a profile of Adobe RGB.
    assert set(table["problems"]) == {"ok", "grayscale", "not sRGB"}
    wide = table[table["problems"] == "not sRGB"]
    assert set(wide["class"]) == {"rocket"}
    assert set(wide["profile"]) == {"Adobe RGB (1998)"}
    assert set(zip(table["width"], table["height"], strict=True)) == {(64, 64)}
    assert table["key"].is_unique
