"""What Snakemake tells of its work, a line of JSON each, in a file that `jpegprep.command` follows.

Snakemake finds this package by its name and imports it at every start, whichever clone it works in:
so it imports nothing of ours.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from logging import LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

# Of what is told of a job: what a screen needs.
_KEYS = ("jobid", "job_id", "jobs", "rule_name", "wildcards", "log", "output", "done", "total")


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """What Snakemake is told by --logger-jpegprep-events."""

    events: str = field(
        default="", metadata={"help": "File to append events to, as JSON", "required": True}
    )


class LogHandler(LogHandlerBase):
    """Writes events and messages to a file, in the place of Snakemake's own lines on a terminal."""

    def __post_init__(self) -> None:
        """Open the file."""
        assert isinstance(self.settings, LogHandlerSettings)
        self._file = Path(self.settings.events).open("a", encoding="utf-8")  # noqa: SIM115

    def emit(self, record: LogRecord) -> None:
        """Write a line."""
        event = getattr(record, "event", None)
        told = {"event": event and str(event), "level": record.levelname}
        told |= {key: getattr(record, key) for key in _KEYS if hasattr(record, key)}
        told["stats"] = dict(getattr(record, "stats", {}))
        if event is None or event == "error":
            told["message"] = str(record.msg)
        with suppress(OSError, ValueError):  # a full disk stops the work by itself
            self._file.write(json.dumps(told, default=_plain) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError, ValueError):
            self._file.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """In Snakemake's sense: it is there instead of the lines on a terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """No log in Snakemake's sense, which it would name at the end."""
        return False

    @property
    def has_filter(self) -> bool:
        """Whatever --quiet says, everything is told."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Nothing is formatted."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Not needed."""
        return False


def _plain(value: object) -> object:
    items = getattr(value, "items", None)
    return dict(items()) if callable(items) else str(value)
