"""Table IV, noise that JPEG removes (paper, section III-A), and other readings of its noise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.layout import ORIGINAL
from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table
from jpegprep.evaluation.decision import (
    PAIRED_BRIEF,
    accuracies,
    pairs_of,
    points,
    points_of,
    seeds_in_words,
)
from jpegprep.evaluation.stats import holm
from jpegprep.images.variants import NOISE, noise_variants, reading_variants
from jpegprep.results.tables.steps import Measured, columns_of

_NAMES = {ORIGINAL: "clean", NOISE: "noisy"}


def table4(
    accuracy: str | Path,
    transfer: str | Path,
    differences: str | Path,
    what: Mapping[str, Any],
    *targets: str | Path,
) -> None:
    """Write Table IV: trained on clean, on noisy, and on JPEG of noisy images.

    Args:
        accuracy: the table of `evaluation.evaluate`: each model tested on images as it was trained
            on.
        transfer: the table of `evaluation.evaluate_transfers`: the models of noisy images tested on
            clean ones.
        differences: the table of `evaluation.compare`.
        what: ``learner``, ``datasets``, ``ratio`` of the JPEG, and ``test``: whether ``treated`` or
            ``clean`` test images make the headline.
        targets: files to write, .csv (a row a data set, training and test), .md or .html (a row a
            data set; the headline first).
    """
    own, other = pd.read_csv(accuracy), pd.read_csv(transfer)
    own = own.assign(test_variant=own["variant"])
    wanted = [ORIGINAL, *noise_variants(what["ratio"])]
    table = pd.concat([own, other], ignore_index=True)
    table = table[
        (table["learner"] == what["learner"])
        & table["dataset"].isin(what["datasets"])
        & table["variant"].isin(wanted)
    ]
    names = {**_NAMES, wanted[2]: "jpeg of noisy"}
    table = table.assign(
        training=table["variant"].map(names),
        test=table["test_variant"].map({ORIGINAL: "clean"}).fillna("treated"),
    )
    counts = table.drop_duplicates("dataset").set_index("dataset")
    # Of clean images, what was trained on is what is tested on, whatever the headline.
    table["headline"] = (table["test"] == what["test"]) | (table["variant"] == ORIGINAL)
    columns = ["dataset", "learner", "training", "test", "headline", "variant", "test_variant"]
    columns += ["seeds", "n", "accuracy", "low", "high"]
    order = {name: i for i, name in enumerate([*what["datasets"], *wanted])}
    table = table[columns].sort_values(
        ["dataset", "headline", "variant"],
        key=lambda column: column if column.name == "headline" else column.map(order),
        ascending=[True, False, True],
    )
    table = table.reset_index(drop=True)
    text = table.assign(shown=accuracies(table))
    text["column"] = [
        f"{row.training}" + ("" if row.training == "clean" else f", tested {_TESTED[row.test]}")
        for row in text.itertuples()
    ]
    shown = text.pivot(index="dataset", columns="column", values="shown")
    shown = shown.loc[list(text["dataset"].unique()), list(text["column"].unique())]
    pairs = pairs_of(differences)
    _, noisy, compressed = wanted
    changes = [
        pairs[dataset, what["learner"], compressed, what["learner"], noisy]
        for dataset in shown.index
    ]
    shown["by JPEG, points"] = points(pd.DataFrame(changes, columns=["difference", "low", "high"]))
    shown["test images"], shown["seeds"] = counts["n"], seeds_in_words(counts)
    epoch = "; validation images are treated as the training images are"
    note = (
        f"{what['learner']}, trained on clean images, on images with multiplicative Gaussian "
        f"noise, and on JPEG of these at ratio {what['ratio']}"
        f"{'' if counts['interval'].str.contains('cross-fitted').any() else epoch}. Tested as "
        "trained: the test images are treated alike. The paper says neither which data set it used "
        "nor whether the test images were noisy: our choice is config; here the headline is test: "
        f"{what['test']}. By JPEG: "
        f"jpeg of noisy less noisy, both tested as trained. {INTERVALS} {PAIRED_BRIEF}"
    )
    write_table(
        table, shown.rename_axis(index="data set", columns=None).reset_index(), note, targets
    )


_TESTED = {"treated": "as trained", "clean": "clean"}


# What a model of a reading was trained and tested on, as people read it.
_SIDES = {"clean": "clean", "noisy": "noisy", "jpeg": "JPEG of noisy", "denoised": "denoised"}
# Of each change, which accuracy less which.
_CHANGES = {
    "by_noise": ("noisy", "clean"),
    "by_jpeg": ("jpeg", "noisy"),
    "by_denoising": ("denoised", "noisy"),
}
BORNE_OUT, CONTRADICTED, OPEN = "borne out", "contradicted", "open"
READING_COLUMNS = [
    *("dataset", "reading", "learner", "ratio", *columns_of(_SIDES, _CHANGES)),
    *("by_jpeg_p_holm", "claim"),
]


def readings(
    accuracy: str | Path, differences: str | Path, what: Mapping[str, Any], *targets: str | Path
) -> None:
    """Write for each reading of the noise whether JPEG of noisy images gains accuracy back.

    Args:
        accuracy: the table of `evaluation.evaluate`.
        differences: the table of `evaluation.compare`.
        what: ``datasets``, ``ratio`` of the JPEG, and ``readings``: of each the learner.
        targets: files to write, .csv, .md or .html: a row a (data set, reading). Changes are
            differences of accuracies with intervals and p-values; ``claim`` is what `claim_of`
            tells, ``by_jpeg_p_holm`` is corrected for the rows.
    """
    measured, rows = Measured(accuracy, differences), []
    for dataset in what["datasets"]:
        for reading, learner in what["readings"].items():
            names = (ORIGINAL, *reading_variants(reading, what["ratio"]))
            sides = dict(zip(_SIDES, names, strict=True))
            row = measured.row(dataset, learner, sides, _CHANGES)
            row |= {"dataset": dataset, "reading": reading, "learner": learner}
            rows.append(row | {"ratio": what["ratio"], "claim": claim_of(row)})
    table = pd.DataFrame(rows, columns=READING_COLUMNS)
    table["by_jpeg_p_holm"] = holm(table["by_jpeg_p"].tolist())
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "noise": table["reading"],
            "learner": table["learner"],
            **{name: accuracy_with_interval(table, side) for side, name in _SIDES.items()},
            "by noise, points": points_of(table, "by_noise"),
            "by JPEG, points": points_of(table, "by_jpeg"),
            "by denoising, points": points_of(table, "by_denoising"),
            "JPEG wins some back": table["claim"],
            "test images": table["n"],
            "seeds": seeds_in_words(table),
        }
    )
    write_table(table, shown, _of_readings(table, what["ratio"]), targets)


def claim_of(row: Mapping[str, Any]) -> str:
    """Return what the 95 % intervals say of the claim that JPEG of noisy images gains accuracy.

    Args:
        row: ``by_noise_high``, ``by_jpeg_low`` and ``by_jpeg_high``.

    Returns:
        Where noise is not shown to cost accuracy (its upper bound is below 0), there is nothing to
        gain back, and the claim is open; so it is where the interval of JPEG holds 0.
    """
    if row["by_noise_high"] < 0 < row["by_jpeg_low"]:
        return BORNE_OUT
    if row["by_noise_high"] < 0 and row["by_jpeg_high"] < 0:
        return CONTRADICTED
    return OPEN


def _of_readings(table: pd.DataFrame, ratio: float) -> str:
    sure = table[table["by_jpeg_p_holm"] < 0.05]["claim"]
    count = {name: int((table["claim"] == name).sum()) for name in (BORNE_OUT, CONTRADICTED)}
    held = {name: int((sure == name).sum()) for name in count}
    return (
        "Trained and tested on images that are treated alike. Multiplicative: image + image * "
        "N(0, 1), drawn for each pixel and channel; additive: image + s * N(0, 1), likewise, s the "
        "root mean square of the image; shared: image + image * N(0, 1), drawn once for an image, "
        "which makes 16 % of the images black. All three have the same expected power in an image "
        "before they are clipped, and one draw an image, from its key: intervals over images speak "
        f"of other draws, too. JPEG: at ratio {ratio}. Denoised: by non-local means, as strong as "
        "the noise is estimated to be: what a filter made for noise wins back. Clean: what any "
        "treatment could. JPEG wins some back: borne out where noise is shown to cost "
        "accuracy and JPEG to gain some, contradicted where JPEG is shown to cost more; otherwise "
        "open. Without any difference one row in 20 would seem to have one. Of "
        f"{len(table)} rows it is borne out in {count[BORNE_OUT]} and contradicted in "
        f"{count[CONTRADICTED]}; after Holm's correction for the rows in {held[BORNE_OUT]} and "
        f"{held[CONTRADICTED]}. {INTERVALS} {PAIRED_BRIEF}"
    )
