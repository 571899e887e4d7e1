"""Every accuracy in every table has its number of images, its seeds, and a 95 % interval.

A small study is made of drawn predictions, with all parts that a study can have. Then every table
of the catalogue is made of it by the catalogue's own entries, so that a table that is added is
walked, too.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_tables import make_manifest, sized_shards

from jpegprep.common.jobs import arguments, flat, function_of
from jpegprep.common.layout import SHARDS, Run
from jpegprep.common.records import write_record
from jpegprep.evaluation.accuracy import compare, evaluate, evaluate_transfers
from jpegprep.learners.controls import TREES, write_controls
from jpegprep.learners.runs import write_predictions
from jpegprep.results.catalogue import CATALOGUE, Numbers, Table
from jpegprep.shards.reading import COLUMNS as READING
from jpegprep.study.study import Study

CONFIG = Path(__file__).parents[3] / "config"
DATASETS = ("dtd", "mine")
CLASSES = 4  # and one of a single image
IMAGES = {"train": 40, "val": 30, "test": 40}
RATIOS = [1.0, 0.5, 0.3, 0.1]
# What ends in accuracy without being one: how the compressed accuracy compares with the original's.
NO_ACCURACY = {("table3_storage", "relative_accuracy"), ("table3_storage", "relative accuracy")}
# Columns that people read whose numbers look like accuracies: p-values, and what the paper prints.
LIKE_ACCURACIES = {("comparison", "p (Holm)"), ("reproduction", "paper")}
LIKE_ACCURACIES |= {("claims", "the paper")}
# Three or four decimals between 0 and 1, without a sign, and the interval behind it.
NUMBER = r"(?<![-+.\d])(?:0\.\d{3,4}|1\.0{3,4})(?!\d)"
WITH_INTERVAL = rf"({NUMBER}) \[({NUMBER}), ({NUMBER})\]"


def small_study() -> Study:
    """Return a study with two networks, a probe and trees, and every part that a study can have."""
    # The paper's networks, so that its numbers have ours beside them.
    weights = {f"b{i}": {"architecture": f"efficientnet_b{i}.tag"} for i in (0, 4)}
    recipe = {"image_size": 64, "epochs": 3, "batch_size": 8, "learning_rate": 0.001}
    of_network = {"framework": "timm", "recipe": recipe}
    trees = {"framework": "autogluon_tabular", "recipe": {"features": ["dct"]}, "seeds": [0]}
    probe = {"framework": "probe", "weights": "b0", "recipe": {"image_size": 64}}
    return Study(
        name="small",
        datasets={name: {"note": ""} for name in DATASETS},
        ratios=RATIOS,
        seeds=[0, 1],
        storage_ratio=0.3,
        margin=0.01,
        never_inflate=False,
        archives=None,
        learners={
            "b0": of_network | {"weights": "b0"},
            "b4": of_network | {"weights": "b4", "seeds": [0]},
            **{"probe": probe | {"seeds": [0, 1, 2]}, "trees": trees},
        },
        weights=weights,
        published=str(CONFIG / "published.csv"),
        model_size={"small": "b0", "large": "b4", "ratio": 0.3},
        noise={
            **{"learner": "b0", "datasets": list(DATASETS), "ratio": 0.3, "test": "treated"},
            "readings": {"multiplicative": "b0", "additive": "probe", "shared": "probe"},
        },
        chroma={"learner": "probe", "ratios": [0.5, 0.3]},
        tabular={"learner": "trees", "deep": "b0"},
        train_test={"learner": "b0"},
        reading={"learner": "b0", "bandwidths": [10]},
    )


class World:
    """What lies on disk behind the tables of a study."""

    def __init__(self, study: Study) -> None:
        """Write everything that the catalogue reads, below the working folder."""
        self.rng = np.random.default_rng(0)
        self.study = study
        for dataset in study.datasets:
            self._images(dataset)
            self._cross_tests(dataset)
            self._reading(dataset)
            self._bytes(dataset)
        runs = study.runs()
        for run in runs:
            self._run(run)
        for run, tested in study.transfers():
            self._predictions(run.file(f"tests/{tested}.parquet"), crossfitted=False)
        for of_ratios in study.controls().values():
            for paths in of_ratios.values():
                self._controls(paths)
        predictions = [run.file("predictions.parquet") for run in runs]
        records = [run.file("run.json") for run in runs]
        tables = [study.table("runs"), study.table("accuracy")]
        evaluate(runs, predictions, records, *tables, study.splits())
        transfers = [run.file(f"tests/{tested}.parquet") for run, tested in study.transfers()]
        evaluate_transfers(study.transfers(), transfers, study.table("transfer"))
        compare(runs, predictions, study.pairs(), study.table("differences"))

    def _images(self, dataset: str) -> None:
        labels = np.append(np.arange(sum(IMAGES.values()) - 1) % CLASSES, CLASSES)
        split = {
            "key": [f"k{i}" for i in range(len(labels))],
            "class": [f"class{label}" for label in labels],
            "label": labels.astype(np.int32),
            "split": np.repeat(list(IMAGES), list(IMAGES.values())),
        }
        manifest, parts = self.study.manifests()[dataset], self.study.splits()[dataset]
        for path in (manifest, parts):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        make_manifest(Path(manifest), [{}] * len(labels))
        pd.DataFrame(split).to_parquet(parts, index=False)
        for ratio, folder in self.study.by_ratio(dataset).items():
            Path(folder).mkdir(parents=True)
            sized_shards(Path(folder), self.study.variant(ratio), [round(900 * ratio) + 9], [909])
        for full, _ in self.study.chroma_variants().values():
            path = Path(SHARDS.format(dataset=dataset, variant=full))
            path.mkdir(parents=True)
            sized_shards(path, full, [700], [909])

    def _predictions(self, path: str, crossfitted: bool) -> None:
        """Write predictions of the test images (cross-fitted: of all), about 80 % of them right."""
        count = sum(IMAGES.values()) if crossfitted else IMAGES["test"]
        labels = np.append(np.arange(count - 1) % CLASSES, CLASSES)
        right = self.rng.random(count) < 0.8
        predicted = np.where(right, labels, (labels + 1) % CLASSES)
        probabilities = np.eye(CLASSES + 1, dtype=np.float32)[predicted]
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        keys = np.array([f"k{i}" for i in range(count)])
        folds = np.arange(count) % 5 if crossfitted else None
        write_predictions(Path(path), keys, labels, probabilities, folds)

    def _controls(self, paths: list[str]) -> None:
        labels = np.append(np.arange(IMAGES["test"] - 1) % CLASSES, CLASSES)
        keys = np.array([f"k{i}" for i in range(len(labels))])
        for path in paths:
            guesses = self.rng.integers(0, CLASSES, (len(labels), 4))
            predicted = pd.DataFrame(guesses, columns=[*TREES, "baseline"])
            write_controls(Path(path), keys, labels, predicted)

    def _run(self, run: Run) -> None:
        entry = self.study.learners[run.learner]
        crossfitted = entry["framework"] == "probe"
        self._predictions(run.file("predictions.parquet"), crossfitted)
        history = {
            "epoch": [1, 2, 3],
            "val_accuracy": self.rng.integers(10, 30, 3) / IMAGES["val"],
            "images_per_second": 100.0,
        }
        record: dict[str, Any] = {
            **{"recipe": self.study.recipe(run.learner), "seconds": {"fit": 1.0}},
            **{"tested_epoch": None, "device": {"name": "a processor"}},
            "val_accuracy": None if crossfitted else history["val_accuracy"][-1],
        }
        if entry["framework"] == "timm":
            pd.DataFrame(history).to_csv(run.file("history.csv"), index=False)
            record["model"] = {"parameters": 4_000_000, "multiply_adds": 400_000_000}
        write_record(Path(run.file("run.json")), record)

    def _cross_tests(self, dataset: str) -> None:
        pairs = pd.MultiIndex.from_product(
            [RATIOS, RATIOS, range(IMAGES["test"])], names=["trained", "tested", "image"]
        )
        table = pairs.to_frame(index=False)
        for path in self.study.cross_tests(dataset):
            label = (table["image"] % CLASSES).astype("int32")
            wrong = (self.rng.random(len(table)) < 0.2).astype("int32")
            columns = {"key": table["image"].astype(str), "label": label, "fold": -1}
            columns["group"] = -1
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            seed = table.assign(**columns, predicted=label + wrong).drop(columns="image")
            seed.to_parquet(path, index=False)

    def _reading(self, dataset: str) -> None:
        facts = {"cache": "cold", "images": 40, "bytes": 4000, "threads": 1, "cold_share": 1.0}
        rows = [
            {"ratio": ratio, "bandwidth": bandwidth, **facts}
            for ratio in RATIOS
            for bandwidth in (10.0, None)
        ]
        path = Path(self.study.file(f"reading/{dataset}.csv"))
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows, columns=READING).fillna({name: 0.5 for name in READING[7:12]}).to_csv(
            path, index=False
        )

    def _bytes(self, dataset: str) -> None:
        """Write where the bytes are, as `savings.measure_bytes` does."""
        parts = {"header": 50, "tables": 500, "metadata": 0, "scan": 400, "trailing": 0, "other": 0}
        sample = {"sampled": 10, "smaller": 10, "sampled_bytes": 9500, "optimized_bytes": 9000}
        saved = {"saved": 0.05, "saved_low": 0.04, "saved_high": 0.06}
        rows = [
            {"ratio": ratio, "images": 40, "bytes": 950, **parts, **sample, **saved}
            for ratio in RATIOS
        ]
        path = Path(self.study.file(f"bytes/{dataset}.csv"))
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(path, index=False)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tables of the small study: those of the catalogue, and what they are made of."""
    study = small_study()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("study"))
        World(study)
        left = list(TABLES)
        while left:  # a table may read others
            result = next(x for x in left if all(Path(f).exists() for f in flat(x.read(study))))
            left.remove(result)
            offered = {**result.read(study), **result.told(study)}
            positional, named = arguments(
                function_of(result.make),
                offered | {"targets": result.targets(study), "target": result.targets(study)[0]},
            )
            function_of(result.make)(*positional, **named)
        return Path(study.file("tables")).absolute()


