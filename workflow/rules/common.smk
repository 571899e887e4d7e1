# The study, the names of paths, and what every rule file uses.
#
# Requires: `config`, a study as workflow/schemas/study.schema.yaml describes it.
# Gives: STUDY, CONVERSION, CONVERSION_RECORD, RESULTS, pathvars, and functions from wildcards to paths
#        and parameters.
import json
import time

from jpegprep.answers.plan import facts_of
from jpegprep.common.clock import mend_times
from jpegprep.common.errors import UserError, failures
from jpegprep.common.fingerprint import fingerprint, structure
from jpegprep.common.jobs import flat, shape
from jpegprep.common.layout import (
    ARCHIVES,
    BENCHMARKS,
    FEATURES,
    GROUPS,
    LOGS,
    MANIFEST,
    ORIGINALS,
    RUN,
    SHARDS,
    SPLIT,
    WEIGHTS,
    Run,
)
from jpegprep.images.variants import PATTERN, ratio_of_variant
from jpegprep.results.catalogue import results_of
from jpegprep.shards.conversion_parts import record_file
from jpegprep.study.config import load_study, read_yaml
from jpegprep.study.own_conversion import own_conversion
from jpegprep.study.study import identity

STARTED = time.time()
# What a second Snakemake starts; where this workflow is a module of another, not that one.
SNAKEFILE = str(ROOT / "workflow/Snakefile")

SOURCE = " + ".join(map(str, workflow.overwrite_configfiles)) or f"config/{DEFAULT}"
# What config/recommend.yaml says, where the study is one of a user's own images.
OWN = None
# What config/convert.yaml says, where a user's own images are converted, and the record of it; the
# study is the default.
CONVERSION = CONVERSION_RECORD = None
try:
    if "to" in config:
        CONVERSION = own_conversion(config, SOURCE)
        CONVERSION_RECORD = record_file(CONVERSION["to"])
        default = "config/config.yaml"
        STUDY = load_study(read_yaml(ROOT / default), default, ROOT / "config")
    elif "images" in config:
        from jpegprep.study.own_study import own_study

        STUDY, OWN = own_study(config, SOURCE, ROOT / "config", "resources/archives/names")
    else:
        STUDY = load_study(config, SOURCE, ROOT / "config")
except UserError as error:
    sys.exit(f"error: {error}")

RUNS = STUDY.runs()
RESULTS = results_of(STUDY)
# Whose models are tested at all ratios, and at which.
CROSSED = STUDY.train_test["learner"] if STUDY.train_test else None
CROSSED_RATIOS = STUDY.learner_ratios(CROSSED) if CROSSED else []
# The one data set of a user's own images; of a study the first.
OWN_DATASET = next(iter(STUDY.datasets))
# The predictions of models on other test images than their runs'.
TRANSFERS = [run.file(f"tests/{tested}.parquet") for run, tested in STUDY.transfers()]


# Only what has no wildcards: Snakemake (9.27) constrains none inside a pathvar.
pathvars:
    logs=LOGS,
    benchmarks=BENCHMARKS,


wildcard_constraints:
    dataset="[a-z0-9][a-z0-9-]*",
    variant=PATTERN,
    test_variant=PATTERN,
    learner="[a-z0-9][a-z0-9_]*",
    seed=r"\d+",


def calls(function, environment):
    """Return the params of a rule that calls a function of the package.

    `code` is the fingerprint of the function's module, of all that it imports, and of the
    environment's versions: a change in meaning reruns the rule, a comment does not. Nor does
    another name: with `output` among its arguments a parameter triggers no rerun.
    """
    return {
        "call": lambda wildcards, output: function,
        "code": fingerprint(function, ROOT / "envs" / environment),
    }


def shapes(files):
    """Return how inputs are nested, mappings and lists, for the function that the rule calls."""
    return {name: shape(nested) for name, nested in files.items()}


