"""``keep_signal_stack``: leave the memory in which a thread takes signals as it is."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux; see sigaltstack(2)."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


@contextmanager
def keep_signal_stack() -> Iterator[None]:
    """Give the thread its own stack for signals back at the end of the block.

    OpenVINO gives the thread that loads a model another one. It frees this memory in the thread
    that ends the model, which may be another thread, such as the one in which Python collects
    garbage. The first thread would then take its next signal, of Ctrl-C or of a process that has
    ended, in memory that is no more, and the system would end Python with SIGSEGV.

    Only on Linux, because elsewhere OpenVINO leaves the stack alone.
    """
    if sys.platform != "linux":
        yield
        return
    sigaltstack, before = ctypes.CDLL(None).sigaltstack, _Stack()
    sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        sigaltstack(ctypes.byref(before), None)