TABLES = [result for result in CATALOGUE if isinstance(result, Table)]
# Beside the catalogue's: what a study's tables are made of.
SOURCES = ["runs", "accuracy", "transfer", "differences"]
SHOWING = {
    *("table2_model_size", "table2_all_models", "table3_storage", "table4_noise"),
    *("table5_tabular", "table5_controls", "convergence", "comparison", "train_test", "gaps"),
    *("classes", "reproduction", "noise_readings", "chroma"),
}


def accuracies_in(name: str, table: pd.DataFrame) -> Iterator[str]:
    """Yield the columns of a CSV that are accuracies."""
    for column in table:
        if re.fullmatch(r"(.+_)?accuracy", column) and (name, column) not in NO_ACCURACY:
            yield column


def check_numbers(name: str, table: pd.DataFrame) -> int:
    """Check the accuracies of a CSV; return how many there are."""
    if "quantity" in table:  # a row a number, of which some are accuracies
        of_rows = table["quantity"].str.endswith("_accuracy")
        of_rows &= table["quantity"] != "relative_accuracy"
        table = table[of_rows].rename(columns={"ours": "accuracy"})
    count = 0
    for column in accuracies_in(name, table):
        prefix = column.removesuffix("accuracy")
        # Where low and high are a difference's: accuracy_low, accuracy_high.
        start = f"{column}_" if f"{column}_low" in table else prefix
        low, high = f"{start}low", f"{start}high"
        # small_original_accuracy: small_original_n, small_n or n; of one run there is a seed.
        parts = prefix.split("_")[:-1]
        places = ["_".join([*parts[:i], ""]) for i in range(len(parts), -1, -1)]
        found = {
            what: next((f"{p}{x}" for p in places for x in names if f"{p}{x}" in table), None)
            for what, names in {"n": ("n",), "seeds": ("seeds", "seed")}.items()
        }
        rows = table[table[column].notna()]
        for what in (*found.values(), low, high):
            assert what in table, f"{name}: {column} has no {what or found}"
            assert rows[what].notna().all(), f"{name}: {what} of {column} is empty"
        assert (rows[found["n"]] >= 1).all(), f"{name}: {column} is of no image"
        inside = (rows[low] - 1e-5 <= rows[column]) & (rows[column] <= rows[high] + 1e-5)
        assert inside.all(), f"{name}: {column} is not in its interval"
        count += len(rows)
    return count


