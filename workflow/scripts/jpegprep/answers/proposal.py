"""The proposal: for which store a network is worth fine-tuning, by what the probe found.

The stores are a ladder, from most bytes to fewest: that order comes from the images alone, not from
what the probe says of them, so that one store after the other is tested without a correction.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.files import write_json
from jpegprep.common.layout import ORIGINAL
from jpegprep.evaluation.decision import decide_in_order
from jpegprep.evaluation.losses import lost_classes, read_ratios
from jpegprep.evaluation.stats import holm
from jpegprep.images.variants import is_resized, store_of


def propose(
    differences: str | Path,
    sizes: str | Path,
    predictions: Mapping[str, Sequence[str | Path]],
    split: str | Path,
    probe: str,
    margin: float,
    class_margin: float,
    least_saving: float,
    target: str | Path,
) -> None:
    """Write which store is worth confirming, by what the probe found.

    Of the stores that save what is worth it: that of the fewest bytes that is shown to lose less
    than the margin, as are all with more bytes; where none is, that of the fewest whose estimate
    does; where none does, that of the most, unless it is shown to lose the margin. None, where no
    store saves so much, or where the one of the most bytes that does is shown to lose. A store at
    which a class is shown to lose its margin, and all with fewer bytes, are as if they had not been
    tried.

    Args:
        differences: the table of `evaluation.compare`.
        sizes: the table of `sizes.measure_ladder`.
        predictions: by variant, the original first, the predictions.parquet of the probe's seeds.
        split: of the images, with the names of their classes.
        probe: the learner that is the probe.
        margin: the loss of accuracy that is accepted, a fraction.
        class_margin: likewise that of a class.
        least_saving: the share of bytes below which it is not worth it.
        target: the JSON to write: ``variant`` (or null), ``shown`` (whether it is), ``saved``;
            ``images_needed`` for the ``next`` one down the ladder; ``lost``, the first at which a
            class is shown to lose its margin, and ``lost_classes``.
    """
    lost = lost_classes(read_ratios(predictions, split), class_margin)
    table = rungs(differences, probe, sizes)
    write_json(target, choose(table, lost, margin, least_saving))


def rungs(differences: str | Path, probe: str, sizes: str | Path) -> pd.DataFrame:
    """Return the probe's rows of `evaluation.compare` down the ladder, without the original.

    Args:
        differences: the table of `evaluation.compare`.
        probe: the learner that is the probe.
        sizes: the table of `sizes.measure_ladder`.

    Returns:
        The rows, from most bytes to fewest, with ``store`` (its name), ``resized`` (whether it
        makes large images smaller), ``bytes``, ``relative_size``, ``mean_bytes``, and ``p_holm``
        over all of them.
    """
    table = pd.read_csv(differences).drop(columns=["ratio", "p_holm"])
    own = (table["learner"] == probe) & (table["other_learner"] == probe)
    table = table[own & (table["other_variant"] == ORIGINAL)]
    of_sizes = pd.read_csv(sizes)[["variant", "bytes", "relative_size", "mean_bytes"]]
    table = of_sizes.merge(table, on="variant", validate="one_to_one")  # in the order of sizes
    return table.assign(
        store=table["variant"].map(store_of),
        resized=table["variant"].map(is_resized),
        p_holm=holm(table["p"].tolist()),
    )


def with_uses(ladder: pd.DataFrame, uses: str | Path) -> pd.DataFrame:
    """Return what `rungs` returns with the columns of `uses.measure_uses`."""
    table = pd.read_csv(uses).drop(columns=["seeds", "n"])
    return ladder.merge(table, on="variant", validate="one_to_one")


def choose(
    ladder: pd.DataFrame,
    lost: Mapping[Any, Sequence[str]],
    margin: float,
    least_saving: float,
) -> dict[str, Any]:
    """Return what `propose` writes.

    Args:
        ladder: what `rungs` returns.
        lost: of each variant the classes that are shown to lose their margin.
        margin: as of `propose`.
        least_saving: likewise.
    """
    lost_at = ladder["variant"].map(lambda name: bool(lost.get(name)))
    first_lost = ladder.loc[lost_at, "variant"].head(1).tolist()
    table = ladder[~lost_at.cummax()]
    found = decide_in_order(table, margin, "variant")
    worth = table[1 - table["relative_size"] >= least_saving]
    largest = worth.head(1)
    not_lost = largest.loc[largest["high"] > -margin, "variant"].tolist()
    choices = [x for x in (found.shown, found.candidate) if x in worth["variant"].tolist()]
    chosen = next(iter([*choices, *not_lost]), None)
    relative = ladder.set_index("variant")["relative_size"]
    return {
        "variant": chosen,
        "shown": chosen is not None and chosen == found.shown,
        "saved": None if chosen is None else 1 - float(relative.loc[chosen]),
        "next": found.blocked,
        "images_needed": found.images,
        "lost": next(iter(first_lost), None),
        "lost_classes": [name for at in first_lost for name in lost[at]],
    }
