"""Adapter of the rule test_autogluon."""

from jpegprep.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.autogluon_learner import predict_variant
    from jpegprep.gpus import take_gpus

    take_gpus()
    predict_variant(
        snakemake.params.shards,
        snakemake.input.weights[0],
        snakemake.input.model,
        snakemake.params.classes,
        snakemake.output.predictions,
        snakemake.threads,
    )
