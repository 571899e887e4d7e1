"""Decoding an image for treatment and for training, and encoding it as PNG or JPEG, by Pillow."""

import io

from PIL import ExifTags, Image, features
from PIL import __version__ as pillow_version

from jpegprep.images import deep
from jpegprep.images.decoding import USUAL, Decoding
from jpegprep.images.formats import opened, opened_by_pillow_alone
from jpegprep.images.profiles import to_srgb

# Modes that a JPEG file can hold as they are; every other mode becomes RGB first.
_JPEG_MODES = {"L", "RGB", "CMYK"}


def codec() -> str:
    """Return the name and version of the encoder and decoder, for the records.

    A different decoder shifts accuracy: run records and shard indexes carry this line.
    """
    turbo = features.version("libjpeg_turbo")
    library = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return f"Pillow {pillow_version}, {library}"


def decode(data: bytes, how: Decoding = USUAL) -> Image.Image:
    """Decode an image file: upright, with 8 bits a channel, without transparency.

    Args:
        data: the bytes of a file in any format that `formats` opens.
        how: the data set's images are decoded.

    Returns:
        The image in its own mode, but for one of more than 8 bits (L, RGB or CMYK), one that was
        transparent (L or RGB) and one that was converted to sRGB. An alpha channel that is opaque
        throughout stays.

    Raises:
        ValueError: where the bytes are no image, or a truncated one.
    """
    try:
        image = opened(data)
        if deep.is_deep(image, data):
            values = deep.read(image, data)
            found = values.image(how.range_of(values.scale))
            kept = ("icc_profile", "comment")
            found.info.update({name: image.info[name] for name in kept if name in image.info})
        else:
            image.load()
            found = image
        if (turn := _TURNS.get(orientation(image))) is not None:
            found = found.transpose(turn)
        if how.alpha != "drop" and is_transparent(found):
            found = _laid_on(found, how.alpha)
        return to_srgb(found) if how.icc == "srgb" else found
    except MemoryError:  # the machine's fault, not the image's
        raise
    except Exception as error:  # parsers raise whatever comes to a damaged file
        raise ValueError(f"no readable image: {error}") from error


def is_transparent(image: Image.Image) -> bool:
    """Tell whether any pixel is less than opaque; an alpha channel alone makes no transparency."""
    if not image.has_transparency_data:
        return False
    image.load()
    alpha = image if "A" in image.getbands() else image.convert("RGBA")
    return any(alpha.getchannel("A").histogram()[:255])


def _laid_on(image: Image.Image, colour: str) -> Image.Image:
    """Return a transparent image on a ground of one colour, opaque."""
    gray = image.mode in ("1", "L", "LA", "La")
    found = Image.new("L" if gray else "RGB", image.size)
    for top in range(0, image.height, _ROWS):  # of a large image no second one is held
        part = image.crop((0, top, image.width, min(top + _ROWS, image.height))).convert("RGBA")
        ground = Image.new("RGBA", part.size, colour)
        ground.alpha_composite(part)
        found.paste(ground.getchannel("R") if gray else ground.convert("RGB"), (0, top))
    kept = ("icc_profile", "comment")
    found.info.update({name: image.info[name] for name in kept if name in image.info})
    return found


_ROWS = 256


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
        return opened(data).format
    except Exception:
        return None


def plain(data: bytes, how: Decoding = USUAL) -> bytes:
    """Return an image file that Pillow alone shows as `decode` does.

    That is the bytes themselves, or a PNG: of an image that is turned by EXIF, has more than 8
    bits, is transparent, has a profile that counts, or is of a format that Pillow does not open.

    Raises:
        ValueError: where the bytes are no image.
    """
    try:
        image = opened(data)
        itself = (
            opened_by_pillow_alone(image)
            and orientation(image) == 1
            and not deep.is_deep(image, data)
            and not (how.icc == "srgb" and "icc_profile" in image.info)
            and not (how.alpha != "drop" and image.has_transparency_data and is_transparent(image))
        )
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"no readable image: {error}") from error
    return data if itself else encode_png(decode(data, how))


def encode_png(image: Image.Image) -> bytes:
    """Encode losslessly, as Pillow writes PNG by default."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


JPEG_SIDE = 65_500  # pixels: the longest side that libjpeg writes


def encode_jpeg(
    image: Image.Image, quality: int, full_chroma: bool = False, own_tables: bool = False
) -> bytes:
    """Encode as ``Image.save(quality=quality)`` does: 4:2:0, standard Huffman tables.

    With `full_chroma` as ``Image.save(quality=quality, subsampling=0)`` does: 4:4:4; with
    `own_tables` as with ``optimize=True``: the same pixels in fewer bytes.

    Modes that JPEG lacks become RGB; an alpha channel is dropped, as Pillow's `convert` drops it.

    Raises:
        ValueError: where the image is too long for a JPEG file.
    """
    if image.mode not in _JPEG_MODES:
        image = image.convert("RGB")
    if max(image.size) > JPEG_SIDE:
        raise ValueError(f"JPEG holds at most {JPEG_SIDE:,} pixels a side")
    buffer = io.BytesIO()
    subsampling = 0 if full_chroma else -1
    image.save(buffer, "JPEG", quality=quality, subsampling=subsampling, optimize=own_tables)
    return buffer.getvalue()
