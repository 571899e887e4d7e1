"""recommendation.html: what it claims, and what a user sees and does in a real browser."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browsing import assert_accessible, drawn, opened, too_wide
from image_files import saved
from PIL import Image
from test_recommend import BAD, GOOD, WIDE, Folder
from test_recommend import name as variant

from jpegprep.answers.web_page import LARGEST, write_page
from jpegprep.common.records import write_record
from jpegprep.learners.runs import write_predictions
from jpegprep.shards.shards import pack, writing_shard

# Names as they should not be: what they would do must not happen.
NAMES = ["cat</script><script>alert(1)</script>", "![dog](http://example.org/dog.png) <b>"]
KEYS = np.array([f"i{i}" for i in range(60)])
LABELS = np.where(np.arange(60) < 40, np.arange(60) % 2, 0)


class Study(Folder):
    """The files of a recommendation on 60 photographs, that a page is made from."""

    def images(self, photos: Path) -> None:
        """Write the originals: 59 photographs of 160 px, and one of 1,500."""
        folder = self.path / "original"
        folder.mkdir()
        sheet = [Image.open(photos / name).convert("RGB") for name in ("coffee.png", "rocket.jpg")]
        files = []
        for i, label in enumerate(LABELS):
            photograph = sheet[label]
            x, y = 37 * i % (photograph.width - 160), 23 * i % (photograph.height - 160)
            view = photograph.crop((x, y, x + 160, y + 160))
            files.append(saved(view.resize((1500, 1500)) if i == 7 else view, "JPEG", quality=90))
        parts = {"train": range(40), "val": range(40, 50), "test": range(50, 60)}
        for split, rows in parts.items():
            with writing_shard(folder / f"{split}-0.tar", "original", "Pillow") as writer:
                writer.append(pack((KEYS[i], LABELS[i], files[i], files[i]) for i in rows))

    def sure(self, ratio: float) -> list[Path]:
        """Write predictions: image 7 loses most, the others the less the larger the ratio."""
        of_label = np.full(60, 0.9) - 0.1 * (1 - ratio)
        if ratio < 1:
            of_label[7] = 0.2
        probabilities = np.stack([of_label, 1 - of_label], axis=1)
        probabilities[LABELS == 1] = probabilities[LABELS == 1, ::-1]
        paths = [self.path / f"sure-{ratio}-{seed}.parquet" for seed in range(2)]
        for path in paths:
            write_predictions(
                path, KEYS, LABELS, probabilities.astype(np.float32), np.arange(60) % 5
            )
        return paths

    def page(self, photos: Path, *rounds: Path, **asked: Any) -> Path:
        """Write the page, and return its path."""
        self.images(photos)
        problems = ["ok"] * 55 + ["grayscale"] * 4 + ["not an image"]
        handling = ["kept"] * 59 + ["set aside"]
        self.manifest(problems, handling, key=[*KEYS[:59], "none"])
        split = {"class": [NAMES[label] for label in LABELS], "label": LABELS}
        pd.DataFrame({**split, "split": "train"}).to_parquet(self.path / "split.parquet")
        self.recommendation(*rounds, **asked)
        accuracy = pd.read_csv(self.path / "accuracy.csv")
        rows = [accuracy.assign(variant=variant(ratio)) for ratio in (1.0, *self.ratios)]
        pd.concat(rows).to_csv(self.path / "accuracy.csv", index=False)
        device = {"name": "a processor", "kind": "cpu", "threads": 2, "platform": "Linux"}
        recipe = {"architecture": "lite0", "image_size": 160, "eval_crop": 1.0}
        record = {"recipe": recipe | {"regularization": [1.0]}, "encoder": ["Pillow"]}
        record |= {"commit": "1234567", "versions": {"python": "3.11"}, "device": device}
        write_record(self.path / "run.json", record)
        target = self.path / "recommendation.html"
        write_page(
            "photos",
            "probe",
            self.path / "recommendation.json",
            *(self.path / f"{table}.csv" for table in ("differences", "accuracy", "sizes", "uses")),
            {variant(ratio): self.sure(ratio) for ratio in (1.0, *self.ratios)},
            *(self.path / f"{table}.parquet" for table in ("manifest", "split")),
            self.path / "original",
            target,
        )
        return target


def without_scripts(page: Path) -> str:
    """Return a page's text as HTML, but for what stands in its scripts."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"(?s)<(script|style)\b.*?</\1>", "", text)


