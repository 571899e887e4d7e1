# A run: one learner trained on one variant of one data set with one seed, and its predictions.
#
# Requires: the shards of the variant; results/groups/<dataset>.parquet;
#           resources/weights/<weights>.safetensors and .json (not for tabular classifiers).
# Gives: results/runs/<dataset>/<variant>/<learner>/seed<s>/ with history.csv, predictions.parquet,
#        run.json, the model, and tests/<variant>.parquet (its predictions on another variant), of
#        tabular classifiers controls.parquet (what trees on other features predict);
#        results/features/<dataset>/<variant>/<learner>.npz of probes;
#        results/<study>/train_test/<dataset>/seed<s>.parquet, where the study has the experiment.


rule train_timm:
    input:
        shards=SHARDS,
        weights=weights_of("safetensors"),
        sidecar=weights_of("json"),
        groups=GROUPS,
    output:
        history=f"{RUN}/history.csv",
        predictions=f"{RUN}/predictions.parquet",
        model=f"{RUN}/model.safetensors",
        run=f"{RUN}/run.json",
    log:
        "<logs>/train_timm/{dataset}/{variant}/{learner}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train_timm/{dataset}/{variant}/{learner}/seed{seed}.tsv"
    wildcard_constraints:
        learner="(?!)" if OWN else learners_of("timm"),
    conda:
        "../../envs/learners_timm.yaml"
    threads: lambda wildcards: training_threads(wildcards, gpus(wildcards))
    resources:
        gpu=gpus,
        mem_mb=8000,
        runtime=240,
    params:
        **calls("learners.timm_learner:train", "learners_timm.yaml"),
        recipe=recipe,
        classes=of_dataset("classes"),
        needs_gpu=lambda wildcards, output: STUDY.needs_gpu(wildcards.learner),
        records=lambda wildcards, output: RECORDS,
    script:
        "../scripts/train.py"


# Pairs of networks, several in a job: importing PyTorch takes longer than many a training. The jobs
# are of about equal length where two run at a time.
if OWN and OWN["confirm"]:
    for part, of_original, seeds in pair_jobs():

        rule:
            name:
                f"train_pairs_{part}"
            input:
                shards=SHARDS,
                weights=weights_of("safetensors"),
                sidecar=weights_of("json"),
                groups=GROUPS,
            output:
                **{
                    kind: [
                        Run("{dataset}", "{variant}", "{learner}", seed).file(file)
                        for seed in seeds
                    ]
                    for kind, file in (
                        ("history", "history.csv"),
                        ("predictions", "predictions.parquet"),
                        ("model", "model.safetensors"),
                        ("run", "run.json"),
                    )
                },
            log:
                f"<logs>/train_pairs_{part}/{{dataset}}/{{variant}}/{{learner}}.log",
            benchmark:
                f"<benchmarks>/train_pairs_{part}/{{dataset}}/{{variant}}/{{learner}}.tsv"
            wildcard_constraints:
                learner=OWN["confirm"],
                variant="original" if of_original else f"(?!original)({PATTERN})",
            priority: len(seeds)  # the longest first, so that no core waits for long at the end
            conda:
                "../../envs/learners_timm.yaml"
            threads: lambda wildcards: training_threads(wildcards, gpus(wildcards))
            resources:
                gpu=gpus,
                mem_mb=8000,
                runtime=240,
            params:
                **calls("learners.timm_learner:train", "learners_timm.yaml"),
                recipe=recipe,
                classes=of_dataset("classes"),
                seeds=seeds,
                needs_gpu=lambda wildcards, output: STUDY.needs_gpu(wildcards.learner),
                records=lambda wildcards, output: output.run,
            script:
                "../scripts/train.py"


use rule train_timm as train_autogluon with:
    output:
        history=f"{RUN}/history.csv",
        predictions=f"{RUN}/predictions.parquet",
        model=f"{RUN}/model.tar",
        run=f"{RUN}/run.json",
    log:
        "<logs>/train_autogluon/{dataset}/{variant}/{learner}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train_autogluon/{dataset}/{variant}/{learner}/seed{seed}.tsv"
    wildcard_constraints:
        learner=learners_of("autogluon"),
    conda:
        "../../envs/learners_autogluon.yaml"
    threads: training_threads
    resources:
        gpu=1,
        mem_mb=12000,
        runtime=240,
    params:
        **calls("learners.autogluon_learner:train", "learners_autogluon.yaml"),


