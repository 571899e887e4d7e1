"""`make gpu-pack`: what a bare machine with a GPU needs to run `make gpu`, as .gpu/.

Shards of DTD's photographs and of CIFAR-10 (a part of each, from ../shared/mirror) and weights of
EfficientNet-Lite0. With the project itself it is at most 64 MiB.
"""

import shutil
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from jpegprep.common.files import write_json  # noqa: E402 (after the path to it)
from jpegprep.datasets.manifest import build_manifest  # noqa: E402
from jpegprep.datasets.splits import split_dataset  # noqa: E402
from jpegprep.datasets.weights import fetch_weights  # noqa: E402
from jpegprep.shards.treatments import write_original_shards  # noqa: E402

MIRROR = ROOT.parent / "shared/mirror"
IMAGES = {"dtd": 300, "cifar10": 3000}  # at most
MOST = 64 << 20  # bytes, with the project


def pack(folder: Path, images: dict[str, int]) -> None:
    """Write weights, shards, and what the shards hold."""
    shutil.rmtree(folder, ignore_errors=True)
    registry = yaml.safe_load((ROOT / "config/weights.yaml").read_text(encoding="utf-8"))
    name = "tf_efficientnet_lite0"
    fetch_weights(registry[name], folder / f"weights/{name}.safetensors")
    registry = yaml.safe_load(
        (ROOT / "tests/workflow/mirror/datasets.yaml").read_text(encoding="utf-8")
    )
    for dataset, limit in images.items():
        entry = registry[dataset]
        archives = [MIRROR / archive["name"] for archive in entry["archives"]]
        scratch = folder / f"{dataset}.parquet"
        split = folder / f"{dataset}-split.parquet"
        build_manifest(entry, archives, scratch, threads=2)
        split_dataset(entry["split"], entry["shards"], scratch, split, limit=limit)
        target = folder / f"shards/{dataset}/original"
        write_original_shards(entry, archives, scratch, split, entry["shards"], target)
        scratch.unlink()
        split.unlink()
    classes = {dataset: registry[dataset]["classes"] for dataset in images}
    write_json(folder / "classes.json", classes)


def size_of(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    files = [folder, *folder.rglob("*")]
    return sum(path.stat().st_size for path in files if path.is_file())


def main() -> None:
    """Pack, and say what it weighs."""
    if not MIRROR.is_dir():
        sys.exit(f"error: {MIRROR} is missing; it holds the archives that are packed")
    folder = ROOT / ".gpu"
    pack(folder, IMAGES)
    for part in sorted(folder.glob("*/*")):
        print(f"{part.relative_to(ROOT)}: {size_of(part) / 2**20:.1f} MiB")
    whole = size_of(folder)
    print(f".gpu: {whole / 2**20:.1f} MiB; the project may add {(MOST - whole) / 2**20:.1f}")


if __name__ == "__main__":
    main()
