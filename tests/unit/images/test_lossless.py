"""Lossless savings: fewer bytes, the same pixels and metadata, or the very same bytes."""

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from image_files import opened, photograph, profile, saved
from PIL import ExifTags, Image, ImageFile, PngImagePlugin

from jpegprep.images.images import decode, orientation
from jpegprep.images.lossless import optimized

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def picture(mode: str = "RGB", width: int = 120, height: int = 90) -> Image.Image:
    """Return a picture with detail and noise in it."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    waves = [128 + 80 * np.sin(x / 9 + c) + 30 * np.cos(y / 7 * c + 1) for c in range(4)]
    values = np.stack(waves, -1) + rng.normal(0, 6, (height, width, 1))
    pixels = values.clip(0, 255).astype(np.uint8)
    channels = len(Image.new(mode, (1, 1)).getbands())
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels[..., :channels], mode)


def turned(how: int) -> bytes:
    """Return an EXIF block that says how the picture is turned, and who made it."""
    block = Image.Exif()
    block[ExifTags.Base.Orientation], block[ExifTags.Base.Make] = how, "Maker"
    return block.tobytes()


def pixels(data: bytes) -> Any:
    """Return what Pillow decodes, as it lies in the file."""
    image = opened(data)
    return image.mode, image.size, image.tobytes()


def by_opencv(data: bytes) -> npt.NDArray[Any]:
    """Return what OpenCV decodes."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found


