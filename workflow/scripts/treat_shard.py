"""Adapter of the rule treat_shard."""

from jpegprep.common.errors import reported
from jpegprep.shards.treatments import treat_shard

with reported(snakemake.log[0]):
    treat_shard(
        snakemake.input.shard,
        snakemake.wildcards.variant,
        snakemake.output.shard,
        snakemake.threads,
    )
