"""Adapter of the rule make_recommendation."""

from jpegprep.answers.recommend import recommend
from jpegprep.common.errors import reported

with reported(snakemake.log[0]) as terminal:
    recommend(
        snakemake.params.what,
        snakemake.input.proposal,
        {name: snakemake.input[name] for name in ("differences", "accuracy", "sizes")},
        {name: snakemake.input[name] for name in ("manifest", "split")},
        {name: list(snakemake.input.get(name, [])) for name in ("original", "compressed")},
        list(snakemake.input.get("reading", [])),
        *snakemake.output,
    )
    print(f"see {snakemake.output.markdown}", file=terminal)
