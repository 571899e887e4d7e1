"""The Python API: a recommendation for a folder of images, its figure, and the conversion.

They work on the rules of ``snakemake recommend`` and the functions of `shards.conversion`: there is
no second way to an answer.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpegprep.command.screen import Screen
from jpegprep.command.steps import Steps
from jpegprep.command.workflow import (
    Ended,
    absolute,
    arguments_of,
    dry,
    folder_for,
    given_config,
    run,
    run_dry,
    why,
)
from jpegprep.common.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jpegprep.shards.conversion import Summary

# Two trainings at a time, each on half of the cores; one download.
_PAIRS = {"gpu": 2, "network": 1}


class Failed(UserError):
    """The workflow failed.

    Attributes:
        shown: whether its line is on the terminal already.
    """

    def __init__(self, message: str, shown: bool) -> None:
        """Keep the line."""
        super().__init__(message)
        self.shown = shown


class DryRun(Exception):
    """Nothing was to be done but to say what would be.

    Attributes:
        status: Snakemake's exit status.
    """

    def __init__(self, status: int) -> None:
        """Keep the status."""
        super().__init__("a dry run has no answer")
        self.status = status


@dataclass(frozen=True)
class Recommendation:
    """The answer for a folder of images.

    Attributes:
        folder: of its files, ``results/recommend/<name>``.
        facts: all that recommendation.json says.
    """

    folder: Path
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, folder: str | Path) -> "Recommendation":
        """Read what ``recommend`` has written.

        Args:
            folder: ``results/recommend/<name>``.

        Raises:
            UserError: where there is none, or it is damaged.
        """
        path = Path(folder) / "recommendation.json"
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path}: is not there; ask for it by jpegprep recommend") from None
        except ValueError:
            raise UserError(f"{path}: is damaged; remove it and ask again") from None
        return cls(Path(folder), facts)

    @property
    def verdict(self) -> str:
        """One of use, use-probe, not-shown, loses, leave, cannot-tell (config/README.md)."""
        return str(self.facts["verdict"])

    @property
    def quality(self) -> int | None:
        """The quality of that store, 1 to 99; None: it has none."""
        found = self.facts["quality"]
        return None if found is None else int(found)

    @property
    def store(self) -> str | None:
        """How the images would be stored, as ``jpeg-q50-opt``; None: nothing is worth trying."""
        found = self.facts["store"]
        return None if found is None else str(found)

    @property
    def saved(self) -> float | None:
        """The share of the bytes that it saves, 0 to 1."""
        found = self.facts["saved"]
        return None if found is None else float(found)

    @property
    def headline(self) -> str:
        """The answer in one sentence, as the page begins."""
        text = (self.folder / "recommendation.md").read_text(encoding="utf-8")
        return text.partition("\n")[0].removeprefix("# ")

    @property
    def page(self) -> Path:
        """The page to open: recommendation.html, or where there is none recommendation.md."""
        page = self.folder / "recommendation.html"
        return page if page.exists() else self.folder / "recommendation.md"

    @property
    def command(self) -> str | None:
        """The command that converts the images; None where the answer is about no store."""
        found = self.facts["command"]
        return None if found is None else str(found)

    def plot(self) -> "Figure":
        """Return a figure: the difference of accuracy with its intervals, against the bytes.

        Raises:
            UserError: where the tables that it is drawn from are no longer there.
        """
        from jpegprep.answers.proposal import rungs
        from jpegprep.results.figures.accuracy import recommended

        tables = [self.folder / "tables" / f"{name}.csv" for name in ("differences", "ladder")]
        if missing := [table for table in tables if not table.exists()]:
            raise UserError(f"{missing[0]}: is not there; ask for the recommendation again")
        return recommended(rungs(tables[0], self.facts["probe"]["learner"], tables[1]), self.facts)

    def lines(self) -> list[str]:
        """Return the answer as a terminal shows it."""
        facts, lines = self.facts, [self.headline]
        if self.saved is not None:
            before, after = facts["original_bytes"], facts["compressed_bytes"]
            lines.append(
                f"  bytes:   {_bytes(before)} → {_bytes(after)}, {self.saved:.1%} saved "
                f"(of the {facts['manifest']['used']:,} images that were used)"
            )
        if self.command:
            lines.append(f"  convert: {self.command}")
        if (free := facts.get("free")) and free["smaller"]:
            lines.append(
                f"  free:    {free['saved']:.1%} saved with the same pixels "
                f"({free['sampled']:,} images tried): {free['command']}"
            )
        return [*lines, f"  page:    {self.page}"]

    def __str__(self) -> str:
        """Return these lines."""
        return "\n".join(self.lines())


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def recommend(
    folder: str | Path,
    *,
    margin: float | None = None,
    minutes: float | None = None,
    image_size: int | None = None,
    group: str | None = None,
    name: str | None = None,
    out: str | Path | None = None,
    cores: int | None = None,
    config: Mapping[str, Any] | None = None,
    more: Sequence[str] = (),
    show: bool = True,
) -> Recommendation:
    """Find out how far images can be compressed before a network trained on them gets worse.

    Runs the rules of ``snakemake recommend``; what is there already is not made again, and what was
    stopped goes on. It takes about ``minutes``.

    Args:
        folder: of class folders, or whatever else `config/README.md` names; it is only read.
        margin: the loss of accuracy that is accepted, 0.01 is one point; None, here and below:
            what config/recommend.yaml says.
        minutes: the time budget.
        image_size: the size at which the network sees the images, in pixels.
        group: what belongs together: a column, or a pattern over the paths.
        name: of the folder of the results; None: the images'.
        out: where `results/` lies; None: ``jpegprep-out`` below the working directory, and in the
            clone the clone.
        cores: of the processor; None: all.
        config: any other key of config/recommend.yaml.
        more: further arguments for Snakemake.
        show: whether standard error shows how far it is.

    Raises:
        UserError: where the images, a value or the machine is at fault; its text is one line.
        KeyboardInterrupt: where it was interrupted; the same call goes on.
    """
    from jpegprep.datasets.own_images import name_of

    images = absolute(folder)
    work = folder_for(out, images)
    asked = {"margin": margin, "minutes": minutes, "image_size": image_size, "group": group}
    asked = {"images": str(images), **asked, "name": name, **(config or {})}
    arguments = arguments_of(["recommend"], work, asked, cores=cores, resources=_PAIRS, more=more)
    carry_out(arguments, work, show)
    called = given_config(more).get("name", name) or name_of(images)
    return Recommendation.read(work / "results/recommend" / called)


def carry_out(arguments: Sequence[str], folder: Path, show: bool = True) -> tuple[Ended, Steps]:
    """Run Snakemake, show how far it is, and return how it ended.

    Args:
        arguments: of Snakemake.
        folder: of the work.
        show: whether standard error shows it.

    Raises:
        Failed: where it fails.
        DryRun: where no more than a dry run is asked for.
    """
    if dry(arguments):
        raise DryRun(run_dry(arguments))
    steps = Steps(folder)
    screen = Screen(steps) if show else None
    watch = screen.watch if screen else steps.take
    with screen or nullcontext():
        ended = run(arguments, folder, watch, *([screen.tick] if screen else []))
    if ended.status:
        raise Failed(why(ended, steps.failed), shown=show and bool(ended.problems))
    return ended, steps


def convert(
    folder: str | Path,
    target: str | Path,
    *,
    quality: int | None = None,
    store: str | None = None,
    depth: str = "",
    range: str = "",
    alpha: str = "",
    frames: str = "",
    metadata: str = "",
    format: str | None = None,
    allow_larger: bool = False,
    columns: Mapping[str, str | bool] | None = None,
    threads: int | None = None,
) -> "Summary":
    """Write images in fewer bytes to another folder, in the layout of their source.

    What becomes no smaller is copied, and so is what holds more than its new file could. A
    conversion that was stopped goes on.

    Args:
        folder: of class folders, or whatever else `config/README.md` names; it is only read.
        target: a folder that is new, empty, or begun by the same call.
        quality: of JPEG, 1 to 99; or a store is named.
        store: what each image becomes, as in ``"s256-webp-q40"`` or ``"original-opt"``
            (config/README.md#stores).
        depth: ``"8"``: images of more than 8 bits a channel become JPEG, too.
        range: with it, the values that become 0 and 255: ``"0,4095"``, ``"full"``; else measured.
        alpha: ``"white"``, ``"black"`` or ``"drop"``: so do transparent images.
        frames: ``"first"``: so do images of several frames.
        metadata: ``"strip"``: profile, EXIF, XMP and resolution are left out.
        format: what is written: ``"folder"``, ``"webdataset"`` or ``"parquet"``; None: what the
            source is.
        allow_larger: whether an image that becomes larger is converted, too.
        columns: of a table: the column that is its ``path``, ``label``, ``split``, ``group``.
        threads: how many convert side by side; None: one a core. The bytes are the same.

    Returns:
        What was done, counted over all files.

    Raises:
        UserError: where source, target or a value is at fault, or the disk is full.
        KeyboardInterrupt: where it was interrupted; the same call goes on.
    """
    from jpegprep.images.preserving import giving
    from jpegprep.shards import conversion

    given, measure = giving(depth, range, alpha, frames, metadata)
    return conversion.convert(
        folder,
        target,
        quality,
        threads=threads or os.cpu_count() or 1,
        keep_smaller=not allow_larger,
        given=given,
        measure=measure,
        columns=dict(columns or {}),
        form=format,
        store=store,
    )
