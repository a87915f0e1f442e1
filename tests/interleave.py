"""Run two threads in every order of their instructions, instead of leaving the order to chance."""

import itertools
import sys
import threading


def interleavings(call, other, codes, patience=0.5):
    """Run `call` once for each of its instructions, and `other` in a second thread before that one.

    Parameters
    ----------
    call, other : callable
        Called without arguments, once for each interleaving.
    codes : set of code objects
        The code of the functions whose instructions count.
    patience : float
        How many seconds `call` stands still for `other`, which may wait for a lock that it holds.

    Yields
    ------
    tuple
        The result of `call` and the result of `other`.
    """
    _call_and_start(
        call, None, -1, codes, patience
    )  # Python 3.13 reports instructions from the second on
    for number in itertools.count():
        results = []
        thread = threading.Thread(target=lambda results=results: results.append(other()))
        result, steps = _call_and_start(call, thread, number, codes, patience)
        if steps <= number:  # there is no such instruction
            assert number > 0
            return
        thread.join(60)
        yield result, results[0]


def _call_and_start(call, thread, number, codes, patience):
    """Run `call` and start `thread` before one instruction; return the result and their count."""
    steps = 0

    def step(frame, event, argument):
        nonlocal steps
        if event == "opcode":
            if steps == number:
                thread.start()
                thread.join(patience)
            steps += 1
        return step

    def trace(frame, event, argument):
        if frame.f_code in codes:
            frame.f_trace_opcodes = True
            return step
        return None

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # else Python 3.12 reports no instructions
    sys.settrace(trace)
    try:
        result = call()
    finally:
        sys.settrace(before)
    return result, steps


def codes_of(namespace):
    """Return the code of every function in a class or a module."""
    found = (getattr(value, "__func__", value) for value in vars(namespace).values())
    return {value.__code__ for value in found if hasattr(value, "__code__")}
