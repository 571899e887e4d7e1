# The paper's tables, and those of the data sets' problems and sizes.
#
# Requires: manifests, splits, shard indexes, history.csv of every run, config/published.csv,
#           results/<study>/tables/accuracy.csv, runs.csv and transfer.csv.
# Gives: results/<study>/tables/table1_datasets, problems, size_vs_ratio, table3_storage, convergence
#        and reproduction, as .csv, .md and .html; table2_model_size, table2_all_models, table4_noise
#        and table5_tabular where the study has the experiment.
#
# One label a result: of two labels with two values each the report makes two switches, and its page
# breaks where a combination of them is no result.


rule make_table1:
    input:
        manifests=MANIFESTS,
        splits=DATASET_SPLITS,
        published=ROOT / "config/published.csv",
    output:
        csv=result("tables/table1_datasets.csv"),
        markdown=result("tables/table1_datasets.md"),
        html=report(
            result("tables/table1_datasets.html"),
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "Table I: data sets"},
        ),
    log:
        f"results/logs/make_table1/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/make_table1/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        datasets=list(STUDY.datasets),
        notes=[entry.get("note", "") for entry in STUDY.datasets.values()],
        code=code("make_table1.py", "evaluate.yaml"),
    script:
        "../scripts/make_table1.py"


rule list_problems:
    input:
        manifests=MANIFESTS,
        splits=DATASET_SPLITS,
    output:
        csv=result("tables/problems.csv"),
        markdown=result("tables/problems.md"),
        html=report(
            result("tables/problems.html"),
            caption="../report/problems.rst",
            category="Tables",
            labels={"table": "What is wrong with the images"},
        ),
    log:
        f"results/logs/list_problems/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/list_problems/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        datasets=list(STUDY.datasets),
        code=code("list_problems.py", "evaluate.yaml"),
    script:
        "../scripts/list_problems.py"


rule measure_sizes:
    input:
        shards=[
            file
            for name in STUDY.datasets
            for variant in STUDY.variants()
            for file in with_indexes(all_shards(name, variant))
        ],
        manifests=MANIFESTS,
        published=ROOT / "config/published.csv",
    output:
        csv=result("tables/size_vs_ratio.csv"),
        markdown=result("tables/size_vs_ratio.md"),
        html=report(
            result("tables/size_vs_ratio.html"),
            caption="../report/size_vs_ratio.rst",
            category="Tables",
            labels={"table": "Size against ratio"},
        ),
    log:
        f"results/logs/measure_sizes/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/measure_sizes/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        datasets=list(STUDY.datasets),
        variants=[
            (name, ratio, STUDY.variant(ratio), all_shards(name, STUDY.variant(ratio)))
            for name in STUDY.datasets
            for ratio in STUDY.ratios
        ],
        code=code("measure_sizes.py", "evaluate.yaml"),
    script:
        "../scripts/measure_sizes.py"


rule make_table3:
    input:
        original=[
            file for name in STUDY.datasets for file in with_indexes(all_shards(name, ORIGINAL))
        ],
        compressed=[
            file
            for name in STUDY.datasets
            for file in with_indexes(all_shards(name, STUDY.variant(STUDY.storage_ratio)))
        ],
        accuracy=result("tables/accuracy.csv"),
        differences=result("tables/differences.csv"),
    output:
        csv=result("tables/table3_storage.csv"),
        markdown=result("tables/table3_storage.md"),
        html=report(
            result("tables/table3_storage.html"),
            caption="../report/table3.rst",
            category="Tables",
            labels={"table": "Table III: storage and accuracy"},
        ),
    log:
        f"results/logs/make_table3/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/make_table3/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        ratio=STUDY.storage_ratio,
        shards={
            name: (
                all_shards(name, ORIGINAL),
                all_shards(name, STUDY.variant(STUDY.storage_ratio)),
            )
            for name in STUDY.datasets
        },
        code=code("make_table3.py", "evaluate.yaml"),
    script:
        "../scripts/make_table3.py"


