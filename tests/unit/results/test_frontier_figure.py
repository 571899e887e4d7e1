"""The figure of the frontier: a mark a store, filled where nothing beats it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib import container
from matplotlib.figure import Figure
from test_noise_examples import words

from jpegprep.results.figures import frontier
from jpegprep.results.figures.frontier import accuracy_vs_bytes

STORES = {
    # bytes an image, accuracy, tested as, on the frontier
    "original": (1000, 0.90, "original", False),
    "original-opt": (900, 0.90, "original", True),
    "jpeg-q30": (300, 0.85, "jpeg-q30", False),
    "jpeg-q30-opt": (250, 0.85, "jpeg-q30", False),
    "s64-jpeg-q30-444": (150, 0.80, "s64-jpeg-q30-444", False),
    "webp-q40": (200, 0.86, "webp-q40", True),
    "s64-webp-q40": (100, 0.82, "s64-webp-q40", True),
}


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Figure, Path]:
    """Return the figure of two data sets, and its file."""
    rows = [
        {
            **{"dataset": dataset, "store": name, "tested_as": tested, "on_frontier": edge},
            **{"mean_bytes": size, "bytes": 10 * size, "accuracy": accuracy, "n": 500, "seeds": 4},
            **{"accuracy_low": accuracy - 0.05, "accuracy_high": accuracy + 0.05},
            **{"difference": accuracy - 0.9, "low": accuracy - 0.91, "high": accuracy - 0.88},
            "interval": "Wilson, cross-fitted",
        }
        for dataset in ("dtd", "pets")
        for name, (size, accuracy, tested, edge) in STORES.items()
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "stores.csv", index=False)
    kept: list[Any] = []
    save = frontier.save

    def keep(figure: Figure, targets: Any) -> None:
        kept.append(figure)
        save(figure, targets)

    monkeypatch.setattr(frontier, "save", keep)
    accuracy_vs_bytes(tmp_path / "stores.csv", 0.01, tmp_path / "f.svg")
    return kept[0], tmp_path / "f.svg"


def test_each_store_is_a_mark_with_the_differences_interval(drawn: tuple[Figure, Path]) -> None:
    """Those of the same pixels are one, with the fewest bytes; filled is what is on the line."""
    axis = drawn[0].axes[0]
    marks = [c for c in axis.containers if isinstance(c, container.ErrorbarContainer)]
    found = {}
    for mark in marks:
        line, _, (bars,) = mark.lines
        filled = line.get_markerfacecolor() != "white"
        for (x, y), bar in zip(line.get_xydata(), bars.get_segments(), strict=True):
            found[float(x)] = (float(y), filled, *(round(v, 6) for v in bar[:, 1]))
    assert found == {
        size: (accuracy, edge, round(accuracy - 0.01, 6), round(accuracy + 0.02, 6))
        for name, (size, accuracy, _, edge) in STORES.items()
        if name not in ("original", "jpeg-q30")
    }
    assert axis.get_xscale() == "log"
    line = next(x for x in axis.lines if x.get_drawstyle() == "steps-post")
    assert line.get_xdata().tolist() == [100, 200, 900]


def test_codecs_have_colours_and_sizes_marks(drawn: tuple[Figure, Path]) -> None:
    """A size of JPEG and of WebP has one marker; what a codec makes has one colour."""
    legend = {
        line.get_label(): (line.get_color(), line.get_marker())
        for line in drawn[0].axes[0].lines
        if not str(line.get_label()).startswith("_")
    }
    assert set(legend) == {"original", "jpeg", "s64-jpeg-444", "webp", "s64-webp"}
    assert legend["webp"][0] == legend["s64-webp"][0] != legend["jpeg"][0]
    assert legend["jpeg"][0] == legend["s64-jpeg-444"][0]
    assert legend["webp"][1] == legend["jpeg"][1] != legend["s64-webp"][1]
    assert legend["s64-jpeg-444"][1] not in (legend["s64-webp"][1], legend["jpeg"][1])


def test_what_is_on_the_line_is_named(drawn: tuple[Figure, Path]) -> None:
    """By its quality where panels are small, whole where there is one; titles tell images."""
    told = words(drawn[1])
    assert {"original-opt", "q40", "dtd: n = 500, 4 repeats"} <= set(told)
    assert "q30" not in told
    rows = pd.read_csv(drawn[1].with_name("stores.csv"))
    rows[rows["dataset"] == "dtd"].to_csv(drawn[1].with_name("one.csv"), index=False)
    accuracy_vs_bytes(drawn[1].with_name("one.csv"), 0.01, drawn[1])
    assert {"original-opt", "webp-q40", "s64-webp-q40"} <= set(words(drawn[1]))
