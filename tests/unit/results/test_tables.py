"""Tables: the paper's columns, with numbers that can be recomputed from the shards."""

import csv
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jpegprep.common.errors import UserError
from jpegprep.datasets.manifest import build_manifest
from jpegprep.datasets.splits import assign
from jpegprep.results.tables.datasets import problems, table1
from jpegprep.results.tables.storage import (
    bytes_by_part,
    free_savings,
    size_vs_ratio,
    table3,
)
from jpegprep.shards.shards import ShardReader, pack, writing_shard
from jpegprep.shards.treatments import treat_shard

Files = Callable[..., list[bytes]]

MANIFEST = [
    *("key", "class", "member", "group", "bytes", "sha256", "format", "width", "height", "mode"),
    *("quality", "standard_tables", "subsampling", "orientation", "scale", "low", "high"),
    *("profile", "problems", "duplicate_of", "handling"),
]
ASIDE = {"outside", "link", "unlisted", "too large", "not an image", "truncated"}
DIGITS = "a column of text whose cells begin with digits is aligned as numbers"


def make_manifest(path: Path, files: list[dict[str, Any]]) -> Path:
    """Write a manifest, each file a JPEG of quality 75 unless it says otherwise."""
    usual = {"class": "a", "bytes": 1000, "width": 8, "height": 8, "mode": "RGB", "quality": 75}
    usual |= {"format": "JPEG", "standard_tables": True, "subsampling": "4:2:0", "orientation": 1}
    rows = []
    for i, file in enumerate(files):
        row = {"key": f"k{i}", "member": f"a/{i}.jpg", "sha256": f"{i:064x}", "problems": "ok"}
        row = {**usual, **row, "duplicate_of": None, **file}
        row["handling"] = "set aside" if row["problems"] in ASIDE else "kept"
        rows.append(row)
    types = dict.fromkeys(("quality", "orientation"), "Int16") | {"standard_tables": "boolean"}
    pd.DataFrame(rows, columns=MANIFEST).astype(types).to_parquet(path, index=False)
    return path


def make_split(path: Path, classes: int, train: int, val: int, test: int) -> Path:
    """Write a split with so many images of each part, in so many classes."""
    parts = ["train"] * train + ["val"] * val + ["test"] * test
    rows = {
        "key": [f"k{i}" for i in range(len(parts))],
        "class": [f"c{i % classes:03d}" for i in range(len(parts))],
        "label": [i % classes for i in range(len(parts))],
        "split": parts,
        "shard": 0,
    }
    pd.DataFrame(rows).to_parquet(path, index=False)
    return path


@pytest.fixture(scope="module")
def published(root: Path) -> Path:
    """Return the shipped file of the paper's numbers."""
    return root / "config" / "published.csv"


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV as texts."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cells(markdown: Path) -> list[list[str]]:
    """Return the cells of a Markdown table, without the rule below its head."""
    lines = [line for line in markdown.read_text(encoding="utf-8").splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not set(row[0]) <= {":", "-"}]


def alignment(markdown: Path) -> dict[str, str]:
    """Return how each column of a Markdown table is aligned, by the rule below its head."""
    head, rule = markdown.read_text(encoding="utf-8").splitlines()[:2]
    names, marks = ([c.strip() for c in line.strip("|").split("|")] for line in (head, rule))
    kinds = {(True, False): "left", (False, True): "right", (True, True): "centre"}
    return {
        name: kinds.get((mark.startswith(":"), mark.endswith(":")), "none")
        for name, mark in zip(names, marks, strict=True)
    }


def lines_are_even(markdown: Path) -> bool:
    """Tell whether the bars of a Markdown table stand below each other in the text."""
    lines = [line for line in markdown.read_text(encoding="utf-8").splitlines() if "|" in line]
    return len({tuple(i for i, c in enumerate(line) if c == "|") for line in lines}) == 1


