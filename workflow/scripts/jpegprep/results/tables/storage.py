"""The tables of data sets and storage: Tables I and III, problems, sizes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.parquet import read_parquet
from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table
from jpegprep.datasets.problems import KEPT, OK, PROBLEMS, SET_ASIDE
from jpegprep.datasets.splits import across_splits
from jpegprep.evaluation.decision import PAIRED_BRIEF, pairs_of, points
from jpegprep.results.tables.published import read_published
from jpegprep.shards.shards import read_index
from jpegprep.shards.sizes import measure

_MIB = 1 << 20


def table1(
    datasets: Mapping[str, tuple[str | Path, str | Path, str]],
    published: str | Path,
    *targets: str | Path,
) -> None:
    """Write Table I: classes and images of each data set beside the paper's (paper, Table I).

    Args:
        datasets: of each data set the manifest, the split, and what the registry notes of the
            paper's count (may be empty).
        published: the paper's numbers.
        targets: files to write, .csv (columns dataset, classes, total, train, test, validation,
            then the same of the paper, the difference of the totals and its explanation), .md or
            .html.
    """
    paper = read_published(published, "I", ["classes", "total", *_SPLIT_NAMES])
    rows, shown = [], []
    for dataset, (manifest, split_file, note) in datasets.items():
        split = read_parquet(split_file, ["class", "split"]).to_pandas()
        count = split["split"].value_counts()
        ours = {"classes": split["class"].nunique(), "total": len(split)}
        ours |= {name: int(count[part]) for name, part in _SPLIT_NAMES.items()}
        theirs = dict(paper.loc[dataset]) if dataset in paper.index else None
        explanation = _explained(read_parquet(manifest).to_pandas(), ours, theirs, note)
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
        "In brackets: the paper's numbers." if len(paper.index.intersection(list(datasets))) else ""
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


def problems(datasets: Mapping[str, tuple[str | Path, str | Path]], *targets: str | Path) -> None:
    """Write what is wrong with the images of each data set, and what follows from it.

    Args:
        datasets: of each data set the manifest and the split.
        targets: files to write, .csv, .md or .html (columns dataset, problem, files, handling,
            meaning). A file with several problems counts in several rows.
    """
    rows = []
    for dataset, (manifest_file, split_file) in datasets.items():
        manifest, split = (read_parquet(file).to_pandas() for file in (manifest_file, split_file))
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


def size_vs_ratio(
    variants: Sequence[tuple[str, float, str, Sequence[str | Path]]],
    manifests: Mapping[str, str | Path],
    published: str | Path,
    *targets: str | Path,
) -> None:
    """Write the size of each data set's images at each ratio.

    Args:
        variants: see `sizes.measure`.
        manifests: see `sizes.measure`.
        published: the paper's numbers; those of its Table III stand at ratio 0.3.
        targets: files to write, .csv (the columns of `sizes.measure` and paper_relative_size), .md
            or .html (a row a data set, a column a ratio).
    """
    table = measure(variants, manifests)
    paper = read_published(published, "III", ["relative_size"])["relative_size"]
    table["paper_relative_size"] = (
        table["dataset"].map(paper).where(table["ratio"] == _PAPERS_RATIO)
    )
    percent = table.assign(shown=table["relative_size"].map("{:.2%}".format))
    percent.loc[percent["inflated"] > 0, "shown"] += "*"
    columns = percent.pivot(index="dataset", columns="ratio", values="shown")
    columns = columns.reindex(table["dataset"].unique())[
        sorted(table["ratio"].unique(), reverse=True)
    ]
    whole = table[table["ratio"] == 1.0].set_index("dataset")
    columns[1.0] = (whole["bytes"] / _MIB).map("{:,.2f} MiB".format)
    columns.insert(0, "source", [_source_in_words(row) for _, row in whole.iterrows()])
    known = table.dropna(subset="paper_relative_size").set_index("dataset")["paper_relative_size"]
    if len(known):
        beside = known.map("{:.2%}".format).reindex(columns.index).fillna("")
        columns[f"paper at {_PAPERS_RATIO}"] = beside
    shown = columns.rename_axis(index="data set", columns=None).reset_index()
    note = (
        "Bytes of all images at a ratio (JPEG quality / 100) over those of the originals. Source: "
        "the most frequent format, and the median (10th to 90th percentile) of the JPEG quality as "
        "estimated from the quantization tables. *: some images came out larger than their source."
    )
    write_table(table, shown.rename(columns=str), note, targets)


_PAPERS_RATIO = 0.3


def _source_in_words(row: "pd.Series[Any]") -> str:
    if pd.isna(row["source_quality"]):
        return str(row["source_format"])
    low, high = row["source_quality_p10"], row["source_quality_p90"]
    return f"{row['source_format']}, quality {row['source_quality']:.0f} ({low:.0f} to {high:.0f})"


def table3(
    shards: Mapping[str, tuple[Sequence[str | Path], Sequence[str | Path]]],
    accuracy: str | Path,
    differences: str | Path,
    ratio: float,
    *targets: str | Path,
) -> None:
    """Write Table III: storage and accuracy at one ratio beside the original (paper, Table III).

    Sizes are sums of image files in MiB, as the paper's are (its MB are MiB), over all splits; the
    sizes of the shards that hold them stand beside. A row a data set and learner.

    Args:
        shards: for each data set the tars of the original and of the compressed variant.
        accuracy: the table of `evaluation.evaluate`.
        differences: the table of `evaluation.compare`.
        ratio: the compression ratio.
        targets: files to write, .csv, .md or .html (rounded). The CSV has the paper's columns
            (dataset, original_mib, compressed_mib, relative_size, original_accuracy,
            compressed_accuracy, relative_accuracy), then learner, ratio, seeds, n, the bounds of
            both accuracies' 95 % intervals, their difference with its bounds, the shards' sizes,
            and how many images grew when they were compressed. Relative values are compressed /
            original.
    """
    accuracies = pd.read_csv(accuracy)
    pairs = pairs_of(differences)
    rows = []
    for dataset, (original, compressed) in shards.items():
        sizes = [_sizes(tars) for tars in (original, compressed)]
        of_dataset = accuracies[accuracies["dataset"] == dataset]
        for learner, rated in of_dataset.groupby("learner", sort=False):
            by_ratio = rated.set_index("ratio")
            if ratio not in by_ratio.index:
                continue
            before, after = by_ratio.loc[1.0], by_ratio.loc[ratio]
            pair = (learner, after["variant"], learner, before["variant"])
            difference, low, high = pairs[dataset, *map(str, pair)]
            rows.append(
                {
                    "dataset": dataset,
                    "original_mib": sizes[0][0] / _MIB,
                    "compressed_mib": sizes[1][0] / _MIB,
                    "relative_size": sizes[1][0] / sizes[0][0],
                    "original_accuracy": before["accuracy"],
                    "compressed_accuracy": after["accuracy"],
                    "relative_accuracy": after["accuracy"] / before["accuracy"],
                    "learner": learner,
                    "ratio": ratio,
                    "seeds": before["seeds"],
                    "n": before["n"],
                    "original_low": before["low"],
                    "original_high": before["high"],
                    "compressed_low": after["low"],
                    "compressed_high": after["high"],
                    "difference": difference,
                    "low": low,
                    "high": high,
                    "original_shards_mib": sizes[0][1] / _MIB,
                    "compressed_shards_mib": sizes[1][1] / _MIB,
                    "inflated_images": sizes[1][2],
                }
            )
    table = pd.DataFrame(rows, columns=_TABLE3)
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "learner": table["learner"],
            "original MiB": table["original_mib"].map("{:,.2f}".format),
            "compressed MiB": table["compressed_mib"].map("{:,.2f}".format),
            "relative size": table["relative_size"].map("{:.2%}".format),
            "original accuracy": accuracy_with_interval(table, "original"),
            "compressed accuracy": accuracy_with_interval(table, "compressed"),
            "relative accuracy": table["relative_accuracy"].map("{:.2%}".format),
            "difference, points": points(table),
            "test images": table["n"],
            "seeds": table["seeds"],
            "shards MiB": table["original_shards_mib"].map("{:,.2f}".format)
            + " → "
            + table["compressed_shards_mib"].map("{:,.2f}".format),
        }
    )
    note = (
        f"Compressed: ratio {ratio} (JPEG quality {round(100 * ratio)}). Relative: compressed / "
        f"original. {INTERVALS} {PAIRED_BRIEF}"
    )
    write_table(table, shown, note, targets)


_TABLE3 = [
    *("dataset", "original_mib", "compressed_mib", "relative_size"),
    *("original_accuracy", "compressed_accuracy", "relative_accuracy"),
    *("learner", "ratio", "seeds", "n", "original_low", "original_high"),
    *(
        "compressed_low",
        "compressed_high",
        "difference",
        "low",
        "high",
        "original_shards_mib",
        "compressed_shards_mib",
    ),
    "inflated_images",
]


def _sizes(shards: Sequence[str | Path]) -> tuple[int, int, int]:
    """Return the bytes of the images, the bytes of the tars, and the number of inflated images."""
    indexes = [read_index(shard) for shard in shards]
    return (
        sum(int(index["bytes"].sum()) for index, _ in indexes),
        sum(Path(shard).stat().st_size for shard in shards),
        sum(facts["inflated"] for _, facts in indexes),
    )
