"""Groups: what belongs together stays together, without being told where pixels tell it."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conversions import encoded, tree
from image_files import tiff
from near_copies import cut
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.datasets.fetch import fetch
from jpegprep.datasets.groups import believed, find_groups, joined
from jpegprep.datasets.manifest import build_manifest
from jpegprep.datasets.near_copies import Pairs
from jpegprep.datasets.own_images import inspect, registry_entry
from jpegprep.datasets.splits import split_dataset
from jpegprep.learners.folds import folds_of, parts_of_pair

FIVE = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5)]  # corners and middle


class Found:
    """What becomes of a source: its manifest, groups and split."""

    def __init__(
        self, source: Path, folder: Path, duplicates: str = "together", **options: Any
    ) -> None:
        """Run the stages as the workflow does."""
        columns = options.pop("columns", None)
        entry = registry_entry(inspect(source, columns=columns))
        entry["options"] |= options
        self.archive = folder / "archives" / entry["archives"][0]["name"]
        fetch(entry["archives"][0], self.archive)
        names = ("manifest.parquet", "groups.parquet", "facts.json", "pairs.csv", "pairs.png")
        manifest, groups, facts, self.pairs, self.sheet = (folder / name for name in names)
        build_manifest(entry, [self.archive], manifest)
        archives = [self.archive] if duplicates == "together" else []
        self.told = find_groups(
            entry, manifest, duplicates, groups, facts, self.pairs, self.sheet, archives, threads=2
        )
        self.facts = json.loads(facts.read_text("utf-8"))
        how = {**entry["split"], "duplicates": duplicates}
        split_dataset(how, entry["shards"], manifest, folder / "split.parquet", groups=groups)
        table = pd.read_parquet(manifest).drop(columns="group").merge(pd.read_parquet(groups))
        split = pd.read_parquet(folder / "split.parquet")[["key", "label", "split"]]
        self.table = table.merge(split, on="key")

    def sides(self, what: pd.Series, sides: Any = None) -> int:
        """Return how many of what belongs together stand on more than one side."""
        on = self.table["split"].to_numpy() if sides is None else sides
        return int((pd.Series(on).groupby(what.to_numpy()).nunique() > 1).sum())


def bursts(photographs: Mapping[str, list[Image.Image]], side: float) -> dict[str, bytes]:
    """Return five crops of each photograph of each class, as JPEG files of several qualities."""
    files = {}
    for name, images in photographs.items():
        for i, image in enumerate(images):
            for k, (left, top) in enumerate(FIVE):
                buffer = io.BytesIO()
                cut(image, side, left, top).save(buffer, "JPEG", quality=60 + 8 * k)
                files[f"{name}/{i}-{k}.jpg"] = buffer.getvalue()
    return files


def tiles(path: Path, count: int = 10, side: int = 128) -> list[Image.Image]:
    """Return parts of a large photograph that do not overlap, those with most to see."""
    image = Image.open(path).convert("RGB")
    places = [
        (x, y)
        for x in range(0, image.width - side + 1, side)
        for y in range(0, image.height - side + 1, side)
    ]
    found = [image.crop((x, y, x + side, y + side)) for x, y in places]
    return sorted(found, key=lambda tile: -np.asarray(tile.convert("L"), float).std())[:count]


@pytest.fixture(scope="module")
def photographs(photos: Path) -> dict[str, list[Image.Image]]:
    """Return ten photographs of each of four classes, textures among them."""
    names = ("astronaut.png", "coffee.png", "hubble_deep_field.jpg", "gravel.png")
    return {name.partition(".")[0]: tiles(photos / name) for name in names}


@pytest.mark.parametrize("side", [0.95, 0.9])
def test_no_burst_is_on_two_sides(
    photographs: dict[str, list[Image.Image]], tmp_path: Path, side: float
) -> None:
    """Ten photographs a class, five crops of each: nobody said which belong together."""
    found = Found(tree(tmp_path / "x", bursts(photographs, side)), tmp_path)
    burst = found.table["member"].str.rpartition("-")[0]
    assert burst.nunique() == 40
    assert found.sides(burst) == 0
    assert set(found.table["split"]) == {"train", "val", "test"}
    # Nor in two folds, of the probe or of pairs; and a group is one photograph, no chain of some.
    labels, group = (found.table[name].to_numpy(dtype=np.int64) for name in ("label", "group"))
    for seed in range(4):
        assert found.sides(burst, folds_of(labels, group, 5, seed)) == 0
    pairs = {"folds": 5, "train_images": 100, "test_images": 40}
    parts = parts_of_pair(labels, group, pairs, 0)
    trained, tested = (set(burst.iloc[parts[name]]) for name in ("train", "test"))
    assert not trained & tested
    assert found.table.groupby(burst)["group"].nunique().max() == 1
    assert found.table.groupby("group")["member"].nunique().max() == 5
    assert "200 images are 40 groups of what belongs together" in found.told


@pytest.mark.parametrize("side", [0.85, 0.8])
def test_few_wide_bursts_are_torn(
    photographs: dict[str, list[Image.Image]], tmp_path: Path, side: float
) -> None:
    """Where crops share little more than half of their pixels, nine of ten bursts are whole."""
    found = Found(tree(tmp_path / "x", bursts(photographs, side)), tmp_path)
    burst = found.table["member"].str.rpartition("-")[0]
    assert found.sides(burst) <= 4
    assert found.table.groupby("group")["member"].nunique().max() == 5


def test_copies_of_all_kinds_are_together_and_strangers_are_not(
    photographs: dict[str, list[Image.Image]], tmp_path: Path
) -> None:
    """Re-encoded, resized and brighter copies join their original; the rest stay alone."""
    files = {}
    for name, images in photographs.items():
        for i, image in enumerate(images):
            png = encoded_image(image)
            files[f"{name}/{i}-a.png"] = png
            if i < 3:
                small = image.resize((64, 64))
                brighter = image.point(lambda value: min(255, round(1.15 * value)))
                files[f"{name}/{i}-b.jpg"] = encoded(png, "JPEG", quality=30)
                files[f"{name}/{i}-c.png"] = encoded_image(small)
                files[f"{name}/{i}-d.webp"] = encoded(encoded_image(brighter), "WEBP", quality=80)
    found = Found(tree(tmp_path / "x", files), tmp_path)
    photograph = found.table["member"].str.rpartition("-")[0]
    assert found.table.groupby(photograph)["group"].nunique().max() == 1
    assert found.table["group"].nunique() == 40
    assert found.facts["near"] == 48 and found.facts["conflicts"] == 0


def test_deep_copies_are_compared_in_the_range_of_the_data_set(
    photographs: dict[str, list[Image.Image]], tmp_path: Path
) -> None:
    """By the full scale all of them would be black, and none a copy."""
    files = {}
    for name, images in photographs.items():
        for i, image in enumerate(images):
            gray = np.asarray(image.convert("L"))
            files[f"{name}/{i}-a.png"] = encoded_image(Image.fromarray(gray.astype(np.uint16)))
            if i < 3:
                small = np.asarray(image.convert("L").resize((64, 64)))
                files[f"{name}/{i}-b.tif"] = tiff(small.astype(np.float32) / 1e5)
    found = Found(tree(tmp_path / "x", files), tmp_path)
    photograph = found.table["member"].str.rpartition("-")[0]
    assert found.table.groupby(photograph)["group"].nunique().max() == 1
    assert found.table["group"].nunique() == 40
    assert (found.facts["near"], found.facts["plain"]) == (24, 0)
    first = np.asarray(Image.open(found.sheet).convert("L"))[60:160, 20:150]
    assert first.max() > 100  # no black picture


def encoded_image(image: Image.Image) -> bytes:
    """Return an image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_patient_is_on_one_side(
    tmp_path: Path, patches: Callable[..., list[bytes]], delimiter: str
) -> None:
    """The column is found by its name, told, and heeded, also where copies are apart."""
    pngs = patches("coffee.png", 48, side=32)
    source = tree(tmp_path / "x", {f"all/{i}.png": data for i, data in enumerate(pngs)})
    lines = [("image_id", "class", "patient")]
    lines += [(f"all/{i}.png", "ab"[i % 2], f"p{i // 4}") for i in range(48)]
    text = "".join(delimiter.join(line) + "\n" for line in lines)
    (source / "labels.csv").write_text(text)
    for duplicates in ("together", "apart"):
        folder = tmp_path / duplicates
        found = Found(source / "labels.csv", folder, duplicates)
        number = found.table["member"].str.extract(r"(\d+)\.png", expand=False).astype(int)
        assert found.sides(number // 4) == 0
        assert found.facts["said"] == 48
        assert "of 48 images a group was given" in found.told
    without = Found(source / "labels.csv", tmp_path / "without", columns={"group": False})
    assert without.facts["said"] == 0 and without.sides(number // 4) > 0


def test_a_pattern_says_what_belongs_together(
    tmp_path: Path, patches: Callable[..., list[bytes]]
) -> None:
    """Over the paths; one that finds nothing twice is an error."""
    pngs = patches("coffee.png", 24, side=32)
    files = {f"{'ab'[i % 2]}/patient{i // 4}_{i}.png": data for i, data in enumerate(pngs)}
    source = tree(tmp_path / "x", files)
    found = Found(source, tmp_path / "1", group=r"(?P<group>patient\d+)_")
    assert found.sides(found.table["member"].str.extract(r"(patient\d+)", expand=False)) == 0
    assert found.facts["groups"] == 6
    with pytest.raises(UserError, match="finds in no two names of images the same"):
        Found(source, tmp_path / "2", group=r"_(\d+)\.png")


def test_given_splits_that_tear_groups_apart_are_told(
    photographs: dict[str, list[Image.Image]], tmp_path: Path
) -> None:
    """They stay as they are given; the answer names an example."""
    images = {f"train/{name}": photographs[name][:6] for name in ("coffee", "gravel")}
    files = bursts(images, 0.95)
    torn = {}
    for name, data in files.items():
        moved = name.replace("train/", "test/", 1) if name.endswith("-4.jpg") else name
        torn[moved] = data
    found = Found(tree(tmp_path / "x", torn), tmp_path)
    assert found.facts["torn"]["groups"] == 12 and found.facts["torn"]["images"] == 60
    assert "the given splits tear 12 groups apart" in found.told


def test_pairs_are_listed_and_shown(
    photographs: dict[str, list[Image.Image]], tmp_path: Path
) -> None:
    """A copy in another class is a conflict: such a pair is counted, listed and on the sheet."""
    files = {f"a/{i}.png": encoded_image(image) for i, image in enumerate(photographs["coffee"])}
    files |= {f"b/{i}.png": encoded_image(image) for i, image in enumerate(photographs["gravel"])}
    files["b/same.jpg"] = encoded(files["a/2.png"], "JPEG", quality=50)
    found = Found(tree(tmp_path / "x", files), tmp_path)
    (row,) = pd.read_csv(found.pairs).to_dict("records")
    assert {row["member"], row["other"]} == {"a/2.png", "b/same.jpg"}
    assert {row["class"], row["other_class"]} == {"a", "b"} and row["alike"] > 0.95
    assert "in 1 pairs, 1 of them of two classes" in found.told
    sheet = Image.open(found.sheet).convert("RGB")
    shown = np.asarray(sheet.crop((12, 30, 172, 190)), dtype=float)
    expected = Image.open(io.BytesIO(files["a/2.png"])).convert("RGB")
    assert np.abs(shown[16:144, 16:144] - np.asarray(expected, dtype=float)).mean() < 1


def test_copies_apart_are_no_reason_to_split_together(
    photographs: dict[str, list[Image.Image]], tmp_path: Path
) -> None:
    """Near copies are not looked for; intervals still know equal bytes."""
    files = bursts({name: photographs[name][:6] for name in ("coffee", "gravel")}, 0.95)
    files |= {f"coffee/again{i}.jpg": files["coffee/0-0.jpg"] for i in range(6)}
    found = Found(tree(tmp_path / "x", files), tmp_path, "apart")
    assert found.facts["near"] == 0 and not found.facts["looked"]
    assert found.facts["copies"] == 7 and found.facts["largest"] == 7
    assert found.table["split_group"].nunique() == len(files)


# What must not chain


def test_what_is_linked_through_others_is_one_group() -> None:
    """Links of any kind: a with b, b with c; d alone."""
    links = [(np.array([0]), np.array([1])), (np.array([2]), np.array([1]))]
    found = joined(links, 4).tolist()
    assert found[0] == found[1] == found[2] != found[3]


def test_a_class_that_looks_alike_is_not_one_group() -> None:
    """Among 60 images of which all are alike by 0.75, and pairs by 0.97, the pairs count."""
    one, other = np.triu_indices(60, 1)
    alike = np.full(len(one), 0.75)
    alike[(one % 2 == 0) & (other == one + 1)] = 0.97
    classes = np.array(["x"] * 60 + ["y"] * 60)
    kept, tightened = believed(Pairs(one, other, alike, alike), [], classes)
    assert sorted(zip(kept.one.tolist(), kept.other.tolist(), strict=True)) == [
        (i, i + 1) for i in range(0, 60, 2)
    ]
    assert [(t.class_name, t.images, t.of) for t in tightened] == [("x", 60, 60)]
    # A burst of ten is believed, and so is one of 20 in a class of 200.
    for images, size in ((10, 20), (20, 200)):
        one, other = np.triu_indices(images, 1)
        burst = Pairs(one, other, *2 * [np.full(len(one), 0.75)])
        kept, tightened = believed(burst, [], np.array(["x"] * size))
        assert len(kept.one) == len(one) and not tightened


def test_frames_of_a_few_videos_are_groups_and_one_video_alone_is_told() -> None:
    """Three videos of 30 frames can be split; a class that is one video cannot."""
    frames = [np.triu_indices(30, 1)[end] for end in (0, 1)]
    one, other = (np.concatenate([end + 30 * k for k in range(3)]) for end in frames)
    videos = Pairs(one, other, *2 * [np.full(len(one), 0.97)])
    kept, tightened = believed(videos, [], np.array(["x"] * 90))
    assert len(kept.one) == len(one) and not tightened
    kept, tightened = believed(videos, [], np.repeat(["x", "y", "z"], 30))
    assert not len(kept.one)
    assert [(told.class_name, told.images, told.of) for told in tightened] == [
        (name, 30, 30) for name in "xyz"
    ]
    assert {told.alike for told in tightened} == {0.98}
    # What a class has in common makes no group, and that is told.
    outline = Pairs(one, other, np.full(len(one), 0.97), np.full(len(one), 0.1))
    kept, tightened = believed(outline, [], np.repeat(["x", "y", "z"], 30))
    assert not len(kept.one) and {told.alike for told in tightened} == {0.0}


def test_x_rays_of_one_view_are_not_one_group(photos: Path, tmp_path: Path) -> None:
    """150 images of one phantom, each a little moved, turned and noisy: classes can be split."""
    rng = np.random.default_rng(0)
    phantom = Image.open(photos / "phantom.png").convert("L").resize((256, 256))
    body = Image.fromarray((np.asarray(phantom, float) * 0.6 + 40).astype(np.uint8))
    files = {}
    for i in range(150):
        scale, skew, move = rng.normal(0, 0.02, 2), rng.normal(0, 0.01, 2), rng.normal(0, 3, 2)
        affine = (1 + scale[0], skew[0], move[0], skew[1], 1 + scale[1], move[1])
        moved = body.transform((256, 256), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
        pixels = np.asarray(moved, float) + rng.normal(0, 4, (256, 256))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        files[f"{'healthy' if i % 2 else 'ill'}/{i}.png"] = encoded_image(image)
    found = Found(tree(tmp_path / "x", files), tmp_path)
    assert found.facts["largest"] <= 15
    assert found.table.groupby("class")["group"].nunique().min() > 20
