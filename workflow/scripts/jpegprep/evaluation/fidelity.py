"""Does it take a training to know? Fidelity beside losses, and how well it predicts them.

Within a data set PSNR, SSIM and the cosine of features all fall as quality does, and so does
accuracy: their rank correlation is high by construction, and says nothing that the quality does
not say. What counts is between data sets in one store: do those lose more whose images are less
like their originals? And does a curve of loss against fidelity, of other data sets, predict a loss
better than their mean in that store does, for which no image is looked at?
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from math import factorial, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata
from scipy.stats import t as student
from sklearn.isotonic import IsotonicRegression
from statsmodels.stats.multitest import multipletests

from jpegprep.common.errors import UserError
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parquet import read_parquet
from jpegprep.common.table_files import accuracy_with_interval, write_table
from jpegprep.evaluation.accuracy import groups_of
from jpegprep.evaluation.decision import (
    beats_largest_class,
    in_points,
    points,
    seeds_in_words,
)
from jpegprep.evaluation.stats import Groups, mean_interval
from jpegprep.learners.probe import all_features
from jpegprep.learners.runs import read_predictions

Real = npt.NDArray[np.float64]

METRICS = {"psnr": "PSNR, dB", "ssim": "SSIM", "cosine": "cosine of features"}
_COLUMNS = [
    *("dataset", "learner", "variant", "seeds", "n", "interval"),
    *(f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high", "_n")),
    *("difference", "low", "high", "original_accuracy", "original_low", "original_high"),
    *("largest_class", "knows"),
]
_EXACT = 7  # data sets, of which all orders are tried; of more, so many at random:
_ORDERS = 5000
_LEVEL = 0.05


def fidelity(
    measured: Mapping[str, str | Path],
    features: Mapping[str, Mapping[str, str | Path]],
    predictions: Mapping[str, str | Path],
    accuracy: str | Path,
    differences: str | Path,
    splits: Mapping[str, str | Path],
    learner: str,
    margin: float,
    *targets: str | Path,
) -> None:
    """Write fidelity and losses side by side.

    Args:
        measured: of each data set what `shards.image_fidelity.measure_fidelity` wrote.
        features: of each the learner's features, by variant; the original is among them.
        predictions: of each those of a run of the learner on the originals: which images belong
            together.
        accuracy: the table of `evaluation.evaluate`.
        differences: the table of `evaluation.compare`.
        splits: of each data set its split, for the share of the largest class.
        learner: the probe.
        margin: the loss of accuracy that is accepted, a fraction.
        targets: files to write, .csv, .md or .html: a row a (data set, variant but the original).
            ``knows``:
            whether the probe has something to lose, see `decision.beats_largest_class`.

    Raises:
        UserError: where features are of other images than predictions.
    """
    of_originals = pd.read_csv(accuracy)
    of_originals = of_originals[
        (of_originals["learner"] == learner) & (of_originals["variant"] == ORIGINAL)
    ]
    compared = pd.read_csv(differences)
    sides = ["learner", "other_learner", "other_variant"]
    compared = compared[(compared[sides] == [learner, learner, ORIGINAL]).all(axis=1)]
    rows = []
    for dataset, path in measured.items():
        images = read_parquet(path).to_pandas()
        tested = read_predictions(predictions[dataset])
        group = groups_of([tested])
        group = np.arange(len(tested)) if group is None else group
        own = of_originals[of_originals["dataset"] == dataset].iloc[0]
        labels = read_parquet(splits[dataset], ["label"]).to_pandas()["label"]
        chance = float(labels.value_counts(normalize=True).max())
        original = all_features(features[dataset][ORIGINAL])
        of_dataset = compared["dataset"].eq(dataset) & compared["variant"].isin(features[dataset])
        for row in compared[of_dataset].to_dict("records"):
            variant = row["variant"]
            of_variant = images[images["variant"] == variant]
            other = all_features(features[dataset][variant])
            if not len(original) == len(other) == len(tested):
                raise UserError(
                    f"{features[dataset][variant]}: has {len(other)} images, the originals' "
                    f"{len(original)}, {predictions[dataset]} {len(tested)}; remove the odd one: "
                    "it is made again"
                )
            found = {name: row[name] for name in ("dataset", "learner", "variant", "seeds", "n")}
            found |= {name: row[name] for name in ("difference", "low", "high")}
            place = of_variant["place"].to_numpy()
            for metric, values, groups in (
                ("psnr", of_variant["psnr"].to_numpy(), group[place]),
                ("ssim", of_variant["ssim"].to_numpy(), group[place]),
                ("cosine", cosines(original, other), group),
            ):
                found |= _mean(metric, values, groups)
            found |= {"original_accuracy": own["accuracy"], "interval": own["interval"]}
            found |= {f"original_{end}": own[end] for end in ("low", "high")}
            found |= {"largest_class": chance}
            found["knows"] = beats_largest_class(float(own["low"]), chance, margin)
            rows.append(found)
    table = pd.DataFrame(rows, columns=_COLUMNS)
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "store": table["variant"],
            **{METRICS[metric]: _with_interval(table, metric) for metric in METRICS},
            "of images": table["psnr_n"].map("{:,}".format),
            "difference, points": points(table),
            "original accuracy": accuracy_with_interval(
                table.rename(columns={f"original_{x}": f"o_{x}" for x in _ENDS}), "o"
            ),
            "test images": table["n"],
            "seeds": seeds_in_words(table),
        }
    )
    write_table(table, shown, _note(table, learner), targets)


_ENDS = ("accuracy", "low", "high")


def cosines(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> Real:
    """Return the cosine of each row of the one with its row of the other; 1 of two rows of zeros.

    Args:
        one: (n, d) features of images.
        other: (n, d) those of the same images.
    """
    lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
    product = np.einsum("ij,ij->i", one, other, dtype=np.float64)
    scale = lengths[0].astype(np.float64) * lengths[1]
    both = (lengths[0] == 0) & (lengths[1] == 0)
    return np.where(both, 1.0, np.clip(product / np.where(scale == 0, 1.0, scale), -1.0, 1.0))


def _mean(metric: str, values: Real, groups: Groups) -> dict[str, Any]:
    """Return the mean over images, its 95 % interval (of groups), and how many they are."""
    there = ~np.isnan(values)
    values, groups = values[there], groups[there]
    ends = (float("nan"),) * 3
    if len(np.unique(groups)) >= 2:
        ends = mean_interval(values[np.newaxis], groups=groups)
    elif len(values):
        ends = (float(values.mean()), float("nan"), float("nan"))
    named = dict(zip((metric, f"{metric}_low", f"{metric}_high"), ends, strict=True))
    return {**named, f"{metric}_n": len(values)}


def _with_interval(table: pd.DataFrame, metric: str) -> list[str]:
    form = "{:.1f} [{:.1f}, {:.1f}]" if metric == "psnr" else "{:.3f} [{:.3f}, {:.3f}]"
    columns = table[[metric, f"{metric}_low", f"{metric}_high"]].to_numpy(dtype=float)
    return ["" if np.isnan(row).any() else form.format(*row) for row in columns]


def _note(table: pd.DataFrame, learner: str) -> str:
    note = (
        "PSNR over pixels and channels; SSIM of the luma; both of a sample (of images), each image "
        "at its own size. Cosine: between the features of an original and of its compressed image, "
        f"by {learner}'s frozen network, of all images. In brackets 95 % intervals over images. "
        "Difference: accuracy less the original's, in points, with its 95 % interval."
    )
    unknown = sorted(set(table.loc[~table["knows"].astype(bool), "dataset"]))
    if unknown:
        note += (
            f" On {', '.join(unknown)} the probe hardly knows more than the largest class: there "
            "it has nothing to lose, whatever the fidelity."
        )
    return note


_PREDICTS = [
    *("predictor", "datasets", "stores", "rank_within", "rank_across", "p", "p_holm"),
    *(
        "error",
        "error_by_store",
        "gain",
        "gain_low",
        "gain_high",
        "worst_error",
        "noise",
        "verdict",
    ),
]
YES, LARGE, NOT_SHOWN, FEW, CONSTANT = (
    "yes",
    "yes, but it is off by the margin or more",
    "not shown",
    "open: too few data sets",
    "no: it does not vary",
)


def fidelity_predicts(
    table: str | Path | pd.DataFrame, margin: float, *targets: str | Path
) -> None:
    """Write how well each measure of fidelity predicts losses, from data set to data set.

    Args:
        table: that of `fidelity`.
        margin: the loss of accuracy that is accepted, a fraction.
        targets: files to write, .csv, .md or .html: a row a predictor, as `predict` returns them.
    """
    read = table if isinstance(table, pd.DataFrame) else pd.read_csv(table)
    found = predict(read, margin)
    known = read[read["knows"].astype(bool)]
    metric = found["predictor"].isin(list(METRICS))
    shown = pd.DataFrame(
        {
            "predictor": found["predictor"].map(
                METRICS | {"store": "the store alone", "constant": "always their mean"}
            ),
            "data sets": found["datasets"],
            "rank within": _signed(found["rank_within"]),
            "rank across": _signed(found["rank_across"]),
            "p (Holm)": ["" if pd.isna(p) else f"{p:.3f}" for p in found["p_holm"]],
            "error, points": [f"{100 * x:.1f}" if pd.notna(x) else "" for x in found["error"]],
            "worst data set": [
                f"{100 * x:.1f}" if pd.notna(x) else "" for x in found["worst_error"]
            ],
            "less than by the store": [
                text if is_metric else ""
                for text, is_metric in zip(
                    points(
                        found.rename(
                            columns={
                                **{"gain": "difference", "gain_low": "low", "gain_high": "high"}
                            }
                        )
                    ),
                    metric,
                    strict=True,
                )
            ],
            "does it predict?": found["verdict"],
        }
    )
    write_table(found, shown, _predicts_note(read, known, found, margin), targets, _lead(found))


def predict(table: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Return how well each predictor tells the losses of a data set that it has not seen.

    Only data sets on which the probe has something to lose count, in the stores that all of them
    have.

    - ``rank_within``: Spearman's correlation of predictor and difference over the stores of a data
      set, the mean over data sets: high by construction.
    - ``rank_across``: over data sets in one store, the mean over stores; ``p``: the share of orders
      of the data sets that have as high a one (one-sided, a permutation test: whole data sets are
      exchanged, so that their stores need not be independent), ``p_holm`` for the three of them.
    - ``error``: a rising curve (isotonic regression) of the differences of all other data sets
      predicts each one; mean absolute error over stores and data sets, and of the ``worst_error``
      data set. ``error_by_store``: where the mean of the others in the same store predicts.
    - ``gain``: what the error is less, the mean over data sets, with Student's t interval.
    - ``noise``: the error that the truth itself would have, as the differences are uncertain.

    ``verdict`` is yes where both hold: `p_holm` is below 0.05 and the whole interval of `gain` lies
    above 0.

    Args:
        table: that of `fidelity`.
        margin: the loss of accuracy that is accepted, a fraction.
    """
    known = table[table["knows"].astype(bool)]
    complete = known.pivot(index="dataset", columns="variant", values="difference").dropna(axis=1)
    sets, stores = complete.shape

    def column(name: str) -> Real:
        """Return a column of the table as (data sets, stores)."""
        wide = known.pivot(index="dataset", columns="variant", values=name)
        return wide[complete.columns].to_numpy(dtype=np.float64)

    losses = column("difference")
    half = (column("high") - column("low")) / 2 / 1.96
    noise = sqrt(2 / np.pi) * float(np.sqrt((half**2).mean())) if half.size else float("nan")
    about = {"datasets": sets, "stores": stores, "noise": noise}
    by_store = _left_out(losses, lambda others, _: losses[others].mean(axis=0))
    constant = _left_out(losses, lambda others, _: np.full(losses.shape[1], losses[others].mean()))
    rows = []
    for metric in METRICS:
        values = column(metric)
        row: dict[str, Any] = {"predictor": metric, **about}
        usable = sets >= 2 and values.size > 0 and not np.isnan(values).any()
        if not usable or np.ptp(values) == 0:
            rows.append(row | {"verdict": CONSTANT if usable else FEW})
            continue
        row["rank_within"] = _mean_rank(values.T, losses.T)
        row["rank_across"], row["p"] = _rank_across(values, losses)
        errors = _left_out(losses, _curve_of(values, losses))
        row |= _errors(errors, by_store)
        rows.append(row)
    rows += [
        {"predictor": name, **about, **_errors(errors, by_store), "verdict": ""}
        for name, errors in (("store", by_store), ("constant", constant))
    ]
    found = pd.DataFrame(rows, columns=_PREDICTS)
    tested = found["p"].notna()
    if tested.any():
        found.loc[tested, "p_holm"] = multipletests(
            found.loc[tested, "p"].to_numpy(dtype=float), method="holm"
        )[1]
    found["verdict"] = [
        row["verdict"] if isinstance(row["verdict"], str) else _verdict(row, margin)
        for row in found.to_dict("records")
    ]
    return found


