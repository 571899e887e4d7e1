"""Treating images: whichever library does it, the bytes are those that Pillow alone writes."""

import io
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import PIL
import pytest
import skimage
from PIL import ExifTags, Image, ImageOps, PngImagePlugin
from PIL.JpegImagePlugin import get_sampling

from jpegprep.datasets import manifest
from jpegprep.datasets.adapters import Sample
from jpegprep.images import recompress
from jpegprep.images.images import decode
from jpegprep.images.opencv import decode_rgb, is_plain
from jpegprep.images.recompress import encoder, treat, treat_each
from jpegprep.images.variants import Coded, Noise, Smaller

QUALITIES = (1, 10, 30, 75, 95, 99)
MIRROR = Path(__file__).parents[4] / "shared" / "mirror"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return the bytes of a file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def by_pillow(data: bytes, quality: int, **options: object) -> bytes:
    """Return what Pillow alone makes of a file: open, turn, lay on white, convert, save."""
    image = Image.open(io.BytesIO(data))
    image.load()
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, OSError, struct.error):  # a damaged EXIF block
        orientation = 1
    if orientation != 1:
        image = ImageOps.exif_transpose(image)
    if image.has_transparency_data and min(image.convert("RGBA").getchannel("A").getdata()) < 255:
        gray = image.mode in ("L", "LA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA")).convert("L" if gray else "RGB")
    if image.mode == "I;16":
        image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    return encoded(image, "JPEG", quality=quality, **options)


def outcome(function: Callable[[], bytes]) -> bytes | type[ValueError]:
    """Return a function's bytes, or that it refused."""
    try:
        return function()
    except Exception as error:
        assert isinstance(error, (ValueError, OSError, SyntaxError, struct.error))
        return ValueError


def colour(box: tuple[int, int, int, int] = (100, 50, 229, 147)) -> Image.Image:
    """Return a piece of a colour photograph, of odd width and height unless told."""
    with Image.open(Path(skimage.data_dir) / "chelsea.png") as photograph:
        # As pixels alone: the file has a colour profile, which Pillow would hand on.
        return Image.fromarray(np.asarray(photograph.convert("RGB").crop(box)))


def oriented(orientation: int) -> Image.Exif:
    """Return an EXIF block with an orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG chunk."""
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """Return a PNG with a chunk behind its header."""
    return png[:33] + chunk(kind, data) + png[33:]


def with_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    """Return a JPEG with a segment behind its start."""
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + jpeg[2:]


def interlaced(image: Image.Image) -> bytes:
    """Return an RGB image as a PNG of Adam7's seven passes, which Pillow reads but cannot write."""
    pixels, rows = np.asarray(image), b""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    for y, x, dy, dx in [*passes, (1, 0, 2, 1)]:
        rows += b"".join(b"\0" + row.tobytes() for row in pixels[y::dy, x::dx])
    header = struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 1)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def sampled(factors: int) -> bytes:
    """Return a JPEG of a chroma subsampling that Pillow reads but does not write."""
    options = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factors)
    return cv2.imencode(".jpg", np.asarray(colour())[:, :, ::-1], options)[1].tobytes()


