"""The command `jpegprep`."""

import csv
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException

from jpegprep.command import api, doctor
from jpegprep.command.api import DryRun, Failed
from jpegprep.command.workflow import ROOT, absolute, arguments_of, folder_for
from jpegprep.common.errors import UserError
from jpegprep.study.config import read_yaml

_SPOKEN = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="jpegprep",
    rich_markup_mode=None,  # examples keep their lines
    pretty_exceptions_enable=False,
    context_settings=_SPOKEN,
)

# What follows `--` on the command line: for Snakemake.
_more: list[str] = []

Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder of all that is made, in results/ below it. Otherwise jpegprep-out below the "
        "working directory; in the clone, the clone."
    ),
]
Cores = Annotated[int | None, typer.Option(min=1, help="Of the processor; otherwise all.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show the answer alone.")]
Images = Annotated[
    str,
    typer.Argument(
        metavar="FOLDER",
        help="A folder of class folders, a tar or zip of one, a CSV, WebDataset shards or Parquet "
        "files. It is only read.",
        show_default=False,
    ),
]
Column = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of a table; false: there is none.")
]


@cache
def _defaults() -> Mapping[str, Any]:
    """Return config/recommend.yaml; nothing, where somebody is about to change it."""
    try:
        found = read_yaml(ROOT / "config/recommend.yaml")
    except UserError:
        return {}
    return found if isinstance(found, dict) else {}


def _key(name: str, text: str, metavar: str | None = None) -> Any:
    """Return an option that is a key of config/recommend.yaml, with its default from there."""
    default = _defaults().get(name)
    said = ",".join(map(str, default)) if isinstance(default, list) else default
    return typer.Option(
        metavar=metavar, help=text if default is None else f"{text} [default: {said}]"
    )


def _listed(text: str | None) -> list[str] | str | None:
    """Return names that commas or spaces part; ladder is none of them."""
    return text if text in (None, "ladder") else text.replace(",", " ").split()


@app.callback()
def _jpegprep() -> None:
    """How far can the images of a data set be compressed before a network gets worse?

    \b
    jpegprep recommend /data/photos                           how to store them, and what it costs
    jpegprep convert /data/photos /data/photos-q50 --quality 50
    jpegprep verify /data/photos-q50
    jpegprep run config/mine.yaml                             a study

    What follows -- is handed on to Snakemake: jpegprep recommend /data/photos -- --dry-run
    """


