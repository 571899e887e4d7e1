"""Adapter of the rule make_reading_table."""

from jpegprep.common.errors import reported
from jpegprep.evaluation.reading_table import reading_table

with reported(snakemake.log[0]):
    reading_table(
        dict(zip(snakemake.params.datasets, snakemake.input.measured, strict=True)),
        snakemake.params.histories,
        snakemake.params.learner,
        snakemake.params.ratio,
        *snakemake.output,
    )
