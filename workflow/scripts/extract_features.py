"""The adapter of the rule extract_features."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.common.gpus import take_gpus
    from jpegprep.learners.extraction import Known, extract_features, load_network
    from jpegprep.learners.runs import require_gpu
    from jpegprep.shards.shards import splits_of
    from jpegprep.shards.staging import staged

    take_gpus()
    params, weights = snakemake.params, snakemake.input.weights
    about = {name: snakemake.wildcards[name] for name in ("dataset", "learner")}
    if params.needs_gpu:
        require_gpu(about["learner"])
    network = load_network(params.recipe, weights, snakemake.threads)
    # An image that a ratio leaves as it is has the original's features.
    known: Known | None = {} if len(params.variants) > 1 else None
    for variant, folder, target in zip(
        params.variants, snakemake.input.shards, snakemake.output.features, strict=True
    ):
        with staged(splits_of(folder)) as shards:
            extract_features(
                shards,
                weights,
                params.recipe,
                {**about, "variant": variant, "code": params.code},
                target,
                snakemake.threads,
                terminal,
                network,
                known,
            )