def jpegs(image: Image.Image) -> Iterator[tuple[str, bytes, bool]]:
    """Yield name, bytes and whether OpenCV may treat it of each kind of JPEG."""
    grey, plain = image.convert("L"), encoded(image, "JPEG", quality=90)
    for name in ("4:4:4", "4:2:2", "4:2:0"):
        yield f"jpeg {name}", encoded(image, "JPEG", subsampling=name, quality=90), True
    yield "jpeg 4:4:0", sampled(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440), True
    yield "jpeg 4:1:1", sampled(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411), True
    yield "jpeg grey", encoded(grey, "JPEG", quality=90), True
    yield "jpeg progressive", encoded(image, "JPEG", progressive=True), True
    yield "jpeg grey progressive", encoded(grey, "JPEG", progressive=True), True
    yield "jpeg optimized", encoded(image, "JPEG", optimize=True), True
    yield "jpeg restarts", encoded(image, "JPEG", restart_marker_blocks=3), True
    yield "jpeg resolution", encoded(image, "JPEG", dpi=(300, 300)), True
    yield "jpeg ICC", encoded(image, "JPEG", icc_profile=b"profile" * 20000), True
    yield "jpeg Adobe YCbCr", with_segment(plain, 0xEE, b"Adobe\0\x64\0\0\0\0\1"), True
    yield "jpeg XMP", with_segment(plain, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"), True
    yield "jpeg upright", encoded(image, "JPEG", exif=oriented(1)), True
    yield "jpeg turned", encoded(image, "JPEG", exif=oriented(6)), False
    yield "jpeg mirrored", encoded(image, "JPEG", exif=oriented(2)), False
    yield "jpeg damaged EXIF", encoded(image, "JPEG", exif=b"Exif\0\0garbage"), True
    yield "jpeg cut EXIF", encoded(image, "JPEG", exif=oriented(6).tobytes()[:20]), True
    yield "jpeg comment", encoded(image, "JPEG", comment=b"made by hand"), False
    yield "jpeg CMYK", encoded(image.convert("CMYK"), "JPEG"), False
    yield "jpeg RGB", encoded(image, "JPEG", keep_rgb=True), False
    yield "jpeg Adobe RGB", with_segment(plain, 0xEE, b"Adobe\0\x64\0\0\0\0\0"), False
    yield "jpeg trailing bytes", plain + b"appended by a camera", False
    yield "jpeg trailing zeros and an end", plain + bytes(9) + b"\xff\xd9", True
    yield "mpo", encoded(image, "MPO", save_all=True, append_images=[grey.convert("RGB")]), False


def pngs(image: Image.Image) -> Iterator[tuple[str, bytes, bool]]:
    """Yield name, bytes and whether OpenCV may treat it of each kind of PNG."""
    grey, plain = image.convert("L"), encoded(image, "PNG")
    palette, faint = image.quantize(256), image.copy()
    faint.putalpha(grey)
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "drawn by hand")
    yield "png RGB", plain, True
    yield "png grey", encoded(grey, "PNG"), True
    yield "png interlaced", interlaced(image), True
    yield "png trailing bytes", plain + b"appended", True
    yield "png gamma", with_chunk(plain, b"gAMA", struct.pack(">I", 22000)), True
    primaries = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000]
    yield "png primaries", with_chunk(plain, b"cHRM", struct.pack(">8I", *primaries)), True
    yield "png sRGB", with_chunk(plain, b"sRGB", b"\0"), True
    yield "png significant bits", with_chunk(plain, b"sBIT", b"\5\6\5"), True
    yield "png resolution", encoded(image, "PNG", dpi=(300, 300)), True
    yield "png ICC", encoded(image, "PNG", icc_profile=b"profile"), True
    yield "png RGBA", encoded(faint, "PNG"), False
    yield "png LA", encoded(faint.convert("LA"), "PNG"), False
    yield "png palette", encoded(palette, "PNG"), False
    yield "png palette tRNS", encoded(palette, "PNG", transparency=3), False
    yield "png RGB tRNS", encoded(image, "PNG", transparency=image.getpixel((5, 5))), False
    yield "png grey tRNS", encoded(grey, "PNG", transparency=100), False
    yield "png 1 bit", encoded(image.convert("1"), "PNG"), False
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    yield "png 16 bits", encoded(deep, "PNG"), False
    yield "png background", with_chunk(plain, b"bKGD", bytes(6)), False
    yield "png text", encoded(image, "PNG", pnginfo=text), False
    yield "png turned", encoded(image, "PNG", exif=oriented(6)), False
    frames = {"save_all": True, "append_images": [image.rotate(180)]}
    yield "apng", encoded(image, "PNG", **frames), False


