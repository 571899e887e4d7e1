# The images of every variant as shards, and how fast they are read.
#
# Requires: resources/archives/<dataset>/…, manifests and splits.
# Gives: results/shards/<dataset>/<variant>/ with <split>-<k>.tar and an index beside each;
#        results/<study>/bytes/<dataset>.csv, where the bytes are;
#        results/<study>/reading/<dataset>.csv, where the study has the experiment.


rule shard_originals:
    input:
        archives=archives_of,
        manifest=MANIFEST,
        split=SPLIT,
    output:
        directory(ORIGINALS),
    log:
        "<logs>/shard_originals/{dataset}.log",
    benchmark:
        "<benchmarks>/shard_originals/{dataset}.tsv"
    conda:
        "../../envs/shards.yaml"
    params:
        **calls("shards.treatments:write_original_shards", "shards.yaml"),
        content=content,
        counts=of_dataset("shards"),
    script:
        "../scripts/call.py"


if OWN:

    # Of a user's own images one job makes all variants: each image is decoded once.
    rule shard_variants:
        input:
            originals=ORIGINALS,
        output:
            folders=[
                directory(SHARDS.format(dataset="{dataset}", variant=variant))
                for variant in STUDY.variants()[1:]
            ],
        log:
            "<logs>/shard_variants/{dataset}.log",
        benchmark:
            "<benchmarks>/shard_variants/{dataset}.tsv"
        conda:
            "../../envs/shards.yaml"
        threads: image_threads
        params:
            **calls("shards.treatments:write_all_variants", "shards.yaml"),
            variants=STUDY.variants()[1:],
        script:
            "../scripts/call.py"

else:

    rule shard_variant:
        input:
            originals=ORIGINALS,
        output:
            directory(SHARDS),
        log:
            "<logs>/shard_variant/{dataset}/{variant}.log",
        benchmark:
            "<benchmarks>/shard_variant/{dataset}/{variant}.tsv"
        wildcard_constraints:
            variant=f"(?!original(/|$))({PATTERN})",
        conda:
            "../../envs/shards.yaml"
        threads: image_threads
        params:
            **calls("shards.treatments:write_variant_shards", "shards.yaml"),
        script:
            "../scripts/call.py"


rule measure_bytes:
    input:
        shards=lambda wildcards: flat(STUDY.by_ratio(wildcards.dataset)),
    output:
        STUDY.file("bytes/{dataset}.csv"),
    log:
        f"<logs>/measure_bytes/{STUDY.name}/{{dataset}}.log",
    benchmark:
        f"<benchmarks>/measure_bytes/{STUDY.name}/{{dataset}}.tsv"
    conda:
        "../../envs/shards.yaml"
    threads: image_threads
    params:
        **calls("shards.savings:measure_bytes", "shards.yaml"),
        shapes=lambda wildcards: shapes({"shards": STUDY.by_ratio(wildcards.dataset)}),
    script:
        "../scripts/call.py"


if STUDY.reading:

    # A measurement, and no two are equal. Nothing else may run beside it: it asks for the threads of
    # a training and, GPU or not, for the gpu=1 that keeps trainings apart. On more cores than these
    # a job without either may still start.
    rule measure_reading:
        input:
            shards=lambda wildcards: flat(STUDY.by_ratio(wildcards.dataset)),
        output:
            STUDY.file("reading/{dataset}.csv"),
        log:
            f"<logs>/measure_reading/{STUDY.name}/{{dataset}}.log",
        benchmark:
            f"<benchmarks>/measure_reading/{STUDY.name}/{{dataset}}.tsv"
        conda:
            "../../envs/shards.yaml"
        threads: 8
        resources:
            gpu=1,
            mem_mb=4000,
            runtime=60,
        params:
            **calls("shards.reading:measure_reading", "shards.yaml"),
            shapes=lambda wildcards: shapes({"shards": STUDY.by_ratio(wildcards.dataset)}),
            bandwidths=STUDY.reading["bandwidths"],
        script:
            "../scripts/call.py"
