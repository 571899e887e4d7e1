"""The run record: the three files that every learner leaves for one (data set, variant, seed).

``history.csv`` has one row an epoch, ``predictions.parquet`` one row a test image, ``run.json`` the
configuration, the versions, the machine and what the run cost.
"""

import platform
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing, replacing_all, sha256_of
from jpegprep.common.parquet import read_parquet, write_parquet
from jpegprep.common.records import write_record
from jpegprep.images.images import codec
from jpegprep.shards.shards import ShardReader

HISTORY = [
    "epoch",  # 1 is the first
    "learning_rate",  # at the epoch's last step
    "train_loss",  # mean over the epoch's images, with label smoothing
    "val_loss",  # mean over the validation images, without it
    "val_accuracy",  # top-1
    "seconds",  # training and validation
    "images_per_second",  # training alone
]
_PACKAGES = ["torch", "torchvision", "timm", "lightning", "autogluon.multimodal", "numpy", "pillow"]
_PACKAGES += ["autogluon.tabular", "jpeglib", "lightgbm", "scikit-learn"]


def write_run(
    outputs: Mapping[str, str | Path],
    readers: Mapping[str, ShardReader],
    history: Sequence[Mapping[str, Any]],
    probabilities: npt.NDArray[np.float32],
    save_model: Callable[[Path], None],
    facts: Mapping[str, Any],
    threads: int,
    gpu: bool = True,
    folds: npt.NDArray[np.int64] | None = None,
    groups: npt.NDArray[np.int64] | None = None,
) -> None:
    """Write the files of a run; all appear, whole, or none.

    Args:
        outputs: the paths of ``history``, ``predictions``, ``run`` and ``model``.
        readers: the shards of ``train``, ``val`` and ``test``; with `folds` ``test`` are all.
        history: one mapping an epoch, with the keys of `HISTORY`; none of a learner without epochs,
            which reads its images once.
        probabilities: (n, classes) of the test images in the order of their shards.
        save_model: writes the model that made them to a path.
        facts: what the learner tells for run.json: which run this is, its recipe, the epoch chosen
            and its validation accuracy, the precision, the seconds of each part, and the peak
            memory of a process of its own.
        threads: the processors it had.
        gpu: it takes a GPU where there is one.
        folds: (n,) of the tested images, where they are tested by models of the other folds.
        groups: (n,) of the tested images: the same number for those that belong together.
    """
    test = readers["test"]
    with replacing_all(*(outputs[name] for name in ("history", "predictions", "model", "run"))) as (
        history_part,
        predictions_part,
        model_part,
        run_part,
    ):
        table = pd.DataFrame(history, columns=HISTORY)
        table.to_csv(history_part, index=False, float_format="%.6g", lineterminator="\n")
        accuracy = write_predictions(
            predictions_part, test.keys, test.labels, probabilities, folds, groups
        )
        save_model(model_part)
        read = max(1, len(history)) * sum(readers[s].image_bytes for s in ("train", "val"))
        run = {
            **facts,
            "test": {"n": len(test), "accuracy": accuracy},
            "encoder": readers["train"].encoders,
            "decoder": codec(),
            "decoding": readers["train"].decoding.record(),
            **environment(threads, gpu),
            "bytes_read": test.image_bytes + (read if folds is None or history else 0),
            "peak_memory_mib": peak_memory_mib(facts.get("peak_memory_mib", {})),
            "sha256": {
                Path(outputs[name]).name: sha256_of(part)
                for name, part in (("history", history_part), ("model", model_part))
            },
        }
        write_record(run_part, run)
    print(f"test accuracy {accuracy:.4f} on {len(test)} images")


def name_of(about: Mapping[str, Any]) -> str:
    """Return a run's name, as its folder is named: data set, variant, learner, seed."""
    return f"{about['dataset']}/{about['variant']}/{about['learner']}/seed{about['seed']}"


def write_test(
    target: str | Path,
    reader: ShardReader,
    probabilities: npt.NDArray[np.float32],
    folds: npt.NDArray[np.int64] | None = None,
) -> None:
    """Write the predictions of a trained model on other test images than its run's.

    Args:
        target: the parquet file to write.
        reader: the test images.
        probabilities: (n, classes), in their order.
        folds: as of `write_predictions`.
    """
    with replacing(target) as part:
        accuracy = write_predictions(part, reader.keys, reader.labels, probabilities, folds)
    print(f"test accuracy {accuracy:.4f} on {len(reader)} images")