rule measure_convergence:
    input:
        histories=[f"results/runs/{run.folder}/history.csv" for run in CURVES],
    output:
        csv=result("tables/convergence.csv"),
        markdown=result("tables/convergence.md"),
        html=report(
            result("tables/convergence.html"),
            caption="../report/convergence.rst",
            category="Tables",
            labels={"table": "Figure 3 in numbers: epochs to converge"},
        ),
    log:
        f"results/logs/measure_convergence/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/measure_convergence/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        runs=[curve(run) for run in CURVES],
        code=code("measure_convergence.py", "evaluate.yaml"),
    script:
        "../scripts/measure_convergence.py"


if STUDY.model_size:

    rule make_table2:
        input:
            accuracy=result("tables/accuracy.csv"),
            differences=result("tables/differences.csv"),
            runs=result("tables/runs.csv"),
        output:
            csv=result("tables/table2_model_size.csv"),
            markdown=result("tables/table2_model_size.md"),
            html=report(
                result("tables/table2_model_size.html"),
                caption="../report/table2.rst",
                category="Tables",
                labels={"table": "Table II: model size"},
            ),
            all_csv=result("tables/table2_all_models.csv"),
            all_markdown=result("tables/table2_all_models.md"),
            all_html=report(
                result("tables/table2_all_models.html"),
                caption="../report/table2_all.rst",
                category="Tables",
                labels={"table": "Table II, all networks"},
            ),
        log:
            f"results/logs/make_table2/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/make_table2/{STUDY.name}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        params:
            what=dict(STUDY.model_size),
            learners=NETWORKS,
            code=code("make_table2.py", "evaluate.yaml"),
        script:
            "../scripts/make_table2.py"


if STUDY.noise:

    rule make_table4:
        input:
            accuracy=result("tables/accuracy.csv"),
            differences=result("tables/differences.csv"),
            transfer=result("tables/transfer.csv"),
        output:
            csv=result("tables/table4_noise.csv"),
            markdown=result("tables/table4_noise.md"),
            html=report(
                result("tables/table4_noise.html"),
                caption="../report/table4.rst",
                category="Tables",
                labels={"table": "Table IV: noise"},
            ),
        log:
            f"results/logs/make_table4/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/make_table4/{STUDY.name}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        params:
            what=dict(STUDY.noise),
            code=code("make_table4.py", "evaluate.yaml"),
        script:
            "../scripts/make_table4.py"


if STUDY.tabular:

    rule make_table5:
        input:
            accuracy=result("tables/accuracy.csv"),
            differences=result("tables/differences.csv"),
        output:
            csv=result("tables/table5_tabular.csv"),
            markdown=result("tables/table5_tabular.md"),
            html=report(
                result("tables/table5_tabular.html"),
                caption="../report/table5.rst",
                category="Tables",
                labels={"table": "Tabular classifiers"},
            ),
        log:
            f"results/logs/make_table5/{STUDY.name}.log",
        benchmark:
            f"results/benchmarks/make_table5/{STUDY.name}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        params:
            what=dict(STUDY.tabular),
            features=STUDY.recipe(STUDY.tabular["learner"])["features"],
            code=code("make_table5.py", "evaluate.yaml"),
        script:
            "../scripts/make_table5.py"


rule compare_published:
    input:
        **REPRODUCED,
        published=ROOT / "config/published.csv",
    output:
        csv=result("tables/reproduction.csv"),
        markdown=result("tables/reproduction.md"),
        html=report(
            result("tables/reproduction.html"),
            caption="../report/reproduction.rst",
            category="Tables",
            labels={"table": "Published against ours"},
        ),
    log:
        f"results/logs/compare_published/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/compare_published/{STUDY.name}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    params:
        numbers=list(REPRODUCED),
        learner=PAPERS_LEARNER,
        code=code("compare_published.py", "evaluate.yaml"),
    script:
        "../scripts/compare_published.py"
