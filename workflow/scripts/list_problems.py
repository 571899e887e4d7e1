"""Adapter of the rule list_problems."""

from jpegprep.errors import reported
from jpegprep.tables import problems

with reported(snakemake.log[0]):
    files = zip(snakemake.input.manifests, snakemake.input.splits, strict=True)
    problems(dict(zip(snakemake.params.datasets, files, strict=True)), *snakemake.output)
