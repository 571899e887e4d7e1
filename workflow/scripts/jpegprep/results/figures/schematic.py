"""The paper's Figure 1: JPEG removes noise, or layers do that the network then needs besides."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from jpegprep.results.figures.drawing import COLOURS, COLUMN, save, sheet

# All places and lengths are inches.
_HEIGHT = 1.88
_SIDE = 0.48  # of a picture, of the JPEG box, and the height of a layer
# The middles of the two paths, and of the picture that both start from.
_UPPER, _LOWER = 1.40, 0.46
_START = (_UPPER + _LOWER) / 2
# Columns: the picture, the fork, what removes the noise, what classifies, the classes.
_PICTURE, _FORK = 0.18, 0.90
_REMOVE, _CLASSIFY, _CLASSES = (1.08, 2.20), (2.42, 2.76), 2.98

_JPEG_COLOUR, _REMOVE_COLOUR, _CLASSIFY_COLOUR = COLOURS[2], COLOURS[1], COLOURS[0]
_LINE: dict[str, Any] = {"color": "0.25", "linewidth": 0.8}


def schematic(*targets: str | Path) -> None:
    """Draw Figure 1: two ways from an image to its class, of which that by JPEG has fewer layers.

    The paper's abstract and section I: JPEG removes noise before the network, which otherwise
    needs more layers to do so. The pictures' noise is multiplicative, as in section III-A.

    Args:
        targets: files to write, .svg or .png.
    """
    with sheet(COLUMN, _HEIGHT) as (figure, axis):
        _picture(axis, _PICTURE, _START, noise=0.5)
        _below(axis, _PICTURE + _SIDE / 2, _START, "image =\ncontent + noise")
        for path in (_UPPER, _LOWER):
            axis.plot([_PICTURE + _SIDE + 0.02, _FORK, _FORK], [_START, _START, path], **_LINE)
            _arrow(axis, _FORK - 0.02, _REMOVE[0], path)

        _heading(axis, _UPPER, "JPEG, then a shallow network")
        _block(axis, _REMOVE[0], _SIDE, _UPPER, _JPEG_COLOUR)
        middle = _REMOVE[0] + _SIDE / 2
        white: dict[str, Any] = {"color": "white", "weight": "bold"}
        axis.text(middle, _UPPER, "JPEG", ha="center", va="center_baseline", **white)
        _below(axis, middle, _UPPER, "removes noise")
        _arrow(axis, _REMOVE[0] + _SIDE, _REMOVE[1] - _SIDE, _UPPER)
        _picture(axis, _REMOVE[1] - _SIDE, _UPPER, noise=0.1)
        _below(axis, _REMOVE[1] - _SIDE / 2, _UPPER, "content")

        _heading(axis, _LOWER, "No JPEG, but a deeper network")
        _layers(axis, _REMOVE, _LOWER, 8, _REMOVE_COLOUR)
        _below(axis, sum(_REMOVE) / 2, _LOWER, "layers that remove noise")

        for path in (_UPPER, _LOWER):
            _arrow(axis, _REMOVE[1], _CLASSIFY[0], path)
            _layers(axis, _CLASSIFY, path, 3, _CLASSIFY_COLOUR)
            _below(axis, sum(_CLASSIFY) / 2, path, "few layers")
            _arrow(axis, _CLASSIFY[1], _CLASSES, path)
            axis.text(_CLASSES + 0.02, path, "classes", va="center_baseline")
        save(figure, targets, dpi=300)


def _picture(axis: Axes, left: float, middle: float, noise: float) -> None:
    """Draw a little landscape with multiplicative noise of a standard deviation."""
    y, x = np.mgrid[0:1:26j, 0:1:26j]
    pixels = np.stack([0.55 + 0.2 * y, 0.7 + 0.1 * y, 0.9 + 0 * y], axis=2)
    pixels[(x - 0.7) ** 2 + (y - 0.27) ** 2 < 0.15**2] = (0.95, 0.8, 0.3)
    pixels[y > 0.62 - 0.2 * np.sin(3 * x + 0.4) + 0.25 * x] = (0.25, 0.5, 0.35)
    pixels *= 1 + noise * np.random.default_rng(0).standard_normal(pixels.shape)
    extent = (left, left + _SIDE, middle - _SIDE / 2, middle + _SIDE / 2)
    axis.imshow(pixels.clip(0, 1), extent=extent, interpolation="none", aspect="auto")


def _layers(axis: Axes, span: tuple[float, float], middle: float, count: int, colour: Any) -> None:
    """Draw the layers of a network, side by side."""
    width = 0.085
    for left in np.linspace(span[0], span[1] - width, count):
        _block(axis, left, width, middle, colour)


def _block(axis: Axes, left: float, width: float, middle: float, colour: Any) -> None:
    style = f"round,pad=0,rounding_size={min(0.05, width / 4)}"
    corner = (left, middle - _SIDE / 2)
    axis.add_patch(
        FancyBboxPatch(corner, width, _SIDE, boxstyle=style, facecolor=colour, edgecolor="none")
    )


def _arrow(axis: Axes, left: float, right: float, y: float) -> None:
    style = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, **_LINE}
    axis.annotate("", (right - 0.02, y), (left + 0.02, y), arrowprops=style)


def _heading(axis: Axes, path: float, text: str) -> None:
    axis.text(_REMOVE[0], path + _SIDE / 2 + 0.06, text, va="bottom", weight="bold")


def _below(axis: Axes, x: float, path: float, text: str) -> None:
    # Line by line, so that names beside each other stand on one line.
    for i, line in enumerate(text.splitlines()):
        axis.text(x, path - _SIDE / 2 - 0.14 - 0.12 * i, line, ha="center", fontsize=7)
