"""A converted photograph of many colours looks like its source where colours are managed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import profile, saved
from PIL import Image

from jpegprep.shards.conversion import main

SIDE = 256


@pytest.fixture(scope="module", params=[95, 99], ids="quality {}".format)
def converted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, photos: Path
) -> dict[str, Path]:
    """Return a saturated photograph in Display P3, and what a conversion makes of it.

    Its numbers are those of a photograph with colours stretched to the edge of the range, which
    Display P3 shows more saturated than sRGB does.
    """
    folder = tmp_path_factory.mktemp("wide")
    photograph = Image.open(photos / "rocket.jpg").convert("HSV").crop((200, 60, 456, 316))
    hue, saturation, value = photograph.split()
    strong = Image.merge("HSV", (hue, saturation.point(lambda s: min(255, 2 * s)), value))
    source = folder / "source" / "a" / "wide.png"
    source.parent.mkdir(parents=True)
    source.write_bytes(saved(strong.convert("RGB"), "PNG", icc_profile=profile()))
    found = {"source": source}
    for name, metadata in (("kept", ""), ("stripped", "strip")):
        main(
            [*map(str, (source.parents[1], folder / name)), "--quality", str(request.param)]
            + ["--metadata", metadata]
        )
        found[name] = folder / name / "a" / "wide.jpg"
    return found


def seen(browser: Any, files: dict[str, Path], folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the pixels of images as a browser on an sRGB screen shows them, side by side."""
    page = browser.new_page(viewport={"width": SIDE * len(files), "height": SIDE})
    images = "".join(f'<img src="{path.as_uri()}">' for path in files.values())
    style = "<style>body { margin: 0 } img { float: left }</style>"
    (folder / "page.html").write_text(style + images)
    page.goto((folder / "page.html").as_uri())
    page.wait_for_function("[...document.images].every((image) => image.naturalWidth)")
    picture = folder / "seen.png"
    page.screenshot(path=picture)
    page.close()
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(float)
    parts = np.split(pixels, len(files), axis=1)
    return dict(zip(files, parts, strict=True))


def test_with_its_profile_a_converted_image_looks_like_its_source(
    chromium: Any, converted: dict[str, Path], tmp_path: Path
) -> None:
    """The mean difference is JPEG's own; without the profile the colours fade."""
    found = seen(chromium, converted, tmp_path)
    difference = {
        name: np.abs(found[name] - found["source"]).mean() for name in ("kept", "stripped")
    }
    assert difference["kept"] < 2, difference
    assert difference["stripped"] > difference["kept"] + 1.5, difference
