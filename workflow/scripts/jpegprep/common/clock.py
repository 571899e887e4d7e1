"""Files whose times lie in the future: the clock was set back since, or another machine's is ahead.

Of such an input Snakemake finds its new output outdated, and removes it.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

_TOLERANCE = 1.0  # seconds


def mend_times(*folders: str | Path) -> str | None:
    """Give files from the future the present time, a nanosecond apart, in their order.

    So what was newer than another file is so still, and what is written from now on is newer.

    Args:
        folders: where they may lie, at any depth; symbolic links are not followed.

    Returns:
        A line that says so; None where there was none.
    """
    now = time.time()
    found = []
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                path = Path(place, name)
                with suppress(FileNotFoundError):  # a job of a cluster may remove its own
                    status = path.lstat()
                    if status.st_mtime > now + _TOLERANCE:
                        found.append((status.st_mtime_ns, path))
    if not found:
        return None
    times = sorted({mtime for mtime, _ in found})
    mended = {mtime: int(now * 1e9) - len(times) + i for i, mtime in enumerate(times)}
    for mtime, path in found:
        with suppress(FileNotFoundError):
            os.utime(path, ns=(mended[mtime], mended[mtime]), follow_symlinks=False)
    return (
        f"{len(found):,} files had times up to {times[-1] / 1e9 - now:,.0f} s in the future "
        f"({found[0][1]}, for one); they have the present time now"
    )
