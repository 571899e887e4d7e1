"""The rules of a study and what they hand on to each other, drawn in layers."""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Curve
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from jpegprep.common.errors import UserError
from jpegprep.results.figures.drawing import PAGE, save, sheet

Edge = tuple[str, str]
# A place in a layer: a rule's box ("rule", its name), or where long edges pass that one rule sends
# ("from", its name) or receives ("to", its name); with the number of the layer.
_Place = tuple[str, str, int]

_FONT = 7  # points
# Inches: height of a box and of the space between two layers, least space between two neighbours,
# space left and right of a name, width of a passing edge, and of the margin.
_BOX, _BETWEEN, _GAP, _PADDING, _PASSAGE, _MARGIN = 0.2, 0.3, 0.09, 0.06, 0.03, 0.06
_SWEEPS = 24
# Passing edges rather run straight down than near to the boxes where they end.
_STRAIGHT = 4
_INK, _PALE, _FILL = "0.35", "0.8", "#e3eef7"


def rule_graph(
    snakefile: str | Path,
    config: str,
    rule: str,
    *targets: str | Path,
    families: Sequence[str] = (),
) -> None:
    """Draw the rules that a study needs, as Snakemake's own rule graph has them.

    A second Snakemake finds them. It runs no job and takes no lock.

    Args:
        snakefile: the workflow's main Snakefile.
        config: the study, as JSON.
        rule: the rule that asks for the study's results. It makes none and is not drawn.
        targets: files to write, .svg or .png.
        families: rules named ``<family>_…`` are drawn as one, ``<family>``.

    Raises:
        subprocess.CalledProcessError: where Snakemake fails; its output says why.
        UserError: where it finds no rules.
    """
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        study = Path(scratch) / "study.json"
        study.write_text(config, encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        command += ["--configfile", str(study), "--workflow-profile", "none", "--nolock"]
        command += ["--rulegraph", "--", rule]
        dot = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    names, edges = parse(dot, families)
    if rule not in names:
        raise UserError(
            f"{snakefile}: the rule graph that Snakemake prints has no rule {rule}; "
            f"see `snakemake --rulegraph {rule}`"
        )
    draw(
        [name for name in names if name != rule],
        [edge for edge in edges if rule not in edge],
        *targets,
    )


def parse(dot: str, families: Sequence[str] = ()) -> tuple[list[str], list[Edge]]:
    """Return the rules and the edges (from, to) of a graph as Snakemake writes it, both sorted.

    Args:
        dot: the graph in Graphviz's language, one node or edge a line, other lines around it.
        families: rules named ``<family>_…`` are taken for one, ``<family>``.
    """
    # A label's further lines are wildcards.
    labels = re.findall(r'^\s*"?(\w+)"?\s*\[\s*label\s*=\s*"(\w+)', dot, re.M)
    names = {node: _family(label, families) for node, label in labels}
    arrows = re.findall(r'^\s*"?(\w+)"?\s*->\s*"?(\w+)"?', dot, re.M)
    edges = {(names[start], names[end]) for start, end in arrows}
    return sorted(set(names.values())), sorted(edge for edge in edges if edge[0] != edge[1])


def _family(name: str, families: Iterable[str]) -> str:
    return next((family for family in families if name.startswith(f"{family}_")), name)


def draw(names: Sequence[str], edges: Sequence[Edge], *files: str | Path) -> None:
    """Draw rules in layers from top to bottom, each below all that it needs.

    Edges that follow from others, since there is a longer way from rule to rule, are pale. In the
    SVG each box has the id ``rule-<name>``, each edge ``edge-<name>-<name>``.

    Args:
        names: the rules.
        edges: pairs of a rule and one that takes its results, without circles.
        files: files to write, .svg or .png.
    """
    layer = _layers(names, edges)
    routes = _routes(edges, layer)
    links = sorted({link for route in routes.values() for link in pairwise(route)})
    places = {("rule", name, layer[name]) for name in names} | {p for link in links for p in link}
    rows = [sorted(p for p in places if p[2] == i) for i in range(max(layer.values()) + 1)]
    rows = _ordered(rows, links)
    widths = {p: _width(p[1]) if p[0] == "rule" else _PASSAGE for p in places}
    # A layer that is wider than the page makes everything narrower, names included.
    room = PAGE - 2 * _MARGIN
    scale = min(room / max(sum(widths[p] + _GAP for p in row) for row in rows), 1)
    widths = {p: scale * width for p, width in widths.items()}
    middles = _middles(rows, links, widths, scale * _GAP)
    height = len(rows) * _BOX + (len(rows) - 1) * _BETWEEN + 2 * _MARGIN
    tops = [height - _MARGIN - i * (_BOX + _BETWEEN) for i in range(len(rows))]
    implied = _implied(names, edges)
    with sheet(PAGE, height) as (figure, axis):
        for edge, route in routes.items():
            way = _curve([(middles[p], tops[p[2]] - _BOX, tops[p[2]]) for p in route])
            look: dict[str, Any] = {"edgecolor": _INK, "zorder": 2}
            if edge in implied:
                look = {"edgecolor": _PALE, "zorder": 1}
            line = PathPatch(way, facecolor="none", linewidth=0.8, gid=f"edge-{'-'.join(edge)}")
            axis.add_patch(line).set(**look)
        for name in names:
            place = ("rule", name, layer[name])
            _box(axis, name, middles[place], tops[layer[name]], widths[place], scale)
            if any(name == end for _, end in edges):
                _arrowhead(axis, middles[place], tops[layer[name]])
        save(figure, files, dpi=300)


def _curve(stops: Sequence[tuple[float, float, float]]) -> Curve:
    """Return a line from the first stop's lower end to the last one's upper end.

    Args:
        stops: where it passes: x, lower and upper end, all in inches.
    """
    points, codes = [], []
    for (x, start, _), (onward, _, end) in pairwise(stops):
        half = (start + end) / 2
        points += [(x, start), (x, half), (onward, half), (onward, end)]
        codes += [Curve.LINETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]
    return Curve(points, [Curve.MOVETO, *codes[1:]])


def _box(axis: Axes, name: str, middle: float, top: float, width: float, scale: float) -> None:
    corner = (middle - width / 2, top - _BOX)
    style = "round,pad=0,rounding_size=0.05"
    box = FancyBboxPatch(corner, width, _BOX, boxstyle=style, gid=f"rule-{name}")
    axis.add_patch(box).set(facecolor=_FILL, edgecolor=_INK, linewidth=0.6, zorder=3)
    style_of_text: dict[str, Any] = {"ha": "center", "va": "center_baseline", "zorder": 4}
    axis.text(middle, top - _BOX / 2, name, fontsize=scale * _FONT, **style_of_text)


def _arrowhead(axis: Axes, x: float, y: float) -> None:
    corners = [(x, y), (x - 0.03, y + 0.06), (x + 0.03, y + 0.06)]
    axis.add_patch(Polygon(corners, facecolor=_INK, edgecolor="none", zorder=3))


def _width(name: str) -> float:
    """Return the width of a rule's box in inches."""
    return TextPath((0, 0), name, size=_FONT).get_extents().width / 72 + 2 * _PADDING


def _layers(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return each rule's layer: as far down as its longest way from a rule that needs none.

    A rule that needs none stands just above the first that needs it.
    """
    before = {name: [a for a, b in edges if b == name] for name in names}
    layer: dict[str, int] = {}
    for name in TopologicalSorter(before).static_order():
        layer[name] = 1 + max((layer[a] for a in before[name]), default=-1)
    for name in names:
        after = [layer[b] for a, b in edges if a == name]
        if not before[name] and after:
            layer[name] = min(after) - 1
    return layer


def _implied(names: Sequence[str], edges: Sequence[Edge]) -> set[Edge]:
    """Return the edges beside which there is a longer way."""
    after = {name: {b for a, b in edges if a == name} for name in names}
    reached: dict[str, set[str]] = {}
    for name in TopologicalSorter(after).static_order():
        reached[name] = after[name].union(*(reached[b] for b in after[name]))
    return {(a, b) for a, b in edges if any(b in reached[c] for c in after[a])}


def _routes(edges: Sequence[Edge], layer: Mapping[str, int]) -> dict[Edge, list[_Place]]:
    """Return the places that each edge passes, one a layer.

    Long edges of one rule pass together, those that it sends or those that it receives, whichever
    are more.
    """
    long = [(a, b) for a, b in edges if layer[b] - layer[a] > 1]
    sent, received = Counter(a for a, _ in long), Counter(b for _, b in long)
    routes = {}
    for a, b in edges:
        way, hub = ("to", b) if received[b] > sent[a] else ("from", a)
        passed = [(way, hub, i) for i in range(layer[a] + 1, layer[b])]
        routes[a, b] = [("rule", a, layer[a]), *passed, ("rule", b, layer[b])]
    return routes


def _ordered(
    rows: list[list[_Place]], links: Sequence[tuple[_Place, _Place]]
) -> list[list[_Place]]:
    """Return layers in an order with few crossings: places go to the middle of their neighbours.

    The barycentre method (Sugiyama, Tagawa and Toda 1981, doi:10.1109/TSMC.1981.4308636).
    """
    best = rows
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        rows = [list(row) for row in rows]
        for i in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            fixed = {place: j for j, place in enumerate(rows[i - 1 if down else i + 1])}
            wanted: dict[_Place, float] = {}
            for j, place in enumerate(rows[i]):
                near = [fixed[a if down else b] for a, b in links if (b if down else a) == place]
                wanted[place] = sum(near) / len(near) if near else j
            rows[i].sort(key=wanted.__getitem__)
        best = min(best, rows, key=lambda found: _crossings(found, links))
    return best


def _crossings(rows: Sequence[Sequence[_Place]], links: Sequence[tuple[_Place, _Place]]) -> int:
    """Return how many pairs of links cross."""
    at = {place: j for row in rows for j, place in enumerate(row)}
    crossings = 0
    for i in range(len(rows)):
        ends = np.array([(at[a], at[b]) for a, b in links if a[2] == i]).reshape(-1, 2)
        upper, lower = (np.subtract.outer(column, column) for column in ends.T)
        crossings += int((upper * lower < 0).sum()) // 2
    return crossings


def _middles(
    rows: Sequence[Sequence[_Place]],
    links: Sequence[tuple[_Place, _Place]],
    widths: Mapping[_Place, float],
    gap: float,
) -> dict[_Place, float]:
    """Return where the middle of each place is, in inches from the left: near its neighbours'.

    Each layer in turn takes the places that are nearest to what it would like, by squares, under
    the condition that its order stays and nothing touches.
    """
    near: dict[_Place, list[_Place]] = {place: [] for row in rows for place in row}
    for a, b in links:
        weight = 1 if "rule" in (a[0], b[0]) else _STRAIGHT
        near[a] += [b] * weight
        near[b] += [a] * weight
    room = PAGE - 2 * _MARGIN
    x = dict.fromkeys(near, room / 2)
    for _ in range(_SWEEPS):
        for row in [*rows, *reversed(rows)]:
            sizes = np.array([widths[place] for place in row])
            packed = np.cumsum(sizes + gap) - gap - sizes / 2
            wanted = np.array([np.mean([x[b] for b in near[a] or [a]]) for a in row])
            slack = max(room - sizes.sum() - gap * (len(row) - 1), 0)
            found = packed + _rising(wanted - packed).clip(0, slack)
            x |= dict(zip(row, found.tolist(), strict=True))
    left = min(x[place] - width / 2 for place, width in widths.items())
    right = max(x[place] + width / 2 for place, width in widths.items())
    return {place: middle + (PAGE - left - right) / 2 for place, middle in x.items()}


def _rising(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers that never fall and are nearest to some, by squares.

    Pool adjacent violators (Barlow et al. 1972): where numbers fall, all become their mean.
    """
    pools: list[tuple[float, int]] = []
    for value in values.tolist():
        mean, count = value, 1
        while pools and pools[-1][0] > mean:
            other, others = pools.pop()
            mean = (mean * count + other * others) / (count + others)
            count += others
        pools.append((mean, count))
    return np.repeat([mean for mean, _ in pools], [count for _, count in pools])