def _verdict(row: Mapping[Any, Any], margin: float) -> str:
    if len(METRICS) / factorial(int(row["datasets"])) > _LEVEL:
        return FEW
    if not (row["p_holm"] < _LEVEL and row["gain_low"] > 0):
        return NOT_SHOWN
    return YES if row["error"] < margin else LARGE


def _curve_of(values: Real, losses: Real) -> Any:
    """Return a function that predicts a data set's differences by a rising curve of others."""

    def predicted(others: Sequence[int], one: int) -> Real:
        curve = IsotonicRegression(increasing=True, out_of_bounds="clip")
        curve.fit(values[others].ravel(), losses[others].ravel())
        return np.asarray(curve.predict(values[one]), dtype=np.float64)

    return predicted


def _left_out(losses: Real, predicted: Any) -> Real:
    """Return the mean absolute error of each data set, predicted by the others; NaN without."""
    sets = range(len(losses))
    if len(losses) < 2:
        return np.full(len(losses), np.nan)
    return np.array(
        [np.abs(predicted([k for k in sets if k != one], one) - losses[one]).mean() for one in sets]
    )


def _errors(errors: Real, by_store: Real) -> dict[str, float]:
    """Return the mean and the worst of errors, and how much less they are than by the store."""
    if not len(errors):
        return {}
    gains = by_store - errors
    found = {"error": float(errors.mean()), "worst_error": float(errors.max())}
    found |= {"error_by_store": float(by_store.mean()), "gain": float(gains.mean())}
    if len(gains) > 1:
        arm = student.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / sqrt(len(gains))
        found |= {"gain_low": found["gain"] - arm, "gain_high": found["gain"] + arm}
    return found


