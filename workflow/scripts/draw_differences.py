"""Adapter of the rule draw_differences."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.accuracy import difference_vs_ratio

with reported(snakemake.log[0]):
    difference_vs_ratio(
        snakemake.input.differences,
        snakemake.params.margin,
        snakemake.output.svg,
        snakemake.output.png,
    )
