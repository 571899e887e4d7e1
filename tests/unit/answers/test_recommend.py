"""The recommendation: what is proposed, and what is said of each outcome."""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.answers.proposal import propose
from jpegprep.answers.recommend import recommend
from jpegprep.common.records import write_record
from jpegprep.datasets.manifest import write_manifest
from jpegprep.images.decoding import USUAL, Decoding
from jpegprep.learners.runs import write_predictions
from jpegprep.study.config import read_prices

N = 2000
PRICES = Path(__file__).parents[3] / "config/prices.yaml"
WHAT = {
    "images": "/data/my photos",
    "name": "photos",
    "margin": 0.01,
    "class_margin": 0.1,
    "probe": "probe",
    "image_size": 160,
    "told": "",
}
# What `groups.find_groups` says where each image is one of its own.
ALONE: dict[str, Any] = {"images": N, "groups": N, "largest": 1, "said": 0, "copies": 0, "near": 0}
ALONE |= {"pairs": 0, "conflicts": 0, "plain": 0, "looked": True, "tightened": [], "torn": None}


def name(ratio: float) -> str:
    """Return a variant of a user's own images."""
    return "original" if ratio == 1 else f"jpeg-q{100 * ratio:.0f}-smaller"


class Folder:
    """The files that a recommendation is made from."""

    def __init__(self, folder: Path, probe: dict[float, tuple[float, float, float]]) -> None:
        """Write what the probe found: difference, low and high, in points, by ratio."""
        self.path = folder
        self.dogs_lost, self.dogs = 0.0, 20
        self.ratios = sorted(probe, reverse=True)
        rows = [
            {
                **{"dataset": "own-photos", "learner": "probe", "variant": name(ratio)},
                "ratio": ratio,
                **{"other_learner": "probe", "other_variant": "original", "seeds": 5, "n": N},
                **{"difference": d / 100, "low": low / 100, "high": high / 100, "p_holm": 0.5},
                **{"seed_variance": 0, "image_variance": 0.03, "rest_variance": 0, "p": 0.4},
                "crossfitted": True,
            }
            for ratio, (d, low, high) in probe.items()
        ]
        pd.DataFrame(rows).to_csv(folder / "differences.csv", index=False)
        self.sizes({ratio: ratio / 2 for ratio in probe})
        self.accuracy(0.78)
        problems = ["ok"] * 18 + ["truncated", "CMYK"]
        handling = ["kept"] * 18 + ["set aside", "repaired"]
        self.manifest(problems, handling)
        split = {"class": ["cat", "dog"] * 9, "label": [0, 1] * 9, "split": ["train"] * 18}
        pd.DataFrame(split).to_parquet(folder / "split.parquet")

    def manifest(
        self, problems: list[str], handling: list[str], how: Decoding = USUAL, **columns: Any
    ) -> None:
        """Write the manifest of files with these problems."""
        names = [f"{i}.png" for i in range(len(problems))]
        table = {"key": names, "member": names, "problems": problems, "handling": handling}
        rows = pd.DataFrame({**table, "scale": None, "profile": None, **columns})
        write_manifest(rows, how, self.path / "manifest.parquet")

    def accuracy(self, low: float) -> None:
        """Write the probe's accuracy on the originals, with the lower bound of its interval."""
        accuracy = [("own-photos", "probe", "original", 4, N, low + 0.02, low, low + 0.04)]
        names = ["dataset", "learner", "variant", "seeds", "n", "accuracy", "low", "high"]
        pd.DataFrame(accuracy, columns=names).to_csv(self.path / "accuracy.csv", index=False)

    def sizes(self, relative: dict[float, float]) -> None:
        """Write the sizes of originals of JPEG quality 75."""
        table = pd.DataFrame(
            {
                "variant": [name(ratio) for ratio in (1.0, *relative)],
                "relative_size": [1.0, *relative.values()],
            }
        ).sort_values("relative_size", ascending=False)
        table["bytes"] = (table["relative_size"] * 10 * 2**20).astype(int)
        table["mean_bytes"] = table["bytes"] / 60
        facts = {"source_format": "JPEG", "source_quality": 75.0}
        facts |= {"source_quality_p10": 75.0, "source_quality_p90": 96.0}
        table.assign(images=N, **facts).to_csv(self.path / "sizes.csv", index=False)

    def predicted(self, ratio: float) -> list[Path]:
        """Write the predictions of two repeats: all right, but for the dogs from `dogs_lost` on."""
        labels = np.arange(60) % 2
        labels[-20:] = 0
        lost = (labels == 1) & (np.cumsum(labels) <= self.dogs) & (ratio <= self.dogs_lost)
        predicted = np.where(lost, 0, labels)
        keys, folds = np.array([f"i{i}" for i in range(60)]), np.arange(60) % 5
        paths = [self.path / f"{ratio}-{seed}.parquet" for seed in range(2)]
        for path in paths:
            write_predictions(path, keys, labels, np.eye(2, dtype=np.float32)[predicted], folds)
        return paths

    def proposal(self, least: float = 0.05) -> dict[str, Any]:
        """Propose, and return it."""
        tables = self.path / "differences.csv", self.path / "sizes.csv"
        predictions = {name(ratio): self.predicted(ratio) for ratio in (1.0, *self.ratios)}
        split = self.path / "split.parquet"
        target = self.path / "proposal.json"
        propose(*tables, predictions, split, "probe", 0.01, 0.1, least, target)
        return json.loads((self.path / "proposal.json").read_text())

    def uses(self) -> Path:
        """Write what each ratio costs beyond top-1: in every measure what the probe loses."""
        rows = pd.read_csv(self.path / "differences.csv")[["variant", "difference", "low", "high"]]
        table = rows[["variant"]].assign(seeds=4, n=N)
        for name in ("balanced", "log_loss", "on_originals", "generalization_gap"):
            for end, column in (("", "difference"), ("_low", "low"), ("_high", "high")):
                table[f"{name}{end}"] = rows[column]
        table.to_csv(self.path / "uses.csv", index=False)
        return self.path / "uses.csv"

    def round(self, ratio: float, difference: float, low: float, high: float, **facts: Any) -> Path:
        """Write what five pairs of networks said of a ratio, in points."""
        found: dict[str, Any] = {"variant": name(ratio), "next": None, "out_of_time": False}
        found |= {"loses": high <= -1, "learner": "lite0", "image_size": 160, "epochs": 3}
        found |= {"train_images": 300, "runs": {"original": ["runs/original/seed0/run.json"]}}
        side = {"accuracy": 0.8, "low": 0.78, "high": 0.82}
        found |= {"original": side, "compressed": side}
        ends = {"difference": difference / 100, "low": low / 100, "high": high / 100, "p": 0.4}
        same = {"difference": 0.002, "low": -0.01, "high": 0.014, "p": 0.7}
        found |= {"difference": {"pairs": 5, "n": 1500, **ends}}
        found |= {"same": {"pairs": 5, "n": 1500, **same}, **facts}
        path = self.path / f"round{len(list(self.path.glob('round*')))}.json"
        path.write_text(json.dumps(found))
        return path

    def larger(self, lost: int) -> Path:
        """Write the probe's answers at 224 px: of 500 images so many are lost."""
        labels = np.arange(500) % 2
        for variant, wrong in (("original", 50), ("jpeg-q50-smaller", 50 + lost)):
            predicted = np.where(np.arange(500) < wrong, 1 - labels, labels)
            for seed in range(2):
                folder = self.path / "larger" / variant / f"seed{seed}"
                folder.mkdir(parents=True)
                keys, folds = np.array([f"i{i}" for i in range(500)]), np.arange(500) % 5
                probabilities = np.eye(2, dtype=np.float32)[predicted]
                write_predictions(
                    folder / "predictions.parquet", keys, labels, probabilities, folds
                )
                write_record(folder / "run.json", {"recipe": {"image_size": 224}})
        return self.path / "larger"

    def conversion(self, found: dict[str, Any]) -> Path:
        """Write what converting an image costs."""
        (self.path / "conversion.json").write_text(json.dumps(found))
        return self.path / "conversion.json"

    def recommendation(
        self,
        *rounds: Path,
        larger: Sequence[Path] = (),
        audit: dict[str, Any] | None = None,
        images: int = N,
        groups: dict[str, Any] | None = None,
        what: dict[str, Any] | None = None,
        free: dict[str, Any] | None = None,
        conversion: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Any], str]:
        """Recommend, where the pairs said these things of one ratio after the other."""
        targets = [self.path / f"recommendation.{kind}" for kind in ("md", "json", "svg", "png")]
        plan = {"minutes": 15, "images": images, "of": N, "larger": None, "pairs": None}
        plan |= {"seconds": {"look": 600, "larger": 0, "pairs": 0, "rest": 0}, "speed": {}}
        (self.path / "plan.json").write_text(json.dumps(plan))
        (self.path / "audit.json").write_text(json.dumps(audit or {"reason": "one class"}))
        (self.path / "groups.json").write_text(json.dumps(ALONE | (groups or {})))
        (self.path / "free.json").write_text(json.dumps(FREE | (free or {})))
        told = recommend(
            WHAT | (what or {}),
            time.time() - 600,
            *(self.path / name for name in ("proposal.json", "plan.json")),
            *(self.path / f"{name}.csv" for name in ("differences", "accuracy", "sizes")),
            self.uses(),
            {name(ratio): self.predicted(ratio) for ratio in (1.0, *self.ratios)},
            *(self.path / f"{name}.parquet" for name in ("manifest", "split")),
            *(self.path / f"{name}.json" for name in ("audit", "groups", "free")),
            *targets,
            rounds=rounds,
            larger=larger,
            conversion=[self.conversion(conversion)] if conversion else [],
        )
        text = targets[0].read_text()
        assert told == f"{text.splitlines()[0][2:]}; see {targets[0]}"
        assert all(target.stat().st_size for target in targets)
        return json.loads(targets[1].read_text()), text


