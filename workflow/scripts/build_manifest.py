"""Adapter of the rule build_manifest."""

from jpegprep.errors import reported
from jpegprep.manifest import build_manifest

with reported(snakemake.log[0]):
    build_manifest(
        snakemake.params.content,
        snakemake.input.archives,
        snakemake.output.manifest,
        snakemake.threads,
    )
