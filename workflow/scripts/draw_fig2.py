"""Adapter of the rule draw_fig2."""

from jpegprep.errors import reported
from jpegprep.figures import accuracy_vs_ratio

with reported(snakemake.log[0]):
    accuracy_vs_ratio(snakemake.input.accuracy, snakemake.output.svg, snakemake.output.png)
