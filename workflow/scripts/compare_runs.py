"""Adapter of the rule compare_runs."""

from jpegprep.common.errors import reported
from jpegprep.common.layout import Run
from jpegprep.evaluation.accuracy import compare

with reported(snakemake.log[0]):
    compare(
        [Run(*run) for run in snakemake.params.runs],
        snakemake.input.predictions,
        snakemake.params.pairs,
        snakemake.output.differences,
    )
