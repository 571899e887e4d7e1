"""The catalogue: every result can be made of what it reads, and is asked for once."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from jpegprep.common.jobs import arguments, flat, function_of
from jpegprep.results.catalogue import CATALOGUE, Result, results_of
from jpegprep.study.config import load_study
from jpegprep.study.study import Study

CONFIG = Path(__file__).parents[3] / "config"


def study(name: str, **changes: Any) -> Study:
    """Return a shipped study, changed; what is changed to None is left out."""
    config = yaml.safe_load((CONFIG / f"{name}.yaml").read_text("utf-8")) | changes
    return load_study({k: v for k, v in config.items() if v is not None}, name, CONFIG)


LEARNERS = yaml.safe_load((CONFIG / "config.yaml").read_text("utf-8"))["learners"]
NO_EXPERIMENTS = dict.fromkeys(("noise", "tabular", "train_test", "reading"))
STUDIES = {
    "demo": study("config"),
    "paper": study("paper"),
    "seeds": study("config", seeds=[0, 1, 2]),
    "readings": study(
        "config",
        noise={
            **{"learner": "autogluon", "datasets": ["photo-patches"], "ratio": 0.3},
            **{"test": "treated", "readings": {"additive": "probe", "shared": "probe"}},
        },
        chroma={"learner": "probe", "ratios": [0.9, 0.3]},
        money={"reads_a_month": 30},
    ),
    "fidelity": study(
        "config", datasets=["dtd", "cifar10", "sun397"], noise=None, fidelity={"learner": "probe"}
    ),
    "stores": study("frontier"),
    "bare": study("config", **NO_EXPERIMENTS),
    "probe": study("config", **NO_EXPERIMENTS, learners={"probe": LEARNERS["probe"]}),
}


@pytest.fixture(params=STUDIES, name="chosen")
def _chosen(request: pytest.FixtureRequest) -> Study:
    return STUDIES[request.param]


def test_a_page_of_all_entries_has_every_file_that_people_read(chosen: Study) -> None:
    """Of each data set, too; each with a title and a caption in which nothing is left to fill."""
    entries = [entry for result in results_of(chosen) for entry in result.entries(chosen)]
    found = [chosen.file(path) for entry in entries for path in entry["files"]]
    shown = [result for result in results_of(chosen) if result.shown]
    assert sorted(found) == sorted(file for result in shown for file in result.targets(chosen))
    assert not any(set("{}") & set(entry["title"] + entry["caption"]) for entry in entries)


def data_sets(result: Result, study: Study) -> list[str]:
    """Return the data sets of which a study has one such result each; one empty name, if all."""
    return [""] if result.datasets is None else list(result.datasets(study))


def test_every_function_gets_all_its_parameters(chosen: Study) -> None:
    """What an entry reads and is given are, by name, what its function needs."""
    for result in results_of(chosen):
        if not result.make:
            continue
        for dataset in data_sets(result, chosen):
            offered = {**result.read(chosen, dataset), **result.told(chosen, dataset)}
            unknown = offered.keys() - _parameters(result)
            assert not unknown, (result.name, unknown)
            offered |= {"targets": ["t"], "target": "t", "threads": 1}
            arguments(function_of(result.make), offered | ({"dataset": dataset} if dataset else {}))


def _parameters(result: Result) -> set[str]:
    code = function_of(result.make).__code__
    return set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def test_every_file_is_one_results(chosen: Study) -> None:
    """No two results, and no two rules, have the same name."""
    found = results_of(chosen)
    targets = [file for result in found for file in result.targets(chosen)]
    assert len(targets) == len(set(targets))
    rules = [result.rule for result in CATALOGUE]
    assert len(rules) == len(set(rules)) and all(re.fullmatch(r"[a-z0-9_]+", x) for x in rules)


def test_captions_and_titles_are_plain_text(chosen: Study) -> None:
    """Nothing in braces is left, and none is empty."""
    for result in results_of(chosen):
        for dataset in data_sets(result, chosen):
            caption = result.caption.format(study=chosen, dataset=dataset)
            assert len(caption) > 40 and not set("{}") & set(caption)
            assert result.title.format(dataset=dataset)


def test_what_needs_no_training_reads_no_run(chosen: Study) -> None:
    """`snakemake storage` makes such results without any training behind them."""
    found = results_of(chosen)
    storage = [result for result in found if result.storage]
    assert storage
    of_others = {f for result in found if not result.storage for f in result.targets(chosen)}
    tables = {chosen.table(name) for name in ("runs", "accuracy", "differences", "transfer")}
    for result in storage:
        files = set(flat(result.read(chosen)))
        assert not files & (of_others | tables)
        assert not [file for file in files if file.startswith("results/runs/")]


def test_a_study_has_what_its_parts_ask_for() -> None:
    """Without the experiment there is no result of it; with it there is."""
    names = {key: {result.name for result in results_of(one)} for key, one in STUDIES.items()}
    of_noise = {"table4_noise", "noise_examples_{dataset}"}
    assert of_noise <= names["demo"] and not of_noise & names["bare"]
    added = {"noise_readings", "noise_readings_{dataset}", "chroma"}
    assert added <= names["readings"] and not added & (names["demo"] | names["paper"])
    of_stores = {"stores", "frontier"}
    assert of_stores <= names["stores"] and not of_stores & (names["demo"] | names["paper"])
    assert "table2_model_size" in names["paper"] and "table2_model_size" not in names["demo"]
    assert "same_against_same" in names["seeds"]
    assert {"reading", "train_test", "gaps", "table5_tabular"} <= names["demo"] - names["bare"]
    by_epochs = {"convergence", "fig3_convergence"}
    assert by_epochs <= names["bare"] and not by_epochs & names["probe"]


def test_what_keeps_images_is_not_compared_as_the_papers() -> None:
    """The paper compresses every image: `never_inflate` is another treatment, at any ratio."""
    table = next(result for result in CATALOGUE if result.name == "reproduction")
    for changes, compressed in (({}, "jpeg-q30"), ({"never_inflate": True}, None)):
        one = study("paper", **changes)
        assert table.told(one)["asked"]["compressed"] == compressed
        assert bool(table.read(one)["sizes"]) == (compressed is not None)


def test_the_papers_networks_are_found_among_the_learners() -> None:
    """By their architecture, whatever a study calls them; without Table II, too."""
    table = next(result for result in CATALOGUE if result.name == "reproduction")
    asked = table.told(study("paper", model_size=None))["asked"]
    assert asked["learner"] == "efficientnet_b0" and asked["model_size"] is None
    assert asked["networks"]["efficientnet_b4"] == "efficientnet_b4"
    assert asked["networks"]["autogluon"] == "autogluon"
    assert asked["noise"] == {
        "learner": "autogluon",
        "noisy": "noise",
        "compressed": "noise-jpeg-q30",
    }
    few = study("config", ratios=[1.0, 0.5, 0.3], learners=_at_half(STUDIES["demo"]))
    assert table.told(few)["asked"]["learner"] == "autogluon"


def _at_half(demo: Study) -> dict[str, Any]:
    """Return the demo's learners, the first of which does not run at 0.3."""
    learners = dict(demo.learners)
    learners["tf_efficientnet_lite0"] = learners["tf_efficientnet_lite0"] | {"ratios": [1.0, 0.5]}
    learners["autogluon_tabular"] = learners["autogluon_tabular"] | {"ratios": [1.0, 0.3]}
    return learners


def test_one_data_set_has_no_figures_of_each() -> None:
    """Figure 2 of the only data set would be Figure 2 again."""
    figure = next(r for r in CATALOGUE if r.name == "fig2_accuracy_vs_ratio_{dataset}")
    assert figure.targets(STUDIES["demo"]) == []
    assert len(figure.targets(STUDIES["paper"])) == 2 * 6