def require_gpu(learner: str) -> None:
    """Refuse to begin what would take days on a machine without a GPU.

    Raises:
        UserError: where torch finds none.
    """
    import torch

    if not torch.cuda.is_available():
        raise UserError(
            f"learners.{learner}.needs_gpu is true, and torch finds no GPU on {platform.node()}; "
            "run it where one is (profiles/slurm sends it there), or write needs_gpu: false"
        )


def tell_progress(about: Mapping[str, Any], records: Sequence[str | Path]) -> str:
    """Return a line that says which run is done, and how many of the study's runs are.

    Args:
        about: the run.
        records: the run.json of every run of the study.
    """
    done = sum(Path(record).exists() for record in records)
    return f"run {done} of {len(records)} done: {name_of(about)}"


def write_predictions(
    path: Path,
    keys: npt.NDArray[np.str_],
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
    folds: npt.NDArray[np.int64] | None = None,
    groups: npt.NDArray[np.int64] | None = None,
) -> float:
    """Write predictions.parquet: key, label, predicted, probabilities, fold, group; a row an image.

    Args:
        path: where to write; the caller renames it.
        keys: (n,) the samples' keys.
        labels: (n,) the true classes.
        probabilities: (n, classes), each row summing to 1.
        folds: (n,) the fold of each; -1 in the file where the test images are no folds.
        groups: (n,) a number that those have in common that belong together; -1 in the file where
            that is not known.

    Returns:
        Top-1 accuracy.
    """
    predicted = probabilities.argmax(axis=1).astype(np.int32)
    flat = pa.array(np.ascontiguousarray(probabilities, dtype=np.float32).ravel())
    table = pa.table(
        {
            "key": pa.array(keys.tolist(), pa.string()),
            "label": pa.array(labels, pa.int32()),
            "predicted": pa.array(predicted),
            "probabilities": pa.FixedSizeListArray.from_arrays(flat, probabilities.shape[1]),
            "fold": pa.array(np.full(len(keys), -1) if folds is None else folds, pa.int32()),
            "group": pa.array(np.full(len(keys), -1) if groups is None else groups, pa.int64()),
        }
    )
    write_parquet(table, path)
    return float((predicted == labels).mean())


def read_predictions(path: str | Path) -> pd.DataFrame:
    """Read predictions.parquet without its probabilities: key, label, predicted, fold, group.

    Raises:
        UserError: where the file is damaged.
    """
    return read_parquet(path, ["key", "label", "predicted", "fold", "group"]).to_pandas()


def environment(threads: int, gpu: bool = True) -> dict[str, Any]:
    """Return what a run's numbers may depend on besides its configuration: code and machine."""
    torch = _torch()
    gpu = gpu and torch is not None and torch.cuda.is_available()
    return {
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **_versions()},
        "device": {
            "name": torch.cuda.get_device_name() if gpu else _processor(),
            "kind": "gpu" if gpu else "cpu",
            "threads": threads,
            "platform": platform.platform(),
        },
    }


def _torch() -> Any:
    """Return torch where it has been imported: a job without it has used no GPU."""
    return sys.modules.get("torch")


def _commit() -> str | None:
    """Return the commit of the code, marked where files differ from it; None outside git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        told = subprocess.run([*command, "--abbrev=40"], capture_output=True, text=True, check=True)
        return told.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_memory_mib(other: Mapping[str, float] = MappingProxyType({})) -> dict[str, float]:
    """Return the largest memory so far, in MiB: of this process, and with a GPU of the GPU's.

    Args:
        other: the same of another process: of each the larger is returned.
    """
    torch = _torch()
    peak = {"process": round(_peak_bytes() / (1 << 20), 1)}
    if torch is not None and torch.cuda.is_available():
        peak["gpu"] = round(torch.cuda.max_memory_allocated() / (1 << 20), 1)
    return {name: max(value, other.get(name, 0)) for name, value in peak.items()}


def _peak_bytes() -> int:
    """Return this process's peak resident memory, on Linux without its parent's before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text("utf-8"), re.MULTILINE)
        if found:
            return int(found[1]) << 10
    unit = 1 if sys.platform == "darwin" else 1 << 10  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
