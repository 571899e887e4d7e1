"""The recommendation: what is proposed, and what is said of each outcome."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.answers.proposal import propose
from jpegprep.answers.recommend import recommend
from jpegprep.common.records import write_record
from jpegprep.learners.runs import write_predictions

N = 2000
WHAT = {
    "images": "/data/my photos",
    "name": "photos",
    "margin": 0.01,
    "class_margin": 0.1,
    "probe": "probe",
    "confirm": "lite0",
    "learners": {"probe": {"recipe": {"image_size": 160}}},
}


class Folder:
    """The files that a recommendation is made from."""

    def __init__(self, folder: Path, probe: dict[float, tuple[float, float, float]]) -> None:
        """Write what the probe found: difference, low and high, in points, by ratio."""
        self.path = folder
        self.dogs_lost = 0.0
        self.ratios = sorted(probe, reverse=True)
        rows = [
            {
                **{"dataset": "own-photos", "learner": "probe", "variant": "v", "ratio": ratio},
                **{"other_learner": "probe", "other_variant": "original", "seeds": 5, "n": N},
                **{"difference": d / 100, "low": low / 100, "high": high / 100, "p_holm": 0.5},
                **{"seed_variance": 0, "image_variance": 0.03, "rest_variance": 0.01},
            }
            for ratio, (d, low, high) in probe.items()
        ]
        pd.DataFrame(rows).to_csv(folder / "differences.csv", index=False)
        self.sizes({ratio: ratio / 2 for ratio in probe})
        self.accuracy(0.78)
        problems = ["ok"] * 18 + ["truncated", "CMYK"]
        handling = ["kept"] * 18 + ["set aside", "repaired"]
        manifest = pd.DataFrame({"problems": problems, "handling": handling})
        manifest.to_parquet(folder / "manifest.parquet")
        split = {"class": ["cat", "dog"] * 9, "label": [0, 1] * 9, "split": ["train"] * 18}
        pd.DataFrame(split).to_parquet(folder / "split.parquet")

    def accuracy(self, low: float) -> None:
        """Write the probe's accuracy on the originals, with the lower bound of its interval."""
        accuracy = [("own-photos", "probe", 1.0, 4, N, low + 0.02, low)]
        names = ["dataset", "learner", "ratio", "seeds", "n", "accuracy", "low"]
        pd.DataFrame(accuracy, columns=names).to_csv(self.path / "accuracy.csv", index=False)

    def sizes(self, relative: dict[float, float]) -> None:
        """Write the sizes of originals of JPEG quality 75."""
        table = pd.DataFrame(
            {"ratio": [1.0, *relative], "relative_size": [1.0, *relative.values()]}
        )
        table["bytes"] = (table["relative_size"] * 10 * 2**20).astype(int)
        facts = {"source_format": "JPEG", "source_quality": 75.0}
        facts |= {"source_quality_p10": 75.0, "source_quality_p90": 96.0}
        table.assign(dataset="own-photos", **facts).to_csv(self.path / "sizes.csv", index=False)

    def predicted(self, ratio: float) -> list[Path]:
        """Write the predictions of two repeats: all right, but for the dogs from `dogs_lost` on."""
        labels = np.arange(60) % 2
        labels[-20:] = 0
        predicted = np.where((labels == 1) & (ratio <= self.dogs_lost), 0, labels)
        keys, folds = np.array([f"i{i}" for i in range(60)]), np.arange(60) % 5
        paths = [self.path / f"{ratio}-{seed}.parquet" for seed in range(2)]
        for path in paths:
            write_predictions(path, keys, labels, np.eye(2, dtype=np.float32)[predicted], folds)
        return paths

    def proposal(self, least: float = 0.05) -> dict[str, Any]:
        """Propose, and return it."""
        tables = self.path / "differences.csv", self.path / "sizes.csv"
        predictions = {ratio: self.predicted(ratio) for ratio in (1.0, *self.ratios)}
        split = self.path / "split.parquet"
        target = self.path / "proposal.json"
        propose(*tables, predictions, split, "probe", 0.01, 0.1, least, target)
        return json.loads((self.path / "proposal.json").read_text())

    def run(self, variant: str, wrong: np.ndarray, seed: int = 0) -> Path:
        """Write a run of the fine-tuned network that is wrong on these test images."""
        folder = self.path / variant / "lite0" / f"seed{seed}"
        folder.mkdir(parents=True)
        labels = np.arange(N) % 2
        predicted = np.where(wrong, 1 - labels, labels)
        probabilities = np.eye(2, dtype=np.float32)[predicted]
        keys = np.array([f"i{i}" for i in range(N)])
        write_predictions(folder / "predictions.parquet", keys, labels, probabilities)
        record = {"learner": "lite0", "recipe": {"image_size": 160}}
        write_record(folder / "run.json", record)
        (folder / "history.csv").write_text("epoch,images_per_second\n1,90\n2,100\n3,110\n")
        return folder / "run.json"

    def recommendation(
        self, lost: int | None, gained: int = 0, pairs: int = 1
    ) -> tuple[dict[str, Any], str]:
        """Recommend, where compression lost and gained so many images; None: no network ran."""
        runs: dict[str, list[Path]] = {"original": [], "compressed": []}
        reading = []
        if lost is not None:
            wrong = (np.arange(N) >= 1600 - lost) & (np.arange(N) < N - gained)
            for seed in range(pairs):
                runs["original"].append(self.run("original", np.arange(N) >= 1600, seed))
                runs["compressed"].append(self.run("compressed", wrong, seed))
            ratio = json.loads((self.path / "proposal.json").read_text())["ratio"]
            rows = [
                # 1,000 images; the model takes 10 s, the decoder 1 s and 0.5 s.
                {
                    "ratio": r,
                    "bandwidth": b,
                    "images": 1000,
                    "bytes": size,
                    "seconds": size / b / 1e6,
                }
                | {"decode_seconds": decode}
                for b in (10, 200)
                for r, size, decode in ((1.0, 200e6, 1.0), (ratio, 50e6, 0.5))
            ]
            pd.DataFrame(rows).to_csv(self.path / "reading.csv", index=False)
            reading = [self.path / "reading.csv"]
        targets = [self.path / f"recommendation.{kind}" for kind in ("md", "json", "svg", "png")]
        recommend(
            WHAT,
            self.path / "proposal.json",
            *(self.path / f"{name}.csv" for name in ("differences", "accuracy", "sizes")),
            *(self.path / f"{name}.parquet" for name in ("manifest", "split")),
            *targets,
            **runs,
            reading=reading,
        )
        assert all(target.stat().st_size for target in targets)
        return json.loads(targets[1].read_text()), targets[0].read_text()


