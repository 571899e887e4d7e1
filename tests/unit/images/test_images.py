"""Images: decoding, and JPEG exactly as Pillow, the IJG and ITU-T T.81 define it."""

import io
import struct
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import ExifTags, Image, JpegImagePlugin

from jpegprep.images.decoding import Decoding
from jpegprep.images.images import codec, decode, encode_png, image_format, plain
from jpegprep.images.recompress import treat
from jpegprep.images.variants import Coded

# ITU-T T.81, tables K.1 (luminance) and K.2 (chrominance), in rows.
K1 = """16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56
        14 17 22 29 51 87 80 62  18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92
        49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99"""
K2 = (
    """17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99
        47 66 99 99 99 99 99 99"""
    + " 99" * 32
)
# ITU-T T.81, tables K.3 to K.6: how many codes of each length from 1 to 16 bits.
HUFFMAN_LENGTHS = {
    0x00: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    0x01: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    0x10: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
    0x11: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
}
PHOTOGRAPHS = ["coffee.png", "chelsea.png", "camera.png", "rocket.jpg", "hubble_deep_field.jpg"]


def ijg_table(base: str, quality: int) -> list[int]:
    """Return a quantization table by the IJG's formula (jpeg_quality_scaling in jcparam.c)."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return [min(max((int(q) * scale + 50) // 100, 1), 255) for q in base.split()]


def opened(data: bytes) -> Image.Image:
    """Return the image of a file's bytes."""
    return Image.open(io.BytesIO(data))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return the bytes of a file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """Return marker and content of each segment of a JPEG file before its first scan."""
    found, at = [], 2
    while data[at + 1] != 0xDA:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        found.append((data[at + 1], data[at + 4 : at + 2 + length]))
        at += 2 + length
    return found


@pytest.mark.parametrize("quality", [1, 10, 30, 75, 95, 99])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_treated_image_is_what_pillow_saves(photos: Path, name: str, quality: int) -> None:
    """A ratio's bytes are those of a plain ``Image.save(quality=…)``, so anyone can redo them."""
    data = (photos / name).read_bytes()
    assert treat(data, (Coded("jpeg", f"q{quality}"),)) == encoded(
        opened(data), "JPEG", quality=quality
    )


def test_the_original_is_the_publishers_file(photos: Path) -> None:
    """Without treatments the bytes stay as they are: nothing is decoded and encoded again."""
    data = (photos / "rocket.jpg").read_bytes()
    assert treat(data, ()) == data


@pytest.mark.parametrize("quality", [1, 10, 25, 30, 49, 50, 51, 75, 90, 99])
def test_quantization_is_the_ijg_formula(photos: Path, quality: int) -> None:
    """Quality means the scale of the Independent JPEG Group on T.81's tables K.1 and K.2."""
    treated = opened(treat((photos / "coffee.png").read_bytes(), (Coded("jpeg", f"q{quality}"),)))
    assert treated.quantization == {0: ijg_table(K1, quality), 1: ijg_table(K2, quality)}


def test_chroma_is_subsampled_by_two_each_way(photos: Path) -> None:
    """Chroma subsampling is 4:2:0 (Pillow's number 2) at every quality."""
    data = (photos / "coffee.png").read_bytes()
    for quality in (10, 50, 95, 99):
        assert (
            JpegImagePlugin.get_sampling(opened(treat(data, (Coded("jpeg", f"q{quality}"),)))) == 2
        )


def test_entropy_coding_is_baseline_with_the_standards_tables(photos: Path) -> None:
    """The file is a baseline JPEG (SOF0) with the Huffman tables of T.81's annex K."""
    found = segments(treat((photos / "coffee.png").read_bytes(), (Coded("jpeg", "q30"),)))
    assert [marker for marker, _ in found if 0xC0 <= marker <= 0xCF and marker != 0xC4] == [0xC0]
    tables = b"".join(content for marker, content in found if marker == 0xC4)
    lengths = {}
    while tables:
        counts = list(tables[1:17])
        lengths[tables[0]] = counts
        tables = tables[17 + sum(counts) :]
    assert lengths == HUFFMAN_LENGTHS


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_lower_ratio_gives_a_smaller_file(photos: Path, name: str) -> None:
    """On photographs every step down in ratio saves bytes: the point of the exercise."""
    data = (photos / name).read_bytes()
    sizes = [len(treat(data, (Coded("jpeg", f"q{quality}"),))) for quality in range(10, 100, 10)]
    assert sizes == sorted(set(sizes))


