"""Adapter of the rule evaluate_transfers."""

from jpegprep.errors import reported
from jpegprep.evaluation import evaluate_transfers
from jpegprep.layout import Run

with reported(snakemake.log[0]):
    transfers = [(Run(*run), tested) for *run, tested in snakemake.params.transfers]
    evaluate_transfers(transfers, snakemake.input.predictions, snakemake.output.transfer)
