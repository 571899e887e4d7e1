"""A training on several GPUs of one machine: a process for each (DistributedDataParallel).

A batch is divided among them, and their gradients are averaged: with batch norm over the whole
batch, the steps are those of one GPU but for rounding. Without GPUs the processes share the
processor's cores, each with batch norm over its own part.

The processes are started by `fit`, not by Lightning, which would start the whole job again in each.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import torch
from lightning.fabric.plugins.environments.lightning import find_free_network_port

from jpegprep.common.errors import UserError
from jpegprep.learners import fitting
from jpegprep.learners.data import Place
from jpegprep.shards.shards import ShardReader


def check(processes: int, readers: Mapping[str, ShardReader], run: str) -> None:
    """Refuse what cannot be divided among the processes.

    Args:
        processes: how many there shall be.
        readers: the shards of ``train`` and ``val``.
        run: the run's name.

    Raises:
        UserError: where there are GPUs, but fewer; where a split has fewer images.
    """
    gpus = torch.cuda.device_count()
    if 0 < gpus < processes:
        raise UserError(
            f"{run}: its recipe says gpus: {processes}, and this job has {gpus}; "
            "give it as many (--resources gpu=…), or write fewer"
        )
    for split in ("train", "val"):
        if 0 < len(readers[split]) < processes:
            raise UserError(
                f"{run}: its recipe says gpus: {processes}, and {split} has "
                f"{len(readers[split])} images; write fewer"
            )


def fit(arguments: Mapping[str, Any], processes: int, terminal: TextIO | None) -> dict[str, Any]:
    """Train in several processes; return what `fitting.fit` returns in the first.

    Args:
        arguments: of `fitting.fit`, but for its last two; they must be JSON's.
        processes: how many.
        terminal: where the first draws its bar, if it is a terminal.

    Raises:
        UserError: of the first process that raised one.
        RuntimeError: where one ended otherwise before its time; the others are ended.
    """
    scripts = str(Path(__file__).parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (scripts, os.environ.get("PYTHONPATH")))),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(find_free_network_port()),
        "WORLD_SIZE": str(processes),
        "NODE_RANK": "0",
    }
    bar = terminal.fileno() if terminal is not None and terminal.isatty() else None
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as name:
        folder = Path(name)
        threads = max(1, arguments["threads"] // processes)
        told = {**arguments, "threads": threads, "terminal": bar}
        (folder / "arguments.json").write_text(json.dumps(told), encoding="utf-8")
        with _ended(
            [
                subprocess.Popen(
                    [sys.executable, "-m", "jpegprep.learners.distributed", folder],
                    env={**environment, "LOCAL_RANK": str(rank)},
                    stdin=subprocess.PIPE,  # at its end they know that this process ended
                    stdout=None if rank == 0 else subprocess.DEVNULL,
                    pass_fds=[bar] if bar is not None and rank == 0 else [],
                )
                for rank in range(processes)
            ]
        ) as started:
            while any(process.poll() is None for process in started):
                if any(process.poll() for process in started):
                    break
                time.sleep(0.1)
            statuses = [process.poll() for process in started]
        for error in sorted(folder.glob("error-*.txt")):
            raise UserError(error.read_text(encoding="utf-8"))
        for rank, status in enumerate(statuses):
            if status:
                raise RuntimeError(
                    f"process {rank} of {processes} of the training ended with status {status}"
                )
        fitted: dict[str, Any] = torch.load(
            folder / "fitted.pt", map_location="cpu", weights_only=True
        )
    return fitted


@contextmanager
def _ended(
    processes: "list[subprocess.Popen[bytes]]",
) -> "Iterator[list[subprocess.Popen[bytes]]]":
    """Yield the processes; end those that still run."""
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()


def _take_part(folder: Path) -> None:
    """Train as one of the processes; the first writes what `fit` returns."""
    place = Place(int(os.environ["LOCAL_RANK"]), int(os.environ["WORLD_SIZE"]))
    arguments = json.loads((folder / "arguments.json").read_bytes())
    bar = arguments.pop("terminal")
    terminal = os.fdopen(bar, "w") if bar is not None and place.rank == 0 else None
    try:
        fitted = fitting.fit(**arguments, terminal=terminal, place=place)
    except UserError as error:
        (folder / f"error-{place.rank}.txt").write_text(str(error), encoding="utf-8")
        sys.exit(1)
    if place.rank == 0:
        torch.save(fitted, folder / "fitted.pt")


def _end_with_parent() -> None:
    """End this process when its parent's end of standard input closes, however that ended."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    import threading

    threading.Thread(target=_end_with_parent, daemon=True).start()
    _take_part(Path(sys.argv[1]))
