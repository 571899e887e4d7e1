"""Table III, and the size of each data set at each ratio."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table
from jpegprep.evaluation.decision import PAIRED_BRIEF, pairs_of, points, seeds_in_words
from jpegprep.results.tables.published import read_published
from jpegprep.shards.shards import read_index, splits_of
from jpegprep.shards.sizes import measure

_MIB = 1 << 20


def size_vs_ratio(
    shards: Mapping[str, Mapping[float, str | Path]],
    manifests: Mapping[str, str | Path],
    published: str | Path,
    *targets: str | Path,
) -> None:
    """Write the size of each data set's images at each ratio.

    Args:
        shards: see `sizes.measure`.
        manifests: see `sizes.measure`.
        published: the paper's numbers; those of its Table III stand at ratio 0.3.
        targets: files to write, .csv (the columns of `sizes.measure` and paper_relative_size), .md
            or .html (a row a data set, a column a ratio).
    """
    table = measure(shards, manifests)
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


def bytes_by_part(
    measured: Mapping[str, str | Path], published: str | Path, *targets: str | Path
) -> None:
    """Write where the bytes of each data set's images are at each ratio.

    Args:
        measured: of each data set what `savings.measure_bytes` wrote.
        published: the paper's numbers; those of its Table III stand at ratio 0.3.
        targets: files to write, .csv, .md or .html. The CSV has a row a (data set, ratio): the
            columns of `savings.measure_bytes`; relative_size, all bytes over the originals', and
            relative_scan, those of the scans alone over the originals'; paper_relative_size.
    """
    table = _measured(measured)
    whole = table[table["ratio"] == 1.0].set_index("dataset")
    for name, column in (("relative_size", "bytes"), ("relative_scan", "scan")):
        table[name] = table[column] / table["dataset"].map(whole["bytes"])
    paper = read_published(published, "III", ["relative_size"])["relative_size"]
    at_papers = table["ratio"] == _PAPERS_RATIO
    table["paper_relative_size"] = table["dataset"].map(paper).where(at_papers)
    shown = pd.DataFrame({"data set": table["dataset"], "ratio": table["ratio"]})
    shown["bytes an image"] = (table["bytes"] / table["images"]).map("{:,.0f}".format)
    for name, columns in PARTS.items():
        part = table[list(columns)].sum(axis=1)
        an_image = (part / table["images"]).map("{:,.0f}".format)
        shown[name] = an_image + (part / table["bytes"]).map(" ({:.1%})".format)
    shown["relative size"] = table["relative_size"].map("{:.2%}".format)
    shown["of the scans alone"] = table["relative_scan"].map("{:.2%}".format)
    if table["paper_relative_size"].notna().any():
        shown["paper"] = ["" if pd.isna(x) else f"{x:.2%}" for x in table["paper_relative_size"]]
    shown["images"] = table["images"].map("{:,}".format)
    note = (
        "Bytes an image, and their share of the file; sums over all images. Header: markers, frame "
        "and scan headers. Tables: quantization and Huffman tables, which Pillow writes whole by "
        "default, in all files the same. Scan: the pixels. Of PNG tables are the palette, scan the "
        "compressed stream. Relative size: over the originals' bytes; of the scans alone: what it "
        "would be if the files of that ratio had nothing but scans."
    )
    write_table(table, shown, note, targets)


# The parts of a file as they are shown, each the sum of columns.
PARTS = {
    **{"header": ("header",), "tables": ("tables",), "scan": ("scan",), "metadata": ("metadata",)},
    "rest": ("trailing", "other"),
}


def _measured(measured: Mapping[str, str | Path]) -> pd.DataFrame:
    """Return the tables of all data sets as one, by data set and from the largest ratio down."""
    tables = [pd.read_csv(path).assign(dataset=name) for name, path in measured.items()]
    table = pd.concat([one.sort_values("ratio", ascending=False) for one in tables])
    return table[["dataset", *table.columns.drop("dataset")]].reset_index(drop=True)


def free_savings(measured: Mapping[str, str | Path], *targets: str | Path) -> None:
    """Write what of each data set's bytes can be saved at each ratio without touching a pixel.

    Args:
        measured: as of `bytes_by_part`.
        targets: files to write, .csv (the columns of `savings.measure_bytes` and metadata_share),
            .md or .html.
    """
    table = _measured(measured)
    table["metadata_share"] = (table["metadata"] + table["trailing"]) / table["bytes"]
    bounds = table["saved_low"].map("{:.2%}".format), table["saved_high"].map("{:.2%}".format)
    interval = (" [" + bounds[0] + ", " + bounds[1] + "]").where(table["sampled"] < table["images"])
    before, after = table["sampled_bytes"], table["optimized_bytes"]
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "ratio": table["ratio"],
            "images": table["images"].map("{:,}".format),
            "MiB": (table["bytes"] / _MIB).map("{:,.2f}".format),
            "saved, same pixels": table["saved"].map("{:.2%}".format) + interval.fillna(""),
            "bytes an image": (before / table["sampled"]).map("{:,.0f}".format)
            + (after / table["sampled"]).map(" → {:,.0f}".format),
            "metadata": table["metadata_share"].map("{:.2%}".format),
            "images tried": table["sampled"].map("{:,}".format),
            "smaller, pixels compared": table["smaller"].map("{:,}".format),
        }
    )
    note = (
        "Saved: by writing JPEG files with Huffman tables and scans of their own (mozjpeg), and "
        "deflating PNG files anew, over the bytes of the images tried; of a sample with its 95 % "
        "interval. Each result was decoded and has the same pixels; an image without a smaller one "
        "stays as it is. Metadata stay; their share of all bytes, with what follows an image's "
        "end, is what leaving them out would save beside. JPEG files become progressive, which "
        "take about twice as long to decode."
    )
    write_table(table, shown, note, targets)


def table3(
    originals: Mapping[str, str | Path],
    compressed: Mapping[str, str | Path],
    accuracy: str | Path,
    differences: str | Path,
    ratio: float,
    *targets: str | Path,
) -> None:
    """Write Table III: storage and accuracy at one ratio beside the original (paper, Table III).

    Sizes are sums of image files in MiB, as the paper's are (its MB are MiB), over all splits; the
    sizes of the shards that hold them stand beside. A row a data set and learner.

    Args:
        originals: for each data set the folder of the originals' shards.
        compressed: likewise of the compressed variant's.
        accuracy: the table of `evaluation.evaluate`.
        differences: the table of `evaluation.compare`.
        ratio: the compression ratio.
        targets: files to write, .csv, .md or .html (rounded). The CSV has the paper's columns
            (dataset, original_mib, compressed_mib, relative_size, original_accuracy,
            compressed_accuracy, relative_accuracy), then learner, ratio, seeds, n, what the
            intervals are, the bounds of both accuracies' 95 % intervals, their difference with its
            bounds, the shards' sizes, and how many images grew when they were compressed. Relative
            values are compressed / original.
    """
    accuracies = pd.read_csv(accuracy)
    pairs = pairs_of(differences)
    rows = []
    for dataset in originals:
        sizes = [_sizes(folders[dataset]) for folders in (originals, compressed)]
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
                    "interval": before["interval"],
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
            "seeds": seeds_in_words(table),
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
    *("learner", "ratio", "seeds", "n", "interval", "original_low", "original_high"),
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


def _sizes(folder: str | Path) -> tuple[int, int, int]:
    """Return the bytes of the images, the bytes of the tars, and the number of inflated images."""
    shards = [tar for tars in splits_of(folder).values() for tar in tars]
    indexes = [read_index(shard) for shard in shards]
    return (
        sum(int(index["bytes"].sum()) for index, _ in indexes),
        sum(Path(shard).stat().st_size for shard in shards),
        sum(facts["inflated"] for _, facts in indexes),
    )
