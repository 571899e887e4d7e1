# Probes: the features of a frozen network, and a logistic regression on them for each seed.
#
# Requires: the shards of all splits of the variant, resources/weights/<weights>.safetensors.
# Gives: results/features/<dataset>/<variant>/<learner>.npz, and
#        results/runs/<dataset>/<variant>/<learner>/seed<s>/ with history.csv (empty),
#        predictions.parquet, run.json and model.npz.


rule extract_features:
    input:
        train=training_shards("train"),
        val=training_shards("val"),
        test=training_shards("test"),
        weights=training_weights,
    output:
        features="results/features/{dataset}/{variant}/{learner}.npz",
    log:
        "results/logs/extract_features/{dataset}/{variant}/{learner}.log",
    benchmark:
        "results/benchmarks/extract_features/{dataset}/{variant}/{learner}.tsv"
    wildcard_constraints:
        learner=learners_by("probe"),
    conda:
        "../../envs/train_timm.yaml"
    threads: training_threads
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        shards=all_splits,
        recipe=extraction_recipe,
        code=code("extract_features.py", "train_timm.yaml"),
        needs_gpu=lambda wildcards, output: STUDY.needs_gpu(wildcards.learner),
    script:
        "../scripts/extract_features.py"


# One rule a probe, since its seeds stand in the study and all of their runs are made by one job: a
# regression takes less time than starting Python.
for name in STUDY.learners:
    if STUDY.learners[name]["framework"] == "probe":
        folders = [
            f"results/runs/{{dataset}}/{{variant}}/{{learner}}/seed{seed}"
            for seed in STUDY.learner_seeds(name)
        ]

        rule:
            name:
                f"train_{name}"
            input:
                features="results/features/{dataset}/{variant}/{learner}.npz",
                train=training_shards("train"),
                val=training_shards("val"),
                test=training_shards("test"),
            output:
                history=[f"{folder}/history.csv" for folder in folders],
                predictions=[f"{folder}/predictions.parquet" for folder in folders],
                model=[f"{folder}/model.npz" for folder in folders],
                run=[f"{folder}/run.json" for folder in folders],
            log:
                "results/logs/train_probe/{dataset}/{variant}/{learner}.log",
            benchmark:
                "results/benchmarks/train_probe/{dataset}/{variant}/{learner}.tsv"
            wildcard_constraints:
                learner=name,
            conda:
                "../../envs/train_probe.yaml"
            threads: 2
            resources:
                mem_mb=6000,
                runtime=60,
            params:
                shards=all_splits,
                recipe=lambda wildcards: STUDY.recipe(wildcards.learner),
                classes=lambda wildcards: dataset(wildcards)["classes"],
                code=code("train_probe.py", "train_probe.yaml"),
                seeds=lambda wildcards, output: STUDY.learner_seeds(wildcards.learner),
                records=lambda wildcards, output: run_files("run.json"),
            script:
                "../scripts/train_probe.py"