def test_the_manifests_of_these_tests_are_like_real_ones(
    tmp_path: Path, pack: Callable[..., Path], patches: Files
) -> None:
    """What `make_manifest` writes has the columns and types of `build_manifest`."""
    data = patches("coffee.png", 2)
    archive = pack(tmp_path / "x.tar", {"x/a/1.png": data[0], "x/b/1.png": data[1]})
    about = {"adapter": "class_folders", "options": {"root": "x"}, "classes": 2, "images": 2}
    build_manifest(about, [archive], tmp_path / "real.parquet")
    real = pd.read_parquet(tmp_path / "real.parquet")
    made = pd.read_parquet(make_manifest(tmp_path / "made.parquet", [{}, {}]))
    assert real.columns.tolist() == made.columns.tolist() == MANIFEST
    for name in ("quality", "orientation", "standard_tables"):
        assert real[name].dtype == made[name].dtype


def make_table1(
    folder: Path, published: Path, datasets: dict[str, tuple[Any, ...]]
) -> list[dict[str, str]]:
    """Write Table I of data sets (files, split, note) and read its CSV."""
    manifests, splits, notes = {}, {}, {}
    for name, (files, numbers, note) in datasets.items():
        manifests[name] = make_manifest(folder / f"{name}-m.parquet", files)
        splits[name] = make_split(folder / f"{name}-s.parquet", *numbers)
        notes[name] = note
    targets = [folder / f"t.{kind}" for kind in ("csv", "md", "html")]
    table1(manifests, splits, notes, published, *targets)
    return read(folder / "t.csv")


def test_table1_is_the_papers(tmp_path: Path, published: Path) -> None:
    """DTD, 47 classes of 120, gives the paper's row: 47, 5,640, 3,384, 1,128, 1,128."""
    rows = [(f"{c}-{i}", f"texture{c}", None) for c in range(47) for i in range(120)]
    how = {"strategy": "stratified", "val": 0.2, "test": 0.2, "seed": 0, "duplicates": "apart"}
    images = pd.DataFrame(rows, columns=["key", "class", "duplicate_of"])
    split = assign(images, how, {"train": 2, "val": 1, "test": 1})
    split.to_parquet(tmp_path / "dtd.parquet")
    manifest = make_manifest(tmp_path / "m.parquet", [{}] * 5640)
    targets = tmp_path / "t.csv", tmp_path / "t.md"
    splits, notes = {"dtd": tmp_path / "dtd.parquet"}, {"dtd": "a note"}
    table1({"dtd": manifest}, splits, notes, published, *targets)
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "dataset,classes,total,train,test,validation,paper_classes,paper_total,paper_train,"
        "paper_test,paper_validation,difference,explanation",
        'dtd,47,5640,3384,1128,1128,47,5640,3384,1128,1128,0,"5,640 files, none set aside"',
    ]
    assert cells(tmp_path / "t.md") == [
        ["data set", "classes", "total", "train", "test", "validation", "explanation"],
        [
            *("dtd", "47 (47)", "5,640 (5,640)", "3,384 (3,384)", "1,128 (1,128)"),
            *("1,128 (1,128)", "5,640 files, none set aside"),
        ],
    ]
    assert "In brackets: the paper's numbers." in (tmp_path / "t.md").read_text()


def test_table1_explains_fewer_images(tmp_path: Path, published: Path) -> None:
    """Pets, 7,390 for the paper's 7,400: the difference, what was set aside, and the note."""
    files = [{}] * 7390 + [{"problems": "not an image"}] * 2 + [{"problems": "outside"}]
    note = "37 classes of 200"
    pets = files, (37, 4434, 1478, 1478), note
    (row,) = make_table1(tmp_path, published, {"oxford-iiit-pets": pets})
    assert row["total"] == "7390"
    assert row["paper_total"] == "7400"
    assert row["difference"] == "-10"
    assert row["explanation"] == (
        "7,393 files, 3 set aside (2 not an image, 1 outside); -10 to the paper: 37 classes of 200"
    )


