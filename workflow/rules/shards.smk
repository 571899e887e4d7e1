# From archives to shards: what is in them, which image goes where, and each variant of it.
#
# Requires: resources/archives/<dataset>/….
# Gives: results/manifests/<dataset>.parquet, results/splits/<dataset>.parquet,
#        results/shards/<dataset>/<variant>/<split>-<k>.tar with an index beside each.


rule build_manifest:
    input:
        archives=archives,
    output:
        manifest="results/manifests/{dataset}.parquet",
    log:
        "results/logs/build_manifest/{dataset}.log",
    benchmark:
        "results/benchmarks/build_manifest/{dataset}.tsv"
    conda:
        "../../envs/shards.yaml"
    threads: image_threads
    params:
        content=lambda wildcards: content(wildcards.dataset),
        code=code("build_manifest.py", "shards.yaml"),
    script:
        "../scripts/build_manifest.py"


rule split_dataset:
    input:
        manifest="results/manifests/{dataset}.parquet",
    output:
        split="results/splits/{dataset}.parquet",
    log:
        "results/logs/split_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/split_dataset/{dataset}.tsv"
    conda:
        "../../envs/shards.yaml"
    params:
        split=lambda wildcards: dataset(wildcards)["split"],
        shards=lambda wildcards: dataset(wildcards)["shards"],
        code=code("split_dataset.py", "shards.yaml"),
    script:
        "../scripts/split_dataset.py"


# One rule a data set, since the number of its shards stands in the registry and all of them are
# written in one pass over its archives.
for name in STUDY.datasets:

    rule:
        name:
            f"shard_originals_{name.replace('-', '_')}"
        input:
            archives=[
                f"resources/archives/{name}/{archive['name']}"
                for archive in STUDY.datasets[name]["archives"]
            ],
            manifest=f"results/manifests/{name}.parquet",
            split=f"results/splits/{name}.parquet",
        output:
            shards=all_shards(name, ORIGINAL),
            indexes=[str(index_of(tar)) for tar in all_shards(name, ORIGINAL)],
        log:
            f"results/logs/shard_originals/{name}.log",
        benchmark:
            f"results/benchmarks/shard_originals/{name}.tsv"
        conda:
            "../../envs/shards.yaml"
        params:
            content=content(name),
            places=[
                (split, k)
                for split in SPLITS
                for k in range(STUDY.datasets[name]["shards"][split])
            ],
            code=code("shard_originals.py", "shards.yaml"),
        script:
            "../scripts/shard_originals.py"


rule treat_shard:
    input:
        shard="results/shards/{dataset}/original/{split}-{k}.tar",
        index="results/shards/{dataset}/original/{split}-{k}.index.parquet",
    output:
        shard="results/shards/{dataset}/{variant}/{split}-{k}.tar",
        index="results/shards/{dataset}/{variant}/{split}-{k}.index.parquet",
    log:
        "results/logs/treat_shard/{dataset}/{variant}/{split}-{k}.log",
    benchmark:
        "results/benchmarks/treat_shard/{dataset}/{variant}/{split}-{k}.tsv"
    wildcard_constraints:
        variant=f"(?!original)({PATTERN})",
    conda:
        "../../envs/shards.yaml"
    threads: image_threads
    params:
        code=code("treat_shard.py", "shards.yaml"),
    script:
        "../scripts/treat_shard.py"
