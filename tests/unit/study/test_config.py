"""Studies and registries: what is right passes, and each mistake says what to mend."""

import copy
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jpegprep.common.errors import UserError
from jpegprep.study.config import load_study, validate
from jpegprep.study.study import Study

LITE0 = "learners.tf_efficientnet_lite0"
REMOVED = object()


@pytest.fixture(scope="module")
def shipped(root: Path) -> dict[str, Any]:
    """Return the shipped study."""
    found = yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))
    found["learners"]["tf_efficientnet_lite0"].pop("ratios")  # all of the study's
    return found


@pytest.fixture(scope="module")
def study(shipped: dict[str, Any]) -> dict[str, Any]:
    """Return the shipped study with two learners, and without the experiments."""
    config = {key: value for key, value in shipped.items() if key not in EXPERIMENTS}
    names = ("tf_efficientnet_lite0", "autogluon")
    return {**config, "learners": {name: shipped["learners"][name] for name in names}}


TABULAR = {
    "framework": "autogluon_tabular",
    "recipe": {"features": ["dct", "pixels"], "pixels_side": 8, "hyperparameters": {}},
}
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "model_size": {"small": "tf_efficientnet_lite0", "large": "larger", "ratio": 0.3},
    "noise": {"learner": "autogluon", "datasets": ["dtd"], "ratio": 0.5, "test": "treated"},
    "chroma": {"learner": "larger", "ratios": [0.3]},
    "tabular": {"learner": "trees", "deep": "tf_efficientnet_lite0"},
}


@pytest.fixture(scope="module")
def experiments(study: dict[str, Any]) -> dict[str, Any]:
    """Return a study of two data sets with all experiments."""
    learners = {**study["learners"], "trees": TABULAR}
    larger = copy.deepcopy(learners["tf_efficientnet_lite0"])  # a recipe of its own, to be changed
    learners["larger"] = {**larger, "ratios": [1.0, 0.3]}
    config = {**study, **EXPERIMENTS, "datasets": ["photo-patches", "dtd"], "learners": learners}
    return copy.deepcopy({**config, "ratios": [1.0, 0.5, 0.3]})


@pytest.fixture(scope="module")
def registries(root: Path) -> Path:
    """Return the folder of the shipped registries."""
    return root / "config"


def changed(value: Any, place: str, to: Any) -> Any:
    """Return a copy of a config with another value at a place such as ``learners.x.recipe``."""
    value = copy.deepcopy(value)
    *path, last = place.split(".")
    inner = value
    for key in path:
        inner = inner[int(key)] if key.isdigit() else inner[key]
    if to is REMOVED:
        del inner[last]
    else:
        inner[last] = to
    return value


def refused(config: Any, registries: Path) -> str:
    """Return the one line by which a study is refused."""
    with pytest.raises(UserError) as error:
        load_study(config, "config/my.yaml", registries)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_shipped_study_is_valid(shipped: dict[str, Any], registries: Path) -> None:
    """The demo of config/config.yaml loads as it stands in the file."""
    loaded = load_study(shipped, "config/config.yaml", registries)
    assert loaded.name == shipped["study"]
    assert list(loaded.datasets) == shipped["datasets"]
    assert list(loaded.learners) == list(shipped["learners"])
    assert sorted(loaded.ratios) == sorted(shipped["ratios"])
    for name in EXPERIMENTS:
        assert getattr(loaded, name) == shipped.get(name)


