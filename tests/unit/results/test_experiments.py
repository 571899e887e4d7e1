"""Tables II, IV and V: numbers put side by side."""

import io
from pathlib import Path

import pandas as pd
import pytest

from jpegprep.results.tables.model_size import all_models, table2
from jpegprep.results.tables.noise import table4
from jpegprep.results.tables.tabular import table5

# Two data sets, two networks, trees; noise for one. No number stands twice.
ACCURACY = """dataset,learner,variant,ratio,seeds,n,accuracy,low,high,interval
textures,b0,original,1.0,3,200,0.8,0.75,0.85,Wilson with random effects
textures,b0,jpeg-q50,0.5,3,200,0.79,0.74,0.84,Wilson with random effects
textures,b0,jpeg-q30,0.3,3,200,0.82,0.77,0.87,Wilson with random effects
textures,b4,original,1.0,3,200,0.815,0.765,0.865,Wilson with random effects
textures,b4,jpeg-q30,0.3,3,200,0.81,0.76,0.86,Wilson with random effects
textures,trees,original,1.0,3,200,0.3,0.25,0.35,Wilson with random effects
textures,trees,jpeg-q30,0.3,3,200,0.4,0.35,0.45,Wilson with random effects
textures,b0,noise,,3,200,0.5,0.45,0.55,Wilson with random effects
textures,b0,noise-jpeg-q30,,3,200,0.6,0.55,0.65,Wilson with random effects
pets,b0,original,1.0,3,1478,0.9,0.88,0.92,Wilson with random effects
pets,b0,jpeg-q50,0.5,3,1478,0.895,0.875,0.915,Wilson with random effects
pets,b0,jpeg-q30,0.3,3,1478,0.88,0.86,0.9,Wilson with random effects
pets,b4,original,1.0,3,1478,0.91,0.89,0.93,Wilson with random effects
pets,b4,jpeg-q30,0.3,3,1478,0.87,0.85,0.89,Wilson with random effects
pets,trees,original,1.0,3,1478,0.1,0.08,0.12,Wilson with random effects
pets,trees,jpeg-q30,0.3,3,1478,0.11,0.09,0.13,Wilson with random effects
"""
RUNS = """dataset,learner,seed,architecture,image_size,parameters,multiply_adds
textures,b4,0,efficientnet_b4,224,17600127,1510000129
textures,b4,1,efficientnet_b4,224,17600127,1510000129
textures,b0,0,efficientnet_b0,224,4010113,385400123
textures,trees,0,,,,
pets,b0,0,efficientnet_b0,224,4050131,385450137
pets,b4,0,efficientnet_b4,224,17610139,1510100149
pets,trees,0,,,,
"""
TRANSFER = """dataset,learner,variant,test_variant,seeds,n,accuracy,low,high,interval
textures,b0,noise,original,3,200,0.55,0.5,0.6,Wilson with random effects
textures,b0,noise-jpeg-q30,original,3,200,0.65,0.6,0.7,Wilson with random effects
"""
DIFFERENCES = """dataset,learner,variant,other_learner,other_variant,difference,low,high
textures,b0,jpeg-q30,b0,original,0.02,-0.01,0.05
textures,b0,jpeg-q30,b4,original,0.005,-0.03,0.04
textures,b4,original,b0,original,0.015,-0.02,0.05
textures,b0,noise-jpeg-q30,b0,noise,0.1,0.04,0.16
textures,trees,original,b0,original,-0.5,-0.6,-0.4
textures,trees,jpeg-q30,b0,jpeg-q30,-0.42,-0.5,-0.34
pets,b0,jpeg-q30,b0,original,-0.02,-0.03,-0.01
pets,b0,jpeg-q30,b4,original,-0.03,-0.045,-0.015
pets,b4,original,b0,original,0.01,-0.001,0.021
pets,trees,original,b0,original,-0.8,-0.83,-0.77
pets,trees,jpeg-q30,b0,jpeg-q30,-0.77,-0.8,-0.74
"""
CONTROLS = """dataset,ratio,seeds,n,dequantized_accuracy,dequantized_low,dequantized_high,\
undequantized_accuracy,undequantized_low,undequantized_high,units,units_low,units_high,finding
textures,1.0,3,200,0.35,0.3,0.4,0.25,0.2,0.3,-0.1,-0.15,-0.05,units: loss
textures,0.3,3,200,0.36,0.31,0.41,0.37,0.32,0.42,0.01,-0.02,0.03,no change shown
pets,1.0,3,1478,0.12,0.1,0.14,0.13,0.11,0.15,0.01,-0.01,0.03,none shown
pets,0.3,3,1478,0.15,0.13,0.17,0.16,0.14,0.18,0.01,-0.01,0.03,gain
"""
WHAT2 = {"small": "b0", "large": "b4", "ratio": 0.3}
RECIPE2 = {"epochs": 10, "batch_size": 64, "learning_rate": 0.001}
WHAT4 = {"learner": "b0", "datasets": ["textures"], "ratio": 0.3, "test": "treated"}
WHAT5 = {"learner": "trees", "deep": "b0"}
KINDS = ("csv", "md", "html")


