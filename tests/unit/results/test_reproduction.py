"""Published against ours: every number of the paper, and ours beside it where there is one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_figures import panels, words

from jpegprep.results.figures.reproduction import reproduction as draw
from jpegprep.results.tables.reproduction import reproduction
from jpegprep.shards.shards import pack, writing_shard

# What the paper prints, as if: two data sets of which the study has one.
PAPER = """table,row,column,printed,doubt,note
I,dtd,classes,4,,
I,dtd,total,"5,640",,
I,dtd,train,"3,384",,
I,dtd,test,"1,129",,rounded otherwise
I,dtd,validation,"1,128",,
I,pets,classes,37,,
I,pets,total,"7,400",,
I,pets,train,"4,440",,
I,pets,test,"1,480",,
I,pets,validation,"1,480",,
II,dtd,small_original_accuracy,0.6519,,
II,dtd,small_original_drop,-0.0026,the drop from itself is 0,
II,dtd,small_compressed_accuracy,0.55,,
II,dtd,small_compressed_drop,0.0026,,
II,dtd,large_original_accuracy,0.5286,,
II,dtd,large_original_drop,-0.1233,,
III,dtd,original_mib,1.9 MB,,
III,dtd,compressed_mib,0.4 MB,,
III,dtd,relative_size,22.21%,,
III,dtd,original_accuracy,0.66,,
III,dtd,compressed_accuracy,0.64,,
III,dtd,relative_accuracy,97.00%,,
III,pets,original_mib,759.6 MB,,
III,pets,compressed_mib,104.6 MB,,
III,pets,relative_size,13.77%,,
III,pets,original_accuracy,0.9182,,
III,pets,compressed_accuracy,0.9169,,
III,pets,relative_accuracy,99.86%,,
IV,unnamed,clean_accuracy,0.96,,
IV,unnamed,noisy_accuracy,0.79,,
IV,unnamed,noisy_jpeg_accuracy,0.76,,
"""
COUNTS = """dataset,classes,total,train,test,validation
dtd,4,5640,3384,1128,1128
mine,2,10,6,2,2
"""
# Ours: of each (data set, learner, variant) the accuracies of its seeds; 1,128 test images.
ACCURACIES = {
    ("dtd", "b0", "original"): [0.65],
    ("dtd", "b0", "jpeg-q30"): [0.64],
    ("dtd", "b4", "original"): [0.66],
    ("dtd", "ag", "original"): [0.70],
    ("dtd", "ag", "noise"): [0.50],
    ("dtd", "ag", "noise-jpeg-q30"): [0.49],
    ("mine", "b0", "original"): [0.9],
    ("mine", "b0", "jpeg-q30"): [0.9],
    ("mine", "b4", "original"): [0.9],
}
DIFFERENCES = [
    ("dtd", "b0", "jpeg-q30", "b0", "original"),
    ("dtd", "b4", "original", "b0", "original"),
    ("dtd", "b0", "jpeg-q30", "b4", "original"),
    ("dtd", "ag", "noise", "ag", "original"),
    ("dtd", "ag", "noise-jpeg-q30", "ag", "noise"),
]
ASKED: dict[str, Any] = {
    "margin": 0.01,
    "compressed": "jpeg-q30",
    "learner": "b0",
    "model_size": {"small": "b0", "large": "b4", "ratio": 0.3},
    "noise": {"learner": "ag", "noisy": "noise", "compressed": "noise-jpeg-q30"},
    "networks": {"b0": "efficientnet_b0", "b4": "efficientnet_b4", "ag": "autogluon"},
}
N = 1128


def shards(folder: Path, variant: str, sizes: list[int], labels: list[int]) -> str:
    """Write shards of one variant: so many bytes an image."""
    for split in ("val", "test"):
        with writing_shard(folder / f"{split}-0.tar", variant, "a test"):
            pass
    with writing_shard(folder / "train-0.tar", variant, "a test") as writer:
        data = [b"\x89PNG\r\n\x1a\n".ljust(size, b"x") for size in sizes]
        writer.append(pack([(f"k{i}", labels[i], each, each) for i, each in enumerate(data)]))
    return str(folder)


class Beside:
    """A study, made of accuracies, beside a paper."""

    def __init__(self, folder: Path) -> None:
        """Take what `PAPER` and the other tables above say."""
        self.folder = folder
        self.paper, self.counts, self.asked = PAPER, COUNTS, dict(ASKED)
        self.accuracies = dict(ACCURACIES)
        self.differences = list(DIFFERENCES)
        # Of dtd four images in four classes: 2 MiB before, 0.4 after.
        self.before, self.after = [1 << 19] * 4, [104858] * 4
        self.labels = [0, 1, 2, 3]
        self.chance = 0.25
        self.half = 0.02  # of every interval of ours
        self.parts = (0.0, 0.1, 0.0)
        self.crossfitted = False

    def files(self) -> dict[str, Any]:
        """Write everything, and return what `reproduction` and `claims` read."""
        folder = self.folder
        (folder / "published.csv").write_text(self.paper)
        (folder / "counts.csv").write_text(self.counts)
        interval = "Wilson, cross-fitted" if self.crossfitted else "Wilson"
        rows, runs = [], []
        for (dataset, learner, variant), values in self.accuracies.items():
            mean = float(np.mean(values))
            row = {"dataset": dataset, "learner": learner, "variant": variant, "n": N}
            row |= {"accuracy": mean, "low": mean - self.half, "high": mean + self.half}
            rows.append(row | {"seeds": len(values), "interval": interval})
            told = {"epochs": 10, "image_size": 224}
            runs += [row | told | {"seed": i, "accuracy": x} for i, x in enumerate(values)]
        accuracy = pd.DataFrame(rows)
        accuracy.to_csv(folder / "accuracy.csv", index=False)
        pd.DataFrame(runs).to_csv(folder / "runs.csv", index=False)
        means = accuracy.set_index(["dataset", "learner", "variant"])
        pairs = []
        for dataset, *sides in self.differences:
            one, other = (means.loc[(dataset, *sides[i : i + 2])] for i in (0, 2))
            value = one["accuracy"] - other["accuracy"]
            names = ["dataset", "learner", "variant", "other_learner", "other_variant"]
            pair = dict(zip(names, (dataset, *sides), strict=True)) | {"difference": value}
            pair |= {"low": value - self.half, "high": value + self.half, "n": N}
            pair |= {"seeds": min(one["seeds"], other["seeds"]), "crossfitted": self.crossfitted}
            variances = ("seed_variance", "image_variance", "rest_variance")
            pairs.append(pair | dict(zip(variances, self.parts, strict=True)))
        pd.DataFrame(pairs).to_csv(folder / "differences.csv", index=False)
        noisy = accuracy[accuracy["learner"] == "ag"]
        names = {"original": "clean", "noise": "noisy", "noise-jpeg-q30": "jpeg of noisy"}
        noisy = noisy.assign(training=noisy["variant"].map(names), test="treated", headline=True)
        other = noisy[1:].assign(test="clean", headline=False, accuracy=0.1)
        pd.concat([noisy, other]).to_csv(folder / "noise.csv", index=False)
        largest = round(100 * self.chance)
        labels = np.repeat([0, 1], [largest, 100 - largest]) if self.chance >= 0.5 else None
        labels = np.arange(100) % 4 if labels is None else labels
        splits, sizes = {}, {}
        for dataset in ("dtd", "mine"):
            splits[dataset] = str(folder / f"{dataset}.parquet")
            pd.DataFrame({"label": labels, "split": "test"}).to_parquet(splits[dataset])
        made = folder / f"shards{len(list(folder.glob('shards*')))}"
        for name, bytes_of in (("original", self.before), ("compressed", self.after)):
            variant = "original" if name == "original" else "jpeg-q30"
            (made / name).mkdir(parents=True)
            sizes[name] = shards(made / name, variant, bytes_of, self.labels)
        read = {name: folder / f"{name}.csv" for name in ("published", "counts", "accuracy")}
        read |= {name: folder / f"{name}.csv" for name in ("runs", "differences", "noise")}
        return read | {"sizes": {"dtd": sizes}, "splits": splits, "asked": self.asked}

    def compared(self) -> pd.DataFrame:
        """Compare, and return the CSV."""
        targets = [self.folder / f"r.{kind}" for kind in ("csv", "md", "html")]
        called(reproduction, self.files(), targets)
        words = ("learner", "zero", "state", "why", "claim", "verdict", "note", "images")
        return pd.read_csv(targets[0], converters=dict.fromkeys(words, str))


def called(function: Any, files: Mapping[str, Any], targets: list[Path]) -> None:
    """Call `reproduction` or `claims`."""
    names = ("published", "counts", "sizes", "splits", "accuracy", "runs", "differences", "asked")
    function(*(files[name] for name in names), *targets, noise=files["noise"])


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    """Return a study beside the paper."""
    return Beside(tmp_path)


def row(table: pd.DataFrame, number: str, dataset: str, quantity: str) -> dict[Any, Any]:
    """Return the one row of a number."""
    (found,) = table[
        (table["table"] == number) & (table["dataset"] == dataset) & (table["quantity"] == quantity)
    ].to_dict("records")
    return found


def shown(folder: Path) -> list[list[str]]:
    """Return the cells of the Markdown."""
    lines = [x for x in (folder / "r.md").read_text("utf-8").splitlines() if x.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells[0], *cells[2:]]


def lead(folder: Path) -> str:
    """Return the first line of the Markdown."""
    return (folder / "r.md").read_text("utf-8").splitlines()[0]


def test_every_number_of_the_paper_is_a_row(beside: Beside) -> None:
    """Whether or not the study has it; of Table IV one for each data set of ours."""
    table = beside.compared()
    places = table[["table", "dataset", "quantity"]].to_numpy().tolist()
    printed = [line.split(",")[:3] for line in PAPER.splitlines()[1:]]
    assert places == [[x, y.replace("unnamed", "dtd"), z] for x, y, z in printed]
    assert row(table, "I", "dtd", "test")["note"] == "rounded otherwise"


@pytest.mark.parametrize(
    ("place", "learner", "ours", "difference", "zero"),
    [
        # Counts and sizes of a whole data set: the same as far as they are printed, or not.
        (("I", "dtd", "total"), "", 5640, 0, "yes"),
        (("I", "dtd", "test"), "", 1128, -1, "no"),
        (("III", "dtd", "original_mib"), "", 2.0, 0.1, "no"),
        (("III", "dtd", "compressed_mib"), "", 0.4, 0, "yes"),
        (("III", "dtd", "relative_size"), "", 0.2, -0.0221, "no"),
        # What was tested: within what both runs vary by, or not.
        (("II", "dtd", "small_original_accuracy"), "b0", 0.65, -0.0019, "yes"),
        (("II", "dtd", "small_compressed_accuracy"), "b0", 0.64, 0.09, "no"),
        (("II", "dtd", "large_original_accuracy"), "b4", 0.66, 0.1314, "no"),
        # A drop has the paper's sign: below 0, accuracy is lost.
        (("II", "dtd", "small_compressed_drop"), "b0", -0.01, -0.0126, "yes"),
        (("II", "dtd", "large_original_drop"), "b4", 0.01, 0.1333, "no"),
        (("III", "dtd", "original_accuracy"), "b0", 0.65, -0.01, "yes"),
        (("III", "dtd", "relative_accuracy"), "b0", 0.64 / 0.65, 0.64 / 0.65 - 0.97, "yes"),
    ],
)
def test_ours_stands_beside_the_papers(
    beside: Beside,
    place: tuple[str, str, str],
    learner: str,
    ours: float,
    difference: float,
    zero: str,
) -> None:
    """Our number, ours less the paper's, and whether the difference's interval holds 0."""
    found = row(beside.compared(), *place)
    assert found["ours"] == pytest.approx(ours, rel=1e-5)
    assert found["difference"] == pytest.approx(difference, abs=2e-6)
    assert (found["learner"], found["zero"], found["state"]) == (learner, zero, "compared")
    assert found["difference_low"] <= found["difference"] <= found["difference_high"]


@pytest.mark.parametrize(
    ("printed", "ours", "zero"),
    [
        ("1.1 GB", 1140, "yes"),
        ("1.1 GB", 1180, "no"),
        ("37 GB", 38300, "yes"),
        ("37 GB", 38500, "no"),
    ],
)
def test_a_size_is_compared_as_precisely_as_it_is_printed(
    beside: Beside, monkeypatch: pytest.MonkeyPatch, printed: str, ours: float, zero: str
) -> None:
    """1.1 GB is anything from 1.05 to 1.15 GiB, 37 GB from 36.5 to 37.5."""
    beside.paper = PAPER.replace("original_mib,1.9 MB", f"original_mib,{printed}")
    scale = round(ours * (1 << 20) / 4) / (1 << 19)
    monkeypatch.setattr(
        "jpegprep.results.tables.ours._bytes",
        lambda folder: pd.DataFrame({"label": [0] * 4, "bytes": [scale * (1 << 19)] * 4}),
    )
    found = row(beside.compared(), "III", "dtd", "original_mib")
    assert found["ours"] == pytest.approx(ours, rel=1e-5)
    assert found["zero"] == zero


def test_intervals_carry_both_runs(beside: Beside) -> None:
    """Theirs is of their test images and of training; the difference's of both; all are told."""
    found = row(beside.compared(), "II", "dtd", "small_original_accuracy")
    assert (found["low"], found["high"]) == pytest.approx((0.63, 0.67))
    assert (found["paper_n"], found["n"], found["seeds"]) == (1129, N, 1)
    # By hand: Wilson's 0.6237 to 0.6791 of 0.6519, and 1.96 points of training, on both sides.
    theirs = (np.hypot(0.6519 - 0.6237, 0.0196), np.hypot(0.6791 - 0.6519, 0.0196))
    assert (found["paper_low"], found["paper_high"]) == pytest.approx(
        (0.6519 - theirs[0], 0.6519 + theirs[1]), abs=2e-4
    )
    ours = np.hypot(0.02, 0.0196)
    assert found["difference_low"] == pytest.approx(-0.0019 - np.hypot(ours, theirs[1]), abs=2e-4)
    assert found["difference_high"] == pytest.approx(-0.0019 + np.hypot(ours, theirs[0]), abs=2e-4)


