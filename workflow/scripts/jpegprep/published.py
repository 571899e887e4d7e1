"""The numbers that the paper prints, from config/published.csv."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from jpegprep.errors import UserError


def read_published(path: str | Path, table: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of a table of the paper: one row a data set, one column a quantity.

    Relative values are fractions, and what the paper calls MB is MiB.

    Args:
        path: a CSV with the columns table, row, column, value.
        table: the table's number as the paper writes it, such as ``III``.
        columns: the quantities, each of which is there for every data set of the table.

    Raises:
        UserError: where the file is no such table.
    """
    try:
        numbers = pd.read_csv(path, dtype={"value": float})
        if numbers.isna().any(axis=None):
            raise ValueError("a value is missing")
        of_table = numbers[numbers["table"] == table]
        found = of_table.pivot(index="row", columns="column", values="value")
        found = found.reindex(columns=list(columns))
        if found.empty or found.isna().any(axis=None):
            raise ValueError(f"Table {table} lacks a value of {', '.join(columns)}")
        return found
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: {error}; restore it from the repository") from None
