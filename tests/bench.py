"""`make bench`: speed beside what a user would pick instead, as ratios within one run.

Each measurement runs both sides in turn, several times, and prints the median of the paired ratios
with their range. Nothing here is a test: machines differ, and a slow one is no defect.
"""

import contextlib
import io
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache, partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyjpegli
import skimage.data
import torch
import webdataset
import yaml
from PIL import Image
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torchvision.datasets import ImageFolder

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

from jpegprep.datasets.weights import fetch_weights, pretrained_model  # noqa: E402
from jpegprep.images.opencv import decode_rgb  # noqa: E402 (after the path to it)
from jpegprep.images.recompress import coded  # noqa: E402
from jpegprep.images.variants import parse_variant  # noqa: E402
from jpegprep.learners.data import eval_transform, loader  # noqa: E402
from jpegprep.learners.extraction import Backbone, load_network  # noqa: E402
from jpegprep.learners.fitting import Classifier  # noqa: E402
from jpegprep.learners.timm_learner import train  # noqa: E402
from jpegprep.shards.shards import ShardReader, pack, writing_shard  # noqa: E402

ROUNDS = 7
ROOT = Path(__file__).parents[1]
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
    image.info.clear()  # a colour profile would outweigh a small image
    image.save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return buffer.getvalue()


