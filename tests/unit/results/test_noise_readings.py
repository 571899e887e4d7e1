"""Readings of the noise: numbers from predictions, and a claim that appears on evidence alone."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_every_accuracy import cells

from jpegprep.common.layout import ORIGINAL, Run
from jpegprep.common.records import write_record
from jpegprep.evaluation.accuracy import compare, evaluate
from jpegprep.evaluation.stats import Correct, difference_interval, holm
from jpegprep.images.variants import READINGS, reading_variants
from jpegprep.learners.runs import write_predictions
from jpegprep.results.tables.noise import claim_of, readings

IMAGES, CLASSES, SEEDS = 400, 4, 3
WHAT = {
    "datasets": ["pets"],
    "ratio": 0.3,
    "readings": {"multiplicative": "probe", "additive": "probe", "shared": "probe_small"},
}
# Of each reading the share of images that is right: noisy, JPEG of noisy, denoised; clean: 0.95.
SHARES = {
    "multiplicative": (0.5, 0.7, 0.8),
    "additive": (0.5, 0.3, 0.5),
    "shared": (0.5, 0.5, 0.6),
}
VARIANTS = {reading: reading_variants(reading, 0.3) for reading in READINGS}


def write_run(run: Run, right: np.ndarray, crossfitted: bool = True) -> Run:
    """Write predictions that are right on these images, and a record."""
    labels = np.arange(len(right)) % CLASSES
    predicted = np.where(right, labels, (labels + 1) % CLASSES)
    path = Path(run.file("predictions.parquet"))
    path.parent.mkdir(parents=True, exist_ok=True)
    folds = np.arange(len(right)) % 5 if crossfitted else None
    keys = np.array([f"k{i}" for i in range(len(right))])
    write_predictions(path, keys, labels, np.eye(CLASSES, dtype=np.float32)[predicted], folds)
    facts = {"recipe": {}, "seconds": {}, "tested_epoch": None, "val_accuracy": None}
    write_record(Path(run.file("run.json")), {**facts, "device": {"name": "a processor"}})
    return run


def make(
    folder: Path, right: Mapping[tuple[str, str], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> list[Path]:
    """Make the table of predictions, (learner, variant) to whether they are right."""
    monkeypatch.chdir(folder)
    runs = [
        write_run(Run("pets", variant, learner, seed), images[seed])
        for (learner, variant), images in right.items()
        for seed in range(SEEDS)
    ]
    sides = list(right)
    pairs = [
        ("pets", one, other)
        for one in sides
        for other in sides
        if one != other and one[0] == other[0]
    ]
    predictions = [run.file("predictions.parquet") for run in runs]
    records = [run.file("run.json") for run in runs]
    evaluate(runs, predictions, records, "runs.csv", "accuracy.csv", {})
    compare(runs, predictions, pairs, "differences.csv")
    targets = [folder / f"t.{kind}" for kind in ("csv", "md", "html")]
    readings("accuracy.csv", "differences.csv", WHAT, *targets)
    return targets


def draws(share: float, seed: int) -> np.ndarray:
    """Return which images each repeat gets right, (repeats, images)."""
    return np.random.default_rng(seed).random((SEEDS, IMAGES)) < share


def sides(
    shares: Mapping[str, tuple[float, ...]], clean: float
) -> dict[tuple[str, str], np.ndarray]:
    """Return draws of each learner and variant."""
    found = {}
    for i, (reading, learner) in enumerate(WHAT["readings"].items()):
        found[learner, ORIGINAL] = draws(clean, 99)
        for k, variant in enumerate(VARIANTS[reading]):
            found[learner, variant] = draws(shares[reading][k], 10 * i + k)
    return found


def test_every_number_is_of_its_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accuracies and differences are those of the reading's learner and variants."""
    right = sides(SHARES, 0.95)
    table = pd.read_csv(make(tmp_path, right, monkeypatch)[0])
    assert table["reading"].tolist() == [*WHAT["readings"]]
    assert table["claim"].tolist() == ["borne out", "contradicted", "open"]
    for row in table.to_dict("records"):
        learner = WHAT["readings"][row["reading"]]
        noisy, jpeg, denoised = (right[learner, name] for name in VARIANTS[row["reading"]])
        clean = right[learner, ORIGINAL]
        of = {"clean": clean, "noisy": noisy, "jpeg": jpeg, "denoised": denoised}
        for side, correct in of.items():
            assert row[f"{side}_accuracy"] == pytest.approx(correct.mean(), rel=1e-5)
        for step, one, other in (
            ("by_noise", noisy, clean),
            ("by_jpeg", jpeg, noisy),
            ("by_denoising", denoised, noisy),
        ):
            expected = difference_interval(one, other, crossfitted=True)
            found = [row[step], *(row[f"{step}_{x}"] for x in ("low", "high", "p"))]
            numbers = [expected.difference, expected.low, expected.high, expected.p]
            assert found == pytest.approx(numbers, rel=1e-4, abs=1e-9)
        assert (row["learner"], row["seeds"], row["n"], row["ratio"]) == (
            learner,
            SEEDS,
            IMAGES,
            0.3,
        )
    assert table["by_jpeg_p_holm"].tolist() == pytest.approx(holm(table["by_jpeg_p"].tolist()))