@pytest.fixture
def accuracy(tmp_path: Path) -> Path:
    """Return the table of accuracies."""
    (tmp_path / "accuracy.csv").write_text(ACCURACY)
    return tmp_path / "accuracy.csv"


@pytest.fixture
def differences(tmp_path: Path) -> Path:
    """Return the table of differences."""
    (tmp_path / "differences.csv").write_text(DIFFERENCES)
    return tmp_path / "differences.csv"


@pytest.fixture
def controls(tmp_path: Path) -> Path:
    """Return the table of controls."""
    (tmp_path / "controls.csv").write_text(CONTROLS)
    return tmp_path / "controls.csv"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return the table of runs."""
    (tmp_path / "runs.csv").write_text(RUNS)
    return tmp_path / "runs.csv"


@pytest.fixture
def transfer(tmp_path: Path) -> Path:
    """Return the table of tests on other variants."""
    (tmp_path / "transfer.csv").write_text(TRANSFER)
    return tmp_path / "transfer.csv"


@pytest.fixture
def targets(tmp_path: Path) -> list[Path]:
    """Return the files to write."""
    return [tmp_path / f"t.{kind}" for kind in KINDS]


def cells(targets: list[Path]) -> list[list[str]]:
    """Return the cells of the Markdown among some tables, without the rule below its head."""
    lines = [line for line in targets[1].read_text("utf-8").splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not set(row[0]) <= {":", "-"}]


def note(targets: list[Path]) -> str:
    """Return what stands below the Markdown among some tables."""
    return targets[1].read_text("utf-8").splitlines()[-1]


# Table II


def test_table2_puts_three_networks_side_by_side(
    accuracy: Path, differences: Path, runs: Path, targets: list[Path]
) -> None:
    """Small original, small compressed and large original, with bounds, of each data set."""
    table2(accuracy, differences, runs, WHAT2, RECIPE2, *targets)
    table = pd.read_csv(targets[0]).set_index("dataset")
    assert table.index.tolist() == ["textures", "pets"]
    expected = {
        "small_original": ([0.8, 0.75, 0.85], [0.9, 0.88, 0.92]),
        "small_compressed": ([0.82, 0.77, 0.87], [0.88, 0.86, 0.9]),
        "large_original": ([0.815, 0.765, 0.865], [0.91, 0.89, 0.93]),
    }
    for part, (textures, pets) in expected.items():
        names = [f"{part}_{name}" for name in ("accuracy", "low", "high")]
        assert table.loc["textures", names].tolist() == textures
        assert table.loc["pets", names].tolist() == pets
    assert table[["small", "large", "ratio"]].to_numpy().tolist() == [["b0", "b4", 0.3]] * 2
    assert table[["seeds", "n"]].to_numpy().tolist() == [[3, 200], [3, 1478]]


def test_table2_has_the_papers_sign(
    accuracy: Path, differences: Path, runs: Path, targets: list[Path]
) -> None:
    """0.8 to 0.82 is +0.02; and the small network on compressed images less the large one."""
    table2(accuracy, differences, runs, WHAT2, RECIPE2, *targets)
    table = pd.read_csv(targets[0]).set_index("dataset")
    assert table["small_compressed_difference"].tolist() == pytest.approx([0.02, -0.02])
    assert table["large_original_difference"].tolist() == pytest.approx([0.015, 0.01])
    names = ["small_less_large", "small_less_large_low", "small_less_large_high"]
    assert table[names].to_numpy().tolist() == [[0.005, -0.03, 0.04], [-0.03, -0.045, -0.015]]


def test_table2_is_readable(
    accuracy: Path, differences: Path, runs: Path, targets: list[Path]
) -> None:
    """Networks are named by their learners, differences stand behind their column."""
    table2(accuracy, differences, runs, WHAT2, RECIPE2, *targets)
    assert cells(targets) == [
        [
            *("data set", "b0, original", "b0, compressed", "difference, points"),
            *("b4, original", "difference, points", "small compressed less large, points"),
            *("image size", "test images", "seeds"),
        ],
        [
            *("textures", "0.800 [0.750, 0.850]", "0.820 [0.770, 0.870]", "+2.0 [-1.0, +5.0]"),
            *("0.815 [0.765, 0.865]", "+1.5 [-2.0, +5.0]", "+0.5 [-3.0, +4.0]"),
            *("224", "200", "3"),
        ],
        [
            *("pets", "0.900 [0.880, 0.920]", "0.880 [0.860, 0.900]", "-2.0 [-3.0, -1.0]"),
            *("0.910 [0.890, 0.930]", "+1.0 [-0.1, +2.1]", "-3.0 [-4.5, -1.5]"),
            *("224", "1478", "3"),
        ],
    ]
    for told in ("ratio 0.3", "95 % intervals", "10 epochs in batches of 64", "rate of 0.001"):
        assert told in note(targets)
    assert "0.820 [0.770, 0.870]" in targets[2].read_text("utf-8")


@pytest.mark.parametrize("native", [False, True])
def test_table2_says_at_which_size_each_network_saw_the_images(
    accuracy: Path, differences: Path, runs: Path, targets: list[Path], native: bool
) -> None:
    """At one size the large network's disadvantage is told; at their own both sizes are."""
    if native:
        runs.write_text(RUNS.replace("efficientnet_b4,224", "efficientnet_b4,380"))
    what = WHAT2 | {"native_resolution": native}
    table2(accuracy, differences, runs, what, RECIPE2, *targets)
    assert {row[7] for row in cells(targets)[1:]} == {"224, 380" if native else "224"}
    table = pd.read_csv(targets[0])
    assert set(table["large_image_size"]) == {380 if native else 224}
    assert ("each at its own" in note(targets)) == native
    assert ("has a disadvantage" in note(targets)) == (not native)


