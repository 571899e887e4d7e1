"""The verdicts of a recommendation: each is given only where its evidence is there."""

from collections.abc import Mapping
from typing import Any

from jpegprep.evaluation.decision import beats_largest_class

USE, USE_PROBE, NOT_SHOWN = "use", "use-probe", "not-shown"
LOSES, LEAVE, CANNOT_TELL = "loses", "leave", "cannot-tell"

# One pair of trainings tells nothing of how much training varies, three hardly more than one
# (Student's quantile with two degrees of freedom is 4.3).
LEAST_PAIRS = 5


def verdict(
    proposal: Mapping[str, Any],
    probe: Mapping[str, Any],
    pairs: Mapping[str, Any] | None,
    margin: float,
) -> str:
    """Return what the evidence allows to be said of the proposed store.

    Args:
        proposal: ``variant``, or None where none is worth it, and ``shown``: whether the probe
            excludes a loss of the margin there and at all that have more bytes.
        probe: ``original_low``, the lower bound of its accuracy on the originals, and ``chance``,
            the share of the largest class.
        pairs: of the fine-tuned networks: ``pairs``, how many, ``difference`` with ``low`` and
            ``high``, ``contradicted``: whether they were shown to lose further down, and
            ``smaller``: whether they saw the images smaller than is asked about; None where none
            was trained.
        margin: the loss of accuracy that is accepted, a fraction.

    Returns:
        ``cannot-tell``: the probe is not clearly above the largest class's share (by three
        margins, or half of what is left). ``leave``: no store saves what is worth it, or that of
        the most bytes that does is shown to lose the margin. ``loses``: the fine-tuned networks are
        shown to lose it. ``not-shown``: the probe excludes nothing, or the networks contradict it:
        by their estimate they lose the margin, or they were shown to further down the ladder.
        ``use``: the probe and at least five pairs of networks exclude it, at the size asked about.
        ``use-probe``: the probe does, and the networks neither show it at that size nor contradict
        it.
    """
    if not beats_largest_class(probe["original_low"], probe["chance"], margin):
        return CANNOT_TELL
    if proposal["variant"] is None:
        return LEAVE
    if pairs and pairs["high"] <= -margin:
        return LOSES
    if not proposal["shown"]:
        return NOT_SHOWN
    if not pairs:
        return USE_PROBE
    shown = pairs["pairs"] >= LEAST_PAIRS and pairs["low"] > -margin
    if shown and not pairs["smaller"]:
        return USE
    # Up the ladder from where the networks lose, the probe alone is not believed.
    contradicted = pairs["difference"] <= -margin or pairs["contradicted"]
    return NOT_SHOWN if contradicted else USE_PROBE
