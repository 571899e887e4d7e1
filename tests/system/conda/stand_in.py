"""A stand-in for the program `conda`, as far as Snakemake's --use-conda calls it.

Real are the solver (resolvo), the linking of packages and the activation, of py-rattler; the
channels are folders below STAND_IN_CHANNELS, and nothing is fetched. Not real is conda itself.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

VERSION = "24.7.1"  # the least that Snakemake 9 accepts


async def create(channels: list[str], specs: list[str], prefix: str) -> list[Any]:
    """Solve, and link the packages into a new environment."""
    from rattler import Channel, ChannelConfig, VirtualPackage, install, solve

    where = ChannelConfig("file://" + os.environ["STAND_IN_CHANNELS"].rstrip("/") + "/")
    packages = await solve(
        sources=[Channel(name, where) for name in channels if name != "nodefaults"],
        specs=specs,
        platforms=["linux-64", "noarch"],
        virtual_packages=VirtualPackage.detect(),
    )
    cache = str(Path(os.environ["STAND_IN_CHANNELS"]) / "cache")
    await install(packages, target_prefix=prefix, cache_dir=cache, show_progress=False)
    return packages


def create_environment(prefix: str, file: str) -> None:
    """Make the environment that a YAML file describes."""
    import yaml

    entry = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    unknown = set(entry) - {"name", "channels", "dependencies", "variables", "prefix"}
    if unknown:
        sys.exit(f"EnvironmentFileInvalid: unknown keys {sorted(unknown)}")
    specs = [part for part in entry["dependencies"] if isinstance(part, str)]
    pip = [name for part in entry["dependencies"] if isinstance(part, dict) for name in part["pip"]]
    packages = asyncio.run(create(entry["channels"], specs, prefix))
    print("\n".join(package.url for package in packages))
    if pip:
        if not Path(prefix, "bin/pip").exists():
            sys.exit("a section pip without pip among the dependencies")
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
            requirements.write("\n".join(pip) + "\n")
            requirements.flush()
            python = f"{prefix}/bin/python"
            subprocess.run(
                [python, "-m", "pip", "install", "--no-deps", "-r", requirements.name], check=True
            )


def main(arguments: list[str]) -> None:
    """Do what Snakemake asks conda to do."""
    match arguments:
        case ["--version"]:
            print("conda", VERSION)
        case ["info", *_]:
            prefix = str(Path(__file__).parent)
            print(
                json.dumps(
                    {"conda_prefix": prefix, "platform": "linux-64", "conda_version": VERSION}
                )
            )
        case ["config", "--get", *_]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create", *options]:
            prefix = options[options.index("--prefix") + 1]
            create_environment(prefix, options[options.index("--file") + 1])
        case ["clean", *_]:
            pass
        case ["stand-in-activate", prefix]:
            from rattler.shell import ActivationVariables, Shell, activate

            variables = ActivationVariables(None, os.environ["PATH"].split(":"))
            print(activate(Path(prefix), variables, Shell.bash).script)
        case _:
            sys.exit(f"the stand-in for conda does not know {arguments}")


main(sys.argv[1:])
