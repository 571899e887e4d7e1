"""Adapter of the rule make_decision."""

from jpegprep.common.errors import reported
from jpegprep.evaluation.decision import decisions

with reported(snakemake.log[0]):
    decisions(
        snakemake.input.differences,
        snakemake.input.sizes,
        snakemake.params.margin,
        *snakemake.output,
    )