GOOD = {0.9: (0, -0.3, 0.3), 0.5: (0.1, -0.4, 0.6), 0.3: (-0.4, -1.4, 0.6), 0.1: (-6, -8, -4)}
WIDE = {0.9: (0.5, -2, 3), 0.5: (-0.5, -3, 2), 0.3: (-2, -4.5, 0.5)}
POOR = {0.9: (-1.5, -3, 0), 0.5: (-5, -6, -4)}
BY_PROBE = "JPEG quality 50, by the probe; fine-tuned networks have not shown it"
BAD = {0.9: (-3, -4, -2), 0.5: (-5, -6, -4)}


def test_the_ratio_that_is_shown_is_proposed(tmp_path: Path) -> None:
    """0.5 is the last whose interval lies above the margin; 0.3 would take more images."""
    found = Folder(tmp_path, GOOD).proposal()
    assert (found["ratio"], found["shown"], found["next"]) == (0.5, True, 0.3)
    assert found["saved"] == 0.75
    assert found["images_needed"] > N


def test_where_nothing_is_shown_the_estimate_proposes(tmp_path: Path) -> None:
    """0.5 is the last whose estimate lies above the margin."""
    found = Folder(tmp_path, WIDE).proposal()
    assert (found["ratio"], found["shown"]) == (0.5, False)


def test_nothing_is_proposed_where_all_lose_or_nothing_is_saved(tmp_path: Path) -> None:
    """A loss everywhere, or images as small as they get, are left alone."""
    (tmp_path / "bad").mkdir()
    assert Folder(tmp_path / "bad", BAD).proposal()["ratio"] is None
    folder = Folder(tmp_path, GOOD)
    folder.sizes({0.9: 1.0, 0.5: 0.99, 0.3: 0.98, 0.1: 0.97})
    assert folder.proposal()["ratio"] is None


