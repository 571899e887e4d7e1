"""Adapter of the rule draw_fig1."""

from jpegprep.errors import reported
from jpegprep.schematic import schematic

with reported(snakemake.log[0]):
    schematic(snakemake.output.svg, snakemake.output.png)
