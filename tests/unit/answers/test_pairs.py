"""Pairs of networks: what is said of a ratio, and which one is tried next."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.answers.pairs import judge, next_up
from jpegprep.common.errors import UserError
from jpegprep.common.records import write_record
from jpegprep.learners.runs import write_predictions

PAIRS, IMAGES = 5, 100
HALF = "jpeg-q50-smaller"
SIZES = {"original": 1.0, "jpeg-q90-smaller": 0.97, "jpeg-q80-smaller": 0.8}
SIZES |= {"jpeg-q70-smaller": 0.7, HALF: 0.5}


def network(folder: Path, pair: int, wrong: int, first: int = 0) -> Path:
    """Write a run that is wrong on so many of the test images of a pair."""
    labels = np.arange(IMAGES) % 2
    predicted = labels.copy()
    predicted[first : first + wrong] = 1 - predicted[first : first + wrong]
    keys = np.array([f"fold{pair}-{i}" for i in range(IMAGES)])
    folder.mkdir(parents=True)
    probabilities = np.eye(2, dtype=np.float32)[predicted]
    folds = np.full(IMAGES, pair)
    write_predictions(folder / "predictions.parquet", keys, labels, probabilities, folds)
    recipe = {"image_size": 128, "epochs": 3, "pairs": {"folds": PAIRS}}
    record = {"learner": "lite0", "recipe": recipe, "train": {"n": 100, "of": 400}}
    write_record(folder / "run.json", record)
    return folder / "run.json"


def judged(folder: Path, wrong: list[int], variant: str = HALF, **changes: Any) -> dict[str, Any]:
    """Compare pairs whose networks of the originals are wrong on 10 images each."""
    sizes = folder / "sizes.csv"
    pd.DataFrame({"variant": SIZES.keys(), "relative_size": SIZES.values()}).to_csv(sizes)
    sides = {
        "original": [network(folder / f"o{k}", k, 10) for k in range(PAIRS)],
        "again": [network(folder / f"a{k}", k, 10 + k % 2) for k in range(PAIRS)],
        "compressed": [network(folder / f"c{k}", k, count) for k, count in enumerate(wrong)],
    }
    arguments: dict[str, Any] = {"minutes": 15, "started": time.time(), **sides, **changes}
    target = folder / "round0.json"
    told = judge(variant, sizes, 0.05, 0.05, target=target, **arguments)
    assert told.startswith(f"pairs of {variant.removesuffix('-smaller')}: ")
    return json.loads(target.read_text())


def test_pairs_that_agree_end_the_search(tmp_path: Path) -> None:
    """Both accuracies with intervals, the difference, and that of the originals with themselves."""
    found = judged(tmp_path, [11, 10, 12, 11, 11])
    assert (found["loses"], found["next"], found["out_of_time"]) == (False, None, False)
    assert found["original"]["accuracy"] == pytest.approx(0.9)
    assert found["original"]["low"] <= 0.9 <= found["original"]["high"]
    assert found["difference"]["difference"] == pytest.approx(-0.01)
    assert (found["difference"]["pairs"], found["difference"]["n"]) == (5, 500)
    assert found["same"]["difference"] == pytest.approx(-0.004)
    assert (found["image_size"], found["epochs"], found["train_images"]) == (128, 3, 100)
    assert len(found["runs"]["again"]) == PAIRS


def test_where_they_lose_the_next_larger_ratio_is_tried(tmp_path: Path) -> None:
    """The next that saves 5 %; after 0.8 none does, since 0.9 saves 3 %."""
    (tmp_path / "a").mkdir()
    found = judged(tmp_path / "a", [25, 26, 24, 25, 27])
    assert (found["loses"], found["next"]) == (True, "jpeg-q70-smaller")
    found = judged(tmp_path, [25, 26, 24, 25, 27], variant="jpeg-q80-smaller")
    assert (found["loses"], found["next"], found["out_of_time"]) == (True, None, False)


def test_the_original_is_no_ratio_to_try() -> None:
    """Also where nothing need be saved."""
    assert next_up("jpeg-q90-smaller", pd.Series(SIZES), 0.0) is None
    assert next_up("jpeg-q70-smaller", pd.Series(SIZES), 0.0) == "jpeg-q80-smaller"


def test_a_loss_that_is_not_sure_ends_the_search_too(tmp_path: Path) -> None:
    """Ten points on the average, from -5 to 25 in the pairs: chance could do that."""
    found = judged(tmp_path, [5, 35, 12, 30, 18])
    assert found["difference"]["difference"] == pytest.approx(-0.1)
    assert (found["loses"], found["next"]) == (False, None)


def test_no_ratio_is_tried_once_the_minutes_are_over(tmp_path: Path) -> None:
    """And the recommendation is told."""
    found = judged(tmp_path, [25, 26, 24, 25, 27], started=time.time() - 16 * 60)
    assert (found["loses"], found["next"], found["out_of_time"]) == (True, None, True)


def test_sides_of_a_pair_see_the_same_images(tmp_path: Path) -> None:
    """A pair whose networks were tested on other images is no pair."""
    with pytest.raises(UserError, match="pair 0 of the fine-tuned networks"):
        judged(
            tmp_path, [10] * 5, compressed=[network(tmp_path / f"x{k}", k + 1, 1) for k in range(5)]
        )
