# The paper's figures, and the sizes against the ratio.
#
# Requires: results/<study>/tables/accuracy.csv and size_vs_ratio.csv, history.csv of every run.
# Gives: results/<study>/figures/size_vs_ratio, fig2_accuracy_vs_ratio and fig3_convergence, as .svg
#        and .png.


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


rule draw_fig3:
    input:
        histories=run_files("history.csv"),
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
        runs=[
            {
                "dataset": run.dataset,
                "learner": run.learner,
                "ratio": ratio_of_variant(run.variant),
                "seed": run.seed,
            }
            for run in RUNS
        ],
        code=code("draw_fig3.py", "figures.yaml"),
    script:
        "../scripts/draw_fig3.py"
