"""`make halves SETS="a=/data/a b=/data/b"`: does a recommendation hold on other images?

Each folder of images is divided in two at random, class by class, copies together. `recommend` is
run on each half. What it proposes there is then tried on the other half: five pairs of networks are
fine-tuned at that ratio (and at those of ``--ratios``), and the probe looks at all ratios. A row
says what a half proposes, whether the other bears it out, and how many bytes were left lying.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from jpegprep.answers.verdicts import USE, USE_PROBE  # noqa: E402 (after the path to it)
from jpegprep.common.layout import ORIGINAL, Run  # noqa: E402
from jpegprep.common.records import read_run  # noqa: E402
from jpegprep.common.table_files import write_table  # noqa: E402
from jpegprep.evaluation.decision import against_original  # noqa: E402
from jpegprep.evaluation.stats import (  # noqa: E402
    Difference,
    difference_interval,
    pairs_difference,
)
from jpegprep.learners.runs import read_predictions  # noqa: E402

PROBE, NETWORK, PAIRS = "probe", "tf_efficientnet_lite0", 5


@dataclass(frozen=True)
class Half:
    """A half of a folder of images, and the options of its recommendation."""

    name: str
    images: Path
    options: Sequence[str]
    work: Path

    def snakemake(self, *targets: str) -> None:
        """Make these targets of the half's recommendation."""
        command = ["snakemake", *targets, "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.work)]
        command += ["--workflow-profile", str(ROOT / "profiles/default")]
        command += ["--cores", "all", "--resources", "gpu=2", "network=1", "--quiet", "all"]
        command += ["--config", f"images={self.images}", f"name={self.name}"]
        with (self.work / f"{self.name}.log").open("a", encoding="utf-8") as log:
            subprocess.run([*command, *self.options], stdout=log, stderr=log, check=True)

    @cached_property
    def recommendation(self) -> dict[str, Any]:
        """What is recommended, made where it is not there."""
        self.snakemake("recommend")
        found: dict[str, Any] = json.loads(self._file("recommendation.json").read_text("utf-8"))
        return found

    def probe(self) -> pd.DataFrame:
        """Return the probe's differences from the original, a row a ratio, descending."""
        table = against_original(self._file("tables/differences.csv"))
        table = table[table["learner"] == PROBE]
        sizes = pd.read_csv(self._file("tables/size_vs_ratio.csv")).set_index("ratio")
        table = table.set_index("ratio").sort_index(ascending=False)
        return table.assign(saved=1 - sizes["relative_size"])

    def pairs(self, quality: int, seeds: Sequence[int] = range(PAIRS)) -> Difference | None:
        """Fine-tune pairs of networks at a quality; None where the plan has none."""
        if self.recommendation["plan"]["pairs"] is None:
            return None
        variant = f"jpeg-q{quality}-smaller" if quality < 100 else ORIGINAL
        sides = [self._runs(variant, seeds), self._runs(ORIGINAL, range(PAIRS))]
        self.snakemake(*(str(run) for side in sides for run in side))
        record = read_run(self.work / sides[1][0])
        correct = [[_correct(self.work / run) for run in side] for side in sides]
        return pairs_difference(*correct, record["train"]["n"] / record["train"]["of"])

    def same(self) -> list[Difference]:
        """Return how two networks of the same originals differ, pair by pair."""
        if self.recommendation["plan"]["pairs"] is None:
            return []
        sides = [self._runs(ORIGINAL, range(PAIRS, 2 * PAIRS)), self._runs(ORIGINAL, range(PAIRS))]
        self.snakemake(*(str(run) for side in sides for run in side))
        found = []
        for again, first in zip(*sides, strict=True):
            right = [_correct(self.work / run)[np.newaxis] for run in (again, first)]
            found.append(difference_interval(*right))
        return found

    def _runs(self, variant: str, seeds: Sequence[int]) -> list[Path]:
        runs = [Run(f"own-{self.name}", variant, NETWORK, seed) for seed in seeds]
        return [Path(run.file("run.json")) for run in runs]

    def _file(self, name: str) -> Path:
        return self.work / "results/recommend" / self.name / name


def _correct(record: Path) -> Any:
    """Return on which of its test images a run was right, (n,) bool."""
    table = read_predictions(record.with_name("predictions.parquet"))
    return (table["label"] == table["predicted"]).to_numpy()


def divide(images: Path, target: Path, seed: int = 0) -> tuple[Path, Path]:
    """Copy a folder of folders of images into two halves, class by class, equal files together."""
    halves = (target / "a", target / "b")
    rng = np.random.default_rng(seed)
    for folder in sorted(path for path in images.iterdir() if path.is_dir()):
        equal: dict[bytes, list[Path]] = {}
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            equal.setdefault(sha256(file.read_bytes()).digest(), []).append(file)
        groups = list(equal.values())
        for k, i in enumerate(rng.permutation(len(groups))):
            for file in groups[i]:
                copy = halves[k % 2] / folder.name / file.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
    return halves


def tried(name: str, half: str, here: Half, there: Half, ratios: Sequence[float]) -> list[Any]:
    """Return rows: what `here` proposes, tried `there`; and the pairs there at further ratios."""
    answer, _, probe = here.recommendation, there.recommendation, there.probe()
    margin, quality = answer["margin"], answer["quality"]
    bears = (probe["difference"] >= -margin).cummin() & (probe["saved"] >= 0.05)
    could = float(probe.loc[bears, "saved"].max()) if bears.any() else 0.0
    row = {"set": name, "half": half, "images": answer["probe"]["n"], "verdict": answer["verdict"]}
    row |= {"quality": quality, "seconds": answer["seconds"], "could_save": could}
    row["saved"] = 0.0
    rows = []
    if quality is not None:
        row["saved"] = float(probe.loc[quality / 100, "saved"])
        row |= {f"probe_{end}": answer["probe"][end] for end in ("difference", "low", "high")}
    for ratio in dict.fromkeys([*([quality / 100] if quality else []), *ratios]):
        of_there = probe.loc[ratio]
        found = {f"there_{end}": of_there[end] for end in ("difference", "low", "high")}
        pairs = there.pairs(round(100 * ratio))
        if pairs:
            found |= {f"pairs_{end}": getattr(pairs, end) for end in ("difference", "low", "high")}
            found |= {"pairs_n": pairs.spread.images, "bears_out": _bears_out(pairs, margin)}
        proposed = quality is not None and ratio == quality / 100
        own = row if proposed else {"set": name, "half": half}
        rows.append({**own, "ratio": ratio, "proposed": proposed, **found})
    return rows if quality is not None else [{**row, "proposed": False}, *rows]


def _bears_out(pairs: Difference, margin: float) -> str:
    if pairs.low > -margin:
        return "yes"
    return "no" if pairs.high <= -margin else "open"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--work", type=Path, default=Path("results/halves"))
    parser.add_argument("--ratios", type=float, nargs="*", default=[], help="to be tried, too")
    parser.add_argument("--options", nargs="*", default=[], help="of recommend, as minutes=5")
    given = parser.parse_args()
    rows, same = [], []
    for entry in given.sets:
        name, _, folder = entry.partition("=")
        work = (given.work / name).resolve()
        folders = [work / "images" / half for half in "ab"]
        if not folders[0].exists():
            divide(Path(folder), work / "images")
        halves = [
            Half(f"{name}-{half}", images, given.options, work)
            for half, images in zip("ab", folders, strict=True)
        ]
        for half, here, there in (("a", *halves), ("b", *reversed(halves))):
            rows += tried(name, half, here, there, given.ratios)
        same += [difference.p for half in halves for difference in half.same()]
        _write(pd.DataFrame(rows), same, given.work)


def _write(table: pd.DataFrame, same: Sequence[float], target: Path) -> None:
    """Write halves.csv and halves.md, and print the latter."""

    def points(row: Mapping[Any, Any], which: str) -> str:
        ends = [100 * row.get(f"{which}_{end}", np.nan) for end in ("difference", "low", "high")]
        return "" if np.isnan(ends[0]) else "{:+.1f} [{:+.1f}, {:+.1f}]".format(*ends)

    shown = pd.DataFrame(
        {
            "set": f"{row['set']} {row['half']}",
            "images": row.get("images"),
            "verdict": row.get("verdict", ""),
            "ratio": row.get("ratio"),
            "saved": "" if pd.isna(row.get("saved")) else f"{row['saved']:.1%}",
            "probe here": points(row, "probe"),
            "probe there": points(row, "there"),
            "pairs there": points(row, "pairs"),
            "borne out": row.get("bears_out", ""),
            "could save": "" if pd.isna(row.get("could_save")) else f"{row['could_save']:.1%}",
        }
        for row in table.to_dict("records")
    ).fillna("")
    note = _summary(table, same)
    write_table(table, shown, note, [target / "halves.csv", target / "halves.md"])
    print((target / "halves.md").read_text("utf-8"))


def _summary(table: pd.DataFrame, same: Sequence[float]) -> str:
    """Return what the rows say together."""
    lines = []
    told = table[table["proposed"] & table["verdict"].isin([USE, USE_PROBE])]
    if "pairs_difference" in told and len(told):
        of_set = 100 * told.groupby("set")["pairs_difference"].mean().dropna()
        if len(of_set) > 1:
            arm = stats.t.ppf(0.975, len(of_set) - 1) * of_set.std(ddof=1) / len(of_set) ** 0.5
            lines.append(
                f"{len(told)} times use or use-probe: networks on the other half differ by "
                f"{of_set.mean():+.2f} points [{of_set.mean() - arm:+.2f}, "
                f"{of_set.mean() + arm:+.2f}] on the mean of {len(of_set)} sets; borne out "
                + ", ".join(f"{k}: {n}" for k, n in told["bears_out"].value_counts().items())
            )
    every = table.dropna(subset=["pairs_difference"]) if "pairs_difference" in table else table[:0]
    if len(every) > 2:
        apart = 100 * (every["pairs_difference"] - every["there_difference"])
        lines.append(
            f"networks less probe, same images and ratio: {apart.mean():+.2f} points on the mean "
            f"of {len(every)}, s.d. {apart.std(ddof=1):.2f}"
        )
    if same:
        below = sum(p < 0.05 for p in same)
        lines.append(f"same against same: p < 0.05 in {below} of {len(same)} pairs")
    lines.append(
        "Intervals of 95 %. Here: the half that proposes; there: the other. Could save: at the "
        "smallest ratio at which, and at all larger ones, the probe there estimates no loss of the "
        "margin; the estimate itself is uncertain."
    )
    return "; ".join(lines)


if __name__ == "__main__":
    main()
