"""Accuracy against bytes, with and without chroma subsampling: are bytes for chroma well spent?"""

from pathlib import Path

import pandas as pd

from jpegprep.results.figures.drawing import save
from jpegprep.results.figures.panels import (
    images_of,
    interval_line,
    legend_below,
    panels,
    seeds_of,
)


def accuracy_vs_bytes(chroma: str | Path, *targets: str | Path) -> None:
    """Draw accuracy against the bytes of all images, a line 4:4:4 and a line 4:2:0.

    One panel a data set. Where a line lies above the other, it has more accuracy for equal bytes.

    Args:
        chroma: the CSV of `tables.chroma.chroma`.
        targets: files to write, .svg or .png.
    """
    table = pd.read_csv(chroma)
    datasets = table["dataset"].unique()
    with panels(len(datasets)) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            panel = table[table["dataset"] == dataset].sort_values("ratio")
            for i, (side, name) in enumerate((("full", "4:4:4"), ("subsampled", "4:2:0"))):
                size = 100 * panel[f"{side}_bytes"] / panel["original_bytes"]
                accuracy = panel[f"{side}_accuracy"]
                errors = [accuracy - panel[f"{side}_low"], panel[f"{side}_high"] - accuracy]
                axis.errorbar(size, accuracy, yerr=errors, label=name, **interval_line(i))
                # The one line's ratios stand above to the right, the other's below to the left.
                place, side_of = ((3, 3), "left") if i == 0 else ((-3, -8), "right")
                for x, y, ratio in zip(size, accuracy, panel["ratio"], strict=True):
                    axis.annotate(
                        f"{ratio:g}",
                        (x, y),
                        xytext=place,
                        textcoords="offset points",
                        ha=side_of,
                        fontsize=6,
                        color=interval_line(i)["color"],
                    )
            original = panel.iloc[0]
            axis.axhline(original["original_accuracy"], color="0.5", linewidth=0.8, linestyle=":")
            axis.set_title(f"{dataset}: {images_of(panel['n'])}, {seeds_of(panel)}")
            axis.set_xlabel("bytes, % of the originals")
            axis.set_ylabel("top-1 test accuracy")
            axis.margins(x=0.12)
        legend_below(figure, axes, "bars: 95 % intervals; numbers: ratios; dotted: originals")
        save(figure, targets)