def test_table1_explains_more_images(tmp_path: Path, published: Path) -> None:
    """Caltech-256, 30,607 for the paper's 30,592, is +15; without a note nothing is made up."""
    caltech = [{}] * 30607, (257, 18365, 6121, 6121), ""
    (row,) = make_table1(tmp_path, published, {"caltech256": caltech})
    assert row["difference"] == "15"
    assert row["explanation"] == "30,607 files, none set aside; +15 to the paper"


def test_table1_explains_another_rounding(tmp_path: Path, published: Path) -> None:
    """SUN397: the paper's 65,251, 21,751, 21,752 and ours round 108,754 otherwise."""
    sun = [{}] * 108754, (397, 65252, 21751, 21751), "not to be shown"
    (row,) = make_table1(tmp_path, published, {"sun397": sun})
    counts = ["train", "test", "validation", "paper_train", "paper_test", "paper_validation"]
    assert [row[name] for name in counts] == ["65252", "21751", "21751", "65251", "21751", "21752"]
    assert row["difference"] == "0"
    assert row["explanation"] == (
        "108,754 files, none set aside; as many as the paper, whose splits are rounded otherwise"
    )


def test_table1_of_data_sets_that_the_paper_lacks(tmp_path: Path, published: Path) -> None:
    """Two data sets of one's own: the paper's cells are empty, and no brackets are explained."""
    own = {
        "mine": ([{}] * 10 + [{"problems": "truncated"}], (2, 6, 2, 2), ""),
        "yours": ([{}] * 20, (4, 12, 4, 4), "a note"),
    }
    rows = make_table1(tmp_path, published, own)
    for row in rows:
        assert [value for key, value in row.items() if key.startswith("paper_")] == [""] * 5
        assert row["difference"] == ""
    assert [row["explanation"] for row in rows] == [
        "11 files, 1 set aside (1 truncated)",
        "20 files, none set aside",
    ]
    assert cells(tmp_path / "t.md")[1][:6] == ["mine", "2", "10", "6", "2", "2"]
    assert "brackets" not in (tmp_path / "t.md").read_text()


def test_table1_of_both_kinds_keeps_whole_numbers(tmp_path: Path, published: Path) -> None:
    """A data set without the paper's numbers beside one with them: counts stay whole, in order."""
    both = {
        "mine": ([{}] * 10, (2, 6, 2, 2), ""),
        "cifar10": ([{}] * 60000, (10, 36000, 12000, 12000), ""),
    }
    rows = make_table1(tmp_path, published, both)
    assert [row["dataset"] for row in rows] == ["mine", "cifar10"]
    assert [row["paper_total"] for row in rows] == ["", "60000"]
    assert [row["difference"] for row in rows] == ["", "0"]
    html = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert "<td>60,000 (60,000)</td>" in html
    assert "In brackets" in html


def test_table1_is_aligned(tmp_path: Path, published: Path) -> None:
    """Names stand left, numbers right, and the bars of the Markdown below each other."""
    make_table1(tmp_path, published, {"mine": ([{}] * 10, (2, 6, 2, 2), "")})
    found = alignment(tmp_path / "t.md")
    found.pop("explanation")
    assert found.pop("data set") == "left"
    assert set(found.values()) == {"right"}
    assert lines_are_even(tmp_path / "t.md")


def test_table1_has_its_explanation_at_the_left(tmp_path: Path, published: Path) -> None:
    """An explanation is text, though it begins with the number of files."""
    make_table1(tmp_path, published, {"mine": ([{}] * 10, (2, 6, 2, 2), "")})
    assert alignment(tmp_path / "t.md")["explanation"] == "left"


def test_a_data_set_named_with_digits_stands_at_the_left(tmp_path: Path, published: Path) -> None:
    """The name of a data set is text, though it is 102-flowers."""
    make_table1(tmp_path, published, {"102-flowers": ([{}] * 10, (2, 6, 2, 2), "")})
    assert alignment(tmp_path / "t.md")["data set"] == "left"


