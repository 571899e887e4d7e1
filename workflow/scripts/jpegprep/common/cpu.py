"""How a process that computes uses the CPU and its memory."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h


def use_processors(threads: int) -> None:
    """Compute with `threads` threads of torch, and keep freed memory for the next batch.

    Args:
        threads: of torch's operations.
    """
    import torch  # only now: AutoGluon's learner sets variables that are read at import

    torch.set_num_threads(threads)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Keep freed memory of this process, from now on, for what is allocated next.

    glibc gives large blocks back to the system as soon as they are freed, and a network's are, and
    images': each batch or image then faults all its pages in anew. On two virtual cores that took
    half of the time of a training at 224 px, a tenth to a fifth at 96 px, and a fifth to a third of
    compressing images of 500 px in one thread. Kept, they make a training's process a tenth
    larger. No number changes.
    """
    with contextlib.suppress(AttributeError):  # another C library: macOS's, musl
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)
        mallopt(_M_TOP_PAD, 64 * 2**20)
