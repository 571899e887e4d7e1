"""Studies and registries: reading them, checking them, and what they mean.

The schemas in workflow/schemas/ describe every key; the description beside a value is the fix that
the user reads. `_check` adds what a schema cannot say: what one file means for another.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry, Resource

from jpegprep.common.errors import UserError
from jpegprep.images.variants import Noise, parse_variant, ratio_of_variant, variant_of_ratio
from jpegprep.study.study import Study, unlike

_SCHEMAS = Path(__file__).parents[3] / "schemas"


def load_study(config: Mapping[str, Any], source: str, registries: str | Path) -> Study:
    """Check a study and the registries, and return the study.

    Args:
        config: the study as Snakemake read it.
        source: what to call it in messages: the config file's path.
        registries: the project's folder of datasets.yaml and weights.yaml; those in the study's own
            folder come before.

    Raises:
        UserError: at the first mistake: file, key, value, and what is right.
    """
    # Plain lists and dicts, whatever Snakemake made; a date in YAML is meant as text.
    study = json.loads(json.dumps(config, default=str))
    for key in ("ratios", "seeds") if isinstance(study, dict) else ():
        # Snakemake hands on the numbers of --config 'seeds=[0, 1]' as text.
        if isinstance(study.get(key), list):
            study[key] = [yaml.safe_load(x) if isinstance(x, str) else x for x in study[key]]
    if isinstance(study, dict) and study.get("never_inflate") in ("true", "false"):
        study["never_inflate"] = study["never_inflate"] == "true"  # likewise
    validate(study, "study", source)
    loaded, files = {}, {}
    own = Path(study.get("registries", registries))
    if not own.is_dir():
        raise UserError(f"{source}: registries is {str(own)!r}, which is no folder")
    for name in ("datasets", "weights"):
        path = own / f"{name}.yaml"
        if not path.exists():
            path = Path(registries) / f"{name}.yaml"
        loaded[name], files[name] = read_yaml(path), _shown(path)
        validate(loaded[name], name, _shown(path))
        _check_registry(name, loaded[name], _shown(path))
    _check(study, loaded, files, source)
    money = study.get("money")
    if money is not None:
        default = Path(registries) / "prices.yaml"
        money = {**money, "prices": read_prices(money.get("prices", default), default)}
    return Study(
        name=study["study"],
        datasets={name: loaded["datasets"][name] for name in study["datasets"]},
        ratios=sorted(study["ratios"], reverse=True),
        seeds=study["seeds"],
        storage_ratio=study["storage_ratio"],
        margin=study["margin"],
        never_inflate=study.get("never_inflate", False),
        archives=study.get("archives"),
        learners=study["learners"],
        weights=loaded["weights"],
        published=str(Path(registries) / "published.csv"),
        **{name: study.get(name) for name in _EXPERIMENTS},
        money=money,
    )


# The experiments of a study that may be left out, and the keys in each that name a learner.
_EXPERIMENTS = {
    "model_size": ("small", "large"),
    "noise": ("learner",),
    "chroma": ("learner",),
    "stores": ("learner",),
    "tabular": ("learner", "deep"),
    "train_test": ("learner",),
    "reading": ("learner",),
    "fidelity": ("learner",),
    "budget": ("learner",),
}


def _shown(path: Path) -> str:
    """Return a path as a user would write it: from the current folder, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        UserError: where it is missing or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; restore it from the repository") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def read_prices(path: str | Path, default: str | Path) -> dict[str, Any]:
    """Return the prices of storing and reading, as workflow/schemas/prices.schema.yaml says.

    Args:
        path: the file.
        default: the project's own, whose prices are nobody's.

    Returns:
        What the file says; ``file``, its path, and ``default``, whether it is the project's.

    Raises:
        UserError: where it is missing, or a price is none.
    """
    ours = Path(path).resolve() == Path(default).resolve()
    file = "config/prices.yaml" if ours else str(path)
    # A day in YAML is meant as text.
    found = json.loads(json.dumps(read_yaml(Path(path)), default=str))
    validate(found, "prices", file)
    return {**found, "file": file, "default": ours}


def validate(value: Any, schema: str, source: str) -> None:
    """Compare a value with ``workflow/schemas/<schema>.schema.yaml``.

    Raises:
        UserError: at the first difference, in the order of the file.
    """
    errors = sorted(_validator(schema).iter_errors(value), key=_importance)
    if errors:
        raise UserError(f"{source}: {_explain(errors[0])}")