def targets(*folders):
    """Return the files of the study's results in some folders: tables, figures."""
    return [
        file for result in RESULTS if result.folder in folders for file in result.targets(STUDY)
    ]


def run_files(*names):
    """Return the files of these names of every run of the study."""
    return [run.file(name) for name in names for run in RUNS]


def everything():
    """Return what a call without a target makes: all of the study, or a conversion's record."""
    if CONVERSION:
        return CONVERSION_RECORD
    return [
        STUDY.file("report.html"),
        # Snakemake makes no lost file again that only others need: these are wanted themselves,
        # the runs since a table must lead back to them. Shards may go.
        *targets("tables", "figures"),
        *run_files("history.csv", "predictions.parquet", "run.json"),
        *TRANSFERS,
    ]


# Every training counts them: a list of its own for each would take gigabytes.
RECORDS = run_files("run.json")


def of_dataset(key):
    """Return a function from wildcards to what the registry says of the data set."""
    return lambda wildcards: STUDY.datasets[wildcards.dataset][key]


def together(wildcards):
    """Tell whether the copies of a data set's images, near ones too, stay together."""
    return STUDY.datasets[wildcards.dataset]["split"]["duplicates"] == "together"


def content(wildcards):
    """Return what the registry says of a data set's content."""
    return STUDY.content(wildcards.dataset)


def recipe(wildcards):
    """Return what a learner learns by; of pairs of networks, with what the plan says of them."""
    found = STUDY.recipe(wildcards.learner)
    if not (OWN and wildcards.learner == OWN["confirm"] and planned().get("pairs")):
        return found
    pairs = dict(planned()["pairs"])
    changed = {name: pairs.pop(name) for name in ("epochs", "image_size")}
    return {**found, **changed, "pairs": pairs}


def planned():
    """Return the plan of a user's own images; nothing, where it is not made yet."""
    file = Path(STUDY.file("plan.json"))
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def newly_planned():
    """Return the plan of a user's own images, once it is made for this call."""
    checkpoints.plan_minutes.get()
    return planned()


def plan_of_own(wildcards):
    """Return the plan of a user's own images, which is made before they are split.

    Where all of them were used, more minutes split nothing anew, and so leave shards and features.
    """
    if not OWN:
        return []
    plan = planned()
    if not (plan and plan["images"] == plan["of"] and plan["minutes"] <= OWN["minutes"]):
        newly_planned()
    return ancient(STUDY.file("plan.json"))


def limit_of_own(wildcards):
    """Return how many of a user's own images are used; None: all."""
    plan = planned()
    return plan["images"] if plan and plan["images"] < plan["of"] else None


def learners_of(framework):
    """Return a pattern of the learners of a framework; of none, where there are none."""
    return "|".join(STUDY.learners_of(framework)) or "(?!)"


def weights_of(kind):
    """Return a function from wildcards to a file of the learner's weights."""
    return lambda wildcards: f"{WEIGHTS}/{STUDY.learners[wildcards.learner]['weights']}.{kind}"


def image_threads(wildcards):
    """Return how many threads a job on images may use: one, where they are few and others run."""
    if OWN:
        return 16
    return 4 if STUDY.datasets[wildcards.dataset]["images"] > 5000 else 1


def beside_weights(wildcards):
    """Return as many threads as `image_threads`; on one machine the weights' job keeps one core."""
    cores = workflow.resource_settings.cores
    return (
        max(1, min(image_threads(wildcards), cores - 1))
        if OWN and cores
        else image_threads(wildcards)
    )


