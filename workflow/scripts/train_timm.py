"""Adapter of the rule train_timm."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.learners.gpus import take_gpus
    from jpegprep.learners.runs import job_arguments, require_gpu, tell_progress
    from jpegprep.learners.training import train
    from jpegprep.shards.staging import staged

    arguments = job_arguments(snakemake)
    take_gpus(snakemake.resources.gpu)
    if snakemake.params.needs_gpu:
        require_gpu(arguments["about"]["learner"])
    with staged(arguments["shards"]) as arguments["shards"]:
        train(**arguments, terminal=terminal)
    print(tell_progress(arguments["about"], snakemake.params.records), file=terminal)
