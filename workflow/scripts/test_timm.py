"""Adapter of the rule test_timm."""

from jpegprep.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.gpus import take_gpus
    from jpegprep.training import predict_variant

    take_gpus()
    predict_variant(
        snakemake.params.shards,
        snakemake.input.model,
        snakemake.params.recipe,
        snakemake.params.classes,
        snakemake.output.predictions,
        snakemake.threads,
    )