def compare(
    title: str,
    images: int,
    ours: Callable[[], None],
    others: Callable[[], None],
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Time both in turn and print images a second and the ratio of speeds."""
    ours(), others()  # warm-up
    times = []
    for _ in range(ROUNDS):
        pair = []
        for run in (ours, others):
            begin = clock()
            run()
            pair.append(clock() - begin)
        times.append(pair)
    ratios = sorted(other / mine for mine, other in times)
    mine, other = (images / statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"{title}: {mine:,.0f} against {other:,.0f} images/s; "
        f"{statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} … {ratios[-1]:.2f})"
    )


def treatment(folder: Path, kind: str, images: Sequence[bytes]) -> None:
    """Decode and encode at quality 30: a shard job beside what a user would pick, and the limit."""
    suffix = "png" if "PNG" in kind else "jpg"
    files, target = folder / f"files-{suffix}", folder / f"out-{suffix}"
    files.mkdir(), target.mkdir()
    shard, flat = folder / f"bench-{suffix}.tar", folder / f"bench-{suffix}.flat"
    with writing_shard(shard, "original", "bench") as writer, flat.open("wb") as file:
        for i, data in enumerate(images):
            writer.append(pack([(f"image-{i:05d}", 0, data, data)]))
            (files / f"image-{i:05d}.{suffix}").write_bytes(data)
            file.write(len(data).to_bytes(4, "little") + data)

    def pillow_loop() -> None:
        for path in sorted(files.iterdir()):
            with Image.open(path) as image:
                image.save(target / f"{path.stem}.jpg", quality=30)

    def pillow_in_memory() -> None:
        for data in images:
            Image.open(io.BytesIO(data)).save(io.BytesIO(), "JPEG", quality=30)

    def converter() -> None:
        with webdataset.TarWriter(str(folder / "converted.tar")) as writer:
            for sample in webdataset.WebDataset(str(shard), shardshuffle=False).decode("pil"):
                buffer = io.BytesIO()
                sample[suffix].save(buffer, "JPEG", quality=30)
                key = sample["__key__"]
                writer.write({"__key__": key, "jpg": buffer.getvalue(), "cls": sample["cls"]})

    def mogrify() -> None:
        command = ["mogrify", "-path", target, "-format", "jpg", "-quality", "30"]
        paths = sorted(files.iterdir())
        subprocess.run([*command, *paths], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    sides = {"shard job": lambda: shard_job(shard, 1)[0]}
    if turbo := turbo_loop(folder):
        sides["bare libjpeg-turbo"] = lambda: float(
            subprocess.run([turbo, flat, "30"], capture_output=True, check=True).stdout
        )
    sides["Pillow loop over files"] = lambda: timed(pillow_loop)
    sides["Pillow loop in memory"] = lambda: timed(pillow_in_memory)
    sides["WebDataset converter"] = lambda: timed(converter)
    if shutil.which("mogrify"):
        sides["mogrify"] = lambda: timed(mogrify)
    sides["shard job, all cores"] = lambda: shard_job(shard, os.cpu_count() or 1)[0]
    rounds = [{name: side() for name, side in sides.items()} for _ in range(ROUNDS + 1)][1:]
    print(
        f"{kind}, {len(images)} images, decode and encode at quality 30, one core but for the last"
    )
    for name in sides:
        speed = len(images) / statistics.median(times[name] for times in rounds)
        ratios = sorted(times[name] / times["shard job"] for times in rounds)
        print(
            f"  {name:24} {speed:9,.0f} images/s; the shard job is {statistics.median(ratios):.2f} "
            f"times as fast ({ratios[0]:.2f} … {ratios[-1]:.2f})"
        )


def timed(run: Callable[[], None]) -> float:
    """Return the seconds that a call takes; what it prints is left out."""
    begin = time.perf_counter()
    with contextlib.redirect_stdout(None):
        run()
    return time.perf_counter() - begin


@cache
def turbo_loop(folder: Path) -> Path | None:
    """Compile the bare loop; None, and a line, where compiler or libraries are missing."""
    program = folder / "turbo"
    command = ["cc", "-O2", Path(__file__).with_name("turbo.c"), "-o", program, "-ljpeg", "-lpng"]
    if shutil.which("cc") and subprocess.run(command, capture_output=True).returncode == 0:
        return program
    print("no bare libjpeg-turbo loop: it needs cc and the headers of libjpeg-turbo and libpng")
    return None


def shard_job(shard: Path, threads: int) -> tuple[float, float]:
    """Treat a shard in a process of its own; return its seconds and its peak memory in MiB."""
    code = """
import sys, time
from jpegprep.shards.treatments import treat_shard
begin = time.perf_counter()
treat_shard(sys.argv[1], "jpeg-q30", sys.argv[1] + ".treated.tar", int(sys.argv[2]))
seconds = time.perf_counter() - begin
peak = open("/proc/self/status").read().split("VmHWM:")[1].split()[0]
print(seconds, int(peak) / 1024)
"""
    command = [sys.executable, "-c", code, shard, str(threads)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, peak = map(float, told.splitlines()[-1].split())
    return seconds, peak


def memory(folder: Path) -> None:
    """Print the peak memory of a shard job of few and of many images."""
    image = encoded(next(patches(256, 1))[1], "PNG")
    for count in (1_000, 20_000):
        shard = folder / "memory.tar"
        with writing_shard(shard, "original", "bench") as writer:
            for i in range(count):
                writer.append(pack([(f"image-{i:05d}", 0, image, image)]))
        size = shard.stat().st_size >> 20
        _, peak = shard_job(shard, 2)
        print(f"peak memory of a shard job, {count:,} images, {size:,} MiB: {peak:.0f} MiB")


def reading(folder: Path, side: int, count: int) -> None:
    """Read, decode and transform: shards beside files and the WebDataset library."""
    shard = folder / f"read-{side}.tar"
    root = folder / f"folders-{side}"
    with writing_shard(shard, "jpeg-q90", "bench") as writer:
        for i, (name, image) in enumerate(patches(side, count)):
            data = encoded(image, "JPEG")
            writer.append(pack([(f"image-{i:05d}", 0, data, data)]))
            path = root / name / f"{i:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    crop = eval_transform(RECIPE)
    rng = np.random.default_rng(0)

    def transform(image: Image.Image) -> torch.Tensor:
        pixels = np.ascontiguousarray(crop(np.asarray(image.convert("RGB")), rng))
        return torch.from_numpy(pixels).permute(2, 0, 1)

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
    compare(f"{what}, shards against ImageFolder", count, through(mine), through(folders))
    compare(f"{what}, shards against WebDataset", count, through(mine), through(stream))


def photographs(count: int) -> Iterator[tuple[str, list[bytes]]]:
    """Yield sets of photographs: DTD and Pets where the mirror of archives is, else our own."""
    mirror = Path(__file__).parents[2] / "shared/mirror"
    if not mirror.is_dir():
        yield "photographs", [encoded(i.resize((500, 375)), "JPEG") for _, i in patches(290, count)]
        return
    for title, name in (("DTD", "dtd-r1.0.1.tar.gz"), ("Pets", "images.tar.gz")):
        with tarfile.open(mirror / name) as tar:
            files = (member for member in tar if member.name.endswith(".jpg"))
            yield title, [tar.extractfile(file).read() for file in islice(files, count)]


def training(folder: Path, size: int, count: int, epochs: int, rounds: int) -> None:
    """Train: the whole job's images a second over those of a bare loop that is fed from memory.

    The job's are all images of all epochs over the seconds of all epochs' training, the first
    included, in which everything is decoded. The bare loop runs once more in a process of its own,
    as a user would write it: without what `cpu.use_processors` does. Where other programs disturb
    the ratio, the share of the job's seconds that the model's own steps take tells the same.
    """
    weights = folder / "lite0.safetensors"
    if not weights.exists():
        registry = Path(__file__).parents[1] / "config/weights.yaml"
        fetch_weights(yaml.safe_load(registry.read_text())["tf_efficientnet_lite0"], weights)
    recipe = {
        **RECIPE,
        **{"architecture": "tf_efficientnet_lite0", "image_size": size, "epochs": epochs},
        **{"learning_rate": 1e-3, "weight_decay": 0.05, "warmup_epochs": 1},
        **{"label_smoothing": 0.1, "gpu_precision": "32-true"},
        "augmentation": {"crop_scale": [0.5, 1.0], "horizontal_flip": 0.5},
    }
    threads = os.cpu_count() or 1
    begun, steps = [], []  # steps: of the optimizer, which calls forward and backward itself
    register_optimizer_step_pre_hook(lambda *_: begun.append(time.perf_counter()))
    register_optimizer_step_post_hook(lambda *_: steps.append(time.perf_counter() - begun.pop()))
    for title, images in photographs(count):
        shards = {}
        for split, part in (("train", images), ("val", images[:32]), ("test", images[:32])):
            shards[split] = [folder / f"{title}-{split}.tar"]
            with writing_shard(shards[split][0], "original", "bench") as writer:
                writer.append(pack([(f"{i:05d}", i % 10, d, d) for i, d in enumerate(part)]))

        shares = []

        def job(shards: dict[str, list[Path]] = shards, shares: list[float] = shares) -> float:
            outputs = {name: folder / name for name in ("history", "predictions", "model", "run")}
            about = {"dataset": "", "variant": "", "learner": "", "seed": 0, "code": ""}
            steps.clear()
            with contextlib.redirect_stdout(None):
                train(shards, weights, recipe, 10, about, outputs, threads)
            rates = pd.read_csv(outputs["history"])["images_per_second"]
            seconds = len(steps) * recipe["batch_size"] / epochs * (1 / rates).sum()
            shares.append(sum(steps) / seconds)
            return epochs / (1 / rates).sum()

        torch.set_num_threads(threads)
        reader = ShardReader(shards["train"])
        memory = list(loader(reader, recipe, seed=0, training=True, workers=0))

        torch.save(memory, folder / "memory.pt")
        loop = partial(bare_loop, weights, recipe, folder / "memory.pt", threads)

        def plain(loop: Callable[[], float] = loop) -> float:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                return pool.submit(loop).result()

        job(), loop()  # warm-up
        rows = [(job(), loop(), plain()) for _ in range(rounds)]
        mine, *others = zip(*rows, strict=True)
        told = [
            f"{statistics.median(mine):.1f} images/s from shards, {statistics.median(shares):.1%} "
            f"of it the model's steps"
        ]
        for what, theirs in zip(("from memory", "as a plain script"), others, strict=True):
            ratios = sorted(one / other for one, other in zip(mine, theirs, strict=True))
            told.append(
                f"{statistics.median(theirs):.1f} {what}: {statistics.median(ratios):.2f} of it "
                f"({ratios[0]:.2f} … {ratios[-1]:.2f})"
            )
        print(
            f"{title}, lite0 trained at {size} px, {epochs} epochs of {len(images)} images, "
            f"{threads} threads: {'; '.join(told)}",
            flush=True,
        )


def features(folder: Path, size: int, images: Sequence[bytes]) -> None:
    """Features of 500 px JPEG by lite0: ours beside PyTorch, and a bare ONNX Runtime in memory."""
    weights, shard = folder / "lite0.safetensors", folder / "features.tar"
    if not weights.exists():
        registry = yaml.safe_load((ROOT / "config/weights.yaml").read_text(encoding="utf-8"))
        fetch_weights(registry["tf_efficientnet_lite0"], weights)
    with writing_shard(shard, "original", "bench") as writer:
        for i, data in enumerate(images):
            writer.append(pack([(f"image-{i:05d}", 0, data, data)]))
    reader, threads = ShardReader([shard]), os.cpu_count() or 1
    recipe = {**RECIPE, "architecture": "tf_efficientnet_lite0", "image_size": size}
    network = load_network(recipe, weights, threads)
    backbone = Backbone(pretrained_model(recipe["architecture"], weights, classes=0))
    backbone.to(memory_format=torch.channels_last)
    transform = eval_transform(recipe)
    pixels = [
        np.ascontiguousarray(transform(decode_rgb(data), np.random.default_rng(0)))[np.newaxis]
        for data in images
    ]

    def ours() -> None:
        for _ in network.features(reader):
            pass

    def by_torch() -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            for batch, _ in loader(
                reader, recipe, seed=0, training=False, workers=0, threads=threads
            ):
                backbone(batch)
        torch.set_num_threads(1)

    def bare() -> None:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(network._of_pixels, pixels):
                pass

    what = f"features at {size} px, {network.engine}, {threads} threads"
    compare(f"{what}, against PyTorch in batches", len(images), ours, by_torch)
    compare(f"{what}, against ONNX Runtime on pixels in memory", len(images), ours, bare)


class Pixels:
    """An image on its way to a codec, as OpenCV has decoded it."""

    def __init__(self, image: Image.Image) -> None:
        """Take a Pillow image."""
        self.bgr = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])

    @property
    def image(self) -> Image.Image:
        """It, as a Pillow image: converted anew each time, as for every file."""
        return Image.fromarray(cv2.cvtColor(self.bgr, cv2.COLOR_BGR2RGB))


def _pillow(kind: str, **options: object) -> Callable[[Pixels, Image.Image], bytes]:
    def save(_: Pixels, image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return save


def _opencv(*options: int) -> Callable[[Pixels, Image.Image], bytes]:
    return lambda pixels, _: cv2.imencode(".jpg", pixels.bgr, options)[1].tobytes()


def _by_pillow(data: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _by_opencv(data: bytes) -> npt.NDArray[np.uint8]:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


# What each library does when it is called with nothing but its own words: a store, how its images
# are encoded, of which both forms of the pixels are in memory, and how they are decoded.
_QUALITY_50 = (cv2.IMWRITE_JPEG_QUALITY, 50)
BARE: dict[str, tuple[Callable[[Pixels, Image.Image], bytes], Callable[[bytes], Any]]] = {
    "jpeg-q50": (_opencv(*_QUALITY_50), _by_opencv),
    "jpeg-q50-opt": (_opencv(*_QUALITY_50, cv2.IMWRITE_JPEG_OPTIMIZE, 1), _by_opencv),
    "jpegli-q50": (
        lambda _, image: pyjpegli.encode(image.tobytes(), *image.size, quality=50),
        _by_opencv,
    ),
    "webp-q50": (_pillow("WEBP", quality=50), _by_pillow),
    "avif-q50": (_pillow("AVIF", quality=50, max_threads=1), _by_pillow),
    "jxl-d2": (
        lambda _, image: imagecodecs.jpegxl_encode(np.asarray(image), distance=2.0, numthreads=1),
        lambda data: imagecodecs.jpegxl_decode(data, numthreads=1),
    ),
}


def codecs() -> None:
    """Encode and decode by each codec, from memory to memory on one core, beside its library.

    By the processor's time, which other programs disturb less.
    """
    for side, count in ((32, 200), (256, 20), (500, 6)):
        images = [image for _, image in patches(min(side, 290), count)]
        images = [Image.fromarray(np.asarray(image.resize((side, side)))) for image in images]
        pixels = [Pixels(image) for image in images]
        for store, (encode, decode) in BARE.items():
            (treatment,) = parse_variant(store)
            files = [coded(one, treatment) for one in pixels]
            bare = [bytes(encode(*pair)) for pair in zip(pixels, images, strict=True)]
            assert files == bare, f"{store}: other bytes than its library writes"
            for data in files:
                assert np.array_equal(decode_rgb(data), decode(data)), f"{store}: other pixels"
            title = f"{store} at {side} px ({np.mean([len(x) for x in files]):,.0f} B)"
            compare(
                f"{title}, encode, against its library",
                count,
                lambda t=treatment, p=pixels: [coded(one, t) for one in p] and None,
                lambda e=encode, p=pixels, i=images: (
                    [e(*x) for x in zip(p, i, strict=True)] and None
                ),
                time.process_time,
            )
            compare(
                f"{title}, decode, against its library",
                count,
                lambda files=files: [decode_rgb(data) for data in files] and None,
                lambda files=files, d=decode: [d(data) for data in files] and None,
                time.process_time,
            )


def bare_loop(weights: Path, recipe: Mapping[str, Any], memory: Path, threads: int) -> float:
    """Train on batches in memory, and return images a second; a first batch warms up."""
    torch.set_num_threads(threads)
    batches = torch.load(memory)
    model = Classifier(pretrained_model(recipe["architecture"], weights, 10), recipe, 1000)
    optimizer = model.train().configure_optimizers()[0][0]

    def step(batch: Sequence[torch.Tensor]) -> int:
        optimizer.zero_grad()
        model.training_step(batch, 0).backward()
        optimizer.step()
        return len(batch[1])

    step(batches[0])
    begin = time.perf_counter()
    images = sum(step(batch) for _ in range(recipe["epochs"]) for batch in batches)
    return images / (time.perf_counter() - begin)


def main() -> None:
    """Run every measurement, or one alone: ``bench.py training``, ``bench.py codecs``."""
    print(f"{os.cpu_count()} cores here, paired rounds")
    if sys.argv[1:] != ["training"]:
        codecs()
    if sys.argv[1:] == ["codecs"]:
        return
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1:] != ["training"]:
            torch.set_num_threads(1)
            small = [encoded(image, "PNG") for _, image in patches(32, 20_000)]
            treatment(Path(folder), "32 px PNG", small)
            large = [encoded(image.resize((500, 375)), "JPEG") for _, image in patches(290, 400)]
            treatment(Path(folder), "500 px JPEG", large * 8)
            memory(Path(folder))
            reading(Path(folder), 64, 2000)
            reading(Path(folder), 256, 500)
            features(Path(folder), 160, large[:200])
            features(Path(folder), 224, large[:200])
        # Last: it makes this process keep freed memory, from which the others' loops would gain.
        training(Path(folder), size=96, count=320, epochs=5, rounds=3)
        training(Path(folder), size=224, count=128, epochs=4, rounds=5)


if __name__ == "__main__":
    main()