def test_every_study_in_the_config_folder_is_valid(root: Path, registries: Path) -> None:
    """Each file of config/ that is a study loads against the shipped registries."""
    studies = 0
    for path in (root / "config").glob("*.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if "study" in content:
            load_study(content, str(path), registries)
            studies += 1
    assert studies >= 1


def example(study: dict[str, Any], registries: Path, /, **changes: Any) -> Study:
    """Return a small study."""
    config = {**study, "ratios": [0.3, 1.0, 0.5], "seeds": [0, 7], **changes}
    return load_study(config, "config/my.yaml", registries)


def test_a_study_has_a_run_for_each_choice(study: dict[str, Any], registries: Path) -> None:
    """Runs are data sets × learners × the learner's ratios × seeds, each in a folder of its own."""
    runs = example(study, registries).runs()
    folders = [run.folder.removeprefix("results/runs/") for run in runs]
    variants = {
        "tf_efficientnet_lite0": ["original", "jpeg-q50", "jpeg-q30"],
        "autogluon": ["original", "jpeg-q30"],
    }
    assert sorted(folders) == sorted(
        f"photo-patches/{variant}/{learner}/seed{seed}"
        for learner, names in variants.items()
        for variant in names
        for seed in (0, 7)
    )


def test_ratios_run_from_the_original_down(study: dict[str, Any], registries: Path) -> None:
    """Whatever their order in the file, tables and figures go from 1.0 down."""
    loaded = example(study, registries)
    assert loaded.ratios == [1.0, 0.5, 0.3]
    assert loaded.variants() == ["original", "jpeg-q50", "jpeg-q30"]
    assert loaded.learner_ratios("autogluon") == [1.0, 0.3]


def test_numbers_of_the_command_line_are_numbers(study: dict[str, Any], registries: Path) -> None:
    """``--config 'seeds=[0, 1]'``, which Snakemake hands on as texts, means what it says."""
    loaded = example(study, registries, ratios=["1.0", "0.3"], seeds=["0", "1"])
    assert (loaded.ratios, loaded.seeds) == ([1.0, 0.3], [0, 1])


def test_a_recipe_names_its_architecture(study: dict[str, Any], registries: Path) -> None:
    """What a learner learns by is its recipe in the file, and the architecture of its weights."""
    recipe = example(study, registries).recipe("tf_efficientnet_lite0")
    written = study["learners"]["tf_efficientnet_lite0"]["recipe"]
    assert recipe == {"architecture": "tf_efficientnet_lite0", **written}


@pytest.mark.parametrize("never", [True, False, None])
def test_never_inflate_names_the_variants(
    study: dict[str, Any], registries: Path, never: bool | None
) -> None:
    """With never_inflate the variants are others; without it, or left out, the paper's."""
    config = {**study, "ratios": [1.0, 0.5, 0.3], "never_inflate": never}
    if never is None:
        del config["never_inflate"]
    loaded = load_study(config, "config/my.yaml", registries)
    end = "-smaller" if never else ""
    assert loaded.never_inflate is bool(never)
    assert loaded.variants() == ["original", f"jpeg-q50{end}", f"jpeg-q30{end}"]
    assert {run.variant for run in loaded.runs()} == set(loaded.variants())


@pytest.mark.parametrize("word", ["true", "false"])
def test_never_inflate_of_the_command_line_is_meant(
    study: dict[str, Any], registries: Path, word: str
) -> None:
    """``--config never_inflate=true``, which Snakemake hands on as text, means what it says."""
    loaded = example(study, registries, never_inflate=word)
    assert loaded.never_inflate is (word == "true")


def test_a_study_may_name_a_folder_of_archives(study: dict[str, Any], registries: Path) -> None:
    """The folder is handed on as it stands, whether or not it is there; none is none."""
    assert example(study, registries, archives="/data/x").archives == "/data/x"
    assert example(study, registries).archives is None


OWN = {
    "title": "My images",
    "adapter": "class_folders",
    "options": {"root": "mine", "nested": True},
    "classes": 2,
    "images": 10,
    "note": "as many as there are",
    "split": {
        **{"strategy": "stratified", "val": 0.2, "test": 0.2, "seed": 0},
        "duplicates": "together",
    },
    "shards": {"train": 1, "val": 1, "test": 1},
    **dict.fromkeys(("license", "homepage", "citation"), "my own"),
    "archives": [
        {
            **{"name": "mine.tar", "source": "file", "path": "/data/mine.tar"},
            **{"sha256": "0123abcd", "md5": "0" * 32, "bytes": 1},
        },
        {"name": "more.tar", "source": "file", "path": "/data/more.tar", "about_bytes": 39.08e9},
    ],
}


def test_registries_of_a_study_come_before_the_projects(
    tmp_path: Path, study: dict[str, Any], registries: Path, datasets: dict[str, Any]
) -> None:
    """A data set of the study's own registry is taken; weights.yaml, which it lacks, is ours."""
    content = {"mine": OWN, "photo-patches": {**datasets["photo-patches"], "title": "Others"}}
    (tmp_path / "datasets.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    names = ["photo-patches", "mine"]
    loaded = example(study, registries, registries=str(tmp_path), datasets=names)
    assert list(loaded.datasets) == names
    assert loaded.datasets["mine"] == OWN
    assert loaded.datasets["photo-patches"]["title"] == "Others"
    shipped = yaml.safe_load((registries / "weights.yaml").read_text(encoding="utf-8"))
    assert loaded.weights == shipped


def test_a_study_may_bring_weights_alone(
    tmp_path: Path, study: dict[str, Any], registries: Path, weights_entry: dict[str, Any]
) -> None:
    """A folder with weights.yaml alone: those weights, and the project's data sets."""
    content = {"tf_efficientnet_lite0": {**weights_entry, "origin": "mine"}}
    (tmp_path / "weights.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    loaded = example(study, registries, registries=str(tmp_path))
    assert loaded.weights == content
    assert list(loaded.datasets) == study["datasets"]


def test_an_empty_folder_of_registries_leaves_the_projects(
    tmp_path: Path, study: dict[str, Any], registries: Path
) -> None:
    """A folder with neither file is as good as none."""
    loaded = example(study, registries, registries=str(tmp_path))
    assert loaded == example(study, registries)


def test_a_mistake_in_a_registry_of_ones_own_names_it(
    tmp_path: Path, study: dict[str, Any], registries: Path
) -> None:
    """The line names the study's own file, not the project's."""
    content = yaml.safe_dump({"mine": {**OWN, "images": 0}})
    (tmp_path / "datasets.yaml").write_text(content, encoding="utf-8")
    line = refused({**study, "registries": str(tmp_path)}, registries)
    assert line.startswith(f"{tmp_path / 'datasets.yaml'}: mine.images is 0; ")


def test_a_name_that_ones_own_registry_lacks_names_that_registry(
    tmp_path: Path, study: dict[str, Any], registries: Path
) -> None:
    """photo-patches is in config/datasets.yaml; what lacks it is the study's own registry."""
    content = yaml.safe_dump({"mine": OWN})
    (tmp_path / "datasets.yaml").write_text(content, encoding="utf-8")
    line = refused({**study, "registries": str(tmp_path)}, registries)
    assert str(tmp_path / "datasets.yaml") in line


BAD_STUDIES = [
    ("ratios", [1.0, 0.3, 1.3], "ratios[2] is 1.3; a ratio lies in (0, 1]"),
    ("ratios", [1.0, 0.3, 0], "ratios[2] is 0; a ratio lies in (0, 1]"),
    ("ratios", [1.0, 0.3, 0.333], "ratios[2] is 0.333; a ratio is a whole hundredth in (0, 1]"),
    ("ratios", [1.0, 0.3, 1e-12], "ratios[2] is 1e-12; a ratio lies in (0, 1]"),
    ("ratios", [1.0, 0.3, math.nan], "ratios[2] is "),
    ("ratios", [1.0, 0.3, "half"], 'ratios[2] is "half"; a ratio lies in (0, 1]'),
    ("ratios", [1.0, 0.3, True], "ratios[2] is true; a ratio lies in (0, 1]"),
    ("ratios", [1.0, 0.9, 0.3, 0.9], "ratios holds 0.9 twice;"),
    ("ratios", [0.9, 0.3], "ratios is [0.9, 0.3]; a list of compression ratios"),
    ("ratios", 0.3, "ratios is 0.3; a list of compression ratios"),
    ("storage_ratio", 1.0, "storage_ratio is 1.0; it is one of ratios below 1.0"),
    ("storage_ratio", 0.35, "storage_ratio is 0.35; it is one of ratios below 1.0"),
    ("seeds", [0, 0], "seeds holds 0 twice;"),
    ("seeds", [-1], "seeds[0] is -1; a seed is a whole number from 0"),
    ("seeds", [0.5], "seeds[0] is 0.5; a seed is a whole number from 0"),
    ("seeds", [1.0], "seeds[0] is 1.0; a seed is a whole number from 0"),
    ("seeds", [2**32], "seeds[0] is 4294967296; a seed is a whole number from 0"),
    ("seeds", [], "seeds is []; a list of whole numbers from 0"),
    ("seeds", 0, "seeds is 0; a list of whole numbers from 0"),
    ("study", "My Study", 'study is "My Study"; the study\'s name is the name of its folder'),
    ("study", "shards", 'study is "shards"; the study\'s name is the name of its folder'),
    ("study", REMOVED, "study is missing; a study has the keys study, datasets, ratios"),
    ("learners", REMOVED, "learners is missing; a study has the keys study, datasets"),
    ("learners", None, "learners is null; learners is a mapping from a name to framework"),
    ("learners", {}, "learners is {}; learners is a mapping from a name to framework"),
    ("ratio", [1.0], "the key ratio is unknown; did you mean ratios?"),
    ("never_inflate", "yes", 'never_inflate is "yes"; never_inflate is true (an image that'),
    ("never_inflate", 1, "never_inflate is 1; never_inflate is true (an image that compression"),
    ("never_inflate", None, "never_inflate is null; never_inflate is true (an image that"),
    ("never_inflates", True, "the key never_inflates is unknown; did you mean never_inflate?"),
    ("archives", 3, "archives is 3; a folder of archives that are already on this machine"),
    ("archives", ["/x"], 'archives is ["/x"]; a folder of archives that are already on this'),
    ("registries", 3, "registries is 3; a folder with a datasets.yaml or weights.yaml"),
    ("registries", "no/such/folder", "registries is 'no/such/folder', which is no folder"),
    ("registries", __file__, f"registries is {__file__!r}, which is no folder"),
    ("datasets", ["photo-patch"], "datasets[0] is 'photo-patch', which is not in config/dataset"),
    ("datasets", ["photo-patch"], "did you mean photo-patches?"),
    ("datasets", ["photo-patches"] * 2, 'datasets holds "photo-patches" twice;'),
    (f"{LITE0}.framework", "keras", f'{LITE0}.framework is "keras"; a framework is timm, autog'),
    (f"{LITE0}.framework", REMOVED, f"{LITE0}.framework is missing; a learner is a mapping"),
    (f"{LITE0}.weights", "efficientnet_lite0", f"{LITE0}.weights is 'efficientnet_lite0', which"),
    (f"{LITE0}.weights", "efficientnet_lite0", "did you mean tf_efficientnet_lite0?"),
    (
        f"{LITE0}.recipe.epoch",
        3,
        f"{LITE0}.recipe.epoch is 3; epoch says which epoch is tested: last",
    ),
    (f"{LITE0}.recipe.epoc", 3, f"the key {LITE0}.recipe.epoc is unknown; did you mean epoch?"),
    (f"{LITE0}.recipe.epochs", REMOVED, f"{LITE0}.recipe.epochs is missing; a timm recipe has"),
    (f"{LITE0}.recipe.epochs", 0, f"{LITE0}.recipe.epochs is 0; epochs is a whole number from 1"),
    (f"{LITE0}.recipe.epochs", 5.0, f"{LITE0}.recipe.epochs is 5.0; epochs is a whole number"),
    (f"{LITE0}.recipe.batch_size", "32", f'{LITE0}.recipe.batch_size is "32"; the batch size is'),
    (f"{LITE0}.recipe.learning_rate", "1e-3", f'{LITE0}.recipe.learning_rate is "1e-3"; the lear'),
    (f"{LITE0}.recipe.learning_rate", math.nan, f"{LITE0}.recipe.learning_rate is "),
    (f"{LITE0}.recipe.warmup_epochs", 5, f"{LITE0}.recipe.warmup_epochs is 5; it is below epochs"),
    (f"{LITE0}.recipe.gpus", 0, "gpus is on how many GPUs of one machine a run trains, from 1"),
    (f"{LITE0}.recipe.gpus", 3, "recipe.gpus is 3; a batch is divided among them"),
    (f"{LITE0}.recipe.gpu_precision", "fp16", "16-mixed, bf16-mixed or 32-true"),
    (
        f"{LITE0}.recipe.augmentation.crop_scale",
        [1.0, 0.5],
        f"{LITE0}.recipe.augmentation.crop_scale is [1.0, 0.5]; the least comes first",
    ),
    (f"{LITE0}.ratios", [1.0, 0.25], f"{LITE0}.ratios[1] is 0.25; add it to ratios"),
    (f"{LITE0}.ratios", [0.3], f"{LITE0}.ratios is [0.3]; the ratios this learner runs at"),
    ("learners.autogluon.recipe.hyperparameter", {}, "did you mean hyperparameters?"),
    ("learners.autogluon.recipe.eval_crop", 1.0, "the key learners.autogluon.recipe.eval_crop is"),
]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    BAD_STUDIES,
    ids=[f"{place}={'removed' if v is REMOVED else v}" for place, v, _ in BAD_STUDIES],
)
def test_a_mistake_in_a_study_is_one_line(
    study: dict[str, Any], registries: Path, place: str, value: Any, message: str
) -> None:
    """The line names the file, the key, the value, and what is right or the nearest key."""
    line = refused(changed(study, place, value), registries)
    assert line.startswith("config/my.yaml: ")
    assert message in line


def test_a_learners_name_must_be_a_folders(study: dict[str, Any], registries: Path) -> None:
    """A learner called with blanks or capitals is refused by its name."""
    config = changed(study, "learners", {"My Net": study["learners"]["autogluon"]})
    assert '"My Net"' in refused(config, registries)


@pytest.mark.parametrize("learner", ["tf_efficientnet_lite0", "autogluon"])
def test_another_image_size_than_the_fixed_one_is_refused(
    tmp_path: Path,
    study: dict[str, Any],
    registries: Path,
    weights_entry: dict[str, Any],
    learner: str,
) -> None:
    """Before anything runs the line names the value, the registry and the size to set."""
    vit = {**weights_entry, "architecture": "vit_tiny_patch16_224", "input_size": 224}
    write(tmp_path, "weights", {"tf_efficientnet_lite0": weights_entry, "vit": vit}, registries)
    config = changed(study, f"learners.{learner}.weights", "vit")
    config = changed(config, f"learners.{learner}.recipe.image_size", 160)
    assert refused(config, tmp_path) == (
        f"config/my.yaml: learners.{learner}.recipe.image_size is 160; its weights, vit in "
        f"{tmp_path / 'weights.yaml'}, take images of 224 pixels alone: set it to 224"
    )
    load_study(
        changed(config, f"learners.{learner}.recipe.image_size", 224), "config/my.yaml", tmp_path
    )


def test_no_learner_at_the_storage_ratio_is_refused(
    study: dict[str, Any], registries: Path
) -> None:
    """Table III needs a run at its ratio: a study without one is told so, not failed at its end."""
    config = changed(study, "learners.autogluon.ratios", [1.0, 0.5])
    del config["learners"]["tf_efficientnet_lite0"]
    assert "storage_ratio" in refused(config, registries)


def test_a_study_has_its_experiments(experiments: dict[str, Any], registries: Path) -> None:
    """What Tables II, IV and the tabular one do is handed on as it stands in the file."""
    loaded = load_study(experiments, "config/my.yaml", registries)
    assert loaded.model_size == EXPERIMENTS["model_size"]
    assert loaded.noise == EXPERIMENTS["noise"]
    assert loaded.tabular == EXPERIMENTS["tabular"]
    assert loaded.chroma == EXPERIMENTS["chroma"]


@pytest.mark.parametrize("left", [*EXPERIMENTS, None])
def test_each_experiment_may_be_left_out(
    study: dict[str, Any], experiments: dict[str, Any], registries: Path, left: str | None
) -> None:
    """With one of the experiments alone, or none, a study is valid, and the others are none."""
    config = {**experiments, **{name: EXPERIMENTS[name] for name in EXPERIMENTS if name == left}}
    for name in EXPERIMENTS:
        if name != left:
            del config[name]
    loaded = load_study(config, "config/my.yaml", registries)
    for name, experiment in EXPERIMENTS.items():
        assert getattr(loaded, name) == (experiment if name == left else None)
    if left != "noise":
        assert loaded.noise_variants() == loaded.noise_datasets() == loaded.transfers() == []
        full = {"jpeg-q30-444"} if left == "chroma" else set()
        variants = {run.variant for run in loaded.runs()}
        assert variants == {"original", "jpeg-q50", "jpeg-q30"} | full


@pytest.mark.parametrize("never_inflate", [False, True])
def test_noise_adds_its_runs(
    experiments: dict[str, Any], registries: Path, never_inflate: bool
) -> None:
    """The learner of Table IV has two more variants on its data sets; nobody else has any."""
    config = {**experiments, "seeds": [0, 7], "never_inflate": never_inflate}
    loaded = load_study(config, "config/my.yaml", registries)
    plain = {key: value for key, value in config.items() if key != "noise"}
    without = load_study(plain, "config/my.yaml", registries)
    assert loaded.noise_variants() == ["noise", "noise-jpeg-q50"]
    assert loaded.noise_datasets() == ["dtd"]
    new = [run for run in loaded.runs() if run not in without.runs()]
    added = [run.folder.removeprefix("results/runs/") for run in new]
    assert added == [
        f"dtd/{variant}/autogluon/seed{seed}"
        for variant in ("noise", "noise-jpeg-q50")
        for seed in (0, 7)
    ]
    assert [run for run in loaded.runs() if run not in new] == without.runs()
    assert loaded.variants() == without.variants()  # the ratios' alone


@pytest.mark.parametrize("never_inflate", [False, True])
def test_chroma_adds_its_runs(
    experiments: dict[str, Any], registries: Path, never_inflate: bool
) -> None:
    """Its learner has full chroma at its ratios, compared with the original and with 4:2:0."""
    config = {**experiments, "never_inflate": never_inflate, "ratios": [1.0, 0.5, 0.3]}
    config["chroma"] = {"learner": "tf_efficientnet_lite0", "ratios": [0.3, 0.5]}
    loaded = load_study(config, "config/my.yaml", registries)
    plain = {key: value for key, value in config.items() if key != "chroma"}
    without = load_study(plain, "config/my.yaml", registries)
    end = "-smaller" * never_inflate
    full = [f"jpeg-q50-444{end}", f"jpeg-q30-444{end}"]
    assert loaded.chroma_variants() == {
        0.5: (full[0], f"jpeg-q50{end}"),
        0.3: (full[1], f"jpeg-q30{end}"),
    }
    new = [run for run in loaded.runs() if run not in without.runs()]
    assert {(run.learner, run.seed) for run in new} == {("tf_efficientnet_lite0", 0)}
    assert [(run.dataset, run.variant) for run in new] == [
        (name, variant) for name in ("photo-patches", "dtd") for variant in full
    ]
    lite0 = "tf_efficientnet_lite0"
    pairs = {
        (one, other) for name, one, other in loaded.pairs() if name == "dtd" and one[0] == lite0
    }
    for variant in full:
        assert ((lite0, variant), (lite0, "original")) in pairs
        assert ((lite0, variant.replace("-444", "")), (lite0, variant)) in pairs
    assert loaded.transfers() == without.transfers()
    assert loaded.variants() == without.variants()
    assert loaded.ratio_of(full[0]) is None  # no ratio's curve or table has it


PROBE = {
    "framework": "probe",
    "weights": "tf_efficientnet_lite0",
    "seeds": [0, 1],
    "recipe": {
        **{"image_size": 64, "batch_size": 32, "eval_crop": 1.0},
        **{"gpu_precision": "32-true", "regularization": [0.1]},
    },
}


def test_readings_add_runs_of_their_learners(experiments: dict[str, Any], registries: Path) -> None:
    """Each reading is tested by its learner on three variants; Table IV's runs stay as they are."""
    readings = {"multiplicative": "autogluon", "additive": "probe", "shared": "probe"}
    config = copy.deepcopy(experiments)
    config["learners"]["probe"] = PROBE
    without = load_study(config, "config/my.yaml", registries)
    config["noise"]["readings"] = readings
    loaded = load_study(config, "config/my.yaml", registries)
    assert (loaded.noise_readings, without.noise_readings) == (readings, {})
    new = [run for run in loaded.runs() if run not in without.runs()]
    assert {run.dataset for run in new} == {"dtd"}
    by_learner = {name: {r.variant for r in new if r.learner == name} for name in ("probe",)}
    assert {run.variant for run in new if run.learner == "autogluon"} == {"noise-denoised"}
    assert by_learner["probe"] == {
        f"noise-{kind}{end}" for kind in ("additive", "shared") for end in ("", *TREATED)
    }
    assert {run.learner for run in new} == {"autogluon", "probe"}
    assert loaded.transfers() == without.transfers()  # of Table IV alone
    pairs = loaded.pairs()
    assert len(pairs) == len(set(pairs))
    for learner, noisy in (("probe", "noise-shared"), ("autogluon", "noise")):
        for end in TREATED:
            assert ("dtd", (learner, f"{noisy}{end}"), (learner, noisy)) in pairs
        assert ("dtd", (learner, noisy), (learner, "original")) in pairs


TREATED = ("-jpeg-q50", "-denoised")


def test_a_probe_may_be_the_learner_of_table_4(
    experiments: dict[str, Any], registries: Path
) -> None:
    """It is tested on clean images, too, as a network is."""
    config = copy.deepcopy(experiments)
    config["learners"]["probe"] = PROBE
    config["noise"]["learner"] = "probe"
    loaded = load_study(config, "config/my.yaml", registries)
    assert [(run.learner, run.variant, run.seed) for run, _ in loaded.transfers()] == [
        ("probe", variant, seed) for variant in ("noise", "noise-jpeg-q50") for seed in (0, 1)
    ]


def test_models_of_noisy_images_are_tested_on_clean_ones(
    experiments: dict[str, Any], registries: Path
) -> None:
    """Each model of noisy images, of every seed, is tested a second time, on the originals."""
    loaded = load_study({**experiments, "seeds": [0, 7]}, "config/my.yaml", registries)
    assert [(run.folder, tested) for run, tested in loaded.transfers()] == [
        (f"results/runs/dtd/{variant}/autogluon/seed{seed}", "original")
        for variant in ("noise", "noise-jpeg-q50")
        for seed in (0, 7)
    ]


def test_a_noise_learner_need_not_run_at_its_ratio(
    experiments: dict[str, Any], registries: Path
) -> None:
    """JPEG of noisy images is a variant of its own: autogluon, at 1.0 and 0.3 alone, has it."""
    assert experiments["learners"]["autogluon"]["ratios"] == [1.0, 0.3]
    runs = load_study(experiments, "config/my.yaml", registries).runs()
    variants = {run.variant for run in runs if run.learner == "autogluon"}
    assert variants == {"original", "jpeg-q30", "noise", "noise-jpeg-q50"}


def test_a_tabular_learner_needs_no_weights(experiments: dict[str, Any], registries: Path) -> None:
    """It runs at every ratio like the others; its recipe is what the file says, nothing more."""
    loaded = load_study(experiments, "config/my.yaml", registries)
    assert loaded.recipe("trees") == TABULAR["recipe"]
    variants = {run.variant for run in loaded.runs() if run.learner == "trees"}
    assert variants == {"original", "jpeg-q50", "jpeg-q30"}


def test_hyperparameters_are_handed_on_as_they_stand(
    experiments: dict[str, Any], registries: Path
) -> None:
    """What AutoGluon is told is AutoGluon's to know, however deep."""
    told = {"GBM": {"num_boost_round": 200}, "RF": [{"criterion": "gini"}, {}], "any": None}
    config = changed(experiments, "learners.trees.recipe.hyperparameters", told)
    loaded = load_study(config, "config/my.yaml", registries)
    assert loaded.recipe("trees")["hyperparameters"] == told


STORES = {"learner": "probe", "names": ["jpeg-q30-opt", "original-opt", "webp-q40"]}


def with_stores(experiments: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the study of all experiments with a probe, and with stores."""
    config = copy.deepcopy(experiments)
    config["learners"]["probe"] = copy.deepcopy(PROBE)
    return {**config, "stores": {**STORES, **changes}}


def test_stores_add_runs_but_of_the_same_pixels(
    experiments: dict[str, Any], registries: Path
) -> None:
    """Each store is tested beside the ratios; those of the same pixels are tested as these."""
    config = with_stores(experiments, datasets=["dtd"])
    without = load_study({k: v for k, v in config.items() if k != "stores"}, "mine", registries)
    loaded = load_study(config, "config/my.yaml", registries)
    new = [run for run in loaded.runs() if run not in without.runs()]
    assert [run[:3] for run in new] == 2 * [("dtd", "webp-q40", "probe")]
    assert loaded.all_stores() == ["original", "jpeg-q50", "jpeg-q30", *STORES["names"]]
    assert loaded.same_pixels() == {"jpeg-q30-opt": "jpeg-q30", "original-opt": "original"}
    assert list(loaded.stores_shards("dtd")) == loaded.all_stores()
    assert ("dtd", ("probe", "webp-q40"), ("probe", "original")) in loaded.pairs()
    assert loaded.variants() == without.variants()
    assert (without.all_stores(), without.stores_datasets()) == ([], [])


def test_optimized_tables_alone_are_tested_themselves(
    experiments: dict[str, Any], registries: Path
) -> None:
    """Where the store of the same pixels is none of the study's, and of two sizes each."""
    names = ["jpeg-q20-opt", "s64-jpeg-q50-opt", "s64-jpeg-q50", "jxl-lossless"]
    loaded = load_study(with_stores(experiments, names=names), "mine", registries)
    assert [loaded.tested_as(name) for name in names] == [
        *("jpeg-q20-opt", "s64-jpeg-q50", "s64-jpeg-q50", "jxl-lossless")
    ]
    pixels = {"s64-jpeg-q50-opt": "s64-jpeg-q50", "jxl-lossless": "original"}
    assert loaded.same_pixels() == pixels
    assert loaded.stores_datasets() == ["photo-patches", "dtd"]


@pytest.mark.parametrize(
    ("place", "to", "told"),
    [
        ("names", ["webp-q0"], "stores.names[0]: variant 'webp-q0' is unknown; a variant is 'ori"),
        ("names", ["avif-q30", "noise"], "stores.names[1] is 'noise', which is no store; noise is"),
        ("names", ["original"], "stores.names[0] is 'original', which is always among the stores"),
        ("names", ["jpeg-q75"], "'jpeg-q75'; JPEG by quality alone stands in ratios: add 0.75 to"),
        ("names", ["jpeg-q30-smaller"], "never_inflate says which JPEG ratio 0.3 is; leave it out"),
        ("names", [], "stores.names is []; a list of names of stores, such as webp-q40, each once"),
        ("names", ["webp-q4", "webp-q4"], 'stores.names holds "webp-q4" twice; a list of names of'),
        ("names", REMOVED, "stores.names is missing; stores, the frontier of bytes and accuracy, "),
        ("stores", ["webp-q4"], "the key stores.stores is unknown; did you mean"),
        (
            "learner",
            "larger",
            "stores.learner is 'larger', whose framework is timm; name a learner",
        ),
        ("learner", "prob", "stores.learner is 'prob', which is not in the learners of config/my"),
        ("datasets", ["pets"], "stores.datasets[0] is 'pets', which is not in datasets"),
    ],
)
def test_a_mistake_in_stores_says_what_is_right(
    experiments: dict[str, Any], registries: Path, place: str, to: Any, told: str
) -> None:
    """Names of stores are read when the study is: no run fails an hour later."""
    config = with_stores(experiments)
    load_study(config, "config/my.yaml", registries)
    assert told in refused(changed(config, f"stores.{place}", to), registries)


def test_a_ratio_may_be_named_among_the_stores(
    experiments: dict[str, Any], registries: Path
) -> None:
    """It is the same store, and stands there once."""
    loaded = load_study(with_stores(experiments, names=["jpeg-q30"]), "mine", registries)
    assert loaded.all_stores() == ["original", "jpeg-q50", "jpeg-q30"]
    config = with_stores({**experiments, "never_inflate": True}, names=["jpeg-q30-smaller"])
    assert load_study(config, "mine", registries).all_stores()[-1] == "jpeg-q30-smaller"


SIZE, TREES = "learners.larger", "learners.trees"
BAD_EXPERIMENTS = [
    ("noise.test", "dirty", 'noise.test is "dirty"; the test images of the headline are treated'),
    ("noise.test", REMOVED, "noise.test is missing; noise, Table IV, is a mapping with the keys"),
    ("noise.tests", "clean", "the key noise.tests is unknown; did you mean test?"),
    ("noise", None, "noise is null; noise, Table IV, is a mapping with the keys learner, datasets"),
    ("noise", "autogluon", 'noise is "autogluon"; noise, Table IV, is a mapping with the keys'),
    ("noise.ratio", 1.0, "noise.ratio is 1.0; it is one of ratios below 1.0"),
    ("noise.ratio", 0.9, "noise.ratio is 0.9; it is one of ratios below 1.0"),
    ("noise.ratio", 1.3, "noise.ratio is 1.3; a ratio lies in (0, 1]"),
    ("noise.ratio", "0.3", 'noise.ratio is "0.3"; a ratio lies in (0, 1]'),
    ("noise.learner", "autoglue", "noise.learner is 'autoglue', which is not in the learners of"),
    ("noise.learner", "autoglue", "did you mean autogluon?"),
    ("noise.learner", 3, "noise.learner is 3; the name of one of the study's learners"),
    ("noise.learner", "trees", "noise.learner is 'trees', whose framework is autogluon_tabular; "),
    ("noise.learner", "trees", "name a learner of timm or autogluon or probe"),
    (
        "noise.readings",
        ["additive"],
        'noise.readings is ["additive"]; readings is a mapping from mu',
    ),
    (
        "noise.readings",
        {},
        "noise.readings is {}; readings is a mapping from multiplicative, addit",
    ),
    ("noise.readings", {"aditive": "larger"}, "the key noise.readings.aditive is unknown; did you"),
    ("noise.readings", {"aditive": "larger"}, "did you mean additive?"),
    (
        "noise.readings",
        {"shared": "large"},
        "noise.readings.shared is 'large', which is not in the",
    ),
    ("noise.readings", {"shared": "large"}, "did you mean larger?"),
    ("noise.readings", {"shared": 3}, "noise.readings.shared is 3; the name of one of the study's"),
    ("chroma.learner", "large", "chroma.learner is 'large', which is not in the learners of"),
    ("chroma.learner", REMOVED, "chroma.learner is missing; chroma, quality apart from chroma"),
    ("chroma.ratios", [1.0], "chroma.ratios[0] is 1.0; it is one of the ratios below 1.0 that lar"),
    (
        "chroma.ratios",
        [0.3, 0.5],
        "chroma.ratios[1] is 0.5; it is one of the ratios below 1.0 that",
    ),
    (
        "chroma.ratios",
        [0.25],
        "chroma.ratios[0] is 0.25; it is one of the ratios below 1.0 that la",
    ),
    ("chroma.ratios", [], "chroma.ratios is []; a list of ratios below 1.0 that the learner runs"),
    ("chroma.ratios", 0.3, "chroma.ratios is 0.3; a list of ratios below 1.0 that the learner run"),
    ("chroma.ratios", [0.3, 0.3], "chroma.ratios holds 0.3 twice; a list of ratios below 1.0"),
    ("chroma.ratio", 0.3, "the key chroma.ratio is unknown; did you mean ratios?"),
    ("noise.datasets", ["pets"], "noise.datasets[0] is 'pets', which is not in datasets"),
    ("noise.datasets", ["dtd", "photo-patch"], "noise.datasets[1] is 'photo-patch', which is"),
    ("noise.datasets", ["dtd", "photo-patch"], "did you mean photo-patches?"),
    # In the registry, but not in the study.
    ("noise.datasets", ["cifar10"], "noise.datasets[0] is 'cifar10', which is not in datasets"),
    ("noise.datasets", ["dtd", "dtd"], 'noise.datasets holds "dtd" twice; a list of names'),
    ("noise.datasets", [], "noise.datasets is []; a list of names from the study's datasets"),
    ("noise.datasets", "dtd", 'noise.datasets is "dtd"; a list of names from the study'),
    ("model_size.large", "large", "model_size.large is 'large', which is not in the learners of"),
    ("model_size.large", "large", "did you mean larger?"),
    ("model_size.large", "autogluon", "model_size.large is 'autogluon', whose framework is auto"),
    ("model_size.small", "trees", "model_size.small is 'trees', whose framework is autogluon_ta"),
    ("model_size.small", "trees", "name a learner of timm"),
    ("model_size.ratio", 0.5, "model_size.large is 'larger', which does not run at ratio 0.5; "),
    ("model_size.ratio", 0.5, "add it to learners.larger.ratios"),
    ("model_size.ratio", 1.0, "model_size.ratio is 1.0; it is one of ratios below 1.0"),
    ("model_size.ratio", 0.25, "model_size.ratio is 0.25; it is one of ratios below 1.0"),
    (
        "model_size.ratio",
        REMOVED,
        "model_size.ratio is missing; model_size, Table II, is a",
    ),
    ("model_size.medium", "larger", "the key model_size.medium is unknown; did you mean"),
    ("model_size.native_resolution", "yes", 'native_resolution is "yes"; native_resolution is t'),
    ("model_sizes", {}, "the key model_sizes is unknown; did you mean model_size?"),
    ("tabular.learner", "tree", "tabular.learner is 'tree', which is not in the learners of"),
    ("tabular.learner", "tree", "did you mean trees?"),
    ("tabular.learner", "larger", "tabular.learner is 'larger', whose framework is timm; name a"),
    ("tabular.learner", "larger", "a learner of autogluon_tabular"),
    (
        "tabular.deep",
        "trees",
        "tabular.deep is 'trees', whose framework is autogluon_tabular",
    ),
    ("tabular.deep", REMOVED, "tabular.deep is missing; tabular, the classifiers on features, is"),
    ("tabular.ratio", 0.3, "the key tabular.ratio is unknown; did you mean"),
    (f"{TREES}.weights", "tf_efficientnet_lite0", f"the key {TREES}.weights is unknown"),
    (f"{TREES}.recipe.epochs", 3, f"the key {TREES}.recipe.epochs is unknown; did you mean"),
    (f"{TREES}.recipe.feature", [], f"{TREES}.recipe.feature is unknown; did you mean features?"),
    (f"{TREES}.recipe.features", ["dct", "hog"], f'{TREES}.recipe.features[1] is "hog"; a kind of'),
    (f"{TREES}.recipe.features", ["dct", "dct"], f'{TREES}.recipe.features holds "dct" twice; '),
    (f"{TREES}.recipe.features", [], f"{TREES}.recipe.features is []; features is a list of dct"),
    (f"{TREES}.recipe.features", "dct", f'{TREES}.recipe.features is "dct"; features is a list'),
    (f"{TREES}.recipe.pixels_side", 0, f"{TREES}.recipe.pixels_side is 0; the side of the image"),
    (f"{TREES}.recipe.pixels_side", 8.0, f"{TREES}.recipe.pixels_side is 8.0; the side of the"),
    (
        f"{TREES}.recipe.hyperparameters",
        REMOVED,
        "hyperparameters is missing; an autogluon_tab",
    ),
    (f"{TREES}.recipe.hyperparameters", "best", f'{TREES}.recipe.hyperparameters is "best"; what'),
    (f"{TREES}.ratios", [1.0, 0.9], f"{TREES}.ratios[1] is 0.9; add it to ratios"),
    (f"{TREES}.framework", "tabular", f'{TREES}.framework is "tabular"; a framework is timm, auto'),
    (f"{TREES}.framework", "timm", f"{TREES}."),
    (f"{SIZE}.weights", REMOVED, f"{SIZE}.weights is missing; "),
]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    BAD_EXPERIMENTS,
    ids=[f"{place}={'removed' if v is REMOVED else v}" for place, v, _ in BAD_EXPERIMENTS],
)
def test_a_mistake_in_an_experiment_is_one_line(
    experiments: dict[str, Any], registries: Path, place: str, value: Any, message: str
) -> None:
    """The line names the file, the key, the value, and what is right or the nearest name."""
    line = refused(changed(experiments, place, value), registries)
    assert line.startswith("config/my.yaml: ")
    assert message in line


UNLIKE = [
    ("batch_size", 16),
    ("learning_rate", 5e-4),
    ("epochs", 6),
    ("weight_decay", 0.0),
    ("warmup_epochs", 0),
    ("label_smoothing", 0.0),
    ("augmentation", {"crop_scale": [0.5, 1.0], "horizontal_flip": 0.0}),
    ("eval_crop", 0.875),
    ("gpu_precision", "32-true"),
    ("epoch", "best"),
    ("gpus", 2),
    ("gpu_graphs", True),
    ("image_size", 96),
]


@pytest.mark.parametrize(("key", "value"), UNLIKE, ids=[key for key, _ in UNLIKE])
@pytest.mark.parametrize("native", [False, True])
def test_table2_compares_networks_of_one_recipe(
    experiments: dict[str, Any], registries: Path, key: str, value: Any, native: bool
) -> None:
    """Whatever differs is refused, by its name; but the image size at native resolution."""
    config = changed(experiments, f"{SIZE}.recipe.{key}", value)
    config = changed(config, "model_size.native_resolution", native)
    if key == "image_size" and native:
        loaded = load_study(config, "config/my.yaml", registries)
        assert loaded.networks == ["tf_efficientnet_lite0", "larger"]
        return
    line = refused(config, registries)
    assert line.startswith(f"config/my.yaml: {SIZE}.recipe.{key} is ")
    assert "where tf_efficientnet_lite0 has " in line
    assert line.endswith("native_resolution to true") == (key == "image_size")


def test_what_a_recipe_leaves_out_is_its_default(
    experiments: dict[str, Any], registries: Path
) -> None:
    """`epoch: last` in one recipe, and nothing in the other, is one recipe."""
    config = changed(experiments, f"{SIZE}.recipe.epoch", "last")
    config = changed(config, f"{SIZE}.recipe.gpus", 1)
    assert "larger" in load_study(config, "config/my.yaml", registries).networks


def test_a_further_network_of_another_recipe_is_none_of_table2(
    experiments: dict[str, Any], registries: Path
) -> None:
    """A study may have it; the table of networks of one recipe leaves it out."""
    other = changed(experiments["learners"]["larger"], "recipe.batch_size", 16)
    config = changed(experiments, "learners.other", other)
    loaded = load_study(config, "config/my.yaml", registries)
    assert loaded.networks == ["tf_efficientnet_lite0", "larger"]
    assert loaded.learners_of("timm") == [*loaded.networks, "other"]


def test_the_networks_of_table2_have_a_seed_in_common(
    experiments: dict[str, Any], registries: Path
) -> None:
    """They are compared seed by seed: without a common one that is said before any training."""
    config = changed(experiments, f"{SIZE}.seeds", [7])
    line = refused(config, registries)
    assert line.startswith(f"config/my.yaml: {SIZE}.seeds is [7], where ") and "[0]" in line
    load_study(changed(config, f"{SIZE}.seeds", [0, 7]), "config/my.yaml", registries)


def test_the_networks_of_table2_are_compared(experiments: dict[str, Any], registries: Path) -> None:
    """The large with the small on originals, and the small on compressed images with the large."""
    pairs = load_study(experiments, "config/my.yaml", registries).pairs()
    small, large = "tf_efficientnet_lite0", ("larger", "original")
    assert ("dtd", large, (small, "original")) in pairs
    assert ("dtd", (small, "jpeg-q30"), large) in pairs
    assert ("dtd", (small, "jpeg-q50"), large) not in pairs


@pytest.mark.parametrize("content", [None, [], "demo", {}])
def test_a_file_that_is_no_study_is_refused(registries: Path, content: Any) -> None:
    """An empty file, a list or a text is refused with what a study has."""
    assert "a study has the keys study, datasets, ratios" in refused(content, registries)


SHA = "0" * 64
URL = {"name": "x.tar", "source": "url", "urls": ["https://example.org/x.tar"]}
FIRST = "photo-patches.archives.0"
BAD_DATASETS = [
    ("photo-patches.adapter", "class_folder", 'adapter is "class_folder"; an adapter is class_fo'),
    ("photo-patches.classes", 1, "photo-patches.classes is 1; the number of classes is a whole"),
    ("photo-patches.images", REMOVED, "photo-patches.images is missing; a data set has the keys"),
    ("photo-patches.image", 870, "the key photo-patches.image is unknown; did you mean images?"),
    ("photo-patches.split.test", 0.7, "split.test is 0.7; a fraction of the images, in (0, 0.5]"),
    ("photo-patches.split.strategy", "random", 'strategy is "random"; a strategy is stratified'),
    ("photo-patches.split.duplicates", "appart", 'split.duplicates is "appart"; duplicates, imag'),
    ("photo-patches.split.duplicates", True, "split.duplicates is true; duplicates, images with"),
    ("photo-patches.split.duplicates", REMOVED, "split.duplicates is missing; a split has the key"),
    ("photo-patches.split.rare", "keep", 'split.rare is "keep"; rare, for classes with too few'),
    ("photo-patches.options.rare", "cat", 'options.rare is "cat"; the classes whose images are'),
    ("photo-patches.split.duplicate", "apart", "split.duplicate is unknown; did you mean duplicat"),
    ("photo-patches.note", 3, "photo-patches.note is 3; why the number of images differs"),
    ("photo-patches.options.listed_only", "no", 'listed_only is "no"; listed_only is true or fa'),
    ("photo-patches.shards.train", 0, "shards.train is 0; the number of shards is a whole number"),
    ("photo-patches.shards.train", 2.0, "shards.train is 2.0; the number of shards is a whole"),
    ("photo-patches.options", {"crop": 64}, "photo-patches.options.patch is missing; the adapter"),
    ("photo-patches.options.size", 64, "the key photo-patches.options.size is unknown; did you"),
    ("photo-patches.class_names", ["a", "b"], "classes is 12; class_names has 2"),
    ("photo-patches.archives", [], "archives is []; the files to fetch"),
    ("photo-patches.archives", [URL, URL], "photo-patches.archives names x.tar twice"),
    (f"{FIRST}.name", "../x.png", 'archives[0].name is "../x.png"; the file\'s name under'),
    (f"{FIRST}.source", "ftp", 'archives[0].source is "ftp"; a source is package, url, file or'),
    (f"{FIRST}.sha256", "abc", 'archives[0].sha256 is "abc"; a sha256 is 64 hexadecimal digits'),
    (f"{FIRST}.sha256", REMOVED, "archives[0].sha256 is missing; source package needs dist"),
    (f"{FIRST}.sha256", "88431cd", 'sha256 is "88431cd"; a sha256 is 64 hexadecimal digits, or'),
    (f"{FIRST}.sha256", 88431000, "sha256 is 88431000; a sha256 is 64 hexadecimal digits, or the"),
    (f"{FIRST}.sha256", SHA + "0", "a sha256 is 64 hexadecimal digits, or the first 8 or more"),
    (f"{FIRST}.md5", "0" * 31, "archives[0].md5 is "),
    (f"{FIRST}.md5", "0" * 31, "; an md5 is 32 hexadecimal digits"),
    (f"{FIRST}.md5", "0" * 33, "; an md5 is 32 hexadecimal digits"),
    (f"{FIRST}.md5", 0, "archives[0].md5 is 0; an md5 is 32 hexadecimal digits"),
    (f"{FIRST}.bytes", 0, "archives[0].bytes is 0; bytes is the size of the file"),
    (f"{FIRST}.bytes", 1.5, "archives[0].bytes is 1.5; bytes is the size of the file"),
    (f"{FIRST}.bytes", "1 GB", 'archives[0].bytes is "1 GB"; bytes is the size of the file'),
    (f"{FIRST}.about_bytes", 0, "archives[0].about_bytes is 0; about how many bytes"),
    (f"{FIRST}.about_byte", 9, "archives[0].about_byte is unknown; did you mean about_bytes?"),
    (f"{FIRST}.sha", SHA, "the key photo-patches.archives[0].sha is unknown; did you mean sha256?"),
    (FIRST, {**URL, "urls": ["example.org"]}, 'urls[0] is "example.org"; a URL starts with http'),
    (FIRST, {"name": "x", "source": "file"}, "archives[0].path is missing; source file needs path"),
    (
        FIRST,
        {"name": "x", "source": "hub", "repo": "a/b", "path": "c", "revision": "main"},
        'archives[0].revision is "main"; a revision is a commit of 40 hexadecimal digits',
    ),
]


def write(folder: Path, name: str, content: Any, registries: Path) -> None:
    """Write a registry beside a copy of the shipped other one."""
    for path in registries.glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    BAD_DATASETS,
    ids=[f"{place}={'removed' if v is REMOVED else v}" for place, v, _ in BAD_DATASETS],
)
def test_a_mistake_in_the_registry_of_data_sets_is_one_line(
    tmp_path: Path,
    study: dict[str, Any],
    registries: Path,
    datasets: dict[str, Any],
    place: str,
    value: Any,
    message: str,
) -> None:
    """The line names the registry's file, the key, the value, and what is right."""
    changed_place = place.replace("archives.0", "archives")
    if place.endswith("archives.0"):
        content = changed(datasets, changed_place, [value])
    elif "archives.0." in place:
        archive = datasets["photo-patches"]["archives"][0]
        archive = changed(archive, place.rsplit(".", 1)[1], value)
        content = changed(datasets, "photo-patches.archives", [archive])
    else:
        content = changed(datasets, place, value)
    write(tmp_path, "datasets", content, registries)
    line = refused(study, tmp_path)
    assert line.startswith(f"{tmp_path / 'datasets.yaml'}: ")
    assert message in line


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (
            "layout",
            "torch",
            'tf_efficientnet_lite0.layout is "torch"; the names of the tensors are',
        ),
        (
            "licence",
            "MIT",
            "the key tf_efficientnet_lite0.licence is unknown; did you mean license",
        ),
        ("license", REMOVED, "tf_efficientnet_lite0.license is missing; weights have the keys"),
        ("input_size", "224", 'lite0.input_size is "224"; the side in pixels of the images that'),
        ("distribution", REMOVED, "distribution is missing; source package needs distribution"),
    ],
)
def test_a_mistake_in_the_registry_of_weights_is_one_line(
    tmp_path: Path,
    study: dict[str, Any],
    registries: Path,
    weights_entry: dict[str, Any],
    place: str,
    value: Any,
    message: str,
) -> None:
    """The line names the registry's file, the key, the value, and what is right."""
    content = {"tf_efficientnet_lite0": changed(weights_entry, place, value)}
    write(tmp_path, "weights", content, registries)
    line = refused(study, tmp_path)
    assert line.startswith(f"{tmp_path / 'weights.yaml'}: ")
    assert message in line


