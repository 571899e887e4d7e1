# The paper's tables.
#
# Requires: splits, shard indexes, results/<study>/tables/accuracy.csv.
# Gives: results/<study>/tables/table1_datasets and table3_storage, as .csv, .md and .html.
#
# One label a result: of two labels with two values each the report makes two switches, and its page
# breaks where a combination of them is no result.


rule make_table1:
    input:
        splits=expand("results/splits/{dataset}.parquet", dataset=STUDY.datasets),
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
        code=code("make_table1.py", "evaluate.yaml"),
    script:
        "../scripts/make_table1.py"


rule make_table3:
    input:
        original=[
            file for name in STUDY.datasets for file in with_indexes(all_shards(name, ORIGINAL))
        ],
        compressed=[
            file
            for name in STUDY.datasets
            for file in with_indexes(all_shards(name, variant_of_ratio(STUDY.storage_ratio)))
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
                all_shards(name, variant_of_ratio(STUDY.storage_ratio)),
            )
            for name in STUDY.datasets
        },
        code=code("make_table3.py", "evaluate.yaml"),
    script:
        "../scripts/make_table3.py"
