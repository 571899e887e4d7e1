"""Figures: they show the numbers of the tables, the same file each time."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from jpegprep.results.figures.accuracy import (
    accuracy_vs_parameters,
    accuracy_vs_ratio,
    difference_vs_ratio,
)
from jpegprep.results.figures.convergence import convergence
from jpegprep.results.figures.sizes import bytes_by_part, size_vs_ratio

RATIOS = [1.0, 0.9, 0.7, 0.5, 0.3, 0.1]


def accuracies(datasets: dict[str, dict[str, list[float]]], path: Path, seeds: int = 1) -> Path:
    """Write a table of accuracies: of each data set and learner one at each ratio."""
    rows = [
        (dataset, learner, ratio, seeds, 1128, value, value - 0.03, value + 0.02)
        for dataset, learners in datasets.items()
        for learner, values in learners.items()
        for ratio, value in zip(RATIOS, values, strict=False)
    ]
    columns = ["dataset", "learner", "ratio", "seeds", "n", "accuracy", "low", "high"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def single(table: Path, spread: float = 0.01) -> Path:
    """Write the runs behind a table of accuracies: its seeds lie evenly around each mean."""
    rows = [
        {
            **row,
            "seed": seed,
            "accuracy": row["accuracy"] + spread * (2 * seed / of - 1 if of else 0),
        }
        for row in pd.read_csv(table).to_dict("records")
        for of in [int(row["seeds"]) - 1]
        for seed in range(of + 1)
    ]
    path = table.with_name(f"runs-{table.name}")
    runs = pd.DataFrame(rows)
    runs["variant"] = ["original" if ratio == 1 else f"jpeg-q{ratio}" for ratio in runs["ratio"]]
    runs.to_csv(path, index=False)
    return path


def bands(svg: Path) -> list[np.ndarray]:
    """Return the (x, y) of the corners of each band; y grows upwards, as of `lines`."""
    found = re.findall(
        r'<g id="FillBetweenPolyCollection_\d+">.*?<path id="[^"]*" d="([^"]*)"'
        r'.*?<use [^>]*y="([^"]*)"',
        svg.read_text(),
        re.DOTALL,
    )
    return [
        (np.array([float(n) for n in re.findall(r"-?[\d.]+", path)]).reshape(-1, 2) + [0, float(y)])
        * [1, -1]
        for path, y in found
    ]


def history(path: Path, values: list[float]) -> Path:
    """Write a history of validation accuracies."""
    rows = {"epoch": range(1, len(values) + 1), "train_loss": 1.0, "val_accuracy": values}
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def words(svg: Path) -> set[str]:
    """Return the texts of an SVG; where they are drawn as shapes, Matplotlib comments on each."""
    texts = re.findall(r"<!--(.*?)-->|<text[^>]*>(.*?)</text>", svg.read_text(), re.DOTALL)
    return {(comment or text).strip() for comment, text in texts}


def lines(svg: Path, points: int) -> list[np.ndarray]:
    """Return the (x, y) of each drawn line with so many points; y grows upwards."""
    ElementTree.parse(svg)  # it is XML
    found = []
    for group in re.findall(r'<g id="line2d_\d+">\s*<path d="([^"]*)"', svg.read_text()):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", group)]
        line = np.array(numbers).reshape(-1, 2) * [1, -1]
        if len(line) == points and "z" not in group:
            found.append(line)
    return found


def panels(svg: Path) -> int:
    """Return the number of panels of an SVG."""
    return len(re.findall(r'<g id="axes_\d+">', svg.read_text()))


FALLING = [0.80, 0.79, 0.78, 0.77, 0.70, 0.50]
FLAT = [0.60, 0.61, 0.59, 0.60, 0.58, 0.57]


def test_fig2_draws_the_accuracies(tmp_path: Path) -> None:
    """Each learner is a line through its accuracies, from the original at the left down to 0.1."""
    table = accuracies({"dtd": {"lite0": FALLING, "b0": FLAT}}, tmp_path / "accuracy.csv")
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    drawn = lines(tmp_path / "fig2.svg", len(RATIOS))
    assert len(drawn) == 2
    values = np.array([FALLING, FLAT])
    for line, expected in zip(drawn, values, strict=True):
        line = line[line[:, 0].argsort()]
        # Left to right: the original first; heights are the accuracies, in one scale for both.
        assert np.corrcoef(line[:, 0], RATIOS)[0, 1] == pytest.approx(-1, abs=1e-3)
        assert np.corrcoef(line[:, 1], expected)[0, 1] == pytest.approx(1, abs=1e-3)
    heights = np.concatenate([line[line[:, 0].argsort(), 1] for line in drawn])
    assert np.corrcoef(heights, values.ravel())[0, 1] == pytest.approx(1, abs=1e-3)


def test_fig2_says_what_it_shows(tmp_path: Path) -> None:
    """Data set, number of test images, seeds, learners and axes can be read in the figure."""
    table = accuracies({"dtd": {"lite0": FALLING, "b0": FLAT}}, tmp_path / "accuracy.csv", seeds=3)
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    found = words(tmp_path / "fig2.svg")
    assert {"lite0", "b0", "top-1 test accuracy"} <= found
    assert "dtd" in found
    title = next(text for text in found if text.startswith("n = "))
    assert "1,128" in title
    assert "3 seeds" in title
    assert any("compression ratio" in text for text in found)
    assert any("95 %" in text for text in found)


def test_fig2_of_one_seed_says_so(tmp_path: Path) -> None:
    """One seed is not called seeds."""
    table = accuracies({"dtd": {"lite0": FALLING}}, tmp_path / "accuracy.csv")
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    assert any(re.search(r"\b1 seed\b(?!s)", text) for text in words(tmp_path / "fig2.svg"))


def test_fig2_of_learners_with_other_seeds_says_so(tmp_path: Path) -> None:
    """A probe has more seeds than a fine-tuned network: not all have the most."""
    table = accuracies({"dtd": {"lite0": FALLING, "probe": FLAT}}, tmp_path / "accuracy.csv")
    rows = pd.read_csv(table)
    rows.loc[rows["learner"] == "probe", ["seeds", "n"]] = 5, 5640
    rows.to_csv(table, index=False)
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    title = next(text for text in words(tmp_path / "fig2.svg") if text.startswith("n = "))
    assert "n = 1,128 to 5,640 test images, 1 to 5 seeds" in title
    rows.loc[rows["learner"] == "probe", "interval"] = "cross-fitted"
    rows.to_csv(table, index=False)
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    title = next(text for text in words(tmp_path / "fig2.svg") if text.startswith("n = "))
    assert title.endswith("1 seed, 5 repeats")


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_fig2_has_a_panel_for_each_data_set(tmp_path: Path, count: int) -> None:
    """Every data set has a panel of its own, and no empty one is left."""
    names = [f"set{i}" for i in range(count)]
    table = accuracies(dict.fromkeys(names, {"lite0": FALLING}), tmp_path / "accuracy.csv")
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    assert panels(tmp_path / "fig2.svg") == count
    found = words(tmp_path / "fig2.svg")
    assert all(any(text.startswith(name) for text in found) for name in names)


def test_fig2_names_learners_that_only_one_data_set_has(tmp_path: Path) -> None:
    """A learner that was run on the second data set alone is in the legend as well."""
    table = accuracies(
        {"dtd": {"lite0": FALLING}, "pets": {"lite0": FLAT, "b0": FALLING}},
        tmp_path / "accuracy.csv",
    )
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    assert {"lite0", "b0"} <= words(tmp_path / "fig2.svg")


def test_fig2_takes_learners_with_few_ratios(tmp_path: Path) -> None:
    """A learner that was run at some of the ratios is drawn at those."""
    table = accuracies({"dtd": {"lite0": FALLING, "ag": FLAT[:2]}}, tmp_path / "accuracy.csv")
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    assert len(lines(tmp_path / "fig2.svg", len(RATIOS))) == 1
    assert "ag" in words(tmp_path / "fig2.svg")


def test_fig2_of_one_data_set_has_that_alone(tmp_path: Path) -> None:
    """One data set's figure is what the figure of a study of it alone would be."""
    both = {"dtd": {"lite0": FALLING}, "pets": {"lite0": FLAT, "b0": FALLING}}
    table = accuracies(both, tmp_path / "both.csv", seeds=3)
    accuracy_vs_ratio(table, single(table), tmp_path / "p.svg", dataset="pets")
    alone = accuracies({"pets": both["pets"]}, tmp_path / "alone.csv", seeds=3)
    accuracy_vs_ratio(alone, single(alone), tmp_path / "alone.svg")
    assert (tmp_path / "p.svg").read_bytes() == (tmp_path / "alone.svg").read_bytes()
    assert panels(tmp_path / "p.svg") == 1
    assert not any(text.startswith("dtd") for text in words(tmp_path / "p.svg"))