use rule train_autogluon as train_tabular with:
    input:
        shards=SHARDS,
        groups=GROUPS,
    output:
        history=f"{RUN}/history.csv",
        predictions=f"{RUN}/predictions.parquet",
        model=f"{RUN}/model.tar",
        controls=f"{RUN}/controls.parquet",
        run=f"{RUN}/run.json",
    log:
        "<logs>/train_tabular/{dataset}/{variant}/{learner}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train_tabular/{dataset}/{variant}/{learner}/seed{seed}.tsv"
    wildcard_constraints:
        learner=learners_of("autogluon_tabular"),
    conda:
        "../../envs/learners_tabular.yaml"
    resources:
        mem_mb=12000,
        runtime=240,
    params:
        **calls("learners.tabular_learner:train", "learners_tabular.yaml"),


# The variants of a job of a probe. Of a user's own images it takes all: importing PyTorch takes
# longer than the features of a few hundred images.
VARIANTS = STUDY.variants() if OWN else ["{variant}"]
PER = "{dataset}/{learner}" if OWN else "{dataset}/{variant}/{learner}"


rule extract_features:
    input:
        shards=of_variants(SHARDS, VARIANTS),
        weights=weights_of("safetensors"),
        sidecar=weights_of("json"),
    output:
        features=of_variants(FEATURES, VARIANTS),
    log:
        f"<logs>/extract_features/{PER}.log",
    benchmark:
        f"<benchmarks>/extract_features/{PER}.tsv"
    wildcard_constraints:
        learner=learners_of("probe"),
    conda:
        "../../envs/learners_timm.yaml"
    threads: lambda wildcards: training_threads(wildcards, alone())
    resources:
        gpu=lambda wildcards: alone(),
        mem_mb=8000,
        runtime=60,
    params:
        **calls("learners.extraction:extract_features", "learners_timm.yaml"),
        variants=lambda wildcards: [v.format(**wildcards) for v in VARIANTS],
        recipe=lambda wildcards: STUDY.extraction_recipe(wildcards.learner),
        needs_gpu=lambda wildcards, output: STUDY.needs_gpu(wildcards.learner),
    script:
        "../scripts/extract_features.py"


# One rule a probe, since its seeds stand in the study and all of their runs are made by one job: a
# regression takes less time than starting Python.
for name in STUDY.learners_of("probe"):

    rule:
        name:
            f"train_{name}"
        input:
            features=of_variants(FEATURES, VARIANTS),
            shards=of_variants(SHARDS, VARIANTS),
            groups=GROUPS,
        output:
            history=of_seeds(name, VARIANTS, "history.csv"),
            predictions=of_seeds(name, VARIANTS, "predictions.parquet"),
            model=of_seeds(name, VARIANTS, "model.npz"),
            run=of_seeds(name, VARIANTS, "run.json"),
        log:
            f"<logs>/train_probe/{PER}.log",
        benchmark:
            f"<benchmarks>/train_probe/{PER}.tsv"
        wildcard_constraints:
            learner=name,
        conda:
            "../../envs/learners_probe.yaml"
        threads: 5 if OWN else image_threads  # a fold each
        resources:
            mem_mb=6000,
            runtime=60,
        params:
            **calls("learners.probe:train_variants", "learners_probe.yaml"),
            variants=lambda wildcards: [v.format(**wildcards) for v in VARIANTS],
            recipe=recipe,
            classes=of_dataset("classes"),
            contiguous=lambda wildcards, output: (
                STUDY.datasets[wildcards.dataset]["split"]["strategy"] == "contiguous"
            ),
            seeds=lambda wildcards, output: STUDY.learner_seeds(wildcards.learner),
            records=lambda wildcards, output: RECORDS,
        script:
            "../scripts/train_probe.py"


