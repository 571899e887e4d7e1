# The paper's figures, and the sizes against the ratio.
#
# Requires: results/<study>/tables/accuracy.csv and size_vs_ratio.csv, history.csv of every run.
# Gives: results/<study>/figures/size_vs_ratio, fig2_accuracy_vs_ratio and fig3_convergence, both also
#        of one data set, and accuracy_vs_parameters where the study has Table II, as .svg and .png.


rule draw_sizes:
    input:
        sizes=result("tables/size_vs_ratio.csv"),
    output:
        svg=report(
            result("figures/size_vs_ratio.svg"),
            caption="../report/size_vs_ratio_figure.rst",
            category="Figures",
            labels={"figure": "Size against ratio"},
        ),
        png=result("figures/size_vs_ratio.png"),
    log:
        f"results/logs/draw_sizes/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/draw_sizes/{STUDY.name}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        code=code("draw_sizes.py", "figures.yaml"),
    script:
        "../scripts/draw_sizes.py"


rule draw_fig2:
    input:
        accuracy=result("tables/accuracy.csv"),
    output:
        svg=report(
            result("figures/fig2_accuracy_vs_ratio.svg"),
            caption="../report/fig2.rst",
            category="Figures",
            labels={"figure": "Figure 2: accuracy against ratio"},
        ),
        png=result("figures/fig2_accuracy_vs_ratio.png"),
    log:
        f"results/logs/draw_fig2/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/draw_fig2/{STUDY.name}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        code=code("draw_fig2.py", "figures.yaml"),
    script:
        "../scripts/draw_fig2.py"


rule draw_fig2_dataset:
    input:
        accuracy=result("tables/accuracy.csv"),
    output:
        svg=report(
            result("figures/fig2_accuracy_vs_ratio_{dataset}.svg"),
            caption="../report/fig2.rst",
            category="Figures",
            labels={"figure": "Figure 2: {dataset}"},
        ),
        png=result("figures/fig2_accuracy_vs_ratio_{dataset}.png"),
    log:
        f"results/logs/draw_fig2_dataset/{STUDY.name}/{{dataset}}.log",
    benchmark:
        f"results/benchmarks/draw_fig2_dataset/{STUDY.name}/{{dataset}}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        code=code("draw_fig2.py", "figures.yaml"),
    script:
        "../scripts/draw_fig2.py"


rule draw_fig3:
    input:
        histories=[f"results/runs/{run.folder}/history.csv" for run in CURVES],
    output:
        svg=report(
            result("figures/fig3_convergence.svg"),
            caption="../report/fig3.rst",
            category="Figures",
            labels={"figure": "Figure 3: accuracy against epoch"},
        ),
        png=result("figures/fig3_convergence.png"),
    log:
        f"results/logs/draw_fig3/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/draw_fig3/{STUDY.name}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        runs=[curve(run) for run in CURVES],
        code=code("draw_fig3.py", "figures.yaml"),
    script:
        "../scripts/draw_fig3.py"


rule draw_fig3_dataset:
    input:
        histories=lambda wildcards: [
            f"results/runs/{run.folder}/history.csv" for run in curves_of(wildcards)
        ],
    output:
        svg=report(
            result("figures/fig3_convergence_{dataset}.svg"),
            caption="../report/fig3.rst",
            category="Figures",
            labels={"figure": "Figure 3: {dataset}"},
        ),
        png=result("figures/fig3_convergence_{dataset}.png"),
    log:
        f"results/logs/draw_fig3_dataset/{STUDY.name}/{{dataset}}.log",
    benchmark:
        f"results/benchmarks/draw_fig3_dataset/{STUDY.name}/{{dataset}}.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        runs=lambda wildcards: [curve(run) for run in curves_of(wildcards)],
        code=code("draw_fig3.py", "figures.yaml"),
    script:
        "../scripts/draw_fig3.py"


if STUDY.model_size:

    rule draw_models:
        input:
            models=result("tables/table2_all_models.csv"),
        output:
            svg=report(
                result("figures/accuracy_vs_parameters.svg"),
                caption="../report/accuracy_vs_parameters.rst",
                category="Figures",
                labels={"figure": "Accuracy against parameters"},
            ),
            png=result("figures/accuracy_vs_parameters.png"),
        log:
            f"results/logs/draw_models/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/draw_models/{STUDY.name}.tsv"
        conda:
            "../../envs/figures.yaml"
        params:
            code=code("draw_models.py", "figures.yaml"),
        script:
            "../scripts/draw_models.py"