def _standardized(values: Real) -> Real:
    """Return the ranks of each column, of mean 0 and length 1; zeros, where all are equal."""
    ranks = rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    lengths = np.sqrt((ranks**2).sum(axis=0))
    return ranks / np.where(lengths == 0, 1.0, lengths)


def _mean_rank(values: Real, losses: Real) -> float:
    """Return Spearman's correlation of each column with its column, the mean where there is one."""
    one, other = _standardized(values), _standardized(losses)
    varies = one.any(axis=0) & other.any(axis=0)
    if not varies.any():
        return float("nan")
    return float((one * other).sum(axis=0)[varies].mean())


def _rank_across(values: Real, losses: Real) -> tuple[float, float]:
    """Return the correlation between data sets, and how often exchanged ones have as high a one.

    Args:
        values: (data sets, stores).
        losses: likewise.
    """
    found = _mean_rank(values, losses)
    if np.isnan(found):
        return found, float("nan")
    # Of each pair of data sets: the value of the one with the loss of the other, over stores.
    pairs = _standardized(values) @ _standardized(losses).T
    places, sets = np.arange(len(pairs)), len(pairs)
    observed = float(np.trace(pairs))
    if sets <= _EXACT:
        orders = np.array(list(permutations(places)))
    else:
        rng = np.random.default_rng(0)
        drawn = [rng.permutation(sets) for _ in range(_ORDERS)]
        orders = np.array([places, *drawn])
    sums = pairs[places, orders].sum(axis=1)
    return found, float((sums >= observed - 1e-9).mean())


