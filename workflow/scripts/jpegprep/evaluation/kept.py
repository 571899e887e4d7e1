"""Which images compression left as they were, by class: where classes differ, that is a cue."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest

from jpegprep.evaluation.stats import holm

# A class differs where its share of kept images is so far from that of all images, so surely.
_MARGIN, _P = 0.1, 0.001


def kept_by_class(same: npt.NDArray[np.bool_], classes: npt.NDArray[np.str_]) -> dict[str, Any]:
    """Return which images compression left as they were.

    Args:
        same: (n,) whether each image has its original's bytes.
        classes: (n,).

    Returns:
        ``n``, ``count`` and ``share`` of all; ``classes``: the five whose share
        differs most surely from it, each with ``class``, ``n``, ``count``, ``share``, ``p_holm``
        (that its images were kept with the overall share: binomial test, corrected for the number
        of classes) and ``differs``: p_holm is below 0.001 and the shares are more than 0.1 apart;
        ``differs``: whether any class does.
    """
    table = pd.DataFrame({"class": classes, "same": same}).groupby("class")["same"]
    overall = float(same.mean())
    names, n, count = table.size().index, table.size().to_numpy(), table.sum().to_numpy()
    tests = [binomtest(int(k), int(of), overall).pvalue for k, of in zip(count, n, strict=True)]
    p_values = np.array(holm(tests))
    differs = (p_values < _P) & (np.abs(count / n - overall) > _MARGIN)
    order = [i for i in np.lexsort((tests, ~differs))[:5] if count[i] != n[i] * overall]
    return {
        **{"n": len(same), "count": int(same.sum()), "share": round(overall, 6)},
        "classes": [
            {
                **{"class": str(names[i]), "n": int(n[i]), "count": int(count[i])},
                **{"share": round(float(count[i] / n[i]), 6), "p_holm": float(p_values[i])},
                "differs": bool(differs[i]),
            }
            for i in order
        ],
        "differs": bool(differs.any()),
    }


def uneven_in_words(where: str, kept: Mapping[str, Any]) -> str:
    """Return what it means that classes differ in what was kept, in a sentence.

    Args:
        where: with which compression, as ``at ratio 0.5``.
        kept: as `kept_by_class` tells it.
    """
    first = kept["classes"][0]
    return (
        f"{where[:1].upper()}{where[1:]} compression left {first['share']:.0%} of the images of "
        f"class {first['class']!r} as they were, and {kept['share']:.0%} of all images: it adds or "
        "removes traces in some classes and not in others, which can change accuracy for reasons "
        "other than lost detail."
    )