def training_threads(wildcards, each=1):
    """Return how many threads a training has: on one machine those at a time share its cores.

    A job that takes `each` GPUs has as great a part of them as it has of `--resources gpu=…`.
    """
    settings = workflow.resource_settings
    if settings.nodes or not settings.cores:  # a cluster's jobs each have their own
        return 8 * each
    in_all = settings.resources.get("gpu").value or 1
    return max(1, min(16, settings.cores // in_all) * each)


def alone():
    """Return how many GPUs a job asks for that is to have the machine for itself, if it is one."""
    settings = workflow.resource_settings
    in_all = settings.resources.get("gpu")
    return (in_all.value or 1) if OWN and in_all and not settings.nodes else 1


def of_variants(path, variants):
    """Return a path for each of these variants."""
    return [
        path.format(dataset="{dataset}", variant=variant, learner="{learner}")
        for variant in variants
    ]


def of_seeds(learner, variants, file):
    """Return a file of the runs of a learner on these variants, for each variant one a seed."""
    return [
        Run("{dataset}", variant, "{learner}", seed).file(file)
        for variant in variants
        for seed in STUDY.learner_seeds(learner)
    ]


def gpus(wildcards):
    """Return how many GPUs a training asks for."""
    return STUDY.recipe(wildcards.learner).get("gpus", 1)


def archive_source(wildcards):
    """Return the registry's entry of an archive."""
    archives = STUDY.datasets[wildcards.dataset]["archives"]
    return next(archive for archive in archives if archive["name"] == wildcards.archive)


def archives_of(wildcards):
    """Return the archives of a data set, in the order of the registry."""
    folder = ARCHIVES.format(dataset=wildcards.dataset)
    return [f"{folder}/{entry['name']}" for entry in of_dataset("archives")(wildcards)]


def own_archives():
    """Return the archives of a user's own images."""
    folder = ARCHIVES.format(dataset=OWN_DATASET)
    return [f"{folder}/{entry['name']}" for entry in STUDY.datasets[OWN_DATASET]["archives"]]


def files_read(result):
    """Return the named inputs of a result: functions, since it may be one of each data set."""

    def named(name):
        return lambda wildcards: flat(result.read(STUDY, wildcards.get("dataset", ""))[name])

    return {name: named(name) for name in result.read(STUDY, OWN_DATASET)}


def outputs(result):
    """Return a result's files by kind, one of them with its entry in the report.

    One label an entry: of two with two values each the report makes two switches, and its page
    breaks where a combination of them is no result.
    """
    files = {kind: result.file(STUDY, kind) for kind in result.kinds}
    if result.shown:
        files[result.shown] = report(
            files[result.shown],
            caption="../report/result.rst",
            category=result.folder.title(),
            labels={result.label: result.title},
        )
    return files


def caption_of(result):
    """Return the param that workflow/report/result.rst shows; with `output` it reruns nothing."""
    return lambda wildcards, output: result.caption.format(study=STUDY, **wildcards)


def crossed(file):
    """Return an input function: that file of a seed's runs, from ratio 1.0 down."""
    return lambda wildcards: [
        run.file(file) for run in STUDY.crossed_runs(wildcards.dataset, wildcards.seed)
    ]


def crossed_paths(path):
    """Return an input function: a path at each ratio, from 1.0 down."""
    return lambda wildcards: [
        path.format(**run._asdict()) for run in STUDY.crossed_runs(wildcards.dataset, 0)
    ]


def latest_benchmark(wildcards):
    """Return when the last job of all ended, but for what sums them up; 0 where there was none."""
    found = Path(BENCHMARKS).rglob("*.tsv")
    return max((path.stat().st_mtime for path in found if path.parent.name != "costs"), default=0)


def proposed():
    """Return what the probe proposes (`answers.proposal`)."""
    file = checkpoints.propose_ratio.get().output[0]
    return json.loads(Path(file).read_text(encoding="utf-8"))


def judged():
    """Return the files of what the pairs of networks said, ratio after ratio; maybe none.

    The last one may still have to be made, and is then an input like any other: a job that asks a
    checkpoint for a file that is not there counts as up to date, whatever else of it is stale
    (Snakemake 9.27). Once it is made, what depends on it is asked again.
    """
    if not (OWN["confirm"] and proposed()["shown"] and newly_planned()["pairs"]):
        return []
    files = []
    while True:
        files.append(STUDY.file(f"pairs/round{len(files)}.json"))
        if not Path(files[-1]).exists():
            return files
        found = checkpoints.judge_pairs.get(round=len(files) - 1).output[0]
        if json.loads(Path(found).read_text(encoding="utf-8"))["next"] is None:
            return files


def judged_ratio(wildcards):
    """Return the ratio of a round of pairs: the proposed one, or what the round before says."""
    if wildcards.round == "0":
        return proposed()["ratio"]
    before = checkpoints.judge_pairs.get(round=int(wildcards.round) - 1).output[0]
    return json.loads(Path(before).read_text(encoding="utf-8"))["next"]


def answered_ratio():
    """Return the ratio that the answer is about, as far as pairs have judged; None, where none is."""
    files = [file for file in judged() if Path(file).exists()]
    if not files:
        return proposed()["ratio"]
    found = json.loads(Path(files[-1]).read_text(encoding="utf-8"))
    return found["ratio"] if found["next"] is None else found["next"]


def paired(compressed=False, again=False):
    """Return an input function: run.json of a side of the pairs, one a pair.

    `again`: of the networks that are trained on the originals once more, by other seeds.
    """

    def records(wildcards):
        variant = STUDY.variant(judged_ratio(wildcards) if compressed else 1.0)
        seeds = range(OWN["pairs"] * again, OWN["pairs"] * (1 + again))
        return [Run(OWN_DATASET, variant, OWN["confirm"], seed).file("run.json") for seed in seeds]

    return records


def pair_jobs():
    """Return the jobs that train pairs: name, whether of the originals, seeds.

    Two trainings side by side use two cores better than one that has both: a job is half a side.
    """
    pairs, half = OWN["pairs"], (OWN["pairs"] + 1) // 2
    return [
        ("original_first", True, [*range(half)]),
        ("original_rest", True, [*range(half, pairs)]),
        ("compressed_first", False, [*range(half)]),
        ("compressed_rest", False, [*range(half, pairs)]),
        ("again_first", True, [*range(pairs, pairs + half)]),
        ("again_rest", True, [*range(pairs + half, 2 * pairs)]),
    ]


def probed(file):
    """Return a file of the probe's runs, by ratio one a seed."""
    return {
        ratio: [
            Run(OWN_DATASET, STUDY.variant(ratio), OWN["probe"], seed).file(file)
            for seed in STUDY.learner_seeds(OWN["probe"])
        ]
        for ratio in STUDY.ratios
    }


def probed_features():
    """Return the features of the probe, by ratio."""
    return {
        ratio: FEATURES.format(
            dataset=OWN_DATASET, variant=STUDY.variant(ratio), learner=OWN["probe"]
        )
        for ratio in STUDY.ratios
    }


def compared_shards(variant):
    """Return the shards of the original and of a variant, which may be the original, by ratio."""
    ratios = dict.fromkeys([1.0, ratio_of_variant(variant)])
    return {ratio: STUDY.shards(OWN_DATASET, ratio) for ratio in ratios}


def larger_look(ratio):
    """Return the folder of the look at a larger size, if one is planned and there is a ratio."""
    if ratio is None or not newly_planned()["larger"]:
        return []
    return [STUDY.file(f"larger/{STUDY.variant(ratio)}")]


def header_audit(ratio):
    """Return the audit of the headers before and after compression; of no ratio, before it."""
    return STUDY.file(f"audit/{STUDY.variant(ratio or 1.0)}.json")


def own_weights(kind):
    """Return a file of the probe's weights."""
    return f"{WEIGHTS}/{STUDY.learners[OWN['probe']]['weights']}.{kind}"


def larger_size():
    """Return the size at which the probe looks once more, in pixels; None, where it is no larger."""
    size = OWN["larger_size"]
    return size if size and size > OWN["image_size"] else None
