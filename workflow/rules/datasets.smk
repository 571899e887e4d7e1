# Where images and weights come from, what is wrong with them, which image goes where.
#
# Requires: config/datasets.yaml, config/weights.yaml.
# Gives: resources/archives/<dataset>/<archive>, resources/weights/<name>.safetensors and .json,
#        results/manifests/<dataset>.parquet, results/splits/<dataset>.parquet;
#        results/groups/<dataset>.parquet, .json, .pairs.csv and .pairs.png.


# The only rules that need a network; they run where Snakemake runs.
localrules:
    download_archive,
    fetch_weights,


rule download_archive:
    output:
        f"{ARCHIVES}/{{archive}}",
    log:
        "<logs>/download_archive/{dataset}/{archive}.log",
    benchmark:
        "<benchmarks>/download_archive/{dataset}/{archive}.tsv"
    conda:
        "../../envs/datasets.yaml"
    resources:
        network=1,
    params:
        call="datasets.fetch:fetch",
        identity=lambda wildcards: identity(archive_source(wildcards)),
        # With `output` among its arguments a parameter triggers no rerun.
        source=lambda wildcards, output: archive_source(wildcards),
        local=lambda wildcards, output: STUDY.archives,
    script:
        "../scripts/call.py"


rule fetch_weights:
    output:
        f"{WEIGHTS}/{{weights}}.safetensors",
        sidecar=f"{WEIGHTS}/{{weights}}.json",
    log:
        "<logs>/fetch_weights/{weights}.log",
    benchmark:
        "<benchmarks>/fetch_weights/{weights}.tsv"
    conda:
        "../../envs/learners_timm.yaml"
    params:
        **calls("datasets.weights:fetch_weights", "learners_timm.yaml"),
        identity=lambda wildcards: identity(STUDY.weights[wildcards.weights]),
        entry=lambda wildcards, output: STUDY.weights[wildcards.weights],
    script:
        "../scripts/call.py"


rule build_manifest:
    input:
        archives=archives_of,
    output:
        manifest=MANIFEST,
    log:
        "<logs>/build_manifest/{dataset}.log",
    benchmark:
        "<benchmarks>/build_manifest/{dataset}.tsv"
    conda:
        "../../envs/shards.yaml"
    threads: beside_weights
    params:
        **calls("datasets.manifest:build_manifest", "shards.yaml"),
        content=content,
    script:
        "../scripts/call.py"


# Near copies are looked for where they are to stay together; elsewhere no archive is read.
rule find_groups:
    input:
        manifest=MANIFEST,
        archives=lambda wildcards: archives_of(wildcards) if together(wildcards) else [],
    output:
        groups=GROUPS,
        facts=GROUPS.replace(".parquet", ".json"),
        pairs=GROUPS.replace(".parquet", ".pairs.csv"),
        sheet=GROUPS.replace(".parquet", ".pairs.png"),
    log:
        "<logs>/find_groups/{dataset}.log",
    benchmark:
        "<benchmarks>/find_groups/{dataset}.tsv"
    conda:
        "../../envs/shards.yaml"
    threads: beside_weights
    params:
        **calls("datasets.groups:find_groups", "shards.yaml"),
        content=content,
        duplicates=lambda wildcards: of_dataset("split")(wildcards)["duplicates"],
    script:
        "../scripts/call.py"


rule split_dataset:
    input:
        manifest=MANIFEST,
        groups=GROUPS,
        plan=plan_of_own,
    output:
        split=SPLIT,
    log:
        "<logs>/split_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/split_dataset/{dataset}.tsv"
    conda:
        "../../envs/shards.yaml"
    params:
        **calls("datasets.splits:split_dataset", "shards.yaml"),
        how=of_dataset("split"),
        shards=of_dataset("shards"),
        once=bool(OWN),
        limit=limit_of_own,
    script:
        "../scripts/call.py"
