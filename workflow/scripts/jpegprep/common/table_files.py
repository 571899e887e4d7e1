"""Writing a table: as CSV (numbers), and as Markdown and HTML (as people read it)."""

import re
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.files import replacing_all

# What stands below every table with accuracies.
INTERVALS = (
    "In brackets: 95 % intervals (Wilson's over the test images; of several seeds with random "
    "effects of seeds and test images)."
)


def accuracy_with_interval(table: pd.DataFrame, which: str) -> list[str]:
    """Return ``0.920 [0.869, 0.951]`` for each row, from the columns WHICH_accuracy, _low, _high.

    Where the accuracy is missing, an empty text.
    """
    columns = table[[f"{which}_accuracy", f"{which}_low", f"{which}_high"]].to_numpy(dtype=float)
    return [
        "" if isnan(value) else f"{value:.3f} [{low:.3f}, {high:.3f}]"
        for value, low, high in columns
    ]


def write_table(
    table: pd.DataFrame,
    shown: pd.DataFrame,
    note: str,
    targets: Sequence[str | Path],
    lead: str = "",
) -> None:
    """Write the numbers as .csv, or what people read, with its note, as .md or .html.

    Args:
        table: the numbers.
        shown: the table as people read it.
        note: what stands below; may be empty.
        targets: files to write.
        lead: what stands above; may be empty.
    """
    alignment = ["right" if _numeric(shown[name]) else "left" for name in shown]
    with replacing_all(*targets) as parts:
        for part, target in zip(parts, targets, strict=True):
            match Path(target).suffix:
                case ".csv":
                    table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")
                case ".md":
                    text = shown.to_markdown(index=False, disable_numparse=True, colalign=alignment)
                    note_below = f"\n{note}\n" if note else ""
                    above = f"{lead}\n\n" if lead else ""
                    part.write_text(f"{above}{text}\n{note_below}", encoding="utf-8")
                case ".html":
                    text = shown.to_html(index=False, border=0)
                    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
                    text = f"<p>{lead}</p>\n{text}" if lead else text
                    part.write_text(_PAGE.format(table=text, note=note), encoding="utf-8")


def _numeric(column: "pd.Series[Any]") -> bool:
    """Tell whether people read a column as numbers: with signs and units, but without words."""
    return all(re.fullmatch(r"([-+.,%*→()[\]\s\d]|MiB)*", str(value)) for value in column)


_PAGE = """<!doctype html>
<meta charset="utf-8">
<style>
body {{ font: 15px sans-serif; margin: 2em }}
table {{ border-collapse: collapse }}
th, td {{ padding: .4em .8em; text-align: left; border-bottom: 1px solid #ccc }}
</style>
{table}
<p>{note}</p>
"""
