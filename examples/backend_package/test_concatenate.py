"""The contract of graytorgb's backends, by this one."""

from graytorgb.testing import BackendContract


class TestConcatenate(BackendContract):
    """Everything that graytorgb promises for its own backends."""

    backend = "concatenate"
