"""findings.html: a study's answer first, then all that it made, as one file for a browser."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.answers.templates import rendered
from jpegprep.common.files import write_text
from jpegprep.evaluation.decision import in_points

# What the page opens on.
_DECISION, _FIGURE2, _CLAIMS = "tables/decision", "figures/fig2_accuracy_vs_ratio", "tables/claims"
_MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}


def write_findings(name: str, entries: Sequence[Mapping[str, Any]], target: str | Path) -> None:
    """Write findings.html.

    Args:
        name: of the study.
        entries: what `catalogue.Result.entries` says of its results. Their files are there, by
            paths from the page's folder.
        target: the page to write.
    """
    folder = Path(target).parent
    shown = {f"{one['folder']}/{one['name']}": _read(one, folder) for one in entries}
    decision, figure2, claims = (shown.pop(key) for key in (_DECISION, _FIGURE2, _CLAIMS))
    rest: dict[str, list[dict[str, Any]]] = {}
    for one in shown.values():
        rest.setdefault(one["folder"], []).append(one)
    page = rendered(
        "findings.html",
        name=name,
        lead=_lead(pd.read_csv(folder / f"{_DECISION}.csv")),
        decision=decision,
        figure2=figure2,
        claims=claims,
        rest={category: rest[category] for category in sorted(rest)},
    )
    write_text(target, page)


def _read(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return an entry with what the page shows of it: the text of a table, or a figure's URI."""
    files = {Path(path).suffix: folder / path for path in entry["files"]}
    found: dict[str, Any] = {**entry, "text": "", "uri": "", "width": None}
    if table := files.get(".md"):
        found["text"] = table.read_text(encoding="utf-8")
    else:  # photographs are smaller as PNG than inside an SVG
        smaller = min((files[kind] for kind in _MEDIA), key=lambda path: path.stat().st_size)
        data = b64encode(smaller.read_bytes()).decode()
        # Drawn for a column of print, in points; on a screen half as large again.
        points = re.search(r'<svg [^>]*?width="([\d.]+)pt"', files[".svg"].read_text("utf-8"))
        found["width"] = round(2 * float(points[1])) if points else None
        found["uri"] = f"data:{_MEDIA[smaller.suffix]};base64,{data}"
    return found


def _lead(decisions: pd.DataFrame) -> str:
    """Return in Markdown down to which ratio each learner shows that little is lost."""
    loss = f"a loss of {in_points(decisions['margin'].iloc[0])} or more of accuracy"
    known = decisions.dropna(subset="ratio").to_dict("records")
    if not known:
        return f"By no learner {loss} is excluded at any ratio: the images do not suffice."
    lines = [f"{loss[0].upper()}{loss[1:]} is excluded:\n"]
    lines += [
        f"- {row['dataset']}, {_escaped(row['learner'])}: down to **JPEG quality "
        f"{100 * row['ratio']:.0f}**, which saves **{row['saved']:.1%}** of the bytes"
        for row in known
    ]
    if others := len(decisions) - len(known):
        rows = "row" if others == 1 else f"{others} rows"
        lines.append(f"\nIn the other {rows} of the table of decisions it is not.")
    return "\n".join(lines)


def _escaped(name: str) -> str:
    return name.replace("_", "\\_")
