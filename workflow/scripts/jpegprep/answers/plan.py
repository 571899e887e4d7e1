"""The plan of a study: what is still to do and what it takes, told before anything runs.

Jobs and files come from a dry run of the study; sizes and times are estimates. A size is taken from
the files where they are there, and otherwise from the registry and config/sizes.csv; a speed from
the study's own runs where there are any, and otherwise from config/throughput.csv. What neither
tells is unknown, and said to be.
"""

import csv
import heapq
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any

from jpegprep.common.errors import UserError
from jpegprep.common.layout import ORIGINAL, SHARDS
from jpegprep.images.variants import NOISE, pixels_of
from jpegprep.study.study import Study

# As in profiles/default: what reruns a job.
_TRIGGERS = ("mtime", "params", "input")
# Bytes of a shard beyond its images, an image: two headers, the label's block, padding; measured on
# shards of the paper's six data sets, 1,780 to 1,860.
TAR_BYTES = 1800
# Without gradients a network is about three times as fast as in training (of forward, backward by
# activations and backward by weights, the first alone).
_EVALUATION_SPEED = 3
_STARTUP_S = 30  # imports, weights, the GPU's first step; an allowance
_GPUS = (1, 8, 64)
_WIDTH = 96  # of what is text, in characters

Facts = Mapping[str, Any]  # of a study, as `facts_of` tells them


@dataclass(frozen=True)
class ToDo:
    """What a dry run lists.

    Attributes:
        jobs: the number of jobs of each rule, in the order of the dry run.
        outputs: the files that they will write.
    """

    jobs: Mapping[str, int]
    outputs: frozenset[str]


@dataclass(frozen=True)
class Rate:
    """A training speed.

    Attributes:
        images_per_second: the speed.
        origin: on which device, and whether it was measured here or recorded elsewhere.
        source: where a recorded one was published.
    """

    images_per_second: float
    origin: str
    source: str = ""


def facts_of(study: Study) -> dict[str, Any]:
    """Return what the plan asks of a study, in plain values.

    ``name``; ``datasets``, the registry's entries; ``archives``, a folder of archives on this
    machine, or None; ``shards``, for each data set the folder of each variant; ``learners``, each
    with ``framework``, ``recipe`` and, if it has some, ``weights``; ``weights``, the registry's
    entries of those; ``runs``, of each run the data set, the learner and its run.json.
    """
    runs = study.runs()
    return {
        "name": study.name,
        "datasets": study.datasets,
        "archives": study.archives,
        "shards": {
            name: {
                variant: SHARDS.format(dataset=name, variant=variant)
                for variant in dict.fromkeys(
                    [
                        *study.variants(),
                        *(run.variant for run in runs if run.dataset == name),
                        *(study.all_stores() if name in study.stores_datasets() else []),
                    ]
                )
            }
            for name in study.datasets
        },
        "learners": {
            name: {**entry, "recipe": study.recipe(name)} for name, entry in study.learners.items()
        },
        "weights": {
            entry["weights"]: study.weights[entry["weights"]]
            for entry in study.learners.values()
            if "weights" in entry
        },
        "runs": [(run.dataset, run.learner, run.file("run.json")) for run in runs],
    }


def plan(
    snakefile: str | Path,
    config: str,
    study: Facts,
    sizes: str | Path,
    throughput: str | Path,
    runs: str | Path = "results/runs",
) -> str:
    """Return the plan of a study, as people read it.

    Args:
        snakefile: the workflow's main Snakefile.
        config: the study, as JSON.
        study: what `facts_of` tells of it.
        sizes: config/sizes.csv.
        throughput: config/throughput.csv.
        runs: the folder of all runs.

    Raises:
        UserError: where the dry run fails, or a table of config/ is damaged.
    """
    todo = dry_run(snakefile, config)
    relative, speeds = read_sizes(sizes), read_throughput(throughput)
    blocks = [f"Plan of the study {study['name']}: what is still to do"]
    blocks.append(_jobs_table(todo.jobs))
    blocks.append(_storage_table(study, todo, relative))
    blocks.append(_time_table(study, todo, speeds, Path(runs)))
    return "\n\n".join(blocks) + "\n"


