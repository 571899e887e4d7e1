"""How far a call of Snakemake is: its steps by stage, what runs, and the time that is left."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jpegprep.command.workflow import ROOT, Event

# The stages by the names of their rule files, in the order in which a screen has them.
STAGES = {
    "datasets": "Images and weights",
    "shards": "Compression",
    "learners": "Training",
    "evaluation": "Comparison",
    "results": "Tables and figures",
    "answers": "Plan and answer",
    "conversion": "Conversion",
}
# Of a plan's parts those that are ahead once the last job of a rule is done; see answers.budget.
_AHEAD = {
    "plan_minutes": ("look", "larger", "pairs", "rest"),
    "train_probe": ("larger", "pairs", "rest"),
    "make_recommendation": (),
}
_EPOCH = re.compile(
    r"^epoch (?P<epoch>\d+/\d+) .*?accuracy (?P<accuracy>[\d.]+|nan) "
    r"+(?P<speed>[\d.]+) images/s +(?P<left>\d+) s left$"
)


@cache
def _stage_by_rule() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        names = re.findall(
            r"^ *(?:use rule \w+ as|rule|checkpoint) (\w+)(?: with)?:", text, re.MULTILINE
        )
        found |= dict.fromkeys(names, path.stem)
    return found


def stage_of(rule: str) -> str:
    """Return the stage of a rule, a key of `STAGES`."""
    by_file = _stage_by_rule().get(rule)
    # Rules without a name of their own: of learners, and of the catalogue of results.
    return by_file or ("learners" if rule.startswith("train_") else "results")


@dataclass
class Job:
    """A job that runs.

    Attributes:
        rule: its rule.
        log: its log; None where it has none.
        output: its first output; None likewise.
        begun: when, in seconds of the clock.
    """

    rule: str
    log: Path | None
    output: Path | None
    begun: float

    def training(self) -> Mapping[str, str] | None:
        """Return the last epoch of its training, from its log: epoch, accuracy, speed, left."""
        if self.log is None:
            return None
        try:
            with self.log.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - 4096))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return None
        found = (_EPOCH.match(line) for line in reversed(lines))
        return next((match.groupdict() for match in found if match), None)


@dataclass
class Steps:
    """The state of a call, from its events.

    Attributes:
        folder: of the work.
        clock: seconds.
        done: steps that are done.
        total: all that are known of: a checkpoint may add some.
        planned: how many of each stage are known of.
        ended: how many of each stage are done.
        running: the jobs that run, by number.
        failed: the rules of jobs that failed.
        progress: the last line of a job that says how far it is.
    """

    folder: Path
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    total: int = 0
    planned: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    running: dict[int, Job] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    progress: str = ""

    def __post_init__(self) -> None:
        """Start the clock."""
        self._begun = self.clock()
        self._rules: Counter[str] = Counter()
        self._left: tuple[float, float] | None = None  # seconds left, and when they were
        self._plan: Mapping[str, float] | None = None

    def take(self, event: Event) -> None:
        """Take in what happened."""
        kind = event["event"]
        if kind == "run_info":
            known = {rule: n for rule, n in event["stats"].items() if rule != "total"}
            self._rules = Counter(known)
            self.total = max(self.total, sum(known.values()))
            self.planned = Counter()
            for rule, count in known.items():
                self.planned[stage_of(rule)] += count
        elif kind == "job_info":
            self._begin(event)
        elif kind == "job_finished":
            self._end(int(event["job_id"]))
        elif kind == "job_error":
            self.running.pop(int(event.get("jobid", -1)), None)
            self.failed.append(str(event.get("rule_name", "a job")))
        elif kind == "progress":
            self.done, self.total = int(event["done"]), int(event["total"])

    def _begin(self, event: Event) -> None:
        rule = str(event["rule_name"])
        log, output = (
            self.folder / str(event[name][0]) if event.get(name) else None
            for name in ("log", "output")
        )
        self.running[int(event["jobid"])] = Job(rule, log, output, self.clock())
        stage = stage_of(rule)
        begun = self.ended[stage] + sum(stage_of(j.rule) == stage for j in self.running.values())
        # What a checkpoint added is known once it begins.
        self.planned[stage] = max(self.planned[stage], begun)

    def _end(self, number: int) -> None:
        job = self.running.pop(number, None)
        if job is None:
            return
        self.ended[stage_of(job.rule)] += 1
        if job.rule == "plan_minutes" and job.output:
            self._plan = _seconds_of(job.output)
        if self._plan and job.rule in _AHEAD:
            self._left = (sum(self._plan[part] for part in _AHEAD[job.rule]), self.clock())

    @property
    def seconds(self) -> float:
        """How long the call has been at work."""
        return self.clock() - self._begun

    @property
    def left(self) -> float | None:
        """The seconds that are left, by the speed that the plan measured; None: not known."""
        if self._left is None:
            return None
        seconds, then = self._left
        left = seconds - (self.clock() - then)
        return left if left > 0 else None  # it takes longer than was planned: nobody knows

    def now(self, stage: str | None = None) -> str:
        """Return what runs, of a stage or of all, with what its training says of itself."""
        parts = []
        for job in self.running.values():
            if stage is None or stage_of(job.rule) == stage:
                found = job.training()
                parts.append(f"{job.rule}: {_training(found)}" if found else job.rule)
        return ", ".join(parts)


def _training(found: Mapping[str, Any]) -> str:
    return (
        f"epoch {found['epoch']}, accuracy {found['accuracy']}, {found['speed']} images/s, "
        f"{clock_time(float(found['left']))} left"
    )


def _seconds_of(plan: Path) -> Mapping[str, float] | None:
    """Return the seconds of the parts of a plan, as answers.budget wrote them."""
    try:
        found: Mapping[str, float] = json.loads(plan.read_text(encoding="utf-8"))["seconds"]
    except (OSError, ValueError, KeyError):
        return None
    return found


def clock_time(seconds: float) -> str:
    """Return seconds as 0:42, 12:05 or 1:02:30."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def about(seconds: float | None) -> str:
    """Return how much time is left, in words."""
    if seconds is None:
        return "time left unknown"
    if seconds < 60:
        return "less than a minute left"
    return f"about {seconds / 60:.0f} min left"
