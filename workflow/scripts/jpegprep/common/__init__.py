"""What every stage uses: errors, whole files, Parquet, tables, names of paths, fingerprints."""
