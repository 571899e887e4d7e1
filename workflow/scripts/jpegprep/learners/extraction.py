"""Features of images by a frozen, pretrained network: what the learner `probe` trains on.

They are what the network's own classifier would see, its pooled features; nothing is trained. A CPU
computes them by ONNX Runtime, image by image in as many threads as there are processors, and so
identically for any number of them; a GPU by PyTorch in batches.
"""

import hashlib
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from jpegprep.common.cpu import use_processors
from jpegprep.common.files import replacing
from jpegprep.common.layout import ORIGINAL
from jpegprep.datasets.weights import pretrained_model
from jpegprep.images.decoding import Decoding
from jpegprep.images.opencv import decode_rgb
from jpegprep.learners import runs
from jpegprep.learners.data import Normalization, decoders, eval_transform, loader
from jpegprep.shards.shards import ShardReader

# What a GPU computes in; a CPU always computes in 32 bits.
GPU_TYPES = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16, "32-true": torch.float32}
# Of the features of one image by two programs: that of the angle between them.
_LEAST_COSINE = 0.9999

Features = npt.NDArray[np.float32]  # (n, d), one row an image
Pixels = npt.NDArray[np.uint8]
# Of an image file's SHA-256 its features: another file of the same bytes has them, too.
Known = dict[bytes, Features]


