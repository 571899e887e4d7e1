"""What the READMEs promise stands in the files they name."""

import re
from pathlib import Path

import yaml

from jpegprep.results.reference import results_table

ROOT = Path(__file__).parents[2]
PLACES = ("", "config/", "profiles/", "results/", "tests/", "workflow/")
READMES = [f"{place}README.md" for place in PLACES]


def test_every_photograph_is_credited():
    """Author and licence of each photograph of the demo stand in config/README.md."""
    readme = (ROOT / "config/README.md").read_text("utf-8")
    registry = yaml.safe_load((ROOT / "config/datasets.yaml").read_text("utf-8"))
    lines = readme.splitlines()
    for archive in registry["photo-patches"]["archives"]:
        credit = next(line for line in lines if f"[{archive['name']}]" in line)
        assert archive["author"] in credit
        assert archive["license"] in credit
        assert archive["origin"] in credit


def test_every_working_rule_has_a_log_and_a_benchmark():
    """A failed job is explained by its log, and its cost is on record, but for the plan's.

    A rule without output that has a benchmark runs only once.
    """
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        text = path.read_text("utf-8")
        rules = text.count("script:") + len(re.findall(r"^use rule", text, re.M))
        measured = text.count("    benchmark:\n") + text.count("rule plan:")
        assert text.count("    log:\n") == measured == rules, path.name


def test_links_lead_somewhere():
    """Every relative link of a README leads to a file."""
    for name in READMES:
        text = (ROOT / name).read_text("utf-8")
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (ROOT / name).parent.joinpath(target).exists(), target


def test_the_profile_names_rules_that_there_are():
    """A misspelt rule in the profile would be silently without its memory."""
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text("utf-8"))
    named = {*profile["set-resources"]}
    rules = set()
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        rules |= set(
            re.findall(
                r"^ *(?:use rule \w+ as|rule|checkpoint) (\w+)(?: with)?:",
                path.read_text(encoding="utf-8"),
                re.M,
            )
        )
    # Rules of pairs are named in a loop, after their jobs.
    common = (ROOT / "workflow/rules/common.smk").read_text(encoding="utf-8")
    parts = re.findall(r'^ +\("(\w+)", (?:True|False), ', common, re.M)
    assert len(parts) == 6
    assert named and named <= rules | {f"train_pairs_{part}" for part in parts}


def test_the_readme_is_read_in_ten_minutes():
    """What most readers do not need stands elsewhere."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_the_list_of_results_is_the_catalogues():
    """results/README.md has a row for each table and figure (`make reference` writes them)."""
    assert results_table() in (ROOT / "results/README.md").read_text("utf-8")
