"""The adapter of nearly every rule: calls the function that the rule names."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.common.gpus import take_gpus
    from jpegprep.common.jobs import call

    if snakemake.resources.get("gpu"):
        take_gpus()
    call(snakemake, terminal)
