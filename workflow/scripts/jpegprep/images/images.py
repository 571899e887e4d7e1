"""Decoding an image for treatment and for training, and encoding it as PNG or JPEG, by Pillow."""

import io

import numpy as np
from PIL import ExifTags, Image, features
from PIL import __version__ as pillow_version

# Modes that a JPEG file can hold as they are; every other mode becomes RGB first.
_JPEG_MODES = {"L", "RGB", "CMYK"}


def codec() -> str:
    """Return the name and version of the encoder and decoder, for the records.

    A different decoder shifts accuracy: run records and shard indexes carry this line.
    """
    turbo = features.version("libjpeg_turbo")
    library = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return f"Pillow {pillow_version}, {library}"


def decode(data: bytes) -> Image.Image:
    """Decode an image file, turn it upright by its EXIF orientation, and scale it to 8 bits.

    Args:
        data: the bytes of a file in any format that Pillow opens.

    Returns:
        The image in its own mode; one of 16 bits a pixel in mode L.

    Raises:
        ValueError: where the bytes are no image, or a truncated one.
    """
    image: Image.Image
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except MemoryError:  # the machine's fault, not the image's
        raise
    except Exception as error:  # Pillow's parsers raise whatever comes to a damaged file
        raise ValueError(f"no readable image: {error}") from error
    if (turn := _TURNS.get(orientation(image))) is not None:
        image = image.transpose(turn)
    if image.mode.startswith("I"):
        # Pillow's own conversion cuts off at 255 and makes such images white.
        pixels = np.asarray(image).astype(np.float64) * (255 / 65535)
        image = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    return image


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where there is none or it is damaged."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow's parsers raise whatever comes to a damaged file
        return 1
    return int(found) if isinstance(found, int) and found in _TURNS else 1


# What makes an image upright again, by its EXIF orientation. Pillow's own `exif_transpose` writes
# the EXIF block anew, and fails where it is damaged.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def image_format(data: bytes) -> str | None:
    """Return the format found in the content, as Pillow names it, or None where it finds none."""
    try:
        return Image.open(io.BytesIO(data)).format
    except Exception:
        return None


def plain(data: bytes) -> bytes:
    """Return an image file that every reader shows as `decode` does.

    That is the bytes themselves, or, of an image that is turned by EXIF or has 16 bits, a PNG.

    Raises:
        ValueError: where the bytes are no image.
    """
    try:
        image = Image.open(io.BytesIO(data))
    except Exception as error:
        raise ValueError(f"no readable image: {error}") from error
    if orientation(image) == 1 and not image.mode.startswith("I"):
        return data
    return encode_png(decode(data))


def encode_png(image: Image.Image) -> bytes:
    """Encode losslessly, as Pillow writes PNG by default."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


JPEG_SIDE = 65_500  # pixels: the longest side that libjpeg writes


def encode_jpeg(image: Image.Image, quality: int, full_chroma: bool = False) -> bytes:
    """Encode as ``Image.save(quality=quality)`` does: 4:2:0, standard Huffman tables.

    With `full_chroma` as ``Image.save(quality=quality, subsampling=0)`` does: 4:4:4.

    Modes that JPEG lacks become RGB; transparency is dropped, as Pillow's `convert` drops it.

    Raises:
        ValueError: where the image is too long for a JPEG file.
    """
    if image.mode not in _JPEG_MODES:
        image = image.convert("RGB")
    if max(image.size) > JPEG_SIDE:
        raise ValueError(f"JPEG holds at most {JPEG_SIDE:,} pixels a side")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=0 if full_chroma else -1)
    return buffer.getvalue()
