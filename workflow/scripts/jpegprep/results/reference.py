"""Refreshing results/reference/ and what the READMEs show of it.

It is run as ``python -m jpegprep.results.reference``.

READMEs hold generated blocks between ``<!-- NAME -->`` and ``<!-- end of NAME -->``, each in one of
them.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from jpegprep.common.files import write_text
from jpegprep.results.catalogue import CATALOGUE
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
    "tables/decision.csv",
    "tables/decision.md",
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


# Parts of a study that are no key of it.
_PARTS = {
    "probes_beside_others": "a probe and other learners",
    "repeated": "several seeds",
    "fidelity_across": "`fidelity`, 3 data sets",
    "noise_readings": "`noise` with `readings`",
}


def results_table() -> str:
    """Return a Markdown table of the catalogue: file, what it is, and when a study has it."""
    rows = []
    for result in CATALOGUE:
        kinds = ", ".join(f"`.{kind}`" for kind in result.kinds[1:])
        name = result.name.replace("{dataset}", "<data set>")
        file = f"`<study>/{result.folder}/{name}.{result.kinds[0]}`"
        rows.append(
            {
                "path": f"{file}, {kinds}" if kinds else file,
                "what": result.title.replace("{dataset}", "of one data set"),
                "where the study has": _PARTS.get(result.when, result.when and f"`{result.when}`"),
            }
        )
    return pd.DataFrame(rows).to_markdown(index=False)


def insert(text: str, blocks: Mapping[str, str]) -> tuple[str, set[str]]:
    """Return the text with those of the generated blocks that it has, and their names."""
    found = set()
    for name, block in blocks.items():
        text, times = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)",
            lambda match, block=block: f"{match[1]}{block.strip()}\n{match[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
        found |= {name} if times else set()
    return text, found


def refresh(root: Path) -> None:
    """Copy the demo's results and run records to results/reference/, its tables into READMEs.

    And the tables of `snakemake calibrate`, where they are there: they take as long as the demo.

    Raises:
        ValueError: where no README has the place of a block.
    """
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
    for table in [*root.glob("results/calibration/*.csv"), *root.glob("results/calibration/*.md")]:
        (target / "calibration").mkdir(exist_ok=True)
        shutil.copyfile(table, target / "calibration" / table.name)
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
    blocks = {
        "accuracy": shown.to_markdown(index=False, disable_numparse=True),
        # The README's first table, without its note.
        "decision": (source / "tables/decision.md").read_text(encoding="utf-8").split("\n\n")[0],
        "table3": (source / "tables/table3_storage.md").read_text(encoding="utf-8"),
        "table4": (source / "tables/table4_noise.md").read_text(encoding="utf-8"),
        "photographs": photographs(root / "config/datasets.yaml"),
        "catalogue": results_table(),
    }
    missing = set(blocks)
    for readme in (root / "README.md", *sorted(root.glob("*/README.md"))):
        text, found = insert(readme.read_text(encoding="utf-8"), blocks)
        write_text(readme, text)
        missing -= found
    if missing:
        raise ValueError(f"no README has a place for {', '.join(sorted(missing))}")


if __name__ == "__main__":
    refresh(Path.cwd())
