"""The figure of a budget of bytes."""

from pathlib import Path

import pandas as pd
from PIL import Image

from jpegprep.results.figures.budget import error_vs_bytes


def test_the_figure_has_a_line_a_store_and_the_frontier(tmp_path: Path) -> None:
    """Its legend names them; the PNG opens."""
    rows = [
        {
            **{"dataset": "mine", "store": store, "share": share, "bytes": 1e6 * size * share},
            **{"seeds": 4, "n": 100, "accuracy": 0.5 + 0.3 * share, "low": 0.4, "high": 0.9},
            **{"interval": "cross-fitted", "frontier": store == "jpeg-q30"},
        }
        for store, size in (("original", 4), ("jpeg-q30", 1))
        for share in (0.5, 1.0)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "points.csv", index=False)
    targets = [tmp_path / "budget.svg", tmp_path / "budget.png"]
    error_vs_bytes(tmp_path / "points.csv", *targets)
    svg = targets[0].read_text(encoding="utf-8")
    for words in ("original", "jpeg-q30", "fewest errors", "shares 0.5, 1", "4 repeats"):
        assert f"<!-- {words}" in svg or words in svg, words
    with Image.open(targets[1]) as image:
        assert image.width == 700
