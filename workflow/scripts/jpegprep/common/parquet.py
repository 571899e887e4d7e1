"""Parquet files whose pages have checksums, so that a damaged one is never taken as good."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jpegprep.common.errors import UserError


def write_parquet(table: pa.Table | pd.DataFrame, path: Path) -> None:
    """Write a table, of a data frame without its index; the caller renames the file."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(table, path, write_page_checksum=True)


def read_parquet(
    path: str | Path, columns: Sequence[str] | None = None, again: str = "it: it is made again"
) -> pa.Table:
    """Read a table, or some of its columns.

    Args:
        path: of the file.
        columns: to read; all, if left out.
        again: what to remove where the file is damaged, and what is made again then.

    Raises:
        UserError: where it is missing, or damaged.
    """
    try:
        return pq.read_table(path, columns=columns, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        raise UserError(f"{path} is missing or damaged; remove {again}") from None
