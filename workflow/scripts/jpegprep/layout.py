"""Names that several stages share: the splits, a run and its folder, a shard's index."""

from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Run:
    """One (data set, variant, learner, seed)."""

    dataset: str
    variant: str
    learner: str
    seed: int

    @property
    def folder(self) -> str:
        """The run's folder under results/runs/."""
        return f"{self.dataset}/{self.variant}/{self.learner}/seed{self.seed}"


def index_of(shard: str | Path) -> Path:
    """Return the path of a shard's index: ``train-0.index.parquet`` for ``train-0.tar``."""
    return Path(shard).with_suffix(".index.parquet")
