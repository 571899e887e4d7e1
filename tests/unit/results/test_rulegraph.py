"""The rule graph: every rule and edge that Snakemake tells, each rule below what it needs."""

import json
import random
import re
import subprocess
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.common.fingerprint import structure
from jpegprep.results.figures.rulegraph import draw, parse, rule_graph

# As Snakemake 9.27 prints it, with what stands around a graph in its output.
DOT = """Something a Snakefile printed.
digraph snakemake_dag {
    graph[bgcolor=white, margin=0];
    node[shape=box, style=rounded, fontname=sans,                 fontsize=10, penwidth=2];
    edge[penwidth=2, color=grey];
\t0[label = "all", color = "0.00 0.6 0.85", style="rounded"];
\t1[label = "write_report", color = "0.64 0.6 0.85", style="rounded"];
\t2[label = "shard_originals_cifar10", color = "0.38 0.6 0.85", style="rounded,dashed"];
\t3[label = "shard_originals_dtd", color = "0.38 0.6 0.85", style="rounded"];
\t4[label = "treat_shard\\nvariant: noise", color = "0.61 0.6 0.85", style="rounded"];
\t5[label = "train_timm", color = "0.58 0.6 0.85", style="rounded"];
\t6[label = "fetch_weights", color = "0.20 0.6 0.85", style="rounded"];
\t1 -> 0
\t5 -> 0
\t2 -> 4
\t3 -> 4
\t2 -> 5
\t3 -> 5
\t4 -> 5
\t6 -> 5
\t5 -> 1
}            
"""
EDGES = [
    ("fetch_weights", "train_timm"),
    ("shard_originals", "train_timm"),
    ("shard_originals", "treat_shard"),
    ("train_timm", "all"),
    ("train_timm", "write_report"),
    ("treat_shard", "train_timm"),
    ("write_report", "all"),
]
NAMES = sorted({name for edge in EDGES for name in edge})

# A study in small: which rules there are depends on its config.
SNAKEFILE = """
rule all:
    input:
        "report.txt",

rule write_report:
    input:
        [f"shards/{name}.tar" for name in config["datasets"]],
        ["model.txt"] if config["train"] else [],
    output:
        "report.txt",
    shell:
        "exit 1"

rule train_timm:
    input:
        [f"shards/{name}.tar" for name in config["datasets"]],
    output:
        "model.txt",
    shell:
        "exit 1"

for name in config["datasets"]:

    rule:
        name:
            f"shard_originals_{name}"
        output:
            f"shards/{name}.tar",
        shell:
            "exit 1"
"""

Corners = tuple[float, float, float, float]


def numbers(svg: str, group: str) -> np.ndarray:
    """Return the points (x, y; y grows downwards) of the path of a group of an SVG."""
    found = re.search(rf'<g id="{group}">\s*<path d="([^"]*)"', svg)
    assert found, group
    return np.array([float(n) for n in re.findall(r"-?[\d.]+", found[1])]).reshape(-1, 2)


def boxes(svg: Path) -> dict[str, Corners]:
    """Return left, top, right and bottom of the box of each rule."""
    text = svg.read_text()
    names = re.findall(r'<g id="rule-(\w+)">', text)
    points = {name: numbers(text, f"rule-{name}") for name in names}
    return {name: (*p.min(axis=0), *p.max(axis=0)) for name, p in points.items()}


def drawn(svg: Path) -> list[tuple[str, str]]:
    """Return the edges of an SVG; each begins and ends where its rules' boxes are."""
    text, found = svg.read_text(), boxes(svg)
    edges = re.findall(r'<g id="edge-(\w+)-(\w+)">', text)
    for a, b in edges:
        way = numbers(text, f"edge-{a}-{b}")
        for (x, y), (left, _, right, _), end in (
            (way[0], found[a], found[a][3]),
            (way[-1], found[b], found[b][1]),
        ):
            assert left < x < right
            assert y == pytest.approx(end, abs=0.01)
    return sorted(edges)


def words(svg: Path) -> list[str]:
    """Return the texts of an SVG; Matplotlib comments on each."""
    return sorted(re.findall(r"<!-- (.*?) -->", svg.read_text()))


def test_snakemakes_graph_is_read() -> None:
    """Rules have their names without wildcards; those of a family are one."""
    assert parse(DOT, ["shard_originals"]) == (NAMES, EDGES)
    names, edges = parse(DOT)
    assert {"shard_originals_cifar10", "shard_originals_dtd"} < set(names)
    assert len(edges) == 9


def test_every_rule_and_edge_is_drawn(tmp_path: Path) -> None:
    """A box with its name for each rule, a line from box to box for each edge."""
    draw(NAMES, EDGES, tmp_path / "g.svg")
    assert words(tmp_path / "g.svg") == sorted(boxes(tmp_path / "g.svg")) == NAMES
    assert drawn(tmp_path / "g.svg") == EDGES


