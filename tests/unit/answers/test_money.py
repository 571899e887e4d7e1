"""Savings in money: against a bill added up by hand, and where there are none."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jpegprep.answers.money import (
    CENTS,
    LATE,
    NOTHING,
    PAYS,
    UNSURE,
    epoch,
    in_words,
    money_table,
    own_money,
    reckon,
)
from jpegprep.common.errors import UserError
from jpegprep.study.config import read_prices

PRICES = Path(__file__).parents[3] / "config/prices.yaml"
GB = 1 << 30
MEASURED: dict[str, Any] = {
    **{"images": 100, "convert_seconds": 0.0036, "saved_low": 1.0},
    **{"decode_seconds": 0.002, "decode_seconds_after": 0.001},
}
STORED = {"reads_a_month": 0, "egress": 0}


def prices(**changes: float) -> dict[str, Any]:
    """Return round prices: 0.02 a GB-month, 0.01 and 0.001 a thousand requests, 0.1, 0.05."""
    values = {"storage": 0.02, "put": 0.01, "get": 0.001, "egress": 0.1, "cpu": 0.05, **changes}
    priced = {
        name: {"price": value, "source": "a bill", "date": "2026-01"}
        for name, value in values.items()
    }
    return {"currency": "EUR", "file": "mine.yaml", "default": False, **priced}


def test_a_year_is_that_of_a_bill_added_up_by_hand() -> None:
    """A million images of 1 MiB become 0.25 MiB; read ten times a month, a half of it outside."""
    asked = {"reads_a_month": 10, "egress": 0.5}
    found = reckon(1_000_000, GB / 1024, GB / 4096, MEASURED, asked, prices())
    size = 1_000_000 / 1024  # GB
    before, after = found["files"]["before"], found["files"]["after"]
    assert before["storage"] == pytest.approx(12 * size * 0.02)
    assert before["requests"] == pytest.approx(12 * 10 * 1_000_000 / 1000 * 0.001)
    assert before["egress"] == pytest.approx(12 * 10 * 0.5 * size * 0.1)
    assert before["total"] == pytest.approx(sum(before[x] for x in list(before)[:3]))
    assert after["storage"] == pytest.approx(before["storage"] / 4)
    assert found["files"]["saved"]["requests"] == 0  # as many files are read
    # Once: 1,000 core seconds a million milliseconds; each original is read, each result written.
    assert found["cpu_hours"] == pytest.approx(1)
    once = found["files"]["conversion"]
    assert (once["cpu"], once["requests"]) == (pytest.approx(0.05), pytest.approx(1 + 10))
    saved = found["files"]["saved"]["total"]
    assert found["files"]["payback_months"] == pytest.approx(12 * once["total"] / saved)
    assert found["verdict"] == PAYS


def test_what_shards_save_is_not_taken_for_what_compression_saves() -> None:
    """Tiny files that are read often: requests are the bill, with compression or without."""
    asked = {"reads_a_month": 100, "egress": 0}
    found = reckon(10_000_000, 2000, 700, MEASURED, asked, prices())
    files = found["files"]
    assert files["before"]["requests"] == files["after"]["requests"] == pytest.approx(12_000)
    assert files["saved"]["total"] < 0.001 * files["before"]["total"]
    assert (found["verdict"], found["files"]["payback_months"] > 12) == (LATE, True)
    assert "a GET and a PUT a file" in found["reason"]
    # 1,800 bytes of a tar an image: 38 GB are 142 shards of 256 MiB.
    assert found["objects"] == {"files": 10_000_000, "shards_before": 142, "shards": 94}
    assert found["by_shards"]["requests"] == pytest.approx(12_000, rel=1e-4)
    assert found["by_shards"]["storage"] < 0  # and the tars are larger
    assert in_words(told(found, total=10_000_000))[0].startswith("**No benefit in money**: ")


def told(found: dict[str, Any], total: int | None = None, **changes: Any) -> dict[str, Any]:
    """Return what a recommendation has of it."""
    other = {"total_images": total, "measured_images": 500, "reads_a_month": 0, "egress": 0}
    at = epoch(found["images"], 1e5, 5e4, MEASURED, 100, 2, None)
    return {**other, **found, "epoch": at, "measured": MEASURED, "prices": prices(), **changes}


@pytest.mark.parametrize(
    ("images", "sides", "changes", "verdict", "words"),
    [
        (500, (1e5, 3e4), {}, CENTS, "a year saves 0.01 EUR"),
        (10**7, (1e5, 1.1e5), {}, NOTHING, "does not make the images smaller"),
        (10**7, (1e5, 1e5), {}, NOTHING, "does not make the images smaller"),
        (
            10**7,
            (1e5, 3e4),
            dict.fromkeys(("storage", "put", "get", "egress", "cpu"), 0.0),
            NOTHING,
            "at these prices storing and reading cost nothing",
        ),
        (10**7, (1e5, 3e4), {"cpu": 100.0}, LATE, "its CPU hours"),
        (10**9, (1e6, 3e5), {"put": 0.0, "get": 0.0, "cpu": 0.0}, PAYS, "less than a month"),
    ],
)
def test_no_benefit_is_said_where_there_is_none(
    images: int, sides: tuple[float, float], changes: dict[str, float], verdict: str, words: str
) -> None:
    """Cents, growth, prices of 0, and a conversion that costs more than a year saves."""
    found = reckon(images, *sides, MEASURED, STORED, prices(**changes))
    assert found["verdict"] == verdict and words in found["reason"]
    lines = in_words(told(found, total=images))
    assert words in lines[0] and len(lines) == 2
    assert ("No benefit" in lines[0]) == (verdict != PAYS)


def test_bytes_that_are_not_shown_to_be_saved_save_no_money() -> None:
    """Three images, one of which shrinks by much: scaled to a billion, that says nothing."""
    for low in (-10.0, None):
        found = reckon(10**9, 1e6, 9e5, MEASURED | {"saved_low": low}, STORED, prices())
        assert found["verdict"] == UNSURE
        assert "In money: not shown" in "\n".join(in_words(told(found, total=10**9)))


@pytest.mark.parametrize(
    ("train", "threads", "bandwidth", "limits", "shorter"),
    [
        (None, 4, 10, ("reading", "reading"), 0.75),
        (0.05, 4, 10, ("training", "training"), 0.0),
        (0.0045, 4, 10, ("reading", "training"), 0.55),
        (None, 1, 1000, ("decoding", "decoding"), 0.5),
    ],
)
def test_an_epoch_takes_as_long_as_the_longest_of_its_parts(
    train: float | None, threads: int, bandwidth: float, limits: Any, shorter: float
) -> None:
    """Reading is 10 ms an image before and 2.5 after; decoding 2 and 1; training as it is."""
    found = epoch(1000, 1e5, 2.5e4, MEASURED, bandwidth, threads, train)
    assert (found["before"]["limit"], found["after"]["limit"]) == limits
    assert found["shorter"] == pytest.approx(shorter)
    lines = "\n".join(in_words(told(reckon(10**8, 1e5, 2.5e4, MEASURED, STORED, prices()))))
    assert "epoch" in lines
    words = "\n".join(in_words(told(reckon(9, 1e5, 1e4, MEASURED, STORED, prices()), epoch=found)))
    assert ("No shorter epoch" in words) == (shorter == 0)


def test_the_scale_is_said_and_so_is_whose_the_prices_are() -> None:
    """Of the folder itself, or of as many images as the user has; defaults are called defaults."""
    what = {"reads_a_month": 2, "egress": 0, "bandwidth": 200}
    what["prices"] = read_prices(PRICES, PRICES)
    sizes = [{"images": 500, "bytes": 500 * size} for size in (1_000_000, 300_000)]
    plan = {"of": 800, "speed": {"threads": 2, "training_seconds": 0.01}}
    own = own_money(what, *sizes, MEASURED, plan)
    assert own["images"] == 800
    assert "(`total_images`: how many you really have)" in in_words(own)[0]
    many = own_money(what | {"total_images": 50_000_000}, *sizes, MEASURED, plan)
    text = "\n".join(in_words(many))
    assert "50,000,000 images, if all are as the 500 measured" in text
    assert "By list prices, not yours: `prices` (2024-12 to 2026-06)." in text
    assert many["prices"]["file"] == "config/prices.yaml"
    assert json.loads(json.dumps(many)) == many


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("price: -1", "storage.price is -1; a price is a number from 0 to 1000"),
        ("price: 5000", "storage.price is 5000; a price is a number from 0 to 1000"),
        ("price: .nan", "storage.price is NaN; a price is a number from 0 to 1000"),
        ("price: cheap", 'storage.price is "cheap"; a price is a number from 0 to 1000'),
        ("prize: 1", "the key storage.prize is unknown; did you mean price?"),
    ],
)
def test_absurd_prices_are_one_line(tmp_path: Path, change: str, message: str) -> None:
    """File, key, value, and what is right."""
    path = tmp_path / "mine.yaml"
    path.write_text(PRICES.read_text("utf-8").replace("price: 0.023", change), "utf-8")
    with pytest.raises(UserError) as error:
        read_prices(path, PRICES)
    assert str(error.value) == f"{path}: {message}"


def test_a_study_has_a_row_a_data_set(tmp_path: Path) -> None:
    """Of a ratio against the original, with what the experiment `reading` says of an epoch."""
    rows = [
        {"dataset": name, "ratio": ratio, "images": 1000, "mean_bytes": size * ratio}
        for name, size in (("large", 1e6), ("small", 1e3))
        for ratio in (1.0, 0.3)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "sizes.csv", index=False)
    reading = [
        {"dataset": name, "ratio": 0.3, "bandwidth": bandwidth, "verdict": verdict}
        for name in ("large", "small")
        for bandwidth, verdict in ((10, "60 % shorter"), (None, "no benefit"))
    ]
    pd.DataFrame(reading).to_csv(tmp_path / "reading.csv", index=False)
    (tmp_path / "measured.json").write_text(json.dumps(MEASURED))
    conversions = dict.fromkeys(("large", "small"), tmp_path / "measured.json")
    targets = [tmp_path / f"money.{kind}" for kind in ("csv", "md")]
    asked = {"prices": prices(), "total_images": 10**7}
    money_table(
        tmp_path / "sizes.csv", conversions, asked, 0.3, *targets, reading=tmp_path / "reading.csv"
    )
    table = pd.read_csv(targets[0]).set_index("dataset")
    assert table.loc["large", "saved_storage"] == pytest.approx(0.7 * 12 * 1e13 / GB * 0.02, 1e-4)
    assert table["verdict"].tolist() == [PAYS, LATE]
    text = targets[1].read_text("utf-8")
    assert "10 MB/s: 60 % shorter; no limit: no benefit" in text
    assert "no benefit: a year saves less than converting costs" in text
