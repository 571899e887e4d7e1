"""The range of a user's own images of more than 8 bits, where a conversion is to make them 8."""

from collections.abc import Iterable
from dataclasses import replace

from jpegprep.common.parallel import in_order
from jpegprep.datasets.listing import ignored
from jpegprep.images import deep
from jpegprep.images.decoding import USUAL, decoding_of
from jpegprep.images.formats import not_read, opened
from jpegprep.images.preserving import Giving
from jpegprep.shards.sources import Reading


def measured(readings: Iterable[Reading], given: Giving, threads: int) -> Giving:
    """Return what is given up, with the range of the source's images of more than 8 bits.

    It is the range that a manifest of the same images measures. All files are read.

    Args:
        readings: the files that are converted.
        given: with any range.
        threads: how many read side by side.
    """
    found = in_order(_percentiles, readings, threads)
    rows = [row for row in found if row]
    return replace(given, decoding=decoding_of({"alpha": given.alpha or USUAL.alpha}, rows))


def _percentiles(reading: Reading) -> tuple[str, float, float] | None:
    """Return scale and percentiles of an image of more than 8 bits; None of any other file."""
    if reading.large or any(map(ignored, reading.file.path.split("/"))):
        return None
    data = reading.read()
    try:
        image = opened(data)
        if not_read(reading.file.path, data, image.format) or not deep.is_deep(image, data):
            return None
        values = deep.read(image, data)
        ends = values.percentiles()
    except MemoryError:
        raise
    except Exception:  # parsers raise whatever comes to a damaged file
        return None
    return (values.scale, *ends) if ends else None