def _importance(error: ValidationError) -> tuple[int, str]:
    """Constants first, since they say what else may stand there; then unknown keys.

    What is missing comes last: often it is the unknown key, misspelt.
    """
    order = ["enum", "additionalProperties"]
    rank = order.index(error.validator) if error.validator in order else len(order)
    return (rank, str(error.json_path))


# JSON Schema takes 2.0 for an integer, and not-a-number for a number within every bound.
_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ).redefine(
        "number",
        lambda _, value: (
            isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        ),
    ),
)


@cache
def _validator(schema: str) -> Any:
    resources = [
        (path.name, Resource.from_contents(read_yaml(path)))
        for path in _SCHEMAS.glob("*.schema.yaml")
    ]
    registry: Registry[Any] = Registry().with_resources(resources)
    return _Validator(
        registry.contents(f"{schema}.schema.yaml"), registry=registry.with_resources(resources)
    )


def _explain(error: ValidationError) -> str:
    """Return one line: where, what stands there, and what is right."""
    place = _place(error.absolute_path)
    schema: Any = error.schema
    wanted: Any = error.validator_value
    instance: Any = error.instance
    fix = schema.get("description", error.message)
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        unknown = next(key for key in instance if key not in known)
        near = difflib.get_close_matches(str(unknown), known, n=1, cutoff=0)
        return (
            f"the key {_place([*error.absolute_path, unknown])} is unknown; did you mean {near[0]}?"
        )
    if error.validator == "required":
        missing = next(key for key in wanted if key not in instance)
        return f"{_place([*error.absolute_path, missing])} is missing; {fix}"
    if error.validator == "uniqueItems":
        items = list(instance)
        twice = next(item for i, item in enumerate(items) if item in items[:i])
        return f"{place} holds {_short(twice)} twice; {fix}"
    if isinstance(error.parent, ValidationError) or "propertyNames" in error.absolute_schema_path:
        return f"the name {_short(error.instance)} cannot be; {fix}"
    return f"{place or 'the file'} is {_short(error.instance)}; {fix}"


