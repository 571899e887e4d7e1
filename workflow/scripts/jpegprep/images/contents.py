"""What an image file holds that a JPEG file of 8 bits cannot."""

from PIL import Image

from jpegprep.images import deep
from jpegprep.images.formats import JpegXl, ManyBits, opened
from jpegprep.images.images import is_transparent

_EXTRA_SAMPLES, _SUBFILE, _NOT_PAGES = 338, 254, 0b101  # tags of TIFF; small copies and masks


def is_no_picture(image: Image.Image) -> bool:
    """Tell whether a file's channels are no picture, as the 13 bands of a satellite are none.

    Args:
        image: as `formats.opened` opens it.
    """
    return isinstance(image, ManyBits) and not image.layout.colours


def has_extra_channel(image: Image.Image) -> bool:
    """Tell whether there is a channel beside colour and transparency, which decoding leaves out.

    Args:
        image: as of `is_no_picture`.
    """
    if isinstance(image, ManyBits):
        return image.layout.alpha is None and image.layout.channels > image.layout.colours > 0
    if isinstance(image, JpegXl):
        return image.header.others
    if image.format != "TIFF":
        return False
    found = image.tag_v2.get(_EXTRA_SAMPLES, ())  # type: ignore[attr-defined]
    return 0 in (found if isinstance(found, tuple) else (found,))


def has_several_frames(data: bytes) -> bool:
    """Tell whether a file has several frames or pages.

    The second picture of an MPO file, which is a preview, is none, nor are smaller copies and masks
    in a TIFF file.

    Args:
        data: a file that `formats.opened` opens.
    """
    image = opened(data)  # anew: to look for a second frame takes the first one away
    if image.format in ("JPEG", "MPO"):
        return False
    try:
        if not getattr(image, "is_animated", False):
            return False
        if image.format != "TIFF" or isinstance(image, ManyBits):
            return True
        for frame in range(1, image.n_frames):  # type: ignore[attr-defined]
            image.seek(frame)
            if not image.tag_v2.get(_SUBFILE, 0) & _NOT_PAGES:  # type: ignore[attr-defined]
                return True
        return False
    except Exception:  # a later frame is damaged
        return True


def has_transparency(data: bytes) -> bool:
    """Tell whether any pixel of a file is less than opaque.

    Args:
        data: a file that can be decoded.
    """
    image = opened(data)
    if not deep.is_deep(image, data):
        return image.has_transparency_data and is_transparent(image)
    alpha = deep.read(image, data).alpha
    return alpha is not None and bool((alpha < 255).any())
