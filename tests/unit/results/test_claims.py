"""The paper's claims: borne out, not, or open, by what the study's intervals show."""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_reproduction import COUNTS, PAPER, PART, Beside, called

from jpegprep.results.tables.claims import claims

# The paper's claims of the test's dtd, by what they are about.
ABOUT = {"small, compressed": "II", "small, original": "II", "storage": "III", "accuracy": "III"}
ABOUT |= {"noise": "IV", "jpeg of noise": "IV"}


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    """Return a study beside the paper, of five seeds each: they tell how training varies."""
    made = Beside(tmp_path)
    made.accuracies = {place: values * 5 for place, values in made.accuracies.items()}
    return made


def claimed(beside: Beside) -> pd.DataFrame:
    """Write the claims, and return the CSV."""
    targets = [beside.folder / f"c.{kind}" for kind in ("csv", "md", "html")]
    called(claims, beside.files(), targets)
    words = ("verdict", "because", "learner", "images", "interval")
    return pd.read_csv(targets[0], converters=dict.fromkeys(words, str))


def one(beside: Beside, about: str, dataset: str = "dtd") -> dict[Any, Any]:
    """Return the claim about something."""
    table = claimed(beside)
    (found,) = table[(table["about"] == about) & (table["dataset"] == dataset)].to_dict("records")
    return found


def differ(beside: Beside, sides: tuple[str, str], by: float, half: float) -> None:
    """Let the first accuracy be the second plus so much, with intervals of this half-width."""
    keys = [("dtd", *side.split("/")) for side in sides]
    beside.accuracies[keys[0]] = [beside.accuracies[keys[1]][0] + by] * 5
    beside.half = half


SIDES = {
    "accuracy": ("b0/jpeg-q30", "b0/original"),
    "small, compressed": ("b0/jpeg-q30", "b4/original"),
    "small, original": ("b0/original", "b4/original"),
    "noise": ("ag/noise", "ag/original"),
    "jpeg of noise": ("ag/noise-jpeg-q30", "ag/noise"),
}
KEEPS = ("accuracy", "small, compressed", "small, original")
BORNE_OUT, NOT, OPEN = "borne out", "not borne out", "open"


@pytest.mark.parametrize(
    ("about", "by", "half", "verdict", "because"),
    [
        # That nothing is lost is borne out where a loss of the margin, one point, is excluded …
        *((x, 0.0, 0.009, BORNE_OUT, "a loss of 1 point or more is excluded") for x in KEEPS),
        *((x, 0.05, 0.02, BORNE_OUT, "a loss of 1 point or more is excluded") for x in KEEPS),
        # … is not where it is shown, and else nobody can tell: also not where something is lost.
        *((x, -0.05, 0.02, NOT, "a loss of 1 point or more is shown") for x in KEEPS),
        *((x, 0.0, 0.02, OPEN, "the interval lies on both sides of a loss of 1") for x in KEEPS),
        *((x, -0.012, 0.011, OPEN, "the interval lies on both sides of a loss") for x in KEEPS),
        # Noise is to cost something: shown, excluded, open.
        ("noise", -0.05, 0.02, BORNE_OUT, "a loss of 1 point or more is shown"),
        ("noise", 0.0, 0.009, NOT, "a loss of 1 point or more is excluded"),
        ("noise", -0.012, 0.011, OPEN, "the interval lies on both sides"),
        # That JPEG wins nothing back is no matter of no difference found: it has to be excluded.
        ("jpeg of noise", 0.0, 0.009, BORNE_OUT, "a gain of 1 point or more is excluded"),
        ("jpeg of noise", -0.05, 0.02, BORNE_OUT, "a gain of 1 point or more is excluded"),
        ("jpeg of noise", 0.05, 0.02, NOT, "a gain of 1 point or more is shown"),
        ("jpeg of noise", 0.0, 0.02, OPEN, "the interval lies on both sides of a gain"),
    ],
)
def test_a_claim_needs_its_interval(
    beside: Beside, about: str, by: float, half: float, verdict: str, because: str
) -> None:
    """Each verdict is given only where the interval at the margin excludes the opposite."""
    differ(beside, SIDES[about], by, half)
    found = one(beside, about)
    assert (found["verdict"], found["table"]) == (verdict, ABOUT[about])
    assert found["because"].startswith(because)
    assert found["ours"] == pytest.approx(by, abs=1e-6)


