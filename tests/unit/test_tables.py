"""Tables: the paper's columns, with numbers that can be recomputed from the shards."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from jpegprep.shards import ShardReader, writing_shard
from jpegprep.splits import assign
from jpegprep.tables import table1, table3
from jpegprep.treatments import treat_shard

Files = Callable[..., list[bytes]]


def cells(markdown: Path) -> list[list[str]]:
    """Return the cells of a Markdown table, without the rule below its head."""
    lines = [line for line in markdown.read_text(encoding="utf-8").splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not set(row[0]) <= {":", "-"}]


def test_table1_is_the_papers(tmp_path: Path) -> None:
    """DTD, 47 classes of 120, gives the paper's row: 47, 5,640, 3,384, 1,128, 1,128."""
    rows = [(f"{c}-{i}", f"texture{c}") for c in range(47) for i in range(120)]
    how = {"strategy": "stratified", "val": 0.2, "test": 0.2, "seed": 0}
    split = assign(
        pd.DataFrame(rows, columns=["key", "class"]), how, {"train": 2, "val": 1, "test": 1}
    )
    split.to_parquet(tmp_path / "dtd.parquet")
    table1({"dtd": tmp_path / "dtd.parquet"}, tmp_path / "t.csv", tmp_path / "t.md")
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "dataset,classes,total,train,test,validation",
        "dtd,47,5640,3384,1128,1128",
    ]
    assert cells(tmp_path / "t.md") == [
        ["dataset", "classes", "total", "train", "test", "validation"],
        ["dtd", "47", "5,640", "3,384", "1,128", "1,128"],
    ]


ACCURACY = """dataset,learner,variant,ratio,seeds,n,accuracy,low,high,interval
textures,lite0,original,1.0,3,200,0.8,0.75,0.85,hierarchical bootstrap
textures,lite0,jpeg-q50,0.5,3,200,0.78,0.73,0.83,hierarchical bootstrap
textures,lite0,jpeg-q30,0.3,3,200,0.76,0.71,0.81,hierarchical bootstrap
textures,autogluon,original,1.0,1,200,0.5,0.43,0.57,Wilson
textures,autogluon,jpeg-q30,0.3,1,200,0.55,0.48,0.62,Wilson
textures,b0,original,1.0,1,200,0.9,0.85,0.93,Wilson
"""

Shards = tuple[list[Path], list[Path]]


@pytest.fixture
def shards(tmp_path: Path, patches: Files) -> Shards:
    """Return original and compressed shards of real patches."""
    original, compressed = [], []
    for k, name in enumerate(("gravel.png", "coffee.png")):
        original.append(tmp_path / "original" / f"train-{k}.tar")
        compressed.append(tmp_path / "jpeg-q30" / f"train-{k}.tar")
        with writing_shard(original[-1], "original") as writer:
            for i, data in enumerate(patches(name, 20)):
                writer.add(f"{k}-{i}", k, data)
        treat_shard(original[-1], "jpeg-q30", compressed[-1])
    return original, compressed


def image_bytes(tars: list[Path]) -> int:
    """Return the bytes of the image files in some tars, as Python's tarfile tells them."""
    total = 0
    for tar in tars:
        with tarfile.open(tar) as opened:
            total += sum(m.size for m in opened.getmembers() if not m.name.endswith(".cls"))
    return total


def make_table3(folder: Path, shards: Shards, ratio: float = 0.3) -> pd.DataFrame:
    """Write Table III and read its CSV."""
    (folder / "accuracy.csv").write_text(ACCURACY)
    table3({"textures": shards}, folder / "accuracy.csv", ratio, folder / "t.csv", folder / "t.md")
    return pd.read_csv(folder / "t.csv")


def test_table3_has_the_papers_columns_first(tmp_path: Path, shards: Shards) -> None:
    """The CSV begins with the columns of the paper's Table III."""
    assert make_table3(tmp_path, shards).columns[:7].tolist() == [
        *("dataset", "original_mib", "compressed_mib", "relative_size"),
        *("original_accuracy", "compressed_accuracy", "relative_accuracy"),
    ]


