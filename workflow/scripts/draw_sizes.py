"""Adapter of the rule draw_sizes."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.accuracy import size_vs_ratio

with reported(snakemake.log[0]):
    size_vs_ratio(snakemake.input.sizes, snakemake.output.svg, snakemake.output.png)
