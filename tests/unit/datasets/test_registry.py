"""The shipped registry of weights: valid, of networks that timm has, and true to its own URLs."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import timm
import yaml

from jpegprep.answers.plan import read_sizes, read_throughput
from jpegprep.results.tables.published import read_published
from jpegprep.study.config import load_study, validate

CONFIG = Path(__file__).parents[3] / "config"
WEIGHTS: dict[str, Any] = yaml.safe_load((CONFIG / "weights.yaml").read_text(encoding="utf-8"))
PAPER: dict[str, Any] = yaml.safe_load((CONFIG / "paper.yaml").read_text(encoding="utf-8"))


def test_the_registry_is_valid() -> None:
    """config/weights.yaml is as its schema says, and has the paper's five EfficientNets."""
    validate(WEIGHTS, "weights", "config/weights.yaml")
    assert {f"efficientnet_b{n}" for n in range(5)} <= WEIGHTS.keys()


@pytest.mark.parametrize("name", WEIGHTS)
def test_timm_has_the_network(name: str) -> None:
    """The architecture is a network of the locked timm."""
    assert timm.is_model(WEIGHTS[name]["architecture"])


@pytest.mark.parametrize("name", [n for n, e in WEIGHTS.items() if e["source"] == "url"])
def test_the_urls_digits_are_the_checksums_beginning(name: str) -> None:
    """A file of timm ends with the beginning of its sha256, and timm asks for it at that URL."""
    entry = WEIGHTS[name]
    for url in entry["urls"]:
        digits = re.search(r"-([0-9a-f]{8})\.pth$", urlsplit(url).path)
        assert digits and entry["sha256"].startswith(digits[1])
    assert timm.get_pretrained_cfg(entry["architecture"]).url in entry["urls"]


@pytest.mark.parametrize("name", [n for n, e in WEIGHTS.items() if e["source"] == "package"])
def test_the_packages_digits_are_the_checksums_beginning(name: str) -> None:
    """The packages name their files as timm does."""
    digits = re.search(r"-([0-9a-f]{8})\.pth$", WEIGHTS[name]["path"])
    assert digits and WEIGHTS[name]["sha256"].startswith(digits[1])


@pytest.mark.parametrize("name", [n for n, e in WEIGHTS.items() if e["source"] == "hub"])
def test_a_hubs_repository_is_where_timm_looks(name: str) -> None:
    """The repository is the one from which timm would load the architecture's weights."""
    entry = WEIGHTS[name]
    assert timm.get_pretrained_cfg(entry["architecture"]).hf_hub_id == entry["repo"]


@pytest.mark.parametrize("name", WEIGHTS)
def test_of_several_pretrainings_one_is_named(name: str) -> None:
    """Without its tag an architecture has the colour statistics that its timm prefers."""
    architecture = WEIGHTS[name]["architecture"]
    tags = timm.list_pretrained(f"{architecture.split('.')[0]}.*")
    assert architecture in tags or len(tags) == 1


def test_the_papers_study_is_valid() -> None:
    """config/paper.yaml loads, with the paper's tables and its networks."""
    study = load_study(PAPER, "config/paper.yaml", CONFIG)
    assert len(study.datasets) == 6 and len(study.ratios) == 10
    assert study.model_size and study.noise and study.tabular
    assert {f"efficientnet_b{n}" for n in range(5)} | {"autogluon"} <= study.learners.keys()


def test_the_papers_sizes_and_speeds_are_recorded() -> None:
    """For each data set and variant of the paper there is a size, for each network a speed."""
    study = load_study(PAPER, "config/paper.yaml", CONFIG)
    sizes = read_sizes(CONFIG / "sizes.csv")
    for run in study.runs():
        assert (run.dataset, run.variant) in sizes
    speeds = read_throughput(CONFIG / "throughput.csv")
    for name, learner in study.learners.items():
        if "weights" in learner:
            assert study.recipe(name)["architecture"].split(".")[0] in speeds


@pytest.mark.parametrize("dataset", PAPER["datasets"])
def test_recorded_sizes_fall_with_the_quality(dataset: str) -> None:
    """The lower the quality, the smaller the images; at 30 they are as the paper's Table III says.

    Within a tenth, since the recorded ones are of a sample.
    """
    sizes = read_sizes(CONFIG / "sizes.csv")
    by_quality = [sizes[dataset, f"jpeg-q{quality}"] for quality in range(90, 0, -10)]
    assert by_quality == sorted(by_quality, reverse=True)
    published = read_published(CONFIG / "published.csv", "III", ["relative_size"])["relative_size"]
    assert sizes[dataset, "jpeg-q30"] == pytest.approx(published[dataset], rel=0.1)