def others(image: Image.Image) -> Iterator[tuple[str, bytes, bool]]:
    """Yield name, bytes and whether OpenCV may treat it of files of further formats."""
    turned = {"save_all": True, "append_images": [image.rotate(180)]}
    yield "gif", encoded(image, "GIF"), False
    yield "gif comment", encoded(image, "GIF", comment=b"painted"), False
    yield "gif animated", encoded(image, "GIF", **turned), False
    yield "bmp", encoded(image, "BMP"), False
    yield "tiff", encoded(image, "TIFF"), False
    yield "tiff CMYK", encoded(image.convert("CMYK"), "TIFF"), False
    yield "tiff pages", encoded(image, "TIFF", **turned), False
    yield "webp", encoded(image, "WEBP"), False
    yield "webp lossless turned", encoded(image, "WEBP", lossless=True, exif=oriented(6)), False


def sizes() -> Iterator[tuple[str, bytes, bool]]:
    """Yield name, bytes and whether OpenCV may treat it of images of awkward sizes."""
    for width, height in ((1, 1), (7, 3), (15, 17), (1, 300), (300, 1)):
        image = colour((100, 0, 100 + width, height))
        for mode in ("RGB", "L"):
            name = f"{mode} {width}x{height}"
            yield f"png {name}", encoded(image.convert(mode), "PNG"), True
            yield f"jpeg {name}", encoded(image.convert(mode), "JPEG"), True


SOURCES = [*jpegs(colour()), *pngs(colour()), *others(colour()), *sizes()]


@pytest.mark.parametrize(("data", "plain"), [pytest.param(*s[1:], id=s[0]) for s in SOURCES])
def test_a_treated_image_is_what_pillow_alone_makes(data: bytes, plain: bool) -> None:
    """Whatever the file, a ratio's bytes are Pillow's; OpenCV makes them of plain files alone."""
    assert is_plain(data) == plain
    for quality in QUALITIES:
        assert treat(data, (Coded("jpeg", f"q{quality}"),)) == by_pillow(data, quality)
        full = by_pillow(data, quality, subsampling="4:4:4")
        assert treat(data, (Coded("jpeg", f"q{quality}-444"),)) == full


@pytest.mark.parametrize("data", [pytest.param(s[1], id=s[0]) for s in SOURCES])
def test_full_chroma_is_full_where_there_is_chroma(data: bytes) -> None:
    """The file itself says so: 4:4:4, and 4:2:0 without. Gray and CMYK have no choice."""
    for full, expected in ((True, 0), (False, 2)):
        image = Image.open(io.BytesIO(treat(data, (Coded("jpeg", "q50" + "-444" * full),))))
        assert get_sampling(image) == (expected if image.mode == "RGB" else -1)
    if image.mode != "RGB":
        assert treat(data, (Coded("jpeg", "q50-444"),)) == treat(data, (Coded("jpeg", "q50"),))


def test_full_chroma_keeps_colours_that_subsampling_mixes() -> None:
    """Red and blue lines of a pixel's width stay apart in 4:4:4, and turn purple in 4:2:0."""
    lines = np.zeros((32, 32, 3), np.uint8)
    lines[:, ::2, 0] = lines[:, 1::2, 2] = 255
    data = encoded(Image.fromarray(lines), "PNG")
    error = {}
    for full in (False, True):
        found = decode_rgb(treat(data, (Coded("jpeg", "q90" + "-444" * full),))).astype(float)
        error[full] = np.abs(found - lines).mean()
    assert error[True] < 10 < 50 < error[False]


def test_plain_files_are_opencvs_and_others_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast way is taken for every plain file and only there: it cannot get lost unseen."""
    calls: list[str] = []
    spy = SimpleNamespace(
        imdecode=lambda *given: calls.append("opencv") or cv2.imdecode(*given),
        imencode=cv2.imencode,
        IMREAD_UNCHANGED=cv2.IMREAD_UNCHANGED,
        IMWRITE_JPEG_QUALITY=cv2.IMWRITE_JPEG_QUALITY,
    )
    monkeypatch.setattr(recompress, "cv2", spy)
    decode = recompress.decode
    monkeypatch.setattr(recompress, "decode", lambda *d: calls.append("pillow") or decode(*d))
    for _, data, plain in SOURCES:
        calls.clear()
        treat(data, (Coded("jpeg", "q50"),))
        assert calls == ["opencv" if plain else "pillow"]


@pytest.mark.parametrize("data", [pytest.param(s[1], id=s[0]) for s in SOURCES])
def test_pixels_for_training_are_pillows(data: bytes) -> None:
    """Whatever the file, a network sees the pixels of Pillow's image, upright and in RGB."""
    expected = np.asarray(decode(data).convert("RGB"))
    pixels = decode_rgb(data)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, expected)


