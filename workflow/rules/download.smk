# Archives and pretrained weights: the only rules that need a network. They run where Snakemake runs.
#
# Requires: config/datasets.yaml, config/weights.yaml.
# Gives: resources/archives/<dataset>/<archive>, resources/weights/<name>.safetensors and .json.


localrules:
    download_archive,
    fetch_weights,


rule download_archive:
    output:
        archive="resources/archives/{dataset}/{archive}",
    log:
        "results/logs/download_archive/{dataset}/{archive}.log",
    benchmark:
        "results/benchmarks/download_archive/{dataset}/{archive}.tsv"
    conda:
        "../../envs/download.yaml"
    resources:
        network=1,
    params:
        identity=lambda wildcards: identity(archive_source(wildcards)),
        # With `output` among its arguments a parameter triggers no rerun.
        source=lambda wildcards, output: archive_source(wildcards),
        local=lambda wildcards, output: STUDY.archives,
    script:
        "../scripts/download_archive.py"


rule fetch_weights:
    output:
        weights="resources/weights/{weights}.safetensors",
        sidecar="resources/weights/{weights}.json",
    log:
        "results/logs/fetch_weights/{weights}.log",
    benchmark:
        "results/benchmarks/fetch_weights/{weights}.tsv"
    conda:
        "../../envs/train_timm.yaml"
    params:
        identity=lambda wildcards: identity(STUDY.weights[wildcards.weights]),
        entry=lambda wildcards, output: STUDY.weights[wildcards.weights],
        code=code("fetch_weights.py", "train_timm.yaml"),
    script:
        "../scripts/fetch_weights.py"
