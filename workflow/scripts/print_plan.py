"""Adapter of the rule plan."""

from jpegprep.answers.plan import plan
from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    text = plan(
        snakemake.params.snakefile,
        snakemake.params.config,
        snakemake.params.study,
        snakemake.params.sizes,
        snakemake.params.throughput,
    )
    print(text)  # into the log
    print(f"\n{text}", file=terminal)
