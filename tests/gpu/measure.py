"""`make gpu`: does training work on this GPU, and how fast? One JSON, a part at a time.

It runs on a machine with its own Python, torch, torchvision, timm, Lightning and pandas, without
Snakemake and without a network, from what `make gpu-pack` packed. Parts come in the order of their
worth; each is written when it is done, so that what was measured is kept where the time ends. On a
CPU, and with --tiny, it is a rehearsal.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

RECIPE: dict[str, Any] = {
    "architecture": "tf_efficientnet_lite0",
    "image_size": 160,
    "epochs": 5,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "warmup_epochs": 1,
    "label_smoothing": 0.1,
    "augmentation": {"crop_scale": [0.5, 1.0], "horizontal_flip": 0.5},
    "eval_crop": 1.0,
    "gpu_precision": "16-mixed",
}
LITE = ["tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"]
NETWORKS = ["efficientnet_b0", *LITE, *(f"efficientnet_b{i}" for i in (1, 2, 3, 4))]
RATIOS = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
PARTS = ["machine", "trains", "speed", "decoding", "memory", "features", "graphs", "ratios"]
# A training in a process of its own: without CUDA_VISIBLE_DEVICES it is on the CPU.
_TRAIN = """
import json, sys
from jpegprep.learners.timm_learner import train
train(**json.loads(sys.argv[1]))
"""


class Measurement:
    """The parts, their sizes, and where they are written."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Take the command line's options."""
        self.pack = Path(options.pack)
        self.out = Path(options.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.work = Path(tempfile.mkdtemp(prefix="jpegprep-gpu-"))
        self.tiny = options.tiny
        self.threads = options.threads or os.cpu_count() or 1
        self.ends = time.monotonic() + 60 * options.minutes
        self.found: dict[str, Any] = {"parts": {}}
        self.part: dict[str, Any] = {}  # what the part that runs has found so far

    def left(self) -> float:
        """Return how many seconds are left."""
        return self.ends - time.monotonic()

    def write(self) -> None:
        """Write what is found so far, and the records of the runs, without their models."""
        with tarfile.open(self.out / "runs.tar.gz", "w:gz") as tar:
            for path in sorted((self.work / "runs").rglob("*.*")):
                if path.suffix in (".json", ".csv", ".parquet"):
                    tar.add(path, path.relative_to(self.work))
        path = self.out / "gpu.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(self.found, indent=1, default=str), encoding="utf-8")
        part.replace(path)

    def run(self, name: str, part: Callable[[], Any]) -> None:
        """Run a part, if there is time, and write what it found, or why it failed."""
        if self.left() <= 0:
            self.found["parts"][name] = {"skipped": "the time was over"}
            return
        begun = time.monotonic()
        self.part = {}
        try:
            value = part()
        except Exception as error:
            traceback.print_exc()
            value = {**self.part, "failed": f"{type(error).__name__}: {str(error)[-300:]}"}
        value["seconds"] = round(time.monotonic() - begun, 1)
        self.found["parts"][name] = value
        self.write()
        print(f"{name}: {json.dumps(value, default=str)[:1500]}", flush=True)

    # --- what the parts work on

    @property
    def weights(self) -> Path:
        """The weights of EfficientNet-Lite0."""
        return self.pack / f"weights/{LITE[0]}.safetensors"

    def shards(self, dataset: str, variant: str = "original") -> dict[str, list[str]]:
        """Return the shards of a variant, which is made where it is not there yet."""
        from jpegprep.shards.shards import splits_of
        from jpegprep.shards.treatments import write_variant_shards

        originals = self.pack / f"shards/{dataset}/original"
        folder = originals if variant == "original" else self.work / f"shards/{dataset}/{variant}"
        if not folder.exists():
            write_variant_shards(originals, variant, folder, self.threads)
        return splits_of(folder)

    def classes(self, dataset: str) -> int:
        """Return the number of classes of a data set."""
        return int(json.loads((self.pack / "classes.json").read_text())[dataset])

    def recipe(self, dataset: str, **changes: Any) -> dict[str, Any]:
        """Return the recipe for a data set; CIFAR's images are small."""
        size = {"cifar10": 64, "dtd": 160}[dataset]
        tiny = {"image_size": 32, "epochs": 1} if self.tiny else {}
        return {**RECIPE, "image_size": size, **tiny, **changes}

    def train(
        self,
        dataset: str,
        name: str,
        variant: str = "original",
        seed: int = 0,
        cpu: bool = False,
        many: bool = False,
        weights: str | None = None,
        threads: int | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """Train in a process of its own, and return what its run says."""
        import pandas as pd

        from jpegprep.evaluation.stats import accuracy_interval
        from jpegprep.learners.runs import read_predictions

        folder = self.work / f"runs/{dataset}/{variant}/{name}/seed{seed}"
        arguments = self._arguments(dataset, variant, name, seed, folder, changes)
        if many:
            arguments["shards"]["train"] = self.many()
        arguments["weights"] = weights or arguments["weights"]
        arguments["threads"] = threads or arguments["threads"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
        if cpu:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", _TRAIN, json.dumps(arguments)],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=max(30, self.left()),
        )
        seconds = time.perf_counter() - begun
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        answers = read_predictions(folder / "predictions.parquet")
        right = (answers["label"] == answers["predicted"]).to_numpy()[None]
        accuracy, low, high, _ = accuracy_interval(right)
        history = pd.read_csv(folder / "history.csv")
        return {
            "n": right.shape[1],
            "accuracy": round(accuracy, 4),
            "interval": [round(low, 4), round(high, 4)],
            "val_accuracy": history["val_accuracy"].round(4).tolist(),
            "train_loss": history["train_loss"].round(4).tolist(),
            "images_per_second": history["images_per_second"].round(1).tolist(),
            "job_seconds": round(seconds, 1),
            "device": record["device"]["name"],
            "precision": record["precision"],
            "peak_memory_mib": record["peak_memory_mib"],
        }

    def _arguments(
        self,
        dataset: str,
        variant: str,
        name: str,
        seed: int,
        folder: Path,
        changes: Mapping[str, Any],
    ) -> dict[str, Any]:
        about = {"dataset": dataset, "variant": variant, "learner": name, "seed": seed}
        files = ("history.csv", "predictions.parquet", "run.json", "model.safetensors")
        return {
            "shards": self.shards(dataset, variant),
            "weights": str(self.weights),
            "recipe": self.recipe(dataset, **changes),
            "classes": self.classes(dataset),
            "about": {**about, "code": "gpu"},
            "outputs": {Path(file).stem: str(folder / file) for file in files},
            "threads": self.threads,
        }

    # --- the parts

    def machine(self) -> dict[str, Any]:
        """Return what it runs on."""
        import lightning
        import timm
        import torch
        import torchvision

        from jpegprep.common.cpu import use_processors

        use_processors(self.threads)
        torch.use_deterministic_algorithms(True, warn_only=True)  # as the trainer does
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        gpu = torch.cuda.is_available()
        return {
            "gpu": torch.cuda.get_device_name() if gpu else None,
            "cores": os.cpu_count(),
            "threads": self.threads,
            "python": sys.version.split()[0],
            **{module.__name__: module.__version__ for module in (torch, torchvision, timm)},
            "lightning": lightning.__version__,
            "date": time.strftime("%Y-%m-%d"),
            "tiny": self.tiny,
        }

    def trains(self) -> dict[str, Any]:
        """Train on a CPU and on the GPU in each precision; twice, to see whether runs are equal."""
        import torch

        found = self.part
        cases: dict[str, Callable[[int], dict[str, Any]]] = {
            "resumed": self._resumes,
            "cifar10 again": lambda threads: self.train("cifar10", "again", threads=threads),
            "dtd on the CPU": lambda threads: self.train("dtd", "cpu", cpu=True, threads=threads),
        }
        gpu = torch.cuda.is_available()
        for dataset in ("dtd", "cifar10") if gpu else ():
            for kind in ("16", "bf16", "32"):
                cases[f"{dataset} {kind}"] = partial(self._in_precision, dataset, kind)
        if gpu:
            cases["cifar10 16, graphs"] = lambda threads: self.train(
                "cifar10", "graphs", gpu_graphs=True, threads=threads
            )
        self._side_by_side(
            lambda case, threads: found.update({case: cases[case](threads)}), list(cases)
        )
        if gpu:
            first, *others = (
                (self.work / f"runs/cifar10/original/{name}/seed0/predictions.parquet").read_bytes()
                for name in ("gpu_16", "again", "graphs", "resumed")
            )
            names = ("again", "graphs", "resumed")
            found["equal"] = {n: first == other for n, other in zip(names, others, strict=True)}
        return found

    def _in_precision(self, dataset: str, kind: str, threads: int) -> dict[str, Any]:
        precision = "32-true" if kind == "32" else f"{kind}-mixed"
        return self.train(dataset, f"gpu_{kind}", gpu_precision=precision, threads=threads)

    def _side_by_side(self, work: Callable[[Any, int], None], cases: list[Any]) -> None:
        """Do the work of all cases, eight at a time where there are the processors for it."""
        from concurrent.futures import ThreadPoolExecutor

        at_once = max(1, min(8, self.threads // 2))
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda case: work(case, self.threads // at_once), cases))

    def speed(self) -> dict[str, Any]:
        """Return training images/s: from memory, and from shards with 1 to 16 workers."""
        import torch

        from jpegprep.learners.data import loader
        from jpegprep.shards.shards import ShardReader

        size = 32 if self.tiny else 224
        batch, steps = (4, 2) if self.tiny else (128, 40)
        found = self.part
        found |= {"image_size": size, "batch_size": batch, "from memory": {}}
        memory = found["from memory"]
        first = NETWORKS[0]
        for architecture in [first] if self.tiny else NETWORKS:
            memory[architecture] = self._rate(architecture, size, batch, steps)
        if torch.cuda.is_available():
            memory |= {
                f"{first}, bf16": self._rate(first, size, batch, steps, torch.bfloat16),
                f"{first}, fp32": self._rate(first, size, batch, steps, torch.float32),
                f"{first}, batches of 32": self._rate(first, size, 32, 2 * steps),
                f"{first}, batches of 64": self._rate(first, size, 64, 2 * steps),
                f"{first}, batches of 256": self._rate(first, size, 256, steps),
            }
        recipe = {**RECIPE, "image_size": size, "batch_size": batch}
        reader = ShardReader(self.many())
        step = self._step(first, size, batch)
        for workers in (0, 1) if self.tiny else (4, 8, 12, 15):
            if workers > self.threads:
                continue
            enough = steps if workers < 8 else 3 * steps
            for name, taken in ((f"{workers} workers", step), (f"{workers} workers alone", None)):
                batches = loader(reader, recipe, seed=0, training=True, workers=workers)
                found[name] = self._fed(batches, taken, enough)
        found["by the learner"] = self._by_learner(size, batch, graphs=False)
        return found

    def graphs(self) -> dict[str, Any]:
        """Return what a recorded step is worth, and a compiled one, and what compiling costs."""
        import torch

        from jpegprep.learners.data import loader
        from jpegprep.shards.shards import ShardReader

        if not torch.cuda.is_available():
            return {"skipped": "there is no GPU"}
        found = self.part
        size, batch, steps = 224, 128, 40
        for architecture in NETWORKS:
            found[architecture] = self._rate(architecture, size, batch, steps, graphs=True)
        first = NETWORKS[0]
        for images in (32, 64, 256):
            rate = self._rate(first, size, images, 2 * steps, graphs=True)
            found[f"{first}, batches of {images}"] = rate
        recipe = {**RECIPE, "image_size": size, "batch_size": batch}
        step = self._step(first, size, batch, graphs=True)
        for workers in (8, self.threads - 1):
            batches = loader(
                ShardReader(self.many()), recipe, seed=0, training=True, workers=workers
            )
            found[f"{workers} workers"] = self._fed(batches, step, 3 * steps)
        found["by the learner"] = self._by_learner(size, batch, graphs=True)
        begun = time.perf_counter()
        rate = self._rate(first, size, batch, steps, compiled=True)
        found["compiled"] = rate
        seconds = time.perf_counter() - begun - (steps + 5) * batch / rate
        found["compile_seconds"] = round(seconds, 1)
        return found

    def many(self) -> list[str]:
        """Return DTD's training shards so often that an epoch has many batches."""
        return self.shards("dtd")["train"] * (2 if self.tiny else 100)

    def _fed(self, batches: Any, step: Any, steps: int) -> float:
        """Return the images/s of a loader, whose batches a training step takes or nothing does."""
        import torch

        gpu = torch.cuda.is_available()
        first = 3 * max(1, batches.num_workers // 2)  # workers have started, and are not ahead
        images, begun = 0, 0.0
        for i, (pixels, labels) in enumerate(islice(_epochs(batches), steps + first)):
            if i == first:
                images, begun = 0, _now(gpu)
            if step is not None:
                step(pixels, labels)
            images += len(pixels)
        return round(images / (_now(gpu) - begun), 1)

    def _by_learner(self, size: int, batch: int, graphs: bool) -> list[float]:
        """Return images/s by epoch of the learner itself: EfficientNet-B0, random weights."""
        from jpegprep.common.files import sha256_of, write_json
        from jpegprep.datasets.hub import sidecar_of
        from jpegprep.datasets.weights import save_weights, untrained_model

        architecture = NETWORKS[0]
        weights = self.work / "random.safetensors"
        save_weights(untrained_model(architecture, 1000).state_dict(), weights)
        write_json(sidecar_of(weights), {"sha256": sha256_of(weights), "hub_repo": "random"})
        run: dict[str, list[float]] = self.train(
            "dtd", f"b0_graphs_{graphs}", many=True, weights=str(weights), gpu_graphs=graphs,
            architecture=architecture, image_size=size, batch_size=batch, epochs=2,
        )  # fmt: skip
        return run["images_per_second"]

    def _step(
        self,
        architecture: str,
        size: int,
        batch: int,
        kind: Any = None,
        graphs: bool = False,
        compiled: bool = False,
    ) -> Callable[[Any, Any], None]:
        """Return a training step of a network with random weights, as the trainer does one."""
        import torch

        from jpegprep.datasets.weights import untrained_model
        from jpegprep.learners.fitting import Classifier

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        recipe = {**RECIPE, "image_size": size, "gpu_graphs": graphs}
        model = Classifier(untrained_model(architecture, 10), recipe, steps=100).to(device).train()
        optimizer = model.configure_optimizers()[0][0]
        kind = kind or (torch.float16 if device.type == "cuda" else torch.float32)
        scaler = torch.amp.GradScaler(device.type, enabled=kind is torch.float16)
        mixed = kind is not torch.float32
        if compiled:
            model.model.compile()
        elif graphs and device.type == "cuda":
            with torch.autocast(device.type, kind, enabled=mixed, cache_enabled=False):
                model.record(batch)

        def step(pixels: Any, labels: Any) -> None:
            pixels = pixels.to(device, non_blocking=True)
            with torch.autocast(device.type, kind, enabled=mixed, cache_enabled=False):
                loss = model.training_step((pixels, labels.to(device) % 10), 0)
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            scaler.step(optimizer)
            scaler.update()

        return step

    def _rate(
        self,
        architecture: str,
        size: int,
        batch: int,
        steps: int,
        kind: Any = None,
        **how: bool,
    ) -> float:
        """Return the images/s of training steps on a batch that is on the device already."""
        import torch

        gpu = torch.cuda.is_available()
        device = "cuda" if gpu else "cpu"
        pixels = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, device=device)
        labels = torch.arange(batch, device=device) % 10
        step = self._step(architecture, size, batch, kind, **how)
        for _ in range(min(5, steps)):
            step(pixels, labels)
        begun = _now(gpu)
        for _ in range(steps):
            step(pixels, labels)
        return round(batch * steps / (_now(gpu) - begun), 1)

    def features(self) -> dict[str, Any]:
        """Return images/s of features: fp32, channels_last, bf16, fp16, compiled."""
        import torch

        from jpegprep.datasets.weights import pretrained_model
        from jpegprep.learners.data import Normalization

        gpu = torch.cuda.is_available()
        device = torch.device("cuda" if gpu else "cpu")
        size, batch, steps = (32, 4, 2) if self.tiny else (160, 256, 20)
        model: Any = pretrained_model(LITE[0], self.weights, 0).eval().to(device)
        normalize = Normalization(model).to(device)
        pixels = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, device=device)
        last = torch.channels_last
        kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
        kinds |= {"fp16": torch.float16} if gpu else {}
        found = self.part
        found |= {"image_size": size, "batch_size": batch}
        cases = [(f"{name}, channels_last", model.to(memory_format=last), kind)
                 for name, kind in kinds.items()]  # fmt: skip
        cases.insert(0, ("fp32", model, torch.float32))
        for name, network, kind in cases:
            memory = last if "channels_last" in name else torch.contiguous_format
            network = network.to(memory_format=memory)
            with (
                torch.inference_mode(),
                torch.autocast(device.type, kind, enabled=kind is not torch.float32),
            ):
                for _ in range(3):
                    network(normalize(pixels))
                begun = _now(gpu)
                for _ in range(steps):
                    network(normalize(pixels))
                found[name] = round(batch * steps / (_now(gpu) - begun), 1)
        return found

    def decoding(self) -> dict[str, Any]:
        """Decode the same JPEG files by OpenCV in threads and by nvJPEG: images/s, pixels."""
        from concurrent.futures import ThreadPoolExecutor

        import numpy as np
        import torch
        from torchvision.io import ImageReadMode, decode_jpeg

        from jpegprep.images.opencv import decode_rgb
        from jpegprep.shards.shards import ShardReader

        reader = ShardReader(self.shards("dtd", "jpeg-q90")["train"])
        count = min(len(reader), 16 if self.tiny else 1000)
        files = [reader.image(i) for i in range(count)]
        found = self.part
        found["images"] = count
        for threads in (1, self.threads):
            with ThreadPoolExecutor(threads) as pool:
                begun = time.perf_counter()
                pixels = list(pool.map(decode_rgb, files))
                found[f"opencv, {threads} threads"] = round(
                    count / (time.perf_counter() - begun), 1
                )
        if not torch.cuda.is_available():
            return found
        tensors = [torch.frombuffer(bytearray(file), dtype=torch.uint8) for file in files]

        def by_nvjpeg(batch: int) -> list[Any]:
            parts = (tensors[i : i + batch] for i in range(0, count, batch))
            return [
                image
                for part in parts
                for image in decode_jpeg(part, ImageReadMode.RGB, device="cuda")
            ]

        for batch in (32, 128):
            theirs = by_nvjpeg(batch)
            begun = _now(True)
            for _ in range(4):
                theirs = by_nvjpeg(batch)
            found[f"nvjpeg, batches of {batch}"] = round(4 * count / (_now(True) - begun), 1)
        gaps = [
            np.abs(one.astype(int) - other.permute(1, 2, 0).cpu().numpy().astype(int))
            for one, other in zip(pixels, theirs, strict=True)
        ]
        found["predictions"] = self._predictions_by_decoder()
        found["mean difference"] = round(float(np.mean([gap.mean() for gap in gaps])), 4)
        found["largest difference"] = int(max(gap.max() for gap in gaps))
        return found

    def _predictions_by_decoder(self) -> dict[str, Any]:
        """Return how a trained network's predictions of DTD's test set differ by the decoder."""
        import torch
        from torchvision.io import ImageReadMode, decode_jpeg

        from jpegprep.datasets.weights import trained_model
        from jpegprep.images.opencv import decode_rgb
        from jpegprep.learners.data import Normalization, eval_transform
        from jpegprep.shards.shards import ShardReader

        found: dict[str, Any] = {}
        path = self.work / "runs/dtd/original/gpu_32_true/seed0/model.safetensors"
        if not path.exists():
            return found
        model = trained_model(LITE[0], path, self.classes("dtd")).eval().cuda()
        normalize = Normalization(model).cuda()
        transform = eval_transform(self.recipe("dtd"))

        def predicted(images: list[Any]) -> Any:
            views = [torch.from_numpy(transform(image, None).copy()) for image in images]  # type: ignore
            with torch.inference_mode():
                batch = torch.stack(views).permute(0, 3, 1, 2).cuda()
                return model(normalize(batch)).softmax(1)

        for variant in ("jpeg-q90", "jpeg-q50", "jpeg-q10"):
            reader = ShardReader(self.shards("dtd", variant)["test"])
            files = [reader.image(i) for i in range(len(reader))]
            one = predicted([decode_rgb(file) for file in files])
            tensors = [torch.frombuffer(bytearray(file), dtype=torch.uint8) for file in files]
            images = decode_jpeg(tensors, ImageReadMode.RGB, device="cuda")
            two = predicted([image.permute(1, 2, 0).cpu().numpy() for image in images])
            found[variant] = {
                "n": len(files),
                "other class": int((one.argmax(1) != two.argmax(1)).sum()),
                "largest difference of a probability": round(float((one - two).abs().max()), 4),
            }
        return found

    def memory(self) -> dict[str, Any]:
        """Return the peak memory of training by batch size, in MiB."""
        import torch

        if not torch.cuda.is_available():
            return {"skipped": "there is no GPU"}
        found = self.part
        for architecture in ("efficientnet_b0", "efficientnet_b4"):
            for batch in (32, 64, 128, 256, 512):
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
                self._rate(architecture, 224, batch, 2)
                peak = torch.cuda.max_memory_allocated() / 2**20
                found[f"{architecture}, {batch}"] = round(peak)
        return found

    def _resumes(self, threads: int) -> dict[str, Any]:
        """Kill a training after an epoch and start it again: it goes on from its checkpoint."""
        folder = self.work / "runs/cifar10/original/resumed/seed0"
        changes = {"epochs": 3} if self.tiny else {}
        arguments = self._arguments("cifar10", "original", "resumed", 0, folder, changes)
        arguments |= {"checkpoint_seconds": 0, "threads": threads}
        command = [sys.executable, "-c", _TRAIN, json.dumps(arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as first:
            assert first.stdout
            for line in first.stdout:
                if line.startswith("epoch 2/"):
                    break
            first.kill()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return {"resumed_after_epoch": record["resumed_after_epoch"], "test": record["test"]}

    def ratios(self) -> dict[str, Any]:
        """Train at the paper's ten ratios, seed by seed, while there is time."""
        found = self.part
        datasets = ("cifar10",) if self.tiny else ("cifar10", "dtd")
        ratios = RATIOS[::5] if self.tiny else RATIOS
        variants = {r: "original" if r == 1 else f"jpeg-q{round(100 * r)}" for r in ratios}
        for dataset in datasets:
            for variant in variants.values():
                self.shards(dataset, variant)

        def one(case: tuple[int, str, float], threads: int) -> None:
            seed, dataset, ratio = case
            if self.left() > 25:
                run = self.train(dataset, LITE[0], variants[ratio], seed, threads=threads)
                found[f"{dataset} {ratio} seed {seed}"] = [run["accuracy"], run["interval"]]

        seeds = range(1 if self.tiny else 10)
        cases = [(seed, data, ratio) for seed in seeds for data in datasets for ratio in ratios]
        self._side_by_side(one, cases)
        return dict(sorted(found.items()))


def _epochs(batches: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the batches of one epoch after another."""
    epoch = 0
    while True:
        batches.sampler.set_epoch(epoch)
        yield from batches
        epoch += 1


def _now(gpu: bool) -> float:
    """Return the time when the GPU has done what it was given."""
    if gpu:
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def _quiet() -> Iterator[None]:
    """Let libraries warn into the log alone."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def main() -> int:
    """Measure, and return 1 where a part failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", default=ROOT / ".gpu", help="what `make gpu-pack` packed")
    parser.add_argument("--out", default=ROOT / "results/gpu", help="a folder for what is found")
    parser.add_argument("--minutes", type=float, default=8, help="after which no part begins")
    parser.add_argument("--threads", type=int, default=0, help="processors; all, if left out")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--tiny", action="store_true", help="a rehearsal in seconds")
    options = parser.parse_args()
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    measurement = Measurement(options)
    with _quiet():
        for name in options.parts:
            measurement.run(name, getattr(measurement, name))
    shutil.rmtree(measurement.work)
    failed = [name for name, part in measurement.found["parts"].items() if "failed" in part]
    print(f"see {measurement.out / 'gpu.json'}" + (f"; failed: {failed}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