def test_several_seeds_tell_how_training_varies(beside: Beside) -> None:
    """Where ours differ by ten points from seed to seed, a difference of nine is none."""
    place = ("II", "dtd", "small_compressed_accuracy")
    assert row(beside.compared(), *place)["zero"] == "no"
    beside.accuracies["dtd", "b0", "jpeg-q30"] = [0.58, 0.64, 0.70]
    found = row(beside.compared(), *place)
    assert (found["zero"], found["seeds"]) == ("yes", 3)
    # Seeds that agree leave the images alone: narrower than what is taken of one seed.
    beside.accuracies["dtd", "b0", "jpeg-q30"] = [0.6400, 0.6401, 0.6399]
    agreed = row(beside.compared(), *place)
    assert agreed["zero"] == "no"
    width = agreed["difference_high"] - agreed["difference_low"]
    assert width < found["difference_high"] - found["difference_low"]


def test_a_quotient_is_as_rounded_as_its_parts(beside: Beside) -> None:
    """77.11 % of 0.64 and 0.83, both of two digits, is anything from 76.0 to 78.2 %."""
    before, place = "III,dtd,original_accuracy,0.66", "III,dtd,original_accuracy,0.83"
    beside.paper = PAPER.replace("97.00%", "77.11%").replace(before, place)
    beside.half = 0.0
    wide = row(beside.compared(), "III", "dtd", "relative_accuracy")
    beside.paper = beside.paper.replace(
        "dtd,original_accuracy,0.83", "dtd,original_accuracy,0.8300"
    )
    beside.paper = beside.paper.replace("compressed_accuracy,0.64,", "compressed_accuracy,0.6400,")
    close = row(beside.compared(), "III", "dtd", "relative_accuracy")
    widths = [x["difference_high"] - x["difference_low"] for x in (wide, close)]
    assert widths[0] > widths[1] + 0.005