def _place(path: Iterable[str | int]) -> str:
    """Return a path into a file as a person writes it: ``learners.x.ratios[3]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _known(name: str, names: Iterable[str], place: str, file: str) -> None:
    """Raise where `name` is not among `names`, with the nearest that is."""
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{place} is {name!r}, which is not in {file}{meant}")


def _check(
    study: Mapping[str, Any], loaded: Mapping[str, Any], files: Mapping[str, str], source: str
) -> None:
    """Check what no schema can: names that other files must know, and numbers that must agree."""
    for i, name in enumerate(study["datasets"]):
        _known(name, loaded["datasets"], f"{source}: datasets[{i}]", files["datasets"])
    check_learners(study["learners"], study["ratios"], loaded["weights"], source, files["weights"])
    ratio = study["storage_ratio"]
    if ratio == 1 or ratio not in study["ratios"]:
        raise UserError(f"{source}: storage_ratio is {ratio}; it is one of ratios below 1.0")
    if not any(ratio in entry.get("ratios", [ratio]) for entry in study["learners"].values()):
        raise UserError(
            f"{source}: storage_ratio is {ratio}, and no learner runs there; add it to one's ratios"
        )
    _check_experiments(study, source)


def check_learners(
    learners: Mapping[str, Any],
    ratios: Sequence[float],
    weights: Mapping[str, Any],
    source: str,
    weights_file: str,
) -> None:
    """Check the learners of a study, and its ratios.

    Args:
        learners: their entries, by name.
        ratios: the study's.
        weights: the registry of weights.
        source: what to call the study's file in messages.
        weights_file: likewise the registry's.

    Raises:
        UserError: at the first mistake.
    """
    for place, of_place in [("ratios", ratios)] + [
        (f"learners.{name}.ratios", learner.get("ratios", [])) for name, learner in learners.items()
    ]:
        for i, ratio in enumerate(of_place):
            try:
                variant_of_ratio(ratio)
            except UserError:
                raise UserError(
                    f"{source}: {place}[{i}] is {ratio}; a ratio is a whole hundredth in (0, 1], "
                    "as JPEG quality is 100 times it"
                ) from None
            if ratio not in ratios:
                raise UserError(f"{source}: {place}[{i}] is {ratio}; add it to ratios")
    for name, learner in learners.items():
        place = f"{source}: learners.{name}"
        recipe = learner["recipe"]
        if name.startswith("probe") != (learner["framework"] == "probe"):
            raise UserError(
                f"{place} is of framework {learner['framework']}; the names of probes, and no "
                "others, begin with probe: nobody is to take them for fine-tuned networks"
            )
        if "weights" not in learner:
            continue
        _known(learner["weights"], weights, f"{place}.weights", weights_file)
        side = weights[learner["weights"]].get("input_size")
        if side is not None and recipe["image_size"] != side:
            raise UserError(
                f"{place}.recipe.image_size is {recipe['image_size']}; its weights, "
                f"{learner['weights']} in {weights_file}, take images of {side} pixels alone: set "
                f"it to {side}"
            )
        if recipe.get("warmup_epochs", 0) >= recipe.get("epochs", 1):
            raise UserError(
                f"{place}.recipe.warmup_epochs is {recipe['warmup_epochs']}; "
                f"it is below epochs, {recipe['epochs']}"
            )
        if recipe.get("batch_size", 1) % recipe.get("gpus", 1):
            raise UserError(
                f"{place}.recipe.gpus is {recipe['gpus']}; a batch is divided among them: "
                f"it divides batch_size, {recipe['batch_size']}"
            )
        low, high = recipe.get("augmentation", {}).get("crop_scale", (0, 1))
        if low > high:
            raise UserError(
                f"{place}.recipe.augmentation.crop_scale is [{low}, {high}]; the least comes first"
            )


def check_depth(depth: Any, place: str) -> None:
    """Check the values of images of more than 8 bits that become 0 and 255.

    Raises:
        UserError: where the high one is not above the low one.
    """
    if isinstance(depth, Mapping) and depth["high"] <= depth["low"]:
        raise UserError(
            f"{place}.high is {depth['high']}; it is above low, {depth['low']}: the values that "
            "become 255 and 0"
        )


def _check_experiments(study: Mapping[str, Any], source: str) -> None:
    """Check that the experiments name learners that run at their ratios, and data sets."""
    for experiment, keys in _EXPERIMENTS.items():
        entry = study.get(experiment)
        if entry is None:
            continue
        ratio = entry.get("ratio")
        if ratio is not None and (ratio == 1 or ratio not in study["ratios"]):
            raise UserError(
                f"{source}: {experiment}.ratio is {ratio}; it is one of ratios below 1.0"
            )
        for key in keys:
            place = f"{source}: {experiment}.{key}"
            _known(entry[key], study["learners"], place, f"the learners of {source}")
            learner = study["learners"][entry[key]]
            framework = _FRAMEWORKS.get((experiment, key))
            if framework and learner["framework"] not in framework:
                raise UserError(
                    f"{place} is {entry[key]!r}, whose framework is {learner['framework']}; name "
                    f"a learner of {' or '.join(framework)}"
                )
            if ratio is not None and experiment == "model_size":
                ratios = learner.get("ratios", study["ratios"])
                if ratio not in ratios:
                    raise UserError(
                        f"{place} is {entry[key]!r}, which does not run at ratio {ratio}; add it "
                        f"to learners.{entry[key]}.ratios"
                    )
        if experiment == "model_size" and entry["small"] == entry["large"]:
            raise UserError(
                f"{source}: model_size.large is {entry['large']!r}, as small is; name two learners"
            )
        if experiment == "model_size":
            _check_one_recipe(study, entry, source)
        if experiment == "stores":
            _check_stores(study, entry, source)
        for i, name in enumerate(entry.get("datasets", [])):
            _known(name, study["datasets"], f"{source}: {experiment}.datasets[{i}]", "datasets")
        for reading, name in entry.get("readings", {}).items():
            place = f"{source}: {experiment}.readings.{reading}"
            _known(name, study["learners"], place, f"the learners of {source}")
        for i, ratio in enumerate(entry.get("ratios", [])):
            name = entry["learner"]
            if ratio == 1 or ratio not in study["learners"][name].get("ratios", study["ratios"]):
                raise UserError(
                    f"{source}: {experiment}.ratios[{i}] is {ratio}; it is one of the ratios below "
                    f"1.0 that {name} runs at"
                )


def _check_stores(study: Mapping[str, Any], entry: Mapping[str, Any], source: str) -> None:
    """Check the names of stores; what is a ratio is one that the learner runs at."""
    ratios = study["learners"][entry["learner"]].get("ratios", study["ratios"])
    known = [variant_of_ratio(ratio, study.get("never_inflate", False)) for ratio in ratios]
    for i, name in enumerate(entry["names"]):
        place = f"{source}: stores.names[{i}] is {name!r}"
        try:
            treatments = parse_variant(name)
        except UserError as error:
            raise UserError(f"{source}: stores.names[{i}]: {error}") from None
        if not treatments:
            raise UserError(f"{place}, which is always among the stores; leave it out")
        if isinstance(treatments[0], Noise):
            raise UserError(f"{place}, which is no store; noise is an experiment of its own, noise")
        ratio = ratio_of_variant(name)
        if ratio is not None and name not in known:
            fix = f"add {ratio:g} to ratios, and leave it out here"
            if ratio in ratios:  # the other one of jpeg-q30 and jpeg-q30-smaller
                fix = f"never_inflate says which JPEG ratio {ratio:g} is; leave it out here"
            raise UserError(f"{place}; JPEG by quality alone stands in ratios: {fix}")


def _check_one_recipe(study: Mapping[str, Any], entry: Mapping[str, Any], source: str) -> None:
    """Check that Table II compares networks, and nothing else: one recipe, and common seeds."""
    small, large = (study["learners"][entry[key]] for key in ("small", "large"))
    place = f"{source}: learners.{entry['large']}"
    native = entry.get("native_resolution", False)
    for key in unlike(large["recipe"], small["recipe"], native):
        one, other = (
            _short(each["recipe"][key]) if key in each["recipe"] else "left out"
            for each in (large, small)
        )
        fix = "give both the same"
        fix += ", or set model_size.native_resolution to true" if key == "image_size" else ""
        raise UserError(
            f"{place}.recipe.{key} is {one}, where {entry['small']} has {other}; model_size "
            f"compares networks, trained by one recipe: {fix}"
        )
    seeds = [learner.get("seeds", study["seeds"]) for learner in (large, small)]
    if not set(seeds[0]) & set(seeds[1]):
        raise UserError(
            f"{place}.seeds is {_short(seeds[0])}, where {entry['small']} has "
            f"{_short(seeds[1])}; model_size compares them seed by seed: give both a common one"
        )


_FRAMEWORKS = {
    ("model_size", "small"): ("timm",),
    ("model_size", "large"): ("timm",),
    ("noise", "learner"): ("timm", "autogluon", "probe"),
    ("stores", "learner"): ("probe",),  # of one seed nobody knows how much training varies
    ("tabular", "learner"): ("autogluon_tabular",),
    ("tabular", "deep"): ("timm", "autogluon"),
    ("train_test", "learner"): ("timm", "probe"),
    ("reading", "learner"): ("timm", "autogluon"),
    ("fidelity", "learner"): ("probe",),
    ("budget", "learner"): ("probe",),
}


def _check_registry(kind: str, registry: Mapping[str, Any], source: str) -> None:
    if kind != "datasets":
        return
    for name, dataset in registry.items():
        archives = [archive["name"] for archive in dataset["archives"]]
        if twice := {a for a in archives if archives.count(a) > 1}:
            raise UserError(f"{source}: {name}.archives names {twice.pop()} twice; names differ")
        needed = {"photo_patches": {"patch", "crop"}}.get(dataset["adapter"], set())
        if missing := needed - set(dataset.get("options", {})):
            raise UserError(
                f"{source}: {name}.options.{min(missing)} is missing; the adapter "
                f"{dataset['adapter']} needs {' and '.join(sorted(needed))}"
            )
        check_depth(dataset.get("depth"), f"{source}: {name}.depth")
        split = dataset["split"]
        if split["val"] + split["test"] >= 1:
            raise UserError(
                f"{source}: {name}.split leaves nothing to train on; val and test sum to below 1"
            )
        names = dataset.get("class_names")
        if names is not None and len(names) != dataset["classes"]:
            raise UserError(
                f"{source}: {name}.classes is {dataset['classes']}; class_names has {len(names)}"
            )
