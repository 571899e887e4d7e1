"""Adapter of the rule draw_reading."""

from jpegprep.errors import reported
from jpegprep.reading_figure import reading_vs_ratio

with reported(snakemake.log[0]):
    reading_vs_ratio(snakemake.input.table, snakemake.output.svg, snakemake.output.png)
