"""The process of a way, as the benchmark sees it: started once, asked often, and watched."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ...usage import Memory, read_memory
from .__main__ import Request
from .table import Way

_PAUSE = 0.05  # seconds between two looks at the memory, at least
_PATIENCE = 600  # seconds until an answer is given up
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
}  # fmt: skip


class WayProcess:
    """A process that answers requests about one way.

    Parameters
    ----------
    way : Way

    Attributes
    ----------
    error : str
        Why the way can't be used at all; empty if it can.
    """

    def __init__(self, way: Way) -> None:
        self._told = tempfile.TemporaryFile(  # noqa: SIM115 - closed when the process is
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", __package__, way.name], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._told, env={**os.environ, **_ENVIRONMENT},
            encoding="utf-8",
        )  # fmt: skip
        self.error = ""

    def wait_until_ready(self) -> None:
        """Wait until everything is imported; if that fails, all requests get the error."""
        self.error = self._wait().get("error", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]
        self._told.close()

    def ask(self, request: Request) -> dict[str, Any]:
        """Return the answer, which has an entry "error" if the way failed."""
        return self._send(request) or self._wait()

    def ask_memory(self, request: Request) -> tuple[dict[str, Any], Memory]:
        """Return the answer, and the peak memory until it came."""
        peak = Memory(0, 0)
        failed = self._send(request)
        if failed:
            return failed, peak
        pause = _PAUSE
        while not self._is_answered(pause) and self._process.poll() is None:
            start = time.perf_counter()
            now = read_memory(self._process.pid)
            # looking takes up to 0.1 s where many libraries are loaded
            pause = max(_PAUSE, 2 * (time.perf_counter() - start))
            peak = Memory(max(peak.total, now.total), max(peak.worker, now.worker))
        return self._wait(), peak

    def _send(self, request: Request) -> dict[str, Any]:
        """Write a request, and return an error if the process has ended."""
        if self.error:
            return {"error": self.error}
        try:
            self._process.stdin.write(request.to_line())  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            return self._describe_end()
        return {}

    def _is_answered(self, seconds: float) -> bool:
        return bool(select.select([self._process.stdout], [], [], seconds)[0])

    def _wait(self) -> dict[str, Any]:
        """Return the answer; or an error, if the process ends or is silent for too long."""
        stop = time.monotonic() + _PATIENCE
        while not self._is_answered(1):
            if time.monotonic() > stop:
                self._process.kill()
                self.error = f"no answer within {_PATIENCE} s"
                return {"error": self.error}
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            return self._describe_end()
        found: dict[str, Any] = json.loads(line)
        return found

    def _describe_end(self) -> dict[str, Any]:
        """Return the error of a process that has ended, with its last words."""
        code = self._process.wait()
        self._told.seek(0)
        last = self._told.read().strip().rpartition("\n")[2]
        self.error = f"its process ended with {code}: {last[:200]}"
        return {"error": self.error}
