"""Adapter of the rule test_timm."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.learners.gpus import take_gpus
    from jpegprep.learners.training import predict_variant

    take_gpus()
    predict_variant(
        snakemake.params.shards,
        snakemake.input.model,
        snakemake.params.recipe,
        snakemake.params.classes,
        snakemake.output.predictions,
        snakemake.threads,
    )
