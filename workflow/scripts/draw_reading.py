"""Adapter of the rule draw_reading."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.reading import reading_vs_ratio

with reported(snakemake.log[0]):
    reading_vs_ratio(snakemake.input.table, snakemake.output.svg, snakemake.output.png)
