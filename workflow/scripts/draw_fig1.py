"""Adapter of the rule draw_fig1."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.schematic import schematic

with reported(snakemake.log[0]):
    schematic(snakemake.output.svg, snakemake.output.png)
