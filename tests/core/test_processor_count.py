"""The number of processors that this process may use."""

import os

import pytest

from graytorgb.core.processor_count import count_processors

from ..support import run_python


def test_only_the_allowed_ones_count():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity")
    code = (
        "import os; from graytorgb.core.processor_count import count_processors\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(count_processors())"
    )
    assert run_python(code).strip() == "1"


def test_a_system_without_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert count_processors() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert count_processors() == 1
