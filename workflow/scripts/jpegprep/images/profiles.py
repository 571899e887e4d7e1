"""Colour profiles (ICC): which are not sRGB, and colours in sRGB, by LittleCMS."""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}  # of what ICC calls a profile's colours
_SAME = 2  # of 255: colours that differ by no more are sRGB's


def mode_of(profile: bytes) -> str | None:
    """Return the mode of the images that a profile is of, None where it is damaged or of others."""
    return _MODES.get(_space(profile))


def colours_of(mode: str) -> str:
    """Return the mode of a profile for images of a mode: L, RGB or CMYK."""
    return {"1": "L", "LA": "L", "La": "L", "L": "L", "CMYK": "CMYK"}.get(mode, "RGB")


def not_srgb(profile: bytes) -> str | None:
    """Return what a profile calls itself, None where its colours are sRGB's or it is damaged.

    A profile is taken for sRGB by what it does, whatever it is called: none of 216 colours (256
    grays), taken to sRGB, differs by more than 2 of 255.
    """
    return _not_srgb(profile)


@lru_cache(64)
def _not_srgb(profile: bytes) -> str | None:
    transform, mode = _transform(profile), mode_of(profile)
    if transform is None or mode is None:
        return None
    if mode != "CMYK":
        before = _colours(mode)
        after = ImageCms.applyTransform(before, transform)
        if after is not None:
            difference = np.asarray(before.convert("RGB"), int) - np.asarray(after, int)
            if np.abs(difference).max() <= _SAME:
                return None
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except ImageCms.PyCMSError:
        name = ""
    return " ".join(name.replace("\0", "").split()) or "a profile without a name"


def _colours(mode: str) -> Image.Image:
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    return Image.fromarray(grid.reshape(1, -1, 3))


def to_srgb(image: Image.Image) -> Image.Image:
    """Return an image with its colours in sRGB, and without its profile.

    An image without a profile, or with one that is damaged or of other colours, stays as it is.
    """
    profile = image.info.get("icc_profile")
    mode = mode_of(profile) if profile else None
    if mode is None or mode != colours_of(image.mode):
        return image
    transform = _transform(profile)
    if transform is None:
        return image
    try:
        fitting = image if image.mode == mode else image.convert(mode)
        found = ImageCms.applyTransform(fitting, transform)
    except (ValueError, ImageCms.PyCMSError):
        return image
    if found is None:
        return image
    found.info.pop("icc_profile", None)
    return found.convert("L") if mode == "L" else found


def _space(profile: bytes) -> str:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return ""
    return str(opened.profile.xcolor_space).strip()


@lru_cache(64)
def _transform(profile: bytes) -> Any:
    """Return the transform to sRGB from the colours of a profile, None where there is none."""
    mode = _MODES.get(_space(profile))
    if mode is None:
        return None
    try:
        return ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.PERCEPTUAL,
        )
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None