def study(rules: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Return a graph of many rules, wired at random; each rule but the first ones needs some."""
    names = [f"measure_something{i:02d}" for i in range(rules)]
    wires = random.Random(7)
    edges = {
        (names[wires.randrange(max(0, i - 9), i)], names[i])
        for i in range(3, rules)
        for _ in range(3)
    }
    return names, sorted(edges)


def test_a_rule_is_below_all_that_it_needs(tmp_path: Path) -> None:
    """Edges lead downwards, boxes do not touch, and all are on the page, which is 7.2 in wide."""
    names, edges = study(25)
    draw(names, edges, tmp_path / "g.svg", tmp_path / "g.png")
    assert drawn(tmp_path / "g.svg") == edges
    found = boxes(tmp_path / "g.svg")
    assert all(found[a][3] < found[b][1] for a, b in edges)
    for one, other in combinations(found.values(), 2):
        beside = one[2] < other[0] or other[2] < one[0]
        assert beside or one[3] < other[1] or other[3] < one[1]
    assert all(box[0] > 0 and box[2] < 7.2 * 72 for box in found.values())
    assert 'width="518.4pt"' in (tmp_path / "g.svg").read_text()
    with Image.open(tmp_path / "g.png") as image:
        assert image.width == pytest.approx(7.2 * image.info["dpi"][0], abs=1)


def test_a_wide_layer_fits_the_page(tmp_path: Path) -> None:
    """Of many rules side by side none is cut off."""
    edges = [("download_archive", f"make_another_table_{i}") for i in range(12)]
    names = sorted({name for edge in edges for name in edge})
    draw(names, edges, tmp_path / "g.svg")
    found = boxes(tmp_path / "g.svg")
    row = sorted(box for name, box in found.items() if name != "download_archive")
    assert len({box[1] for box in row}) == 1
    assert all(one[2] < other[0] for one, other in zip(row, row[1:], strict=False))
    assert row[0][0] > 0
    assert row[-1][2] < 7.2 * 72


def test_edges_cross_where_they_must(tmp_path: Path) -> None:
    """Chains side by side are drawn without a crossing, in whatever order they are told."""
    edges = [(f"{a}{i}", f"{b}{i}") for a, b in ("ab", "bc", "cd") for i in (3, 1, 4, 2)]
    edges = [(a, b[0] + b[1].translate(str.maketrans("1234", "3142"))) for a, b in edges]
    draw(sorted({name for edge in edges for name in edge}), edges, tmp_path / "g.svg")
    at = {name: box[0] for name, box in boxes(tmp_path / "g.svg").items()}
    for (a, b), (c, d) in combinations(edges, 2):
        if a[0] == c[0]:
            assert (at[a] < at[c]) == (at[b] < at[d])


def test_rules_alone_are_drawn(tmp_path: Path) -> None:
    """One rule, which needs nothing, is a graph."""
    draw(["draw_fig1"], [], tmp_path / "g.svg")
    assert words(tmp_path / "g.svg") == ["draw_fig1"]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_rules_make_the_same_file(tmp_path: Path, kind: str) -> None:
    """Snakemake tells rules and edges in another order each time: the file is the same."""
    lines = DOT.splitlines()
    random.Random(1).shuffle(lines)
    shuffled = re.sub(r"(?m)^\t(\d)(.*?)(\d?)$", r"\t9\1\2\3", "\n".join(lines))
    shuffled = re.sub(r"(?m)-> (\d)$", r"-> 9\1", shuffled)
    assert shuffled != DOT
    one, other = tmp_path / f"one.{kind}", tmp_path / f"other.{kind}"
    draw(*parse(DOT), one)
    draw(*parse(shuffled), other)
    assert one.read_bytes() == other.read_bytes()


def test_a_study_has_the_rules_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snakemake is asked with the study's config and runs no job; the target itself is no box."""
    monkeypatch.chdir(tmp_path)
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(SNAKEFILE)
    for train in (True, False):
        config = json.dumps({"datasets": ["dtd", "cifar10"], "train": train})
        families = ["shard_originals"]
        rule_graph(snakefile, config, "all", tmp_path / "g.svg", families=families)
        expected = [("shard_originals", "write_report")]
        if train:
            expected += [("shard_originals", "train_timm"), ("train_timm", "write_report")]
        assert drawn(tmp_path / "g.svg") == sorted(expected)
    assert not (tmp_path / "report.txt").exists()


def test_a_broken_workflow_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Snakemake fails there is no figure."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text("rule all:\n    input: 'nowhere'\n")
    with pytest.raises(subprocess.CalledProcessError):
        rule_graph(tmp_path / "Snakefile", "{}", "all", tmp_path / "g.svg")
    assert not (tmp_path / "g.svg").exists()


def test_what_is_no_rule_graph_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output without the target is one line that names the Snakefile and how to see more."""
    done = subprocess.CompletedProcess([], 0, stdout="Nothing to be done.\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(UserError, match=r"Snakefile: .* --rulegraph all") as error:
        rule_graph("Snakefile", "{}", "all", tmp_path / "g.svg")
    assert "\n" not in str(error.value)


def test_comments_are_no_structure(tmp_path: Path) -> None:
    """What stands for rule files changes with their rules, and with no comment or blank line."""
    file = tmp_path / "Snakefile"
    found = []
    for text in (
        SNAKEFILE,
        SNAKEFILE.replace("rule train_timm:", "# A comment.\n\nrule train_timm:  # another"),
        SNAKEFILE.replace("rule train_timm:", "rule train_b0:"),
    ):
        file.write_text(text)
        found.append(structure([file]))
    assert found[0] == found[1] != found[2]
    assert re.fullmatch(r"[0-9a-f]{16}", found[0])
    assert structure([file, file]) != found[2]