def test_all_models_stand_by_their_size(accuracy: Path, runs: Path, targets: list[Path]) -> None:
    """Of each data set the networks asked for, smaller before larger, original before compressed.

    Neither ratios between nor noise are here, nor is what has no network.
    """
    all_models(accuracy, runs, ["b4", "b0"], [], 0.3, *targets)
    table = pd.read_csv(targets[0])
    assert table.columns.tolist() == [
        *("dataset", "learner", "architecture", "image_size", "parameters", "multiply_adds"),
        *("ratio", "seeds", "n", "accuracy", "low", "high"),
    ]
    assert table[["dataset", "learner", "ratio", "accuracy"]].to_numpy().tolist() == [
        ["textures", "b0", 1.0, 0.8],
        ["textures", "b0", 0.3, 0.82],
        ["textures", "b4", 1.0, 0.815],
        ["textures", "b4", 0.3, 0.81],
        ["pets", "b0", 1.0, 0.9],
        ["pets", "b0", 0.3, 0.88],
        ["pets", "b4", 1.0, 0.91],
        ["pets", "b4", 0.3, 0.87],
    ]
    assert table["architecture"].tolist() == ["efficientnet_b0"] * 2 + ["efficientnet_b4"] * 2 + [
        *["efficientnet_b0"] * 2,
        *["efficientnet_b4"] * 2,
    ]
    # Classifiers of other classes: the sizes are each data set's own. Every digit of them is there.
    texts = pd.read_csv(targets[0], dtype=str)
    assert texts["parameters"].tolist()[::2] == ["4010113", "17600127", "4050131", "17610139"]
    assert texts["multiply_adds"].tolist()[:3:2] == ["385400123", "1510000129"]
    assert set(texts["image_size"]) == {"224"}


def test_all_models_are_readable(accuracy: Path, runs: Path, targets: list[Path]) -> None:
    """Sizes are in millions; whole numbers are whole."""
    all_models(accuracy, runs, ["b0", "b4"], [], 0.3, *targets)
    head, first, *_, last = cells(targets)
    assert head == [
        *("data set", "learner", "parameters, M", "multiply-adds, M", "image size", "ratio"),
        *("accuracy", "test images", "seeds"),
    ]
    assert first == [
        *("textures", "b0", "4.01", "385", "224", "1.0", "0.800 [0.750, 0.850]", "200", "3"),
    ]
    assert last == [
        *("pets", "b4", "17.61", "1,510", "224", "0.3", "0.870 [0.850, 0.890]", "1478", "3"),
    ]
    assert "for one image" in note(targets)