@pytest.mark.parametrize(
    ("probe", "lost", "pairs", "verdict", "title"),
    [
        (GOOD, 2, 5, "use", "use JPEG quality 50"),
        (GOOD, 2, 1, "use-probe", BY_PROBE),
        (GOOD, 2, 3, "use-probe", BY_PROBE),
        (GOOD, None, 0, "use-probe", BY_PROBE),
        (GOOD, 15, 5, "use-probe", BY_PROBE),
        (WIDE, None, 0, "not-shown", "not shown; JPEG quality 50 is the best guess"),
        (WIDE, 2, 5, "not-shown", "not shown; JPEG quality 50 is the best guess"),
        (POOR, None, 0, "not-shown", "not shown; JPEG quality 90 is the best guess"),
        (GOOD, 60, 1, "loses", "quality 50 loses too much"),
        (BAD, None, 0, "leave", "leave the images as they are"),
    ],
)
def test_each_verdict_needs_its_evidence(
    tmp_path: Path, probe: dict[float, Any], lost: int | None, pairs: int, verdict: str, title: str
) -> None:
    """Only where the probe and five pairs of networks exclude the loss is it to use the quality."""
    folder = Folder(tmp_path, probe)
    folder.proposal()
    facts, text = folder.recommendation(lost, pairs=pairs)
    assert (facts["verdict"], facts["pairs"]) == (verdict, pairs)
    assert text.startswith(f"# photos: {title}\n")
    converts = "make convert IMAGES='/data/my photos' TO=/path/to/new/folder QUALITY=50" in text
    assert converts == (verdict in ("use", "use-probe"))


def test_a_ratio_that_loses_a_class_is_not_proposed(tmp_path: Path) -> None:
    """At 0.5 the dogs are lost, all twenty: 0.9 is proposed, though 0.5 is shown by the whole."""
    folder = Folder(tmp_path, GOOD)
    folder.dogs_lost = 0.5
    found = folder.proposal()
    assert (found["ratio"], found["lost"], found["lost_classes"]) == (0.9, 0.5, ["dog"])
    facts, text = folder.recommendation(None)
    assert facts["verdict"] == "use-probe"
    assert (
        "at ratio 0.5 the probe is shown to lose 10 points or more of the accuracy on dog" in text
    )


def test_where_the_largest_ratio_loses_a_class_the_images_are_left(tmp_path: Path) -> None:
    """Nothing is proposed, and the page says which class."""
    folder = Folder(tmp_path, GOOD)
    folder.dogs_lost = 0.9
    assert folder.proposal()["ratio"] is None
    facts, text = folder.recommendation(None)
    assert facts["verdict"] == "leave"
    assert (
        "at ratio 0.9 the probe is shown to lose 10 points or more of the accuracy on dog" in text
    )


def test_a_network_that_learnt_nothing_tells_nothing(tmp_path: Path) -> None:
    """Half of the images are of the largest class: 0.525 is within three margins of that."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    folder.accuracy(0.525)
    facts, text = folder.recommendation(0, pairs=5)
    assert facts["verdict"] == "cannot-tell"
    assert facts["quality"] is facts["saved"] is facts["command"] is None
    assert text.startswith("# photos: cannot tell; the network does not tell these classes apart")
    assert "make convert" not in text


def test_a_loss_that_may_be_chance_is_not_called_one(tmp_path: Path) -> None:
    """An estimate beyond the margin whose interval holds 0 shows nothing."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    facts, _ = folder.recommendation(150, gained=125)
    assert facts["fine_tuned"]["difference"] < -0.01 < 0 < facts["fine_tuned"]["high"]
    assert facts["verdict"] == "use-probe"


def test_the_page_says_what_is_saved_and_what_it_costs(tmp_path: Path) -> None:
    """Bytes, both accuracies with their difference, reading, classes, problems, sources."""
    folder = Folder(tmp_path, GOOD)
    folder.proposal()
    facts, text = folder.recommendation(2)
    assert "saves **75.0%** of the bytes (10.0 → 2.5 MiB" in text
    assert "accuracy 0.800 → 0.799, difference **-0.1 [" in text
    assert facts["fine_tuned"]["difference"] == pytest.approx(-0.001)
    assert facts["reading"][0]["bottleneck"] == "disk"
    assert facts["reading"][0]["epoch_shorter"] == pytest.approx(0.5)  # 20 s of disk, 10 of model
    assert facts["reading"][1]["epoch_shorter"] == 0
    assert "| 200 MB/s | 1.00 → 0.25 " in " ".join(text.split())
    assert "no shorter: no benefit" in text
    assert "- truncated: 1 file, set aside" in text
    assert "estimated JPEG quality 75 (10th to 90th percentile 75 to 96)" in text
    assert {row["class"] for row in facts["classes"]} == {"cat", "dog"}
    assert str(tmp_path / "original" / "lite0" / "seed0" / "run.json") in facts["runs"]


def test_too_few_images_are_told_how_many_would_do(tmp_path: Path) -> None:
    """Not shown is an answer with a number."""
    folder = Folder(tmp_path, WIDE)
    folder.proposal()
    facts, text = folder.recommendation(None)
    assert facts["needed"]["images"] > 0
    assert f"{facts['needed']['images']:,} images" in text
    margin = float(re.search(r"is a loss of .* points \(`margin=(.*)`\)", text)[1])  # type: ignore[index]
    assert margin > 0.01
    assert round(200 * margin, 9) % 1 == 0
