# A run: one learner trained on one variant of one data set with one seed, and its predictions.
#
# Requires: the shards of all splits of the variant, resources/weights/<weights>.safetensors (not
#           for tabular classifiers).
# Gives: results/runs/<dataset>/<variant>/<learner>/seed<s>/ with history.csv, predictions.parquet,
#        run.json and the model.


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
    wildcard_constraints:
        learner=learners_by("timm"),
    conda:
        "../../envs/train_timm.yaml"
    threads: lambda wildcards: training_threads(wildcards, gpus(wildcards))
    resources:
        gpu=gpus,
        mem_mb=8000,
        runtime=240,
    params:
        recipe=lambda wildcards: STUDY.recipe(wildcards.learner),
        classes=lambda wildcards: dataset(wildcards)["classes"],
        code=code("train_timm.py", "train_timm.yaml"),
        records=lambda wildcards, output: run_files("run.json"),
        needs_gpu=lambda wildcards, output: STUDY.needs_gpu(wildcards.learner),
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
    wildcard_constraints:
        learner=learners_by("autogluon"),
    conda:
        "../../envs/train_autogluon.yaml"
    threads: training_threads
    resources:
        gpu=1,
        mem_mb=12000,
        runtime=240,
    params:
        recipe=lambda wildcards: STUDY.recipe(wildcards.learner),
        classes=lambda wildcards: dataset(wildcards)["classes"],
        code=code("train_autogluon.py", "train_autogluon.yaml"),
        records=lambda wildcards, output: run_files("run.json"),
        needs_gpu=lambda wildcards, output: STUDY.needs_gpu(wildcards.learner),
    script:
        "../scripts/train_autogluon.py"


rule train_tabular:
    input:
        train=training_shards("train"),
        val=training_shards("val"),
        test=training_shards("test"),
    output:
        history="results/runs/{dataset}/{variant}/{learner}/seed{seed}/history.csv",
        predictions="results/runs/{dataset}/{variant}/{learner}/seed{seed}/predictions.parquet",
        model="results/runs/{dataset}/{variant}/{learner}/seed{seed}/model.tar",
        run="results/runs/{dataset}/{variant}/{learner}/seed{seed}/run.json",
    log:
        "results/logs/train_tabular/{dataset}/{variant}/{learner}/seed{seed}.log",
    benchmark:
        "results/benchmarks/train_tabular/{dataset}/{variant}/{learner}/seed{seed}.tsv"
    wildcard_constraints:
        learner=learners_by("autogluon_tabular"),
    conda:
        "../../envs/train_tabular.yaml"
    threads: training_threads
    resources:
        mem_mb=12000,
        runtime=240,
    params:
        recipe=lambda wildcards: STUDY.recipe(wildcards.learner),
        classes=lambda wildcards: dataset(wildcards)["classes"],
        code=code("train_tabular.py", "train_tabular.yaml"),
        records=lambda wildcards, output: run_files("run.json"),
    script:
        "../scripts/train_tabular.py"
