"""Adapter of the rule cross_test_timm."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.learners.cross_test import cross_test_timm
    from jpegprep.learners.gpus import take_gpus

    take_gpus()
    cross_test_timm(
        snakemake.params.ratios,
        snakemake.input.models,
        snakemake.params.shards,
        snakemake.input.predictions,
        snakemake.params.recipe,
        snakemake.params.classes,
        snakemake.output.predicted,
        snakemake.threads,
    )
