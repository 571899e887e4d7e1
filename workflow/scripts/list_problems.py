"""Adapter of the rule list_problems."""

from jpegprep.common.errors import reported
from jpegprep.results.tables.storage import problems

with reported(snakemake.log[0]):
    files = zip(snakemake.input.manifests, snakemake.input.splits, strict=True)
    problems(dict(zip(snakemake.params.datasets, files, strict=True)), *snakemake.output)
