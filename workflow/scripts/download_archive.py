"""Adapter of the rule download_archive."""

from jpegprep.common.errors import reported
from jpegprep.datasets.fetch import fetch

with reported(snakemake.log[0]) as terminal:
    fetch(
        snakemake.params.source,
        snakemake.output.archive,
        local=snakemake.params.local,
        terminal=terminal,
    )