def data_of(page: Path) -> dict[str, Any]:
    """Return what the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    assert found
    return json.loads(found[1])


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """Return a page that advises quality 50, by probe and networks."""
    study = Study(tmp_path_factory.mktemp("shown"), GOOD)
    study.proposal()
    return study.page(photos, study.round(0.5, 0, -0.5, 0.5))


def test_the_page_is_one_small_file_that_forbids_itself_the_network(shown: Path) -> None:
    """Nothing stands in it that a browser would fetch, and if it did, it would not."""
    text = without_scripts(shown)
    assert shown.stat().st_size < LARGEST
    assert "default-src 'none'; img-src data:" in text
    assert not re.search(r'<(?:link|script|img|iframe)[^>]*(?:src|href)="(?!data:)', text)


def test_it_says_what_recommendation_md_says(shown: Path) -> None:
    """The same sentences, the command, and where the numbers come from."""
    text = re.sub(r"\s+", " ", re.sub(r"<.*?>", "", without_scripts(shown)))
    said = shown.with_suffix(".md").read_text(encoding="utf-8")
    headline = said.splitlines()[0].removeprefix("# photos: ")
    assert headline[0].upper() + headline[1:] in text
    assert "A loss of 1 point of accuracy or more is excluded, by the probe and by 5 pairs" in text
    command = "jpegprep convert &#39;/data/my photos&#39; /path/to/new/folder --store jpeg-q50"
    assert command in text
    for part in ("1234567", "a processor, 2 threads", "python 3.11", "eval_crop 1.0"):
        assert part in text


def test_a_loss_is_excluded_only_where_it_is_at_all_larger_ratios(
    tmp_path: Path, photos: Path
) -> None:
    """0.3 alone would exclude it, but 0.5 does not; 0.1 is shown to lose."""
    probe = {0.9: (0, -0.3, 0.3), 0.5: (-0.4, -1.4, 0.6), 0.3: (0, -0.5, 0.5), 0.1: (-6, -8, -4)}
    study = Study(tmp_path, probe)
    study.proposal()
    found = {one["store"]: one for one in data_of(study.page(photos))["stores"]}
    known = [found[variant(ratio)]["known"] for ratio in sorted(probe, reverse=True)]
    assert known == ["excluded", "open", "open", "loses"]
    assert found["jpeg-q10-smaller"]["interval"] == "-6.0 [-8.0, -4.0] points"
    assert found["jpeg-q50-smaller"]["said"] == "of 1 point or more is neither excluded nor shown"


@pytest.mark.parametrize(("probe", "quality"), [(WIDE, 50), (BAD, None)])
def test_no_command_stands_where_none_is_advised(
    tmp_path: Path, photos: Path, probe: dict[float, Any], quality: int | None
) -> None:
    """Not shown, or to leave the images: no command and no button; the pictures are there."""
    study = Study(tmp_path, probe)
    study.proposal()
    page = study.page(photos)
    text = page.read_text(encoding="utf-8")
    assert "--store jpeg" not in without_scripts(page)
    assert len(re.findall("<button", text)) == 1  # what is free of charge is copied
    data = data_of(page)
    assert data["chosen"] == f"jpeg-q{quality or 90}-smaller"
    assert len(data["pictures"]) == 6


def test_the_picture_that_lost_most_is_the_planted_one(shown: Path) -> None:
    """Image 7 falls from 0.9 to 0.2; it is large, and a part of it stands there."""
    lost = [one for one in data_of(shown)["pictures"] if one["why"] == "lost most"]
    first = lost[0]
    assert (first["key"], first["whole"]) == ("i7", False)
    assert first["sure"][""] == pytest.approx(0.9)
    assert first["sure"]["jpeg-q50-smaller"] == pytest.approx(0.2)
    assert first["original"]["bytes"] > first["stores"]["jpeg-q50-smaller"]["bytes"]


@pytest.fixture(name="page")
def _page(chromium: Any, shown: Path) -> Iterator[Any]:
    """Yield the page in a browser, once its plots are drawn."""
    with opened(chromium, shown) as page:
        page.wait_for_selector("body[data-ready=yes]")
        yield page


@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits_and_is_accessible_at_every_width(page: Any, width: int) -> None:
    """Nothing lies beyond the edge, every picture is drawn, and axe-core finds nothing."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(300)  # the plots are drawn anew
    assert too_wide(page) <= 0
    for name in ("trade-off", "by-class", "by-part"):
        assert 200 < page.locator(f"#{name} svg").bounding_box()["width"] <= width
    assert drawn(page)
    assert_accessible(page)


