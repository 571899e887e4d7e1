# The time to read and decode an epoch at each ratio, from disks of several bandwidths.
#
# Requires: the training shards of all ratios, history.csv of the runs of the study's
#           reading.learner.
# Gives: results/<study>/reading/<dataset>.csv, results/<study>/tables/reading as .csv, .md and .html,
#        and results/<study>/figures/reading as .svg and .png, where the study has the experiment.

if STUDY.reading:

    # Of each data set the training tars at each ratio, and history.csv of the runs whose speed the
    # reading is compared with.
    READING_SHARDS = {
        name: [(ratio, shards(name, STUDY.variant(ratio), "train")) for ratio in STUDY.ratios]
        for name in STUDY.datasets
    }
    READING_HISTORIES = {
        name: [
            f"results/runs/{run.folder}/history.csv"
            for run in CURVES
            if (run.dataset, run.learner) == (name, STUDY.reading["learner"])
        ]
        for name in STUDY.datasets
    }

    # A measurement, and no two are equal. Nothing else may run beside it: it asks for the threads of
    # a training and, GPU or not, for the gpu=1 that keeps trainings apart. On more cores than these
    # a job without either may still start.
    rule measure_reading:
        input:
            lambda wildcards: [
                file
                for _, tars in READING_SHARDS[wildcards.dataset]
                for file in with_indexes(tars)
            ],
        output:
            result("reading/{dataset}.csv"),
        log:
            f"results/logs/measure_reading/{STUDY.name}/{{dataset}}.log",
        benchmark:
            f"results/benchmarks/measure_reading/{STUDY.name}/{{dataset}}.tsv"
        conda:
            "../../envs/shards.yaml"
        threads: 8
        resources:
            gpu=1,
            mem_mb=4000,
            runtime=60,
        params:
            shards=lambda wildcards: READING_SHARDS[wildcards.dataset],
            bandwidths=STUDY.reading["bandwidths"],
            code=code("measure_reading.py", "shards.yaml"),
        script:
            "../scripts/measure_reading.py"

    rule make_reading_table:
        input:
            measured=expand(result("reading/{dataset}.csv"), dataset=STUDY.datasets),
            histories=[file for files in READING_HISTORIES.values() for file in files],
        output:
            csv=result("tables/reading.csv"),
            markdown=result("tables/reading.md"),
            html=report(
                result("tables/reading.html"),
                caption="../report/reading.rst",
                category="Tables",
                labels={"table": "Reading: seconds an epoch"},
            ),
        log:
            f"results/logs/make_reading_table/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/make_reading_table/{STUDY.name}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        params:
            datasets=list(STUDY.datasets),
            histories=READING_HISTORIES,
            learner=STUDY.reading["learner"],
            ratio=STUDY.storage_ratio,
            code=code("make_reading_table.py", "evaluate.yaml"),
        script:
            "../scripts/make_reading_table.py"

    rule draw_reading:
        input:
            table=result("tables/reading.csv"),
        output:
            svg=report(
                result("figures/reading.svg"),
                caption="../report/reading_figure.rst",
                category="Figures",
                labels={"figure": "Reading against ratio"},
            ),
            png=result("figures/reading.png"),
        log:
            f"results/logs/draw_reading/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/draw_reading/{STUDY.name}.tsv"
        conda:
            "../../envs/figures.yaml"
        params:
            code=code("draw_reading.py", "figures.yaml"),
        script:
            "../scripts/draw_reading.py"
