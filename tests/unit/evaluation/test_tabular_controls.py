"""What the controls say: of real photographs whose files differ, and of planted predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.evaluation.tabular_controls import tabular_controls
from jpegprep.images.images import decode, encode_jpeg
from jpegprep.learners.controls import TREES, controls, write_controls
from jpegprep.learners.features import extract, feature_names

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "brick.png", "grass.png")
PHOTOGRAPHS += ("gravel.png", "rocket.jpg", "retina.jpg", "hubble_deep_field.jpg")
KINDS = {"dequantized": "dct", "undequantized": "dct_stored", "encoder": "encoder"}
SEEDS = (0, 1)


@pytest.fixture(scope="module")
def photographs(photos: Path) -> tuple[list[Image.Image], np.ndarray]:
    """Return up to 49 patches of 64 px of each of ten photographs, and their classes."""
    images, labels = [], []
    for label, name in enumerate(PHOTOGRAPHS):
        with Image.open(photos / name) as photograph:
            image = photograph.convert("RGB")
        corners = [
            (x, y) for x in range(0, image.width - 63, 64) for y in range(0, image.height - 63, 64)
        ][:49]
        images += [image.crop((x, y, x + 64, y + 64)) for x, y in corners]
        labels += [label] * len(corners)
    return images, np.array(labels)


def experiment(
    folder: Path, files: Sequence[bytes], labels: np.ndarray, ratios: Sequence[float]
) -> pd.DataFrame:
    """Train the controls on the files, and on them compressed; return the table of what they say.

    Every second file is tested.
    """
    tested = np.arange(len(labels)) % 2 == 0
    keys = np.array([f"k{i}" for i in range(tested.sum())])
    paths: dict[float, list[Path]] = {}
    for ratio in (1.0, *ratios):
        of_ratio = files
        if ratio < 1:
            of_ratio = [encode_jpeg(decode(data), round(100 * ratio)) for data in files]
        features = {
            name: pd.DataFrame(
                [extract(data, [kind], 1) for data in of_ratio], columns=feature_names([kind], 1)
            )
            for name, kind in KINDS.items()
        }
        train, test = (
            {name: table[rows] for name, table in features.items()} for rows in (~tested, tested)
        )
        for seed in SEEDS:
            predicted = controls(train, labels[~tested], test, seed, threads=1)
            paths.setdefault(ratio, []).append(folder / f"{ratio}-{seed}.parquet")
            write_controls(paths[ratio][-1], keys, labels[tested], predicted)
    tabular_controls({"photographs": paths}, folder / "t.csv")
    return pd.read_csv(folder / "t.csv").set_index("ratio")


def test_mixed_quality_is_an_artefact_of_units_alone(
    tmp_path: Path, photographs: tuple[list[Image.Image], np.ndarray]
) -> None:
    """Photographs saved at qualities drawn at random, whatever their class.

    Undequantized, compression to one quality is a gain of several points; dequantized it is none;
    and no leak is said.
    """
    images, labels = photographs
    rng = np.random.default_rng(0)
    qualities = rng.integers(50, 98, len(images))
    files = [encode_jpeg(image, int(q)) for image, q in zip(images, qualities, strict=True)]
    table = experiment(tmp_path, files, labels, [0.9])
    original, compressed = table.loc[1.0], table.loc[0.9]
    assert original["units_high"] < -0.02
    assert original["finding"] == "units: loss"
    assert compressed["undequantized_change_low"] > 0.02
    assert compressed["dequantized_change_low"] < 0 < compressed["dequantized_change_high"]
    assert abs(compressed["units"]) < 0.005
    assert abs(compressed["dequantized_accuracy"] - original["dequantized_accuracy"]) < 0.025
    assert compressed["finding"] == "no change shown; undequantized: gain, by units"
    assert (table["leak_low"] < 0).all()


def test_files_of_one_quality_have_no_artefact(
    tmp_path: Path, photographs: tuple[list[Image.Image], np.ndarray]
) -> None:
    """Of files with the same tables both columns are the same, and nothing is found."""
    images, labels = photographs
    table = experiment(tmp_path, [encode_jpeg(image, 85) for image in images], labels, [])
    original = table.loc[1.0]
    assert abs(original["units"]) < 0.005
    assert original["leak"] == 0
    assert original["finding"] == "none shown"


def test_labels_that_are_the_encoders_quality_are_a_leak(
    tmp_path: Path, photographs: tuple[list[Image.Image], np.ndarray]
) -> None:
    """The class is the quality, whatever the image: all columns rise, and it is called a leak.

    At one quality for all the trees still find traces of the earlier one: no effect is claimed.
    """
    images, _ = photographs
    labels = np.random.default_rng(1).integers(0, 2, len(images))
    files = [encode_jpeg(image, (70, 90)[x]) for image, x in zip(images, labels, strict=True)]
    table = experiment(tmp_path, files, labels, [0.5])
    original, compressed = table.loc[1.0], table.loc[0.5]
    assert original["encoder_accuracy"] == 1
    assert original["leak_low"] > 0.3
    assert min(original["undequantized_accuracy"], original["dequantized_accuracy"]) > 0.75
    assert original["finding"] == "leak: the encoder gives the class away"
    assert compressed["undequantized_change_high"] < -0.1
    assert compressed["leak"] == 0
    assert compressed["finding"] == "no effect of compression: the originals leak"


def planted(folder: Path, rights: dict[float, dict[str, Sequence[bool]]], keys: str = "k") -> Any:
    """Write controls of one seed with these right answers of two classes; return where they lie."""
    paths = {}
    for ratio, of_ratio in rights.items():
        count = len(of_ratio["baseline"])
        labels = np.arange(count) % 2
        predicted = pd.DataFrame(
            {name: np.where(right, labels, 1 - labels) for name, right in of_ratio.items()}
        )
        path = folder / f"{ratio}.parquet"
        write_controls(path, np.array([f"{keys}{i}" for i in range(count)]), labels, predicted)
        paths[ratio] = [path]
    return {"set": paths}


def shares(**of: float) -> dict[str, np.ndarray]:
    """Return right answers of 200 images: of each control the first so many, 0.5 if left out."""
    return {name: np.arange(200) < 200 * of.get(name, 0.5) for name in (*TREES, "baseline")}


@pytest.mark.parametrize(
    ("image", "file", "finding"),
    [
        (0.5, 0.5, "no change shown"),
        (0.6, 0.6, "gain"),
        (0.4, 0.4, "loss"),
        (0.5, 0.6, "no change shown; undequantized: gain, by units"),
        (0.4, 0.6, "loss; undequantized: gain, by units"),
    ],
)
def test_a_finding_is_what_the_intervals_say(
    tmp_path: Path, image: float, file: float, finding: str
) -> None:
    """A gain or loss is one whose whole interval lies on that side; both columns are named."""
    rights = {1.0: shares(), 0.5: shares(dequantized=image, undequantized=file)}
    tabular_controls(planted(tmp_path, rights), tmp_path / "t.csv")
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["ratio"].tolist() == [1.0, 0.5]
    assert table["finding"].tolist() == ["none shown", finding]
    assert table.loc[1, ["dequantized_change", "undequantized_change"]].tolist() == pytest.approx(
        [image - 0.5, file - 0.5]
    )


def test_a_table_that_people_read_has_n_seeds_and_intervals(tmp_path: Path) -> None:
    """Accuracies and differences with intervals; the original has no change."""
    rights = {0.5: shares(dequantized=0.6), 1.0: shares(encoder=0.9)}
    tabular_controls(planted(tmp_path, rights), tmp_path / "t.md", tmp_path / "t.html")
    lines = (tmp_path / "t.md").read_text("utf-8").splitlines()
    first, second = ([x.strip() for x in line.strip("|").split("|")] for line in lines[2:4])
    assert first[:3] == ["set", "1.0", "0.500 [0.431, 0.569]"]
    assert first[5:7] == ["0.900 [0.851, 0.934]", "0.500 [0.431, 0.569]"]
    assert first[7].startswith("+40.0 [") and first[8:10] == ["", ""]
    assert first[10:] == ["leak: the encoder gives the class away", "200", "1"]
    assert second[8].startswith("+10.0 [") and second[9].startswith("+0.0 [")
    assert second[10] == "no effect of compression: the originals leak"


def test_controls_of_other_images_are_refused(tmp_path: Path) -> None:
    """Ratios are compared on the same test images."""
    (tmp_path / "other").mkdir()
    one = planted(tmp_path, {1.0: shares()})["set"]
    other = planted(tmp_path / "other", {0.5: shares()}, keys="x")["set"]
    with pytest.raises(UserError, match="different images"):
        tabular_controls({"set": one | other}, tmp_path / "t.csv")


def test_one_test_image_tells_nothing(tmp_path: Path) -> None:
    """Its intervals hold everything."""
    one = {name: right[:1] for name, right in shares(encoder=0.9).items()}
    one["baseline"] = np.array([False])
    tabular_controls(planted(tmp_path, {1.0: one}), tmp_path / "t.csv")
    (row,) = pd.read_csv(tmp_path / "t.csv").to_dict("records")
    assert (row["leak_low"], row["leak_high"], row["finding"]) == (-1, 1, "none shown")
