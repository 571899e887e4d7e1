"""Adapter of the rule train_tabular."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.learners.runs import job_arguments, tell_progress
    from jpegprep.learners.tabular_learner import train

    arguments = job_arguments(snakemake)
    train(**arguments, terminal=terminal)
    print(tell_progress(arguments["about"], snakemake.params.records), file=terminal)
