"""The study of a user's own images: what `snakemake recommend` makes of a path."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from jpegprep.common.errors import UserError
from jpegprep.datasets.own_images import inspect, registry_entry
from jpegprep.datasets.sources import column_names
from jpegprep.study.config import (
    check_depth,
    check_learners,
    read_prices,
    read_yaml,
    validate,
)
from jpegprep.study.ladder import ladder, named
from jpegprep.study.study import Study


def own_study(
    config: Mapping[str, Any], source: str, registries: str | Path, kept_in: str | Path
) -> tuple[Study, dict[str, Any]]:
    """Return the study of a user's own images, and the checked configuration.

    The study has one data set, ``own-<name>``, whose variants never make an image larger. Its runs
    are the probe's, of all stores; of which the networks are fine-tuned is known once these are
    there.

    Args:
        config: what Snakemake read: config/recommend.yaml and the command line.
        source: what to call it in messages.
        registries: the project's folder of weights.yaml.
        kept_in: a folder that keeps what was found in archives.

    Raises:
        UserError: at the first mistake in the configuration or the images.
    """
    what = json.loads(json.dumps(config, default=str))
    if "depth" in what:
        what["depth"] = _depth(what["depth"])
    for key, value in what.items():
        # What stands on the command line comes as text, also inside of a list.
        if isinstance(value, str) and key in ("stores", "codecs") and value != "ladder":
            what[key] = value.replace(",", " ").split()
        elif isinstance(value, str) and key in _COLUMNS:
            what[key] = value if value.lower() != "false" else False
        elif isinstance(value, str) and key not in _TEXT:
            what[key] = yaml.safe_load(value)
        elif isinstance(value, list):
            what[key] = [yaml.safe_load(x) if isinstance(x, str) else x for x in value]
    for key in ("images", "name", "prices"):
        if key in what:
            what[key] = str(what[key])
    _sized(what)
    validate(what, "recommend", source)
    default = Path(registries) / "prices.yaml"
    what["prices"] = read_prices(what.get("prices", default), default)
    path = Path(registries) / "weights.yaml"
    weights = read_yaml(path)
    _check_size(what, weights, source, str(path))
    check_learners(what["learners"], [1.0], weights, source, str(path))
    _check(what, source)
    split = what["split"]
    columns, pattern = _columns(what, source)
    images = inspect(what["images"], kept_in, what["rare"], columns)
    name = what.setdefault("name", images.name)
    what["images"] = images.path
    learners = {what["probe"]: what["learners"][what["probe"]]}
    if what["confirm"]:
        learners[what["confirm"]] = {**what["learners"][what["confirm"]], "seeds": []}
    parts = (split["val"], split["test"], split["seed"], what["rare"])
    entry = registry_entry(images, None, *parts)
    entry["split"]["duplicates"] = split["duplicates"]
    entry |= {key: what[key] for key in ("depth", "alpha", "icc") if key in what}
    if pattern is not None:
        entry["options"]["group"] = pattern
    what["told"] = images.told
    stores = what["stores"]
    if stores == "ladder":
        stores = ladder(images.sides, what["image_size"], what["codecs"])
    else:
        stores = named(stores, f"{source}: stores")
    study = Study(
        name=f"recommend/{name}",
        datasets={f"own-{name}": entry},
        ratios=[1.0],
        ladder=[f"{store}-smaller" for store in stores],
        seeds=[],
        storage_ratio=1.0,
        margin=what["margin"],
        never_inflate=True,
        archives=None,
        learners=learners,
        weights=weights,
        published=str(Path(registries) / "published.csv"),
    )
    return study, what


def _depth(value: Any) -> Any:
    """Return `depth` as a config file says it: 0,4095 and [0, 4095] are low and high."""
    parts = value.split(",") if isinstance(value, str) and "," in value else value
    if isinstance(parts, list) and len(parts) == 2:
        parts = {"low": parts[0], "high": parts[1]}
    if not isinstance(parts, dict):
        return value
    return {k: yaml.safe_load(v) if isinstance(v, str) else v for k, v in parts.items()}


# What stays text, whatever it looks like.
_TEXT = ("images", "name", "probe", "rare", "prices", "stores")
# What says which column is which, and what belongs together: text, whatever it looks like.
_COLUMNS = ("path_column", "label_column", "split_column", "group_column", "group")


def _columns(what: Mapping[str, Any], source: str) -> tuple[dict[str, Any], str | None]:
    """Return what is said of columns, and the pattern of groups, if there is one.

    ``group`` is a column where the images come as a table that has it, and else a pattern.

    Raises:
        UserError: where both a column and a pattern are given, or the pattern is none.
    """
    columns = {
        key.removesuffix("_column"): what[key] for key in _COLUMNS[:-1] if what.get(key) is not None
    }
    group = what.get("group")
    if group is None:
        return columns, None
    if "group" in columns:
        raise UserError(
            f"{source}: group is {group!r}, and group_column {columns['group']!r}; give one of them"
        )
    if group is False or group in column_names(what["images"]):
        return {**columns, "group": group}, None
    try:
        re.compile(group)
    except re.error as error:
        raise UserError(
            f"{source}: group is {group!r}, which is no column of the images' table, and no "
            rf"pattern ({error}); a pattern is as '(?P<group>patient\d+)_'"
        ) from None
    return columns, str(group)


def _sized(what: dict[str, Any]) -> None:
    """Let every learner see the images at the one size that is asked for."""
    learners = what.get("learners")
    for entry in learners.values() if isinstance(learners, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("recipe"), dict):
            entry["recipe"].setdefault("image_size", what.get("image_size"))


def _check_size(
    what: dict[str, Any], weights: Mapping[str, Any], source: str, weights_file: str
) -> None:
    """Refuse a size that a network does not take, and look at no larger one.

    Raises:
        UserError: where the size is another one than the weights'.
    """
    for entry in what["learners"].values():
        side = weights.get(entry.get("weights"), {}).get("input_size")
        if side is None:
            continue
        what["larger_size"] = False
        if what["image_size"] != side:
            raise UserError(
                f"{source}: image_size is {what['image_size']}; {entry['weights']} in "
                f"{weights_file} takes images of {side} pixels alone: set it to {side}"
            )


def _check(what: Mapping[str, Any], source: str) -> None:
    for key, framework in (("probe", "probe"), ("confirm", "timm")):
        if what[key] is False:
            continue
        entry = what["learners"].get(what[key])
        if entry is None or entry["framework"] != framework:
            raise UserError(
                f"{source}: {key} is {what[key]!r}; name a learner of framework {framework}"
            )
    sizes = {entry["recipe"]["image_size"] for entry in what["learners"].values()}
    if sizes != {what["image_size"]}:
        raise UserError(
            f"{source}: image_size is {what['image_size']}, and a learner's recipe says another; "
            "remove it there"
        )
    used = [what["learners"][what[key]] for key in ("probe", "confirm") if what[key] is not False]
    if len({entry["weights"] for entry in used}) > 1:
        raise UserError(
            f"{source}: {what['confirm']} has other weights than {what['probe']}; give both the "
            "same, since one network's speed is measured"
        )
    check_depth(what.get("depth"), f"{source}: depth")
    if what["split"]["val"] + what["split"]["test"] >= 1:
        raise UserError(f"{source}: split leaves nothing to train on; val and test sum to below 1")