def test_fig2_is_the_same_beside_variants_with_noise(tmp_path: Path) -> None:
    """Noisy variants have no compression ratio, and so no point; a learner of noise no line."""
    table = accuracies({"dtd": {"lite0": FALLING}}, tmp_path / "accuracy.csv")
    accuracy_vs_ratio(table, single(table), tmp_path / "plain.svg")
    noisy = [f"dtd,{learner},,1,1128,0.2,0.1,0.3\n" for learner in ("lite0", "lite0", "noisy")]
    table.write_text(table.read_text() + "".join(noisy))
    accuracy_vs_ratio(table, single(table), tmp_path / "noisy.svg")
    assert (tmp_path / "noisy.svg").read_bytes() == (tmp_path / "plain.svg").read_bytes()


def test_fig2_of_one_seed_has_no_band(tmp_path: Path) -> None:
    """Of a single seed there is no range, and the legend speaks of none."""
    table = accuracies({"dtd": {"lite0": FALLING}}, tmp_path / "accuracy.csv")
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    assert bands(tmp_path / "fig2.svg") == []
    assert not any("band" in text for text in words(tmp_path / "fig2.svg"))


def test_fig2_shows_the_range_of_single_seeds(tmp_path: Path) -> None:
    """A band from the lowest to the highest seed at each ratio, of the learner that has several."""
    table = accuracies({"dtd": {"lite0": FALLING, "probe": FLAT}}, tmp_path / "accuracy.csv")
    rows = pd.read_csv(table)
    rows.loc[rows["learner"] == "lite0", "seeds"] = 5
    rows.to_csv(table, index=False)
    accuracy_vs_ratio(table, single(table, spread=0.02), tmp_path / "fig2.svg")
    (corners,) = bands(tmp_path / "fig2.svg")
    line = next(x for x in lines(tmp_path / "fig2.svg", len(RATIOS)))
    line = line[line[:, 0].argsort()]
    scale = (line[0, 1] - line[-1, 1]) / (FALLING[0] - FALLING[-1])
    for (x, y), value in zip(line, FALLING, strict=True):
        heights = corners[np.abs(corners[:, 0] - x) < 0.01, 1]
        assert y - scale * value == pytest.approx(line[0, 1] - scale * FALLING[0], abs=0.01)
        assert [heights.min(), heights.max()] == pytest.approx(
            [y - 0.02 * scale, y + 0.02 * scale], abs=0.02
        )
    assert any("bands: range of single seeds" in text for text in words(tmp_path / "fig2.svg"))


