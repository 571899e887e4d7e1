"""How far images can be JPEG-compressed before a classifier suffers: the package behind the rules.

Every function takes paths and values and can be used without Snakemake. From a folder of images to
an answer, and to smaller images, it takes three calls, which the command ``jpegprep`` makes, too:

    import jpegprep

    found = jpegprep.recommend("/data/photos", minutes=15)
    print(found)                            # the verdict, the bytes, the command that converts
    found.plot().savefig("photos.png")
    if found.verdict in ("use", "use-probe"):
        jpegprep.convert("/data/photos", "/data/photos-smaller", quality=found.quality)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jpegprep.command.api import Recommendation, convert, recommend

__all__ = ["Recommendation", "convert", "recommend"]


def __getattr__(name: str) -> Any:
    """Import the API where it is asked for: most jobs have neither Snakemake nor a screen."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from jpegprep.command import api

    return getattr(api, name)