@app.command()
def recommend(
    folder: Images,
    margin: Annotated[float | None, _key("margin", "The loss of accuracy that you accept.")] = None,
    minutes: Annotated[float | None, _key("minutes", "The time budget.")] = None,
    image_size: Annotated[
        int | None, _key("image_size", "The size, in pixels, at which your network sees them.")
    ] = None,
    group: Annotated[
        str | None,
        _key("group", "What belongs together, as images of a patient: a column, or a pattern."),
    ] = None,
    stores: Annotated[
        str | None,
        _key("stores", "What is tried: ladder, or names.", metavar="jpeg-q50-opt,webp-q40,…"),
    ] = None,
    codecs: Annotated[
        str | None, _key("codecs", "Of the ladder.", metavar="jpeg,jpegli,webp,avif,jxl")
    ] = None,
    total_images: Annotated[
        int | None,
        _key("total_images", "Money is reckoned for so many, not for those given."),
    ] = None,
    reads_a_month: Annotated[
        float | None, _key("reads_a_month", "How often every image is read in a month.")
    ] = None,
    egress: Annotated[
        float | None, _key("egress", "The share of that outside of the provider's network.")
    ] = None,
    prices: Annotated[
        str | None,
        _key("prices", "Your own, as config/prices.yaml has them.", metavar="FILE"),
    ] = None,
    bandwidth: Annotated[
        float | None, _key("bandwidth", "MB/s from where the images lie to where you train.")
    ] = None,
    class_margin: Annotated[
        float | None, _key("class_margin", "The loss that you accept of a single class.")
    ] = None,
    least_saving: Annotated[
        float | None, _key("least_saving", "A share of the bytes: less is not worth doing.")
    ] = None,
    larger_size: Annotated[
        str | None,
        _key("larger_size", "The probe looks at this size, too; or false.", metavar="PIXELS"),
    ] = None,
    pairs: Annotated[int | None, _key("pairs", "Of fine-tuned networks, 5 or more.")] = None,
    confirm: Annotated[
        str | None,
        _key("confirm", "The network that is fine-tuned; or false.", metavar="LEARNER"),
    ] = None,
    rare: Annotated[
        str | None, _key("rare", "A class with too few images.", metavar="stop|drop")
    ] = None,
    depth: Annotated[
        str | None,
        _key("depth", "Values of over 8 bits that become 0 and 255.", metavar="LOW,HIGH|full"),
    ] = None,
    alpha: Annotated[
        str | None, _key("alpha", "Transparent images' ground.", metavar="white|black|drop")
    ] = None,
    icc: Annotated[str | None, _key("icc", "Colour profiles.", metavar="ignore|srgb")] = None,
    path_column: Column = None,
    label_column: Column = None,
    split_column: Column = None,
    group_column: Column = None,
    name: Annotated[
        str | None, typer.Option(help="Of the folder of the results; otherwise the images'.")
    ] = None,
    out: Out = None,
    cores: Cores = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find out how far your own images can be compressed.

    \b
    jpegprep recommend /data/photos
    jpegprep recommend /data/photos --margin 0.02 --minutes 60 --image-size 224
    jpegprep recommend scans.csv --group '(?P<group>patient\\d+)_'
    jpegprep recommend /data/photos --out /scratch/photos -- --dry-run

    Asked again, it makes nothing anew; stopped, it goes on. More on each: config/README.md.
    """
    keys = {
        "stores": _listed(stores),
        "codecs": _listed(codecs),
        "total_images": total_images,
        "reads_a_month": reads_a_month,
        "egress": egress,
        "prices": None if prices is None else str(Path(prices).absolute()),
        "bandwidth": bandwidth,
        "class_margin": class_margin,
        "least_saving": least_saving,
        "larger_size": larger_size,
        "pairs": pairs,
        "confirm": confirm,
        "rare": rare,
        "depth": depth,
        "alpha": alpha,
        "icc": icc,
        "path_column": path_column,
        "label_column": label_column,
        "split_column": split_column,
        "group_column": group_column,
    }
    found = api.recommend(
        folder,
        margin=margin,
        minutes=minutes,
        image_size=image_size,
        group=group,
        name=name,
        out=out,
        cores=cores,
        config=keys,
        more=_more,
        show=not quiet,
    )
    if as_json:
        about = {"headline": found.headline, "page": str(found.page), "convert": found.command}
        _print_json({**found.facts, **about})
    else:
        print(found)


@app.command()
def convert(
    folder: Images,
    target: Annotated[Path, typer.Argument(help="A folder: new, empty, or begun before.")],
    quality: Annotated[int | None, typer.Option(help="Of JPEG, 1 to 99.")] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="In place of it: what each image becomes, as in s256-webp-q40, avif-q30 or "
            "original-opt (config/README.md#stores).",
        ),
    ] = None,
    depth: Annotated[
        str, typer.Option(help="8: images of more than 8 bits become JPEG, too.")
    ] = "",
    range: Annotated[
        str, typer.Option(help="With it: LOW,HIGH or full become 0 and 255; otherwise measured.")
    ] = "",
    alpha: Annotated[
        str, typer.Option(help="white, black or drop: so do transparent images.")
    ] = "",
    frames: Annotated[str, typer.Option(help="first: so do images of several frames.")] = "",
    metadata: Annotated[str, typer.Option(help="strip: profile, EXIF and XMP are left out.")] = "",
    format: Annotated[
        str | None,
        typer.Option(help="folder, webdataset or parquet; otherwise what the source is."),
    ] = None,
    allow_larger: Annotated[
        bool, typer.Option("--allow-larger", help="Also what becomes larger is converted.")
    ] = False,
    path_column: Column = None,
    label_column: Column = None,
    split_column: Column = None,
    group_column: Column = None,
    cores: Cores = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Write images in fewer bytes to another folder.

    \b
    jpegprep convert /data/photos /data/photos-q50 --quality 50
    jpegprep convert /data/photos /data/photos-webp --store s256-webp-q40
    jpegprep convert /data/photos /data/photos-free --store original-opt
    jpegprep convert /data/photos /data/shards --quality 50 --format webdataset
    jpegprep convert /data/photos /data/photos-q50 --quality 50 -- --cores 8

    Stopped, the same command goes on. With arguments for Snakemake it runs as jobs, and --out says
    where their listing lies.
    """
    if (quality is None) == (store is None):
        raise UserError("say --quality 50, or a store as --store s256-webp-q40: one of them")
    said = {
        "path": path_column,
        "label": label_column,
        "split": split_column,
        "group": group_column,
    }
    columns = {
        what: False if column.lower() == "false" else column
        for what, column in said.items()
        if column is not None
    }
    from jpegprep.shards.conversion_record import RECORD

    warnings.filterwarnings("ignore", module="PIL")  # on metadata of single images
    words = {"depth": depth, "range": range, "alpha": alpha, "frames": frames, "metadata": metadata}
    if _more:
        summary = _convert_by_jobs(
            {
                **{"images": str(absolute(folder)), "to": str(absolute(target))},
                **{"quality": quality, "store": store},
                **{name: word or None for name, word in words.items()},
                "allow_larger": allow_larger or None,
                **{f"{what}_column": column for what, column in columns.items()},
            },
            format,
            out,
            cores,
        )
    else:
        summary = api.convert(
            folder,
            target,
            quality=quality,
            store=store,
            **words,
            format=format,
            allow_larger=allow_larger,
            columns=columns,
            threads=cores,
        )
    record = absolute(target) / RECORD
    if as_json:
        _print_json({**asdict(summary), "record": str(record)})
    else:
        print(f"{summary}\nrecord: {record}")


def _convert_by_jobs(
    config: dict[str, Any], format: str | None, out: Path | None, cores: int | None
) -> Any:
    """Convert as jobs of Snakemake; the folder is the same, byte for byte."""
    from jpegprep.shards.conversion import summary_of

    if format:
        raise UserError(
            f"--format {format}: is not for Snakemake's jobs; leave out what follows --"
        )
    work = folder_for(out)
    api.carry_out(arguments_of(["convert"], work, config, cores=cores, more=_more), work)
    return summary_of(Path(config["to"]))


@app.command()
def verify(
    target: Annotated[Path, typer.Argument(help="A folder that was converted.")],
    cores: Cores = None,
    as_json: Json = False,
) -> None:
    """Say whether a conversion is whole.

    \b
    jpegprep verify /data/photos-q50

    All that was converted is to be there, and as it was written: then alone the exit status is 0.
    """
    import os

    from jpegprep.shards.verification import verify as verified

    found = verified(absolute(target), cores or os.cpu_count() or 1)
    if as_json:
        _print_json({**asdict(found), "target": str(found.target)})
    elif not found.count:
        print(found)
    else:
        print(*found.lines(), sep="\n")
    if found.count:
        raise UserError(str(found))


@app.command()
def run(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STUDY] [TARGET]...",
            help="A study, as a YAML file (otherwise the demo), and rules or files to make "
            "(otherwise all of it).",
        ),
    ] = None,
    out: Out = None,
    cores: Cores = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a study.

    \b
    jpegprep run                                    the demo: ten minutes
    jpegprep run config/mine.yaml
    jpegprep run config/paper.yaml storage          what needs no training
    jpegprep run config/mine.yaml -- --resources gpu=4
    """
    study, targets = _study(words or [])
    work = folder_for(out)
    arguments = arguments_of(targets, work, study=study, cores=cores, more=_more)
    _, steps = api.carry_out(arguments, work, show=not quiet)
    name = str(read_yaml(study or ROOT / "config/config.yaml")["study"])
    report = work / "results" / name / "report.html"
    page = str(report) if report.exists() else None
    if as_json:
        _print_json({"study": name, "steps": steps.total, "page": page})
        return
    print(f"{name}: {steps.total:,} steps" if steps.total else f"{name}: nothing is to do")
    if page:
        print(f"  page:    {page}")


@app.command()
def plan(
    study: Annotated[Path | None, typer.Argument(help="A YAML file; otherwise the demo.")] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Say what a study would take: jobs, bytes, disk, GPU hours. Nothing is run.

    \b
    jpegprep plan config/paper.yaml
    """
    work = folder_for(out)
    told = _log_of("plan", arguments_of(["plan"], work, study=_file(study), more=_more), work)
    if as_json:
        _print_json({"plan": told.splitlines()})
    else:
        print(told)