def differences(table: Path) -> Path:
    """Write the differences to the original of a table of accuracies."""
    rows = pd.read_csv(table)
    original = rows[rows["ratio"] == 1].set_index(["dataset", "learner"])["accuracy"]
    rows = rows[rows["ratio"] < 1].assign(other_variant="original")
    places = zip(rows["dataset"], rows["learner"], strict=True)
    rows["difference"] = rows["accuracy"] - [original[place] for place in places]
    rows["low"], rows["high"] = rows["difference"] - 0.03, rows["difference"] + 0.02
    path = table.with_name("differences.csv")
    rows.assign(other_learner=rows["learner"]).to_csv(path, index=False)
    return path


def test_differences_show_the_range_of_single_seeds(tmp_path: Path) -> None:
    """Each seed's accuracy less its own original's; of one seed there is no band."""
    table = accuracies({"dtd": {"lite0": FALLING}}, tmp_path / "accuracy.csv", seeds=3)
    of_seeds = single(table)
    rows = pd.read_csv(of_seeds)
    # Seeds differ by one point at ratio 1.0, by three at the others: by two of what is drawn.
    compressed = rows["ratio"] < 1
    mean = rows.groupby("ratio")["accuracy"].transform("mean")
    rows.loc[compressed, "accuracy"] = (3 * rows["accuracy"] - 2 * mean)[compressed]
    rows.to_csv(of_seeds, index=False)
    difference_vs_ratio(differences(table), of_seeds, 0.01, tmp_path / "d.svg")
    (corners,) = bands(tmp_path / "d.svg")
    (line,) = lines(tmp_path / "d.svg", len(RATIOS) - 1)
    line = line[line[:, 0].argsort()]
    scale = (line[0, 1] - line[-1, 1]) / (FALLING[1] - FALLING[-1])
    for x, y in line:
        heights = corners[np.abs(corners[:, 0] - x) < 0.01, 1]
        assert [heights.min(), heights.max()] == pytest.approx(
            [y - 0.02 * scale, y + 0.02 * scale], abs=0.02
        )
    assert any("bands" in text for text in words(tmp_path / "d.svg"))
    one = accuracies({"dtd": {"lite0": FALLING}}, tmp_path / "one.csv")
    difference_vs_ratio(differences(one), single(one), 0.01, tmp_path / "one.svg")
    assert bands(tmp_path / "one.svg") == []
    assert not any("bands" in text for text in words(tmp_path / "one.svg"))


