"""Adapter of the rule compare_runs."""

from jpegprep.errors import reported
from jpegprep.evaluation import compare
from jpegprep.layout import Run

with reported(snakemake.log[0]):
    compare(
        [Run(*run) for run in snakemake.params.runs],
        snakemake.input.predictions,
        snakemake.params.pairs,
        snakemake.output.differences,
    )