def test_a_network_of_another_recipe_is_left_out_and_named(
    accuracy: Path, runs: Path, targets: list[Path]
) -> None:
    """Beside networks of one recipe it would be read as a matter of size."""
    all_models(accuracy, runs, ["b0"], ["b4"], 0.3, *targets)
    assert {row[1] for row in cells(targets)[1:]} == {"b0"}
    assert "By another recipe, and left out: b4." in note(targets)


# Table IV


@pytest.mark.parametrize("test", ["treated", "clean"])
def test_table4_has_every_training_and_test(
    accuracy: Path, differences: Path, transfer: Path, targets: list[Path], test: str
) -> None:
    """Of clean images one row, of noisy and JPEG of noisy ones two: tested alike, and on clean.

    What is tested as the config says comes first, as the headline.
    """
    table4(accuracy, transfer, differences, {**WHAT4, "test": test}, *targets)
    table = pd.read_csv(targets[0])
    assert table.columns.tolist() == [
        *("dataset", "learner", "training", "test", "headline", "variant", "test_variant"),
        *("seeds", "n", "accuracy", "low", "high"),
    ]
    clean = ["clean", "clean", True, "original", "original", 0.8]
    treated = [
        ["noisy", "treated", test == "treated", "noise", "noise", 0.5],
        [
            *("jpeg of noisy", "treated", test == "treated"),
            *("noise-jpeg-q30", "noise-jpeg-q30", 0.6),
        ],
    ]
    on_clean = [
        ["noisy", "clean", test == "clean", "noise", "original", 0.55],
        ["jpeg of noisy", "clean", test == "clean", "noise-jpeg-q30", "original", 0.65],
    ]
    both = [*treated, *on_clean] if test == "treated" else [*on_clean, *treated]
    names = ["training", "test", "headline", "variant", "test_variant", "accuracy"]
    assert table[names].to_numpy().tolist() == [clean, *both]
    assert table["headline"].sum() == 3
    assert table.loc[0, ["seeds", "n", "low", "high"]].tolist() == [3, 200, 0.75, 0.85]


@pytest.mark.parametrize("test", ["treated", "clean"])
def test_table4_is_readable(
    accuracy: Path, differences: Path, transfer: Path, targets: list[Path], test: str
) -> None:
    """A row a data set; the headline's columns stand before the others'; the note says which."""
    table4(accuracy, transfer, differences, {**WHAT4, "test": test}, *targets)
    as_trained = {
        "noisy, tested as trained": "0.500 [0.450, 0.550]",
        "jpeg of noisy, tested as trained": "0.600 [0.550, 0.650]",
    }
    on_clean = {
        "noisy, tested clean": "0.550 [0.500, 0.600]",
        "jpeg of noisy, tested clean": "0.650 [0.600, 0.700]",
    }
    columns = {"data set": "textures", "clean": "0.800 [0.750, 0.850]"}
    columns |= {**as_trained, **on_clean} if test == "treated" else {**on_clean, **as_trained}
    columns |= {"by JPEG, points": "+10.0 [+4.0, +16.0]", "test images": "200", "seeds": "3"}
    assert cells(targets) == [list(columns), list(columns.values())]
    assert f"test: {test}" in note(targets)
    assert "ratio 0.3" in note(targets)


def test_table4_keeps_the_order_of_its_data_sets(
    tmp_path: Path, accuracy: Path, differences: Path, transfer: Path, targets: list[Path]
) -> None:
    """Rows come as the config lists them, whatever the alphabet; other data sets are left out."""
    for path in (accuracy, transfer, differences):
        text = path.read_text()
        noisy = [line for line in text.splitlines() if "noise" in line or ",original,1.0" in line]
        of_b0 = [line for line in noisy if ",b0," in line]
        extra = [line.replace("textures", "zebras") for line in of_b0 if "textures" in line]
        path.write_text(text + "\n".join(extra) + "\n")
    table4(accuracy, transfer, differences, {**WHAT4, "datasets": ["zebras", "textures"]}, *targets)
    assert [row[0] for row in cells(targets)] == ["data set", "zebras", "textures"]
    assert pd.read_csv(targets[0])["dataset"].tolist() == ["zebras"] * 5 + ["textures"] * 5


