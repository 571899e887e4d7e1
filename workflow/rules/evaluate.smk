# Accuracies with intervals from the predictions of all runs.
#
# Requires: predictions.parquet and run.json of every run of the study.
# Gives: results/<study>/tables/runs.csv (a row a run) and accuracy.csv (a row a comparison).


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