def test_what_is_in_doubt_is_compared_with_nothing(beside: Beside) -> None:
    """The printed number stays, with why; it counts neither as agreeing nor as differing."""
    found = row(beside.compared(), "II", "dtd", "small_original_drop")
    assert found["paper"] == -0.0026
    assert (found["state"], found["zero"]) == ("", "")
    assert found["note"] == "the drop from itself is 0" and "in doubt" in found["why"]
    assert pd.isna(found["ours"]) and pd.isna(found["difference"])
    assert "in doubt, by the paper itself (1)" in lead(beside.folder)


def test_the_unnamed_data_set_has_no_interval(beside: Beside) -> None:
    """Nobody knows of how many test images Table IV is: ours stands beside it, undecided."""
    found = row(beside.compared(), "IV", "dtd", "noisy_accuracy")
    assert (found["ours"], found["state"], found["zero"]) == (0.5, "beside", "")
    assert found["difference"] == pytest.approx(-0.29)
    assert pd.isna(found["difference_low"]) and pd.isna(found["paper_low"])
    assert "how many test images" in found["why"]
    assert "3 are beside ours without an interval" in lead(beside.folder)


def test_the_first_line_counts(beside: Beside) -> None:
    """What is compared and what came of it; why the rest is not; the claims."""
    table = beside.compared()
    (compared, holds, differs), *_ = re.findall(
        r"^Of 31 numbers that the paper prints (\d+) are compared: the difference of (\d+) holds "
        r"0, that of (\d+) does not\.",
        lead(beside.folder),
    )
    assert int(compared) == (table["state"] == "compared").sum() == 16
    assert int(holds) == (table["zero"] == "yes").sum()
    assert int(differs) == (table["zero"] == "no").sum()
    reasons = "no such data set in this study (11); in doubt, by the paper itself (1)."
    assert f"12 are not compared: {reasons}" in lead(beside.folder)
    assert re.search(
        r"Of 8 claims of the paper \d (is|are) borne out, \d (is|are) not", lead(beside.folder)
    )


