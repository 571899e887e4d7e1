"""Adapter of the rule cross_test_probe."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.learners.cross_test import cross_test_probe

    cross_test_probe(
        snakemake.params.ratios,
        snakemake.input.models,
        snakemake.input.features,
        snakemake.params.shards,
        snakemake.input.predictions,
        snakemake.output.predicted,
    )
