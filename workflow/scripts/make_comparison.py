"""Adapter of the rule make_comparison."""

from jpegprep.decision import comparison
from jpegprep.errors import reported

with reported(snakemake.log[0]):
    comparison(
        snakemake.input.differences,
        snakemake.input.accuracy,
        snakemake.input.sizes,
        snakemake.params.margin,
        *snakemake.output,
    )
