"""The command `jpegprep` and the Python API: they start Snakemake, and show what it does."""
