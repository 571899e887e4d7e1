# Accuracies with intervals from the predictions of all runs.
#
# Requires: predictions.parquet and run.json of every run of the study, and predictions of its models
#           on other variants.
# Gives: results/<study>/tables/runs.csv (a row a run), accuracy.csv (a row a comparison) and
#        transfer.csv (a row a comparison on another variant).


rule evaluate_runs:
    input:
        predictions=run_files("predictions.parquet"),
        records=run_files("run.json"),
    output:
        runs=result("tables/runs.csv"),
        accuracy=result("tables/accuracy.csv"),
    log:
        f"results/logs/evaluate_runs/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/evaluate_runs/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        runs=[(run.dataset, run.variant, run.learner, run.seed) for run in RUNS],
        code=code("evaluate_runs.py", "evaluate.yaml"),
    script:
        "../scripts/evaluate_runs.py"


rule evaluate_transfers:
    input:
        predictions=TRANSFERS,
    output:
        transfer=result("tables/transfer.csv"),
    log:
        f"results/logs/evaluate_transfers/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/evaluate_transfers/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        transfers=[
            (run.dataset, run.variant, run.learner, run.seed, tested)
            for run, tested in STUDY.transfers()
        ],
        code=code("evaluate_transfers.py", "evaluate.yaml"),
    script:
        "../scripts/evaluate_transfers.py"
