"""findings.html: what a study says first, that all else is there, and how a browser shows it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from browsing import assert_accessible, drawn, opened, too_wide
from PIL import Image

from jpegprep.answers.findings import write_findings
from jpegprep.common.table_files import write_table
from jpegprep.results.catalogue import results_of
from jpegprep.study.config import load_study

CONFIG = Path(__file__).parents[3] / "config"
STUDY = load_study(yaml.safe_load((CONFIG / "config.yaml").read_text("utf-8")), "demo", CONFIG)
ENTRIES = [entry for result in results_of(STUDY) for entry in result.entries(STUDY)]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="252pt" height="100pt"></svg>'
# A name as it should not be: what it would do must not happen.
NAME = "cat</td><script>alert(1)</script> ![dog](http://example.org/dog.png)"
Decision = tuple[str, float | None, float | None]


def written(folder: Path, decisions: Sequence[Decision]) -> Path:
    """Write a study's results, and the page; return its path.

    Args:
        folder: of the study.
        decisions: learner, ratio, and what it saves.
    """
    (folder / "tables").mkdir(parents=True)
    (folder / "figures").mkdir()
    for entry in ENTRIES:
        targets = [folder / path for path in entry["files"]]
        if entry["folder"] == "tables":
            table = pd.DataFrame({"class": [NAME], "accuracy": ["0.920 [0.869, 0.951]"]})
            write_table(table, table, f"A note of {entry['name']}.", targets, f"{entry['name']}!")
        else:
            svg, png = targets
            svg.write_text(SVG + " " * (5000 if entry["name"].startswith("flips") else 0))
            Image.new("RGB", (300, 200), "gray").save(png)
    columns = ["learner", "ratio", "saved"]
    table = pd.DataFrame(decisions, columns=columns).assign(dataset="patches", margin=0.02)
    table.to_csv(folder / "tables/decision.csv", index=False)
    write_findings(STUDY.name, ENTRIES, folder / "findings.html")
    return folder / "findings.html"


def said(page: Path) -> str:
    """Return a page's text."""
    text = re.sub(r"(?s)<style>.*?</style>", "", page.read_text("utf-8"))
    return re.sub(r"\s+", " ", re.sub(r"<.*?>", " ", text))


@pytest.fixture(name="page", scope="module")
def _page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    decisions: list[Decision] = [
        ("my_net_", None, None),
        ("probe", 0.5, 0.849),
        ("other", 0.7, 0.6),
    ]
    return written(tmp_path_factory.mktemp("study") / "demo", decisions)


def test_the_answer_comes_first_then_figure_2_and_the_claims(page: Path) -> None:
    """Then every other result of the study, each once, with its caption and its files."""
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page.read_text("utf-8"))
    assert headings == [
        *("The decision: how far", "Figure 2: accuracy against ratio", "The paper&#39;s claims"),
        *("More figures", "More tables"),
    ]
    text = page.read_text("utf-8")
    folded = re.findall(r"<summary>(.*?)</summary>", text)
    assert len(folded) == len(ENTRIES) - 3
    for entry in ENTRIES:
        assert all(text.count(f'href="{path}"') == 1 for path in entry["files"]), entry["name"]
        if entry["folder"] == "tables":
            assert f"A note of {entry['name']}." in text


def test_it_says_how_far_by_which_learner_and_how_often_it_cannot_say(
    page: Path, tmp_path: Path
) -> None:
    """Of a learner that shows nothing no ratio is named; where none shows any, that is said."""
    lead = said(page).split("The decision: how far")[0]
    assert "A loss of 2 points or more of accuracy is excluded" in lead
    assert "patches, probe: down to JPEG quality 50 , which saves 84.9% of the bytes" in lead
    assert "patches, other: down to JPEG quality 70" in lead
    assert "In the other row of the table of decisions it is not." in lead
    assert "my" not in lead
    none = said(written(tmp_path / "none", [("probe", None, None)]))
    assert "By no learner a loss of 2 points or more of accuracy is excluded at any ratio" in none


def test_a_figure_stands_there_in_its_smaller_file(page: Path) -> None:
    """Photographs inside an SVG are larger than as PNG; all are half as wide again as in print."""
    images = re.findall(
        r'<img src="data:(.*?);base64,[^"]*" width="(\d+)"', page.read_text("utf-8")
    )
    figures = [entry["name"] for entry in ENTRIES if entry["folder"] == "figures"]
    flips = sum(name.startswith("flips") for name in figures)
    assert flips > 0
    kinds = [kind for kind, _ in images]
    assert (kinds.count("image/png"), len(kinds)) == (flips, len(figures))
    assert {width for _, width in images} == {"504"}


@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits_and_is_accessible_at_every_width(chromium: Any, page: Path, width: int) -> None:
    """Nothing is requested or said, nothing lies beyond the edge, and axe-core finds nothing."""
    with opened(chromium, page) as shown:
        shown.set_viewport_size({"width": width, "height": 900})
        assert_accessible(shown)
        assert too_wide(shown) <= 0
        assert drawn(shown)
        assert shown.locator("h2", has_text="The decision").bounding_box()["y"] < 900


def test_a_result_is_unfolded_by_keys(chromium: Any, page: Path) -> None:
    """Enter on its title shows it."""
    with opened(chromium, page) as shown:
        note = shown.get_by_text("A note of comparison.")
        assert not note.is_visible()
        shown.locator("summary", has_text="Each ratio against the original").focus()
        shown.keyboard.press("Enter")
        assert note.is_visible()
