# A trained model on the test images of another variant than its own: an evaluation, no training.
#
# Requires: the model of the run, the test shards of the other variant.
# Gives: results/runs/<dataset>/<variant>/<learner>/seed<s>/tests/<other variant>.parquet


rule test_timm:
    input:
        model="results/runs/{dataset}/{variant}/{learner}/seed{seed}/model.safetensors",
        shards=testing_shards,
    output:
        predictions="results/runs/{dataset}/{variant}/{learner}/seed{seed}/tests/{test_variant}.parquet",
    log:
        "results/logs/test_timm/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.log",
    benchmark:
        "results/benchmarks/test_timm/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.tsv"
    wildcard_constraints:
        learner=learners_by("timm"),
    conda:
        "../../envs/train_timm.yaml"
    threads: training_threads
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        shards=lambda wildcards: shards(wildcards.dataset, wildcards.test_variant, "test"),
        recipe=lambda wildcards: STUDY.recipe(wildcards.learner),
        classes=lambda wildcards: dataset(wildcards)["classes"],
        code=code("test_timm.py", "train_timm.yaml"),
    script:
        "../scripts/test_timm.py"


rule test_autogluon:
    input:
        model="results/runs/{dataset}/{variant}/{learner}/seed{seed}/model.tar",
        shards=testing_shards,
        weights=training_weights,
    output:
        predictions="results/runs/{dataset}/{variant}/{learner}/seed{seed}/tests/{test_variant}.parquet",
    log:
        "results/logs/test_autogluon/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.log",
    benchmark:
        "results/benchmarks/test_autogluon/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.tsv"
    wildcard_constraints:
        learner=learners_by("autogluon"),
    conda:
        "../../envs/train_autogluon.yaml"
    threads: training_threads
    resources:
        gpu=1,
        mem_mb=12000,
        runtime=60,
    params:
        shards=lambda wildcards: shards(wildcards.dataset, wildcards.test_variant, "test"),
        classes=lambda wildcards: dataset(wildcards)["classes"],
        code=code("test_autogluon.py", "train_autogluon.yaml"),
    script:
        "../scripts/test_autogluon.py"
