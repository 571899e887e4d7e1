"""Where everything lies: the splits, a run, a shard's index, and the paths that rules share."""

from pathlib import Path
from typing import NamedTuple

SPLITS = ("train", "val", "test")

# The names that rule files use, in angle brackets (Snakemake's pathvars), and what they stand for.
PATHS = {
    "logs": "results/logs",
    "benchmarks": "results/benchmarks",
    "archives": "resources/archives/{dataset}",
    "weights": "resources/weights",
    "manifest": "results/manifests/{dataset}.parquet",
    "split": "results/splits/{dataset}.parquet",
    "shards": "results/shards/{dataset}/{variant}",
    "features": "results/features/{dataset}/{variant}/{learner}.npz",
    "run": "results/runs/{dataset}/{variant}/{learner}/seed{seed}",
}


class Run(NamedTuple):
    """One (data set, variant, learner, seed)."""

    dataset: str
    variant: str
    learner: str
    seed: int

    @property
    def folder(self) -> str:
        """The run's folder."""
        return path("run", **self._asdict())

    def file(self, name: str) -> str:
        """Return the path of one of the run's files."""
        return f"{self.folder}/{name}"


def path(name: str, **wildcards: object) -> str:
    """Return the path that a name of `PATHS` stands for."""
    return PATHS[name].format(**wildcards)


def index_of(shard: str | Path) -> Path:
    """Return the path of a shard's index: ``train-0.index.parquet`` for ``train-0.tar``."""
    return Path(shard).with_suffix(".index.parquet")
