"""The paper's tables, each as CSV (numbers), Markdown and HTML (as people read them)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from jpegprep.files import replacing_all
from jpegprep.shards import read_index

_MIB = 1 << 20


def table1(splits: Mapping[str, str | Path], *targets: str | Path) -> None:
    """Write Table I: classes and images of each data set (paper, Table I).

    Args:
        splits: the split's parquet file of each data set.
        targets: files to write, .csv (columns dataset, classes, total, train, test, validation),
            .md or .html (the same).
    """
    rows = []
    for dataset, path in splits.items():
        split = pd.read_parquet(path, columns=["class", "split"])
        count = split["split"].value_counts()
        rows.append(
            (
                *(dataset, split["class"].nunique(), len(split)),
                *(int(count[part]) for part in ("train", "test", "val")),
            )
        )
    columns = ["dataset", "classes", "total", "train", "test", "validation"]
    table = pd.DataFrame(rows, columns=columns)
    shown = table.map(lambda value: f"{value:,}" if isinstance(value, int) else value)
    _write(table, shown, "", targets)


def table3(
    shards: Mapping[str, tuple[Sequence[str | Path], Sequence[str | Path]]],
    accuracy: str | Path,
    ratio: float,
    *targets: str | Path,
) -> None:
    """Write Table III: storage and accuracy at one ratio beside the original (paper, Table III).

    Sizes are sums of image files in MiB, as the paper's are (its MB are MiB), over all splits; the
    sizes of the shards that hold them stand beside. A row a data set and learner.

    Args:
        shards: for each data set the tars of the original and of the compressed variant.
        accuracy: the table of `evaluation.evaluate`.
        ratio: the compression ratio.
        targets: files to write, .csv, .md or .html (rounded). The CSV has the paper's columns
            (dataset, original_mib, compressed_mib, relative_size, original_accuracy,
            compressed_accuracy, relative_accuracy), then learner, ratio, seeds, n, the bounds of
            both accuracies' 95 % intervals, the shards' sizes, and how many images grew when they
            were compressed. Relative values are compressed / original.
    """
    accuracies = pd.read_csv(accuracy)
    rows = []
    for dataset, (original, compressed) in shards.items():
        sizes = [_sizes(tars) for tars in (original, compressed)]
        of_dataset = accuracies[accuracies["dataset"] == dataset]
        for learner, rated in of_dataset.groupby("learner", sort=False):
            by_ratio = rated.set_index("ratio")
            if ratio not in by_ratio.index:
                continue
            before, after = by_ratio.loc[1.0], by_ratio.loc[ratio]
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
            "original accuracy": _with_interval(table, "original"),
            "compressed accuracy": _with_interval(table, "compressed"),
            "relative accuracy": table["relative_accuracy"].map("{:.2%}".format),
            "test images": table["n"],
            "seeds": table["seeds"],
            "shards MiB": table["original_shards_mib"].map("{:,.2f}".format)
            + " → "
            + table["compressed_shards_mib"].map("{:,.2f}".format),
        }
    )
    note = (
        f"Compressed: ratio {ratio} (JPEG quality {round(100 * ratio)}). Relative: compressed / "
        "original. In brackets: 95 % intervals (one seed: Wilson's, over the test images; several: "
        "hierarchical bootstrap over seeds and test images)."
    )
    _write(table, shown, note, targets)


_TABLE3 = [
    *("dataset", "original_mib", "compressed_mib", "relative_size"),
    *("original_accuracy", "compressed_accuracy", "relative_accuracy"),
    *("learner", "ratio", "seeds", "n", "original_low", "original_high"),
    *("compressed_low", "compressed_high", "original_shards_mib", "compressed_shards_mib"),
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


def _with_interval(table: pd.DataFrame, which: str) -> list[str]:
    columns = table[[f"{which}_accuracy", f"{which}_low", f"{which}_high"]].to_numpy()
    return [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in columns]


def _write(
    table: pd.DataFrame, shown: pd.DataFrame, note: str, targets: Sequence[str | Path]
) -> None:
    """Write the numbers as .csv, or what people read, with its note, as .md or .html."""
    alignment = ["left", *["right"] * (len(shown.columns) - 1)]
    with replacing_all(*targets) as parts:
        for part, target in zip(parts, targets, strict=True):
            match Path(target).suffix:
                case ".csv":
                    table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")
                case ".md":
                    text = shown.to_markdown(index=False, disable_numparse=True, colalign=alignment)
                    note_below = f"\n{note}\n" if note else ""
                    part.write_text(f"{text}\n{note_below}", encoding="utf-8")
                case ".html":
                    text = shown.to_html(index=False, border=0)
                    part.write_text(_PAGE.format(table=text, note=note), encoding="utf-8")


_PAGE = """<!doctype html>
<meta charset="utf-8">
<style>
body {{ font: 15px sans-serif; margin: 2em }}
table {{ border-collapse: collapse }}
th, td {{ padding: .4em .8em; text-align: right; border-bottom: 1px solid #ccc }}
th:first-child, td:first-child {{ text-align: left }}
</style>
{table}
<p>{note}</p>
"""