def test_no_words_leave_the_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Titles and legends are whole, of four learners with bands and a margin, too."""
    learners = ("tf_efficientnet_lite0", "autogluon", "probe", "autogluon_tabular")
    table = accuracies(
        {"photo-patches": dict.fromkeys(learners, FALLING)}, tmp_path / "accuracy.csv", seeds=3
    )
    drawn = []

    def whole(figure: Figure, targets: object) -> None:
        figure.canvas.draw()
        drawn.append(figure)
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text():
                place = text.get_window_extent()
                assert place.x0 >= -1 and place.x1 <= figure.bbox.x1 + 1, text.get_text()

    monkeypatch.setattr("jpegprep.results.figures.accuracy.save", whole)
    accuracy_vs_ratio(table, single(table), tmp_path / "fig2.svg")
    difference_vs_ratio(differences(table), single(table), 0.02, tmp_path / "d.svg")
    assert len(drawn) == 2


MODELS = {"efficientnet_b0": 4.0e6, "efficientnet_b1": 8.0e6, "efficientnet_b4": 16.0e6}
ORIGINAL, COMPRESSED = [0.6, 0.7, 0.75], [0.5, 0.72, 0.74]


def models(path: Path, *datasets: str, seeds: int = 1) -> Path:
    """Write a table of networks: of each data set three at two ratios, not by their size."""
    rows = [
        (dataset, name, MODELS[name], ratio, seeds, 1128, value, value - 0.03, value + 0.02)
        for dataset in datasets
        for ratio, values in ((0.3, COMPRESSED), (1.0, ORIGINAL))
        for name, value in reversed(list(zip(MODELS, values, strict=True)))
    ]
    columns = ["dataset", "learner", "parameters", "ratio", "seeds", "n"]
    pd.DataFrame(rows, columns=[*columns, "accuracy", "low", "high"]).to_csv(path, index=False)
    return path


def test_the_figure_of_models_draws_accuracy_against_parameters(tmp_path: Path) -> None:
    """Two lines, original and compressed; each doubling of the parameters is as wide."""
    table = models(tmp_path / "models.csv", "dtd")
    accuracy_vs_parameters(table, single(table), tmp_path / "m.svg")
    drawn = lines(tmp_path / "m.svg", 3)
    assert len(drawn) == 2
    for line in drawn:
        assert line[1, 0] - line[0, 0] == pytest.approx(line[2, 0] - line[1, 0], abs=0.01)
        assert line[0, 0] < line[1, 0]
    heights = np.concatenate([line[:, 1] for line in drawn])
    assert np.corrcoef(heights, ORIGINAL + COMPRESSED)[0, 1] == pytest.approx(1, abs=1e-6)


def test_the_figure_of_models_says_what_it_shows(tmp_path: Path) -> None:
    """Networks, their sizes, ratios, data set, n, seeds and axes can be read."""
    table = models(tmp_path / "models.csv", "dtd", seeds=3)
    accuracy_vs_parameters(table, single(table), tmp_path / "m.svg")
    found = words(tmp_path / "m.svg")
    assert {"original", "ratio 0.3", "parameters, millions", "top-1 test accuracy"} <= found
    assert {"4.0", "b0", "8.0", "b1", "16.0", "b4"} <= found
    title = next(text for text in found if text.startswith("dtd"))
    assert "1,128" in title
    assert "3 seeds" in title
    assert any("95 %" in text for text in found)


def test_the_figure_of_models_shows_the_range_of_single_seeds(tmp_path: Path) -> None:
    """A band for originals and one for compressed images; none of one seed."""
    for seeds, count in ((1, 0), (5, 2)):
        table = models(tmp_path / f"models{seeds}.csv", "dtd", seeds=seeds)
        accuracy_vs_parameters(table, single(table), tmp_path / "m.svg")
        assert len(bands(tmp_path / "m.svg")) == count


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_figure_of_models_has_a_panel_for_each_data_set(tmp_path: Path, count: int) -> None:
    """Every data set has its own; drawn again, the figure is the same file."""
    names = [f"set{i}" for i in range(count)]
    table = models(tmp_path / "models.csv", *names)
    accuracy_vs_parameters(table, single(table), tmp_path / "one.svg", tmp_path / "one.png")
    accuracy_vs_parameters(table, single(table), tmp_path / "other.svg", tmp_path / "other.png")
    assert panels(tmp_path / "one.svg") == count
    found = words(tmp_path / "one.svg")
    assert all(any(text.startswith(name) for text in found) for name in names)
    for kind in ("svg", "png"):
        one, other = (tmp_path / f"{name}.{kind}" for name in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_numbers_make_the_same_file(tmp_path: Path, kind: str) -> None:
    """A figure drawn again is the same file, byte for byte, so that a change is a change."""
    table = accuracies({"dtd": {"lite0": FALLING}}, tmp_path / "accuracy.csv")
    past = history(tmp_path / "history.csv", [0.1, 0.5, 0.6])
    about = {"dataset": "dtd", "learner": "lite0", "ratio": 1.0, "seed": 0}
    for name in ("one", "other"):
        accuracy_vs_ratio(table, single(table), tmp_path / f"fig2-{name}.{kind}")
        convergence([about], [past], tmp_path / f"fig3-{name}.{kind}")
    for figure in ("fig2", "fig3"):
        one, other = (tmp_path / f"{figure}-{name}.{kind}" for name in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()


def test_figures_have_the_width_of_a_column(tmp_path: Path) -> None:
    """One or two panels fit a column of a two-column paper (3.5 in), more the page (7.2 in)."""
    for names, inches in ((["dtd"], 3.5), (["dtd", "pets"], 3.5), (["dtd", "pets", "sun"], 7.2)):
        table = accuracies(dict.fromkeys(names, {"lite0": FALLING}), tmp_path / "accuracy.csv")
        accuracy_vs_ratio(table, single(table), tmp_path / "fig2.png")
        with Image.open(tmp_path / "fig2.png") as image:
            assert image.format == "PNG"
            assert image.width == pytest.approx(inches * image.info["dpi"][0], abs=2)


def test_both_files_of_a_figure_are_written(tmp_path: Path) -> None:
    """A figure comes as SVG and PNG at once."""
    table = accuracies({"dtd": {"lite0": FALLING}}, tmp_path / "accuracy.csv")
    accuracy_vs_ratio(
        table, single(table), tmp_path / "out" / "fig2.svg", tmp_path / "out" / "fig2.png"
    )
    assert panels(tmp_path / "out" / "fig2.svg") == 1
    with Image.open(tmp_path / "out" / "fig2.png") as image:
        image.load()
    assert len(list((tmp_path / "out").iterdir())) == 2


def runs(
    folder: Path, curves: dict[tuple[str, str, float, int], list[float]]
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Write histories; return whose they are and where, as `convergence` takes them."""
    found, histories = [], []
    for (dataset, learner, ratio, seed), values in curves.items():
        path = history(folder / f"{dataset}-{learner}-{ratio}-{seed}.csv", values)
        found.append({"dataset": dataset, "learner": learner, "ratio": ratio, "seed": seed})
        histories.append(path)
    return found, histories


