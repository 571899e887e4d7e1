"""Adapter of the rule evaluate_runs."""

from jpegprep.errors import reported
from jpegprep.evaluation import evaluate
from jpegprep.layout import Run

with reported(snakemake.log[0]):
    evaluate(
        [Run(*run) for run in snakemake.params.runs],
        snakemake.input.predictions,
        snakemake.input.records,
        snakemake.output.runs,
        snakemake.output.accuracy,
    )
