"""What the unit tests share: real photographs, archives of them, and a second Python."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import skimage
import yaml
from PIL import Image

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's root."""
    return ROOT


@pytest.fixture(scope="session")
def photos() -> Path:
    """Return the folder of scikit-image's photographs."""
    return Path(skimage.data_dir)


@pytest.fixture(scope="session")
def datasets() -> dict[str, Any]:
    """Return the shipped registry of data sets."""
    return yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def weights_entry() -> dict[str, Any]:
    """Return the shipped registry's entry of tf_efficientnet_lite0."""
    path = ROOT / "config" / "weights.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["tf_efficientnet_lite0"]


@pytest.fixture(scope="session")
def lite0(tmp_path_factory: pytest.TempPathFactory, weights_entry: dict[str, Any]) -> Path:
    """Return real pretrained weights, fetched and converted once."""
    from jpegprep.datasets.weights import fetch_weights

    target = tmp_path_factory.mktemp("weights") / "tf_efficientnet_lite0.safetensors"
    fetch_weights(weights_entry, target)
    return target


@pytest.fixture(scope="session")
def patches(photos: Path) -> Callable[..., list[bytes]]:
    """Return a function that cuts a photograph into PNG files."""

    def cut(name: str, count: int, side: int = 64) -> list[bytes]:
        with Image.open(photos / name) as photograph:
            places = [
                (x, y)
                for x in range(0, photograph.width - side + 1, side)
                for y in range(0, photograph.height - side + 1, side)
            ]
            assert len(places) >= count
            files = []
            for x, y in places[:count]:
                buffer = io.BytesIO()
                photograph.crop((x, y, x + side, y + side)).save(buffer, "PNG")
                files.append(buffer.getvalue())
            return files

    return cut


@pytest.fixture(scope="session")
def pack() -> Callable[..., Path]:
    """Return a function that packs members (a mapping or pairs) into a tar or a zip."""

    def make(path: Path, members: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> Path:
        pairs = members.items() if isinstance(members, Mapping) else members
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in pairs:
                    archive.writestr(name, data)
            return path
        compression = {".gz": "gz", ".xz": "xz", ".bz2": "bz2"}.get(path.suffix, "")
        with tarfile.open(path, f"w:{compression}") as archive:
            for name, data in pairs:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return path

    return make


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs code in a fresh Python, which imports the package."""

    def run(
        code: str, *arguments: object, scripts: Path = SCRIPTS, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(scripts), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Yield Debian's Chromium, driven by Playwright; colours are shown as an sRGB screen's."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--force-color-profile=srgb", *(["--no-sandbox"] if os.getuid() == 0 else [])],
            timeout=120_000,
        )
        yield browser
        browser.close()
