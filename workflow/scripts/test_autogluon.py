"""Adapter of the rule test_autogluon."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.learners.autogluon_learner import predict_variant
    from jpegprep.learners.gpus import take_gpus

    take_gpus()
    predict_variant(
        snakemake.params.shards,
        snakemake.input.weights[0],
        snakemake.input.model,
        snakemake.params.classes,
        snakemake.output.predictions,
        snakemake.threads,
    )