def test_people_read_the_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row a reading; the note counts the claims, and says what each noise is."""
    targets = make(tmp_path, sides(SHARES, 0.95), monkeypatch)
    text = targets[1].read_text("utf-8")
    rows = cells(text)
    assert [row["noise"] for row in rows] == [*WHAT["readings"]]
    assert [row["JPEG wins some back"] for row in rows] == [
        "borne out",
        "contradicted",
        "open",
    ]
    assert {row["seeds"] for row in rows} == {"cross-fitted, 3 repeats"}
    assert "Of 3 rows it is borne out in 1 and contradicted in 1" in text
    assert "N(0, 1)" in text and "ratio 0.3" in text


def test_noise_of_no_power_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where noisy images are the clean ones, differences are exactly 0, without a claim."""
    same = draws(0.8, 1)
    table = pd.read_csv(make(tmp_path, dict.fromkeys(sides(SHARES, 0.8), same), monkeypatch)[0])
    for step in ("by_noise", "by_jpeg", "by_denoising"):
        assert table[step].tolist() == [0] * 3
        assert (table[f"{step}_low"] < 0).all() and (table[f"{step}_high"] > 0).all()
        assert table[f"{step}_p"].tolist() == [1] * 3
    assert table["claim"].tolist() == ["open"] * 3


def claims(
    clean: float, noisy: float, jpeg: float, studies: int = 400, alike: bool = False
) -> list[str]:
    """Return what is claimed in simulated studies of a cross-fitted probe.

    Args:
        clean: the true accuracy; likewise the others.
        noisy: of noisy images.
        jpeg: of JPEG of these.
        studies: how many.
        alike: an image is as hard for all repeats: they are right on the same images.
    """
    rng = np.random.default_rng(0)
    found = []

    def correct(share: float) -> Correct:
        repeats = 1 if alike else SEEDS
        return np.repeat(rng.random((repeats, 150)) < share, SEEDS // repeats, axis=0)

    for _ in range(studies):
        sides = correct(clean), correct(noisy), correct(jpeg)
        by_noise = difference_interval(sides[1], sides[0], crossfitted=True)
        by_jpeg = difference_interval(sides[2], sides[1], crossfitted=True)
        row = {"by_noise_high": by_noise.high, "by_jpeg_low": by_jpeg.low}
        found.append(claim_of({**row, "by_jpeg_high": by_jpeg.high}))
    return found


@pytest.mark.parametrize("alike", [False, True])
def test_random_labels_claim_nothing(alike: bool) -> None:
    """At chance level nothing is lost, and nothing won back: hardly ever is anything said."""
    found = claims(0.25, 0.25, 0.25, alike=alike)
    assert found.count("open") >= len(found) - 2


@pytest.mark.parametrize("alike", [False, True])
def test_jpeg_that_changes_nothing_is_rarely_called_a_gain(alike: bool) -> None:
    """Where noise costs much and JPEG does nothing, at most 2.5 % of studies say so, either way."""
    found = claims(0.9, 0.5, 0.5, alike=alike)
    for claim in ("borne out", "contradicted"):
        assert found.count(claim) <= 0.025 * len(found) + 3 * np.sqrt(0.025 * len(found))


def test_what_is_so_is_found() -> None:
    """A gain or a loss of 20 points of 40 is seen in nearly all studies; the signs are right."""
    assert claims(0.9, 0.5, 0.7, 100).count("borne out") > 90
    assert claims(0.9, 0.5, 0.3, 100).count("contradicted") > 90


@pytest.mark.parametrize("jpeg", [0.5, 0.9])
def test_a_gain_where_noise_cost_nothing_is_no_gain_back(jpeg: float) -> None:
    """JPEG may help images whose noise is harmless: the claim is about what noise took."""
    found = claims(0.5, 0.5, jpeg, 100)
    assert found.count("borne out") <= 6  # where chance says that noise costs: one in 40


@pytest.mark.parametrize(
    ("noise", "low", "high", "claim"),
    [
        *((-0.1, 0.01, 0.2, "borne out"), (-0.1, 0.0, 0.2, "open"), (-0.1, -0.2, 0.2, "open")),
        *((-0.1, -0.2, 0.0, "open"), (-0.1, -0.2, -0.01, "contradicted")),
        *((0.0, 0.01, 0.2, "open"), (0.1, 0.01, 0.2, "open"), (0.1, -0.2, -0.01, "open")),
    ],
)
def test_the_claim_follows_the_intervals(noise: float, low: float, high: float, claim: str) -> None:
    """Noise must be shown to cost; an interval that touches 0 shows nothing."""
    row = {"by_noise_high": noise, "by_jpeg_low": low, "by_jpeg_high": high}
    assert claim_of(row) == claim
