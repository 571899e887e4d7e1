"""Adapter of the rule measure_sizes."""

from jpegprep.common.errors import reported
from jpegprep.results.tables.storage import size_vs_ratio

with reported(snakemake.log[0]):
    size_vs_ratio(
        snakemake.params.variants,
        dict(zip(snakemake.params.datasets, snakemake.input.manifests, strict=True)),
        snakemake.input.published,
        *snakemake.output,
    )