def test_pixels_for_training_have_the_order_red_green_blue() -> None:
    """A red image is red for the network, gray is gray three times, by either library."""
    for mode, pixel in (("RGB", [255, 0, 0]), ("L", [76, 76, 76]), ("RGBA", [255, 0, 0])):
        data = encoded(Image.new("RGB", (4, 3), "red").convert(mode), "PNG")
        assert is_plain(data) == (mode != "RGBA")
        assert decode_rgb(data).tolist() == [[pixel] * 4] * 3


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGB"), ("JPEG", "RGB"), ("JPEG", "CMYK")])
def test_a_truncated_image_has_no_pixels_for_training(kind: str, mode: str) -> None:
    """An image that was cut off is an error, never a picture with a gray rest."""
    data = encoded(colour().convert(mode), kind)
    for length in [*range(0, len(data) - 40, 997), len(data) - 40]:
        with pytest.raises(ValueError, match="no readable image"):
            decode_rgb(data[:length])


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_has_no_pixels_for_training(data: bytes) -> None:
    """A few bytes, even the right first ones, are an error and no crash."""
    with pytest.raises(ValueError, match="no readable image"):
        decode_rgb(data)


def archived(path: Path, step: int) -> Iterator[bytes]:
    """Yield every so manieth image of an archive."""
    with tarfile.open(path) as archive:
        seen = 0
        for member in archive:
            if member.isfile() and member.name.lower().endswith((".jpg", ".png")):
                seen += 1
                file = archive.extractfile(member)
                if seen % step == 1 and file is not None:
                    yield file.read()


@pytest.mark.parametrize("name", ["256_ObjectCategories", "SUN397", "dtd-r1.0.1", "images"])
def test_public_data_sets_become_what_pillow_makes(name: str) -> None:
    """Of files as publishers ship them, in all their variety, the bytes are Pillow's as well."""
    found = sorted(MIRROR.glob(f"{name}.tar*"))
    if not found:
        pytest.skip(f"no archive {name} in {MIRROR}")
    images, plain = 0, 0
    for data in archived(found[0], step=20):
        for quality in (10, 30, 75, 95):
            assert treat(data, (Coded("jpeg", f"q{quality}"),)) == by_pillow(data, quality)
            full = by_pillow(data, quality, subsampling="4:4:4")
            assert treat(data, (Coded("jpeg", f"q{quality}-444"),)) == full
        images += 1
        plain += is_plain(data)
    assert images >= 10
    assert plain > 0


def test_no_treatment_keeps_any_file() -> None:
    """Without treatments the bytes stay as they are, image or not."""
    assert treat(b"anything", ()) == b"anything"