def cells(markdown: str) -> list[dict[str, str]]:
    """Return the rows of a Markdown table, each by its columns."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    head, _, *rows = ([x.strip() for x in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, row, strict=True)) for row in rows]


def check_shown(name: str, markdown: str) -> int:
    """Check the accuracies that people read in a table; return how many there are."""
    count = 0
    for row in cells(markdown):
        shown = 0
        for column, cell in row.items():
            if (name, column) in LIKE_ACCURACIES | NO_ACCURACY:
                continue
            for accuracy, low, high in re.findall(WITH_INTERVAL, cell):
                assert float(low) <= float(accuracy) <= float(high), f"{name}, {column}: {cell}"
                shown += 1
            rest = re.sub(WITH_INTERVAL, "", cell)
            outside = re.sub(r"\[.*?\]", "", rest)  # a difference's interval
            assert not re.search(NUMBER, outside), f"{name}, {column}: {cell} has no interval"
            if "accuracy" in column:
                assert rest.strip("* ") == "", f"{name}, {column}: {cell} has no interval"
        if shown:
            images = [row[column] for column in row if column.endswith(" images")]
            assert images and re.fullmatch(r"[\d,]+", images[0]), f"{name}: {row} has no n"
            seeds = row.get("seeds", "")
            told = r"\d+(, \d+)*|cross-fitted, \d+ repeats?"
            assert re.fullmatch(told, seeds), f"{name}: {row} has no seeds"
        count += shown
    return count


@pytest.mark.parametrize("name", [*SOURCES, *(table.name for table in TABLES)])
def test_numbers_have_n_seeds_and_interval(folder: Path, name: str) -> None:
    """In every CSV each accuracy has them in its row, and lies in its interval."""
    count = check_numbers(name, pd.read_csv(folder / f"{name}.csv"))
    assert (count > 0) == (name in {*SHOWING, "runs", "accuracy", "transfer"})


@pytest.mark.parametrize("name", [table.name for table in TABLES if not isinstance(table, Numbers)])
def test_people_read_n_seeds_and_interval(folder: Path, name: str) -> None:
    """In every table that people read each accuracy has them in its row; both formats agree."""
    markdown = (folder / f"{name}.md").read_text(encoding="utf-8")
    assert (check_shown(name, markdown) > 0) == (name in SHOWING)
    html = (folder / f"{name}.html").read_text(encoding="utf-8").split("</table>")[0]
    rows = "|".join(cell for row in cells(markdown) for cell in row.values())
    assert len(re.findall(WITH_INTERVAL, html)) == len(re.findall(WITH_INTERVAL, rows))


def test_the_small_study_has_every_table(folder: Path) -> None:
    """No table of the catalogue is left out of the walk, and none beside it."""
    study = small_study()
    assert [table.name for table in TABLES if not table.of(study)] == []
    names = {path.stem for path in folder.glob("*.csv")}
    assert names == {*SOURCES, *(table.name for table in TABLES)}


GOOD = {"accuracy": 0.8, "low": 0.7, "high": 0.9, "n": 50, "seeds": 3}


@pytest.mark.parametrize(
    "change",
    [{"low": None}, {"high": 0.75}, {"low": 0.81}, {"n": None}, {"n": 0}, {"seeds": None}],
)
def test_a_bare_number_is_found(change: dict[str, float | None]) -> None:
    """A CSV without interval, n or seeds, or with another accuracy's interval, does not pass."""
    assert check_numbers("new", pd.DataFrame([GOOD])) == 1
    row = pd.DataFrame([GOOD | change])
    for table in (row, row.dropna(axis="columns"), row.add_prefix("small_")):
        with pytest.raises(AssertionError, match="accuracy"):
            check_numbers("new", table)


@pytest.mark.parametrize(
    ("accuracy", "images", "seeds"),
    [
        ("0.800", "50", "3"),
        ("**0.800**", "50", "3"),
        ("0.800 (0.810)", "50", "3"),
        ("80.0 %", "50", "3"),
        ("0.800 [0.810, 0.900]", "50", "3"),
        ("0.800 [0.700, 0.900]", "", "3"),
        ("0.800 [0.700, 0.900]", "50", ""),
    ],
)
def test_a_bare_cell_is_found(accuracy: str, images: str, seeds: str) -> None:
    """What people read without interval, n or seeds does not pass."""
    head = "| accuracy | test images | seeds |\n|---:|---:|---:|\n"
    assert check_shown("new", f"{head}| 0.800 [0.700, 0.900] | 50 | 3 |") == 1
    with pytest.raises(AssertionError, match="new"):
        check_shown("new", f"{head}| {accuracy} | {images} | {seeds} |")
