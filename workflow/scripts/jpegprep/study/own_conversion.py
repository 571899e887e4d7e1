"""What `snakemake convert` is asked for: config/convert.yaml and the command line, checked."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from jpegprep.common.errors import UserError
from jpegprep.study.config import validate

_TEXTS = ("images", "to", "store", "depth", "range", "alpha", "frames", "metadata")


def own_conversion(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the checked configuration of a conversion; ``columns`` holds what is said of them.

    Args:
        config: what Snakemake read: config/convert.yaml and the command line.
        source: what to call it in messages.

    Raises:
        UserError: at the first mistake.
    """
    what = json.loads(json.dumps(config, default=str))
    for key, value in what.items():
        # What stands on the command line comes as text.
        if key in _TEXTS:
            what[key] = str(value)
        elif key in _COLUMNS:
            what[key] = False if str(value).lower() == "false" else str(value)
        elif isinstance(value, str):
            what[key] = yaml.safe_load(value)
    validate(what, "conversion", source)
    if ("quality" in what) == ("store" in what):
        raise UserError(
            f"{source}: say the quality of JPEG, as in quality=50, or a store, as in "
            "store=s256-jpeg-q60-opt: one of them"
        )
    columns = {key.removesuffix("_column"): what.pop(key) for key in _COLUMNS if key in what}
    return {"quality": None, "store": None, **what, "columns": columns}


_COLUMNS = ("path_column", "label_column", "split_column", "group_column")