def test_fig3_draws_the_mean_over_seeds(tmp_path: Path) -> None:
    """A ratio's line is the mean validation accuracy of its seeds, epoch by epoch."""
    curves = {
        ("dtd", "lite0", 1.0, 0): [0.2, 0.6, 0.8, 0.9],
        ("dtd", "lite0", 1.0, 1): [0.4, 0.6, 0.7, 0.7],
        ("dtd", "lite0", 0.3, 0): [0.1, 0.2, 0.3, 0.4],
        ("dtd", "lite0", 0.3, 1): [0.1, 0.4, 0.5, 0.4],
    }
    convergence(*runs(tmp_path, curves), tmp_path / "fig3.svg")
    drawn = lines(tmp_path / "fig3.svg", 4)
    assert len(drawn) == 2
    upper, lower = sorted(drawn, key=lambda line: -line[-1, 1])
    heights = np.concatenate([upper[:, 1], lower[:, 1]])
    expected = [0.3, 0.6, 0.75, 0.8, 0.1, 0.3, 0.4, 0.4]
    assert np.corrcoef(heights, expected)[0, 1] == pytest.approx(1, abs=1e-3)
    assert np.allclose(np.diff(upper[:, 0]), np.diff(upper[:, 0])[0], atol=0.01)
    assert any("2 seeds" in text for text in words(tmp_path / "fig3.svg"))