def test_several_variants_are_what_each_alone_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look at the pixels is enough for all of them, OpenCV's or Pillow's."""
    variants = [
        (Coded("jpeg", "q90"), Smaller()),
        (Coded("jpeg", "q30"),),
        (),
        (Noise(), Coded("jpeg", "q30")),
        (Coded("jpeg", "q5"), Smaller()),
    ]
    for data in (encoded(colour(), "PNG"), encoded(colour().convert("RGBA"), "PNG")):
        alone = [treat(data, variant, "key") for variant in variants]
        looks: list[bytes] = []
        decoder = "imdecode" if is_plain(data) else "decode"
        holder = cv2 if is_plain(data) else recompress
        own = getattr(holder, decoder)

        def look(*args: Any, own: Any = own, looks: list[bytes] = looks) -> Any:
            looks.append(args[0])
            return own(*args)

        monkeypatch.setattr(holder, decoder, look)
        assert treat_each(data, variants[:3] + variants[4:], "key") == alone[:3] + alone[4:]
        assert len(looks) == 1
        assert treat_each(data, variants, "key") == alone
        monkeypatch.undo()


def test_smaller_keeps_whichever_file_is_smaller() -> None:
    """A source that compression would not make smaller stays, byte for byte; others are JPEGs."""
    photograph, flat = encoded(colour(), "PNG"), encoded(Image.new("L", (9, 9)), "PNG")
    compressed = by_pillow(photograph, 50)
    assert treat(photograph, (Coded("jpeg", "q50"), Smaller())) == compressed
    assert treat(flat, (Coded("jpeg", "q50"), Smaller())) == flat
    assert treat(compressed, (Coded("jpeg", "q99"), Smaller())) == compressed
    assert treat(compressed, (Coded("jpeg", "q99"),)) == by_pillow(compressed, 99)


def test_smaller_keeps_the_source_of_equal_size() -> None:
    """Where nothing is saved nothing is lost either: at the same size the source stays."""
    compressed = by_pillow(encoded(colour(), "PNG"), 50)
    longer = by_pillow(compressed, 60)
    source = with_segment(compressed, 0xEF, bytes(len(longer) - len(compressed) - 4))
    assert len(source) == len(by_pillow(source, 60))
    assert source != longer
    assert treat(source, (Coded("jpeg", "q60"), Smaller())) == source


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"subsampling": 0})],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_truncated_image_is_refused(kind: str, options: dict[str, object], mode: str) -> None:
    """An image that was cut off anywhere is an error, never a picture with a gray rest."""
    data = encoded(colour().convert(mode), kind, **options)
    # A PNG without its last chunk and checksums is whole to Pillow: no pixel is missing.
    last = len(data) - (40 if kind == "PNG" else 1)
    for length in [*range(0, last, 97), last]:
        with pytest.raises(ValueError, match="no readable image"):
            treat(data[:length], (Coded("jpeg", "q50"),))


@pytest.mark.parametrize("end", [b"\xff\xd9", b"\0\0\xff\xd9"])
def test_a_cut_jpeg_with_an_end_is_what_pillow_makes_of_it(end: bytes) -> None:
    """A JPEG mended by an end marker gets what Pillow gives: the same picture, or none."""
    for mode in ("RGB", "L"):
        for progressive in (False, True):
            data = encoded(colour().convert(mode), "JPEG", progressive=progressive)
            for length in range(700, len(data), 331):
                mended = data[:length] + end
                expected = outcome(lambda mended=mended: by_pillow(mended, 50))
                assert (
                    outcome(lambda mended=mended: treat(mended, (Coded("jpeg", "q50"),)))
                    == expected
                )


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_png_with_damaged_pixels_is_refused(mode: str) -> None:
    """Where Pillow finds a PNG's pixels broken there is no picture, not one with a black rest."""
    data = encoded(colour().convert(mode), "PNG")
    refused = 0
    for place in range(60, len(data) - 80, 211):
        broken = data[:place] + bytes(50) + data[place + 50 :]
        expected = outcome(lambda broken=broken: by_pillow(broken, 50))
        refused += expected is ValueError
        assert outcome(lambda broken=broken: treat(broken, (Coded("jpeg", "q50"),))) == expected
    assert refused > 10


def test_a_png_with_a_damaged_chunk_is_set_aside() -> None:
    """OpenCV only warns of a wrong checksum beside the pixels; the manifest refuses, as Pillow."""
    data = with_chunk(encoded(colour(), "PNG"), b"gAMA", struct.pack(">I", 45455))
    broken = data[:41] + bytes(4) + data[45:]
    assert outcome(lambda: by_pillow(broken, 50)) is ValueError
    assert set_aside(broken, "png")