PART = """dataset,classes,total,train,test,validation
dtd,2,400,240,80,80
mine,2,10,6,2,2
"""


def test_a_part_of_a_data_set_is_compared_by_what_does_not_depend_on_its_size(
    beside: Beside,
) -> None:
    """Bytes an image and the relative size; neither counts nor accuracies nor MiB."""
    beside.counts = PART
    beside.labels, beside.before, beside.after = (
        [0, 0, 1, 1],
        [350, 360, 345, 355],
        [80, 75, 82, 71],
    )
    table = beside.compared()
    before = row(table, "III", "dtd", "original_mib")
    assert (before["unit"], before["ours"]) == ("bytes an image", 352.5)
    assert before["paper"] == pytest.approx(1.9 * (1 << 20) / 5640, rel=1e-5)
    assert (before["state"], before["zero"]) == ("compared", "yes")
    relative = row(table, "III", "dtd", "relative_size")
    assert relative["ours"] == pytest.approx(308 / 1410, rel=1e-5)
    assert relative["low"] < 308 / 1410 < relative["high"]
    for number, quantity in (("I", "total"), ("II", "small_original_accuracy")):
        found = row(table, number, "dtd", quantity)
        assert (found["state"], found["zero"]) == ("", "") and pd.isna(found["difference"])
        assert found["why"] == "ours is a part of the data set"
        assert found["images"] == "7.1 % of the images, 2 of 4 classes"
    assert row(table, "II", "dtd", "small_original_accuracy")["ours"] == 0.65