def make_problems(folder: Path) -> list[dict[str, str]]:
    """Write the problems of seven files, two of them set aside, and read the CSV."""
    files: list[dict[str, Any]] = [
        {"sha256": "1" * 64},
        {"sha256": "1" * 64, "problems": "duplicate", "duplicate_of": "k0"},
        {"problems": "grayscale"},
        {"sha256": "1" * 64, "problems": "grayscale, duplicate", "duplicate_of": "k0"},
        {},
        {"problems": "truncated"},
        {"problems": "outside", "class": None},
    ]
    manifest = make_manifest(folder / "m.parquet", files)
    split = make_split(folder / "s.parquet", 1, 2, 2, 1)  # k0 and k1 train, k2 and k3 val, k4 test
    problems({"x": manifest}, {"x": split}, folder / "p.csv", folder / "p.md", folder / "p.html")
    return read(folder / "p.csv")


def test_problems_are_counted(tmp_path: Path) -> None:
    """Each problem is a row with what follows from it; a file with two counts in both."""
    rows = make_problems(tmp_path)
    assert list(rows[0]) == ["dataset", "problem", "files", "handling", "meaning"]
    assert [(row["problem"], row["files"], row["handling"]) for row in rows] == [
        ("all files", "7", ""),
        ("ok", "2", "kept"),
        ("outside", "1", "set aside"),
        ("truncated", "1", "set aside"),
        ("grayscale", "2", "kept"),
        ("duplicate", "2", "kept"),
        ("duplicate across splits", "3", "kept"),  # k0, k1 (train) and k3 (val)
    ]
    assert {row["dataset"] for row in rows} == {"x"}
    assert all(row["meaning"] for row in rows)


def test_problems_are_readable(tmp_path: Path) -> None:
    """The Markdown has text at the left and the number of files at the right."""
    make_problems(tmp_path)
    assert alignment(tmp_path / "p.md") == {
        **dict.fromkeys(("dataset", "problem"), "left"),
        "files": "right",
        **dict.fromkeys(("handling", "meaning"), "left"),
    }
    assert lines_are_even(tmp_path / "p.md")
    assert "<td>all files</td>" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_a_clean_data_set_has_no_problems(tmp_path: Path) -> None:
    """Where nothing is wrong, the table says so in numbers: all are ok, none across splits."""
    manifest = make_manifest(tmp_path / "m.parquet", [{}] * 1200)
    split = make_split(tmp_path / "s.parquet", 2, 800, 200, 200)
    problems({"x": manifest}, {"x": split}, tmp_path / "p.csv", tmp_path / "p.md")
    assert [(row["problem"], row["files"]) for row in read(tmp_path / "p.csv")] == [
        ("all files", "1200"),
        ("ok", "1200"),
        ("duplicate across splits", "0"),
    ]
    assert cells(tmp_path / "p.md")[1][2] == "1,200"


def sized_shards(folder: Path, variant: str, sizes: list[int], before: list[int]) -> Path:
    """Write shards of files of so many bytes, whose originals had so many; all train."""
    for split in ("val", "test"):
        with writing_shard(folder / f"{split}-0.tar", variant, "a test"):
            pass
    with writing_shard(folder / "train-0.tar", variant, "a test") as writer:
        samples = []
        for i, (size, original) in enumerate(zip(sizes, before, strict=True)):
            data = (b"\x89PNG\r\n\x1a\n" + bytes([i])).ljust(size, b"x")
            samples.append((f"k{i}", 0, data, data if variant == "original" else bytes(original)))
        writer.append(pack(samples))
    return folder


ORIGINALS = {"dtd": [1 << 20, 1 << 19], "mine": [4000, 6000]}
COMPRESSED = {  # at 0.9 an image of dtd grows
    "dtd": {"jpeg-q90": [(1 << 20) + 2, (1 << 19) - 2], "jpeg-q30": [300000, 50000]},
    "mine": {"jpeg-q90": [4000, 1000], "jpeg-q30": [2000, 500]},
}


