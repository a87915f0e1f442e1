"""Two threads whose interleaving is chosen, not left to chance."""

import itertools
import sys
import threading


def interleavings(call, other, codes):
    """Run `call` again and again, with `other` in a second thread before each instruction in turn.

    Parameters
    ----------
    call, other : callable
        Called without arguments, once for each interleaving.
    codes : set of code objects
        The functions whose instructions count.

    Yields
    ------
    (result of `call`, result of `other`)
    """
    for number in itertools.count():
        steps, results = 0, []
        thread = threading.Thread(target=lambda results=results: results.append(other()))

        def step(frame, event, argument):
            nonlocal steps
            if event == "opcode":
                if steps == number:  # noqa: B023  # called before the next turn
                    thread.start()  # noqa: B023
                    thread.join(0.5)  # noqa: B023  # it waits for `call` where there is a lock
                steps += 1
            return step

        def trace(frame, event, argument):
            if frame.f_code in codes:
                frame.f_trace_opcodes = True
                return step  # noqa: B023
            return None

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            result = call()
        finally:
            sys.settrace(before)
        if steps <= number:  # there is no such instruction
            assert number > 0
            return
        thread.join(60)
        yield result, results[0]


def codes_of(namespace):
    """The code of every function in a class or a module."""
    found = (getattr(value, "__func__", value) for value in vars(namespace).values())
    return {value.__code__ for value in found if hasattr(value, "__code__")}
