"""The frontier: who is on it, and what may be said of the cheapest of many stores."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.evaluation.frontier import frontier, on_frontier, shown_of

LEVEL, STUDIES = 0.025, 500
# What a rate of LEVEL may be, by chance, in as many studies.
MOST = LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / STUDIES)


def table(rows: dict[str, tuple[int, float]], **others: Any) -> pd.DataFrame:
    """Return stores with their bytes and p-values, each tested as itself."""
    found = pd.DataFrame(
        [{"store": name, "bytes": size, "p_loss": p} for name, (size, p) in rows.items()]
    )
    return found.assign(tested_as=found["store"], learnt=True, **others)


def shown(rows: dict[str, tuple[int, float]], **others: Any) -> set[str]:
    """Return the stores that are shown."""
    found = table(rows, **others)
    return set(found.loc[shown_of(found), "store"])


def test_nothing_beats_what_is_on_the_frontier() -> None:
    """Fewer bytes with accuracy at least as high beat, as do equal bytes with more of it."""
    points = {
        **{"original": (100, 0.9), "same": (90, 0.9), "better": (80, 0.91), "worse": (70, 0.8)},
        **{"beaten": (75, 0.79), "twin": (70, 0.79), "least": (10, 0.2), "copy": (10, 0.2)},
    }
    columns = [{"bytes": size, "accuracy": accuracy} for size, accuracy in points.values()]
    found = on_frontier(pd.DataFrame(columns, index=list(points)))
    assert set(found.index[found]) == {"better", "worse", "least", "copy"}


def test_a_store_is_tested_after_all_of_more_bytes_of_its_family() -> None:
    """What failed on the way down ends its family, whatever comes below; others go on."""
    alone = {"original": (100, 0.0), "jpeg-q90": (90, 0.001), "jpeg-q30": (30, 0.0001)}
    assert shown(alone) == set(alone)
    rows = {**alone, "jpeg-q50": (50, 0.2)}
    assert shown(rows) == {"original", "jpeg-q90"}
    # Two families have half of the level each: 0.02 is too much for one of two.
    assert shown({**alone, "jpeg-q30": (30, 0.02)}) == set(alone)
    rows = {**alone, "jpeg-q30": (30, 0.02), "webp-q40": (40, 0.5)}
    assert shown(rows) == {"original", "jpeg-q90"}
    # A family that passes whole leaves its part to the other.
    rows = {**alone, "webp-q40": (40, 0.02), "webp-q20": (20, 0.9)}
    assert shown(rows) == {*alone, "webp-q40"}


def test_stores_of_the_same_pixels_are_one_test() -> None:
    """They are shown together, and take no further part of the level."""
    rows = {"original": (100, 0.0), "jpeg-q30": (60, 0.02), "jpeg-q30-opt": (40, 0.02)}
    found = table(rows)
    found["tested_as"] = ["original", "jpeg-q30", "jpeg-q30"]
    assert shown_of(found).all()


def test_where_nothing_can_be_lost_nothing_is_shown() -> None:
    """Models that only guess lose nothing to any compression: the original's pixels alone stay."""
    rows = {"original": (100, 0.0), "original-opt": (90, 0.0), "jpeg-q30": (30, 1e-9)}
    found = table(rows).assign(learnt=False)
    assert set(found.loc[shown_of(found), "store"]) == {"original", "original-opt"}


FAMILIES = ("jpeg", "webp", "avif", "jpegli", "s64-jpeg", "s32-jpeg")


@pytest.mark.parametrize("members", [1, 3])
def test_the_choice_of_the_cheapest_is_in_the_level(members: int) -> None:
    """Where every store loses just the margin, one is named in 2.5 % of studies, not in most.

    Were stores taken by their own intervals, the best of them would be luck in many.
    """
    names = [f"{family}-q{10 + k}" for family in FAMILIES for k in range(members)]
    sizes = [100 * family + k for family in range(len(FAMILIES)) for k in range(members)]
    rng, false, naive = np.random.default_rng(members), 0, 0
    for _ in range(STUDIES):
        p_values = rng.random(len(names))
        naive += bool((p_values <= LEVEL).any())
        rows = dict(zip(names, zip(sizes, p_values, strict=True), strict=True))
        false += bool(shown({"original": (10_000, 0.0), **rows}) - {"original"})
    assert naive / STUDIES > 0.1
    assert LEVEL / 4 < false / STUDIES < MOST  # and not never


def test_stores_that_lose_nothing_do_not_hide_one_that_loses() -> None:
    """Five families keep all, the cheapest loses the margin: it is named in 2.5 % of studies."""
    rng, false = np.random.default_rng(0), 0
    for _ in range(STUDIES):
        rows = {f"{family}-q50": (100 + i, 1e-9) for i, family in enumerate(FAMILIES[:-1])}
        rows["s32-jpeg-q50"] = (1, float(rng.random()))
        false += "s32-jpeg-q50" in shown({"original": (10_000, 0.0), **rows})
    assert false / STUDIES < MOST


def written(tmp_path: Path, rows: dict[str, tuple[int, float]], learnt: bool = True) -> Path:
    """Write the table of stores."""
    found = table(rows).assign(dataset="dtd", learner="probe", seeds=4, n=500, learnt=learnt)
    found = found.assign(interval="Wilson, cross-fitted", accuracy=0.8, mean_bytes=found["bytes"])
    found = found.assign(accuracy_low=0.75, accuracy_high=0.85, difference=-0.001)
    found = found.assign(low=-0.005, high=0.003, saved=1 - found["bytes"] / found["bytes"].max())
    found.to_csv(tmp_path / "stores.csv", index=False)
    return tmp_path / "stores.csv"


def test_each_row_looks_among_more_stores(tmp_path: Path) -> None:
    """JPEG by quality, with own tables, with sizes, with any codec: the cheapest that is shown."""
    rows = {
        **{"original": (1000, 0.0), "original-opt": (950, 0.0), "jpeg-q90": (500, 0.001)},
        **{"jpeg-q30": (300, 0.3), "jpeg-q90-opt": (450, 0.001), "s64-jpeg-q90": (100, 1e-5)},
        **{"webp-q50": (90, 1e-5), "webp-q20": (40, 0.6)},
    }
    path = written(tmp_path, rows)
    found = pd.read_csv(path)
    found.loc[found["store"] == "jpeg-q90-opt", "tested_as"] = "jpeg-q90"
    found.to_csv(path, index=False)
    frontier(path, 0.01, tmp_path / "f.csv", tmp_path / "f.md")
    made = pd.read_csv(tmp_path / "f.csv")
    assert made["store"].tolist() == ["jpeg-q90", "jpeg-q90-opt", "s64-jpeg-q90", "webp-q50"]
    assert made["stores"].tolist() == [3, 5, 6, 8]
    assert made["families"].tolist() == [1, 1, 2, 3]
    told = (tmp_path / "f.md").read_text(encoding="utf-8")
    assert "a loss of 1 point or more is excluded" in told and "winner's curse" in told


def test_of_models_that_guess_one_cannot_tell(tmp_path: Path) -> None:
    """The free saving stays, and it is said why there is no more."""
    path = written(tmp_path, {"original": (9, 0.0), "original-opt": (8, 0.0)}, learnt=False)
    frontier(path, 0.01, tmp_path / "f.csv", tmp_path / "f.md")
    told = (tmp_path / "f.md").read_text(encoding="utf-8")
    assert "original-opt; of others one cannot tell" in told
    assert "same pixels" in told
