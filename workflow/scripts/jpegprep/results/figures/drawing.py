"""How every figure looks and is written: widths, colours, type sizes, files that do not vary."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import seaborn as sns

from jpegprep.common.files import replacing_all

matplotlib.use("agg")
from matplotlib.axes import Axes  # noqa: E402 (after the choice of backend)
from matplotlib.figure import Figure  # noqa: E402

# A column of a two-column paper, and the whole page, in inches.
COLUMN, PAGE = 3.5, 7.2
# Told apart by colour-blind readers.
COLOURS = sns.color_palette("colorblind")

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "lines.linewidth": 1.2,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.4,
    # The same data make the same file.
    "svg.hashsalt": "jpegprep",
}


@contextmanager
def sheet(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """Yield an empty figure, in inches, for what has no axes: (0, 0) is its lower left corner."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set(xlim=(0, width), ylim=(0, height))
        axis.set_axis_off()
        yield figure, axis


def save(figure: Figure, targets: Sequence[str | Path], dpi: int = 200) -> None:
    """Write a figure to files, .svg or .png; equal figures make equal files.

    Args:
        figure: what to write.
        targets: the files; all appear at once.
        dpi: pixels an inch of a PNG.
    """
    with replacing_all(*targets) as parts:
        for part, target in zip(parts, targets, strict=True):
            kind = Path(target).suffix[1:]
            # An SVG says when it was made, unless told not to.
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(part, format=kind, dpi=dpi, metadata=metadata)
