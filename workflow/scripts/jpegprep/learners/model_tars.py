"""Models that are a folder (AutoGluon's), kept as one tar."""

import tarfile
from pathlib import Path

from jpegprep.common.errors import UserError
from jpegprep.common.records import verified


def pack_model(folder: Path, target: Path) -> None:
    """Pack a model's folder, without the events that TensorBoard would read."""
    with tarfile.open(target, "w") as tar:
        for path in sorted(folder.iterdir()):
            if not path.name.startswith("events."):
                tar.add(path, arcname=path.name)


def unpack_model(model: str | Path, folder: Path) -> None:
    """Unpack a run's model.tar.

    Raises:
        UserError: where it is damaged.
    """
    try:
        with tarfile.open(verified(model)) as tar:
            for member in tar:  # Python 3.11 has tarfile's filters from 3.11.4 on
                parts = Path(member.name).parts
                plain = member.isfile() or member.isdir()
                if not plain or ".." in parts or Path(member.name).is_absolute():
                    raise tarfile.TarError(f"{member.name} is no file below it")
                tar.extract(member, folder, set_attrs=False)
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{model}: damaged ({error}); remove it: its run is made again") from None
