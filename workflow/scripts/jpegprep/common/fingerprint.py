"""Fingerprints: what a rule's result depends on besides its inputs and parameters.

A fingerprint is a hash of the syntax trees of a module and of all modules of this package that it
imports, directly or not, without comments, docstrings, formatting, the wording of errors, and the
names and folders of modules; and of the versions that the stage's environment pins. It stands among
a rule's params, so that Snakemake reruns the rule when its code changed in meaning, and only then.
"""

import ast
import hashlib
import tokenize
from collections.abc import Iterable
from functools import cache
from itertools import groupby
from pathlib import Path

import yaml

_SCRIPTS = Path(__file__).parents[2]
_PACKAGE = Path(__file__).parents[1].name
# How a job reports a failure is no part of its result, nor which GPU it takes, nor how a file is
# fetched: its checksum is.
_WITHOUT_RESULT = {
    f"{_PACKAGE}.{name}" for name in ("common.errors", "common.gpus", "datasets.fetch")
}


def fingerprint(code: str | Path, environment: str | Path) -> str:
    """Return 16 hexadecimal digits that change with the meaning of code or its pinned versions.

    Args:
        code: a script, or a function of this package, such as ``shards.sizes:measure``; both may
            import modules of this package.
        environment: the conda environment file of the stage.
    """
    module, colon, function = str(code).partition(":")
    path = _SCRIPTS / _PACKAGE / f"{module.replace('.', '/')}.py" if colon else Path(code)
    parts = [_digest(path), function, *_pins(Path(environment))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def meaning(source: str) -> str:
    """Return Python source without comments, docstrings, formatting and the wording of errors."""
    return _meaning(ast.parse(source))


def _meaning(tree: ast.AST) -> str:
    """Return the source of a tree without what `meaning` leaves out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            has_docstring = ast.get_docstring(node, clean=False) is not None
            node.body = node.body[has_docstring:] or [ast.Pass()]
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = _with_imports_in_order(body)
    return ast.unparse(tree)


def _with_imports_in_order(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements with neighbouring imports one a name, and sorted.

    Where a module lies decides the order of imports, and which of them share a statement.
    """
    ordered: list[ast.stmt] = []
    for imports, group in groupby(body, lambda n: isinstance(n, ast.Import | ast.ImportFrom)):
        if not imports:
            ordered += group
            continue
        single: list[ast.stmt] = []
        for node in group:
            if isinstance(node, ast.ImportFrom):
                single += [ast.ImportFrom(node.module, [name], node.level) for name in node.names]
            else:
                single.append(node)
        ordered += sorted(single, key=ast.unparse)
    return ordered


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


def contents(folder: str | Path) -> str:
    """Return 16 hexadecimal digits that change with the files of a folder, such as templates."""
    files = sorted(path for path in Path(folder).iterdir() if path.is_file())
    parts = [part for path in files for part in (path.name.encode(), path.read_bytes())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@cache
def _digest(path: Path) -> str:
    """Return the hash of what a file means; the modules that it imports count, not their names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == _PACKAGE:
            if digest := _imported(str(node.module)):
                node.module = digest
                continue
            for alias in node.names:  # from a folder, a module
                alias.asname = alias.asname or alias.name
                alias.name = _imported(f"{node.module}.{alias.name}") or alias.name
            node.module = _PACKAGE
    return hashlib.sha256(_meaning(tree).encode()).hexdigest()


def _imported(module: str) -> str | None:
    """Return the digest of a module as a name; None where there is no such module."""
    path = _SCRIPTS / f"{module.replace('.', '/')}.py"
    if not path.exists():
        return None
    return "_" if module in _WITHOUT_RESULT else f"_{_digest(path)}"


@cache
def _pins(environment: Path) -> list[str]:
    """Return the pinned requirements of an environment file, conda's and pip's, sorted."""
    pins: list[str] = []
    for entry in yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]:
        pins += entry["pip"] if isinstance(entry, dict) else [entry]
    return sorted(pins)
