"""The contact sheet: originals beside the images that are misclassified, and what is said."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.images.images import codec
from jpegprep.results.figures.flips import contact_sheet
from jpegprep.shards.shards import ShardReader, pack, writing_shard
from jpegprep.shards.treatments import treat_shard

COLUMNS = [
    *("dataset", "learner", "key", "class", "first_ratio", "lost_for_good", "wrong_at"),
    "predicted",
]
Shards = dict[float, list[Path]]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, patches: Callable[..., list[bytes]]) -> Shards:
    """Return two test shards at each ratio: patches of a photograph, with keys 000 to 011."""
    folder = tmp_path_factory.mktemp("shards")
    found: Shards = {1.0: [], 0.3: [], 0.1: []}
    files = patches("coffee.png", 12)
    for k in range(2):
        original = folder / "original" / f"test-{k}.tar"
        with writing_shard(original, "original", codec(), 2) as writer:
            for i in range(k, 12, 2):
                writer.append(pack([(f"{i:03d}", i % 3, files[i], files[i])]))
        found[1.0].append(original)
        for ratio, variant in ((0.3, "jpeg-q30"), (0.1, "jpeg-q10")):
            treat_shard(original, variant, folder / variant / f"test-{k}.tar")
            found[ratio].append(folder / variant / f"test-{k}.tar")
    return found


def folders(shards: Shards) -> dict[float, Path]:
    """Return the folder of the shards at each ratio."""
    return {ratio: tars[0].parent for ratio, tars in shards.items()}


def table(path: Path, rows: list[tuple[str, str, float, bool, str]]) -> Path:
    """Write flips of the data set a (key, class, ratio, lost for good, predicted), and one of b."""
    every = [("a", "x", key, true, r, lost, str(r), other) for key, true, r, lost, other in rows]
    every.insert(0, ("b", "x", "999", "b", 0.3, True, "0.3", "c"))
    pd.DataFrame(every, columns=COLUMNS).to_csv(path, index=False)
    return path


def pictures(svg: Path) -> list[Image.Image]:
    """Return the pictures of an SVG, row by row from the left."""
    found = []
    for tag in re.findall(r"<image [^>]*>", svg.read_text("utf-8"), re.DOTALL):
        data = re.search(r'href="data:image/png;base64,([^"]*)"', tag)
        place = re.search(r'transform="matrix\(([^)]*)\)"', tag)
        assert data and place
        x, y = map(float, re.split(r"[ ,]+", place[1].strip())[4:6])
        image = Image.open(io.BytesIO(base64.b64decode(data[1]))).convert("RGB")
        found.append((round(y), x, image))
    return [image for _, _, image in sorted(found, key=lambda item: item[:2])]


def words(svg: Path) -> list[str]:
    """Return the texts of an SVG; Matplotlib comments on each."""
    return re.findall(r"<!-- (.*?) -->", svg.read_text("utf-8"))


def image_file(shards: list[Path], key: str) -> bytes:
    """Return the image file of a sample."""
    reader = ShardReader(shards)
    return reader.image(reader.keys.tolist().index(key))


def shown(pixels: Image.Image, file: bytes) -> bool:
    """Tell whether a picture shows an image file, pixel by pixel."""
    with Image.open(io.BytesIO(file)) as image:
        return np.array_equal(np.asarray(pixels), np.asarray(image.convert("RGB")))


def test_each_original_stands_beside_its_compressed_image(tmp_path: Path, shards: Shards) -> None:
    """Two pictures a flip, at its own ratio, with its class, the class predicted and both sizes."""
    rows = [
        ("003", "null", 0.3, True, "dog"),
        ("004", "$cat_1$", 0.1, True, "null"),
    ]
    contact_sheet(table(tmp_path / "f.csv", rows), "a", folders(shards), tmp_path / "s.svg")
    found = pictures(tmp_path / "s.svg")
    expected = [image_file(shards[ratio], key) for key, _, r, _, _ in rows for ratio in (1.0, r)]
    assert [shown(pixels, file) for pixels, file in zip(found, expected, strict=True)] == [True] * 4
    assert words(tmp_path / "s.svg") == [
        *("null", "at ratio 0.3: dog", f"{len(expected[0]):,} → {len(expected[1]):,} bytes"),
        *("$cat_1$", "at ratio 0.1: null", f"{len(expected[2]):,} → {len(expected[3]):,} bytes"),
    ]


def test_eight_are_shown_those_lost_for_good_first(tmp_path: Path, shards: Shards) -> None:
    """Of ten flips eight are drawn, in the table's order, but lost ones before others."""
    rows = [(f"{i:03d}", f"class{i}", 0.3, i not in (1, 4, 6), "other") for i in range(10)]
    targets = [tmp_path / f"s.{kind}" for kind in ("svg", "png")]
    contact_sheet(table(tmp_path / "f.csv", rows), "a", folders(shards), *targets)
    order = [0, 2, 3, 5, 7, 8, 9, 1]
    assert [x for x in words(tmp_path / "s.svg") if x.startswith("class")] == [
        f"class{i}" for i in order
    ]
    originals = pictures(tmp_path / "s.svg")[::2]
    for i, pixels in zip(order, originals, strict=True):
        assert shown(pixels, image_file(shards[1.0], f"{i:03d}"))
    with Image.open(tmp_path / "s.png") as image:
        assert image.width == pytest.approx(7.2 * 300, abs=1)


def test_long_names_are_cut(tmp_path: Path, shards: Shards) -> None:
    """A name that would run into the next pair ends in an ellipsis."""
    rows = [("000", "a" * 60, 0.3, True, "b" * 60)]
    contact_sheet(table(tmp_path / "f.csv", rows), "a", folders(shards), tmp_path / "s.svg")
    found = words(tmp_path / "s.svg")
    assert found[0] == "a" * 31 + "…"
    assert found[1].startswith("at ratio 0.3: bbb")
    assert len(found[1]) == 32


def test_where_nothing_flips_the_sheet_says_so(tmp_path: Path, shards: Shards) -> None:
    """A sheet without pictures, of a line that names the data set; of an empty table, too."""
    flips = table(tmp_path / "f.csv", [])
    contact_sheet(flips, "a", folders(shards), tmp_path / "s.svg")
    assert pictures(tmp_path / "s.svg") == []
    (line,) = words(tmp_path / "s.svg")
    assert line.startswith("a: every test image")
    pd.DataFrame(columns=COLUMNS).to_csv(flips, index=False)
    contact_sheet(flips, "a", folders(shards), tmp_path / "t.svg")
    assert words(tmp_path / "t.svg") == [line]


def test_shards_of_other_samples_are_named(tmp_path: Path, shards: Shards) -> None:
    """An image that the shards lack is one line that names their folder and what to do."""
    flips = table(tmp_path / "f.csv", [("777", "cat", 0.3, True, "dog")])
    with pytest.raises(UserError, match=r"original: 777 is .* remove the folder"):
        contact_sheet(flips, "a", folders(shards), tmp_path / "s.svg")
    assert not (tmp_path / "s.svg").exists()


def test_the_same_flips_make_the_same_file(tmp_path: Path, shards: Shards) -> None:
    """Drawn again, the sheet is the same file, byte for byte."""
    flips = table(tmp_path / "f.csv", [("000", "cat", 0.3, True, "dog")])
    for name in ("one", "other"):
        contact_sheet(flips, "a", folders(shards), tmp_path / f"{name}.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()