class Backbone(torch.nn.Module):
    """A pretrained timm model without its classifier, from uint8 images to pooled features."""

    def __init__(self, model: torch.nn.Module) -> None:
        """Take `model`, of timm, as it is, for evaluation."""
        super().__init__()
        self.model: Any = model
        self._normalization = Normalization(model)
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features (n, d) of uint8 images (n, 3, height, width)."""
        maps = self.model.forward_features(self._normalization(images))
        return self.model.forward_head(maps, pre_logits=True).flatten(1)


class GpuNetwork:
    """A backbone on a GPU, by PyTorch, in batches."""

    def __init__(self, backbone: Backbone, recipe: Mapping[str, Any], threads: int) -> None:
        """Put `backbone` there; `recipe` and `threads` are those of `extract_features`."""
        torch.backends.cudnn.deterministic = True
        self.precision, self.engine = recipe["gpu_precision"], f"PyTorch {torch.__version__}"
        self._recipe, self._threads = recipe, threads
        self._backbone = backbone.to("cuda", memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def features(
        self, reader: ShardReader, known: Known | None = None, keep: bool = False
    ) -> Iterator[Features]:
        """Yield the features of the images of `reader`, batch by batch."""
        kind = GPU_TYPES[self.precision]
        workers = decoders(self._threads)
        for batch, _ in loader(reader, self._recipe, seed=0, training=False, **workers):
            with torch.autocast("cuda", kind, enabled=kind is not torch.float32):
                found = self._backbone(batch.to("cuda", non_blocking=True))
            yield found.float().cpu().numpy()


class CpuNetwork:
    """A backbone on a CPU, by ONNX Runtime, image by image in several threads.

    It takes 2 to 3 times as many images a second as PyTorch. A network that cannot be exported, or
    whose features then differ, is computed by PyTorch, and the log says so.
    """

    precision = "32-true"

    def __init__(self, backbone: Backbone, recipe: Mapping[str, Any], threads: int) -> None:
        """Export `backbone`; `recipe` and `threads` are those of `extract_features`."""
        use_processors(1)  # images are worked on side by side, each by one thread
        self._threads = threads
        self._transform, self._size = eval_transform(recipe), recipe["image_size"]

        @torch.inference_mode()
        def by_torch(pixels: Pixels) -> Features:
            found: Features = backbone(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
            return found

        self._of_pixels: Callable[[Pixels], Features] = by_torch
        self.engine = f"PyTorch {torch.__version__}"
        try:
            exported = _exported(backbone, self._size)
        except Exception as error:  # whatever an exporter of any network may raise
            reason = str(error).splitlines()[0]
            print(f"computes by PyTorch; ONNX Runtime does not take this network: {reason}")
            return
        pixels = np.random.default_rng(0).integers(0, 256, (1, self._size, self._size, 3), np.uint8)
        cosine = _cosine(exported(pixels), by_torch(pixels))
        if cosine < _LEAST_COSINE:
            print(f"computes by PyTorch; ONNX Runtime's features differ (cosine {cosine:.6f})")
            return
        self._of_pixels, self.engine = exported, f"ONNX Runtime {version('onnxruntime')}"

    def features(
        self, reader: ShardReader, known: Known | None = None, keep: bool = False
    ) -> Iterator[Features]:
        """Yield the features of the images of `reader`, one by one.

        Args:
            reader: the images.
            known: features that need not be computed again.
            keep: add these to them.
        """

        def of_image(i: int) -> Features:
            data = reader.image(i)
            if known is None:
                return self._of_file(data, reader.decoding)
            digest = hashlib.sha256(data).digest()
            found = known.get(digest)
            if found is None:
                found = self._of_file(data, reader.decoding)
                if keep:
                    known[digest] = found
            return found

        if self._threads == 1:
            yield from map(of_image, range(len(reader)))
            return
        with ThreadPoolExecutor(self._threads) as pool:
            yield from pool.map(of_image, range(len(reader)))

    def _of_file(self, data: bytes, how: Decoding) -> Features:
        pixels = self._transform(decode_rgb(data, how), np.random.default_rng(0))
        return self._of_pixels(np.ascontiguousarray(pixels)[np.newaxis])


def _exported(backbone: Backbone, size: int) -> Callable[[Pixels], Features]:
    """Return `backbone` by ONNX Runtime, from (1, size, size, 3) pixels to (1, d).

    The call may come from several threads, each computes its own alone.
    """
    import onnxruntime

    class OfPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone  # a part of it: the exporter refuses other parameters

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.backbone(pixels.permute(0, 3, 1, 2))

    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        path = str(Path(scratch) / "network.onnx")
        with warnings.catch_warnings(action="ignore"):
            # By tracing: the exporter by torch.export takes several times as long.
            network = OfPixels().eval()
            torch.onnx.export(network, (example,), path, dynamo=False, input_names=["pixels"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

    def features(pixels: Pixels) -> Features:
        found: Features = session.run(None, {"pixels": pixels})[0]
        return found

    return features


def _cosine(one: Features, other: Features) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float((one * other).sum() / lengths) if lengths else 1.0


def load_network(
    recipe: Mapping[str, Any], weights: str | Path, threads: int
) -> GpuNetwork | CpuNetwork:
    """Return the pretrained network of a recipe, ready to compute with so many threads.

    Raises:
        UserError: where the weights are damaged.
    """
    backbone = Backbone(pretrained_model(recipe["architecture"], weights, classes=0))
    kind = GpuNetwork if torch.cuda.is_available() else CpuNetwork
    return kind(backbone, recipe, threads)


def extract_features(
    shards: Mapping[str, Sequence[str | Path]],
    weights: str | Path,
    recipe: Mapping[str, Any],
    about: Mapping[str, Any],
    target: str | Path,
    threads: int,
    terminal: TextIO | None = None,
    network: GpuNetwork | CpuNetwork | None = None,
    known: Known | None = None,
) -> None:
    """Write the features of all images of a variant, prepared as for validation and test.

    Args:
        shards: the tars of the splits ``train``, ``val`` and ``test``.
        weights: pretrained weights as `weights.fetch_weights` writes them.
        recipe: ``architecture``, ``image_size``, ``batch_size``, ``eval_crop``, ``gpu_precision``.
        about: what the features are of: dataset, variant, learner, code.
        target: the npz to write: for each split float32 (n, d) in the order of its shards, and
            ``record``, how they were made, as JSON. `probe.load_features` reads it.
        threads: processors to use.
        terminal: where a bar is drawn, if it is one, and a line says how fast it went.
        network: with these weights, if it is loaded already.
        known: the originals' features; where `about` is of the originals, they are added to it. A
            CPU does not compute again what is known.

    Raises:
        UserError: where a shard or the weights are damaged.
    """
    started = time.perf_counter()
    network = network or load_network(recipe, weights, threads)
    readers = {split: ShardReader(tars) for split, tars in shards.items()}
    images = sum(map(len, readers.values()))
    name = f"{about['dataset']}/{about['variant']}/{about['learner']}"
    watched = terminal is not None and terminal.isatty()
    ready = time.perf_counter()
    arrays = {}
    with tqdm(
        total=images, desc=name, file=terminal, unit="image", leave=False, disable=not watched
    ) as bar:
        for split, reader in readers.items():
            parts = []
            for found in network.features(reader, known, keep=about["variant"] == ORIGINAL):
                parts.append(found)
                bar.update(len(found))
            arrays[split] = np.concatenate(parts)
    seconds = time.perf_counter() - ready
    record = {
        **about,
        "recipe": dict(recipe),
        "images": images,
        "images_per_second": round(images / seconds, 1),
        "precision": network.precision,
        "engine": network.engine,
        "seconds": {"setup": round(ready - started, 2), "extract": round(seconds, 2)},
        **runs.environment(threads),
        "peak_memory_mib": runs.peak_memory_mib(),
    }
    with replacing(target) as part, part.open("wb") as file:
        np.savez(file, **arrays, record=np.array(json.dumps(record)))  # type: ignore[arg-type]
    line = f"{name}: features of {images:,} images, {images / seconds:,.0f} images/s"
    print(line)
    if terminal is not None:
        print(line, file=terminal)