JPEGS = {
    "plain": saved(picture(), "JPEG", quality=90),
    "gray": saved(picture("L"), "JPEG"),
    "CMYK": saved(picture("CMYK"), "JPEG"),
    "RGB as it is": saved(picture(), "JPEG", keep_rgb=True),
    "full chroma": saved(picture(), "JPEG", subsampling=0),
    "restarts": saved(picture(), "JPEG", restart_marker_rows=1),
    "progressive": saved(picture(), "JPEG", progressive=True),
    "one pixel": saved(picture(width=1, height=1), "JPEG"),
    "odd sides": saved(picture(width=17, height=31), "JPEG"),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_file_loses_bytes_and_no_pixel(kind: str) -> None:
    """Pillow and OpenCV decode the same; twice the same bytes are written."""
    data = JPEGS[kind]
    found = optimized(data)
    assert len(found) < len(data)
    assert pixels(found) == pixels(data)
    assert (by_opencv(found) == by_opencv(data)).all()
    assert optimized(data) == found


def test_metadata_of_a_jpeg_file_stay_byte_for_byte() -> None:
    """Profile, EXIF, XMP, comment and resolution, in their order."""
    given: dict[str, Any] = {"exif": turned(6), "icc_profile": profile(), "xmp": XMP}
    data = saved(picture(), "JPEG", dpi=(300, 240), comment="of mine", **given)
    found = optimized(data)
    assert len(found) < len(data)
    for name in ("exif", "icc_profile", "xmp", "comment", "dpi", "jfif_density", "jfif_unit"):
        assert opened(found).info[name] == opened(data).info[name], name
    assert decode(found).tobytes() == decode(data).tobytes()
    # EXIF before JFIF, as cameras write it, stays before.
    camera = data[:2] + data[20:]
    assert optimized(camera)[:20] == camera[:20]


@pytest.mark.parametrize("how", range(1, 9))
def test_without_metadata_the_image_is_as_upright(how: int) -> None:
    """Of EXIF that alone stays."""
    block = turned(how)
    data = saved(picture(), "JPEG", exif=block, icc_profile=profile(), comment="of mine")
    found = optimized(data, metadata=False)
    assert len(found) < len(optimized(data)) - len(profile())
    assert orientation(opened(found)) == how
    assert decode(found).tobytes() == decode(data).tobytes()
    assert not {"icc_profile", "comment"} & set(opened(found).info)
    assert ExifTags.Base.Make not in opened(found).getexif()


@pytest.mark.parametrize("kind", ["CMYK", "RGB as it is"])
def test_without_metadata_colours_are_read_as_before(kind: str) -> None:
    """Adobe's marker stays."""
    assert pixels(optimized(JPEGS[kind], metadata=False)) == pixels(JPEGS[kind])


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """Return a JPEG file with a segment behind its JFIF."""
    return data[:20] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + data[20:]


PLAIN = JPEGS["plain"]
AS_THEY_ARE = {
    "several pictures": saved(picture(), "MPO", save_all=True, append_images=[picture("RGB")]),
    "a second picture behind it": PLAIN + PLAIN,
    "a film behind it": PLAIN + b"....ftypmp42" + bytes(500),
    "places in the file": with_segment(PLAIN, 0xE2, b"MPF\0" + bytes(80)),
    "a signature": with_segment(PLAIN, 0xEB, b"JP\0\1" + bytes(80)),
    "truncated": PLAIN[: len(PLAIN) // 2],
    "without its end": PLAIN[:-2],
    "nothing but a beginning": PLAIN[:3],
    "no frame": PLAIN[:20] + b"\xff\xd9",
    "12 bits": PLAIN.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"),
    "arithmetic, it says": PLAIN.replace(b"\xff\xc0\0\x11", b"\xff\xc9\0\x11"),
    "lossless, it says": PLAIN.replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11"),
    "no rows": PLAIN.replace(struct.pack(">HH", 90, 120), struct.pack(">HH", 0, 120)),
    "too many pixels": PLAIN.replace(struct.pack(">HH", 90, 120), b"\xff\0\xff\0"),
    "GIF": saved(picture(), "GIF"),
    "WebP": saved(picture(), "WEBP"),
    "TIFF": saved(picture(), "TIFF"),
    "no image": b"a line of text\n",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", AS_THEY_ARE)
def test_what_cannot_be_proven_stays_byte_for_byte(kind: str) -> None:
    """Damaged files, further pictures, signatures, other formats."""
    assert optimized(AS_THEY_ARE[kind]) == AS_THEY_ARE[kind]


def test_a_truncated_file_stays_where_pillow_is_told_to_pass_over_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Libraries tell it so for a whole process."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    cut = PLAIN[: len(PLAIN) // 2]
    assert optimized(cut) == cut


def test_scans_that_lack_stay_lacking() -> None:
    """Decoders smooth what lacks; of a whole file they would not."""
    data = saved(picture(), "JPEG", progressive=True)
    scans = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"]
    cut = data[: data.rindex(b"\xff\xc4", 0, scans[4])] + b"\xff\xd9"
    found = optimized(cut)
    assert pixels(found) == pixels(cut)
    assert found == cut


def test_a_result_of_other_pixels_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever mozjpeg returns."""
    other = saved(picture().transpose(Image.Transpose.ROTATE_180), "JPEG", quality=10)
    assert len(other) < len(PLAIN)
    monkeypatch.setattr("mozjpeg_lossless_optimization.optimize", lambda data: other)
    assert optimized(PLAIN) == PLAIN


def test_padding_behind_an_image_stays_and_goes_with_its_metadata() -> None:
    """It is found by nobody."""
    padded = PLAIN + b"\n" + bytes(100)
    assert optimized(padded) == optimized(PLAIN) + b"\n" + bytes(100)
    assert optimized(padded, metadata=False) == optimized(PLAIN, metadata=False)


def test_damaged_jpeg_files_are_as_damaged_as_before() -> None:
    """What is decoded of them stays."""
    rng = np.random.default_rng(1)
    start = PLAIN.index(b"\xff\xda") + 14
    for _ in range(60):
        damaged = bytearray(PLAIN)
        place = int(
            rng.integers(2, len(PLAIN) - 4)
            if rng.random() < 0.5
            else rng.integers(start, len(PLAIN) - 4)
        )
        damaged[place : place + 2] = rng.bytes(2)
        found = optimized(bytes(damaged))
        if found != damaged:
            assert pixels(found) == pixels(bytes(damaged))


def png(image: Image.Image, **settings: Any) -> bytes:
    """Return a PNG file, badly compressed."""
    return saved(image, "PNG", compress_level=1, **settings)


def sixteen(channels: int) -> bytes:
    """Return a PNG file of 16 bits."""
    rng = np.random.default_rng(0)
    values = (np.arange(60 * 50 * channels).reshape(60, 50, channels) * 7).astype(np.uint16)
    noisy = (values + rng.integers(0, 9, values.shape)).astype(np.uint16)
    return cv2.imencode(".png", noisy, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


PNGS = {
    "plain": png(picture()),
    "gray": png(picture("L")),
    "alpha": png(picture("RGBA")),
    "palette": png(picture().quantize(200)),
    "transparent palette": png(picture().quantize(100), transparency=bytes(range(100))),
    "a transparent colour": png(picture(), transparency=(128, 128, 128)),
    "two colours": png(picture("L").convert("1")),
    "16 bits": sixteen(1),
    "16 bits in colour": sixteen(3),
}


@pytest.mark.parametrize("kind", PNGS)
def test_a_png_file_loses_bytes_and_no_value(kind: str) -> None:
    """Palettes, transparency, 16 bits."""
    data = PNGS[kind]
    found = optimized(data)
    assert len(found) < len(data)
    assert pixels(found) == pixels(data)
    assert (by_opencv(found) == by_opencv(data)).all()  # all 16 bits of them
    assert opened(found).info == opened(data).info


def test_a_png_file_keeps_its_chunks() -> None:
    """Text, gamma, profile, EXIF, resolution."""
    told = PngImagePlugin.PngInfo()
    told.add_text("Author", "me")
    told.add(b"gAMA", struct.pack(">I", 45455))
    told.add(b"teSt", b"mine")  # its name says that it may be copied
    data = png(picture(), pnginfo=told, icc_profile=profile(), dpi=(300, 300), exif=turned(3))
    for metadata in (True, False):
        found = optimized(data + b"behind", metadata)
        assert len(found) < len(data)
        assert found.endswith(b"behind")
        before, after = (one.split(b"IDAT")[0] for one in (data, found))
        assert after[:-4] == before[:-4]
        assert decode(found).tobytes() == decode(data).tobytes()


def test_an_animation_keeps_its_frames() -> None:
    """They stand in chunks of their own."""
    frames = [picture("L"), picture("L").rotate(90), picture("L").rotate(180)]
    data = png(frames[0], save_all=True, append_images=frames[1:])
    found = optimized(data)
    assert len(found) < len(data)
    one, other = Image.open(io.BytesIO(found)), Image.open(io.BytesIO(data))
    for frame in range(3):
        one.seek(frame)
        other.seek(frame)
        assert one.tobytes() == other.tobytes()


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of PNG."""
    whole = name + content
    return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))


PNG = PNGS["plain"]
BAD_PNGS = {
    "places in the file": PNG[:33] + chunk(b"iDOT", bytes(28)) + PNG[33:],
    "a signature": PNG[:33] + chunk(b"caBX", bytes(28)) + PNG[33:],
    "truncated": PNG[: len(PNG) // 2],
    "without its end": PNG[:-12],
    "a wrong checksum": PNG[:-20] + bytes(4) + PNG[-16:],
    "no pixels": PNG[:33] + PNG[-12:],
    "a bomb": PNG[:33] + chunk(b"IDAT", zlib.compress(bytes(50_000_000), 9)) + PNG[-12:],
    "nothing but a beginning": PNG[:8],
}


@pytest.mark.parametrize("kind", BAD_PNGS)
def test_a_png_file_of_which_nothing_is_proven_stays(kind: str) -> None:
    """Damaged files, and chunks that depend on others."""
    assert optimized(BAD_PNGS[kind]) == BAD_PNGS[kind]


def test_an_interlaced_png_file_keeps_its_pixels() -> None:
    """Its rows are more than its height."""
    # Adam7 by hand: seven passes of rows without a filter (PNG, section 8.2).
    rows = np.asarray(picture("L", 21, 13))
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    stream = b"".join(
        b"\0" + row.tobytes() for y, x, down, across in passes for row in rows[y::down, x::across]
    )
    head = struct.pack(">IIBBBBB", 21, 13, 8, 0, 0, 0, 1)
    pieces = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(stream, 0)), chunk(b"IEND", b"")
    data = PNG[:8] + b"".join(pieces)
    assert (np.asarray(opened(data)) == rows).all()
    found = optimized(data)
    assert len(found) < len(data)
    assert (np.asarray(opened(found)) == rows).all()


def test_a_photograph_gains_what_mozjpeg_promises() -> None:
    """Three in a hundred and more."""
    data = saved(photograph(), "JPEG", quality=75)
    assert len(optimized(data)) < 0.97 * len(data)