# How a camera stores an upright picture under each EXIF orientation (EXIF 2.3, tag 0x0112).
STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def rotated(photos: Path, orientation: int) -> tuple[Image.Image, bytes]:
    """Return an upright photograph, and a PNG that stores it under an EXIF orientation."""
    photograph = Image.open(photos / "chelsea.png").convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](np.asarray(photograph))))
    return photograph, encoded(stored, "PNG", exif=exif)


@pytest.mark.parametrize("orientation", STORED)
def test_a_rotated_source_is_upright_after_treatment(photos: Path, orientation: int) -> None:
    """A picture taken with a turned camera is treated as people see it, and turned only once."""
    photograph, data = rotated(photos, orientation)
    treated = treat(data, (Coded("jpeg", "q90"),))
    assert treated == encoded(photograph, "JPEG", quality=90)
    assert opened(treated).getexif().get(ExifTags.Base.Orientation, 1) == 1


@pytest.mark.parametrize("orientation", STORED)
def test_a_rotated_source_is_decoded_upright(photos: Path, orientation: int) -> None:
    """Training on originals sees upright pictures as well, pixel by pixel."""
    photograph, data = rotated(photos, orientation)
    assert np.array_equal(decode(data), photograph)


def test_a_rotated_jpeg_is_upright_after_treatment(photos: Path) -> None:
    """What a phone ships, a JPEG with orientation 6, comes out upright."""
    photograph = Image.open(photos / "chelsea.png").convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(photograph.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
    treated = opened(treat(data, (Coded("jpeg", "q95"),)))
    assert treated.size == photograph.size
    assert mean_difference(treated, photograph) < 4


@pytest.mark.parametrize("orientation", STORED)
def test_plain_turns_only_what_must_be_turned(photos: Path, orientation: int) -> None:
    """A reader that ignores EXIF gets the publisher's bytes, or the same pixels turned upright."""
    photograph, data = rotated(photos, orientation)
    turned = plain(data)
    assert (turned == data) is (orientation == 1)
    assert np.array_equal(opened(turned), photograph)


def test_plain_refuses_what_is_no_image() -> None:
    """Bytes that are no image give the error that the function names."""
    with pytest.raises(ValueError):
        plain(b"a text")


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean absolute difference of two images' values in RGB, from 0 to 255."""
    values = [np.asarray(image.convert("RGB"), dtype=float) for image in (one, other)]
    return float(np.abs(values[0] - values[1]).mean())


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *(("L", "PNG"), ("P", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("RGBA", "PNG")),
        *(("CMYK", "JPEG"), ("P", "GIF"), ("RGB", "WEBP"), ("RGB", "BMP"), ("CMYK", "TIFF")),
    ],
)
def test_every_colour_mode_can_be_treated(photos: Path, mode: str, kind: str) -> None:
    """Greyscale, palette, transparent and print images become JPEGs that look the same."""
    photograph = Image.open(photos / "chelsea.png")
    image = photograph.quantize(256) if mode == "P" else photograph.convert(mode)
    data = encoded(image, kind)
    source = opened(data)
    assert source.mode == mode
    treated = opened(treat(data, (Coded("jpeg", "q95"),)))
    assert (treated.format, treated.size) == ("JPEG", source.size)
    assert mean_difference(treated, source) < 10  # black and white alone costs most
    assert mean_difference(treated, Image.new("RGB", source.size)) > 30


def test_a_sixteen_bit_image_keeps_its_picture(photos: Path) -> None:
    """A 16-bit greyscale PNG is scaled to 8 bits (v / 257), not cut off at white."""
    grey = np.asarray(Image.open(photos / "camera.png"))
    data = encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG")
    assert opened(data).mode == "I;16"
    treated = opened(treat(data, (Coded("jpeg", "q95"),)))
    assert mean_difference(treated, Image.fromarray(grey)) < 4