MONEY: dict[str, Any] = {"reads_a_month": 0, "egress": 0, "bandwidth": 200}
MONEY["prices"] = read_prices(PRICES, PRICES)
CONVERSION = {"images": 100, "convert_seconds": 0.01, "saved_low": 1.0}
CONVERSION |= {"decode_seconds": 0.005, "decode_seconds_after": 0.004}

FREE: dict[str, Any] = {"images": N, "sampled": 200, "smaller": 190, "saved": 0.066}
FREE |= {"saved_low": 0.061, "saved_high": 0.07, "bytes": 10_000 * N, "header": 100 * N}
FREE |= {"tables": 600 * N, "metadata": 2300 * N, "scan": 7000 * N, "trailing": 0, "other": 0}

GOOD = {0.9: (0, -0.3, 0.3), 0.5: (0.1, -0.4, 0.6), 0.3: (-0.4, -1.4, 0.6), 0.1: (-6, -8, -4)}
WIDE = {0.9: (0.5, -2, 3), 0.5: (-0.5, -3, 2), 0.3: (-2, -4.5, 0.5)}
POOR = {0.9: (-1.5, -3, 0), 0.5: (-5, -6, -4)}
BAD = {0.9: (-3, -4, -2), 0.5: (-5, -6, -4)}
GUESS = "not shown; JPEG quality 50 is the best guess for networks that see 160 px"
BY_PROBE = (
    "JPEG quality 50, for networks that see 160 px, by the probe; fine-tuned networks have not "
    "shown it"
)


