"""Execution by ONNX Runtime, and by ONNX's evaluator for operators that it lacks."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from ...extras import require


def make_session(model: bytes | str) -> Any:
    """Return a session of ONNX Runtime for a serialized model or the path of one."""
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    # threads that wait in a busy loop would slow down the other model
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False  # it would hide a run's need of memory, and is no faster
    options.log_severity_level = 4  # errors are raised; nothing is printed
    given = model if isinstance(model, bytes) else _encode_path(model, options)
    return runtime.InferenceSession(given, options, providers=["CPUExecutionProvider"])


def _encode_path(path: str, options: Any) -> bytes | str:
    """Return a path that ONNX Runtime can open, or the file's bytes if the path isn't UTF-8."""
    try:
        return os.fsencode(path).decode()
    except UnicodeDecodeError:
        folder = os.fsencode(Path(path).parent).decode(errors="replace")
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", folder
        )
        return Path(path).read_bytes()


def evaluate_model(model: ModelProto, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the outputs of a small model.

    Raises
    ------
    Exception
        An error of any class, if an operator can't be run.
    """
    try:
        outputs: Any = make_session(model.SerializeToString()).run(None, inputs)
    except Exception:  # ONNX Runtime's CPU has no convolution in float64 or bfloat16
        outputs = ReferenceEvaluator(model).run(None, inputs)
    return [np.asarray(output) for output in outputs]