def test_a_part_of_one_class_has_no_interval_and_no_judgement(beside: Beside) -> None:
    """One class of a data set tells nothing of its others."""
    beside.counts, beside.labels = PART.replace("dtd,2,", "dtd,1,"), [0, 0, 0, 0]
    found = row(beside.compared(), "III", "dtd", "relative_size")
    assert (found["state"], found["zero"], found["verdict"]) == ("beside", "", "open")
    assert pd.isna(found["difference_low"]) and "one class" in found["why"]


def test_a_few_images_less_are_the_whole_data_set(beside: Beside) -> None:
    """The paper's 7,400 Pets are 7,390 files; a set without a class is a part."""
    beside.counts = COUNTS.replace("dtd,4,5640", "dtd,4,5632")
    assert row(beside.compared(), "II", "dtd", "small_original_accuracy")["images"] == "all"
    beside.counts = COUNTS.replace("dtd,4,5640", "dtd,3,5632")
    found = row(beside.compared(), "II", "dtd", "small_original_accuracy")
    assert found["images"].endswith("3 of 4 classes")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model_size": None}, "no model_size in this study"),
        (
            {"networks": {"b0": "lite0", "b4": "efficientnet_b4"}},
            "no EfficientNet-B0 in this study",
        ),
        ({"networks": {"b0": "efficientnet_b0", "b4": "b3"}}, "no EfficientNet-B4 in this study"),
    ],
)
def test_why_a_number_is_not_compared_is_told(
    beside: Beside, change: dict[str, Any], why: str
) -> None:
    """Without Table II, or with other networks than the paper's, there is nothing of ours."""
    beside.asked |= change
    found = row(beside.compared(), "II", "dtd", "large_original_drop")
    assert found["state"] == "" and found["why"].startswith(why) and pd.isna(found["ours"])
    assert re.search(rf"{found['why']} \(\d+\)", lead(beside.folder))