def _signed(column: "pd.Series[Any]") -> list[str]:
    return ["" if pd.isna(value) else f"{value:+.2f}" for value in column]


def _lead(found: pd.DataFrame) -> str:
    """Return the answer in a sentence."""
    metrics = found[found["predictor"].isin(list(METRICS))]
    yes = metrics[metrics["verdict"].isin([YES, LARGE])]
    said = [METRICS[name] for name in yes["predictor"]]
    if (metrics["verdict"] == FEW).all():
        return "**These data sets are too few to tell whether fidelity predicts a loss.**"
    if not said:
        return (
            "**It takes a training to know: none of them is shown to tell more of a loss than the "
            "store alone does.**"
        )
    best = yes.sort_values("error").iloc[0]
    return (
        f"**A quick look: {' and '.join(said)} {'tells' if len(said) == 1 else 'tell'} more of a "
        f"loss than the store alone. The best, {METRICS[best['predictor']]}, is off by "
        f"{100 * best['error']:.1f} points on average, on the worst data set by "
        f"{100 * best['worst_error']:.1f}.**"
    )


def _predicts_note(
    table: pd.DataFrame, known: pd.DataFrame, found: pd.DataFrame, margin: float
) -> str:
    noise = found["noise"].iloc[0]
    left = sorted(set(table["dataset"]) - set(known["dataset"]))
    note = (
        "Rank within: over the stores of a data set, high by construction, since all fall as "
        "quality does. Rank across: over data sets in one store, the mean of the stores; p: by "
        "exchanging whole data sets, corrected for the three (Holm). Error: each data set "
        "predicted by a rising curve of the others, mean absolute, in points; less than by the "
        "store: than where the others' mean in that store predicts, with its 95 % interval over "
        "data sets. It predicts where both are shown. Data sets that are much alike (two of small "
        f"images) count as two here, which makes p too small. The margin is {in_points(margin)}."
    )
    if not np.isnan(noise):
        note += (
            f" The differences are themselves uncertain: the truth would be off by "
            f"{100 * noise:.1f} points."
        )
    if left:
        note += f" Left out, as the probe has nothing to lose there: {', '.join(left)}."
    return note
