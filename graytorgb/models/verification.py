"""``verify``: a proof that an adapted network's outputs equal the original's."""

from typing import Any

from ..core.stats import stats_in_one
from .arguments import check_amount, check_count
from .frameworks import Runner, find_framework_line
from .image_batches import split_into_batches
from .option_error import ModelOptionError
from .output_comparison import compare_outputs
from .preprocessing import Preprocessing
from .runtimes import find_runtime
from .runtimes.proof import Network, prove_on_runtime
from .verification_result import Verification

_USUAL_BATCH = 8


@stats_in_one
def verify(
    original: Any,
    adapted: Any,
    images: Any,
    stats: Any = None,
    *,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    layer: str | None = None,
    tolerance: float = 1e-4,
    batch_size: int | None = None,
    seconds: float = 1.0,
    runtime: str | None = None,
) -> Verification:
    """Prove that an adapted network's outputs equal the original's.

    The original is given the gray three times, normalized. The adapted network is given the gray.
    Both run in eval mode, and get their own mode back afterwards.

    Parameters
    ----------
    original, adapted : torch.nn.Module, keras.Model, onnx.ModelProto or path
        The network of 3 channels, and the network that :func:`adapt` made of it. They may be of
        two frameworks, such as a torch network and its export. ONNX Runtime runs ONNX models.
    images : array, or sequence of arrays of shape (H, W)
        Gray images in the range that the adapted network takes: numpy arrays or CPU tensors. One
        array has the shape (N, H, W), (N, 1, H, W), (N, H, W, 1) or (N, 1, T, H, W). A sequence
        may have images of several sizes, which are run one by one. An ONNX model that takes
        several images at once is given the same image in each input, shifted sideways.
    stats, value_range, normalized
        The arguments that :func:`adapt` was given. They aren't needed for an adapted network that
        carries them, as every result of :func:`adapt` does, nor for a network that normalizes its
        images itself.
    layer : str, optional
        The stem's name. Without it the stem is found as in :func:`adapt`.
    tolerance : float
        The largest difference that passes. If every output is below 1, `tolerance` is multiplied by
        the largest output, or by 1000 times the change that other images make, if that is less.
        A difference that rounding explains passes up to a hundredth of `tolerance`.
    batch_size : int, optional
        How many images are run at once, if all have the same size. The default is 8, and 1 with
        `runtime`, whose files usually take one image.
    seconds : float
        How long to time both networks on the first batch, in rounds of random order. With 0,
        neither time nor memory is measured.
    runtime : {"onnxruntime", "openvino", "litert", "executorch", "coreml"}, optional
        The runtime that both networks are converted to and run by, on the CPU, in float32. The
        outputs that are compared are the runtime's. The result also says how much the runtime
        differs from the framework, in ``original_runtime_difference``. Each
        size of images is converted on its own. Torch networks can be run by each runtime, Keras
        networks by ONNX Runtime, OpenVINO and LiteRT, and ONNX models by ONNX Runtime and OpenVINO.
        Core ML runs on macOS only; :func:`graytorgb.models.runtimes.convert` works anywhere.

    Returns
    -------
    Verification
        The figures, with ``passed``, the ``reason`` of a failure, ``to_json()`` and
        ``write_png(path)``. rich prints it as a table.

    Raises
    ------
    ModelError
        If `adapted` carries other statistics or another range than are stated, `images` aren't
        gray images, a network can't be run on them, no outputs can be compared, or both networks
        agree and their outputs don't depend on the images. With `runtime`: if a network can't be
        converted to it, or it doesn't run on this machine.
    OptionError
        If there is no such runtime.
    BackendUnavailable
        If a library is missing.

    Examples
    --------
    >>> import torch
    >>> from graytorgb.models import adapt, verify
    >>> color = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> proof = verify(color, adapt(color, (0.5, 0.25)), torch.rand(4, 32, 32))
    >>> proof.passed, proof.images
    (True, 4)
    """
    line = None if runtime is None else find_runtime(runtime)
    if batch_size is None:
        batch_size = _USUAL_BATCH if line is None else 1
    check_count("batch_size", batch_size)
    check_amount("tolerance", tolerance)
    check_amount("seconds", seconds)
    if layer is not None and not isinstance(layer, str):
        raise ModelOptionError(f"layer is the name of one convolution in verify, not {layer!r}")
    if layer is not None and line is not None:
        raise ModelOptionError(
            "a runtime doesn't give the output of a layer: leave layer out, or runtime"
        )
    frameworks = find_framework_line(original), find_framework_line(adapted)
    if line is not None:
        for framework in frameworks:
            line.check_takes(framework.folder)
    preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
    after = frameworks[1].load().Runner(adapted, None)
    if after.preprocessing is not None:
        after.preprocessing.check_agrees(preprocessing)
        preprocessing = after.preprocessing
    before = frameworks[0].load().Runner(original, preprocessing.normalization)
    before.share_inputs(after)
    has_range = preprocessing.has_range or before.has_integers
    batches = list(split_into_batches(images, batch_size, has_range=has_range))
    in_bytes = before.has_integers and not preprocessing.has_range
    span = (0.0, 255.0) if in_bytes else preprocessing.limits

    def compare(original: Runner, adapted: Runner) -> Verification:
        """Run both networks, in their framework or on a runtime, and return the figures."""
        return compare_outputs(
            original, adapted, batches, layer=layer, tolerance=tolerance, seconds=seconds, span=span
        )

    with before.eval_mode(), after.eval_mode():
        if line is None:
            return compare(before, after)
        networks = (
            Network(original, frameworks[0], before),
            Network(adapted, frameworks[1], after),
        )
        return prove_on_runtime(line, *networks, batches, compare)