def test_fig3_shows_the_range_of_single_seeds(tmp_path: Path) -> None:
    """A band from the lowest to the highest seed after each epoch; of one seed none."""
    one = {("dtd", "lite0", 1.0, 0): [0.2, 0.6, 0.8, 0.9]}
    both = {**one, ("dtd", "lite0", 1.0, 1): [0.4, 0.6, 0.7, 0.7]}
    convergence(*runs(tmp_path, both), tmp_path / "fig3.svg")
    (corners,) = bands(tmp_path / "fig3.svg")
    (line,) = lines(tmp_path / "fig3.svg", 4)
    scale = (line[3, 1] - line[0, 1]) / (0.8 - 0.3)
    for (x, y), half in zip(line, [0.1, 0, 0.05, 0.1], strict=True):
        heights = corners[np.abs(corners[:, 0] - x) < 0.01, 1]
        assert [heights.min(), heights.max()] == pytest.approx(
            [y - half * scale, y + half * scale], abs=0.02
        )
    assert any("bands: their range" in text for text in words(tmp_path / "fig3.svg"))
    convergence(*runs(tmp_path, one), tmp_path / "one.svg")
    assert bands(tmp_path / "one.svg") == []
    assert not any("band" in text for text in words(tmp_path / "one.svg"))


def test_fig3_has_a_panel_for_each_data_set_and_learner(tmp_path: Path) -> None:
    """Curves of different data sets or learners do not share a panel; ratios are named."""
    curves = {
        (dataset, learner, ratio, 0): [0.1, 0.2]
        for dataset in ("dtd", "pets")
        for learner in ("lite0", "b0")
        for ratio in (1.0, 0.3)
    }
    convergence(*runs(tmp_path, curves), tmp_path / "fig3.svg")
    assert panels(tmp_path / "fig3.svg") == 4
    found = words(tmp_path / "fig3.svg")
    assert {"dtd, lite0", "dtd, b0", "pets, lite0", "pets, b0", "1", "0.3"} <= found
    assert {"epoch", "top-1 validation accuracy"} <= found


