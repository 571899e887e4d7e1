# What the study will take: snakemake plan --configfile FILE
#
# Requires: the study, config/sizes.csv, config/throughput.csv; what is there already of its files.
# Gives: jobs, bytes to download, disk and GPU hours on the terminal and in the log; runs nothing.
import json


localrules:
    plan,


rule plan:
    log:
        f"results/logs/plan/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/plan/{STUDY.name}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        snakefile=workflow.main_snakefile,
        config=json.dumps(config),
        study={
            "name": STUDY.name,
            "datasets": STUDY.datasets,
            "archives": STUDY.archives,
            "shards": {
                name: {
                    variant: all_shards(name, variant)
                    for variant in dict.fromkeys(
                        [*STUDY.variants(), *(run.variant for run in RUNS if run.dataset == name)]
                    )
                }
                for name in STUDY.datasets
            },
            "learners": {
                name: {**entry, "recipe": STUDY.recipe(name)}
                for name, entry in STUDY.learners.items()
            },
            "weights": {
                entry["weights"]: STUDY.weights[entry["weights"]]
                for entry in STUDY.learners.values()
                if "weights" in entry
            },
            "runs": [
                (run.dataset, run.learner, f"results/runs/{run.folder}/run.json") for run in RUNS
            ],
        },
        sizes=str(ROOT / "config/sizes.csv"),
        throughput=str(ROOT / "config/throughput.csv"),
    script:
        "../scripts/print_plan.py"
