"""Run the tests of graytorgb's backends on this one."""

from graytorgb.testing import BackendContract


class TestConcatenate(BackendContract):
    """The backend passes every test that the built-in backends pass."""

    backend = "concatenate"
