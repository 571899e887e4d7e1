"""Adapter of the rule extract_features."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.learners.extraction import extract_features
    from jpegprep.learners.gpus import take_gpus
    from jpegprep.learners.runs import require_gpu
    from jpegprep.shards.staging import staged

    take_gpus()
    about = {name: snakemake.wildcards[name] for name in ("dataset", "variant", "learner")}
    if snakemake.params.needs_gpu:
        require_gpu(about["learner"])
    with staged(snakemake.params.shards) as shards:
        extract_features(
            shards,
            snakemake.input.weights[0],
            snakemake.params.recipe,
            {**about, "code": snakemake.params.code},
            snakemake.output.features,
            snakemake.threads,
            terminal=terminal,
        )
