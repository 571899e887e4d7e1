"""Table I, and what is wrong with the images of each data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.parquet import read_parquet
from jpegprep.common.table_files import write_table
from jpegprep.datasets.problems import KEPT, OK, PROBLEMS, SET_ASIDE
from jpegprep.datasets.splits import across_splits
from jpegprep.results.tables.published import read_published


def table1(
    manifests: Mapping[str, str | Path],
    splits: Mapping[str, str | Path],
    notes: Mapping[str, str],
    published: str | Path,
    *targets: str | Path,
) -> None:
    """Write Table I: classes and images of each data set beside the paper's (paper, Table I).

    Args:
        manifests: of each data set.
        splits: likewise.
        notes: what the registry notes of the paper's count (may be empty).
        published: the paper's numbers.
        targets: files to write, .csv (columns dataset, classes, total, train, test, validation,
            then the same of the paper, the difference of the totals and its explanation), .md or
            .html.
    """
    paper = read_published(published, "I", ["classes", "total", *_SPLIT_NAMES])
    rows, shown = [], []
    for dataset, manifest in manifests.items():
        split = read_parquet(splits[dataset], ["class", "split"]).to_pandas()
        count = split["split"].value_counts()
        ours = {"classes": split["class"].nunique(), "total": len(split)}
        ours |= {name: int(count[part]) for name, part in _SPLIT_NAMES.items()}
        theirs = dict(paper.loc[dataset]) if dataset in paper.index else None
        explanation = _explained(read_parquet(manifest).to_pandas(), ours, theirs, notes[dataset])
        row: dict[str, Any] = {"dataset": dataset, **ours}
        row |= {f"paper_{name}": theirs[name] if theirs is not None else None for name in ours}
        row["difference"] = ours["total"] - theirs["total"] if theirs is not None else None
        rows.append({**row, "explanation": explanation})
        seen: dict[str, Any] = {"data set": dataset}
        for name, value in ours.items():
            beside = f" ({theirs[name]:,.0f})" if theirs is not None else ""
            seen[name] = f"{value:,}{beside}"
        shown.append({**seen, "explanation": explanation})
    whole = {f"paper_{name}": "Int64" for name in ours} | {"difference": "Int64"}
    note = (
        "In brackets: the paper's numbers."
        if len(paper.index.intersection(list(manifests)))
        else ""
    )
    write_table(pd.DataFrame(rows).astype(whole), pd.DataFrame(shown), note, targets)


_SPLIT_NAMES = {"train": "train", "test": "test", "validation": "val"}


def _explained(
    manifest: pd.DataFrame, ours: Mapping[str, int], theirs: Mapping[Any, float] | None, note: str
) -> str:
    """Say in words what the manifest holds and what that means for the paper's count."""
    aside = manifest[manifest["handling"] == SET_ASIDE]["problems"].value_counts()
    reasons = ", ".join(f"{number:,} {problem}" for problem, number in aside.items())
    text = f"{len(manifest):,} files"
    text += f", {aside.sum():,} set aside ({reasons})" if len(aside) else ", none set aside"
    if theirs is None:
        return text
    difference = ours["total"] - int(theirs["total"])
    if difference:
        return f"{text}; {difference:+,} to the paper" + (f": {note}" if note else "")
    if any(ours[name] != theirs[name] for name in _SPLIT_NAMES):
        text += "; as many as the paper, whose splits are rounded otherwise"
    return text


def problems(
    manifests: Mapping[str, str | Path], splits: Mapping[str, str | Path], *targets: str | Path
) -> None:
    """Write what is wrong with the images of each data set, and what follows from it.

    Args:
        manifests: of each data set.
        splits: likewise.
        targets: files to write, .csv, .md or .html (columns dataset, problem, files, handling,
            meaning). A file with several problems counts in several rows.
    """
    rows = []
    for dataset in manifests:
        manifest = read_parquet(manifests[dataset]).to_pandas()
        split = read_parquet(splits[dataset]).to_pandas()
        count = manifest["problems"].str.split(", ").explode().value_counts()
        rows.append((dataset, "all files", len(manifest), "", "every file of the archives"))
        rows.append((dataset, OK, int(count.get(OK, 0)), KEPT, "nothing is wrong"))
        for problem, rule in PROBLEMS.items():
            if problem in count:
                rows.append((dataset, problem, int(count[problem]), rule.handling, rule.meaning))
        across = across_splits(manifest, split)
        meaning = "same bytes as an image of another split"
        rows.append((dataset, "duplicate across splits", across, KEPT, meaning))
    table = pd.DataFrame(rows, columns=["dataset", "problem", "files", "handling", "meaning"])
    shown = table.assign(files=table["files"].map("{:,}".format))
    write_table(table, shown, "", targets)
