"""Quality apart from chroma subsampling: steps that add up, bytes of the files, the figure."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_every_accuracy import cells
from test_noise_examples import words
from test_noise_readings import draws, write_run

from jpegprep.common.errors import UserError
from jpegprep.common.layout import ORIGINAL, Run
from jpegprep.evaluation.accuracy import compare, evaluate
from jpegprep.evaluation.stats import difference_interval
from jpegprep.results.figures.chroma import accuracy_vs_bytes
from jpegprep.results.tables.chroma import chroma
from jpegprep.shards.shards import ShardReader, pack, splits_of, writing_shard
from jpegprep.shards.treatments import treat_shard

VARIANTS = {0.9: ("jpeg-q90-444", "jpeg-q90"), 0.3: ("jpeg-q30-444", "jpeg-q30")}
NAMES = [ORIGINAL, *(name for pair in VARIANTS.values() for name in pair)]
SHARES = dict(zip(NAMES, (0.9, 0.85, 0.7, 0.6, 0.6), strict=True))
GRAY, COLOUR = 3, 5


@pytest.fixture
def shards(tmp_path: Path, patches: Callable[..., list[bytes]]) -> dict[str, dict[str, Path]]:
    """Return real shards of gray and colour patches, of each variant."""
    images = patches("gravel.png", GRAY) + patches("coffee.png", COLOUR)
    folders = {name: tmp_path / "shards" / name for name in NAMES}
    for split in ("train", "val", "test"):
        original = folders[ORIGINAL] / f"{split}-0.tar"
        with writing_shard(original, ORIGINAL, "none") as writer:
            rows = enumerate(images if split == "train" else [])
            writer.append(pack([(f"k{i}", 0, data, data) for i, data in rows]))
        for name in NAMES[1:]:
            treat_shard(original, name, folders[name] / f"{split}-0.tar")
    return {"pets": folders}


@pytest.fixture
def right() -> dict[str, np.ndarray]:
    """Return which images each repeat gets right, by variant."""
    return {name: draws(share, i) for i, (name, share) in enumerate(SHARES.items())}


@pytest.fixture
def targets(
    tmp_path: Path,
    shards: dict[str, dict[str, Path]],
    right: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> list[Path]:
    """Return the table's files."""
    monkeypatch.chdir(tmp_path)
    runs = [
        write_run(Run("pets", name, "probe", seed), images[seed])
        for name, images in right.items()
        for seed in range(len(images))
    ]
    predictions = [run.file("predictions.parquet") for run in runs]
    records = [run.file("run.json") for run in runs]
    evaluate(runs, predictions, records, "runs.csv", "accuracy.csv", {})
    sides = [("probe", name) for name in NAMES]
    pairs = [("pets", one, other) for one in sides for other in sides if one != other]
    compare(runs, predictions, pairs, "differences.csv")
    found = [tmp_path / f"chroma.{kind}" for kind in ("csv", "md", "html")]
    chroma("accuracy.csv", "differences.csv", shards, "probe", VARIANTS, *found)
    return found


def test_steps_are_paired_differences_that_add_up(
    targets: list[Path], right: dict[str, np.ndarray]
) -> None:
    """Original to 4:4:4, 4:4:4 to 4:2:0 and the whole, each with its own interval."""
    table = pd.read_csv(targets[0])
    assert table["ratio"].tolist() == [0.9, 0.3]
    for row in table.to_dict("records"):
        full, subsampled = VARIANTS[row["ratio"]]
        of = {"original": right[ORIGINAL], "full": right[full], "subsampled": right[subsampled]}
        for side, correct in of.items():
            assert row[f"{side}_accuracy"] == pytest.approx(correct.mean(), rel=1e-5)
        for step, one, other in (
            ("quality", "full", "original"),
            ("subsampling", "subsampled", "full"),
            ("both", "subsampled", "original"),
        ):
            expected = difference_interval(of[one], of[other], crossfitted=True)
            assert [row[step], row[f"{step}_low"], row[f"{step}_high"]] == pytest.approx(
                [expected.difference, expected.low, expected.high], rel=1e-4, abs=1e-6
            )
        assert row["quality"] + row["subsampling"] == pytest.approx(row["both"], abs=2e-6)


def test_bytes_and_differing_files_are_those_of_the_shards(
    targets: list[Path], shards: dict[str, dict[str, Path]]
) -> None:
    """Sums over the files; of gray images 4:4:4 and 4:2:0 are the same file."""
    table = pd.read_csv(targets[0]).set_index("ratio")
    sums = {}
    for name, folder in shards["pets"].items():
        reader = ShardReader([tar for tars in splits_of(folder).values() for tar in tars])
        sums[name] = sum(len(reader.image(i)) for i in range(len(reader)))
    for ratio, (full, subsampled) in VARIANTS.items():
        row = table.loc[ratio]
        names = {"original": ORIGINAL, "full": full, "subsampled": subsampled}
        assert {side: row[f"{side}_bytes"] for side in names} == {
            side: sums[name] for side, name in names.items()
        }
        assert (row["images"], row["differ"]) == (GRAY + COLOUR, COLOUR)
        assert row["full_bytes"] > row["subsampled_bytes"]


def test_people_read_steps_and_bytes(targets: list[Path]) -> None:
    """A row a ratio, with shares of bytes, n and repeats."""
    rows = cells(targets[1].read_text("utf-8"))
    table = pd.read_csv(targets[0])
    assert [row["ratio"] for row in rows] == ["0.9", "0.3"]
    for row, numbers in zip(rows, table.to_dict("records"), strict=True):
        assert row["differ"] == f"{COLOUR} of {GRAY + COLOUR}"
        share = numbers["full_bytes"] / numbers["original_bytes"]
        assert row["bytes, 4:4:4"] == f"{share:.1%}"
        assert row["subsampling, points"].startswith(f"{100 * numbers['subsampling']:+.1f} [")
        assert (row["test images"], row["seeds"]) == ("400", "cross-fitted, 3 repeats")


def test_shards_of_other_images_are_named(
    targets: list[Path], shards: dict[str, dict[str, Path]], tmp_path: Path
) -> None:
    """Where the two chromas are of different images, one line says which folder to remove."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    with writing_shard(shards["pets"]["jpeg-q30"] / "train-0.tar", "jpeg-q30", "none") as writer:
        writer.append(pack([("other", 0, buffer.getvalue(), b"")]))
    given: tuple[Any, ...] = ("accuracy.csv", "differences.csv", shards, "probe", VARIANTS)
    with pytest.raises(UserError, match=r"jpeg-q30: holds other images than .*jpeg-q30-444; remov"):
        chroma(*given, tmp_path / "again.csv")


def test_the_figure_has_both_lines_and_all_ratios(targets: list[Path], tmp_path: Path) -> None:
    """Each ratio stands at both lines; the panel says n; the same table makes the same file."""
    drawn = [tmp_path / name for name in ("a.svg", "b.svg", "c.png")]
    for target in drawn:
        accuracy_vs_bytes(targets[0], target)
    text = words(drawn[0])
    assert text.count("0.9") >= 2 and text.count("0.3") >= 2
    assert {"4:4:4", "4:2:0", "pets: n = 400, 3 repeats"} <= set(text)
    assert drawn[0].read_bytes() == drawn[1].read_bytes()
    with Image.open(drawn[2]) as image:
        assert image.width == 700
