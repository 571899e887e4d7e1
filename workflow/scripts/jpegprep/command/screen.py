"""What a terminal shows of a call: one live view; where there is no terminal, few plain lines."""

import re
import sys
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jpegprep.command.steps import STAGES, Steps, about, clock_time, stage_of
from jpegprep.command.workflow import Event

# What jobs print of how far they are; it follows each other fast.
_PROGRESS = re.compile(r"^run \d+ of \d+ done: |: features of [\d,]+ images, ")
# What Snakemake (9.27) prints before it knows of any logger.
_PROFILE = "Using workflow specific profile "
# What the answer says anyway.
_ANSWERED = re.compile(r"; see results/recommend/\S+/recommendation\.md$")
# A line of how far it is comes after so many seconds, then after twice as many.
_FIRST = 60.0


class Screen:
    """Shows the events of a call on standard error; a context."""

    def __init__(self, steps: Steps, console: Console | None = None) -> None:
        """Show nothing yet.

        Args:
            steps: the state of the call.
            console: where to show it; otherwise standard error.
        """
        self._steps = steps
        self._console = console or Console(file=sys.stderr, highlight=False)
        # Drawn anew a few times a second by `tick`; what is printed meanwhile stands above it.
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._stages: set[str] = set()
        self._next = _FIRST

    def __enter__(self) -> "Screen":
        """Begin."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *raised: Any) -> None:
        """Remove the live view."""
        if self._live:
            self._live.stop()

    def watch(self, event: Event) -> None:
        """Take an event in, and print what is to stay."""
        steps, kind = self._steps, event["event"]
        steps.take(event)
        if kind == "problem":
            self._print(f"error: {event['message']}", "bold red")
        elif kind == "told":
            self._tell(event["message"])
        elif kind == "run_info":
            if not self._live:
                self._print(f"{_steps(steps.total)} to do")
        elif kind == "job_info" and not self._live:
            stage = stage_of(str(event["rule_name"]))
            if stage not in self._stages and event["rule_name"] not in _TARGETS:
                self._stages.add(stage)
                self._print(f"{clock_time(steps.seconds)} {STAGES[stage]}")

    def tick(self) -> None:
        """Draw the live view anew, or print a line, where it is time."""
        if self._live:
            self._live.update(self._view(), refresh=True)
        elif self._steps.seconds >= self._next:
            self._next *= 2
            now = self._steps.now()
            self._print(self._head() + (f" · {now}" if now else ""))

    def _tell(self, line: str) -> None:
        if _PROGRESS.search(line):
            self._steps.progress = line
        elif line.strip() and not (line.startswith(_PROFILE) or _ANSWERED.search(line)):
            self._print(line)

    def _print(self, line: str, style: str = "") -> None:
        # Of a file lines are as long as they are.
        self._console.print(Text(line, style), soft_wrap=True)

    def _head(self) -> str:
        steps = self._steps
        head = clock_time(steps.seconds)
        if not steps.total:
            return f"{head} · finding out what is to do"
        return f"{head} · {steps.done} of {_steps(steps.total)} · {about(steps.left)}"

    def _view(self) -> Group:
        """Return the live view: a line in all, and one a stage."""
        steps = self._steps
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for stage, title in STAGES.items():
            planned, ended = steps.planned[stage], steps.ended[stage]
            if not planned:
                continue
            now = steps.now(stage)
            if now and stage == "learners" and steps.progress and "epoch" not in now:
                now = f"{now} · {steps.progress}"
            whole = ended >= planned
            mark, style = ("✓", "green") if whole else ("•", "bold") if now else (" ", "dim")
            count = f"{ended}/{planned}"
            table.add_row(Text(mark, style), Text(title, style), count, Text(now, "dim"))
        return Group(Text(self._head(), no_wrap=True, overflow="ellipsis"), table)


# Rules that do nothing but ask for others.
_TARGETS = ("recommend", "convert", "all", "tables", "storage", "figures")


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"
