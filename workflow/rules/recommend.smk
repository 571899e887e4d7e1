# The recommendation for a user's own images: snakemake recommend --config images=PATH
#
# Requires: images=PATH on the command line, config/recommend.yaml.
# Gives: results/recommend/<name>/recommendation.md, .json, .svg and .png.
#
# The only checkpoint of the workflow: at which ratio a network is fine-tuned, the probe says.

if OWN:

    checkpoint propose_ratio:
        input:
            differences=result("tables/differences.csv"),
            sizes=result("tables/size_vs_ratio.csv"),
        output:
            proposal=result("proposal.json"),
        log:
            f"results/logs/propose_ratio/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/propose_ratio/{STUDY.name}.tsv"
        conda:
            "../../envs/recommend.yaml"
        params:
            probe=OWN["probe"],
            margin=OWN["margin"],
            least_saving=OWN["least_saving"],
            code=code("propose_ratio.py", "recommend.yaml"),
        script:
            "../scripts/propose_ratio.py"

    # As in reading.smk, nothing else may run beside a measurement.
    rule measure_own_reading:
        input:
            lambda wildcards: [file for _, tars in compared_shards() for file in with_indexes(tars)],
        output:
            result("reading.csv"),
        log:
            f"results/logs/measure_own_reading/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/measure_own_reading/{STUDY.name}.tsv"
        conda:
            "../../envs/shards.yaml"
        threads: 8
        resources:
            gpu=1,
            mem_mb=4000,
            runtime=60,
        params:
            shards=lambda wildcards: compared_shards(),
            bandwidths=OWN["bandwidths"],
            code=code("measure_reading.py", "shards.yaml"),
        script:
            "../scripts/measure_reading.py"

    rule make_recommendation:
        input:
            proposal=result("proposal.json"),
            differences=result("tables/differences.csv"),
            accuracy=result("tables/accuracy.csv"),
            sizes=result("tables/size_vs_ratio.csv"),
            manifest=f"results/manifests/{OWN_DATASET}.parquet",
            split=f"results/splits/{OWN_DATASET}.parquet",
            original=lambda wildcards: confirming_runs(proposed_variant() and ORIGINAL),
            compressed=lambda wildcards: confirming_runs(proposed_variant()),
            reading=lambda wildcards: (
                [result("reading.csv")] if OWN["confirm"] and proposed_variant() else []
            ),
        output:
            markdown=result("recommendation.md"),
            json=result("recommendation.json"),
            svg=result("recommendation.svg"),
            png=result("recommendation.png"),
        log:
            f"results/logs/make_recommendation/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/make_recommendation/{STUDY.name}.tsv"
        conda:
            "../../envs/recommend.yaml"
        params:
            what={
                key: OWN[key]
                for key in ("images", "name", "margin", "probe", "confirm", "learners")
            },
            code=code("make_recommendation.py", "recommend.yaml"),
        script:
            "../scripts/make_recommendation.py"

    rule recommend:
        input:
            result("recommendation.md"),

else:

    rule recommend:
        input:
            lambda wildcards: sys.exit(
                "error: name your images: snakemake --cores 8 recommend --config images=PATH"
            ),
