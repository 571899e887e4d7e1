"""A budget of bytes: what is best with it, what cannot be told from that, what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jpegprep.evaluation import byte_budget
from jpegprep.evaluation.byte_budget import budget, budget_law, budget_points

SHARES, SEEDS, IMAGES = [0.25, 0.5, 1.0], [0, 1, 2], 800
# Bytes of an image; the folder of a store's shards is its number of bytes here.
SIZES = {"original": 4000, "jpeg-q50": 2000, "jpeg-q30": 1000, "jpeg-q10": 500}


@pytest.fixture(autouse=True)
def _bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_budget, "image_bytes", lambda folder: int(folder) * IMAGES)


def study(folder: Path, right: dict[str, list[float]]) -> tuple[dict[str, Path], dict[str, dict]]:
    """Write what subsets predict: each store right about so often at each share."""
    rng = np.random.default_rng(0)
    easy, parts = rng.random(IMAGES), []
    for store, of_shares in right.items():
        for share, accuracy in zip(SHARES, of_shares, strict=True):
            for seed in SEEDS:
                wrong = 0.95 * easy + 0.05 * rng.random(IMAGES) > accuracy
                columns = {"variant": store, "share": share, "seed": seed, "label": 0}
                columns |= {"predicted": wrong.astype(int), "group": np.arange(IMAGES)}
                parts.append(pd.DataFrame({**columns, "trained": round(640 * share)}))
    path = folder / "subsets.parquet"
    pd.concat(parts).to_parquet(path, index=False)
    return {"set": path}, {"set": {store: str(SIZES[store]) for store in right}}


GOOD = {
    "original": [0.60, 0.75, 0.85],
    "jpeg-q50": [0.60, 0.75, 0.848],
    "jpeg-q30": [0.58, 0.73, 0.83],
    "jpeg-q10": [0.40, 0.50, 0.60],
}


def table_of(folder: Path, right: dict[str, list[float]], asked: list[float]) -> pd.DataFrame:
    """Return the numbers of the budget's table."""
    budget(*study(folder, right), "probe", 0.02, asked, folder / "budget.csv")
    return pd.read_csv(folder / "budget.csv")


def observed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of these images, by store."""
    return table[table["basis"] != "law"].set_index("store")


def test_a_budget_is_spent_on_the_store_that_is_best_with_it(tmp_path: Path) -> None:
    """All images at quality 50 fit where half of the originals do; two stores are alike there."""
    found = observed(table_of(tmp_path, GOOD, [640 * 2000]))
    assert found.loc["jpeg-q50", ["verdict", "images", "share"]].tolist() == ["best", 640, 1]
    assert found.loc["original", ["verdict", "images", "share"]].tolist() == ["worse", 320, 0.5]
    assert found.loc["jpeg-q10", "verdict"] == "worse"
    assert found.loc["jpeg-q10", "images"] == 640  # there are no more
    assert (found["n"] == IMAGES).all() and (found["seeds"] == 3).all()


def test_stores_that_are_alike_are_not_told_apart(tmp_path: Path) -> None:
    """With room for everything the original is best by chance alone."""
    found = observed(table_of(tmp_path, GOOD, [640 * 4000]))
    assert set(found.loc[["original", "jpeg-q50"], "verdict"]) == {"best", "not told from the best"}
    assert found.loc["jpeg-q10", "verdict"] == "worse"


def test_more_images_are_collected_in_the_store_that_the_law_says(tmp_path: Path) -> None:
    """Those that it cannot tell from the best stand beside it, those that are worse do not."""
    found = table_of(tmp_path, GOOD, [640 * 2000])
    law = found[found["basis"] == "law"].set_index("store")
    assert (law["verdict"] == "collect").sum() == 1
    best = law["accuracy"].idxmax()
    assert law.loc[best, "verdict"] == "collect"
    assert law.loc["jpeg-q10", "verdict"] == "collect: worse"
    assert law.loc["jpeg-q10", "difference_high"] < 0
    assert (law["images"] > 640).all()


def test_fewer_images_than_were_tried_have_no_accuracy(tmp_path: Path) -> None:
    """A tenth of the originals was not tried, and is not guessed."""
    found = table_of(tmp_path, GOOD, [64 * 4000]).set_index("store")
    assert found.loc["original", "verdict"] == "fewer images than were tried"
    assert np.isnan(found.loc["original", "accuracy"])
    assert found.loc["jpeg-q10", "images"] == 512


def test_without_a_law_nothing_is_said_of_more_images(tmp_path: Path) -> None:
    """Errors that rise with the number of images: refused, in words, and what was seen is told."""
    worse = {store: of[::-1] for store, of in GOOD.items()}
    paths = study(tmp_path, worse)
    budget_law(*paths, "probe", 0.02, tmp_path / "law.csv", tmp_path / "law.md")
    law = pd.read_csv(tmp_path / "law.csv")
    assert law["kind"].tolist() == ["law"]
    assert "refused: error is not shown to fall with the number" in law["words"][0]
    found = table_of(tmp_path, worse, [640 * 8000])
    assert "collect" not in found["verdict"].tolist() and "best" in found["verdict"].tolist()


def test_the_frontier_is_what_no_other_beats(tmp_path: Path) -> None:
    """No point of it has as many bytes or more, and more errors, than another."""
    budget_points(*study(tmp_path, GOOD), "probe", tmp_path / "points.csv")
    table = pd.read_csv(tmp_path / "points.csv")
    for row in table.itertuples():
        better = (table["bytes"] <= row.bytes) & (table["accuracy"] > row.accuracy)
        assert not (row.frontier and better.any())
    assert 3 <= table["frontier"].sum() < len(table)
    assert table["accuracy"].between(table["low"], table["high"]).all()
