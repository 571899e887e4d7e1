"""`snakemake recommend` on images whose truth is known: what their classes differ in was planted.

JPEG of quality q divides the coefficient of the finest checkerboard by 5000 / q (q < 50) or by
200 - 2 q percent of 99, rounded: one of amplitude 4 has a coefficient of 26, and vanishes between
quality 80 (a step of 40) and 60 (79). The mean colour of a block is kept to a few levels at 10.
"""

import json

import numpy as np
import pytest
from PIL import Image
from project import Project

SIDE = 96
pytestmark = pytest.mark.slow


def _surface(rng):
    """Return a smooth random surface (SIDE, SIDE, 3) of grey, float."""
    coarse = Image.fromarray(rng.uniform(90, 166, (4, 4)).astype(np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=float)
    return np.repeat(smooth[:, :, np.newaxis], 3, axis=2)


def _texture(rng, kind):
    """Return a surface that is plain or has the finest checkerboard."""
    i, j = np.indices((SIDE, SIDE))
    signs = (-1.0) ** (i + j) * rng.choice([-1, 1])
    return _surface(rng) + (4 * signs[:, :, np.newaxis] if kind == "checkered" else 0)


def _colour(rng, kind):
    """Return a surface that is a little redder or bluer."""
    shift = {"red": [12, 0, -12], "blue": [-12, 0, 12]}[kind]
    return _surface(rng) + shift + rng.normal(0, 4, (SIDE, SIDE, 1))


def _answer(folder, make, kinds):
    """Make 300 images of each class, ask about them, and return what recommendation.json says."""
    rng = np.random.default_rng(0)
    for kind in kinds:
        images = folder / "images" / kind
        images.mkdir(parents=True)
        for i in range(300):
            pixels = make(rng, kind).round().clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(images / f"{i}.png")
    project = Project(folder / "project")
    project.edit("config/recommend.yaml", _quick)
    run = project.snakemake("recommend", "--config", f"images={folder / 'images'}")
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(project.path("results/recommend/images/recommendation.json").read_bytes())


def _quick(config):
    config |= {"confirm": False, "margin": 0.03, "bandwidths": [50]}
    config["learners"]["probe"]["recipe"]["image_size"] = SIDE


def test_classes_of_the_finest_texture_bear_little_compression(tmp_path):
    """The knee comes early, where the step of its coefficient passes twice the coefficient."""
    facts = _answer(tmp_path, _texture, ["plain", "checkered"])
    assert facts["verdict"] == "use-probe"  # no network is fine-tuned
    assert facts["quality"] == 80


def test_classes_of_mean_colour_bear_all_of_it(tmp_path):
    """The knee is the smallest ratio."""
    facts = _answer(tmp_path, _colour, ["red", "blue"])
    assert facts["verdict"] == "use-probe"  # no network is fine-tuned
    assert facts["quality"] == 10
