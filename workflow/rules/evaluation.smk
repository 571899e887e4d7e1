# From the predictions of all runs to accuracies and differences with intervals.
#
# Requires: predictions.parquet and run.json of every run of the study, and predictions of its models
#           on other variants.
# Gives: results/<study>/tables/runs.csv (a row a run), accuracy.csv (a row a comparison),
#        transfer.csv (a row a comparison on another variant), differences.csv (a row a pair), and
#        results/calibration/.


localrules:
    calibrate,


KEYS = [tuple(run) for run in RUNS]


rule evaluate_runs:
    input:
        predictions=run_files("predictions.parquet"),
        records=RECORDS,
        splits=flat(STUDY.splits()),
    output:
        runs_table=STUDY.table("runs"),
        accuracy_table=STUDY.table("accuracy"),
    log:
        f"<logs>/evaluate_runs/{STUDY.name}.log",
    benchmark:
        f"<benchmarks>/evaluate_runs/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        **calls("evaluation.accuracy:evaluate", "evaluation.yaml"),
        shapes=shapes({"splits": STUDY.splits()}),
        runs=KEYS,
    script:
        "../scripts/call.py"


rule evaluate_transfers:
    input:
        predictions=TRANSFERS,
    output:
        STUDY.table("transfer"),
    log:
        f"<logs>/evaluate_transfers/{STUDY.name}.log",
    benchmark:
        f"<benchmarks>/evaluate_transfers/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        **calls("evaluation.accuracy:evaluate_transfers", "evaluation.yaml"),
        transfers=[(tuple(run), tested) for run, tested in STUDY.transfers()],
    script:
        "../scripts/call.py"


rule compare_runs:
    input:
        predictions=run_files("predictions.parquet"),
    output:
        STUDY.table("differences"),
    log:
        f"<logs>/compare_runs/{STUDY.name}.log",
    benchmark:
        f"<benchmarks>/compare_runs/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        **calls("evaluation.accuracy:compare", "evaluation.yaml"),
        runs=KEYS,
        pairs=STUDY.pairs(),
    script:
        "../scripts/call.py"


# Asked for by name: they need no data set, and take minutes.
rule calibrate_statistics:
    output:
        expand("results/calibration/statistics.{kind}", kind=("csv", "md", "html")),
    log:
        "<logs>/calibrate_statistics.log",
    benchmark:
        "<benchmarks>/calibrate_statistics.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        **calls("evaluation.calibration:calibration", "evaluation.yaml"),
        studies=2000,
        margin=0.01,
    script:
        "../scripts/call.py"


rule calibrate_recommendation:
    output:
        expand(
            "results/calibration/{table}.{kind}",
            table=("recommendation", "crossfitting"),
            kind=("csv", "md", "html"),
        ),
    log:
        "<logs>/calibrate_recommendation.log",
    benchmark:
        "<benchmarks>/calibrate_recommendation.tsv"
    conda:
        "../../envs/results.yaml"
    threads: 16
    params:
        **calls("answers.calibrate:calibrate", "results.yaml"),
        studies=1000,
    script:
        "../scripts/call.py"


rule calibrate:
    input:
        rules.calibrate_statistics.output,
        rules.calibrate_recommendation.output,
