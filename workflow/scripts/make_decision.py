"""Adapter of the rule make_decision."""

from jpegprep.decision import decisions
from jpegprep.errors import reported

with reported(snakemake.log[0]):
    decisions(
        snakemake.input.differences,
        snakemake.input.sizes,
        snakemake.params.margin,
        *snakemake.output,
    )
