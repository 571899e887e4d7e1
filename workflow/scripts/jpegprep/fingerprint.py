"""Fingerprints: what a rule's result depends on besides its inputs and parameters.

A fingerprint is a hash of the syntax trees of a script and of all modules of this package that it
imports, directly or not, without comments, docstrings, formatting and the wording of errors, and of
the versions that the stage's environment pins. It stands among a rule's params, so that Snakemake
reruns the rule when its code changed in meaning, and only then.
"""

import ast
import hashlib
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

_PACKAGE = Path(__file__).parent
# How a job reports a failure is no part of its result, nor how a file is fetched: its checksum is.
_WITHOUT_RESULT = {"errors", "fetch"}


def fingerprint(script: str | Path, environment: str | Path) -> str:
    """Return 16 hexadecimal digits that change with the meaning of a script or its pinned versions.

    Args:
        script: a Python file, which may import modules of this package.
        environment: the conda environment file of the stage.
    """
    seen: dict[str, str] = {}
    _collect(Path(script), seen)
    parts = [f"{name}\n{text}" for name, text in sorted(seen.items())]
    parts += _pins(Path(environment))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def meaning(source: str) -> str:
    """Return Python source without comments, docstrings, formatting and the wording of errors."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            has_docstring = ast.get_docstring(node, clean=False) is not None
            node.body = node.body[has_docstring:] or [ast.Pass()]
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
    return ast.unparse(tree)


def structure(files: Iterable[str | Path]) -> str:
    """Return 16 hexadecimal digits that change with Snakemake's rule files, not with comments.

    Args:
        files: the main Snakefile and those that it includes.
    """
    meant = []
    for path in files:
        with Path(path).open("rb") as file:
            tokens = [(token.type, token.string) for token in tokenize.tokenize(file.readline)]
        meant += [token for token in tokens if token[0] not in (tokenize.COMMENT, tokenize.NL)]
    return hashlib.sha256(repr(meant).encode()).hexdigest()[:16]


def _collect(path: Path, seen: dict[str, str]) -> None:
    name = path.name
    if name not in seen:
        text, imports = _read(path)
        seen[name] = text
        for module in imports:
            _collect(_PACKAGE / f"{module}.py", seen)


@cache
def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the meaning of a file and the modules of this package that it imports."""
    source = path.read_text(encoding="utf-8")
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == _PACKAGE.name and len(parts) > 1:
                modules.add(parts[1])
    modules = {m for m in modules - _WITHOUT_RESULT if (_PACKAGE / f"{m}.py").exists()}
    return meaning(source), tuple(sorted(modules))


@cache
def _pins(environment: Path) -> list[str]:
    """Return the pinned requirements of an environment file, conda's and pip's, sorted."""
    pins: list[str] = []
    for entry in yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]:
        pins += entry["pip"] if isinstance(entry, dict) else [entry]
    return sorted(pins)
