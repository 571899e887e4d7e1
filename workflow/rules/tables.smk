# The paper's tables, and those of the data sets' problems and sizes.
#
# Requires: manifests, splits, shard indexes, config/published.csv,
#           results/<study>/tables/accuracy.csv.
# Gives: results/<study>/tables/table1_datasets, problems, size_vs_ratio and table3_storage, as .csv,
#        .md and .html.
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
