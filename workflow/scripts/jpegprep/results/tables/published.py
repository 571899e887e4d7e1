"""The numbers that the paper prints, from config/published.csv.

A row a number: its table, row and column, its value, and what is to be known of it. A value that
nobody has copied from the paper yet is empty; relative values are fractions, and what the paper
calls MB is MiB.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from jpegprep.common.errors import UserError

TABLES = ("I", "II", "III", "IV")


def read_all(path: str | Path) -> pd.DataFrame:
    """Return every number: columns table, row, column, value (NaN where not copied), note.

    Args:
        path: the CSV.

    Raises:
        UserError: where the file is no such table.
    """
    try:
        numbers = pd.read_csv(path, dtype={"value": float})
        if list(numbers) != _COLUMNS or numbers[_COLUMNS[:3]].isna().any(axis=None):
            raise ValueError(f"its columns are not {', '.join(_COLUMNS)}, or one has a hole")
        if missing := [table for table in TABLES if table not in set(numbers["table"])]:
            raise ValueError(f"Table {missing[0]} is missing")
        twice = numbers[numbers.duplicated(_COLUMNS[:3])]
        if len(twice):
            raise ValueError(f"{', '.join(twice.iloc[0][_COLUMNS[:3]])} is there twice")
        return numbers.assign(note=numbers["note"].fillna(""))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: {error}; restore it from the repository") from None


_COLUMNS = ["table", "row", "column", "value", "note"]


def read_published(path: str | Path, table: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of a table of the paper: one row a data set, one column a quantity.

    Args:
        path: as `read_all`'s.
        table: the table's number as the paper writes it, such as ``III``.
        columns: the quantities, each of which is there for every data set of the table.

    Raises:
        UserError: where the file is no such table, or lacks one of these numbers.
    """
    numbers = read_all(path)
    of_table = numbers[numbers["table"] == table]
    found = of_table.pivot(index="row", columns="column", values="value")
    found = found.reindex(columns=list(columns))
    if found.empty or found.isna().any(axis=None):
        raise UserError(
            f"{path}: Table {table} lacks a value of {', '.join(columns)}; restore it from the "
            "repository"
        )
    return found
