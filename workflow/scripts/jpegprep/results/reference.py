"""Refreshing results/reference/ and what the READMEs show of it.

It is run as ``python -m jpegprep.results.reference``.

README.md holds generated blocks between ``<!-- NAME -->`` and ``<!-- end of NAME -->``.
"""

import re
import shutil
from pathlib import Path

import pandas as pd

from jpegprep.common.files import write_text
from jpegprep.study.config import read_yaml

FILES = [
    "figures/fig1_schematic.svg",
    "figures/fig2_accuracy_vs_ratio.svg",
    "figures/fig3_convergence.svg",
    "tables/accuracy.csv",
    "tables/runs.csv",
    "tables/table1_datasets.csv",
    "tables/table1_datasets.md",
    "tables/table3_storage.csv",
    "tables/table3_storage.md",
    "tables/table4_noise.csv",
    "tables/table4_noise.md",
    "tables/table5_tabular.csv",
    "tables/table5_tabular.md",
    "tables/convergence.csv",
    "tables/convergence.md",
]


def photographs(registry: Path) -> str:
    """Return a Markdown table of the demo's photographs: author, licence, origin, carrier."""
    rows = [
        {
            "photograph": f"[{archive['name']}]({archive['origin']})",
            "author": archive["author"],
            "licence": archive["license"],
            "carried by": archive["distribution"],
        }
        for archive in read_yaml(registry)["photo-patches"]["archives"]
    ]
    return pd.DataFrame(rows).to_markdown(index=False)


def insert(text: str, name: str, block: str) -> str:
    """Replace the generated block of that name.

    Raises:
        ValueError: where the text has no such block.
    """
    pattern = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
    new, found = re.subn(
        pattern, lambda match: f"{match[1]}{block.strip()}\n{match[2]}", text, flags=re.DOTALL
    )
    if found != 1:
        raise ValueError(f"no block {name!r}")
    return new


def refresh(root: Path) -> None:
    """Copy the demo's results and run records to results/reference/, its tables into README.md."""
    source, target = root / "results/demo", root / "results/reference"
    for name in FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    shutil.rmtree(target / "runs", ignore_errors=True)
    for record in pd.read_csv(source / "tables/runs.csv")["run"]:
        for path in (root / record, (root / record).with_name("history.csv")):
            copy = target / path.relative_to(root / "results")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    accuracy = pd.read_csv(source / "tables/accuracy.csv").dropna(subset="ratio")
    shown = pd.DataFrame(
        {
            "ratio": accuracy["ratio"],
            "learner": accuracy["learner"],
            "accuracy": [
                f"{row.accuracy:.3f} [{row.low:.3f}, {row.high:.3f}]"
                for row in accuracy.itertuples()
            ],
        }
    ).pivot(index="ratio", columns="learner", values="accuracy")
    shown = shown.sort_index(ascending=False).fillna("").reset_index()
    text = insert(text, "accuracy", shown.to_markdown(index=False, disable_numparse=True))
    for name, table in (("table3", "table3_storage"), ("table4", "table4_noise")):
        text = insert(text, name, (source / f"tables/{table}.md").read_text("utf-8"))
    text = insert(text, "photographs", photographs(root / "config/datasets.yaml"))
    write_text(readme, text)


if __name__ == "__main__":
    refresh(Path.cwd())
