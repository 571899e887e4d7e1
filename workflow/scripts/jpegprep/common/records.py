"""Reading what a run left, and only what it left: run.json holds checksums, also one of itself."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.files import sha256_of

_RECORD = "run.json"


def write_record(path: Path, run: Mapping[str, Any]) -> None:
    """Write a run.json: the record, and last its SHA-256 beside those of other files of the run."""
    told = {**run, "sha256": {**run.get("sha256", {}), _RECORD: _digest(run)}}
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def read_run(path: str | Path) -> dict[str, Any]:
    """Read a run.json.

    Raises:
        UserError: where the file is damaged.
    """
    try:
        run: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        if run["sha256"][_RECORD] != _digest(run):
            raise ValueError("its SHA-256 differs")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: damaged ({error}); remove it: its run is made again") from None
    return run


def _digest(run: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record but for this number itself."""
    others = {name: told for name, told in run.get("sha256", {}).items() if name != _RECORD}
    return sha256(json.dumps({**run, "sha256": others}).encode()).hexdigest()


def read_history(path: str | Path) -> pd.DataFrame:
    """Read a run's history.csv, a row an epoch with the columns `runs.HISTORY`.

    Raises:
        UserError: where it is not what the run left.
    """
    return pd.read_csv(verified(path))


def verified(path: str | Path) -> Path:
    """Return the path of a run's history or model, which is what the run left.

    Where no record lies beside it, nothing is compared.

    Raises:
        UserError: where it is not, by the checksum in the run.json beside it.
    """
    path = Path(path)
    record = path.with_name(_RECORD)
    expected = read_run(record)["sha256"].get(path.name) if record.exists() else None
    if expected and path.exists() and sha256_of(path) != expected:
        raise UserError(
            f"{path} is damaged (run.json beside it has another SHA-256); "
            "remove it: its run is made again"
        )
    return path
