"""Adapter of the rule evaluate_runs."""

from jpegprep.common.errors import reported
from jpegprep.common.layout import Run
from jpegprep.evaluation.accuracy import evaluate

with reported(snakemake.log[0]):
    evaluate(
        [Run(*run) for run in snakemake.params.runs],
        snakemake.input.predictions,
        snakemake.input.records,
        snakemake.output.runs,
        snakemake.output.accuracy,
    )
