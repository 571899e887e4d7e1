"""Adapter of the rule draw_fig3."""

from jpegprep.common.errors import reported
from jpegprep.results.figures.accuracy import convergence

with reported(snakemake.log[0]):
    histories = zip(snakemake.params.runs, snakemake.input.histories, strict=True)
    convergence(list(histories), snakemake.output.svg, snakemake.output.png)