# Tabular classifiers


def test_table5_has_both_where_both_ran(
    accuracy: Path, differences: Path, controls: Path, targets: list[Path]
) -> None:
    """A row a data set and ratio at which both ran; the difference is tabular less deep.

    The controls of that ratio stand beside it, dequantized and undequantized.
    """
    extra = CONTROLS + "pets,0.1,3,1478,0.1,0.1,0.1,0.1,0.1,0.1,0,-0.01,0.01,loss\n"
    controls.write_text(extra)  # of a ratio at which the network did not run
    table5(accuracy, differences, controls, WHAT5, ["dct", "pixels"], *targets)
    table = pd.read_csv(targets[0])
    sides = ("dequantized", "undequantized")
    assert table.columns.tolist() == [
        *("dataset", "ratio", "variant", "n"),
        *("tabular_accuracy", "tabular_low", "tabular_high", "tabular_seeds"),
        *("deep_accuracy", "deep_low", "deep_high", "deep_seeds", "difference", "low", "high"),
        *(f"{side}_{name}" for side in sides for name in ("accuracy", "low", "high", "seeds")),
        *("units", "units_low", "units_high", "finding"),
    ]
    assert table[["dataset", "ratio", "variant"]].to_numpy().tolist() == [
        [name, *which]
        for name in ("textures", "pets")
        for which in ((1.0, "original"), (0.3, "jpeg-q30"))
    ]
    assert table["tabular_accuracy"].tolist() == [0.3, 0.4, 0.1, 0.11]
    assert table["deep_accuracy"].tolist() == [0.8, 0.82, 0.9, 0.88]
    assert table["difference"].tolist() == pytest.approx([-0.5, -0.42, -0.8, -0.77])
    assert table.loc[0, ["tabular_low", "tabular_high"]].tolist() == [0.25, 0.35]
    assert table.loc[0, ["deep_low", "deep_high"]].tolist() == [0.75, 0.85]
    assert table["dequantized_accuracy"].tolist() == [0.35, 0.36, 0.12, 0.15]
    assert table["undequantized_accuracy"].tolist() == [0.25, 0.37, 0.13, 0.16]
    assert table["finding"].tolist() == ["units: loss", "no change shown", "none shown", "gain"]


def test_table5_is_readable(
    accuracy: Path, differences: Path, controls: Path, targets: list[Path]
) -> None:
    """Which column is the headline, and which is undequantized, stands in its head."""
    table5(accuracy, differences, controls, WHAT5, ["dct", "pixels"], *targets)
    first = dict(zip(*cells(targets)[:2], strict=True))
    assert first == {
        "data set": "textures",
        "ratio": "1.0",
        "trees, dequantized (headline)": "0.300 [0.250, 0.350]",
        "b0": "0.800 [0.750, 0.850]",
        "difference, points": "-50.0 [-60.0, -40.0]",
        "extra trees, dequantized": "0.350 [0.300, 0.400]",
        "extra trees, undequantized": "0.250 [0.200, 0.300]",
        "by units, points": "-10.0 [-15.0, -5.0]",
        "controls find": "units: loss",
        "test images": "200",
        "seeds": "3",
    }
    assert "dct and pixels" in note(targets)


def test_table5_calls_nothing_dequantized_that_has_no_coefficients(
    accuracy: Path, differences: Path, controls: Path, targets: list[Path]
) -> None:
    """A classifier of pixels alone is the headline as it is."""
    table5(accuracy, differences, controls, WHAT5, ["pixels"], *targets)
    assert cells(targets)[0][2] == "trees (headline)"


def test_the_tables_of_these_tests_are_like_real_ones() -> None:
    """What is read here has the columns that evaluation writes."""
    from jpegprep.evaluation.accuracy import ACCURACY_COLUMNS, RUN_COLUMNS, TRANSFER_COLUMNS

    assert list(pd.read_csv(io.StringIO(ACCURACY))) == ACCURACY_COLUMNS
    assert list(pd.read_csv(io.StringIO(TRANSFER))) == TRANSFER_COLUMNS
    assert set(pd.read_csv(io.StringIO(RUNS))) <= set(RUN_COLUMNS)
