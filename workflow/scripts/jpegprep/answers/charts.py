"""The plots of recommendation.html, by Vega-Altair: what stores save and cost, classes, bytes."""

from typing import Any

import altair as alt
import pandas as pd

ACCENT, INK, GRAY = "#0b5d8a", "#1c2430", "#5b6675"
EXCLUDED, OPEN, LOSES = "excluded", "open", "loses"  # what is known of a store's loss
_PALE = "#8a94a3"
_CONFIG: dict[str, Any] = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "aria": False,  # the page names the plot, and has its numbers in a table
    "mark": {"aria": False},
    "view": {"stroke": None},
    "axis": {
        **{"labelFontSize": 13, "titleFontSize": 13, "titleFontWeight": "normal"},
        **{"labelColor": GRAY, "titleColor": GRAY, "gridColor": "#e6e9ee"},
        **{"domainColor": "#c3cad4", "tickColor": "#c3cad4", "titlePadding": 10},
    },
}
# Of a store's name: what it stands beside, and how.
_PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "above": ("high", {"dy": -8, "align": "center", "baseline": "bottom"}),
    "below": ("low", {"dy": 8, "align": "center", "baseline": "top"}),
    "right": ("difference", {"dx": 11, "align": "left", "baseline": "middle"}),
}
_DIFFERENCE = "accuracy less the originals’, points"


def trade_off(
    stores: pd.DataFrame, margin: float, chosen: str, tuned: pd.DataFrame
) -> dict[str, Any]:
    """Return the Vega-Lite specification of accuracy against bytes.

    Args:
        stores: a row a store: ``store`` (its name), ``label``, ``short`` (what stands at its
            point), ``side`` (where: above, below or right), ``percent`` (bytes, of the
            originals'), ``size`` and ``accuracy`` (in words), ``difference``, ``low`` and ``high``
            (points), ``interval`` (in words), ``known`` (`EXCLUDED`, `OPEN` or `LOSES`) and
            ``said`` (that in words).
        margin: the loss that is accepted, in points.
        chosen: the store that is marked first. The page's script sets the signal ``chosen``.
        tuned: the same columns of the fine-tuned networks, a row or none.
    """
    is_chosen = "datum.store === chosen"
    stroke = alt.when(is_chosen).then(alt.value(ACCENT)).otherwise(alt.value(GRAY))
    fill = (
        alt.when(f"datum.known !== '{EXCLUDED}'")
        .then(alt.value("white"))
        .when(is_chosen)
        .then(alt.value(ACCENT))
        .otherwise(alt.value(GRAY))
    )
    x = alt.X("percent:Q", title="bytes, % of the originals’", scale=alt.Scale(domain=[0, 105]))
    y = alt.Y("difference:Q", title=_DIFFERENCE)
    tooltip = _tooltip(
        label="store", size="bytes", accuracy="accuracy", interval="difference", said="a loss"
    )
    probe = alt.Chart(stores).encode(x=x, tooltip=tooltip)
    layers = [
        *_lines("y", margin),
        probe.mark_rule(strokeWidth=2).encode(y="low:Q", y2="high:Q", color=stroke),
        probe.mark_circle(size=130, opacity=1, strokeWidth=2).encode(y=y, fill=fill, stroke=stroke),
        *(
            probe.transform_filter(f"datum.side === '{side}'")
            .mark_text(fontSize=13, **place)
            .encode(y=f"{end}:Q", text="short:N", color=stroke)
            for side, (end, place) in _PLACES.items()
            if side in set(stores["side"])  # a layer without rows is warned of
        ),
        # What the pointer finds: larger than what is seen.
        probe.mark_circle(size=700, opacity=0.001, cursor="pointer")
        .encode(y=y)
        .properties(name="pointed"),
    ]
    if len(tuned):
        networks = alt.Chart(tuned).encode(x=x, tooltip=tooltip)
        layers += [
            networks.mark_rule(strokeWidth=2, xOffset=14, x2Offset=14, color=_PALE).encode(
                y="low:Q", y2="high:Q"
            ),
            networks.mark_point(
                shape="diamond", size=130, filled=True, opacity=1, xOffset=14, color=_PALE
            ).encode(y=y),
        ]
    chart = alt.layer(*layers).add_params(alt.param(name="chosen", value=chosen))
    return _specification(chart, 340)


def by_class(classes: pd.DataFrame, margin: float) -> dict[str, Any]:
    """Return the Vega-Lite specification of what each class loses.

    Args:
        classes: a row a class: ``class``, ``difference``, ``low``, ``high`` (points; the bounds NaN
            where there is no interval), ``accuracy``, ``interval`` and ``n`` (in words).
        margin: the loss of a class that is accepted, in points.
    """
    tooltip = _tooltip(**{"class": "class"}, accuracy="accuracy", interval="difference", n="images")
    base = alt.Chart(classes).encode(
        y=alt.Y(
            "class:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelLimit=150, labelPadding=8, ticks=False),
        ),
        tooltip=tooltip,
    )
    bars = base.mark_rule(strokeWidth=2, color=GRAY).encode(
        x=alt.X("low:Q", title=_DIFFERENCE), x2="high:Q"
    )
    points = base.mark_circle(size=90, opacity=1, color=ACCENT).encode(x="difference:Q")
    return _specification(alt.layer(*_lines("x", margin), bars, points), 26 * len(classes) + 20)


def by_part(parts: pd.DataFrame) -> dict[str, Any]:
    """Return the Vega-Lite specification of what the bytes are, a bar a part.

    Args:
        parts: as of `page.parts_of`.
    """
    rows = parts.assign(
        percent=100 * parts["share"],
        label=parts["part"] + parts["share"].map(" {:.1%}".format),
        size=parts["an_image"].map("{:,.0f} bytes an image".format),
    )
    axis = alt.Axis(labelLimit=200, labelPadding=8, ticks=False)
    chart = (
        alt.Chart(rows)
        .mark_bar(color=ACCENT, height=18)
        .encode(
            x=alt.X("percent:Q", title="% of all bytes", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("label:N", sort=None, title=None, axis=axis),
            tooltip=_tooltip(part="part", size="bytes"),
        )
    )
    return _specification(chart, 30 * len(rows))


def _lines(axis: str, margin: float) -> list[alt.Chart]:
    """Return the originals' line, and that of the margin, across an axis."""
    return [
        alt.Chart(pd.DataFrame({axis: [at]}))
        .mark_rule(color=colour, strokeDash=dash)
        .encode(**{axis: f"{axis}:Q"})
        for at, colour, dash in ((0.0, _PALE, [1, 0]), (-margin, INK, [5, 4]))
    ]


def _tooltip(**titles: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:N", title=title) for name, title in titles.items()]


def _specification(chart: alt.TopLevelMixin, height: int) -> dict[str, Any]:
    whole = chart.properties(width="container", height=height).configure(**_CONFIG)
    found: dict[str, Any] = whole.to_dict()
    return found
