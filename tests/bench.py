"""`make bench`: speed beside what a user would pick instead, as ratios within one run.

Each measurement runs both sides in turn, several times, and prints the median of the paired ratios
with their range. Nothing here is a test: machines differ, and a slow one is no defect.
"""

import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import skimage.data
import torch
import webdataset
from PIL import Image
from torchvision.datasets import ImageFolder

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

from jpegprep.data import eval_transform, loader  # noqa: E402 (after the path to it)
from jpegprep.shards import ShardReader, writing_shard  # noqa: E402
from jpegprep.treatments import treat_shard  # noqa: E402

ROUNDS = 7
RECIPE = {"image_size": 96, "eval_crop": 1.0, "batch_size": 32}


def patches(side: int, count: int) -> Iterator[tuple[str, Image.Image]]:
    """Yield patches of real photographs with their class."""
    names = ("astronaut", "coffee", "chelsea", "ihc")
    photographs = [Image.open(f"{skimage.data_dir}/{name}.png").convert("RGB") for name in names]
    for i in range(count):
        photograph = photographs[i % len(names)]
        x = (i * 37) % (photograph.width - side)
        y = (i * 53) % (photograph.height - side)
        yield names[i % len(names)], photograph.crop((x, y, x + side, y + side))


def encoded(image: Image.Image, kind: str) -> bytes:
    """Return an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def compare(title: str, images: int, ours: Callable[[], None], others: Callable[[], None]) -> None:
    """Time both in turn and print images a second and the ratio of speeds."""
    ours(), others()  # warm-up
    times = []
    for _ in range(ROUNDS):
        pair = []
        for run in (ours, others):
            begin = time.perf_counter()
            run()
            pair.append(time.perf_counter() - begin)
        times.append(pair)
    ratios = sorted(other / mine for mine, other in times)
    mine, other = (images / statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"{title}: {mine:,.0f} against {other:,.0f} images/s; "
        f"{statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} … {ratios[-1]:.2f})"
    )


def treatment(folder: Path, side: int, count: int) -> None:
    """Compress to quality 30: a shard job beside a plain Pillow loop over files."""
    files, target = folder / f"files-{side}", folder / f"out-{side}"
    files.mkdir(), target.mkdir()
    shard = folder / f"bench-{side}.tar"
    with writing_shard(shard, "original") as writer:
        for i, (_, image) in enumerate(patches(side, count)):
            data = encoded(image, "PNG")
            writer.add(f"image-{i:05d}", 0, data)
            (files / f"image-{i:05d}.png").write_bytes(data)

    def pillow_loop() -> None:
        for path in sorted(files.iterdir()):
            with Image.open(path) as image:
                image.save(target / f"{path.stem}.jpg", quality=30)

    compare(
        f"{side} px PNG to JPEG quality 30, shard job against a Pillow loop over files",
        count,
        lambda: treat_shard(shard, "jpeg-q30", folder / "treated.tar"),
        pillow_loop,
    )


def reading(folder: Path, side: int, count: int) -> None:
    """Read, decode and transform: shards by memory map beside files and the WebDataset library."""
    shard = folder / f"read-{side}.tar"
    root = folder / f"folders-{side}"
    with writing_shard(shard, "jpeg-q90") as writer:
        for i, (name, image) in enumerate(patches(side, count)):
            data = encoded(image, "JPEG")
            writer.add(f"image-{i:05d}", 0, data)
            path = root / name / f"{i:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    transform = eval_transform(RECIPE)
    mine = loader(ShardReader([shard]), RECIPE, seed=0, training=False, workers=0)
    folders = torch.utils.data.DataLoader(ImageFolder(root, transform), batch_size=32)
    stream = torch.utils.data.DataLoader(
        webdataset.WebDataset(str(shard), shardshuffle=False)
        .decode("pil")
        .to_tuple("jpg", "cls")
        .map_tuple(transform, int),
        batch_size=32,
    )

    def through(batches: torch.utils.data.DataLoader) -> Callable[[], None]:
        return lambda: [None for _ in batches] and None

    what = f"{side} px JPEG read, decoded, resized to 96 px"
    compare(f"{what}, memory map against ImageFolder", count, through(mine), through(folders))
    compare(f"{what}, memory map against WebDataset", count, through(mine), through(stream))


def main() -> None:
    """Run every measurement."""
    torch.set_num_threads(1)
    print(f"one process, {os.cpu_count()} cores here, {ROUNDS} paired rounds each")
    with tempfile.TemporaryDirectory() as folder:
        treatment(Path(folder), 32, 2000)
        treatment(Path(folder), 256, 300)
        reading(Path(folder), 64, 2000)
        reading(Path(folder), 256, 500)


if __name__ == "__main__":
    main()
