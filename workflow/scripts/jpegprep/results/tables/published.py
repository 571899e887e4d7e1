"""The numbers that the paper prints, from config/published.csv.

A row a number: its table, row and column, the number as it is printed, with its unit, why it is not
to be taken at its word (`doubt`), and what else is to be known of it. How far a number was rounded
is read from what is printed. What the paper calls MB is MiB, its GB are GiB.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pandas as pd

from jpegprep.common.errors import UserError

TABLES = ("I", "II", "III", "IV")
# The row of Table IV: the paper does not say which data set it is of.
UNNAMED = "unnamed"


def read_all(path: str | Path) -> pd.DataFrame:
    """Return every number, in the order of the file.

    Args:
        path: the CSV.

    Returns:
        The columns table, row, column, printed, value (sizes in MiB, percentages as fractions),
        step (the unit of the last printed digit, in the value's), doubt, note.

    Raises:
        UserError: where the file is no such table.
    """
    try:
        numbers = pd.read_csv(path, dtype=str, keep_default_na=False)
        if list(numbers) != _COLUMNS or (numbers[_COLUMNS[:4]] == "").any(axis=None):
            raise ValueError(f"its columns are not {', '.join(_COLUMNS)}, or one has a hole")
        if missing := [table for table in TABLES if table not in set(numbers["table"])]:
            raise ValueError(f"Table {missing[0]} is missing")
        twice = numbers[numbers.duplicated(_COLUMNS[:3])]
        if len(twice):
            raise ValueError(f"{', '.join(twice.iloc[0][_COLUMNS[:3]])} is there twice")
        values = pd.DataFrame(map(_read, numbers["printed"]), columns=["value", "step"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: {error}; restore it from the repository") from None
    for i, name in enumerate(values):
        numbers.insert(4 + i, name, values[name])
    return numbers


_COLUMNS = ["table", "row", "column", "printed", "doubt", "note"]
_PRINTED = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.(?P<decimals>\d+))?(?P<unit>%| MB| GB)?")
_UNITS = {None: Decimal(1), "%": Decimal("0.01"), " MB": Decimal(1), " GB": Decimal(1024)}


def _read(printed: str) -> tuple[float, float]:
    """Return the value of a printed number, and the unit of its last digit.

    Raises:
        ValueError: where it is no number.
    """
    found = _PRINTED.fullmatch(printed)
    if not found:
        raise ValueError(f"{printed!r} is no number as the paper prints them")
    unit = _UNITS[found["unit"]]
    digits = printed.removesuffix(found["unit"] or "").replace(",", "")
    step = Decimal(1).scaleb(-len(found["decimals"] or ""))
    return float(Decimal(digits) * unit), float(step * unit)


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