def test_table3_sizes_are_those_of_the_image_files(tmp_path: Path, shards: Shards) -> None:
    """Sizes are sums of image files in MiB (2²⁰ bytes); shards, with their padding, are apart."""
    row = make_table3(tmp_path, shards).iloc[0]
    sizes = [image_bytes(tars) for tars in shards]
    assert row["original_mib"] == pytest.approx(sizes[0] / 2**20, rel=1e-5)
    assert row["compressed_mib"] == pytest.approx(sizes[1] / 2**20, rel=1e-5)
    assert row["relative_size"] == pytest.approx(sizes[1] / sizes[0], rel=1e-5)
    for column, tars in zip(("original", "compressed"), shards, strict=True):
        on_disk = sum(tar.stat().st_size for tar in tars)
        assert row[f"{column}_shards_mib"] == pytest.approx(on_disk / 2**20, rel=1e-5)


def test_table3_relates_accuracies(tmp_path: Path, shards: Shards) -> None:
    """Each learner's accuracy stands beside the original's, with n, seeds and both intervals."""
    table = make_table3(tmp_path, shards).set_index("learner")
    assert table.loc["lite0", "relative_accuracy"] == pytest.approx(0.76 / 0.8)
    assert table.loc["autogluon", "relative_accuracy"] == pytest.approx(0.55 / 0.5)
    assert table.loc["lite0", ["seeds", "n"]].tolist() == [3, 200]
    bounds = ["original_low", "original_high", "compressed_low", "compressed_high"]
    assert table.loc["lite0", bounds].tolist() == [0.75, 0.85, 0.71, 0.81]


def test_table3_leaves_out_who_has_no_run_at_its_ratio(tmp_path: Path, shards: Shards) -> None:
    """A learner that was not run at the ratio is no row; the others are."""
    assert make_table3(tmp_path, shards)["learner"].tolist() == ["lite0", "autogluon"]
    assert make_table3(tmp_path, shards, ratio=0.5)["learner"].tolist() == ["lite0"]


def test_table3_counts_images_that_grew(tmp_path: Path, shards: Shards) -> None:
    """How many images are larger than their originals is counted over all shards."""
    readers = [ShardReader(tars) for tars in shards]
    grown = sum(len(readers[1].image(i)) > len(readers[0].image(i)) for i in range(40))
    assert make_table3(tmp_path, shards)["inflated_images"].tolist() == [grown, grown]


def test_table3_is_readable(tmp_path: Path, shards: Shards) -> None:
    """The Markdown rounds, shows intervals and explains itself below."""
    make_table3(tmp_path, shards)
    head, lite0, _ = cells(tmp_path / "t.md")
    row = dict(zip(head, lite0, strict=True))
    assert row["original accuracy"] == "0.800 [0.750, 0.850]"
    assert row["compressed accuracy"] == "0.760 [0.710, 0.810]"
    assert row["relative accuracy"] == "95.00%"
    sizes = [image_bytes(tars) for tars in shards]
    assert row["relative size"] == f"{100 * sizes[1] / sizes[0]:.2f}%"
    assert row["original MiB"] == f"{sizes[0] / 2**20:.2f}"
    note = (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()[-1]
    assert "ratio 0.3 (JPEG quality 30)" in note
    assert "95 % intervals" in note


def test_table3_without_any_run_at_its_ratio_has_its_columns(
    tmp_path: Path, shards: Shards
) -> None:
    """Where no learner was run at the ratio, the table is empty, not an error."""
    (tmp_path / "accuracy.csv").write_text(ACCURACY)
    table3(
        {"textures": shards}, tmp_path / "accuracy.csv", 0.9, tmp_path / "t.csv", tmp_path / "t.md"
    )
    assert len(pd.read_csv(io.StringIO((tmp_path / "t.csv").read_text()))) == 0
