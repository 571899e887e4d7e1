"""Adapter of the rule evaluate_transfers."""

from jpegprep.common.errors import reported
from jpegprep.common.layout import Run
from jpegprep.evaluation.accuracy import evaluate_transfers

with reported(snakemake.log[0]):
    transfers = [(Run(*run), tested) for *run, tested in snakemake.params.transfers]
    evaluate_transfers(transfers, snakemake.input.predictions, snakemake.output.transfer)
