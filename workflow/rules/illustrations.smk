# What illustrates the study: the paper's idea, the rules of the study, pictures of noise.
#
# Requires: workflow/rules/*.smk; the test shards of the data sets of Table IV.
# Gives: results/<study>/figures/fig1_schematic, rulegraph and noise_examples_<dataset>, as .svg and
#        .png.
import json

from jpegprep.common.fingerprint import structure


localrules:
    draw_rulegraph,


rule draw_fig1:
    output:
        svg=report(
            result("figures/fig1_schematic.svg"),
            caption="../report/fig1.rst",
            category="Figures",
            labels={"figure": "Figure 1: two ways to remove noise"},
        ),
        png=result("figures/fig1_schematic.png"),
    log:
        f"results/logs/draw_fig1/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/draw_fig1/{STUDY.name}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        code=code("draw_fig1.py", "figures.yaml"),
    script:
        "../scripts/draw_fig1.py"


rule draw_rulegraph:
    output:
        svg=report(
            result("figures/rulegraph.svg"),
            caption="../report/rulegraph.rst",
            category="Figures",
            labels={"figure": "Rules of the study"},
        ),
        png=result("figures/rulegraph.png"),
    log:
        f"results/logs/draw_rulegraph/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/draw_rulegraph/{STUDY.name}.tsv"
    conda:
        "../../envs/rulegraph.yaml"
    params:
        config=json.dumps(config),
        snakefile=lambda wildcards, output: workflow.main_snakefile,
        # Written once for each data set or probe, and the same for all.
        families=["shard_originals", "train_probe"],
        # Files are no input: a copy of the project has new times, not new rules.
        rules=structure([ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]),
        code=code("draw_rulegraph.py", "rulegraph.yaml"),
    script:
        "../scripts/draw_rulegraph.py"


rule draw_noise:
    input:
        shards=lambda wildcards: [
            file
            for variant in (ORIGINAL, *STUDY.noise_variants())
            for file in with_indexes(shards(wildcards.dataset, variant, "test"))
        ],
    output:
        svg=report(
            result("figures/noise_examples_{dataset}.svg"),
            caption="../report/noise_examples.rst",
            category="Figures",
            labels={"figure": "Noise: {dataset}"},
        ),
        png=result("figures/noise_examples_{dataset}.png"),
    log:
        f"results/logs/draw_noise/{STUDY.name}/{{dataset}}.log",
    benchmark:
        f"results/benchmarks/draw_noise/{STUDY.name}/{{dataset}}.tsv"
    wildcard_constraints:
        dataset="|".join(STUDY.noise_datasets()) or "(?!)",
    conda:
        "../../envs/figures.yaml"
    params:
        shards=lambda wildcards: [
            shards(wildcards.dataset, variant, "test")
            for variant in (ORIGINAL, *STUDY.noise_variants())
        ],
        code=code("draw_noise.py", "figures.yaml"),
    script:
        "../scripts/draw_noise.py"
