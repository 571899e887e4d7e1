"""What a ratio costs by its quality, and what by its chroma subsampling."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from jpegprep.common.layout import ORIGINAL
from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table
from jpegprep.evaluation.decision import PAIRED_BRIEF, points_of, seeds_in_words
from jpegprep.results.tables.steps import Measured, columns_of
from jpegprep.shards.sizes import image_bytes, same_files

_SIDES = {"original": "original", "full": "4:4:4", "subsampled": "4:2:0"}
# Of each step, which accuracy less which; the third is the sum of the others.
_STEPS = {
    "quality": ("full", "original"),
    "subsampling": ("subsampled", "full"),
    "both": ("subsampled", "original"),
}
COLUMNS = [
    *("dataset", "learner", "ratio", *columns_of(_SIDES, _STEPS)),
    *("images", "differ", *(f"{side}_bytes" for side in _SIDES)),
]


def chroma(
    accuracy: str | Path,
    differences: str | Path,
    shards: Mapping[str, Mapping[str, str | Path]],
    learner: str,
    variants: Mapping[float, tuple[str, str]],
    *targets: str | Path,
) -> None:
    """Write the step from the original to each ratio as that of quality and that of subsampling.

    Args:
        accuracy: the table of `evaluation.evaluate`.
        differences: the table of `evaluation.compare`.
        shards: of each data set the folder of each variant's shards.
        learner: whose models they are.
        variants: of each ratio the variant with full chroma (4:4:4) and the subsampled one (4:2:0).
        targets: files to write, .csv, .md or .html: a row a (data set, ratio). Steps are
            differences of accuracies with intervals and p-values; ``differ`` are the images whose
            files differ between 4:4:4 and 4:2:0 (gray ones do not), of all ``images``.

    Raises:
        UserError: where shards are damaged, or hold different images.
    """
    measured, rows = Measured(accuracy, differences), []
    for dataset, folders in shards.items():
        for ratio, (full, subsampled) in variants.items():
            sides = dict(zip(_SIDES, (ORIGINAL, full, subsampled), strict=True))
            same = same_files(folders[subsampled], folders[full])["same"]
            rows.append(
                {
                    **{"dataset": dataset, "learner": learner, "ratio": ratio},
                    **measured.row(dataset, learner, sides, _STEPS),
                    **{"images": len(same), "differ": int((~same).sum())},
                    **{f"{side}_bytes": image_bytes(folders[x]) for side, x in sides.items()},
                }
            )
    table = pd.DataFrame(rows, columns=COLUMNS)
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "ratio": table["ratio"],
            **{name: accuracy_with_interval(table, side) for side, name in _SIDES.items()},
            **{f"{step}, points": points_of(table, step) for step in _STEPS},
            **{
                f"bytes, {name}": (table[f"{side}_bytes"] / table["original_bytes"]).map(
                    "{:.1%}".format
                )
                for side, name in _SIDES.items()
                if side != "original"
            },
            "differ": [
                f"{differ:,} of {images:,}"
                for differ, images in zip(table["differ"], table["images"], strict=True)
            ],
            "test images": table["n"],
            "seeds": seeds_in_words(table),
        }
    )
    note = (
        f"Top-1 test accuracy of {learner}. A ratio is JPEG with subsampled chroma (4:2:0). "
        "Quality: 4:4:4 at the ratio less the original; subsampling: 4:2:0 less 4:4:4 at the same "
        "ratio; both: their sum. Bytes: of all images, over the originals'. Differ: images whose "
        "files are not the same in 4:4:4 and 4:2:0; of the others (gray ones) subsampling says "
        f"nothing. {INTERVALS} {PAIRED_BRIEF}"
    )
    write_table(table, shown, note, targets)
