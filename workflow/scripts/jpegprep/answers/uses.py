"""What a store costs beyond top-1: in both uses of the images, by class, and in log-loss.

Later images are compressed, too, or they are not. The probe's models of each store are tested on
images of that store, on the originals, and its models of the originals on that store's: their
features are there already.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.files import replacing
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parquet import read_parquet
from jpegprep.evaluation.accuracy import groups_of
from jpegprep.evaluation.gaps import gaps_of
from jpegprep.evaluation.stats import mean_interval
from jpegprep.learners.probe import all_features, predict_features
from jpegprep.learners.runs import read_predictions

_LEAST = 1e-7  # below which a probability counts as so much: one image must not decide a log-loss
Probabilities = npt.NDArray[np.float32]  # (seeds, n, classes)
Labels = npt.NDArray[np.int64]  # (n,)


def measure_uses(
    features: Mapping[str, str | Path],
    models: Mapping[str, Sequence[str | Path]],
    predictions: Mapping[str, Sequence[str | Path]],
    target: str | Path,
) -> None:
    """Write what each store costs, a row a variant but the original.

    Args:
        features: of all images of each variant, of the probe.
        models: of each variant the probe's model.npz, one a seed.
        predictions: likewise its predictions.parquet.
        target: the CSV to write: variant, seeds, n, the columns of `gaps.gaps_of`, and
            ``balanced``, ``balanced_low``, ``balanced_high`` (the difference of balanced accuracy,
            a fraction) and ``log_loss``… (the difference of log-loss, in nats: above 0 it is
            worse).

    Raises:
        UserError: where a file is damaged.
    """
    tested = read_predictions(predictions[ORIGINAL][0])
    labels, groups = tested["label"].to_numpy(), groups_of([tested])
    originals, of_originals = all_features(features[ORIGINAL]), _read(predictions[ORIGINAL])
    rows = []
    for variant in features:
        if variant == ORIGINAL:
            continue
        compressed, of_compressed = all_features(features[variant]), _read(predictions[variant])
        found = {
            "original_original": of_originals,
            "original_compressed": _predicted(models[ORIGINAL], compressed),
            "compressed_compressed": of_compressed,
            "compressed_original": _predicted(models[variant], originals),
        }
        right = {sides: found[sides].argmax(axis=2) == labels for sides in found}
        row: dict[str, Any] = {"variant": variant, "seeds": len(of_originals), "n": len(labels)}
        row |= gaps_of(right, crossfitted=True, groups=groups)
        change = right["compressed_compressed"].astype(float) - right["original_original"]
        worse = _log_loss(of_compressed, labels) - _log_loss(of_originals, labels)
        # Where hardly an image differs, the images tell no less than `difference_interval` says.
        least = row["information_gap_high"] - row["information_gap_low"]
        measures = {"balanced": (change * _weights(labels), least / 2), "log_loss": (worse, 0.0)}
        for name, (values, arm) in measures.items():
            mean, low, high = mean_interval(values, crossfitted=True, groups=groups)
            ends = (mean, min(low, mean - arm), max(high, mean + arm))
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        rows.append(row)
    with replacing(target) as part:
        pd.DataFrame(rows).to_csv(part, index=False, float_format="%.6g", lineterminator="\n")


def _read(predictions: Sequence[str | Path]) -> Probabilities:
    found = []
    for path in predictions:
        column = read_parquet(path, ["probabilities"])["probabilities"].combine_chunks()
        found.append(column.flatten().to_numpy().reshape(len(column), -1))
    return np.stack(found)


def _predicted(models: Sequence[str | Path], features: npt.NDArray[np.float32]) -> Probabilities:
    return np.stack([predict_features(model, features) for model in models])


def _log_loss(probabilities: Probabilities, labels: Labels) -> npt.NDArray[Any]:
    """Return the loss of each seed and image, (seeds, n)."""
    of_label = probabilities[:, np.arange(len(labels)), labels]
    return -np.log(np.maximum(of_label, _LEAST))


def _weights(labels: Labels) -> npt.NDArray[Any]:
    """Return weights by which the mean over images is the mean over classes, (n,)."""
    counts = np.bincount(labels)
    return len(labels) / ((counts > 0).sum() * counts[labels])
