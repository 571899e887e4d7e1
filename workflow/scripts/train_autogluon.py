"""Adapter of the rule train_autogluon."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.learners.autogluon_learner import train
    from jpegprep.learners.gpus import take_gpus
    from jpegprep.learners.runs import job_arguments, require_gpu, tell_progress
    from jpegprep.shards.staging import staged

    take_gpus()
    arguments = job_arguments(snakemake)
    if snakemake.params.needs_gpu:
        require_gpu(arguments["about"]["learner"])
    with staged(arguments["shards"]) as arguments["shards"]:
        train(**arguments, terminal=terminal)
    print(tell_progress(arguments["about"], snakemake.params.records), file=terminal)
