"""The plots of recommendation.html: Vega-Lite that compiles, of the numbers it is given."""

import json
import re
from typing import Any

import pandas as pd
import vl_convert

from jpegprep.answers.charts import by_class, by_part, trade_off

STORES = pd.DataFrame(
    [
        {
            **{"store": f"jpeg-q{q}", "label": f"JPEG quality {q}", "short": str(q)},
            **{"side": "above", "percent": float(q), "size": "", "accuracy": "", "interval": ""},
            **{"difference": -1.0, "low": -2.0, "high": 0.0, "known": known, "said": ""},
        }
        for q, known in ((90, "excluded"), (30, "open"))
    ]
)


def circles(specification: dict[str, Any]) -> dict[str, int]:
    """Return how often each colour fills a circle of the drawing."""
    svg = vl_convert.vegalite_to_svg({**specification, "width": 400})
    return {colour: svg.count(f'fill="{colour}"') for colour in ("#0b5d8a", "#5b6675")}


def test_a_store_is_filled_only_where_the_loss_is_excluded() -> None:
    """The chosen one is in the accent's colour; it is hollow where nothing is shown of it."""
    shown = trade_off(STORES, 1.0, "jpeg-q90", STORES.iloc[:0])
    hollow = trade_off(STORES, 1.0, "jpeg-q30", STORES.iloc[:0])
    texts = 1  # the name at its point
    assert circles(shown)["#0b5d8a"] == 1 + texts
    assert circles(hollow)["#0b5d8a"] == texts


def test_classes_are_in_their_order_and_one_without_interval_is_a_point() -> None:
    """The class that lost most is the first; of one image there is no interval."""
    rows = [("z", -9.0, -12.0, -6.0), ("a", -1.0, None, None)]
    table = pd.DataFrame(rows, columns=["class", "difference", "low", "high"])
    found = by_class(table.assign(accuracy="", interval="", n="1"), 10.0)
    svg = vl_convert.vegalite_to_svg({**found, "width": 400})
    assert svg.index(">z<") < svg.index(">a<")
    assert json.dumps(found).count('"class": "a"') == 1


def test_bars_of_parts_are_as_long_as_their_shares_of_all_bytes() -> None:
    """Of 400 px the pixels' three quarters are 300, also where no bar is longer."""
    rows = [("pixels", "", 3000.0, 0.75), ("metadata", "EXIF", 1000.0, 0.25)]
    found = by_part(pd.DataFrame(rows, columns=["part", "meaning", "an_image", "share"]))
    svg = vl_convert.vegalite_to_svg({**found, "width": 400})
    lengths = re.findall(r'd="M0,[\d.]+h([\d.]+)v[^"]*" fill="#0b5d8a"', svg)
    assert [float(length) for length in lengths] == [300, 100]
    assert svg.index(">pixels 75.0%<") < svg.index(">metadata 25.0%<")
