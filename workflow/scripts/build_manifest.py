"""Adapter of the rule build_manifest."""

from jpegprep.common.errors import reported
from jpegprep.datasets.manifest import build_manifest

with reported(snakemake.log[0]):
    build_manifest(
        snakemake.params.content,
        snakemake.input.archives,
        snakemake.output.manifest,
        snakemake.threads,
    )
