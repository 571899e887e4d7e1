# Functions from wildcards to the inputs of rules that need the runs of many variants.
#
# Requires: common.smk.
# Gives: functions and names for probe, train_test, losses and recommend.


def run_file(name, variant, learner, seed, file):
    """Return the path of a file of a run."""
    return f"results/runs/{Run(name, variant, learner, seed).folder}/{file}"


def latest_benchmark(wildcards):
    """Return when the last job of all ended, but for what sums them up; 0 where there was none."""
    found = Path("results/benchmarks").rglob("*.tsv")
    return max((path.stat().st_mtime for path in found if path.parent.name != "costs"), default=0)


def all_splits(wildcards):
    """Return the tars of each split of a variant."""
    return {split: shards(wildcards.dataset, wildcards.variant, split) for split in SPLITS}


def extraction_recipe(wildcards):
    """Return the part of a probe's recipe that its features depend on."""
    recipe = STUDY.recipe(wildcards.learner)
    return {key: value for key, value in recipe.items() if key != "regularization"}


# Whose models are tested at all ratios, and at which.
CROSSED = STUDY.train_test["learner"] if STUDY.train_test else None
CROSSED_RATIOS = STUDY.learner_ratios(CROSSED) if CROSSED else []


def crossed_runs(name):
    """Return an input function: the file of that name of a seed's runs, from ratio 1.0 down."""
    return lambda wildcards: [
        run_file(wildcards.dataset, STUDY.variant(ratio), CROSSED, wildcards.seed, name)
        for ratio in CROSSED_RATIOS
    ]


def crossed_shards(wildcards):
    """Return the tars of the test images at each ratio."""
    return [shards(wildcards.dataset, STUDY.variant(ratio), "test") for ratio in CROSSED_RATIOS]


def cross_tests(name):
    """Return the predictions of all seeds on one data set."""
    return [
        result(f"train_test/{name}/seed{seed}.parquet") for seed in STUDY.learner_seeds(CROSSED)
    ]


# The paper's learner, or the first one that runs at the ratio that classes are ranked at.
LOSSES_LEARNER = next(
    name
    for name in (PAPERS_LEARNER, *STUDY.learners)
    if STUDY.storage_ratio in STUDY.learner_ratios(name)
)
LOSSES_RATIOS = STUDY.learner_ratios(LOSSES_LEARNER)


def losses_predictions(name):
    """Return the predictions of all seeds on one data set, by ratio."""
    return {
        ratio: [
            run_file(name, STUDY.variant(ratio), LOSSES_LEARNER, seed, "predictions.parquet")
            for seed in STUDY.learner_seeds(LOSSES_LEARNER)
        ]
        for ratio in LOSSES_RATIOS
    }


def losses_shards(wildcards):
    """Return the tars of the test images of one data set, by ratio."""
    return {
        ratio: shards(wildcards.dataset, STUDY.variant(ratio), "test") for ratio in LOSSES_RATIOS
    }


# The one data set of a user's own images.
OWN_DATASET = list(STUDY.datasets)[0]


def proposed_variant():
    """Return the variant that is to be confirmed; None, where there is none."""
    file = checkpoints.propose_ratio.get().output.proposal
    ratio = json.loads(Path(file).read_text(encoding="utf-8"))["ratio"]
    return None if ratio is None else STUDY.variant(ratio)


def confirming_runs(variant):
    """Return run.json of the fine-tuned network on a variant, a seed each; maybe none."""
    return [
        run_file(OWN_DATASET, variant, OWN["confirm"], seed, "run.json")
        for seed in OWN["seeds"]
        if OWN["confirm"] and variant
    ]


def compared_shards():
    """Return the training tars of the original and of the proposed variant, by ratio."""
    return [
        (ratio_of_variant(variant), shards(OWN_DATASET, variant, "train"))
        for variant in (ORIGINAL, proposed_variant())
        if variant
    ]
