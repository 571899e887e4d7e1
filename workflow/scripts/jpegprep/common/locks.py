"""Removing the lock that a killed Snakemake left, and only that.

It is run as ``python -m jpegprep.common.locks``.
Snakemake locks the folder it works in, and a killed one cannot unlock it. Its lock is stale once no
Snakemake and none of its jobs runs there any more.
"""

import subprocess
import sys
from pathlib import Path

import psutil


def unlock_stale(folder: Path, snakefile: Path | None = None) -> str | None:
    """Unlock a folder where the lock is stale.

    Args:
        folder: in which Snakemake works.
        snakefile: the workflow's; None: it lies in the folder.

    Returns:
        What keeps the lock, in one line, or None where there is no lock any more.
    """
    if not any((folder / ".snakemake" / "locks").glob("*")):
        return None
    own = psutil.Process()
    ours = {own.pid, *(parent.pid for parent in own.parents())}
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or [])
        there = process.info["cwd"] == str(folder.resolve()) and process.pid not in ours
        if there and "snakemake" in command and "jpegprep.common.locks" not in command:
            return (
                f"process {process.info['pid']} still works on {folder} ({command[:80]} …); wait "
                "for it, or kill it"
            )
    where = ["--snakefile", str(snakefile)] if snakefile else []
    unlock = subprocess.run(
        [sys.executable, "-m", "snakemake", *where, "--unlock", "--quiet", "all"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if unlock.returncode:  # most likely the study has a mistake, which the last line tells
        return unlock.stderr.strip().rpartition("\n")[2].removeprefix("error: ")
    print("Unlocked: the last run was killed; what it had finished is kept.", file=sys.stderr)
    return None


if __name__ == "__main__":
    problem = unlock_stale(Path.cwd())
    if problem:
        sys.exit(f"error: {problem}")
