"""Table IV: noise that JPEG removes (paper, section III-A)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.table_files import INTERVALS, write_table
from jpegprep.evaluation.decision import PAIRED_BRIEF, accuracies, pairs_of, points
from jpegprep.images.variants import NOISE, ORIGINAL, noise_variants

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
    counts = text.drop_duplicates("dataset").set_index("dataset")
    pairs = pairs_of(differences)
    _, noisy, compressed = wanted
    changes = [
        pairs[dataset, what["learner"], compressed, what["learner"], noisy]
        for dataset in shown.index
    ]
    shown["by JPEG, points"] = points(pd.DataFrame(changes, columns=["difference", "low", "high"]))
    shown["test images"], shown["seeds"] = counts["n"], counts["seeds"]
    note = (
        f"{what['learner']}, trained on clean images, on images with multiplicative Gaussian "
        f"noise, and on JPEG of these at ratio {what['ratio']}; the epoch was chosen on validation "
        "images treated as the training images are. Tested as trained: the test images are treated "
        "alike. The paper says neither which data set it used nor whether the test images were "
        f"noisy: our choice is config; here the headline is test: {what['test']}. By JPEG: "
        f"jpeg of noisy less noisy, both tested as trained. {INTERVALS} {PAIRED_BRIEF}"
    )
    write_table(
        table, shown.rename_axis(index="data set", columns=None).reset_index(), note, targets
    )


_TESTED = {"treated": "as trained", "clean": "clean"}
