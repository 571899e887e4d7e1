"""The adapter of the rules that train networks or tabular classifiers: one run, or one a seed."""

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
    read = {
        name: snakemake.input[name] for name in ("weights", "groups") if snakemake.input.get(name)
    }
    kinds = dict(output.items())
    runs = [(int(wildcards.get("seed", 0)), kinds)]
    if seeds := params.get("seeds"):
        runs = [
            (seed, {kind: files[i] for kind, files in kinds.items()})
            for i, seed in enumerate(seeds)
        ]
    with staged(splits_of(snakemake.input.shards)) as shards:
        for seed, files in runs:
            run = {**about, "seed": seed, "code": params.code}
            train(
                shards=shards,
                **read,
                recipe=params.recipe,
                classes=params.classes,
                about=run,
                outputs=files,
                threads=snakemake.threads,
                terminal=terminal,
            )
            print(tell_progress(run, params.records), file=terminal)
