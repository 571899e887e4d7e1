"""The probe once more at a larger size of images: of the originals and of one ratio alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from jpegprep.common.files import replacing_folder
from jpegprep.learners import probe
from jpegprep.learners.extraction import Known, extract_features, load_network
from jpegprep.shards.shards import splits_of
from jpegprep.shards.staging import staged


def look_larger(
    folders: Sequence[str | Path],
    variants: Sequence[str],
    weights: str | Path,
    groups: str | Path,
    dataset: str,
    learner: str,
    recipe: Mapping[str, Any],
    classes: int,
    seeds: Sequence[int],
    contiguous: bool,
    code: str,
    target: str | Path,
    threads: int,
    terminal: TextIO | None = None,
) -> None:
    """Extract features at the recipe's size and cross-fit the probe, for each variant.

    Args:
        folders: of the shards of the original and of another variant.
        variants: their names.
        weights: as of `extraction.extract_features`.
        groups: as of `probe.train`.
        dataset: whose variants they are.
        learner: the probe's name.
        recipe: the probe's, with the larger size.
        classes: as of `probe.train`.
        seeds: of the repeats.
        contiguous: as of `probe.train`.
        code: the fingerprint of what computes.
        target: the folder to write: ``<variant>/features.npz``, and ``<variant>/seed<s>/`` with the
            files of a run.
        threads: processors to use.
        terminal: as of `extraction.extract_features`.

    Raises:
        UserError: where a shard or the weights are damaged.
    """
    network, known = load_network(recipe, weights, threads), Known()
    with replacing_folder(target) as part:
        for variant, folder in zip(variants, folders, strict=True):
            about = {"dataset": dataset, "variant": variant, "learner": learner, "code": code}
            features = part / variant / "features.npz"
            with staged(splits_of(folder)) as shards:
                extract_features(
                    shards, weights, recipe, about, features, threads, terminal, network, known
                )
            names = {"history": "history.csv", "predictions": "predictions.parquet"}
            names |= {"run": "run.json", "model": "model.npz"}
            outputs = {
                kind: [part / variant / f"seed{seed}" / name for seed in seeds]
                for kind, name in names.items()
            }
            for _ in probe.train(
                features,
                splits_of(folder),
                groups,
                recipe,
                classes,
                about,
                seeds,
                outputs,
                threads,
                contiguous,
            ):
                pass
