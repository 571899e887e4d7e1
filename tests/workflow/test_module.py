"""The workflow as a module of another one, and started by either Snakefile."""

import yaml
from project import ROOT

TABLE = "results/small/tables/table1_datasets.csv"
OTHER = """
import yaml
from pathlib import Path

module compression:
    snakefile:
        "project/workflow/Snakefile"
    prefix:
        "compressed"
    config:
        yaml.safe_load(Path("project/config/config.yaml").read_text())

use rule * from compression as jpegprep_*

rule count:
    default_target: True
    input:
        "compressed/{table}",
    output:
        "count.txt",
    shell:
        "wc -l < {{input}} > {{output}}"
"""


def test_another_workflow_takes_it_as_a_module(fresh, tmp_path):
    """Its rules get a prefix, their files too; what it says of itself stays its own."""
    (tmp_path / "Snakefile").write_text(OTHER.format(table=TABLE), encoding="utf-8")
    fresh.folder, inner = tmp_path, fresh.folder
    run = fresh.snakemake()
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "count.txt").read_text().strip() == "2"
    assert not (tmp_path / "results").exists() and not (inner / "results").exists()
    assert "jpegprep_make_table1_datasets" in fresh.planned("--forcerun", "jpegprep_split_dataset")


def test_both_snakefiles_start_it(fresh):
    """That of the root includes the one in workflow/, whose place is the field's habit."""
    by_root = fresh.planned()
    assert by_root["train_timm"] == 5
    assert fresh.planned("--snakefile", "workflow/Snakefile") == by_root


def test_the_catalogue_of_workflows_finds_what_it_needs():
    """The file that the Snakemake workflow catalogue reads."""
    told = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text("utf-8"))
    assert told["usage"]["software-stack-deployment"]["conda"]
