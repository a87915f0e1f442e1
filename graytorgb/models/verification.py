"""``verify``: a proof that an adapted network's outputs equal the original's."""

from typing import Any

from ..core.stats import stats_in_one
from .arguments import check_amount, check_count
from .frameworks import find_framework
from .image_batches import split_into_batches
from .option_error import ModelOptionError
from .output_comparison import compare_outputs
from .preprocessing import Preprocessing
from .verification_result import Verification


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
    batch_size: int = 8,
    seconds: float = 1.0,
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
    batch_size : int
        How many images are run at once, if all have the same size.
    seconds : float
        How long to time both networks on the first batch, in rounds of random order. With 0,
        neither time nor memory is measured.

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
        agree and their outputs don't depend on the images.

    Examples
    --------
    >>> import torch
    >>> from graytorgb.models import adapt, verify
    >>> color = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> proof = verify(color, adapt(color, (0.5, 0.25)), torch.rand(4, 32, 32))
    >>> proof.passed, proof.images
    (True, 4)
    """
    check_count("batch_size", batch_size)
    check_amount("tolerance", tolerance)
    check_amount("seconds", seconds)
    if layer is not None and not isinstance(layer, str):
        raise ModelOptionError(f"layer is the name of one convolution in verify, not {layer!r}")
    frameworks = find_framework(original), find_framework(adapted)
    preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
    after = frameworks[1].Runner(adapted, None)
    if after.preprocessing is not None:
        after.preprocessing.check_agrees(preprocessing)
        preprocessing = after.preprocessing
    before = frameworks[0].Runner(original, preprocessing.normalization)
    before.share_inputs(after)
    has_range = preprocessing.has_range or before.has_integers
    batches = split_into_batches(images, batch_size, has_range=has_range)
    in_bytes = before.has_integers and not preprocessing.has_range
    span = (0.0, 255.0) if in_bytes else preprocessing.limits
    with before.eval_mode(), after.eval_mode():
        return compare_outputs(
            before, after, batches, layer=layer, tolerance=tolerance, seconds=seconds, span=span
        )
