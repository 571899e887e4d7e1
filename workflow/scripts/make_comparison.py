"""Adapter of the rule make_comparison."""

from jpegprep.common.errors import reported
from jpegprep.evaluation.decision import comparison

with reported(snakemake.log[0]):
    comparison(
        snakemake.input.differences,
        snakemake.input.accuracy,
        snakemake.input.sizes,
        snakemake.params.margin,
        *snakemake.output,
    )