def test_another_noisy_network_than_the_papers_is_not_beside_it(beside: Beside) -> None:
    """Table IV is AutoGluon's."""
    beside.asked["networks"] = ASKED["networks"] | {"ag": "efficientnet_b0"}
    found = row(beside.compared(), "IV", "dtd", "clean_accuracy")
    assert (found["state"], found["why"]) == ("", "no AutoGluon in this study")


def test_a_study_without_the_papers_ratio_says_so(beside: Beside) -> None:
    """Its originals are compared, and nothing at 0.3."""
    beside.asked |= {"compressed": None, "learner": None}
    table = beside.compared()
    assert row(table, "II", "dtd", "small_original_accuracy")["state"] == "compared"
    found = row(table, "II", "dtd", "small_compressed_drop")
    assert found["why"] == "nothing at ratio 0.3, as the paper compresses, in this study"


def test_what_the_study_lacks_is_in_the_csv_alone(beside: Beside) -> None:
    """People see the rows that have something of ours."""
    table = beside.compared()
    lacking = row(table, "III", "pets", "relative_size")
    assert (lacking["paper"], lacking["why"]) == (0.1377, "no such data set in this study")
    cells = shown(beside.folder)
    assert len(cells) - 1 == table["ours"].notna().sum()
    assert not any(line[1] == "pets" for line in cells)


def test_the_numbers_are_readable(beside: Beside) -> None:
    """Counts with commas, sizes with their unit, shares in percent, differences in points."""
    beside.compared()
    cells = {(line[0], line[1], line[2]): line[3:] for line in shown(beside.folder)[1:]}
    assert cells["I", "dtd", "total"][:5] == ["", "5,640", "5,640", "+0", "yes"]
    assert cells["I", "dtd", "test"][1:5] == ["1,129", "1,128", "-1", "no"]
    assert cells["III", "dtd", "original"][1:5] == ["1.9 MiB", "2.0 MiB", "+0.1 MiB", "no"]
    assert cells["III", "dtd", "relative size"][1:5] == [
        *("22.21 %", "20.00 %", "-2.21 points", "no"),
    ]
    learner, paper, ours, difference, holds, *_ = cells["II", "dtd", "small original accuracy"]
    assert (learner, ours, holds) == ("b0", "0.6500 [0.6300, 0.6700]", "yes")
    assert re.fullmatch(r"0\.6519 \[0\.61\d\d, 0\.68\d\d\]", paper)
    assert re.fullmatch(r"-0\.19 points \[-\d\.\d\d, \+\d\.\d\d\]", difference)
    assert cells["II", "dtd", "large original drop"][2] == "+0.0100 [-0.0100, +0.0300]"


def test_what_was_tested_has_its_images_and_seeds(beside: Beside) -> None:
    """Accuracies have n and seeds; a count and a size have none."""
    beside.crossfitted = True
    beside.compared()
    cells = {(line[0], line[1], line[2]): line[9:11] for line in shown(beside.folder)[1:]}
    assert cells["II", "dtd", "large original accuracy"] == ["1128", "cross-fitted, 1 repeat"]
    assert cells["I", "dtd", "total"] == cells["III", "dtd", "relative size"] == ["", ""]