def dry_run(snakefile: str | Path, config: str) -> ToDo:
    """Return what a second Snakemake, which runs nothing and takes no lock, would do for a study.

    Args:
        snakefile: the workflow's main Snakefile.
        config: the study, as JSON.

    Raises:
        UserError: where Snakemake fails; the job's log has all that it said.
    """
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        study = Path(scratch) / "study.json"
        study.write_text(config, encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        command += ["--dry-run", "--nolock", "--workflow-profile", "none", "--rerun-incomplete"]
        command += ["--quiet", "reason", "host", "--rerun-triggers", *_TRIGGERS]
        done = subprocess.run(
            [*command, "--configfile", str(study), "--", "all"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if done.returncode:
        print(done.stdout)
        raise UserError("the dry run of the study failed; try snakemake -n with the same options")
    return ToDo(read_jobs(done.stdout), read_outputs(done.stdout))


def read_jobs(text: str) -> dict[str, int]:
    """Return the number of jobs of each rule from what a dry run prints.

    The target ``all``, which does nothing, does not count.
    """
    jobs: dict[str, int] = {}
    table = re.search(r"^job +count *\n[- ]+\n(.*?)^total\b", text, re.MULTILINE | re.DOTALL)
    for line in table[1].splitlines() if table else ():
        if (match := re.fullmatch(r"(\w+) +(\d+) *", line)) and match[1] != "all":
            jobs[match[1]] = int(match[2])
    return jobs


def read_outputs(text: str) -> frozenset[str]:
    """Return the files that jobs will write from what a dry run prints."""
    lines = re.findall(r"^ +output: (.*)$", text, re.MULTILINE)
    return frozenset(name for line in lines for name in line.split(", "))


def _read(path: str | Path, columns: Sequence[str], numbers: Sequence[str]) -> list[dict[str, Any]]:
    """Read a table of config/, some of whose columns are numbers above 0."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows: list[dict[str, Any]] = list(reader)
        if list(reader.fieldnames or ()) != list(columns):
            raise ValueError(f"its columns are not {', '.join(columns)}")
        for i, row in enumerate(rows, start=2):
            if None in row or None in row.values():
                raise ValueError(f"line {i} has not {len(columns)} columns")
            for name in numbers:
                row[name] = float(row[name])
                if not row[name] > 0:
                    raise ValueError(f"line {i}: {name} is not above 0")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {error}; restore it from the repository") from None
    return rows


def read_sizes(path: str | Path) -> dict[tuple[str, str], float]:
    """Return the relative size of each (data set, variant): of its images over the original's.

    For the variant ``original``: of its images over the archives'.

    Args:
        path: a CSV with the columns dataset, variant, relative_to (archives or original),
            relative_size, images (on how many it was measured) and source.

    Raises:
        UserError: where the file is no such table.
    """
    columns = ("dataset", "variant", "relative_to", "relative_size", "images", "source")
    rows = _read(path, columns, ("relative_size", "images"))
    return {(row["dataset"], row["variant"]): row["relative_size"] for row in rows}


def read_throughput(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return the recorded training speed of each architecture, on a GPU.

    Args:
        path: a CSV with the columns architecture (timm's, without a tag), image_size (pixels),
            batch_size, device, precision, images_per_second, software, date and source.
            batch_size is 0 where steps of any number of images are as fast, by image.

    Raises:
        UserError: where the file is no such table.
    """
    columns = ["architecture", "image_size", "batch_size", "device", "precision"]
    columns += ["images_per_second", "software", "date", "source"]
    rows = _read(path, columns, ("image_size", "images_per_second"))
    try:
        return {row["architecture"]: {**row, "batch_size": int(row["batch_size"])} for row in rows}
    except ValueError as error:
        raise UserError(f"{path}: batch_size: {error}; restore it from the repository") from None


def split_sizes(dataset: Mapping[str, Any]) -> dict[str, int]:
    """Return about how many images of a data set train, validate and test."""
    images, split = dataset["images"], dataset["split"]
    parts = {name: round(images * split[name]) for name in ("val", "test")}
    return {"train": images - sum(parts.values()), **parts}


def run_seconds(dataset: Mapping[str, Any], epochs: int, rate: float) -> float:
    """Return about how many seconds a run takes.

    Each epoch trains on the training images and validates on the validation images, three times as
    fast; at the end the test images are predicted; a start comes before.

    Args:
        dataset: the registry's entry.
        epochs: the recipe's.
        rate: images a second in training.
    """
    parts = split_sizes(dataset)
    evaluated = epochs * parts["val"] + parts["test"]
    return _STARTUP_S + (epochs * parts["train"] + evaluated / _EVALUATION_SPEED) / rate


def extraction_seconds(dataset: Mapping[str, Any], rate: float) -> float:
    """Return about how many seconds the features of a variant take: all its images once, forward.

    Args:
        dataset: the registry's entry.
        rate: images a second in training.
    """
    return _STARTUP_S + dataset["images"] / _EVALUATION_SPEED / rate


def recorded_rate(
    speeds: Mapping[str, Mapping[str, Any]], recipe: Mapping[str, Any]
) -> Rate | None:
    """Return the recorded speed of a recipe's network, scaled to its image size and batch.

    By area to another size. But where starting a step's kernels takes longer than computing them,
    as ``batch_size`` says, a step of smaller or fewer images takes as long as the recorded one.
    """
    row = speeds.get(recipe.get("architecture", "").split(".")[0])
    if row is None:
        return None
    rate, batch = row["images_per_second"], row["batch_size"]
    origin = f"recorded: {row['device']}, {row['precision']}, {row['date']}"
    area = (recipe["image_size"] / row["image_size"]) ** 2
    if area > 1 or (area < 1 and not batch):
        rate /= area
        origin += f", scaled from {row['image_size']:.0f} px by area"
    if recipe["batch_size"] < batch:
        rate *= recipe["batch_size"] / batch
        origin += f", scaled from batches of {batch}"
    return Rate(rate, origin, row["source"])


def measured_rate(runs: Path, learner: str, recipe: Mapping[str, Any], kind: str) -> Rate | None:
    """Return the median speed of a learner's runs that are there, by the same network and size.

    Of runs that trained on several GPUs, the speed of each.

    Args:
        runs: the folder of all runs.
        learner: the learner's name.
        recipe: its recipe.
        kind: of the device, gpu or cpu.
    """
    rates, devices = [], set()
    for record, history in _records(runs, f"*/*/{learner}/seed*"):
        of_run = record.get("recipe", {})
        same = all(of_run.get(key) == recipe.get(key) for key in ("architecture", "image_size"))
        if same and record["device"]["kind"] == kind:
            found = [float(row["images_per_second"] or "nan") for row in history]
            found = [rate for rate in found if rate > 0]  # not-a-number is not
            if found:
                gpus = of_run.get("gpus", 1) if kind == "gpu" else 1
                rates.append(median(found) / gpus)
                devices.add(record["device"]["name"])
    if not rates:
        return None
    return Rate(median(rates), f"measured: {', '.join(sorted(devices))}, {len(rates)} runs")


def _records(runs: Path, pattern: str) -> Iterable[tuple[dict[str, Any], list[dict[str, str]]]]:
    """Yield run.json and the rows of history.csv of the runs of a pattern, but for damaged ones."""
    for path in sorted(runs.glob(f"{pattern}/run.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            with (path.parent / "history.csv").open(encoding="utf-8", newline="") as file:
                history = list(csv.DictReader(file))
        except (OSError, ValueError):
            continue
        yield record, history


def measured_seconds(runs: Path, dataset: str, learner: str) -> float | None:
    """Return the median seconds of the runs of a learner on a data set, where there are any."""
    found = [
        sum(record["seconds"].values()) for record, _ in _records(runs, f"{dataset}/*/{learner}/*")
    ]
    return median(found) if found else None


def archive_bytes(archive: Mapping[str, Any], path: Path) -> float | None:
    """Return the size of an archive: of its file, or what the registry says, or None."""
    if archive["source"] == "folder":  # the archive is a list of the files
        return archive.get("about_bytes")
    places = [path]
    if archive["source"] == "file":
        places.append(Path(archive["path"]).expanduser())
    elif archive["source"] == "package":
        with suppress(PackageNotFoundError):
            package = distribution(archive["distribution"])
            places.append(Path(str(package.locate_file(archive["path"]))))
    for place in places:
        if place.is_file():
            return place.stat().st_size
    return archive.get("bytes", archive.get("about_bytes"))


def to_download(
    source: Mapping[str, Any], path: str, todo: ToDo, local: str | Path | None = None
) -> float | None:
    """Return how many bytes of a file come over the network; None where nobody knows.

    Args:
        source: the registry's entry.
        path: the file's place.
        todo: what is to do.
        local: a folder of archives on this machine, or None.
    """
    target = Path(path)
    here = Path(local).expanduser() if local else None
    if here and (
        (here / target.name).exists() or (here / target.parent.name / target.name).exists()
    ):
        return 0
    if path not in todo.outputs or source["source"] not in ("url", "hub"):
        return 0
    return source.get("bytes", source.get("about_bytes"))


def variant_size(
    relative: Mapping[tuple[str, str], float], dataset: str, variant: str
) -> float | None:
    """Return the size of a variant's images over the original's; None where nobody knows.

    Of a data set that is not recorded: the median of those that are. Between two recorded
    qualities: on the line from one to the other. A store of the same pixels as another one's is
    taken for as large.
    """
    if variant == ORIGINAL:
        return 1.0
    if pixels_of(variant) != variant:
        return variant_size(relative, dataset, pixels_of(variant))
    if variant.endswith("-smaller"):  # it keeps what is not made smaller
        size = variant_size(relative, dataset, variant.removesuffix("-smaller"))
        return None if size is None else min(size, 1.0)
    names = {name for name, _ in relative}
    if dataset not in names:
        sizes = [variant_size(relative, name, variant) for name in names]
        known = [size for size in sizes if size is not None]
        return median(known) if known else None
    if (dataset, variant) in relative:
        return relative[dataset, variant]
    match = re.fullmatch(r"jpeg-q(\d+)", variant)
    qualities = [
        (int(found[1]), size)
        for (name, other), size in relative.items()
        if name == dataset and (found := re.fullmatch(r"jpeg-q(\d+)", other))
    ]
    if not match or not qualities:
        return None
    return _on_the_line(int(match[1]), sorted(qualities))


def _on_the_line(x: float, points: Sequence[tuple[float, float]]) -> float:
    """Return y at x between two of the points, or of the nearest point outside."""
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if x0 <= x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[0][1] if x < points[0][0] else points[-1][1]


def shard_bytes(
    folder: str, images: int, original: float | None, size: float | None
) -> float | None:
    """Return the bytes of a variant's shards: of the files where all are there, or an estimate.

    Args:
        folder: of the shards.
        images: how many images they hold.
        original: the bytes of the original's images, or None.
        size: the size of the variant's images over the original's, or None.
    """
    if tars := list(Path(folder).glob("*.tar")):  # all of them: the folder is a job's output
        return sum(tar.stat().st_size for tar in tars)
    if original is None or size is None:
        return None
    return original * size + images * TAR_BYTES


def _jobs_table(jobs: Mapping[str, int]) -> str:
    if not jobs:
        return "Nothing is to do: every result of the study is there."
    rows = [[rule, f"{count:,}"] for rule, count in jobs.items()]
    return _table(["jobs", "number"], [*rows, ["total", f"{sum(jobs.values()):,}"]])


def _storage_table(study: Facts, todo: ToDo, relative: Mapping[tuple[str, str], float]) -> str:
    """Return the bytes to download and the disk's share of each data set, and of the weights."""
    sizes = {name: _storage(study, name, todo, relative) for name in study["datasets"]}
    weights = _sum(
        to_download(entry, f"resources/weights/{name}.safetensors", todo)
        for name, entry in study["weights"].items()
    )
    total = [_sum(column) for column in zip(*sizes.values(), strict=True)]
    total[0] = _sum([total[0], weights])
    header = ["GB", "to download", "archives", "original", "compressed", "noisy", "disk"]
    rows = [[name, *map(_gb, row)] for name, row in sizes.items()]
    rows += [["weights", _gb(weights), *[""] * 5], ["total", *map(_gb, total)]]
    there, free = _on_disk(_files(study)), shutil.disk_usage(".").free
    lacking = sizes.keys() - {name for name, _ in relative}
    note = (
        f"{_gb(there)} GB of it are there already; {_gb(free)} GB are free here. Shards that are "
        "not there are estimated from config/sizes.csv"
        + (" (a data set that it lacks: the median of the others)" if lacking else "")
        + ". CIFAR's originals become PNG, and so do noisy images, which are several times as "
        "large as photographs in JPEG."
    )
    return f"{_table(header, rows)}\n{fill(note, _WIDTH)}"


def _storage(
    study: Facts, name: str, todo: ToDo, relative: Mapping[tuple[str, str], float]
) -> list[float | None]:
    """Return a data set's bytes: to download, archives, original, compressed, noisy shards, all."""
    dataset = study["datasets"][name]
    pairs = [(entry, _archive(name, entry)) for entry in dataset["archives"]]
    archives = _sum(archive_bytes(entry, Path(path)) for entry, path in pairs)
    original = None if archives is None else archives * relative.get((name, "original"), 1.0)
    groups: dict[str, list[float | None]] = {ORIGINAL: [], "compressed": [], NOISE: []}
    for variant, folder in study["shards"][name].items():
        size = variant_size(relative, name, variant)
        shards = shard_bytes(folder, dataset["images"], original, size)
        kind = NOISE if variant.startswith(NOISE) else "compressed"
        groups[variant if variant == ORIGINAL else kind].append(shards)
    parts = [archives, *map(_sum, groups.values())]
    download = _sum(to_download(entry, path, todo, study["archives"]) for entry, path in pairs)
    return [download, *parts, _sum(parts)]


def _archive(dataset: str, entry: Mapping[str, Any]) -> str:
    return f"resources/archives/{dataset}/{entry['name']}"


def _files(study: Facts) -> list[str]:
    """Return the archives and shards of a study."""
    folders = [folder for of in study["shards"].values() for folder in of.values()]
    tars = [str(tar) for folder in folders for tar in Path(folder).glob("*.tar")]
    return tars + [
        _archive(name, entry)
        for name, dataset in study["datasets"].items()
        for entry in dataset["archives"]
    ]


def _time_table(
    study: Facts, todo: ToDo, speeds: Mapping[str, Mapping[str, Any]], runs: Path
) -> str:
    """Return the GPU hours of the runs to do, a row a learner and a column a data set."""
    rows: list[list[str]] = []
    notes: list[tuple[str, Rate | None, str]] = []
    lengths: list[float] = []
    columns: dict[str, list[float | None]] = {name: [] for name in study["datasets"]}
    for learner, entry in study["learners"].items():
        recipe = entry["recipe"]
        for row, counts, on_gpu in _work(study, todo, learner):
            if on_gpu:
                rate = measured_rate(runs, learner, recipe, "gpu") or recorded_rate(speeds, recipe)
                hours = _hours_of_runs(study, counts, recipe, rate)
                for column, value in zip(columns.values(), hours, strict=True):
                    column.append(value)
                for count, value in zip(counts.values(), hours, strict=True):
                    lengths += [value / count] * count if value else []
                notes.append((row, rate, "unknown: add its network to config/throughput.csv"))
                if on_cpu := measured_rate(runs, learner, recipe, "cpu"):
                    total = _sum(_hours_of_runs(study, counts, recipe, on_cpu))
                    origin = f"{on_cpu.origin}: {_hours(total, 1)} CPU hours in all"
                    notes.append(("  on a CPU", Rate(on_cpu.images_per_second, origin), ""))
            else:
                hours = [
                    _scaled(count, measured_seconds(runs, name, learner))
                    for name, count in counts.items()
                ]
                notes.append((row, None, "CPU hours: known once a run of the data set is there"))
            cells = [_hours(x, count) for x, count in zip(hours, counts.values(), strict=True)]
            number = sum(counts.values())
            name = row if on_gpu else f"{row} (CPU)"
            rows.append([name, f"{number:,}", *cells, _hours(_sum(hours), number)])
    every = [hours for column in columns.values() for hours in column]
    totals = [_total_hours(column) for column in (*columns.values(), every)]
    rows.append(["total GPU hours", "", *totals])
    table = _table(["GPU hours", "runs", *study["datasets"], "total"], rows)
    note = (
        f"Images x epochs / throughput of training; validation, test and the features of a "
        f"probe {_EVALUATION_SPEED} times as fast; {_STARTUP_S} s a start. What is recorded is the "
        "speed of the network alone, fed from memory: reading and decoding images may be slower."
    )
    parts = [_makespans(lengths), fill(note, _WIDTH), _notes(notes)]
    return "\n\n".join([table, *filter(None, parts)])


def makespan(hours: Sequence[float], gpus: int) -> float:
    """Return in how many hours jobs are done where each GPU has one at a time.

    A GPU takes the next job as soon as it is free, in the order given, since Snakemake does not
    know how long a job takes. Nothing waits for shards, queues or other users.

    Args:
        hours: of each job.
        gpus: how many there are.
    """
    free = [0.0] * gpus
    for job in hours:
        heapq.heapreplace(free, free[0] + job)
    return max(free)


def _makespans(hours: Sequence[float]) -> str:
    """Return the hours until the jobs of known length are done, on more and more GPUs."""
    if not hours:
        return ""
    each = ", ".join(f"{gpus}: {makespan(hours, gpus):,.1f}" for gpus in _GPUS)
    return f"hours until the last of these is done, by the number of GPUs: {each}"


def _work(study: Facts, todo: ToDo, learner: str) -> list[tuple[str, dict[str, int], bool]]:
    """Return a learner's rows: name, how often it is to do on each data set, whether on a GPU.

    Of a probe, two: the features of each variant, and the regressions on them.
    """
    framework, runs = study["learners"][learner]["framework"], _runs_to_do(study, todo, learner)
    if framework == "probe":
        features = _features_to_do(study, todo, learner)
        return [(f"{learner}, features", features, True), (learner, runs, False)]
    return [(learner, runs, framework != "autogluon_tabular")]


def _features_to_do(study: Facts, todo: ToDo, learner: str) -> dict[str, int]:
    """Return of how many variants of each data set a probe's features are to do."""
    return {
        name: sum(
            f"results/features/{name}/{variant}/{learner}.npz" in todo.outputs
            for variant in study["shards"][name]
        )
        for name in study["datasets"]
    }


def _runs_to_do(study: Facts, todo: ToDo, learner: str) -> dict[str, int]:
    """Return how many runs of a learner are to do on each data set."""
    counts = dict.fromkeys(study["datasets"], 0)
    for dataset, of_learner, record in study["runs"]:
        counts[dataset] += of_learner == learner and record in todo.outputs
    return counts


def _hours_of_runs(
    study: Facts, counts: Mapping[str, int], recipe: Mapping[str, Any], rate: Rate | None
) -> list[float | None]:
    """Return the hours of the runs on each data set, unknown where the rate is.

    Of a recipe without epochs: the hours of the features.
    """
    hours = []
    for name, count in counts.items():
        seconds = None
        if rate is not None:
            dataset = study["datasets"][name]
            if "epochs" in recipe:
                seconds = run_seconds(dataset, recipe["epochs"], rate.images_per_second)
            else:
                seconds = extraction_seconds(dataset, rate.images_per_second)
        hours.append(_scaled(count, seconds))
    return hours


def _scaled(count: int, seconds: float | None) -> float | None:
    """Return the hours of so many runs of so many seconds; of none, no hours."""
    if not count:
        return 0.0
    return None if seconds is None else count * seconds / 3600


def _notes(notes: Sequence[tuple[str, Rate | None, str]]) -> str:
    """Return from where each learner's throughput is, and each source once."""
    sources = list(dict.fromkeys(rate.source for _, rate, _ in notes if rate and rate.source))
    width = max(len(name) for name, _, _ in notes)
    lines = ["throughput".ljust(width) + "  images/s"]
    lines.append("-" * len(lines[0]))
    for name, rate, otherwise in notes:
        number = f"{rate.images_per_second:,.0f}" if rate else ""
        origin = rate.origin if rate else otherwise
        mark = f" [{sources.index(rate.source) + 1}]" if rate and rate.source else ""
        lines.append(f"{name.ljust(width)}  {number:>8}  {origin}{mark}")
    return "\n".join([*lines, *(f"[{i}] {source}" for i, source in enumerate(sources, 1))])


def _sum(parts: Iterable[float | None]) -> float | None:
    """Return a sum, unknown where a part is."""
    total = 0.0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def _on_disk(files: Iterable[str]) -> int:
    return sum(Path(file).stat().st_size for file in files if Path(file).is_file())


def _gb(size: float | None) -> str:
    return "unknown" if size is None else f"{size / 1e9:,.2f}"


def _hours(hours: float | None, runs: int) -> str:
    if not runs:
        return "-"
    return "unknown" if hours is None else f"{hours:,.1f}"


def _total_hours(column: Sequence[float | None]) -> str:
    """Return the sum of what is known, with a sign where something is not."""
    known = [hours for hours in column if hours is not None]
    return f"{sum(known):,.1f}" + (" + unknown" if len(known) < len(column) else "")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in plain text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:]])
