"""What compression saves: the bytes of every data set's images at every ratio."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.common.parquet import read_parquet
from jpegprep.datasets.problems import SET_ASIDE
from jpegprep.shards.shards import read_index, splits_of

COLUMNS = [
    *("dataset", "ratio", "variant", "images", "bytes", "relative_size", "mean_bytes"),
    *("inflated", "kept", "shard_bytes", "source_format", "source_quality"),
    *("source_quality_p10", "source_quality_p90"),
]


def measure(
    shards: Mapping[str, Mapping[Any, str | Path]],
    manifests: Mapping[str, str | Path],
    original: Any = 1.0,
) -> pd.DataFrame:
    """Measure the images of each data set at each ratio.

    Args:
        shards: of each data set the folder of each ratio's shards (or of other keys'); the
            original is among them.
        manifests: the manifest of each data set.
        original: the original's key.

    Returns:
        One row a (data set, ratio): images, the sum of their files' bytes, that sum over the
        original's, the mean, how many came out larger than their source (inflated) and how many
        are their source (kept), the bytes of the tars; and of the source images the most frequent
        format and the median, 10th and 90th percentile of the JPEG quality as estimated from the
        quantization tables (NaN where there is no JPEG).
    """
    rows = []
    for dataset, folders in shards.items():
        for ratio, folder in folders.items():
            tars = [tar for split in splits_of(folder).values() for tar in split]
            indexes = [read_index(tar) for tar in tars]
            rows.append(
                {
                    "dataset": dataset,
                    "ratio": ratio,
                    "variant": indexes[0][1]["variant"],
                    "images": sum(len(index) for index, _ in indexes),
                    "bytes": sum(int(index["bytes"].sum()) for index, _ in indexes),
                    "inflated": sum(facts["inflated"] for _, facts in indexes),
                    "kept": sum(facts["kept"] for _, facts in indexes),
                    "shard_bytes": sum(Path(tar).stat().st_size for tar in tars),
                }
            )
    table = pd.DataFrame(rows)
    of_original = table[table["ratio"] == original].set_index("dataset")["bytes"]
    table["relative_size"] = table["bytes"] / table["dataset"].map(of_original)
    table["mean_bytes"] = table["bytes"] / table["images"]
    sources = pd.DataFrame({name: _source(path) for name, path in manifests.items()}).T
    return table.join(sources, on="dataset")[COLUMNS]


def measure_ladder(folders: Sequence[str | Path], manifest: str | Path, target: str | Path) -> None:
    """Write the table of `measure` of the stores of one data set, from most bytes to fewest.

    Args:
        folders: of the shards of its variants; the original's is the first.
        manifest: of the data set.
        target: the CSV to write, without the column ratio.
    """
    found = measure({"": dict(enumerate(folders))}, {"": manifest}, original=0)
    table = found.sort_values("bytes", ascending=False, kind="stable")
    with replacing(target) as part:
        table.drop(columns=["dataset", "ratio"]).to_csv(part, index=False, lineterminator="\n")


def same_files(folder: str | Path, other: str | Path) -> pd.DataFrame:
    """Compare the image files of two variants of a data set.

    Args:
        folder: of the one variant's shards.
        other: of the other's.

    Returns:
        A row an image, in the order of the shards: ``key``, ``label``, and whether both files have
        the ``same`` size and CRC-32.

    Raises:
        UserError: where shards are damaged, or the two hold different images.
    """
    one, two = _index(folder), _index(other)
    if not one["key"].equals(two["key"]):
        raise UserError(
            f"{folder}: holds other images than {other}; remove it: its shards are made again"
        )
    same = (one[["bytes", "crc32"]] == two[["bytes", "crc32"]]).all(axis=1)
    return one[["key", "label"]].assign(same=same)


def image_bytes(folder: str | Path) -> int:
    """Return the bytes of all image files of a variant."""
    return int(_index(folder)["bytes"].sum())


def _index(folder: str | Path) -> pd.DataFrame:
    """Return the index of all shards of a variant, split by split."""
    tars = [tar for split in splits_of(folder).values() for tar in split]
    return pd.concat([read_index(tar)[0] for tar in tars], ignore_index=True)


def _source(manifest: str | Path) -> dict[str, object]:
    images = read_parquet(manifest, ["handling", "format", "quality"]).to_pandas()
    images = images[images["handling"] != SET_ASIDE]
    quality = images["quality"].dropna().astype(float)
    return {
        "source_format": images["format"].mode().iloc[0],
        "source_quality": quality.median(),
        "source_quality_p10": quality.quantile(0.1),
        "source_quality_p90": quality.quantile(0.9),
    }
