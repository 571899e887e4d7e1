"""Adapter of the rule make_table1."""

from jpegprep.common.errors import reported
from jpegprep.results.tables.storage import table1

with reported(snakemake.log[0]):
    columns = snakemake.input.manifests, snakemake.input.splits, snakemake.params.notes
    files = zip(*columns, strict=True)
    datasets = dict(zip(snakemake.params.datasets, files, strict=True))
    table1(datasets, snakemake.input.published, *snakemake.output)