def test_a_row_has_the_verdict_of_its_claim(beside: Beside) -> None:
    """Beside the number stands what the paper makes of it, and whether ours bears it out."""
    table = beside.compared()
    size = row(table, "III", "dtd", "relative_size")
    assert size["claim"].startswith("65 %") and size["verdict"] == "borne out"
    large = row(table, "II", "dtd", "large_original_accuracy")
    assert "small network is as good" in large["claim"] and large["verdict"] == "open"
    assert row(table, "III", "pets", "relative_size")["verdict"] == ""
    assert row(table, "I", "dtd", "total")["claim"] == ""


def test_data_sets_of_ones_own_have_nothing_to_be_compared_with(beside: Beside) -> None:
    """A study of which the paper has no number makes a table without rows, not an error."""
    beside.counts = COUNTS.replace("dtd", "yours")
    beside.asked |= {"noise": None}
    table = beside.compared()
    assert table["ours"].isna().all()
    assert len(shown(beside.folder)) == 1
    assert "None of the 31 numbers that the paper prints is compared" in lead(beside.folder)


def test_the_shipped_numbers_have_places_for_ours(beside: Beside, root: Path) -> None:
    """Every number of config/published.csv of a data set that is here has ours, or a reason."""
    beside.paper = (root / "config" / "published.csv").read_text(encoding="utf-8")
    beside.counts = COUNTS.replace("dtd,4,", "dtd,47,")
    table = beside.compared()
    assert len(table) == 99
    of_dtd = table[table["dataset"] == "dtd"]
    assert of_dtd.loc[of_dtd["ours"].isna(), "quantity"].tolist() == [
        *("small_original_drop", "small_compressed_drop"),
    ]
    assert (of_dtd["ours"].notna() | of_dtd["why"].str.startswith("in doubt")).all()


# The figure.


def test_the_figure_has_a_panel_a_table(beside: Beside) -> None:
    """Counts, Table II, sizes and accuracies of Table III, Table IV; both axes are named."""
    beside.compared()
    draw(beside.folder / "r.csv", beside.folder / "r.svg", beside.folder / "r.png")
    assert panels(beside.folder / "r.svg") == 5
    found = words(beside.folder / "r.svg")
    assert any(text.startswith("Table II: accuracy; ours: n = 1,128, 1 seed") for text in found)
    assert {"the paper's: accuracy", "ours: accuracy", "dtd"} <= found
    assert any("95 % intervals" in text for text in found)


def test_the_figure_of_nothing_says_so(beside: Beside) -> None:
    """A study that has none of the paper's numbers has a line of text, and no empty axes."""
    beside.counts = COUNTS.replace("dtd", "yours")
    beside.asked |= {"noise": None}
    beside.compared()
    draw(beside.folder / "r.csv", beside.folder / "r.svg")
    assert "This study has none of the paper's numbers." in words(beside.folder / "r.svg")


def test_a_point_lies_on_the_line_where_both_are_the_same(beside: Beside) -> None:
    """Ours above the paper's stands above the grey line, and below it below."""
    figure = beside.folder / "r.svg"
    heights = {}
    for value in (0.60, 0.6519, 0.70):
        beside.accuracies["dtd", "b0", "original"] = [value]
        table = beside.compared()
        table = table[(table["quantity"] == "small_original_accuracy") & (table["table"] == "II")]
        bounds = ("low", "high", "paper_low", "paper_high")  # a mark alone
        table.assign(**dict.fromkeys(bounds, None)).to_csv(beside.folder / "one.csv", index=False)
        draw(beside.folder / "one.csv", figure)
        svg = figure.read_text()
        number = r"([\d.]+)"
        (x, y), *_legend = re.findall(rf'<use xlink:href="#m\w+" x="{number}" y="{number}" st', svg)
        path = rf'<path d="M {number} {number} \nL {number} {number} \n" clip-path[^>]*#999999'
        x0, y0, x1, y1 = map(float, re.findall(path, svg)[0])
        heights[value] = y0 + (float(x) - x0) / (x1 - x0) * (y1 - y0) - float(y)
    assert heights[0.60] < -3 and abs(heights[0.6519]) < 0.1 and heights[0.70] > 3
