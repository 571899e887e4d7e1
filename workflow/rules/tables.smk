# The paper's tables.
#
# Requires: splits, shard indexes, results/<study>/tables/accuracy.csv.
# Gives: results/<study>/tables/table1_datasets and table3_storage, as .csv and .md.


rule make_table1:
    input:
        splits=expand("results/splits/{dataset}.parquet", dataset=STUDY.datasets),
    output:
        csv=report(
            result("tables/table1_datasets.csv"),
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "Table I", "shows": "data sets"},
        ),
        markdown=result("tables/table1_datasets.md"),
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
        csv=report(
            result("tables/table3_storage.csv"),
            caption="../report/table3.rst",
            category="Tables",
            labels={"table": "Table III", "shows": "storage and accuracy"},
        ),
        markdown=result("tables/table3_storage.md"),
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
