"""Adapter of the rule draw_models."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.accuracy import accuracy_vs_parameters

with reported(snakemake.log[0]):
    accuracy_vs_parameters(snakemake.input.models, snakemake.output.svg, snakemake.output.png)
