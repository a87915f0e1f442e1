"""Quantization to int8 after training, by the tool of each runtime, for `quantized.py` and tests.

Each function takes a float network of torch and the inputs that calibrate it, one image each, and
returns a function that runs the quantized network on its runtime. Every tool is called with its
recommended settings for CPUs: weights of 8 bits for each output channel, and activations of 8 bits
whose ranges are calibrated.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graytorgb.models.runtimes import RUNTIMES, Session
from graytorgb.models.runtimes.conversion import write_converted

Array = NDArray[Any]
Quantizer = Callable[[Any, list[Array], Path], Session]


def quantize(runtime: str, model: Any, samples: list[Array], folder: Path) -> Session:
    """Return the quantized network, loaded by the runtime.

    Parameters
    ----------
    runtime : str
        The runtime's name in :data:`graytorgb.models.runtimes.RUNTIMES`.
    model : torch.nn.Module
        The network, in eval mode.
    samples : list of ndarray of shape (1, C, H, W)
        The inputs that calibrate.
    folder : Path
        An empty folder for the files.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tools, about each other
        return QUANTIZERS[runtime](model, samples, folder)


def _write_float(runtime: str, model: Any, samples: list[Array], folder: Path) -> Path:
    """Write the float network as the runtime's file."""
    line = RUNTIMES[runtime]
    path = folder / f"float{line.suffix}"
    write_converted(line, "torch", model, samples[:1], path, "the network")
    return path


def _load(runtime: str, path: Path) -> Session:
    return RUNTIMES[runtime].load().load_session(path)


def _quantize_onnx(model: Any, samples: list[Array], folder: Path) -> Session:
    """Quantize by ``onnxruntime.quantization.quantize_static``, in the form QDQ."""
    from onnxruntime import quantization

    path = _write_float("onnxruntime", model, samples, folder)
    [given] = RUNTIMES["onnxruntime"].load().read_inputs(path)

    class Samples(quantization.CalibrationDataReader):
        """The inputs, in the form in which ONNX Runtime reads them."""

        def __init__(self) -> None:
            self._rest: Iterator[Array] = iter(samples)

        def get_next(self) -> dict[str, Array] | None:
            """Return the next input, or None after the last."""
            sample = next(self._rest, None)
            return None if sample is None else {given.name: sample}

    prepared, written = folder / "prepared.onnx", folder / "int8.onnx"
    quantization.quant_pre_process(path, prepared)
    quantization.quantize_static(prepared, written, Samples(), per_channel=True)
    return _load("onnxruntime", written)


def _quantize_openvino(model: Any, samples: list[Array], folder: Path) -> Session:
    """Quantize by NNCF's ``quantize``, which OpenVINO's documents recommend."""
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)
    path = _write_float("openvino", model, samples, folder)
    quantized = nncf.quantize(
        openvino.Core().read_model(path), nncf.Dataset(samples), subset_size=len(samples)
    )
    written = folder / "int8.xml"
    openvino.save_model(quantized, written)
    return _load("openvino", written)


def _quantize_litert(model: Any, samples: list[Array], folder: Path) -> Session:
    """Quantize by ai-edge-quantizer, the input and the output too."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    path = _write_float("litert", model, samples, folder)
    [(signature, names)] = Interpreter(str(path)).get_signature_list().items()
    [name] = names["inputs"]
    tool = quantizer.Quantizer(str(path), recipe.static_wi8_ai8())
    calibrated = tool.calibrate({signature: [{name: sample} for sample in samples]})
    written = folder / "int8.tflite"
    written.write_bytes(bytes(tool.quantize(calibrated).quantized_model))
    return _load("litert", written)


def _quantize_executorch(model: Any, samples: list[Array], folder: Path) -> Session:
    """Quantize by PT2E with the quantizer of XNNPACK."""
    import torch
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from graytorgb.models.runtimes.executorch import write_program
    from graytorgb.models.runtimes.torch_export import export_program, to_tensors

    settings = xnnpack_quantizer.get_symmetric_quantization_config(is_per_channel=True)
    tool = xnnpack_quantizer.XNNPACKQuantizer().set_global(settings)
    prepared = prepare_pt2e(export_program(model, samples[:1]).module(), tool)
    for sample in samples:
        prepared(*to_tensors([sample]))
    quantized = convert_pt2e(prepared)
    written = folder / "int8.pte"
    write_program(torch.export.export(quantized, to_tensors(samples[:1])), written)
    return _load("executorch", written)


QUANTIZERS: dict[str, Quantizer] = {
    "onnxruntime": _quantize_onnx,
    "openvino": _quantize_openvino,
    "litert": _quantize_litert,
    "executorch": _quantize_executorch,
}


def run(session: Session, inputs: list[Array]) -> Array:
    """Return the first output of a quantized network for each of these inputs, joined."""
    return np.concatenate([session([each])[0] for each in inputs])
