"""The plan of a recommendation: what is done in the minutes that there are, told before the work.

The speed is measured on the user's own images first. All images are looked at by the probe, or as
many as there is time for; what is left of the time goes to pairs of fine-tuned networks.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jpegprep.common.files import write_json
from jpegprep.common.parquet import read_parquet
from jpegprep.datasets.problems import SET_ASIDE
from jpegprep.datasets.splits import distinct
from jpegprep.learners.folds import FOLDS

# Seconds on a processor of today, all measured on two cores of an AMD EPYC: of a regression of the
# probe by image, feature and class; of a job's start, of a training's; of what comes after.
_REGRESSION_S, _FEATURES = 1.7e-8, 1280
_TRAINING_START_S, _REST_S = 8.0, 45.0
# Of the time that is left once all images are looked at, for a look at a larger size.
_LARGER_SHARE = 0.5
# A network is fine-tuned on so many images of each class at least, and so many in all.
_LEAST_OF_CLASS, _LEAST_IN_ALL = 20, 256
_LEAST_EPOCHS, _SMALLER = 3, 0.8
# The probe looks at so many images at least, however short the time: of fewer it tells nothing, and
# these take seconds.
_LEAST_IMAGES = 200
_TEST_PASS = 1 / 3  # of a training step


def plan_minutes(
    content: Mapping[str, Any],
    archives: Sequence[str | Path],
    manifest: str | Path,
    weights: str | Path,
    probe: Mapping[str, Any],
    variants: Sequence[str],
    repeats: int,
    network: Mapping[str, Any] | None,
    pairs: int,
    fixed: bool,
    larger: int | None,
    classes: int,
    minutes: float,
    started: float,
    threads: int,
    at_a_time: int,
    target: str | Path,
) -> str:
    """Measure this machine's speed, and write what is to be done in so many minutes.

    Args:
        content: what the registry says of the data set's content.
        archives: its archives.
        manifest: its manifest.
        weights: of the probe and the network.
        probe: the probe's recipe.
        variants: to be made, without the original.
        repeats: of the probe.
        network: the recipe of the networks that are fine-tuned, or None.
        pairs: how many pairs of them.
        fixed: whether the networks take images of one size alone.
        larger: the larger size of images that is looked at, too, in pixels, or None.
        classes: the number of classes.
        minutes: the budget.
        started: when the work began, in seconds since 1970.
        threads: processors.
        at_a_time: how many trainings run side by side.
        target: the JSON to write, what `plan` returns with ``speed``, what was measured.

    Returns:
        The plan in words.
    """
    from jpegprep.learners.speed import measure_speed  # PyTorch; a plan needs none

    speed = measure_speed(
        *(content, archives, manifest, weights, probe, variants, network, classes, threads),
        at_a_time,
    )
    files = read_parquet(manifest).to_pandas()
    found = plan(
        speed,
        len(distinct(files[files["handling"] != SET_ASIDE])),
        classes,
        probe,
        repeats,
        network,
        pairs,
        fixed,
        larger,
        60 * minutes - (time.time() - started),
        threads,
    )
    write_json(target, {"minutes": minutes, **found, "speed": speed})
    return told(found, minutes)


def plan(
    speed: Mapping[str, Any],
    images: int,
    classes: int,
    probe: Mapping[str, Any],
    repeats: int,
    network: Mapping[str, Any] | None,
    pairs: int,
    fixed: bool,
    larger: int | None,
    left: float,
    threads: int,
) -> dict[str, Any]:
    """Return what fits into the seconds that are left.

    Args:
        speed: what `speed.measure_speed` found.
        images: how many can be used.
        classes: as of `plan_minutes`.
        probe: likewise.
        repeats: likewise.
        network: likewise.
        pairs: likewise.
        fixed: likewise.
        larger: likewise.
        left: the seconds.
        threads: processors.

    Returns:
        ``images``, how many are looked at, ``of`` how many; ``larger``, the size of a second look,
        or None; ``pairs``: ``folds`` (their number), ``train_images`` and ``test_images`` of each,
        ``epochs`` and ``image_size``, or None; ``seconds``: of ``look``, ``larger``, ``pairs`` and
        ``rest``.
    """
    left -= _REST_S
    looks = 1 + sum(speed["changed"].values())
    # A regression is fitted anew where any image is another one, a variant a thread.
    fitted = 1 + sum(share > 0 for share in speed["changed"].values())
    folds = probe.get("folds", FOLDS)
    fits = (repeats * folds + len(probe["regularization"])) / min(threads, fitted)
    regression = fits * _REGRESSION_S * _FEATURES * classes
    of_image = speed["treat_seconds"] + looks * speed["features_seconds"] + fitted * regression
    used = min(images, max(classes * 4, _LEAST_IMAGES, int(left / of_image)))
    left -= used * of_image
    seconds = {"look": used * of_image, "larger": 0.0, "pairs": 0.0, "rest": _REST_S}
    if larger is not None:
        area = (larger / probe["image_size"]) ** 2
        again = 2 * used * (speed["features_seconds"] * area + regression)
        if again > _LARGER_SHARE * left:
            larger = None
        else:
            left -= again
            seconds["larger"] = again
    found = _pairs(speed, used, classes, network, pairs, fixed, left) if network else None
    if found:
        seconds["pairs"] = found.pop("seconds")
    return {"images": used, "of": images, "larger": larger, "pairs": found, "seconds": seconds}


def _pairs(
    speed: Mapping[str, Any],
    images: int,
    classes: int,
    network: Mapping[str, Any],
    pairs: int,
    fixed: bool,
    left: float,
) -> dict[str, Any] | None:
    """Return how networks are fine-tuned: with fewer images, epochs or pixels, where time is short.

    Three for each pair: on the originals, once more on the originals, on the proposed ratio.
    """
    networks = 3 * pairs
    most_train, most_test = images * (pairs - 1) // pairs, images // pairs
    least = min(most_train, max(_LEAST_OF_CLASS * classes, _LEAST_IN_ALL))
    for smaller in (1.0,) if fixed else (1.0, _SMALLER):
        for epochs in dict.fromkeys([network["epochs"], min(network["epochs"], _LEAST_EPOCHS)]):
            size = network["image_size"]
            size = size if smaller == 1 else 32 * max(1, round(size * smaller / 32))
            step = speed["training_seconds"] * (size / network["image_size"]) ** 2
            each = left / networks - _TRAINING_START_S
            # As many images are tested as trained on, as far as a fold has them.
            train = int(each / step / (epochs + _TEST_PASS))
            if train > most_test:
                train = int((each / step - most_test * _TEST_PASS) / epochs)
            if train >= least:
                train = min(train, most_train)
                test = min(train, most_test)
                taken = networks * (_TRAINING_START_S + step * (epochs * train + test * _TEST_PASS))
                return {
                    **{"folds": pairs, "train_images": train, "test_images": test},
                    **{"epochs": epochs, "image_size": size, "seconds": taken},
                }
    return None


def told(found: Mapping[str, Any], minutes: float) -> str:
    """Return a plan in words, a line for each of its parts."""
    seconds = found["seconds"]
    whole = found["images"] == found["of"]
    lines = [
        f"The plan for {minutes:g} minutes, by the speed of this machine:",
        f"- the probe looks at {'all ' if whole else ''}{found['images']:,} images"
        + ("" if whole else f" of {found['of']:,}, a sample; more minutes look at more")
        + f" ({seconds['look']:,.0f} s)",
    ]
    if found["larger"]:
        lines.append(f"- and once more at {found['larger']} px ({seconds['larger']:,.0f} s)")
    if pairs := found["pairs"]:
        lines.append(
            f"- {pairs['folds']} pairs of networks are fine-tuned, each on "
            f"{pairs['train_images']:,} images, in {pairs['epochs']} epochs at "
            f"{pairs['image_size']} px, and tested on {pairs['test_images']:,} others "
            f"({seconds['pairs']:,.0f} s)"
        )
    else:
        lines.append("- no networks are fine-tuned: pairs of them take more minutes")
    lines.append(f"- in all about {sum(seconds.values()) / 60:,.0f} minutes from here")
    return "\n".join(lines)
