# From predictions to a decision: differences on the same test images, and what they show.
#
# Requires: predictions.parquet of every run of the study, results/<study>/tables/accuracy.csv and
#           size_vs_ratio.csv.
# Gives: results/<study>/tables/differences.csv (a row a pair), comparison and decision, and
#        same_against_same where a learner has several seeds, as .csv, .md and .html;
#        results/<study>/figures/difference_vs_ratio as .svg and .png.


rule compare_runs:
    input:
        predictions=run_files("predictions.parquet"),
    output:
        differences=result("tables/differences.csv"),
    log:
        f"results/logs/compare_runs/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/compare_runs/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        runs=[(run.dataset, run.variant, run.learner, run.seed) for run in RUNS],
        pairs=STUDY.pairs(),
        code=code("compare_runs.py", "evaluate.yaml"),
    script:
        "../scripts/compare_runs.py"


rule make_comparison:
    input:
        differences=result("tables/differences.csv"),
        accuracy=result("tables/accuracy.csv"),
        sizes=result("tables/size_vs_ratio.csv"),
    output:
        csv=result("tables/comparison.csv"),
        markdown=result("tables/comparison.md"),
        html=report(
            result("tables/comparison.html"),
            caption="../report/comparison.rst",
            category="Tables",
            labels={"table": "Each ratio against the original"},
        ),
    log:
        f"results/logs/make_comparison/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/make_comparison/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        margin=STUDY.margin,
        code=code("make_comparison.py", "evaluate.yaml"),
    script:
        "../scripts/make_comparison.py"


rule make_decision:
    input:
        differences=result("tables/differences.csv"),
        sizes=result("tables/size_vs_ratio.csv"),
    output:
        csv=result("tables/decision.csv"),
        markdown=result("tables/decision.md"),
        html=report(
            result("tables/decision.html"),
            caption="../report/decision.rst",
            category="Tables",
            labels={"table": "The decision: how far"},
        ),
    log:
        f"results/logs/make_decision/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/make_decision/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        margin=STUDY.margin,
        code=code("make_decision.py", "evaluate.yaml"),
    script:
        "../scripts/make_decision.py"


rule draw_differences:
    input:
        differences=result("tables/differences.csv"),
    output:
        svg=report(
            result("figures/difference_vs_ratio.svg"),
            caption="../report/difference_vs_ratio.rst",
            category="Figures",
            labels={"figure": "Difference to the original against ratio"},
        ),
        png=result("figures/difference_vs_ratio.png"),
    log:
        f"results/logs/draw_differences/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/draw_differences/{STUDY.name}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        margin=STUDY.margin,
        code=code("draw_differences.py", "figures.yaml"),
    script:
        "../scripts/draw_differences.py"


if PROBES:

    rule compare_probes:
        input:
            differences=result("tables/differences.csv"),
        output:
            csv=result("tables/probe_agreement.csv"),
            markdown=result("tables/probe_agreement.md"),
            html=report(
                result("tables/probe_agreement.html"),
                caption="../report/probe_agreement.rst",
                category="Tables",
                labels={"table": "Probe against fine-tuning"},
            ),
        log:
            f"results/logs/compare_probes/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/compare_probes/{STUDY.name}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        params:
            probes=PROBES,
            margin=STUDY.margin,
            code=code("compare_probes.py", "evaluate.yaml"),
        script:
            "../scripts/compare_probes.py"


if REPEATED:

    rule compare_seeds:
        input:
            predictions=[f"results/runs/{run.folder}/predictions.parquet" for run in REPEATED],
        output:
            csv=result("tables/same_against_same.csv"),
            markdown=result("tables/same_against_same.md"),
            html=report(
                result("tables/same_against_same.html"),
                caption="../report/same_against_same.rst",
                category="Tables",
                labels={"table": "Originals against originals"},
            ),
        log:
            f"results/logs/compare_seeds/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/compare_seeds/{STUDY.name}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        params:
            runs=[(run.dataset, run.variant, run.learner, run.seed) for run in REPEATED],
            code=code("compare_seeds.py", "evaluate.yaml"),
        script:
            "../scripts/compare_seeds.py"


# Asked for by name: it needs no data set, and takes minutes.
rule calibrate:
    output:
        csv="results/calibration/calibration.csv",
        markdown="results/calibration/calibration.md",
        html="results/calibration/calibration.html",
    log:
        "results/logs/calibrate.log",
    benchmark:
        "results/benchmarks/calibrate.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        studies=2000,
        margin=0.01,
        code=code("calibrate.py", "evaluate.yaml"),
    script:
        "../scripts/calibrate.py"