def make_sizes(folder: Path, published: Path) -> list[dict[str, str]]:
    """Write the sizes of two data sets, one of the paper's and one of PNG, and read the CSV."""
    manifests = {
        "dtd": make_manifest(folder / "dtd.parquet", [{"quality": q} for q in (60, 75, 90)]),
        "mine": make_manifest(
            folder / "mine.parquet",
            [{"format": "PNG", "quality": None, "standard_tables": None, "subsampling": None}] * 2,
        ),
    }
    shards: dict[str, dict[float, Path]] = {}
    for name, before in ORIGINALS.items():
        shards[name] = {1.0: sized_shards(folder / name / "original", "original", before, before)}
        for variant, sizes in COMPRESSED[name].items():
            made = sized_shards(folder / name / variant, variant, sizes, before)
            shards[name][int(variant[-2:]) / 100] = made
    size_vs_ratio(
        shards, manifests, published, folder / "z.csv", folder / "z.md", folder / "z.html"
    )
    return read(folder / "z.csv")


def test_size_vs_ratio_says_every_number(tmp_path: Path, published: Path) -> None:
    """Every column of the CSV: DTD shrinks to 350,000 of 1.5 MiB, beside the paper's 22.21 %."""
    rows = make_sizes(tmp_path, published)
    assert list(rows[0]) == [
        *("dataset", "ratio", "variant", "images", "bytes", "relative_size", "mean_bytes"),
        *("inflated", "kept", "shard_bytes", "source_format", "source_quality"),
        *("source_quality_p10", "source_quality_p90", "paper_relative_size"),
    ]
    assert [(row["dataset"], float(row["ratio"]), row["variant"]) for row in rows] == [
        (name, *which)
        for name in ("dtd", "mine")
        for which in ((1.0, "original"), (0.9, "jpeg-q90"), (0.3, "jpeg-q30"))
    ]
    sums = [1572864, 1572864, 350000, 10000, 5000, 2500]
    assert [int(row["bytes"]) for row in rows] == sums
    assert {row["images"] for row in rows} == {"2"}
    assert [float(row["mean_bytes"]) for row in rows] == [number / 2 for number in sums]
    shares = [1, 1, 350000 / 1572864, 1, 0.5, 0.25]
    assert [float(row["relative_size"]) for row in rows] == pytest.approx(shares, rel=1e-5)
    assert [row["inflated"] for row in rows] == ["0", "1", "0", "0", "0", "0"]
    assert [row["kept"] for row in rows] == ["2", "0", "0", "2", "0", "0"]
    assert [row["paper_relative_size"] for row in rows] == ["", "", "0.2221", "", "", ""]
    for row in rows:
        folder = tmp_path / row["dataset"] / row["variant"]
        assert int(row["shard_bytes"]) == sum(tar.stat().st_size for tar in folder.glob("*.tar"))
    quality = ["source_quality", "source_quality_p10", "source_quality_p90"]
    for row in rows[:3]:
        assert row["source_format"] == "JPEG"
        assert [float(row[name]) for name in quality] == [75, 63, 87]
    for row in rows[3:]:
        assert row["source_format"] == "PNG"
        assert [row[name] for name in quality] == ["", "", ""]


def test_size_vs_ratio_is_readable(tmp_path: Path, published: Path) -> None:
    """A row a data set, a column a ratio; an asterisk where images grew; a PNG has no quality."""
    make_sizes(tmp_path, published)
    assert cells(tmp_path / "z.md") == [
        ["data set", "source", "1.0", "0.9", "0.3", "paper at 0.3"],
        [
            *("dtd", "JPEG, quality 75 (63 to 87)", "1.50 MiB", "100.00%*", "22.25%", "22.21%"),
        ],
        ["mine", "PNG", "0.01 MiB", "50.00%", "25.00%", ""],
    ]
    assert alignment(tmp_path / "z.md") == {
        **dict.fromkeys(("data set", "source"), "left"),
        **dict.fromkeys(("1.0", "0.9", "0.3", "paper at 0.3"), "right"),
    }
    assert lines_are_even(tmp_path / "z.md")
    for file in ("z.md", "z.html"):
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert "*: some images came out larger than their source" in text


