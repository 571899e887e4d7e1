"""Adapter of the rule fetch_weights."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.datasets.weights import fetch_weights

    fetch_weights(snakemake.params.entry, snakemake.output.weights)
