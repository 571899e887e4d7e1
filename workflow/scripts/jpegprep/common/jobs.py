"""Calling the function that a rule names: each of its parameters is what the rule calls so."""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

_PACKAGE = __name__.split(".")[0]


def call(job: Any, terminal: TextIO) -> None:
    """Call the function of a job; what it returns as text goes to the log and to who watches.

    Args:
        job: Snakemake's object of the job. ``params.call`` names the function.
        terminal: where who watches reads.
    """
    function = function_of(job.params.call)
    positional, named = arguments(function, offers(job, terminal))
    told = function(*positional, **named)
    if isinstance(told, str):
        print(told)
        print(told, file=terminal)


def function_of(call: str) -> Callable[..., Any]:
    """Return a function of the package by its name, such as ``shards.sizes:measure``."""
    module, _, name = call.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)
    return function


def offers(job: Any, terminal: TextIO | None) -> dict[str, Any]:
    """Return what a job has to give, by name.

    These are its wildcards, its named inputs, outputs and params, the entries of the param
    ``given``, and ``targets`` (all outputs), ``target`` (the first), ``threads`` and ``terminal``.
    The param ``shapes`` says how the files of an input are grouped, see `shape`.

    Raises:
        ValueError: where two of them have one name.
    """
    params = dict(job.params.items())
    shapes, given = params.pop("shapes", {}), params.pop("given", {})
    params.pop("call")
    inputs = {
        name: grouped(shapes[name], files) if name in shapes else _plain(files)
        for name, files in job.input.items()
    }
    outputs = {name: _plain(files) for name, files in job.output.items()}
    targets = list(job.output)
    found: dict[str, Any] = {"threads": job.threads, "terminal": terminal}
    found |= {"targets": targets, "target": targets[0] if targets else None}
    for part in (dict(job.wildcards.items()), inputs, outputs, params, given):
        if twice := found.keys() & part.keys():
            raise ValueError(f"the job has two things of the name {twice.pop()}")
        found |= part
    return found


def arguments(
    function: Callable[..., Any], offered: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the named arguments of a call.

    Args:
        function: takes what is offered under the names of its parameters; ``*targets`` all outputs.
        offered: by name.

    Raises:
        TypeError: where nothing is offered for a parameter without a default.
    """
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            # What stands before the targets must stand before them in the call, too.
            positional, named = [*named.values(), *offered["targets"]], {}
        elif name in offered:
            named[name] = offered[name]
        elif parameter.default is parameter.empty:
            raise TypeError(f"{function.__name__} needs {name}, and its rule has nothing so called")
    return positional, named


def _plain(files: Any) -> str | list[str]:
    return files if isinstance(files, str) else [str(file) for file in files]


def flat(nested: Any) -> list[str]:
    """Return the files in nested mappings and lists of files, in their order."""
    if isinstance(nested, str):
        return [nested]
    values = nested.values() if isinstance(nested, Mapping) else nested
    return [file for value in values for file in flat(value)]


def shape(nested: Any) -> Any:
    """Return nested mappings and lists with, for each file, its place in `flat`."""
    return _numbered(nested, iter(range(len(flat(nested)))))


def _numbered(nested: Any, numbers: Iterator[int]) -> Any:
    if isinstance(nested, str):
        return next(numbers)
    if isinstance(nested, Mapping):
        return {key: _numbered(value, numbers) for key, value in nested.items()}
    return [_numbered(value, numbers) for value in nested]


def grouped(shaped: Any, files: Any) -> Any:
    """Return the files in the nested mappings and lists that `shape` returned."""
    if isinstance(shaped, int):
        return str(files) if isinstance(files, str) else str(files[shaped])
    if isinstance(shaped, Mapping):
        return {key: grouped(value, files) for key, value in shaped.items()}
    return [grouped(value, files) for value in shaped]
