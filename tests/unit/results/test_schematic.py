"""Figure 1: both ways from an image to its class can be read, in a column's width."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jpegprep.results.figures.schematic import schematic


def test_both_paths_can_be_read(tmp_path: Path) -> None:
    """The image is content and noise; JPEG or more layers remove the noise; both find classes."""
    schematic(tmp_path / "fig1.svg")
    found = re.findall(r"<!-- (.*?) -->", (tmp_path / "fig1.svg").read_text())
    assert {"image =", "content + noise", "JPEG", "removes noise", "content"} <= set(found)
    assert "layers that remove noise" in found
    assert any("shallow network" in text for text in found)
    assert any("deeper network" in text for text in found)
    assert found.count("few layers") == found.count("classes") == 2


def test_it_fits_a_column(tmp_path: Path) -> None:
    """Both files are 3.5 in wide, and nothing is cut off at an edge."""
    schematic(tmp_path / "fig1.svg", tmp_path / "fig1.png")
    assert 'width="252pt"' in (tmp_path / "fig1.svg").read_text()
    with Image.open(tmp_path / "fig1.png") as image:
        assert image.width == pytest.approx(3.5 * image.info["dpi"][0], abs=1)
        pixels = np.asarray(image.convert("L"))
    edges = (pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:])
    assert all(edge.min() == 255 for edge in edges)
    assert pixels.min() < 100


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_it_is_the_same_file_each_time(tmp_path: Path, kind: str) -> None:
    """Drawn again, it is the same, byte for byte."""
    one, other = tmp_path / f"one.{kind}", tmp_path / f"other.{kind}"
    schematic(one)
    schematic(other)
    assert one.read_bytes() == other.read_bytes()
