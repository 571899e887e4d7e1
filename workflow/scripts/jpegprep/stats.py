"""The statistics of the comparison: an accuracy with its interval."""

import numpy as np
import numpy.typing as npt
from statsmodels.stats.proportion import proportion_confint

_RESAMPLES = 10_000


def accuracy_interval(
    correct: npt.NDArray[np.bool_], confidence: float = 0.95
) -> tuple[float, float, float, str]:
    """Return accuracy, the lower and upper bound of its interval, and the interval's name.

    One seed: Wilson's score interval over the test images (E. B. Wilson, JASA 22, 1927), which
    speaks of this trained model on new images. Several seeds: percentiles of a hierarchical
    bootstrap over seeds and test images, which speaks of training anew as well.

    Args:
        correct: (seeds, n): whether each seed's model was right on each test image.
        confidence: the share of intervals that cover.
    """
    seeds, n = correct.shape
    accuracy = float(correct.mean())
    if seeds == 1:
        low, high = proportion_confint(int(correct.sum()), n, alpha=1 - confidence, method="wilson")
        return accuracy, float(low), float(high), "Wilson"
    rng = np.random.default_rng(0)
    resampled = np.empty(_RESAMPLES)
    for i in range(_RESAMPLES):
        rows = rng.integers(seeds, size=seeds)
        columns = rng.integers(n, size=n)
        resampled[i] = correct[rows][:, columns].mean()
    tail = 50 * (1 - confidence)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return accuracy, float(low), float(high), "hierarchical bootstrap"
