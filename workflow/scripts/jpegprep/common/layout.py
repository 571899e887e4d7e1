"""Where everything lies: the splits, a run, a shard's index, and the paths that rules share."""

from pathlib import Path
from typing import NamedTuple

SPLITS = ("train", "val", "test")
ORIGINAL = "original"  # the variant of the publisher's bytes

LOGS = "results/logs"
BENCHMARKS = "results/benchmarks"
ARCHIVES = "resources/archives/{dataset}"  # a folder
WEIGHTS = "resources/weights"
MANIFEST = "results/manifests/{dataset}.parquet"
GROUPS = "results/groups/{dataset}.parquet"
SPLIT = "results/splits/{dataset}.parquet"
SHARDS = "results/shards/{dataset}/{variant}"  # a folder
ORIGINALS = "results/shards/{dataset}/original"  # that of the variant `original`
FEATURES = "results/features/{dataset}/{variant}/{learner}.npz"
RUN = "results/runs/{dataset}/{variant}/{learner}/seed{seed}"  # a folder


class Run(NamedTuple):
    """One (data set, variant, learner, seed)."""

    dataset: str
    variant: str
    learner: str
    seed: int

    @property
    def folder(self) -> str:
        """The run's folder."""
        return RUN.format(**self._asdict())

    def file(self, name: str) -> str:
        """Return the path of one of the run's files."""
        return f"{self.folder}/{name}"


def index_of(shard: str | Path) -> Path:
    """Return the path of a shard's index: ``train-0.index.parquet`` for ``train-0.tar``."""
    return Path(shard).with_suffix(".index.parquet")