def set_aside(data: bytes, extension: str) -> bool:
    """Tell whether a manifest sets an image file aside, so that it is never treated."""
    (row,) = manifest._inspect_all([Sample("class", f"class/image.{extension}", data)])
    return manifest._handling(row[-1]) == "set aside"


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_with_damaged_scans_is_what_pillow_makes_of_it(progressive: bool) -> None:
    """Of a JPEG with a stretch of its scans overwritten comes the picture that Pillow makes."""
    data = encoded(colour(), "JPEG", progressive=progressive)
    draw = random.Random(0)
    for _ in range(150):
        place, length = draw.randrange(2000, len(data) - 50), draw.randrange(1, 40)
        written = draw.randbytes(length).replace(b"\xff", b"\0")  # no further marker
        broken = data[:place] + written + data[place + length :]
        expected = outcome(lambda broken=broken: by_pillow(broken, 50))
        assert outcome(lambda broken=broken: treat(broken, (Coded("jpeg", "q50"),))) == expected


@pytest.mark.parametrize("marker", [b"\xff\xc4", b"\xff\xda", b"\xff\xd8", b"\xff\xc0"])
def test_a_jpeg_with_a_stray_marker_in_its_scan_is_set_aside(marker: bytes) -> None:
    """OpenCV would give it a gray rest; Pillow refuses, and so does the manifest."""
    data = encoded(colour(), "JPEG")
    middle = len(data) * 2 // 3
    broken = data[:middle] + marker + data[middle:]
    assert outcome(lambda: by_pillow(broken, 50)) is ValueError
    assert set_aside(broken, "jpg")


@pytest.mark.parametrize("side", [20_000, 60_000])
def test_a_jpeg_that_claims_to_be_huge_is_refused(side: int) -> None:
    """A header that lies about the size is an error before memory is taken."""
    data = encoded(colour(), "JPEG")
    frame = data.index(b"\xff\xc0")
    lying = data[: frame + 5] + struct.pack(">HH", side, side) + data[frame + 9 :]
    assert not is_plain(lying)
    with pytest.raises(ValueError, match="no readable image"):
        treat(lying, (Coded("jpeg", "q50"),))


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (2**31 - 1, 2**31 - 1), (0, 9)])
def test_a_png_that_claims_to_be_huge_or_empty_is_refused(width: int, height: int) -> None:
    """A PNG's header that lies, checksum and all, is an error before memory is taken."""
    data = encoded(colour(), "PNG")
    header = struct.pack(">II", width, height) + data[24:29]
    lying = data[:8] + chunk(b"IHDR", header) + data[33:]
    assert not is_plain(lying)
    with pytest.raises(ValueError, match="no readable image"):
        treat(lying, (Coded("jpeg", "q50"),))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_header_that_promises_more_rows_than_follow_gives_what_pillow_gives(kind: str) -> None:
    """Of a file with fewer rows than its header says comes Pillow's picture, or its error."""
    data = encoded(colour(), kind)
    if kind == "PNG":
        header = struct.pack(">II", colour().width, 2000) + data[24:29]
        lying = data[:8] + chunk(b"IHDR", header) + data[33:]
    else:
        frame = data.index(b"\xff\xc0")
        lying = data[: frame + 5] + struct.pack(">H", 2000) + data[frame + 7 :]
    expected = outcome(lambda: by_pillow(lying, 50))
    assert outcome(lambda: treat(lying, (Coded("jpeg", "q50"),))) == expected


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\0" * 99])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    """A few bytes, even the right first ones, are no image and no crash."""
    assert not is_plain(data)
    with pytest.raises(ValueError, match="no readable image"):
        treat(data, (Coded("jpeg", "q50"),))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_an_image_too_wide_for_jpeg_is_refused(mode: str) -> None:
    """JPEG holds at most 65,500 pixels a side: a longer PNG is an error that callers expect."""
    data = encoded(Image.new(mode, (70_000, 2), 100 if mode == "L" else "red"), "PNG")
    with pytest.raises((ValueError, OSError)):
        treat(data, (Coded("jpeg", "q50"),))


def test_the_record_names_both_encoders() -> None:
    """A shard's record says which Pillow, OpenCV and libjpeg-turbo made its images."""
    named = encoder()
    assert f"Pillow {PIL.__version__}" in named
    assert f"OpenCV {cv2.__version__}" in named
    assert named.count("libjpeg-turbo ") == 2
