"""The models of one learner and seed at all ratios, each tested on the test images of all ratios.

Nothing is trained. Where a model meets images of its own ratio, its predictions are its run's; that
is checked.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jpegprep.common.cpu import use_processors
from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.common.parquet import write_parquet
from jpegprep.learners.runs import read_predictions
from jpegprep.shards.shards import ShardReader, splits_of, tars_of

Predicted = npt.NDArray[np.int32]  # (trained, tested, images)

# The share of its run's predictions that a model may differ from on another device, in another
# precision. One image always may.
_TOLERANCE = 0.005


def cross_test_timm(
    ratios: Sequence[float],
    models: Sequence[str | Path],
    shards: Sequence[str | Path],
    predictions: Sequence[str | Path],
    recipe: dict[str, Any],
    classes: int,
    target: str | Path,
    threads: int,
) -> None:
    """Test networks on images of each ratio; every image is decoded once, for all of them.

    Args:
        ratios: the ratios, from 1.0 down.
        models: the model.safetensors trained at each of them.
        shards: the folder of the shards at each.
        predictions: the predictions.parquet of each model's run.
        recipe: the learner's.
        classes: the number of classes.
        target: the parquet to write: trained and tested (ratios), key, label, predicted, fold and
            group (as in predictions.parquet); a row a test image for each tested ratio, for each
            trained one.
        threads: processors to use.

    Raises:
        UserError: where a shard or a model is damaged, the test images of two ratios are not the
            same, or a model does not predict what its run did.
    """
    import torch

    use_processors(threads)
    torch.backends.cudnn.deterministic = True
    networks = _Networks(models, recipe, classes)
    readers = [ShardReader(tars_of(folder, "test")) for folder in shards]
    for folder, reader in zip(shards, readers, strict=True):
        _check_images(folder, reader, readers[0])
    tested = [networks.predict(reader, threads) for reader in readers]
    _write(target, ratios, readers[0], np.stack(tested, axis=1), predictions)


class _Networks:
    """The networks of all ratios, on the GPU where there is one."""

    def __init__(self, models: Sequence[str | Path], recipe: dict[str, Any], classes: int) -> None:
        import torch

        from jpegprep.datasets.weights import trained_model
        from jpegprep.learners.data import Normalization
        from jpegprep.learners.extraction import GPU_TYPES

        gpu = torch.cuda.is_available()
        self._device = torch.device("cuda" if gpu else "cpu")
        self._kind = GPU_TYPES[recipe["gpu_precision"] if gpu else "32-true"]  # as the runs' tests
        self._recipe = recipe
        self._networks: list[Any] = [
            trained_model(recipe["architecture"], model, classes)
            .eval()
            .to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for model in models
        ]
        self._normalization = Normalization(self._networks[0]).to(self._device)

    def predict(self, reader: ShardReader, threads: int) -> npt.NDArray[np.int32]:
        """Return the class that each network predicts of each image, (networks, images)."""
        import torch

        from jpegprep.learners.data import decoders, loader

        batches = loader(reader, self._recipe, seed=0, training=False, **decoders(threads))
        found = []
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, self._kind, enabled=self._kind is not torch.float32),
        ):
            for images, _ in batches:
                pixels = self._normalization(images.to(self._device, non_blocking=True))
                found.append(
                    # As the run does it: of equal probabilities the first is the greatest.
                    [
                        network(pixels).float().softmax(1).cpu().numpy().argmax(axis=1)
                        for network in self._networks
                    ]
                )
        return np.concatenate(found, axis=1).astype(np.int32)


def cross_test_probe(
    ratios: Sequence[float],
    models: Sequence[str | Path],
    features: Sequence[str | Path],
    originals: str | Path,
    predictions: Sequence[str | Path],
    target: str | Path,
) -> None:
    """Test probes on the features of images of each ratio.

    Args:
        ratios: the ratios, from 1.0 down.
        models: the model.npz trained at each of them.
        features: the features at each, as `extraction.extract_features` writes them.
        originals: the folder of the originals' shards, for keys and labels of the images.
        predictions: the predictions.parquet of each model's run.
        target: the parquet to write, as of `cross_test_timm`, of all images: each is tested by a
            regression of the other folds.

    Raises:
        UserError: where a file is damaged, or a model does not predict what its run did.
    """
    from jpegprep.learners.probe import all_features, predict_features

    reader = ShardReader([tar for tars in splits_of(originals).values() for tar in tars])
    tested = []
    for path in features:
        images = all_features(path)
        if len(images) != len(reader):
            raise UserError(
                f"{path}: has {len(images)} images, {originals} {len(reader)}; remove it: it is "
                "made again"
            )
        tested.append([predict_features(model, images).argmax(axis=1) for model in models])
    predicted = np.array(tested, dtype=np.int32).swapaxes(0, 1)
    _write(target, ratios, reader, predicted, predictions)


def _check_images(folder: str | Path, reader: ShardReader, original: ShardReader) -> None:
    if not np.array_equal(reader.keys, original.keys):
        raise UserError(
            f"{folder}: its test images are not those of the original; remove the folder: its "
            "shards are made again"
        )


def _write(
    target: str | Path,
    ratios: Sequence[float],
    reader: ShardReader,
    predicted: Predicted,
    predictions: Sequence[str | Path],
) -> None:
    """Compare the models' predictions with their runs' and write them all."""
    for i, path in enumerate(predictions):
        _compare(path, reader, predicted[i, i])
    runs = [read_predictions(path) for path in predictions]
    folds = [run["fold"].to_numpy() for run in runs]
    count, images = len(ratios), len(reader)
    every = np.tile(np.arange(images), count * count)
    table = pa.table(
        {
            "trained": np.repeat(np.asarray(ratios, dtype=np.float64), count * images),
            "tested": np.tile(np.repeat(np.asarray(ratios, dtype=np.float64), images), count),
            "key": pa.array(reader.keys.tolist(), pa.string()).take(every),
            "label": pa.array(reader.labels, pa.int32()).take(every),
            "predicted": predicted.ravel(),
            "fold": np.repeat(np.stack(folds), count, axis=0).ravel(),
            "group": np.tile(runs[0]["group"].to_numpy(), count * count),
        }
    )
    with replacing(target) as part:
        write_parquet(table, part)
    accuracies = (predicted == reader.labels).mean(axis=2)
    for ratio, row in zip(ratios, accuracies, strict=True):
        print(f"trained at {ratio}, tested at each ratio:", *(f"{x:.4f}" for x in row))


def _compare(path: str | Path, reader: ShardReader, predicted: npt.NDArray[np.int32]) -> None:
    """Compare the predictions of one model on images of its own ratio with its run's."""
    own = read_predictions(path)
    if own["key"].tolist() != reader.keys.tolist():
        raise UserError(
            f"{path}: is of other images than the test shards; remove it: its run is made again"
        )
    differ = int((own["predicted"].to_numpy() != predicted).sum())
    if differ:
        line = f"{path}: its model now predicts another class for {differ} of {len(own)} images"
        if differ > max(1, _TOLERANCE * len(own)):
            raise UserError(
                f"{line}; test it on the kind of device that it was trained on, or remove the run: "
                "it is made again"
            )
        print(line)