def test_an_opaque_alpha_channel_is_dropped(photos: Path) -> None:
    """Of an RGBA image without transparency the colours stay, as Pillow's `convert` keeps them."""
    image = Image.open(photos / "chelsea.png").convert("RGBA")
    treated = treat(encoded(image, "PNG"), (Coded("jpeg", "q80"),))
    assert treated == encoded(image.convert("RGB"), "JPEG", quality=80)


@pytest.mark.parametrize(("alpha", "ground"), [("white", 255), ("black", 0), ("drop", None)])
def test_what_is_transparent_is_laid_on_a_ground(
    photos: Path, alpha: str, ground: int | None
) -> None:
    """A horse on nothing is on white; drop shows the colours under transparency."""
    image = Image.open(photos / "horse.png").convert("RGBA")
    image.putalpha(image.getchannel("R").point(lambda value: value // 2 + 60))
    pixels = np.asarray(image).astype(float)
    share = pixels[:, :, 3:] / 255
    expected = pixels[:, :, :3]
    if ground is not None:
        expected = expected * share + ground * (1 - share)
    found = decode(encoded(image, "PNG"), Decoding(alpha=alpha))
    assert np.abs(np.asarray(found.convert("RGB")) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["LA", "L", "P", "RGB", "1"])
def test_transparency_of_every_mode_is_laid_on_white(photos: Path, mode: str) -> None:
    """An alpha channel, and a colour or an entry of the palette that is named as transparent."""
    image = Image.open(photos / "chelsea.png").convert("RGB").crop((100, 100, 164, 148))
    image = image.quantize(16) if mode == "P" else image.convert(mode)
    settings = {"P": {"transparency": 3}, "L": {"transparency": 120}, "1": {"transparency": 255}}
    settings["RGB"] = {"transparency": image.getpixel((5, 5))}
    if mode == "LA":
        image.putalpha(77)
    data = encoded(image, "PNG", **settings.get(mode, {}))
    clear = opened(data).convert("RGBA")
    assert clear.getchannel("A").getextrema()[0] < 255
    pixels = np.asarray(clear).astype(float)
    expected = pixels[:, :, :3] * pixels[:, :, 3:] / 255 + 255 - pixels[:, :, 3:]
    found = decode(data)
    assert found.mode == ("L" if mode in ("LA", "L", "1") else "RGB")
    assert np.abs(np.asarray(found.convert("RGB")) - expected).max() <= 1
    assert np.array_equal(opened(plain(data)).convert("RGB"), found.convert("RGB"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_damaged_images_are_no_readable_images(photos: Path, kind: str) -> None:
    """Wherever a file is cut off, decoding it fails by the one error that callers expect."""
    data = encoded(Image.open(photos / "chelsea.png"), kind)
    for share in (0, 0.01, 0.3, 0.9):
        with pytest.raises(ValueError, match="no readable image"):
            decode(data[: int(share * len(data))])


def test_a_text_is_no_image() -> None:
    """A text has no format and cannot be decoded."""
    assert image_format(b"404 Not Found") is None
    with pytest.raises(ValueError, match="no readable image"):
        decode(b"404 Not Found")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_damaged_exif_does_not_cost_the_image(photos: Path, kind: str) -> None:
    """An image whose EXIF block is garbage is still an image."""
    data = encoded(Image.open(photos / "chelsea.png"), kind, exif=b"Exif\0\0garbage")
    assert decode(data).size == Image.open(photos / "chelsea.png").size


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_format_is_told_by_content(photos: Path, kind: str) -> None:
    """The format is what the bytes say, whatever the file was called."""
    assert image_format(encoded(Image.open(photos / "chelsea.png"), kind)) == kind


def test_png_is_lossless(photos: Path) -> None:
    """Pixels survive PNG unchanged."""
    photograph = Image.open(photos / "coffee.png")
    assert np.array_equal(opened(encode_png(photograph)), photograph)


def test_the_record_names_encoder_and_version() -> None:
    """The line for the records names Pillow's version and the JPEG library's."""
    assert codec().startswith(f"Pillow {PIL.__version__}, libjpeg")
    assert codec().split()[-1][0].isdigit()
