"""Calling a rule's function: each parameter gets what the rule calls so."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.iocontainers import InputFiles, OutputFiles, Params, Wildcards

from jpegprep.common import jobs


def job(**parts: dict[str, Any]) -> SimpleNamespace:
    """Return a job as Snakemake's script directive gives it."""
    kinds = {"input": InputFiles, "output": OutputFiles, "params": Params, "wildcards": Wildcards}
    made: dict[str, Any] = {"threads": 3}
    for name, kind in kinds.items():
        listed = kind()
        for key, value in parts.get(name, {}).items():
            values = value if isinstance(value, list) and name != "params" else [value]
            start = len(listed)
            listed.extend(values)
            listed._set_name(key, start, end=len(listed) if isinstance(value, list) else None)
        made[name] = listed
    return SimpleNamespace(**made)


def make(manifests: Any, ratio: float, dataset: str, *targets: str, threads: int = 1) -> str:
    """Return what it got, as text."""
    return f"{manifests} {ratio} {dataset} {targets} {threads}"


def test_every_parameter_gets_its_namesake() -> None:
    """Inputs, params, wildcards and threads by name; all outputs where *targets stands."""
    one = job(
        input={"manifests": ["a.parquet", "b.parquet"], "unused": "c"},
        output={"csv": "t.csv", "md": "t.md"},
        params={"call": "x:y", "code": "0", "given": {"ratio": 0.3}},
        wildcards={"dataset": "dtd"},
    )
    positional, named = jobs.arguments(make, jobs.offers(one, None))
    assert make(*positional, **named) == ("['a.parquet', 'b.parquet'] 0.3 dtd ('t.csv', 't.md') 3")


def test_files_are_grouped_as_their_shape_says() -> None:
    """Nested mappings and lists come back with the files that Snakemake hands over."""
    nested = {"dtd": {1.0: ["a", "b"], 0.3: ["c"]}, "pets": {1.0: ["d"]}}
    assert jobs.flat(nested) == ["a", "b", "c", "d"]
    moved = [f"prefix/{file}" for file in jobs.flat(nested)]
    one = job(
        input={"manifests": moved},
        output={"csv": "t.csv"},
        params={"call": "x:y", "shapes": {"manifests": jobs.shape(nested)}},
    )
    assert jobs.offers(one, None)["manifests"] == {
        "dtd": {1.0: ["prefix/a", "prefix/b"], 0.3: ["prefix/c"]},
        "pets": {1.0: ["prefix/d"]},
    }


def test_a_single_file_stays_one() -> None:
    """Neither a list of one is a file, nor a file a list of one."""
    for files, expected in (("a", "a"), (["a"], ["a"])):
        one = job(input={"x": files}, output={"t": "t"}, params={"call": "x:y"})
        assert jobs.offers(one, None)["x"] == expected
        shaped = job(
            input={"x": files},
            output={"t": "t"},
            params={"call": "x:y", "shapes": {"x": jobs.shape(files)}},
        )
        assert jobs.offers(shaped, None)["x"] == expected


def test_what_a_rule_lacks_is_named() -> None:
    """A parameter without a default that nothing is offered for is an error."""
    one = job(input={"manifests": "m"}, output={"t": "t"}, params={"call": "x:y"})
    with pytest.raises(TypeError, match="make needs ratio"):
        jobs.arguments(make, jobs.offers(one, None))


def test_two_things_of_one_name_are_refused() -> None:
    """An input that is called as a param is could be taken for it."""
    one = job(input={"ratio": "m"}, output={"t": "t"}, params={"call": "x:y", "ratio": 1})
    with pytest.raises(ValueError, match="two things of the name ratio"):
        jobs.offers(one, None)


def test_what_a_function_tells_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """Text that it returns goes to the log and to the terminal."""
    terminal = io.StringIO()
    one = job(
        output={"path": "t"},
        params={"call": "common.layout:index_of", "shard": "x/train-0.tar"},
    )
    jobs.call(one, terminal)
    assert terminal.getvalue() == ""  # a path is no text
    one = job(params={"call": "evaluation.decision:in_points", "share": 0.01})
    jobs.call(one, terminal)
    assert terminal.getvalue() == "1 point\n" == capsys.readouterr().out
