"""The adapter of the rules that train a network or a tabular classifier: one run."""

from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    from jpegprep.common.gpus import take_gpus
    from jpegprep.common.jobs import function_of
    from jpegprep.learners.runs import require_gpu, tell_progress
    from jpegprep.shards.shards import splits_of
    from jpegprep.shards.staging import staged

    train = function_of(snakemake.params.call)
    take_gpus(snakemake.resources.get("gpu", 1))
    wildcards, params, output = snakemake.wildcards, snakemake.params, snakemake.output
    if params.needs_gpu:
        require_gpu(wildcards.learner)
    about = {name: wildcards[name] for name in ("dataset", "variant", "learner")}
    about |= {"seed": int(wildcards.seed), "code": params.code}
    read = {
        name: snakemake.input[name] for name in ("weights", "manifest") if snakemake.input.get(name)
    }
    with staged(splits_of(snakemake.input.shards)) as shards:
        train(
            shards=shards,
            **read,
            recipe=params.recipe,
            classes=params.classes,
            about=about,
            outputs={name: output[name] for name in ("history", "predictions", "model", "run")},
            threads=snakemake.threads,
            terminal=terminal,
        )
    print(tell_progress(about, params.records), file=terminal)