def test_another_margin_is_another_verdict(beside: Beside) -> None:
    """What excludes a loss of three points does not exclude one of one."""
    differ(beside, SIDES["accuracy"], -0.005, 0.02)
    assert one(beside, "accuracy")["verdict"] == OPEN
    beside.asked["margin"] = 0.03
    found = one(beside, "accuracy")
    assert (found["verdict"], found["because"]) == (
        BORNE_OUT,
        "a loss of 3 points or more is excluded",
    )


@pytest.mark.parametrize("about", ["accuracy", "small, compressed", "noise"])
@pytest.mark.parametrize("by", [0.0, -0.02])
def test_one_seed_decides_nothing_that_training_may_have_made(
    beside: Beside, about: str, by: float
) -> None:
    """On very many images two networks differ, or not, by their training: that is no finding."""
    differ(beside, SIDES[about], by, 0.001)
    assert one(beside, about)["verdict"] != OPEN
    beside.accuracies = {place: values[:1] for place, values in beside.accuracies.items()}
    found = one(beside, about)
    assert (found["verdict"], found["seeds"]) == (OPEN, 1)
    assert found["low"] == pytest.approx(by - 0.0277, abs=2e-4)  # 1.96 times 1.41 points


def test_one_seed_shows_what_is_larger_than_training(beside: Beside) -> None:
    """Ten points are no matter of the seed."""
    differ(beside, SIDES["accuracy"], -0.1, 0.02)
    beside.accuracies = {place: values[:1] for place, values in beside.accuracies.items()}
    assert one(beside, "accuracy")["verdict"] == NOT


def test_a_probe_tells_of_training_in_its_interval(beside: Beside) -> None:
    """A single repeat of cross-fitting is no single seed."""
    differ(beside, SIDES["accuracy"], 0.0, 0.009)
    beside.accuracies = {place: values[:1] for place, values in beside.accuracies.items()}
    beside.crossfitted = True
    assert one(beside, "accuracy")["verdict"] == BORNE_OUT


@pytest.mark.parametrize("about", SIDES)
def test_networks_that_learnt_nothing_bear_nothing_out(beside: Beside, about: str) -> None:
    """Two networks that name the largest class, 95 % of the images, differ by nothing at all."""
    beside.accuracies = {place: [0.95] * 5 for place in beside.accuracies}
    beside.half, beside.chance = 0.001, 0.95
    found = one(beside, about)
    assert found["verdict"] == OPEN
    assert "is not shown to know more than the largest class" in found["because"]
    beside.chance = 0.5
    assert one(beside, about)["verdict"] != OPEN


@pytest.mark.parametrize(
    ("after", "verdict"), [(0.30, BORNE_OUT), (0.352, BORNE_OUT), (0.36, NOT), (1.2, NOT)]
)
def test_what_is_saved_is_measured(beside: Beside, after: float, verdict: str) -> None:
    """The paper's 65 % are rounded: 64.8 % are so much, 64 % are less. Images may even grow."""
    beside.before, beside.after = [100000] * 4, [round(100000 * after)] * 4
    found = one(beside, "storage")
    assert (found["verdict"], found["ours"]) == (verdict, pytest.approx(1 - after))


def test_a_part_saves_what_its_classes_do(beside: Beside) -> None:
    """Classes that save alike speak of the others; classes that do not leave it open."""
    beside.counts, beside.labels = PART, [0, 0, 1, 1]
    beside.before = [1000, 2000, 1500, 1200]
    beside.after = [200, 402, 299, 240]
    found = one(beside, "storage")
    assert found["verdict"] == BORNE_OUT
    assert found["low"] < found["ours"] < found["high"]
    assert found["images"] == "7.1 % of the images, 2 of 4 classes"
    beside.after = [100, 200, 700, 600]  # a third each way: 28 % in all
    found = one(beside, "storage")
    assert found["ours"] > 0.65 and found["verdict"] == OPEN