@app.command()
def costs(out: Out = None, as_json: Json = False) -> None:
    """Sum up what the work in a folder took, rule by rule.

    \b
    jpegprep costs
    """
    work = folder_for(out)
    api.carry_out(arguments_of(["costs"], work, more=_more), work)
    folder = work / "results/costs"
    if as_json:
        _print_json({name: _rows(folder / f"{name}.csv") for name in ("rules", "devices")})
    else:
        print((folder / "rules.md").read_text(encoding="utf-8").rstrip())
        print(f"  more:    {folder}")


@app.command("doctor")
def examine(out: Out = None, as_json: Json = False) -> None:
    """Say what of this machine would be slow or fail.

    \b
    jpegprep doctor

    Looked at are cores, memory, GPU, versions, weights and disks.
    """
    found = doctor.examine(absolute(out) if out else Path.cwd())
    if as_json:
        _print_json(doctor.as_json(found))
    else:
        print(*found, sep="\n")


def _study(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Divide words into a study and targets."""
    if words and words[0].endswith((".yaml", ".yml", ".json")):
        return _file(Path(words[0])), [*words[1:]]
    return None, [*words]


def _file(study: Path | None) -> Path | None:
    """Return a study's path; one in config/ is found from anywhere.

    Raises:
        UserError: where there is none.
    """
    if study is None:
        return None
    for path in (absolute(study), ROOT / study):
        if path.is_file():
            return path
    raise UserError(f"{study}: is not there; name a study's YAML file, as config/paper.yaml")


def _log_of(rule: str, arguments: Sequence[str], work: Path) -> str:
    """Run a rule, and return what its job told."""
    from jpegprep.command.steps import Steps
    from jpegprep.command.workflow import Event, run, why

    steps = Steps(work)
    logs: list[Path] = []

    def watch(event: Event) -> None:
        steps.take(event)
        if event["event"] == "job_info" and event["rule_name"] == rule:
            logs.append(work / event["log"][0])

    ended = run(arguments, work, watch)
    if ended.status or not logs:
        raise Failed(why(ended, steps.failed), shown=False)
    return logs[0].read_text(encoding="utf-8").strip()


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def _print_json(found: Any) -> None:
    print(json.dumps(found, indent=2, ensure_ascii=False, default=str))


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status.

    A mistake is one line on standard error and status 1; an interruption one line and 130.
    """
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    _more[:] = []
    if "--" in words:
        place = words.index("--")
        words, _more[:] = words[:place], words[place + 1 :]
    try:
        status = app(words or ["--help"], prog_name="jpegprep", standalone_mode=False)
    except TyperException as error:
        return _refused(error)
    except DryRun as shown:
        return shown.status
    except Failed as error:
        if not error.shown:
            print(f"error: {error}", file=sys.stderr)
        return 1
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Abort:
        status = 130
    if status == 130:
        print("stopped; what is finished is kept: the same command goes on", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _refused(error: TyperException) -> int:
    """Say in one line what is wrong with the command line."""
    message = " ".join(error.format_message().split())
    if near := getattr(error, "possibilities", None):  # of an option; of a command typer names it
        said = str(getattr(error, "option_name", ""))
        nearest = max(near, key=lambda one: SequenceMatcher(None, one, said).ratio())
        message = f"{error.message}. Did you mean {nearest}?"
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "jpegprep"
    see = " See" if message.endswith("?") else "; see"
    print(f"error: {message.rstrip('.')}{see} {where} --help", file=sys.stderr)
    return 1
