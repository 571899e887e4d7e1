# What the work took: `snakemake costs`. Of everything in this folder, by whichever study.
#
# Requires: results/benchmarks/, and results/runs/ as far as there are runs.
# Gives: results/costs/rules and devices, as .csv, .md and .html, and costs.svg and .png.


localrules:
    costs,


rule costs:
    output:
        rules=expand("results/costs/rules.{kind}", kind=("csv", "md", "html")),
        devices=expand("results/costs/devices.{kind}", kind=("csv", "md", "html")),
        figures=expand("results/costs/costs.{kind}", kind=("svg", "png")),
    log:
        "results/logs/costs/all.log",
    benchmark:
        "results/benchmarks/costs/all.tsv"
    conda:
        "../../envs/recommend.yaml"
    params:
        benchmarks="results/benchmarks",
        # No input: Snakemake would make again whatever job of it is stale.
        latest=latest_benchmark,
        runs="results/runs",
        datasets=STUDY.datasets,
        throughput=str(ROOT / "config/throughput.csv"),
        code=code("print_costs.py", "recommend.yaml"),
    script:
        "../scripts/print_costs.py"