def test_size_vs_ratio_without_the_papers_data_sets(tmp_path: Path, published: Path) -> None:
    """Two data sets that the paper lacks have no column of the paper's."""
    shards: dict[str, dict[float, Path]] = {"mine": {}, "yours": {}}
    manifests = {}
    for name in ("mine", "yours"):
        manifests[name] = make_manifest(tmp_path / f"{name}.parquet", [{}, {}])
        for ratio, variant, sizes in ((1.0, "original", [1000]), (0.3, "jpeg-q30", [400])):
            shards[name][ratio] = sized_shards(tmp_path / name / variant, variant, sizes, [1000])
    size_vs_ratio(shards, manifests, published, tmp_path / "z.csv", tmp_path / "z.md")
    assert cells(tmp_path / "z.md")[0] == ["data set", "source", "1.0", "0.3"]
    assert [row["paper_relative_size"] for row in read(tmp_path / "z.csv")] == [""] * 4
    assert cells(tmp_path / "z.md")[1][3] == "40.00%"


@pytest.mark.parametrize("table", ["I", "III"])
def test_published_numbers_with_rows_missing_are_one_line(
    tmp_path: Path, published: Path, table: str
) -> None:
    """A published.csv without DTD's total, or cut off before Table III, is named."""
    content, total = published.read_text(encoding="utf-8"), 'I,dtd,total,"5,640",,\n'
    assert total in content
    cut = content.replace(total, "") if table == "I" else content.split("III")[0]
    path = tmp_path / "published.csv"
    path.write_text(cut, encoding="utf-8")
    with pytest.raises(UserError, match="restore it from the repository"):
        if table == "I":
            make_table1(tmp_path, path, {"dtd": ([{}] * 10, (2, 6, 2, 2), "")})
        else:
            make_sizes(tmp_path, path)


ACCURACY = """dataset,learner,variant,ratio,seeds,n,accuracy,low,high,interval
textures,lite0,original,1.0,3,200,0.8,0.75,0.85,Wilson with random effects
textures,lite0,jpeg-q50,0.5,3,200,0.78,0.73,0.83,Wilson with random effects
textures,lite0,jpeg-q30,0.3,3,200,0.76,0.71,0.81,Wilson with random effects
textures,autogluon,original,1.0,1,200,0.5,0.43,0.57,Wilson
textures,autogluon,jpeg-q30,0.3,1,200,0.55,0.48,0.62,Wilson
textures,b0,original,1.0,1,200,0.9,0.85,0.93,Wilson
"""

DIFFERENCES = """dataset,learner,variant,other_learner,other_variant,difference,low,high
textures,lite0,jpeg-q50,lite0,original,-0.02,-0.06,0.02
textures,lite0,jpeg-q30,lite0,original,-0.04,-0.09,0.01
textures,autogluon,jpeg-q30,autogluon,original,0.05,-0.01,0.11
"""

Shards = tuple[list[Path], list[Path]]


@pytest.fixture
def shards(tmp_path: Path, patches: Files) -> Shards:
    """Return original and compressed shards of real patches."""
    original, compressed = [], []
    for tar, name in (
        ("train-0.tar", "gravel.png"),
        ("train-1.tar", "coffee.png"),
        ("val-0.tar", "brick.png"),
        ("test-0.tar", "grass.png"),
    ):
        original.append(tmp_path / "original" / tar)
        compressed.append(tmp_path / "jpeg-q30" / tar)
        count = 2 if tar.startswith("train") else 1
        with writing_shard(original[-1], "original", "a test", count) as writer:
            for i, data in enumerate(patches(name, 20)):
                writer.append(pack([(f"{tar[:-4]}-{i}", 0, data, data)]))
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
    for name, text in (("accuracy", ACCURACY), ("differences", DIFFERENCES)):
        (folder / f"{name}.csv").write_text(text)
    inputs = folder / "accuracy.csv", folder / "differences.csv"
    folders = [{"textures": tars[0].parent} for tars in shards]
    table3(*folders, *inputs, ratio, folder / "t.csv", folder / "t.md")
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