def test_the_slider_uncovers_the_original_by_mouse_and_by_keys(page: Any) -> None:
    """What is seen follows the pointer and the arrow keys; its pixels are those of either side."""
    slider, clip = page.locator("#slider"), "getComputedStyle(document.querySelector('.clip'))"
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    assert 70 <= int(slider.input_value()) <= 90
    before = int(slider.input_value())
    page.keyboard.press("ArrowRight")
    assert int(slider.input_value()) == before + 1
    assert f"{100 - before - 1}%" in page.evaluate(f"{clip}.clipPath")
    sides = page.evaluate("[document.all.original.src, document.all.stored.src]")
    picture = data_of_browser(page)["pictures"][0]
    assert sides == [picture["original"]["uri"], picture["stores"]["jpeg-q50-smaller"]["uri"]]


def data_of_browser(page: Any) -> Any:
    """Return what the page's script read."""
    return json.loads(page.locator("#data").text_content())


def test_another_picture_and_the_networks_view_are_chosen_by_keys(page: Any) -> None:
    """An arrow key goes to the next picture; the view has the network's size."""
    page.locator("input[name=picture]").first.focus()
    page.keyboard.press("ArrowRight")
    picture = data_of_browser(page)["pictures"][1]
    assert page.evaluate("document.all.original.src") == picture["original"]["uri"]
    page.get_by_label("as the network sees it").check()
    page.wait_for_function("document.all.stored.complete")
    assert page.evaluate("document.all.stored.naturalWidth") == 160
    assert "Shown at 200 %" in page.locator("#about-picture").inner_text()


def test_a_point_tells_of_its_store_and_a_click_chooses_it(page: Any) -> None:
    """Hover: store, bytes, accuracy, interval. A click fills plot, list, numbers and pictures."""
    target = page.locator("#trade-off svg .pointed_marks path").nth(2)
    target.scroll_into_view_if_needed()
    target.hover()
    told = page.locator("#vg-tooltip-element").inner_text()
    for part in ("JPEG quality 30", "15.0% of the originals", "0.780", "-0.4 [-1.4, +0.6] points"):
        assert part in told
    target.click()
    assert page.locator("#store").input_value() == "jpeg-q30-smaller"
    assert "-0.4 [-1.4, +0.6]" in page.locator("#of-interval").inner_text()
    assert page.locator("#stored-label").inner_text() == "JPEG quality 30"
    page.get_by_label("Store", exact=True).select_option("jpeg-q50-smaller")
    assert "is excluded" in page.locator("#of-said").inner_text()


def test_the_command_is_copied(page: Any) -> None:
    """Each as it stands there, and the page says that it was."""
    for block, said in (("#convert", "jpeg-q50"), ("#free", "original-opt")):
        own = page.locator(".command", has=page.locator(block))
        own.get_by_role("button", name="Copy").click()
        own.get_by_text("Copied.").wait_for()
        command = f"jpegprep convert '/data/my photos' /path/to/new/folder --store {said}"
        assert page.evaluate("navigator.clipboard.readText()") == command


def test_in_print_nothing_is_cut_off(page: Any) -> None:
    """On a sheet's width plots shrink, and what only a screen can do is left out."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 990})
    assert too_wide(page) <= 0
    assert not page.get_by_role("button", name="Copy").first.is_visible()
    assert page.locator("#trade-off svg").is_visible()
    assert page.locator("#stage").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
