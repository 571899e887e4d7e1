# The study and the names of its files, for every other rule file.
#
# Requires: `config`, a study as workflow/schemas/study.schema.yaml describes it.
# Gives: STUDY, and functions from wildcards to paths, parameters and fingerprints.
import json
import time
from functools import cache

from jpegprep.study.config import load_study
from jpegprep.common.clock import mend_times
from jpegprep.common.errors import UserError, failures
from jpegprep.common.fingerprint import fingerprint
from jpegprep.common.layout import SPLITS, Run, index_of
from jpegprep.images.variants import ORIGINAL, PATTERN, ratio_of_variant

ROOT = Path(workflow.basedir)
STARTED = time.time()

SOURCE = " + ".join(map(str, workflow.overwrite_configfiles)) or f"config/{DEFAULT}"
# What config/recommend.yaml says, where the study is one of a user's own images.
OWN = None
try:
    if "images" in config:
        from jpegprep.study.own_study import own_study

        STUDY, OWN = own_study(config, SOURCE, ROOT / "config", "resources/archives/names")
    else:
        STUDY = load_study(config, SOURCE, ROOT / "config")
except UserError as error:
    sys.exit(f"error: {error}")


RUNS = STUDY.runs()
RUN_RECORD = ("history.csv", "predictions.parquet", "run.json")


def result(path):
    """Return the path of a file of the study's own folder."""
    return f"results/{STUDY.name}/{path}"


# The predictions of models on other test images than their runs'.
TRANSFERS = [
    f"results/runs/{run.folder}/tests/{tested}.parquet" for run, tested in STUDY.transfers()
]
# What is trained epoch by epoch at the paper's ratios: the curves of Figure 3.
CURVES = [
    run
    for run in RUNS
    if STUDY.learners[run.learner]["framework"] in ("timm", "autogluon")
    and ratio_of_variant(run.variant) is not None
]
NETWORKS = [name for name, entry in STUDY.learners.items() if entry["framework"] == "timm"]
PROBES = [name for name, entry in STUDY.learners.items() if entry["framework"] == "probe"]
# Runs of the originals, of learners with several seeds.
REPEATED = [
    run for run in RUNS if run.variant == ORIGINAL and len(STUDY.learner_seeds(run.learner)) > 1
]
# The paper's Table III is of its small network.
PAPERS_LEARNER = STUDY.model_size["small"] if STUDY.model_size else list(STUDY.learners)[0]

EXPERIMENTS = {
    "table2_model_size": STUDY.model_size,
    "table2_all_models": STUDY.model_size,
    "table4_noise": STUDY.noise,
    "table5_tabular": STUDY.tabular,
}
TABLES = [
    result(f"tables/{name}.{kind}")
    for name in (
        "table1_datasets",
        "problems",
        "size_vs_ratio",
        "table3_storage",
        "convergence",
        *(name for name, experiment in EXPERIMENTS.items() if experiment),
        "comparison",
        "decision",
        *(["probe_agreement"] if PROBES and len(STUDY.learners) > len(PROBES) else []),
        *(["same_against_same"] if REPEATED else []),
        *(["train_test"] if STUDY.train_test else []),
        *(["reading"] if STUDY.reading else []),
        "classes",
        "reproduction",
    )
    for kind in ("csv", "md", "html")
]
TABLES.append(result("tables/flips.csv"))
FIGURES = [
    result(f"figures/{name}.{kind}")
    for name in (
        "size_vs_ratio",
        "fig2_accuracy_vs_ratio",
        "fig3_convergence",
        "difference_vs_ratio",
        *(
            f"{figure}_{name}"
            for figure in ("fig2_accuracy_vs_ratio", "fig3_convergence")
            for name in STUDY.datasets
            if len(STUDY.datasets) > 1
        ),
        *(["accuracy_vs_parameters"] if STUDY.model_size else []),
        *(f"noise_examples_{name}" for name in STUDY.noise_datasets()),
        *(f"flips_{name}" for name in STUDY.datasets),
        *(["train_test"] if STUDY.train_test else []),
        *(["reading"] if STUDY.reading else []),
        "fig1_schematic",
        "rulegraph",
    )
    for kind in ("svg", "png")
]
# Whose numbers stand beside the paper's, by the paper's number.
REPRODUCED = {
    number: result(f"tables/{name}.csv")
    for number, name in {
        "I": "table1_datasets",
        "II": "table2_model_size",
        "III": "table3_storage",
        "IV": "table4_noise",
    }.items()
    if EXPERIMENTS.get(name, True)
}
# What there is without training: `snakemake storage`.
STORAGE = [
    file
    for file in (*TABLES, *FIGURES)
    if Path(file).stem in ("table1_datasets", "problems", "size_vs_ratio")
]
MANIFESTS = [f"results/manifests/{name}.parquet" for name in STUDY.datasets]
DATASET_SPLITS = [f"results/splits/{name}.parquet" for name in STUDY.datasets]


