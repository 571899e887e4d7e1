"""Is this machine fit for the work, and what would be slow? Looked at, not guessed."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import psutil

from jpegprep.command.workflow import ROOT
from jpegprep.study.config import read_yaml

_SHOWN = ("snakemake", "torch", "timm", "onnxruntime", "pillow", "numpy", "scikit-learn")
# Jobs that train ask for 8 GB (workflow/rules/learners.smk); a data set's shards and features have
# to fit beside the environment.
_LEAST_MEMORY, _LEAST_DISK = 8e9, 5e9
_NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "fuse.sshfs", "lustre", "beegfs", "gpfs")


@dataclass(frozen=True)
class Finding:
    """What was looked at.

    Attributes:
        what: the thing.
        found: what was found, in words.
        advice: what follows from it: what would be slow or fail, and what helps; None: all is well.
    """

    what: str
    found: str
    advice: str | None = None

    def __str__(self) -> str:
        """Return a line, and a second where there is advice."""
        return f"{self.what + ':':<10} {self.found}" + (f"\n  ! {self.advice}" * bool(self.advice))


def examine(folder: Path) -> list[Finding]:
    """Look at the machine and the environment.

    Args:
        folder: of the work, `workflow.folder_for`.
    """
    return [
        _machine(),
        _memory(),
        _gpus(),
        _versions(),
        _environment(),
        _weights(folder),
        _disk(folder, "results"),
        _disk(Path(tempfile.gettempdir()), "temporary"),
    ]


def as_json(findings: list[Finding]) -> list[dict[str, Any]]:
    """Return findings in plain values."""
    return [asdict(finding) for finding in findings]


def _machine() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = f"{platform.system()} {platform.machine()}, {cores} cores for this process"
    advice = None
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        text = cpu.read_text(encoding="utf-8", errors="replace")
        if model := re.search(r"model name\s*: (.+)", text):
            found = f"{model[1]}, {found}"
        if platform.machine() == "x86_64" and not re.search(r"\bavx2\b", text):
            advice = "this processor has no AVX2: networks take several times as long"
    if cores == 1:
        advice = "one core: nothing runs side by side; the minutes of a recommendation buy less"
    return Finding("machine", found, advice)


def _memory() -> Finding:
    found = psutil.virtual_memory()
    advice = None
    if found.available < _LEAST_MEMORY:
        advice = (
            "a training may take 8 GB: let one run at a time (-- --resources gpu=1), and close "
            "what else is open"
        )
    text = f"{found.total / 1e9:.1f} GB, {found.available / 1e9:.1f} GB of it free"
    return Finding("memory", text, advice)


def _gpus() -> Finding:
    program = shutil.which("nvidia-smi")
    listed = ""
    if program:
        asked = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
        listed = "; ".join(done.stdout.split("\n")).strip("; ") if done.returncode == 0 else ""
    # Torch says what a training will see; a process of its own, as it keeps the GPU's memory.
    code = "import torch; print(torch.cuda.device_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        return Finding("GPU", listed or "none", f"torch cannot be imported: {last}")
    usable = int(done.stdout.split()[-1])
    if usable:
        return Finding("GPU", listed or f"{usable}")
    if listed:
        return Finding("GPU", listed, "torch sees none of them: is their driver too old for it?")
    return Finding(
        "GPU",
        "none",
        "networks are fine-tuned on the CPU: a recommendation is made for that, a study like "
        "config/paper.yaml is not (jpegprep plan says how long it takes)",
    )


def _versions() -> Finding:
    shown = ", ".join(f"{name} {_version(name)}" for name in _SHOWN)
    return Finding("versions", f"Python {platform.python_version()}, {shown}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is missing"


def _environment() -> Finding:
    """Compare what is installed with the lock."""
    locked = locked_versions((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    wrong = {name: _version(name) for name, pin in locked.items() if _version(name) != pin}
    advice = None
    if wrong:
        some = ", ".join(f"{name} {found}" for name, found in [*wrong.items()][:5])
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        advice = f"other than in requirements.lock: {some}{more}; `make setup` installs the lock"
    found = f"{len(locked) - len(wrong)} of {len(locked)} packages as in requirements.lock"
    if "PYTHONDONTWRITEBYTECODE" in os.environ:
        found += "; PYTHONDONTWRITEBYTECODE is set, and is taken from the jobs' environment"
    return Finding("packages", found, advice)


def locked_versions(lock: str) -> dict[str, str]:
    """Return the versions that a lock pins for this platform, by name."""
    from packaging.requirements import Requirement

    lines = re.findall(r"^[A-Za-z0-9][^\\\n]*", lock, re.MULTILINE)
    pins = {}
    for requirement in map(Requirement, map(str.strip, lines)):
        if requirement.marker is None or requirement.marker.evaluate():
            pins[requirement.name] = str(requirement.specifier).removeprefix("==")
    return pins


def _weights(folder: Path) -> Finding:
    entries = read_yaml(ROOT / "config/weights.yaml")
    here = [name for name, entry in entries.items() if at_hand(name, entry, folder)]
    others = [name for name in entries if name not in here]
    advice = None
    if "tf_efficientnet_lite0" not in here:
        advice = "those that a recommendation starts from are missing: `make setup`"
    found = ", ".join(here) or "none"
    if others:
        found += f"; to be downloaded where a study needs them: {len(others)} others"
    return Finding("weights", found, advice)


def at_hand(name: str, entry: Mapping[str, Any], folder: Path) -> bool:
    """Tell whether pretrained weights are there without a network.

    Args:
        name: of an entry of weights.yaml.
        entry: that.
        folder: of the work.
    """
    if (folder / f"resources/weights/{name}.safetensors").exists():
        return True
    if entry["source"] == "package":
        try:
            distribution(entry["distribution"])
        except PackageNotFoundError:
            return False
        return True
    return entry["source"] == "file" and Path(entry["path"]).exists()


def _disk(folder: Path, what: str) -> Finding:
    while not folder.exists():  # it is made when it is needed
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    places = [p for p in psutil.disk_partitions(all=True) if folder.is_relative_to(p.mountpoint)]
    kind = max(places, key=lambda p: len(p.mountpoint)).fstype if places else ""
    found = f"{free / 1e9:.1f} GB free at {folder}" + (f" ({kind})" if kind else "")
    if free < _LEAST_DISK:
        return Finding(what, found, "that is little: shards and features may not fit")
    if kind.startswith(_NETWORK_FILE_SYSTEMS):
        return Finding(what, found, "many small files are slow over the network; name a local disk")
    return Finding(what, found)