def test_the_ratio_that_is_shown_is_proposed(tmp_path: Path) -> None:
    """0.5 is the last whose interval lies above the margin; 0.3 would take more images."""
    found = Folder(tmp_path, GOOD).proposal()
    assert (found["variant"], found["shown"], found["next"]) == (name(0.5), True, name(0.3))
    assert found["saved"] == 0.75
    assert found["images_needed"] > N


def test_free_savings_stand_before_what_costs(tmp_path: Path) -> None:
    """What no pixel pays for is named with its sample and command; where it is nothing, nothing."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    facts, text = folder.recommendation()
    assert "6.6% of the originals' bytes can be saved ([6.1%, 7.0%]; 200 of" in text
    assert "--store original-opt`." in text
    assert text.index("Free of charge") < text.index("**Probe**")
    assert facts["free"]["saved"] == 0.066
    _, text = folder.recommendation(free={"images": 200})
    assert "(all 200 images were written anew and compared)" in text
    _, text = folder.recommendation(free={"smaller": 0})
    assert "Free of charge" not in text


def test_where_the_bytes_are_is_told_of_what_is_there(tmp_path: Path) -> None:
    """The largest part first, an image's and of all; what no file has is not named."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    _, text = folder.recommendation()
    table = text.split("## Where the bytes of the originals are\n\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    assert [(row[0].split(" (")[0], *row[1:]) for row in rows] == [
        *(("pixels", "7,000", "70.0%"), ("metadata", "2,300", "23.0%")),
        *(("tables", "600", "6.0%"), ("headers", "100", "1.0%")),
    ]


def test_where_nothing_is_shown_the_estimate_proposes(tmp_path: Path) -> None:
    """0.5 is the last whose estimate lies above the margin."""
    found = Folder(tmp_path, WIDE).proposal()
    assert (found["variant"], found["shown"]) == (name(0.5), False)


def test_nothing_is_proposed_where_all_lose_or_nothing_is_saved(tmp_path: Path) -> None:
    """A loss everywhere, or images as small as they get, are left alone."""
    (tmp_path / "bad").mkdir()
    assert Folder(tmp_path / "bad", BAD).proposal()["variant"] is None
    folder = Folder(tmp_path, GOOD)
    folder.sizes({0.9: 1.0, 0.5: 0.99, 0.3: 0.98, 0.1: 0.97})
    assert folder.proposal()["variant"] is None


@pytest.mark.parametrize(
    ("probe", "pairs", "verdict", "title"),
    [
        (GOOD, (0, -0.5, 0.5), "use", "use JPEG quality 50 (for networks that see 160 px)"),
        (GOOD, (-0.8, -1.4, -0.2), "use-probe", BY_PROBE),
        (GOOD, (-3, -8, 2), "not-shown", GUESS),
        (GOOD, None, "use-probe", BY_PROBE),
        (
            GOOD,
            (-3, -4, -2),
            "loses",
            "JPEG quality 50 loses too much for networks that see 160 px",
        ),
        (WIDE, None, "not-shown", GUESS),
        (POOR, None, "not-shown", GUESS.replace("50", "90")),
        (BAD, None, "leave", "leave the images as they are"),
    ],
)
def test_each_verdict_needs_its_evidence(
    tmp_path: Path, probe: dict[float, Any], pairs: Any, verdict: str, title: str
) -> None:
    """Only where the probe and five pairs of networks exclude the loss is it to use the quality."""
    folder = Folder(tmp_path, probe)
    folder.proposal()
    rounds = [folder.round(0.5, *pairs)] if pairs else []
    facts, text = folder.recommendation(*rounds)
    assert (facts["verdict"], facts["pairs"]) == (verdict, 5 * bool(pairs))
    assert facts["seconds"] == pytest.approx(600, abs=60)
    assert text.startswith(f"# photos: {title}\n")
    converts = "jpegprep convert '/data/my photos' /path/to/new/folder --store jpeg-q50\n" in text
    assert converts == (verdict in ("use", "use-probe"))


def test_where_networks_lose_the_answer_is_of_the_larger_ratio(tmp_path: Path) -> None:
    """0.5 was shown by the probe; the pairs lose there, and show 0.9."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    rounds = [folder.round(0.5, -3, -4, -2, next=name(0.9)), folder.round(0.9, 0, -0.5, 0.5)]
    facts, text = folder.recommendation(*rounds)
    assert (facts["verdict"], facts["quality"]) == ("use", 90)
    assert facts["saved"] == pytest.approx(0.55)
    assert "**jpeg-q50** was shown by the probe, but the fine-tuned networks lose -3.0" in text


def test_networks_that_saw_less_do_not_speak_of_the_size_asked_about(tmp_path: Path) -> None:
    """At 128 px they exclude the loss; at 160 px nobody has trained them."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    facts, text = folder.recommendation(folder.round(0.5, 0, -0.5, 0.5, image_size=128))
    assert facts["verdict"] == "use-probe"
    assert "these saw the images at 128 px, for want of time" in text


def test_a_rare_class_is_no_reason_to_be_silent(tmp_path: Path) -> None:
    """97 % of the images are of one class: no accuracy is three margins above, 0.99 is enough."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    labels = {"class": ["cat"] * 97 + ["dog"] * 3, "label": [0] * 97 + [1] * 3}
    pd.DataFrame(labels | {"split": ["train"] * 100}).to_parquet(tmp_path / "split.parquet")
    for low, verdict in ((0.98, "cannot-tell"), (0.99, "use-probe")):
        folder.accuracy(low)
        assert folder.recommendation()[0]["verdict"] == verdict


def test_after_a_loss_the_probe_alone_is_not_believed(tmp_path: Path) -> None:
    """At 0.9 the pairs show nothing either way; at 0.5 they had lost."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    rounds = [folder.round(0.5, -3, -4, -2, next=name(0.9)), folder.round(0.9, 0, -1.5, 1.5)]
    facts, text = folder.recommendation(*rounds)
    assert (facts["verdict"], facts["quality"]) == ("not-shown", 90)
    assert " --store jpeg" not in text


def test_networks_that_lose_when_time_is_over_are_said_to(tmp_path: Path) -> None:
    """The next larger ratio was not tried: more minutes would."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    facts, text = folder.recommendation(folder.round(0.5, -3, -4, -2, out_of_time=True))
    assert facts["verdict"] == "loses"
    assert "The minutes were over before the next store was tried" in text


@pytest.mark.parametrize("lost", [0, 40])
def test_a_larger_size_is_told_beside_the_answer(tmp_path: Path, lost: int) -> None:
    """With n, its interval, and a warning where the loss is shown there."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    facts, text = folder.recommendation(larger=[folder.larger(lost)])
    assert facts["larger"]["image_size"] == 224
    assert facts["larger"]["difference"] == pytest.approx(-lost / 500)
    assert "**At 224 px** (probe, n = 500): 0.900 [" in text
    assert ("**Not at 224 px**" in text) == bool(lost)


def test_a_ratio_that_loses_a_class_is_not_proposed(tmp_path: Path) -> None:
    """At 0.5 the dogs are lost, all twenty: 0.9 is proposed, though 0.5 is shown by the whole."""
    folder = Folder(tmp_path, GOOD)
    folder.dogs_lost = 0.5
    found = folder.proposal()
    assert (found["variant"], found["lost"]) == (name(0.9), name(0.5))
    assert found["lost_classes"] == ["dog"]
    facts, text = folder.recommendation()
    assert facts["verdict"] == "use-probe"
    assert (
        "with `jpeg-q50` the probe is shown to lose 10 points or more of the accuracy on dog"
        in text
    )


def test_a_class_that_the_probe_never_knew_is_named(tmp_path: Path) -> None:
    """Wrong on all dogs of the originals, too, it cannot be seen to lose them."""
    folder = Folder(tmp_path, GOOD)
    folder.dogs_lost = 1.0
    folder.proposal()
    facts, text = folder.recommendation()
    assert facts["unknown_classes"] == [{"class": "dog", "n": 20, "original_accuracy": 0.0}]
    assert "10% of dog (0% of 20). They could not be seen to lose 10 points" in text
    folder.dogs_lost = 0.0
    facts, text = folder.recommendation()
    assert not facts["unknown_classes"] and "does not know" not in text


def test_where_the_largest_ratio_loses_a_class_the_images_are_left(tmp_path: Path) -> None:
    """Nothing is proposed, and the page says which class."""
    folder = Folder(tmp_path, GOOD)
    folder.dogs_lost = 0.9
    assert folder.proposal()["variant"] is None
    facts, text = folder.recommendation()
    assert facts["verdict"] == "leave"
    assert (
        "with `jpeg-q90` the probe is shown to lose 10 points or more of the accuracy on dog"
        in text
    )


def test_a_network_that_learnt_nothing_tells_nothing(tmp_path: Path) -> None:
    """Half of the images are of the largest class: 0.525 is within three margins of that."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    folder.accuracy(0.525)
    facts, text = folder.recommendation(folder.round(0.5, 0, -0.5, 0.5))
    assert facts["verdict"] == "cannot-tell"
    assert facts["quality"] is facts["saved"] is facts["command"] is None
    assert text.startswith("# photos: cannot tell; the network does not tell these classes apart")
    assert " --store jpeg" not in text
    assert "What would show more" not in text
    _, text = folder.recommendation(folder.round(0.5, 0, -0.5, 0.5), images=30)
    assert f"of {N:,} images 30 were looked at; more `minutes` look at more." in text


def test_the_page_says_what_is_saved_and_what_it_costs(tmp_path: Path) -> None:
    """Bytes, accuracies and differences with n and intervals, both uses, problems, sources."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    facts, text = folder.recommendation(folder.round(0.5, -0.1, -0.9, 0.7))
    assert "saves **75.0%** of the bytes (10.0 → 2.5 MiB" in text
    assert "accuracy on the originals 0.800 [0.780, 0.820], difference **+0.1 [-0.4, +0.6]" in text
    assert "A loss above 0.4 points is excluded." in text
    assert "tested on originals, differ by +0.1 [-0.4, +0.6] points" in text
    assert "**Balanced accuracy** +0.1 [-0.4, +0.6] points; **log-loss** +0.001 [" in text
    assert "5 pairs, each on 300 images in 3 epochs, n = 1,500): 0.800 [0.780, 0.820] → " in text
    assert "differ from themselves by +0.2 [-1.0, +1.4]" in text
    assert "- truncated: 1 file, set aside" in text
    assert "estimated JPEG quality 75 (10th to 90th percentile 75 to 96)" in text
    assert re.search(r"This call took 1\d\.\d minutes; the budget was 15", text)
    assert "runs/original/seed0/run.json" in facts["runs"]


def test_money_is_two_paragraphs_and_no_benefit_where_it_is_none(tmp_path: Path) -> None:
    """Of the folder itself cents; a sum of a billion read elsewhere; else nothing."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    facts, text = folder.recommendation(what=MONEY, conversion=CONVERSION)
    assert facts["money"]["verdict"] == "cents"
    after = text.split("- In brackets: 95 % intervals")[1].split("\n\n")
    assert after[1].startswith(
        "**No benefit in money**: a year saves less than 0.01 USD, for these"
    )
    assert after[2].startswith("**An epoch is 20% shorter** at 200 MB/s")
    many = MONEY | {"total_images": 10**9, "reads_a_month": 10, "egress": 1}
    _, text = folder.recommendation(what=many, conversion=CONVERSION)
    assert text.count("**In money: ") == 1 and "once the originals are deleted" in text
    facts, text = folder.recommendation(what=many)
    assert facts["money"] is None and "In money" not in text


def test_what_convert_leaves_as_it_is_is_told(tmp_path: Path) -> None:
    """With the words that convert it, and the range that the networks saw."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    problems = ["over 8 bits, grayscale"] * 3 + ["transparent"] * 2 + ["animated", "not sRGB", "ok"]
    folder.manifest(
        [*problems, "no reader"],
        ["repaired"] * 6 + ["kept"] * 2 + ["set aside"],
        Decoding(integer=(0.0, 4095.0), alpha="black"),
        scale=["integer"] * 3 + [None] * 6,
        profile=[None] * 6 + ["Display P3"] + [None] * 2,
        member=[f"{i}.png" for i in range(8)] + ["a/x.DNG"],
    )
    _, text = folder.recommendation()
    assert "(over 8 bits 3, transparent 2, animated 1) as they are" in text
    assert "`--depth 8 --range 0.0,4095.0 --alpha black --frames first` behind it" in text
    assert "(integer values) 0 … 4095 became 0 … 255" in text
    assert "Profiles that are not sRGB: Display P3 1; their numbers were taken as they are" in text
    assert "**Not looked at**, since nothing here reads their formats: .dng 1." in text


def test_the_worst_classes_have_intervals(tmp_path: Path) -> None:
    """A quarter of the dogs is lost at 0.5: their row says so, with n."""
    folder = Folder(tmp_path, {0.9: (0, -0.3, 0.3), 0.5: (0.1, -0.4, 0.6)})
    folder.dogs_lost, folder.dogs = 0.5, 5
    folder.proposal()
    facts, text = folder.recommendation()
    (row,) = facts["classes"]
    assert (row["class"], row["n"], row["difference"]) == ("dog", 20, -0.25)
    assert row["low"] < -0.25 < row["high"]
    assert "- dog: 1.00 → 0.75, -25.0 [" in text


def test_a_sample_is_said_to_be_one(tmp_path: Path) -> None:
    """How many of how many, and what more minutes would buy."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    _, text = folder.recommendation(images=500)
    assert "Of 2,000 images 500 were looked at" not in text  # it would take more than there are
    assert "A sample of 18 of 2,000 images was used" in text


def test_files_that_give_the_labels_away_are_warned_of(tmp_path: Path) -> None:
    """What the audit warns of stands on the page, near its top."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    kept = {"n": 100, "count": 50, "share": 0.5, "differs": True}
    rows = [
        {"class": "cat", "n": 50, "count": 50, "share": 1.0, "p_holm": 1e-9, "differs": True},
        {"class": "dog", "n": 50, "count": 0, "share": 0.0, "p_holm": 1e-9, "differs": True},
    ]
    headers = {"n": 100, "leaks": False, "found": [], "columns": []}
    headers |= {f"balanced_accuracy{end}": 0.5 for end in ("", "_low", "_high", "_sure_low")}
    variants = [
        {"variant": name(0.5), "leaks": False, "without_bytes": headers, "all_headers": headers}
    ]
    variants[0]["kept"] = {**kept, "classes": rows}
    chance = {"accuracy": 0.5, "balanced_accuracy": 0.5}
    audit = {"reason": "", "chance": chance, "variants": variants}
    facts, text = folder.recommendation(audit=audit)
    assert "cat" in facts["audit"]["warning"]
    assert f"**Do the files give the labels away?** {facts['audit']['warning']}" in text


def test_too_few_images_are_told_how_many_would_do(tmp_path: Path) -> None:
    """Not shown is an answer with a number."""
    folder = Folder(tmp_path, WIDE)
    folder.proposal()
    facts, text = folder.recommendation()
    assert facts["needed"]["images"] > 0
    assert f"{facts['needed']['images']:,} images" in text
    margin = float(re.search(r"is a loss of ([0-9.]+) points \(", text)[1])  # type: ignore[index]
    assert margin > 1
    assert round(2 * margin, 9) % 1 == 0


def shown(folder: Path) -> Folder:
    """Return the files of a recommendation whose probe shows quality 50."""
    found = Folder(folder, GOOD)
    found.proposal()
    return found


def test_groups_are_told_with_where_to_look(tmp_path: Path) -> None:
    """How many, what intervals count, and the sheet; of images that stand alone nothing."""
    (tmp_path / "alone").mkdir()
    _, text = shown(tmp_path / "alone").recommendation()
    assert "belongs together" not in text and "near cop" not in text
    groups = {"groups": 400, "largest": 7, "near": 1900, "pairs": 3500}
    facts, text = shown(tmp_path).recommendation(groups=groups)
    assert "They are 400 groups of what belongs together (the largest has 7 images)" in text
    assert "intervals count groups, not images" in text
    assert f"1,900 images are near copies of others: `{tmp_path}/groups.pairs.png`" in text
    assert f"`{tmp_path}/groups.pairs.csv` lists all" in text
    assert facts["groups"]["groups"] == 400


def test_what_is_wrong_with_groups_is_a_warning(tmp_path: Path) -> None:
    """Splits that tear groups apart, copies of two classes, and a class that looks alike."""
    torn = {"groups": 3, "images": 9, "example": ["train/a/1.png", "test/a/2.png"]}
    tightened = [{"class_name": "lung", "images": 80, "of": 90, "taken": "one way"}]
    tightened += [{"class_name": "hand", "images": 40, "of": 40, "taken": "another"}]
    groups = {"groups": 1800, "pairs": 50, "near": 90, "conflicts": 2, "torn": torn}
    _, text = shown(tmp_path).recommendation(groups={**groups, "tightened": tightened})
    assert "**Your splits tear groups apart**: 3 groups" in text
    assert "`train/a/1.png` and `test/a/2.png`" in text
    assert "**Near copies of two classes**: 2 pairs" in text
    assert "80 of 90 images of class 'lung' look so much alike that" in text
    assert "one group; one way. If they are frames" in text and "one group; another. If" in text


def test_the_command_says_which_columns(tmp_path: Path) -> None:
    """What was said of the table is needed again; what was found is told."""
    what = {"told": "path from 'image_id', label from 'my label'"}
    what |= {"label_column": "my label", "split_column": False, "path_column": None}
    facts, text = shown(tmp_path).recommendation(what=what)
    said = "--store jpeg-q50 --label-column 'my label' --split-column false"
    assert facts["command"].endswith(said)
    assert "Of the table: path from 'image_id', label from 'my label'." in text
