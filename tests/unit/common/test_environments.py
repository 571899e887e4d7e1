"""Environments: each stage's names all it imports, in the versions of the lock."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from packaging.markers import Marker

from jpegprep.results.catalogue import CATALOGUE

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "workflow" / "scripts"
PACKAGE = SCRIPTS / "jpegprep"
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))

# conda's name of a package, where it differs from PyPI's.
PYPI = {"pytorch": "torch", "matplotlib-base": "matplotlib", "snakemake-minimal": "snakemake"}
# The distribution of a module, where their names differ.
DISTRIBUTION = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn"}
DISTRIBUTION |= {"yaml": "pyyaml", "cv2": "opencv-python-headless"}
# Modules that are distributions of their own inside a common name.
NAMESPACES = {"autogluon"}
# What pandas needs for a method, without any import in the code.
NEEDED_BY_CALL = {"to_markdown": "tabulate", "to_parquet": "pyarrow", "read_parquet": "pyarrow"}


def canonical(name: str) -> str:
    """Return a package's name as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(environment: Path) -> dict[str, str]:
    """Return the pinned version of each package of an environment, by its name on PyPI."""
    found = {}
    for entry in yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]:
        for line in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, *version = re.split(r"\s*==?", line, maxsplit=1)
            found[canonical(PYPI.get(name, name))] = version[0] if version else ""
    return found


def locked() -> dict[str, str]:
    """Return the version of each package in requirements.lock for this Python on Linux."""
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    found: dict[str, str] = {}
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for name, version, marker in re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; (.*?))? \\$", text, re.M):
        if not marker or Marker(marker).evaluate(linux):
            assert found.setdefault(canonical(name), version) == version, name
    return found


def rules() -> Iterator[tuple[str, str, str]]:
    """Yield the function that each rule calls, its adapter and its environment."""
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        blocks = re.split(
            r"^\s*(?:use )?(?:rule|checkpoint)\b.*:\s*$", path.read_text("utf-8"), flags=re.M
        )
        adapter = ""
        for block in blocks[1:]:
            if script := re.search(r'script:\s+"\.\./scripts/(\w+\.py)"', block):
                adapter = script[1]  # `use rule` takes that of the rule before
            conda = re.search(r'conda:\s+"\.\./\.\./envs/([\w.]+)"', block)
            call = re.search(r'call="([\w.:]+)"|calls\("([\w.:]+)", "([\w.]+)"\)', block)
            if conda and call:
                assert call[3] in (None, conda[1]), call[2]  # else the fingerprint is of another
                yield call[1] or call[2], adapter, conda[1]
    for result in CATALOGUE:
        if result.make:
            yield result.make, "call.py", result.environment


def stages() -> dict[str, list[tuple[str, str]]]:
    """Return the functions and adapters of each environment, as the rules pair them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for function, adapter, environment in rules():
        found.setdefault(environment, []).append((function, adapter))
    return found


Definition = tuple[Path, str]


class Found(NamedTuple):
    """What a definition of a file says, or (without a name) what runs when it is imported.

    Attributes:
        modules: what it imports from outside the package and the standard library.
        attributes: the names behind a dot in it.
        next: the definitions of the package that it uses, and the files that it imports.
    """

    modules: frozenset[str]
    attributes: frozenset[str]
    next: frozenset[Definition]


@cache
def _file(path: Path) -> tuple[ast.Module, dict[str, ast.stmt], dict[str, Definition]]:
    """Return a file's tree, its definitions, and what it imports from the package by name.

    Names that the file's own level gives to what it imports from the package.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    definitions = {node.name: node for node in tree.body if isinstance(node, kinds)}
    return tree, definitions, dict(_names_from_package(tree))


@cache
def _found(path: Path, name: str) -> Found:
    """Return what a definition says: read once, whichever function leads to it."""
    tree, definitions, imported = _file(path)
    bodies: list[ast.AST] = [definitions[name]] if name in definitions else []
    if not name:
        bodies = [node for node in tree.body if node not in definitions.values()]
        for node in definitions.values():
            bodies += [*getattr(node, "decorator_list", []), *getattr(node, "bases", [])]
    modules, attributes, following = set[str](), set[str](), set[Definition]()
    for body in bodies:
        local = {**imported, **dict(_names_from_package(body))}
        for node in ast.walk(body):
            if isinstance(node, ast.Name):
                if node.id in definitions:
                    following.add((path, node.id))
                elif node.id in local and local[node.id][1]:
                    following.add(local[node.id])
            elif isinstance(node, ast.Attribute):
                attributes.add(node.attr)
                module = local.get(node.value.id) if isinstance(node.value, ast.Name) else None
                if module:
                    following.add((module[0], node.attr))
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for imports in _imported(node):
                    top = imports.split(".")[0]
                    if top == "jpegprep":
                        following |= {(file, "") for _, (file, _) in _names_from_package(node)}
                    elif top not in sys.stdlib_module_names:
                        parts = imports.split(".")[: 2 if top in NAMESPACES else 1]
                        modules.add(".".join(parts))
    return Found(frozenset(modules), frozenset(attributes), frozenset(following))


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [str(node.module)]


