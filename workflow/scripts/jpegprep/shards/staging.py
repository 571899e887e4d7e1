"""Shards on a node's own disk while a job reads them, where JPEGPREP_SCRATCH names a folder.

Training reads images one by one at random, which network file systems of clusters do badly.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from jpegprep.common.errors import UserError
from jpegprep.common.layout import index_of

_VARIABLE = "JPEGPREP_SCRATCH"


@contextmanager
def staged(shards: Mapping[str, Sequence[str]]) -> Iterator[dict[str, list[str]]]:
    """Yield the shards of each split, copied to the scratch folder if there is one.

    The copies, with their indexes, are removed at the end; errors name the shards themselves.

    Args:
        shards: the tars of each split of one variant, all in one folder.

    Raises:
        UserError: where the folder is missing or too small.
    """
    scratch = os.environ.get(_VARIABLE)
    if not scratch:
        yield {split: list(tars) for split, tars in shards.items()}
        return
    tars = [Path(tar) for split in shards.values() for tar in split]
    files = [file for tar in tars for file in (tar, index_of(tar))]
    _check(scratch, sum(file.stat().st_size for file in files))
    with tempfile.TemporaryDirectory(prefix="jpegprep-", dir=scratch) as folder:
        for file in files:
            shutil.copy(file, folder)
        try:
            yield {
                split: [str(Path(folder, Path(tar).name)) for tar in of_split]
                for split, of_split in shards.items()
            }
        except UserError as error:
            raise UserError(str(error).replace(folder, str(tars[0].parent))) from None


def _check(scratch: str, needed: int) -> None:
    if not Path(scratch).is_dir():
        raise UserError(f"{_VARIABLE} is {scratch}, which is no folder on this node")
    free = shutil.disk_usage(scratch).free
    if free < needed:
        raise UserError(
            f"{_VARIABLE} is {scratch}, where {free / 1e9:.2f} GB are free; the shards of this job "
            f"take {needed / 1e9:.2f} GB; name a larger folder, or unset it"
        )
