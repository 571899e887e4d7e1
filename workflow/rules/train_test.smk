# Trained at one ratio, tested at another: the models of one learner on the test images of all ratios.
#
# Requires: the models and predictions of the learner's runs at all its ratios, the test shards of
#           these, of a probe its features.
# Gives: results/<study>/train_test/<dataset>/seed<s>.parquet, results/<study>/tables/train_test as
#        .csv, .md and .html, results/<study>/figures/train_test as .svg and .png; all where the
#        study has train_test.

if STUDY.train_test:
    if STUDY.learners[CROSSED]["framework"] == "timm":

        rule cross_test_timm:
            input:
                models=crossed_runs("model.safetensors"),
                predictions=crossed_runs("predictions.parquet"),
                shards=lambda wildcards: [
                    file for tars in crossed_shards(wildcards) for file in with_indexes(tars)
                ],
            output:
                predicted=result("train_test/{dataset}/seed{seed}.parquet"),
            log:
                f"results/logs/cross_test_timm/{STUDY.name}/{{dataset}}/seed{{seed}}.log",
            benchmark:
                f"results/benchmarks/cross_test_timm/{STUDY.name}/{{dataset}}/seed{{seed}}.tsv"
            conda:
                "../../envs/train_timm.yaml"
            threads: training_threads
            resources:
                gpu=1,
                mem_mb=8000,
                runtime=120,
            params:
                ratios=CROSSED_RATIOS,
                shards=crossed_shards,
                recipe=STUDY.recipe(CROSSED),
                classes=lambda wildcards: dataset(wildcards)["classes"],
                code=code("cross_test_timm.py", "train_timm.yaml"),
            script:
                "../scripts/cross_test_timm.py"

    else:

        rule cross_test_probe:
            input:
                models=crossed_runs("model.npz"),
                predictions=crossed_runs("predictions.parquet"),
                features=lambda wildcards: [
                    f"results/features/{wildcards.dataset}/{STUDY.variant(ratio)}/{CROSSED}.npz"
                    for ratio in CROSSED_RATIOS
                ],
                shards=lambda wildcards: with_indexes(shards(wildcards.dataset, ORIGINAL, "test")),
            output:
                predicted=result("train_test/{dataset}/seed{seed}.parquet"),
            log:
                f"results/logs/cross_test_probe/{STUDY.name}/{{dataset}}/seed{{seed}}.log",
            benchmark:
                f"results/benchmarks/cross_test_probe/{STUDY.name}/{{dataset}}/seed{{seed}}.tsv"
            conda:
                "../../envs/train_probe.yaml"
            resources:
                mem_mb=4000,
            params:
                ratios=CROSSED_RATIOS,
                shards=lambda wildcards: shards(wildcards.dataset, ORIGINAL, "test"),
                code=code("cross_test_probe.py", "train_probe.yaml"),
            script:
                "../scripts/cross_test_probe.py"

    rule make_train_test:
        input:
            tests=[file for name in STUDY.datasets for file in cross_tests(name)],
        output:
            csv=result("tables/train_test.csv"),
            markdown=result("tables/train_test.md"),
            html=report(
                result("tables/train_test.html"),
                caption="../report/train_test.rst",
                category="Tables",
                labels={"table": "Trained at one ratio, tested at another"},
            ),
        log:
            f"results/logs/make_train_test/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/make_train_test/{STUDY.name}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        params:
            datasets=list(STUDY.datasets),
            tests=[cross_tests(name) for name in STUDY.datasets],
            learner=CROSSED,
            ratio=STUDY.storage_ratio,
            code=code("make_train_test.py", "evaluate.yaml"),
        script:
            "../scripts/make_train_test.py"

    rule draw_train_test:
        input:
            train_test=result("tables/train_test.csv"),
        output:
            svg=report(
                result("figures/train_test.svg"),
                caption="../report/train_test_figure.rst",
                category="Figures",
                labels={"figure": "Trained at one ratio, tested at another"},
            ),
            png=result("figures/train_test.png"),
        log:
            f"results/logs/draw_train_test/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/draw_train_test/{STUDY.name}.tsv"
        conda:
            "../../envs/figures.yaml"
        params:
            code=code("draw_train_test.py", "figures.yaml"),
        script:
            "../scripts/draw_train_test.py"