@pytest.mark.parametrize(
    ("name", "about", "by", "verdict"),
    [
        ("cifar100", "accuracy", -0.05, BORNE_OUT),
        ("cifar100", "accuracy", 0.0, NOT),
        ("cifar10", "small, compressed", -0.05, BORNE_OUT),
        ("cifar10", "small, compressed", 0.0, NOT),
    ],
)
def test_the_papers_exceptions_are_claims_too(
    beside: Beside, name: str, about: str, by: float, verdict: str
) -> None:
    """Of the CIFARs it says that they lose: that is borne out by a loss, not by its absence."""
    differ(beside, SIDES[about], by, 0.005)
    beside.paper, beside.counts = PAPER.replace("dtd", name), COUNTS.replace("dtd", name)
    ours = beside.accuracies.items()
    beside.accuracies = {(name, *rest): v for (dataset, *rest), v in ours if dataset == "dtd"}
    beside.differences = [(name, *rest) for _, *rest in beside.differences]
    files = beside.files()
    files["splits"][name] = files["splits"].pop("dtd")
    files["sizes"][name] = files["sizes"].pop("dtd")
    called(claims, files, [beside.folder / "c.csv"])
    table = pd.read_csv(beside.folder / "c.csv")
    of_set = table[table["dataset"] == name].set_index("about")
    assert of_set.loc[about, "verdict"] == verdict
    # What the paper says of CIFAR-10's networks on originals is in doubt: it claims nothing clear.
    assert ("small, original" in of_set.index) == (name != "cifar10")


def test_what_is_not_judged_says_why(beside: Beside) -> None:
    """No data set, no Table II, no noise, no ratio: no verdict, and the first line counts them."""
    beside.asked |= {"model_size": None, "noise": None, "compressed": None, "learner": None}
    files = beside.files() | {"noise": None, "sizes": {}}
    called(claims, files, [beside.folder / f"c.{kind}" for kind in ("csv", "md")])
    table = pd.read_csv(beside.folder / "c.csv")
    assert table["verdict"].isna().all()
    assert Counter(table["because"]) == {
        "no such data set in this study": 2,
        "no model_size in this study": 2,
        "no noise in this study": 2,
        "nothing at ratio 0.3, as the paper compresses, in this study": 2,
    }
    first, *rest = (beside.folder / "c.md").read_text("utf-8").splitlines()
    assert first.startswith(
        "Of 8 claims of the paper 0 are borne out, 0 are not, 0 are open. 8 are"
    )
    assert "no noise in this study (2)" in first
    assert len([line for line in rest if line.startswith("| ")]) <= 1  # its head alone


def test_the_first_line_counts_verdicts(beside: Beside) -> None:
    """As many as the table has of each."""
    table = claimed(beside)
    count = Counter(table["verdict"])
    first = (beside.folder / "c.md").read_text("utf-8").splitlines()[0]
    are = {verdict: f"{n} {'is' if n == 1 else 'are'}" for verdict, n in count.items()}
    assert first.startswith(
        f"Of {len(table)} claims of the paper {are[BORNE_OUT]} borne out, {are.get(NOT, '0 are')} "
        f"not, {are[OPEN]} open. {are['']} not judged: no such data set"
    )
    assert (beside.folder / "c.html").read_text("utf-8").count(first) == 1


def test_the_claims_are_readable(beside: Beside) -> None:
    """The paper's figures as it prints them, ours in points or percent, n and seeds."""
    beside.half = 0.03
    claimed(beside)
    lines = (beside.folder / "c.md").read_text("utf-8").splitlines()
    rows = [[x.strip() for x in line.strip("|").split("|")] for line in lines if "| dtd" in line]
    cells = {row[2]: row for row in rows}
    assert len(cells) == 6
    saved = cells["65 % of the bytes or more are saved at ratio 0.3"]
    assert saved[3:6] == ["1.9 MB → 0.4 MB, 22.21%", "80.00% saved", "borne out"]
    assert saved[7:] == ["", "all", "", ""]
    kept = cells["accuracy hardly drops at ratio 0.3"]
    assert kept[3:6] == ["0.66 → 0.64", "-1.0 [-4.0, +2.0]", "open"]
    assert kept[7:] == ["b0", "all", "1128", "5"]
    large = cells["the small network on compressed images is as good as the large one on originals"]
    assert large[3:5] == ["0.55 beside 0.5286", "-2.0 [-5.0, +1.0]"]
    assert large[7] == "b0, b4"


def test_noise_is_judged_on_each_data_set_of_ours(beside: Beside) -> None:
    """The paper does not name its own: all that the study has are asked."""
    for variant in ("original", "noise", "noise-jpeg-q30"):
        beside.accuracies["mine", "ag", variant] = beside.accuracies["dtd", "ag", variant]
    beside.differences += [("mine", *rest) for name, *rest in beside.differences if rest[0] == "ag"]
    table = claimed(beside)
    assert table[table["about"] == "noise"]["dataset"].tolist() == ["dtd", "mine"]
    assert one(beside, "noise", "mine")["images"] == ""
    first = (beside.folder / "c.md").read_text("utf-8").splitlines()[0]
    assert first.startswith("Of 10 claims of the paper (Table IV's on 2 data sets) ")
