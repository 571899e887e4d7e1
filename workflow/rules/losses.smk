# What compression costs: the classes that lose most, and the images that flip from right to wrong.
#
# Requires: predictions.parquet of one learner's runs at all its ratios, splits, the test shards.
# Gives: results/<study>/tables/classes as .csv, .md and .html, flips.csv;
#        results/<study>/figures/flips_<dataset> as .svg and .png.


rule list_losses:
    input:
        predictions=[
            file
            for name in STUDY.datasets
            for files in losses_predictions(name).values()
            for file in files
        ],
        splits=DATASET_SPLITS,
    output:
        csv=result("tables/classes.csv"),
        markdown=result("tables/classes.md"),
        html=report(
            result("tables/classes.html"),
            caption="../report/classes.rst",
            category="Tables",
            labels={"table": "Classes that lose most"},
        ),
        flips=result("tables/flips.csv"),
    log:
        f"results/logs/list_losses/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/list_losses/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        predictions={name: losses_predictions(name) for name in STUDY.datasets},
        learner=LOSSES_LEARNER,
        ratio=STUDY.storage_ratio,
        code=code("list_losses.py", "evaluate.yaml"),
    script:
        "../scripts/list_losses.py"


rule draw_flips:
    input:
        flips=result("tables/flips.csv"),
        shards=lambda wildcards: [
            file for tars in losses_shards(wildcards).values() for file in with_indexes(tars)
        ],
    output:
        svg=report(
            result("figures/flips_{dataset}.svg"),
            caption="../report/flips.rst",
            category="Figures",
            labels={"figure": "Images that flip: {dataset}"},
        ),
        png=result("figures/flips_{dataset}.png"),
    log:
        f"results/logs/draw_flips/{STUDY.name}/{{dataset}}.log",
    benchmark:
        f"results/benchmarks/draw_flips/{STUDY.name}/{{dataset}}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        shards=losses_shards,
        learner=LOSSES_LEARNER,
        code=code("draw_flips.py", "figures.yaml"),
    script:
        "../scripts/draw_flips.py"
