"""The peak memory of a call."""

import os
import signal
import sys
import threading

import numpy as np
import pytest

from ..support import needs_package

needs_package("psutil")

from graytorgb.measure import peak  # noqa: E402


def test_a_temporary_shows():
    """A conversion that copies its input needs the copy too."""
    x = np.ones((16 << 20,), np.uint8)
    assert peak.measure_peak(lambda: np.repeat(x, 3)[::-1].copy()) > 5 * x.nbytes


def test_available():
    assert peak.available_bytes() > 1 << 20


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_waits_for_a_process_to_start():
    """Whichever thread takes the signal, the main thread finishes the block first."""
    begin, sent = threading.Event(), threading.Event()

    def interrupt():
        begin.wait(60)
        os.kill(os.getpid(), signal.SIGINT)
        sent.set()

    thread = threading.Thread(target=interrupt)  # started before the block, so it has no mask
    thread.start()
    finished = False
    with pytest.raises(KeyboardInterrupt), peak._interrupts_held_back():  # noqa: PT012
        begin.set()
        sent.wait(60)
        thread.join()
        finished = True
    assert finished
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
