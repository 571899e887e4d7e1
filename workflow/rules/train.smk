# A run: one learner trained on one variant of one data set with one seed, and its predictions.
#
# Requires: the shards of all splits of the variant, resources/weights/<weights>.safetensors.
# Gives: results/runs/<dataset>/<variant>/<learner>/seed<s>/ with history.csv, predictions.parquet,
#        run.json and the model.


def learners_by(framework):
    """Return a pattern of the learners of a framework; of none, where there are none."""
    names = [name for name, learner in STUDY.learners.items() if learner["framework"] == framework]
    return "|".join(names) or "(?!)"


def training_weights(wildcards):
    name = STUDY.learners[wildcards.learner]["weights"]
    return [f"resources/weights/{name}.safetensors", f"resources/weights/{name}.json"]


def training_shards(split):
    """Return an input function: the shards of a split and their indexes."""
    return lambda wildcards: with_indexes(shards(wildcards.dataset, wildcards.variant, split))


rule train_timm:
    input:
        train=training_shards("train"),
        val=training_shards("val"),
        test=training_shards("test"),
        weights=training_weights,
    output:
        history="results/runs/{dataset}/{variant}/{learner}/seed{seed}/history.csv",
        predictions="results/runs/{dataset}/{variant}/{learner}/seed{seed}/predictions.parquet",
        model="results/runs/{dataset}/{variant}/{learner}/seed{seed}/model.safetensors",
        run="results/runs/{dataset}/{variant}/{learner}/seed{seed}/run.json",
    log:
        "results/logs/train_timm/{dataset}/{variant}/{learner}/seed{seed}.log",
    benchmark:
        "results/benchmarks/train_timm/{dataset}/{variant}/{learner}/seed{seed}.tsv"
    conda:
        "../../envs/train_timm.yaml"
    wildcard_constraints:
        learner=learners_by("timm"),
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        recipe=lambda wildcards: STUDY.recipe(wildcards.learner),
        classes=lambda wildcards: dataset(wildcards)["classes"],
        code=code("train_timm.py", "train_timm.yaml"),
    script:
        "../scripts/train_timm.py"


rule train_autogluon:
    input:
        train=training_shards("train"),
        val=training_shards("val"),
        test=training_shards("test"),
        weights=training_weights,
    output:
        history="results/runs/{dataset}/{variant}/{learner}/seed{seed}/history.csv",
        predictions="results/runs/{dataset}/{variant}/{learner}/seed{seed}/predictions.parquet",
        model="results/runs/{dataset}/{variant}/{learner}/seed{seed}/model.tar",
        run="results/runs/{dataset}/{variant}/{learner}/seed{seed}/run.json",
    log:
        "results/logs/train_autogluon/{dataset}/{variant}/{learner}/seed{seed}.log",
    benchmark:
        "results/benchmarks/train_autogluon/{dataset}/{variant}/{learner}/seed{seed}.tsv"
    conda:
        "../../envs/train_autogluon.yaml"
    wildcard_constraints:
        learner=learners_by("autogluon"),
    threads: 8
    resources:
        gpu=1,
        mem_mb=12000,
        runtime=240,
    params:
        recipe=lambda wildcards: STUDY.recipe(wildcards.learner),
        classes=lambda wildcards: dataset(wildcards)["classes"],
        code=code("train_autogluon.py", "train_autogluon.yaml"),
    script:
        "../scripts/train_autogluon.py"
