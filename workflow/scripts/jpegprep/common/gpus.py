"""Which of a machine's GPUs a job takes: Snakemake counts them, but names none.

`--resources gpu=4` starts at most four jobs that need one. Each takes the GPU that the fewest of
this user's jobs hold, and one that trains on several takes several: with as many jobs as GPUs each
has its own, with more they share evenly. A job holds its GPU by a lock on a file, which the system
drops with the process, however that ends.
"""

import fcntl
import os
import re
import tempfile
from itertools import count
from pathlib import Path

_held: list[int] = []  # file descriptors, open as long as the process lives


def take_gpus(wanted: int = 1) -> str | None:
    """Take GPUs for the rest of this process, by CUDA_VISIBLE_DEVICES; before CUDA is used.

    Where a scheduler gives each job its GPUs (Slurm does), and where there are no more than wanted,
    nothing is to be chosen.

    Args:
        wanted: how many.

    Returns:
        Those taken, as CUDA_VISIBLE_DEVICES names them; None where nothing was chosen.
    """
    gpus = _visible()
    if len(gpus) < max(2, wanted) or "SLURM_JOB_ID" in os.environ:
        return None
    folder = Path(tempfile.gettempdir()) / f"jpegprep-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    taken: list[str] = []
    for place in count():
        for gpu in gpus:
            if gpu not in taken and _lock(folder / f"{re.sub('[^A-Za-z0-9-]', '_', gpu)}.{place}"):
                taken.append(gpu)
                if len(taken) == wanted:
                    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
                    return ",".join(taken)
    raise AssertionError


def _visible() -> list[str]:
    """Return the names of the GPUs that this process may use."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    devices = [path for path in Path("/dev").glob("nvidia*") if path.name[6:].isdigit()]
    return [str(i) for i in range(len(devices))]


def _lock(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held.append(descriptor)
    return True