class Imports:
    """What a script imports, followed through the package function by function.

    An import inside a function counts where the function is used: evaluation reads runs without
    the libraries of training that other functions of the same module import.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.modules: set[str] = set()
        self.called: set[str] = set()
        self._seen: set[Definition] = set()

    def follow(self, path: Path, name: str = "") -> None:
        """Follow a definition of a file, or (without a name) what runs when it is imported."""
        left = [(path, name)]
        while left:
            definition = left.pop()
            if definition not in self._seen:
                self._seen.add(definition)
                found = _found(*definition)
                self.modules |= found.modules
                self.called |= found.attributes
                left += found.next


def _names_from_package(tree: ast.AST) -> Iterator[tuple[str, Definition]]:
    """Yield the names that imports from the package bind: to a definition, or to a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "jpegprep":
            place = SCRIPTS.joinpath(*str(node.module).split("."))
            for alias in node.names:
                name = alias.asname or alias.name
                if place.is_dir():
                    yield name, (place / f"{alias.name}.py", "")
                else:
                    yield name, (place.with_suffix(".py"), alias.name)


def needed(function: str, adapter: str = "call.py") -> set[str]:
    """Return the distributions that a function and its adapter need."""
    imports = Imports()
    imports.follow(SCRIPTS / adapter)
    module, _, name = function.partition(":")
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    imports.follow(path)
    imports.follow(path, name)
    found = {canonical(DISTRIBUTION.get(module, module)) for module in imports.modules}
    return found | {NEEDED_BY_CALL[name] for name in imports.called & NEEDED_BY_CALL.keys()}


def test_the_walk_finds_what_functions_need() -> None:
    """The check below can fail: it sees direct, indirect, deferred and implied needs."""
    assert {"lightning", "timm", "torch", "pillow", "safetensors", "pyarrow"} <= needed(
        "learners.timm_learner:train"
    )
    assert {"autogluon-multimodal", "tqdm"} <= needed("learners.autogluon_learner:train")
    assert {"autogluon-tabular", "jpeglib"} <= needed("learners.tabular_learner:train")
    assert {"statsmodels", "pyarrow", "pandas"} <= needed("evaluation.accuracy:evaluate")
    assert "tabulate" in needed("results.tables.datasets:table1")
    assert {"requests", "huggingface-hub"} <= needed("datasets.fetch:fetch")
    assert "torch" in needed("learners.probe:train", "extract_features.py")
    assert "torch" not in needed("evaluation.accuracy:evaluate")
    assert needed("results.figures.accuracy:accuracy_vs_ratio") == {
        *("matplotlib", "numpy", "pandas", "seaborn")
    }


def test_every_environment_has_a_rule() -> None:
    """No environment lies about unused, and no rule names one that is not there."""
    assert set(stages()) == {path.name for path in ENVIRONMENTS}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.name)
def test_versions_are_the_locks(environment: Path) -> None:
    """Each package of an environment is pinned to the version of requirements.lock."""
    lock = locked()
    found = pins(environment)
    assert found.pop("python") == "3.11"
    found.pop("pip", None)
    assert found
    assert found == {name: lock.get(name) for name in found}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.name)
def test_an_environment_names_all_that_its_functions_import(environment: Path) -> None:
    """What a stage's functions import, directly or not, is named, not left to another's needs."""
    named = pins(environment).keys()
    for function, adapter in stages()[environment.name]:
        assert needed(function, adapter) - named == set(), function


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.name)
def test_an_environment_is_from_free_channels_in_strict_order(environment: Path) -> None:
    """Packages come from conda-forge (and bioconda), never from the default channels."""
    channels = yaml.safe_load(environment.read_text(encoding="utf-8"))["channels"]
    assert channels[0] == "conda-forge"
    assert channels[-1] == "nodefaults"
    assert set(channels) <= {"conda-forge", "bioconda", "nodefaults"}


def test_the_registries_packages_are_pinned_where_they_are_read() -> None:
    """Packages that carry photographs and weights are in the environments that fetch them."""
    read = {
        name: yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("datasets", "weights")
    }
    carriers = {
        "datasets.yaml": [a for d in read["datasets"].values() for a in d["archives"]],
        "learners_timm.yaml": list(read["weights"].values()),
    }
    for environment, sources in carriers.items():
        packages = {canonical(s["distribution"]) for s in sources if s["source"] == "package"}
        assert packages
        assert packages <= pins(ROOT / "envs" / environment).keys()


def test_conda_and_pip_do_not_fight_over_a_package() -> None:
    """A package is in an environment once: by conda or by pip."""
    for environment in ENVIRONMENTS:
        names = []
        content = yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]
        for entry in content:
            lines = entry["pip"] if isinstance(entry, dict) else [entry]
            names += [re.split(r"[ =]", line)[0] for line in lines]
        names = [canonical(PYPI.get(name, name)) for name in names]
        assert len(names) == len(set(names)), environment.name
        if any(isinstance(entry, dict) for entry in content):
            assert "pip" in names, environment.name
