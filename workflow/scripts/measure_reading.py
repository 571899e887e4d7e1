"""Adapter of the rule measure_reading."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]):
    from jpegprep.shards.reading import measure_reading

    measure_reading(
        dict(snakemake.params.shards),
        snakemake.params.bandwidths,
        snakemake.threads,
        snakemake.output[0],
    )
