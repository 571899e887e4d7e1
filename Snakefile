# The workflow is workflow/Snakefile; `snakemake` in the project's root starts it by this file.
include: "workflow/Snakefile"


# An included file sets no default target.
workflow.default_target = "all"