# A trained model on the test images of another variant than its own: an evaluation, no training.
rule test_timm:
    input:
        model=f"{RUN}/model.safetensors",
        tested=SHARDS.format(dataset="{dataset}", variant="{test_variant}"),
    output:
        f"{RUN}/tests/{{test_variant}}.parquet",
    log:
        "<logs>/test_timm/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.log",
    benchmark:
        "<benchmarks>/test_timm/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.tsv"
    wildcard_constraints:
        learner=learners_of("timm"),
    conda:
        "../../envs/learners_timm.yaml"
    threads: training_threads
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        **calls("learners.timm_learner:predict_variant", "learners_timm.yaml"),
        recipe=recipe,
        classes=of_dataset("classes"),
    script:
        "../scripts/call.py"


use rule test_timm as test_autogluon with:
    input:
        model=f"{RUN}/model.tar",
        tested=SHARDS.format(dataset="{dataset}", variant="{test_variant}"),
        weights=weights_of("safetensors"),
        sidecar=weights_of("json"),
    log:
        "<logs>/test_autogluon/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.log",
    benchmark:
        "<benchmarks>/test_autogluon/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.tsv"
    wildcard_constraints:
        learner=learners_of("autogluon"),
    conda:
        "../../envs/learners_autogluon.yaml"
    resources:
        gpu=1,
        mem_mb=12000,
        runtime=60,
    params:
        **calls("learners.autogluon_learner:predict_variant", "learners_autogluon.yaml"),


rule test_probe:
    input:
        model=f"{RUN}/model.npz",
        tested=SHARDS.format(dataset="{dataset}", variant="{test_variant}"),
        features=FEATURES.format(dataset="{dataset}", variant="{test_variant}", learner="{learner}"),
    output:
        f"{RUN}/tests/{{test_variant}}.parquet",
    log:
        "<logs>/test_probe/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.log",
    benchmark:
        "<benchmarks>/test_probe/{dataset}/{variant}/{learner}/seed{seed}/{test_variant}.tsv"
    wildcard_constraints:
        learner=learners_of("probe"),
    conda:
        "../../envs/learners_probe.yaml"
    resources:
        mem_mb=4000,
    params:
        **calls("learners.probe:predict_variant", "learners_probe.yaml"),
    script:
        "../scripts/call.py"


# The models of one learner, each tested on the test images of all ratios.
if STUDY.train_test:
    if STUDY.learners[CROSSED]["framework"] == "timm":

        rule cross_test_timm:
            input:
                models=crossed("model.safetensors"),
                predictions=crossed("predictions.parquet"),
                shards=crossed_paths(SHARDS),
            output:
                STUDY.file("train_test/{dataset}/seed{seed}.parquet"),
            log:
                f"<logs>/cross_test_timm/{STUDY.name}/{{dataset}}/seed{{seed}}.log",
            benchmark:
                f"<benchmarks>/cross_test_timm/{STUDY.name}/{{dataset}}/seed{{seed}}.tsv"
            conda:
                "../../envs/learners_timm.yaml"
            threads: training_threads
            resources:
                gpu=1,
                mem_mb=8000,
                runtime=120,
            params:
                **calls("learners.cross_test:cross_test_timm", "learners_timm.yaml"),
                ratios=CROSSED_RATIOS,
                recipe=STUDY.recipe(CROSSED),
                classes=of_dataset("classes"),
            script:
                "../scripts/call.py"

    else:

        rule cross_test_probe:
            input:
                models=crossed("model.npz"),
                predictions=crossed("predictions.parquet"),
                features=crossed_paths(FEATURES),
                originals=ORIGINALS,
            output:
                STUDY.file("train_test/{dataset}/seed{seed}.parquet"),
            log:
                f"<logs>/cross_test_probe/{STUDY.name}/{{dataset}}/seed{{seed}}.log",
            benchmark:
                f"<benchmarks>/cross_test_probe/{STUDY.name}/{{dataset}}/seed{{seed}}.tsv"
            conda:
                "../../envs/learners_probe.yaml"
            resources:
                mem_mb=4000,
            params:
                **calls("learners.cross_test:cross_test_probe", "learners_probe.yaml"),
                ratios=CROSSED_RATIOS,
            script:
                "../scripts/call.py"