@pytest.mark.parametrize(
    "content", [b"a: [1, 2\nb: 3\n", b"\ta: 1\n", b"title: caf\xe9\n", b""], ids=repr
)
def test_a_registry_that_is_no_yaml_is_one_line(
    tmp_path: Path, study: dict[str, Any], registries: Path, content: bytes
) -> None:
    """A registry that cannot be parsed, or is empty, is named."""
    write(tmp_path, "datasets", "", registries)
    (tmp_path / "datasets.yaml").write_bytes(content)
    assert refused(study, tmp_path).startswith(f"{tmp_path / 'datasets.yaml'}: ")


def test_a_missing_registry_is_named(tmp_path: Path, study: dict[str, Any]) -> None:
    """A folder without the registries is named, with what to do."""
    line = refused(study, tmp_path)
    assert str(tmp_path / "datasets.yaml") in line
    assert "no such file" in line


def mappings(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of every mapping in a config."""
    if isinstance(value, dict):
        yield place
        for key, inner in value.items():
            yield from mappings(inner, (*place, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from mappings(inner, (*place, i))


@pytest.mark.parametrize(
    ("schema", "file"),
    [("study", "config.yaml"), ("datasets", "datasets.yaml"), ("weights", "weights.yaml")],
)
def test_an_unknown_key_is_refused_wherever_it_stands(
    registries: Path, schema: str, file: str
) -> None:
    """At every level of every shipped file, a key too many is found and named with its place."""
    content = yaml.safe_load((registries / file).read_text(encoding="utf-8"))
    places = list(mappings(content))
    assert len(places) > 1
    for place in places:
        if "hyperparameters" in place:  # handed on to AutoGluon as they stand
            continue
        copied = copy.deepcopy(content)
        inner = copied
        for key in place:
            inner = inner[key]
        inner["typo_"] = 1
        with pytest.raises(UserError, match="typo_"):
            validate(copied, schema, file)


def closed(schema: dict[str, Any], definitions: dict[str, Any]) -> bool:
    """Return whether a schema of a mapping refuses unknown keys, itself or in all its branches."""
    if schema.get("additionalProperties") is False:
        return True
    # Of a learner: a branch for each of the frameworks that may stand there.
    branches = schema.get("allOf", [])
    frameworks = [branch["if"]["properties"]["framework"]["const"] for branch in branches]
    resolved = [definitions[branch["then"]["$ref"].removeprefix("#/$defs/")] for branch in branches]
    return frameworks == schema["properties"].get("framework", {}).get("enum") and all(
        closed(branch, definitions) for branch in resolved
    )


def subschemas(value: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every mapping of a schema file, except conditions (`if`), with its place."""
    if isinstance(value, dict):
        yield where, value
        for key, inner in value.items():
            if key != "if":
                yield from subschemas(inner, f"{where}/{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from subschemas(inner, f"{where}/{i}")


def test_schemas_leave_no_key_unchecked(root: Path) -> None:
    """Every object that lists its properties says additionalProperties: false."""
    checked = 0
    for path in (root / "workflow" / "schemas").glob("*.schema.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for where, schema in subschemas(content):
            if isinstance(schema.get("properties"), dict) and not where.endswith("/properties"):
                assert closed(schema, content.get("$defs", {})), f"{path.name}{where}"
                checked += 1
    assert checked >= 8


def test_every_value_in_a_schema_is_described(root: Path) -> None:
    """Each property has a description, since that is the fix that a message shows."""
    for path in (root / "workflow" / "schemas").glob("*.schema.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for where, schema in subschemas(content):
            if re.search(r"(^|/)properties/\w+$", where):
                assert "description" in schema or "$ref" in schema, f"{path.name}{where}"
