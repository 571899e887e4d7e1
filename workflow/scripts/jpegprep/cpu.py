"""How a process that computes with torch uses the CPU."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h


def use_processors(threads: int) -> None:
    """Compute with `threads` threads, and keep freed memory for the next batch.

    glibc gives large blocks back to the system as soon as they are freed, and a network's are: each
    batch then faults all its pages in anew, which took half of the time of a training at 224 px,
    and a tenth to a fifth at 96 px, on two virtual cores. Kept, they make a process a tenth larger.
    No number changes.

    Args:
        threads: of torch's operations.
    """
    import torch  # only now: AutoGluon's learner sets variables that are read at import

    torch.set_num_threads(threads)
    with contextlib.suppress(AttributeError):  # another C library: macOS's, musl
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)
        mallopt(_M_TOP_PAD, 64 * 2**20)
