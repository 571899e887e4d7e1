"""Features of images by a frozen, pretrained network: what the learner `probe` trains on.

They are what the network's own classifier would see, its pooled features; nothing is trained. For
one machine and one number of threads, two runs on a CPU give identical features.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from jpegprep.common.cpu import use_processors
from jpegprep.common.files import replacing
from jpegprep.datasets.weights import pretrained_model
from jpegprep.learners import runs
from jpegprep.learners.data import Normalization, decoders, loader
from jpegprep.shards.shards import ShardReader

# What a GPU computes in; a CPU always computes in 32 bits.
GPU_TYPES = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16, "32-true": torch.float32}


class Backbone:
    """A pretrained timm model without its classifier, on the GPU where there is one."""

    def __init__(self, model: torch.nn.Module, gpu_precision: str) -> None:
        """Take `model` as it is, for evaluation.

        Args:
            model: of timm.
            gpu_precision: ``16-mixed``, ``bf16-mixed`` or ``32-true``.
        """
        gpu = torch.cuda.is_available()
        self.precision = gpu_precision if gpu else "32-true"
        self._device = torch.device("cuda" if gpu else "cpu")
        self._model: Any = model.eval().to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._normalization = Normalization(model).to(self._device)

    @torch.inference_mode()
    def features(self, images: torch.Tensor) -> npt.NDArray[np.float32]:
        """Return the pooled features (n, d) of uint8 images (n, 3, height, width)."""
        pixels = self._normalization(images.to(self._device, non_blocking=True))
        kind = GPU_TYPES[self.precision]
        with torch.autocast(self._device.type, kind, enabled=kind is not torch.float32):
            maps = self._model.forward_features(pixels)
            pooled = self._model.forward_head(maps, pre_logits=True)
        return pooled.flatten(1).float().cpu().numpy()


def load_backbone(recipe: Mapping[str, Any], weights: str | Path, threads: int) -> Backbone:
    """Return the pretrained network of a recipe, ready to compute with so many threads.

    Raises:
        UserError: where the weights are damaged.
    """
    use_processors(threads)
    torch.backends.cudnn.deterministic = True
    model = pretrained_model(recipe["architecture"], weights, classes=0)
    return Backbone(model, recipe["gpu_precision"])


def extract_features(
    shards: Mapping[str, Sequence[str | Path]],
    weights: str | Path,
    recipe: Mapping[str, Any],
    about: Mapping[str, Any],
    target: str | Path,
    threads: int,
    terminal: TextIO | None = None,
    backbone: Backbone | None = None,
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
        backbone: the network with these weights, if it is loaded already.

    Raises:
        UserError: where a shard or the weights are damaged.
    """
    started = time.perf_counter()
    backbone = backbone or load_backbone(recipe, weights, threads)
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
            for batch, _ in loader(reader, recipe, seed=0, training=False, **decoders(threads)):
                parts.append(backbone.features(batch))
                bar.update(len(batch))
            arrays[split] = np.concatenate(parts)
    seconds = time.perf_counter() - ready
    record = {
        **about,
        "recipe": dict(recipe),
        "images": images,
        "images_per_second": round(images / seconds, 1),
        "precision": backbone.precision,
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
