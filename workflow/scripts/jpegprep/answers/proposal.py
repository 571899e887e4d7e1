"""The proposal: at which ratio a network is worth fine-tuning, by what the probe found."""

from pathlib import Path

import pandas as pd

from jpegprep.common.files import write_json
from jpegprep.evaluation.decision import against_original, decide


def propose(
    differences: str | Path,
    sizes: str | Path,
    probe: str,
    margin: float,
    least_saving: float,
    target: str | Path,
) -> None:
    """Write which ratio is worth confirming, by what the probe found.

    The smallest ratio that is shown to lose less than the margin; where none is, the smallest whose
    estimate does. None, where that saves too little, or where every ratio loses the margin.

    Args:
        differences: the table of `evaluation.compare`.
        sizes: the table of `sizes.measure`.
        probe: the learner that is the probe.
        margin: the loss of accuracy that is accepted, a fraction.
        least_saving: the share of bytes below which it is not worth it.
        target: the JSON to write: ``ratio`` (or null), ``shown`` (whether it is), ``saved`` and
            ``images_needed`` and ``seeds_needed`` for the next smaller ratio.
    """
    table = against_original(differences)
    found = decide(table[table["learner"] == probe], margin)
    relative = pd.read_csv(sizes).set_index("ratio")["relative_size"]

    def saved(ratio: float) -> float:
        return 1 - float(relative.loc[ratio])

    ratio, shown = found.shown, True
    if ratio is None or saved(ratio) < least_saving:
        ratio, shown = found.candidate, found.candidate == found.shown
    worth = ratio is not None and saved(ratio) >= least_saving
    write_json(
        target,
        {
            "ratio": ratio if worth else None,
            "shown": bool(worth and shown),
            "saved": saved(ratio) if ratio is not None and worth else None,
            "most": 1 - float(relative.min()),
            "next": found.blocked,
            "images_needed": found.images,
            "seeds_needed": found.seeds,
        },
    )
