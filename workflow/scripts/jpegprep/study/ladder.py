"""The ladder of stores that a recommendation tries, known before anything is converted.

It is a path from many bytes to few: first qualities at the images' own size, then, where they are
larger than what the network sees, twice that size, then that size itself. Very low qualities of
large images are left out there: for as many bytes a smaller image of higher quality keeps more of
what the network sees. Where sizes change nothing, the ladder goes down to quality 10.
"""

from collections.abc import Sequence

from jpegprep.common.errors import UserError
from jpegprep.images.codecs.registry import CODECS
from jpegprep.images.variants import Coded, Resized, parse_variant

# A size is a rung where so great a share of the images is larger by so much.
_SHARE, _LARGER = 0.1, 1.25
_ALONE = (90, 80, 70, 60, 50, 40, 30, 20, 10)
_OWN_SIZE, _TWICE, _ONCE = (90, 80, 70, 60, 50), (70, 50), (80, 60, 40)


def ladder(sides: Sequence[int], image_size: int, codecs: Sequence[str]) -> list[str]:
    """Return the stores to be tried, as `variants` names them.

    Args:
        sides: the shorter sides of a sample of the images, in pixels; none: they are not known.
        image_size: at which the network sees the images.
        codecs: of `codecs.registry`.
    """
    path: list[tuple[str, Sequence[int]]] = [("", _ALONE)]
    if _worth(sides, image_size):
        path = [("", _OWN_SIZE), (f"s{image_size}-", _ONCE)]
        if _worth(sides, 2 * image_size):
            path.insert(1, (f"s{2 * image_size}-", _TWICE))
    return [
        f"{size}{codec}-{CODECS[codec].ABOUT.rung(quality)}"
        for size, qualities in path
        for quality in qualities
        for codec in codecs
    ]


def _worth(sides: Sequence[int], side: int) -> bool:
    larger = sum(own > _LARGER * side for own in sides)
    return bool(sides) and larger >= _SHARE * len(sides)


def named(stores: Sequence[str], where: str) -> list[str]:
    """Return the stores that a user names, checked.

    Args:
        stores: their names.
        where: what to call them in messages.

    Raises:
        UserError: where a name is none, or no store of the images themselves.
    """
    for name in stores:
        try:
            steps = parse_variant(name)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        if not any(isinstance(step, Coded) for step in steps) or not all(
            isinstance(step, Coded | Resized) for step in steps
        ):
            raise UserError(
                f"{where} has {name!r}; name stores that change the pixels, as jpeg-q50-opt or "
                "s256-webp-q40: the originals, and what can be saved of them without loss, are "
                "looked at anyway, and an image that a store makes no smaller is kept"
            )
    return list(dict.fromkeys(stores))