wildcard_constraints:
    dataset="[a-z0-9][a-z0-9-]*",
    variant=PATTERN,
    test_variant=PATTERN,
    learner="[a-z0-9][a-z0-9_]*",
    split="train|val|test",
    k=r"\d+",
    seed=r"\d+",


def code(script, environment):
    """Return the fingerprint of a script and of its environment's versions.

    It stands among the params of each rule: a change in meaning reruns the rule, a comment does not.
    """
    return fingerprint(ROOT / "workflow/scripts" / script, ROOT / "envs" / environment)


def dataset(wildcards):
    """Return the registry's entry of a data set."""
    return STUDY.datasets[wildcards.dataset]


def content(name):
    """Return what the registry says of a data set's content: what the manifest depends on."""
    keys = ("adapter", "options", "classes", "class_names", "images")
    return {key: STUDY.datasets[name][key] for key in keys if key in STUDY.datasets[name]}


def archives(wildcards):
    """Return the archives of a data set, in the order of the registry."""
    return [
        f"resources/archives/{wildcards.dataset}/{archive['name']}"
        for archive in dataset(wildcards)["archives"]
    ]


def image_threads(wildcards):
    """Return how many threads a job on the images of a data set may use: one, where they are few."""
    return 4 if dataset(wildcards)["images"] > 5000 else 1


def training_threads(wildcards, each=1):
    """Return how many threads a training has: on one machine those at a time share its cores.

    A job that takes `each` GPUs has as great a part of them as it has of `--resources gpu=…`.
    """
    settings = workflow.resource_settings
    if settings.nodes or not settings.cores:  # a cluster's jobs each have their own
        return 8 * each
    in_all = settings.resources.get("gpu").value or 1
    return max(1, min(8, settings.cores // in_all) * each)


def gpus(wildcards):
    """Return on how many GPUs a learner trains."""
    return STUDY.recipe(wildcards.learner).get("gpus", 1)


def shards(name, variant, split):
    """Return the tars of one split of one variant of a data set."""
    return [
        f"results/shards/{name}/{variant}/{split}-{k}.tar"
        for k in range(STUDY.datasets[name]["shards"][split])
    ]


def all_shards(name, variant):
    """Return the tars of all splits of one variant of a data set."""
    return [tar for split in SPLITS for tar in shards(name, variant, split)]


def with_indexes(tars):
    """Return tars and the index beside each."""
    return [*tars, *(str(index_of(tar)) for tar in tars)]


@cache
def run_files(name):
    """Return the file of that name of every run of the study.

    Every training counts them: a list of its own for each would take gigabytes.
    """
    return [f"results/runs/{run.folder}/{name}" for run in RUNS]


def archive_source(wildcards):
    """Return the registry's entry of an archive."""
    return next(
        archive
        for archive in dataset(wildcards)["archives"]
        if archive["name"] == wildcards.archive
    )


def identity(source):
    """Return what a file is: its checksum where one is known; another mirror of it is no change."""
    where = ("source", "urls", "path", "repo", "revision", "distribution", "digest")
    checksum = source.get("sha256") or source.get("md5")
    return checksum or {key: source[key] for key in where if key in source}


def learners_by(framework):
    """Return a pattern of the learners of a framework; of none, where there are none."""
    names = [name for name, learner in STUDY.learners.items() if learner["framework"] == framework]
    return "|".join(names) or "(?!)"


def training_weights(wildcards):
    """Return a learner's weights and their sidecar."""
    name = STUDY.learners[wildcards.learner]["weights"]
    return [f"resources/weights/{name}.safetensors", f"resources/weights/{name}.json"]


def training_shards(split):
    """Return an input function: the shards of a split and their indexes."""
    return lambda wildcards: with_indexes(shards(wildcards.dataset, wildcards.variant, split))


def testing_shards(wildcards):
    """Return the test shards and indexes of the variant that a trained model is tested on."""
    return with_indexes(shards(wildcards.dataset, wildcards.test_variant, "test"))


def curve(run):
    """Return what Figure 3 says of a run."""
    return {
        "dataset": run.dataset,
        "learner": run.learner,
        "ratio": ratio_of_variant(run.variant),
        "seed": run.seed,
    }


def curves_of(wildcards):
    """Return the runs of Figure 3 of one data set."""
    return [run for run in CURVES if run.dataset == wildcards.dataset]
