# What is asked for by name: the recommendation for a user's own images, the plan, the costs.
#
# Requires: of `recommend`, images=PATH on the command line and config/recommend.yaml; of `plan` and
#           `costs`, config/sizes.csv and config/throughput.csv, and what is there already.
# Gives: results/recommend/<name>/recommendation.md, .json, .svg and .png; the plan on the terminal
#        and in its log; results/costs/.


localrules:
    recommend,
    plan,
    costs,


rule plan:
    log:
        f"<logs>/plan/{STUDY.name}.log",
    # No benchmark: a rule without output that has one runs only once.
    conda:
        "../../envs/report.yaml"
    params:
        call="answers.plan:plan",
        snakefile=SNAKEFILE,
        config=json.dumps(config),
        study=facts_of(STUDY),
        sizes=str(ROOT / "config/sizes.csv"),
        throughput=str(ROOT / "config/throughput.csv"),
    script:
        "../scripts/call.py"


rule costs:
    output:
        rules=expand("results/costs/rules.{kind}", kind=("csv", "md", "html")),
        devices=expand("results/costs/devices.{kind}", kind=("csv", "md", "html")),
        figures=expand("results/costs/costs.{kind}", kind=("svg", "png")),
    log:
        "<logs>/costs/all.log",
    benchmark:
        "<benchmarks>/costs/all.tsv"
    conda:
        "../../envs/results.yaml"
    params:
        **calls("answers.costs:write_costs", "results.yaml"),
        benchmarks=BENCHMARKS,
        # No input: Snakemake would make again whatever job of it is stale.
        latest=latest_benchmark,
        runs="results/runs",
        datasets=STUDY.datasets,
        throughput=str(ROOT / "config/throughput.csv"),
    script:
        "../scripts/call.py"


if OWN:

    # The only checkpoint of the workflow: at which ratio a network is fine-tuned, the probe says.
    checkpoint propose_ratio:
        input:
            differences=STUDY.table("differences"),
            sizes=STUDY.table("size_vs_ratio"),
            predictions=flat(probed()),
            split=STUDY.splits()[OWN_DATASET],
        output:
            STUDY.file("proposal.json"),
        log:
            f"<logs>/propose_ratio/{STUDY.name}.log",
        benchmark:
            f"<benchmarks>/propose_ratio/{STUDY.name}.tsv"
        conda:
            "../../envs/results.yaml"
        params:
            **calls("answers.proposal:propose", "results.yaml"),
            shapes=shapes({"predictions": probed()}),
            probe=OWN["probe"],
            margin=OWN["margin"],
            class_margin=OWN["class_margin"],
            least_saving=OWN["least_saving"],
        script:
            "../scripts/call.py"

    # As in shards.smk, nothing else may run beside a measurement.
    rule measure_own_reading:
        input:
            shards=lambda wildcards: flat(compared_shards(wildcards)),
        output:
            STUDY.file("reading.csv"),
        log:
            f"<logs>/measure_own_reading/{STUDY.name}.log",
        benchmark:
            f"<benchmarks>/measure_own_reading/{STUDY.name}.tsv"
        conda:
            "../../envs/shards.yaml"
        threads: 8
        resources:
            gpu=1,
            mem_mb=4000,
            runtime=60,
        params:
            **calls("shards.reading:measure_reading", "shards.yaml"),
            shapes=lambda wildcards: shapes({"shards": compared_shards(wildcards)}),
            bandwidths=OWN["bandwidths"],
        script:
            "../scripts/call.py"

    rule make_recommendation:
        input:
            proposal=STUDY.file("proposal.json"),
            differences=STUDY.table("differences"),
            accuracy=STUDY.table("accuracy"),
            sizes=STUDY.table("size_vs_ratio"),
            manifest=STUDY.manifests()[OWN_DATASET],
            split=STUDY.splits()[OWN_DATASET],
            original=confirming(compressed=False),
            compressed=confirming(compressed=True),
            reading=lambda wildcards: (
                [STUDY.file("reading.csv")] if OWN["confirm"] and proposed_ratio() else []
            ),
        output:
            [STUDY.file(f"recommendation.{kind}") for kind in ("md", "json", "svg", "png")],
        log:
            f"<logs>/make_recommendation/{STUDY.name}.log",
        benchmark:
            f"<benchmarks>/make_recommendation/{STUDY.name}.tsv"
        conda:
            "../../envs/results.yaml"
        params:
            **calls("answers.recommend:recommend", "results.yaml"),
            what={
                key: OWN[key]
                for key in (
                    *("images", "name", "margin", "class_margin", "probe", "confirm", "learners"),
                )
            },
        script:
            "../scripts/call.py"

    rule recommend:
        input:
            STUDY.file("recommendation.md"),

else:

    rule recommend:
        input:
            lambda wildcards: sys.exit(
                "error: name your images: snakemake --cores 8 recommend --config images=PATH"
            ),