def test_fig3_names_every_ratio(tmp_path: Path) -> None:
    """Ratios that only one learner was run at are in the legend, too."""
    curves = {
        ("dtd", "lite0", 1.0, 0): [0.1, 0.2],
        ("dtd", "lite0", 0.5, 0): [0.1, 0.2],
        ("dtd", "b0", 1.0, 0): [0.1, 0.2],
        ("dtd", "b0", 0.3, 0): [0.1, 0.2],
    }
    convergence(*runs(tmp_path, curves), tmp_path / "fig3.svg")
    assert {"1", "0.5", "0.3"} <= words(tmp_path / "fig3.svg")


SHRINKING = [1.0, 0.9, 0.6, 0.4, 0.25, 0.1]
GROWING = [1.0, 1.3, 0.8, 0.7, 0.5, 0.2]
JPEG_SOURCE, PNG_SOURCE = ("JPEG", 75, 60, 90), ("PNG", None, None, None)


def sizes(path: Path, datasets: dict[str, tuple[list[float], Any, float | None]]) -> Path:
    """Write a table of sizes: of each data set those at each ratio, its source, the paper's."""
    rows = [
        (dataset, ratio, value, *source, paper if ratio == 0.3 else None)
        for dataset, (values, source, paper) in datasets.items()
        for ratio, value in zip(RATIOS, values, strict=True)
    ]
    columns = ["dataset", "ratio", "relative_size", "source_format", "source_quality"]
    columns += ["source_quality_p10", "source_quality_p90", "paper_relative_size"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def two_sizes(path: Path) -> Path:
    """Write the sizes of a data set of JPEGs that the paper has, and of one of PNGs."""
    both = {"dtd": (SHRINKING, JPEG_SOURCE, 0.2221), "mine": (GROWING, PNG_SOURCE, None)}
    return sizes(path, both)


def test_size_figure_has_a_line_for_each_data_set(tmp_path: Path) -> None:
    """Lines go from the original at the left down to 0.1, in one scale of percents from 0."""
    size_vs_ratio(two_sizes(tmp_path / "z.csv"), tmp_path / "z.svg")
    drawn = lines(tmp_path / "z.svg", len(RATIOS))
    assert len(drawn) == 2
    heights = []
    for line in drawn:
        line = line[line[:, 0].argsort()]
        assert np.corrcoef(line[:, 0], RATIOS)[0, 1] == pytest.approx(-1, abs=1e-3)
        heights.append(line[:, 1])
    values = 100 * np.array([SHRINKING, GROWING])
    slope, at_zero = np.polyfit(values.ravel(), np.concatenate(heights), 1)
    assert np.allclose(slope * values + at_zero, heights, atol=0.01)
    # The panel's lower edge is 0 %.
    panel = re.search(r'<g id="patch_2">\s*<path d="([^"]*)"', (tmp_path / "z.svg").read_text())
    assert panel is not None
    corners = np.array([float(n) for n in re.findall(r"-?[\d.]+", panel[1])]).reshape(-1, 2)
    assert -corners[:, 1].max() == pytest.approx(at_zero, abs=0.01)
    assert "0" in words(tmp_path / "z.svg")
    assert panels(tmp_path / "z.svg") == 1


def test_size_figure_says_what_it_shows(tmp_path: Path) -> None:
    """Axes, data sets, the quality of their sources and the paper's crosses can be read."""
    size_vs_ratio(two_sizes(tmp_path / "z.csv"), tmp_path / "z.svg")
    found = words(tmp_path / "z.svg")
    assert {"dtd (JPEG quality 75, 60 to 90)", "mine (PNG)", "size, % of the originals"} <= found
    assert any("compression ratio" in text for text in found)
    assert any("the paper's Table III" in text.replace("&#39;", "'") for text in found)


def test_size_figure_without_the_papers_data_sets_promises_no_crosses(tmp_path: Path) -> None:
    """Where the paper has no number, the legend does not speak of it."""
    own = {name: (SHRINKING, PNG_SOURCE, None) for name in ("mine", "yours")}
    size_vs_ratio(sizes(tmp_path / "z.csv", own), tmp_path / "z.svg")
    found = words(tmp_path / "z.svg")
    assert {"mine (PNG)", "yours (PNG)"} <= found
    assert not any("paper" in text for text in found)
    assert len(lines(tmp_path / "z.svg", len(RATIOS))) == 2


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_sizes_make_the_same_file(tmp_path: Path, kind: str) -> None:
    """The figure of sizes, drawn again, is the same file; of other sizes it is another."""
    table = two_sizes(tmp_path / "z.csv")
    one, other, third = (tmp_path / f"{name}.{kind}" for name in ("one", "other", "third"))
    size_vs_ratio(table, one)
    size_vs_ratio(table, other)
    own = {"dtd": (GROWING, JPEG_SOURCE, 0.2221), "mine": (GROWING, PNG_SOURCE, None)}
    size_vs_ratio(sizes(tmp_path / "y.csv", own), third)
    assert one.read_bytes() == other.read_bytes() != third.read_bytes()


@pytest.mark.parametrize(("count", "inches"), [(1, 3.5), (3, 3.5), (4, 7.2), (6, 7.2)])
def test_size_figure_has_the_width_of_a_column_or_the_page(
    tmp_path: Path, count: int, inches: float
) -> None:
    """Up to three data sets fit a column; the paper's six take the page. All are in the legend."""
    names = [f"set{i}" for i in range(count)]
    table = sizes(tmp_path / "z.csv", {name: (SHRINKING, JPEG_SOURCE, 0.3) for name in names})
    size_vs_ratio(table, tmp_path / "z.svg", tmp_path / "z.png")
    with Image.open(tmp_path / "z.png") as image:
        assert image.width == pytest.approx(inches * image.info["dpi"][0], abs=2)
    assert {f"{name} (JPEG quality 75, 60 to 90)" for name in names} <= words(tmp_path / "z.svg")
    assert len(lines(tmp_path / "z.svg", len(RATIOS))) == count


def test_bytes_by_part_draws_three_ratios_of_a_data_set(tmp_path: Path) -> None:
    """The originals, the one asked for, the smallest; parts that nobody has are not in the key."""
    rows = [
        {
            **{"dataset": name, "ratio": ratio, "bytes": 1000, "images": 2, "header": 100},
            **{"tables": 300, "scan": 600, "metadata": 0, "trailing": 0, "other": 0},
        }
        for name in ("cifar10", "dtd")
        for ratio in (1.0, 0.5, 0.3, 0.1)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "z.csv", index=False)
    bytes_by_part(tmp_path / "z.csv", 0.3, tmp_path / "z.svg")
    said = words(tmp_path / "z.svg")
    assert {"cifar10, original", "dtd, ratio 0.3", "dtd, ratio 0.1", "500 B", "tables"} <= said
    assert not {"cifar10, ratio 0.5", "metadata", "rest"} & said
