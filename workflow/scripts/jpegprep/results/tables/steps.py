"""What tables of a learner on several variants share: accuracies, and the steps between them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

# Of each step, which side's accuracy less which side's.
Steps = Mapping[str, tuple[str, str]]


def columns_of(sides: Mapping[str, str], steps: Steps) -> list[str]:
    """Return the columns of `Measured.row`, in their order."""
    return [
        *("seeds", "n", "interval"),
        *(f"{side}_{name}" for side in sides for name in ("accuracy", "low", "high")),
        *(f"{step}{end}" for step in steps for end in ("", "_low", "_high", "_p")),
    ]


class Measured:
    """The accuracies of a study's models and the differences between them."""

    def __init__(self, accuracy: str | Path, differences: str | Path) -> None:
        """Read the tables of `evaluation.evaluate` and `evaluation.compare`."""
        keys = ["dataset", "learner", "variant"]
        self._accuracies: Any = pd.read_csv(accuracy).set_index(keys).to_dict("index")
        keys += ["other_learner", "other_variant"]
        self._pairs: Any = pd.read_csv(differences).set_index(keys).to_dict("index")

    def row(
        self, dataset: str, learner: str, sides: Mapping[str, str], steps: Steps
    ) -> dict[str, Any]:
        """Return accuracies, with intervals, and differences, with intervals and p-values.

        Args:
            dataset: the data set.
            learner: whose models they are.
            sides: of each side the variant.
            steps: between sides.
        """
        row: dict[str, Any] = {}
        for side, variant in sides.items():
            found = self._accuracies[dataset, learner, variant]
            row |= {name: found[name] for name in ("seeds", "n", "interval")}
            row |= {f"{side}_{name}": found[name] for name in ("accuracy", "low", "high")}
        for step, (one, other) in steps.items():
            found = self._pairs[dataset, learner, sides[one], learner, sides[other]]
            row[step] = found["difference"]
            row |= {f"{step}_{name}": found[name] for name in ("low", "high", "p")}
        return row