def test_table3_is_the_same_beside_variants_with_noise(tmp_path: Path, shards: Shards) -> None:
    """A learner's runs on noisy images, which have no ratio, change nothing."""
    (tmp_path / "plain").mkdir()
    plain = make_table3(tmp_path / "plain", shards)
    noisy = "".join(
        f"textures,lite0,{variant},,3,200,0.{i}1,0.01,0.99,Wilson with random effects\n"
        for i, variant in enumerate(("noise", "noise-jpeg-q30"))
    )
    (tmp_path / "accuracy.csv").write_text(ACCURACY + noisy)
    (tmp_path / "differences.csv").write_text(DIFFERENCES)
    inputs = tmp_path / "accuracy.csv", tmp_path / "differences.csv"
    folders = [{"textures": tars[0].parent} for tars in shards]
    table3(*folders, *inputs, 0.3, tmp_path / "t.csv", tmp_path / "t.md")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), plain)


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
    assert len(make_table3(tmp_path, shards, ratio=0.9)) == 0


def of_bytes(folder: Path, dataset: str) -> Path:
    """Write what is measured of a data set's bytes: header 2 and tables 6 of every 10."""
    rows = [
        {
            **{"ratio": ratio, "images": 100, "bytes": whole, "header": 0.2 * whole},
            **{"tables": 0.6 * whole, "metadata": 0.05 * whole, "scan": 0.1 * whole},
            **{"trailing": 0.05 * whole, "other": 0, "sampled": tried, "smaller": tried - 1},
            **{"sampled_bytes": 1000, "optimized_bytes": 900, "saved": 0.1},
            **{"saved_low": 0.1 - low, "saved_high": 0.1 + low},
        }
        for ratio, whole, tried, low in ((0.3, 20_000, 40, 0.02), (1.0, 200_000, 100, 0.0))
    ]
    path = folder / f"{dataset}.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_bytes_by_part_stand_beside_the_papers_relative_size(
    tmp_path: Path, published: Path
) -> None:
    """In bytes an image and in percent; what scans alone would be; the paper's at its ratio."""
    measured = {name: of_bytes(tmp_path, name) for name in ("cifar10", "mine")}
    bytes_by_part(measured, published, tmp_path / "z.csv", tmp_path / "z.md")
    table = pd.read_csv(tmp_path / "z.csv")
    assert table["dataset"].tolist() == ["cifar10"] * 2 + ["mine"] * 2
    assert table["ratio"].tolist() == [1.0, 0.3] * 2
    assert table["relative_size"].tolist() == pytest.approx([1, 0.1] * 2)
    assert table["relative_scan"].tolist() == pytest.approx([0.1, 0.01] * 2)
    assert table["paper_relative_size"].notna().tolist() == [False, True, False, False]
    text = (tmp_path / "z.md").read_text("utf-8")
    assert "40 (20.0%)" in text  # header of 200 B
    assert "120 (60.0%)" in text
    assert "10 (5.0%)" in text  # metadata; what trails stands beside


def test_free_savings_say_of_how_many_images(tmp_path: Path) -> None:
    """A sample has an interval, all images have none; metadata are told apart."""
    free_savings({"mine": of_bytes(tmp_path, "mine")}, tmp_path / "z.csv", tmp_path / "z.md")
    table = pd.read_csv(tmp_path / "z.csv")
    assert table["metadata_share"].tolist() == pytest.approx([0.1, 0.1])
    original, compressed = (
        line for line in (tmp_path / "z.md").read_text("utf-8").splitlines() if "| mine" in line
    )
    assert "10.00% [8.00%, 12.00%]" in compressed
    assert "25 → 22" in compressed or "25 → 23" in compressed
    assert "[" not in original
    assert original.split("|")[-2].strip() == "99"
