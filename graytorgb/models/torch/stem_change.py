"""``StemChange``: run a network on gray, and change its stems when they see their first image.

What reaches a stem isn't known before the network runs. So the stem's weights are set right before
its first call, by a comparison of its input with the original's. The same run then goes on with the
new weights, and its outputs are the adapted network's.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.utils._pytree import tree_leaves

from ..stem import check_stem_outputs, make_collapse_error
from ..weights import Normalization, add_to_bias, mix_channels
from .channel_fit import LARGEST_FIT, ChannelFit, expect_fit, fit_channels
from .isolated_run import isolate_run
from .planes import PlaneForm
from .reversible_changes import ReversibleChanges
from .trace import StemCall, StopRun

_COUNTS = {1: "one channel", 2: "two channels", 3: "three channels"}
Calls = Mapping[str, list[StemCall]]


class PlaneRules(NamedTuple):
    """What makes the original's image of gray, and what makes the adapted network's planes.

    Attributes
    ----------
    normalization : Normalization
    form : PlaneForm
    eps : float
        The machine epsilon of the network's coarsest dtype.
    """

    normalization: Normalization
    form: PlaneForm
    eps: float


class StemChange:
    """The stems of one network, which are changed while it runs.

    Parameters
    ----------
    model : nn.Module
    stems : list of str
    rules : PlaneRules
    changes : ReversibleChanges
        The record of what is changed.
    """

    def __init__(
        self, model: nn.Module, stems: list[str], rules: PlaneRules, changes: ReversibleChanges
    ) -> None:
        self._model = model
        self._stems = stems
        self._rules = rules
        self._changes = changes
        self._fits: dict[str, ChannelFit] = {}

    def change_unseen(self) -> None:
        """Change the stems as if each saw the network's image itself, without a run.

        Raises
        ------
        ModelError
            If a stem needs more planes.
        """
        for name in self._stems:
            stem = self._model.get_submodule(name)
            rules = self._rules
            fit = expect_fit(rules.normalization, rules.form, allows_constant=takes_bias(stem))
            if fit is None:
                raise make_collapse_error(f"layer {name!r} needs two planes")
            self._fits[name] = fit
            set_stem_weights(stem, fit, self._changes)

    def run(self, run: Callable[[], Any], calls: Calls, *, stops: bool = False) -> Any:
        """Run the network on gray, change its stems, and compare what they return.

        Parameters
        ----------
        run : callable
            A forward pass for the image that the original was given too.
        calls : mapping of str to list of StemCall
            The calls of the stems in the original.
        stops : bool
            Whether the run ends after the last call of a stem.

        Returns
        -------
        object
            What the network returned.

        Raises
        ------
        ModelError
            If the image reaches a stem in a way that isn't linear, a stem's outputs differ from
            the original's, or the network raises an error.
        """
        seen: dict[str, list[Tensor]] = {name: [] for name in calls}
        left = [sum(map(len, calls.values()))]
        result, known = None, set(self._fits)
        with isolate_run(self._model), torch.no_grad(), ExitStack() as stack:
            for name in calls:
                stem = self._model.get_submodule(name)
                before = partial(self._begin_call, calls[name], name, seen[name])
                stack.enter_context(stem.register_forward_pre_hook(before, with_kwargs=True))
                after = partial(_end_call, seen[name], left if stops else None)
                stack.enter_context(stem.register_forward_hook(after))
            try:
                with suppress(StopRun):
                    result = run()
            except NotLinear as error:
                raise make_collapse_error(str(error)) from None
            except Exception as error:  # a network that checks its channels may raise anything
                raise make_collapse_error(
                    f"with {_COUNTS[self._rules.form.planes]} the network raises "
                    f"{type(error).__name__}: {error}"
                ) from error
        for name in self._fits.keys() - known:  # isolate_run took the weights back
            set_stem_weights(self._model.get_submodule(name), self._fits[name], self._changes)
        for name, outputs in seen.items():
            compare_outputs_of_stem(name, [call.output for call in calls[name]], outputs)
        return result

    def _begin_call(
        self,
        calls: list[StemCall],
        name: str,
        seen: list[Tensor],
        stem: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Compare a stem's input with the original's, and set its weights in its first call."""
        if len(seen) >= len(calls) or not name:
            return
        color, gray = calls[len(seen)].image, tree_leaves((args, kwargs))[0]
        axis = get_channel_axis(stem)
        if name in self._fits:
            if not self._fits[name].explains(color, gray, axis, self._rules.eps):
                raise NotLinear(self._describe(name))
            return
        fit = fit_channels(color, gray, axis, *self._rules, allows_constant=takes_bias(stem))
        if fit is None and color.shape[axis] * gray.shape[axis] > LARGEST_FIT:
            raise NotLinear(
                f"layer {name!r} has {color.shape[axis]} features, too many to compare with gray"
            )
        if fit is None:
            raise NotLinear(self._describe(name))
        self._fits[name] = fit
        set_stem_weights(stem, fit, ReversibleChanges())

    def _describe(self, name: str) -> str:
        return (
            f"layer {name!r} doesn't see the image as a sum of planes. Perhaps the network pads it "
            "before it normalizes it, or measures it"
        )


class NotLinear(Exception):
    """A signal that an image doesn't reach a stem as a sum of planes."""


def _end_call(
    seen: list[Tensor], left: list[int] | None, module: nn.Module, args: Any, output: Tensor
) -> None:
    """Keep a stem's output, and end the run after the last one."""
    seen.append(output.clone())  # the next layer may work in place
    if left is not None:
        left[0] -= 1
        if left[0] == 0:
            raise StopRun


def compare_outputs_of_stem(name: str, expected: list[Tensor], actual: list[Tensor]) -> None:
    """Check that the outputs of a stem agree in each of its calls."""
    if len(expected) != len(actual):
        raise make_collapse_error(
            f"layer {name!r} is called {len(actual)} times for gray, and {len(expected)} times for "
            "three planes"
        )
    for e, a in zip(expected, actual, strict=True):
        precision = str(e.dtype).removeprefix("torch.")
        before, after = (t.double().cpu().numpy() for t in (e, a))
        check_stem_outputs(name, before, after, precision)


def get_channel_axis(stem: nn.Module) -> int:
    """Return the axis of a stem's input channels, counted from the end."""
    return -1 if isinstance(stem, nn.Linear) else -len(stem.kernel_size) - 1  # type: ignore[arg-type]


def takes_bias(stem: Any) -> bool:
    """Whether a constant can go into a stem's bias: it has one, and pads no zeros.

    A bias that the original doesn't have would be lost when another network of this kind is filled
    with the adapted weights.
    """
    if stem.bias is None:
        return False
    if type(stem) is nn.Linear:
        return True
    if type(stem) not in (nn.Conv1d, nn.Conv2d, nn.Conv3d):  # others may pad in their forward
        return False
    if stem.padding_mode != "zeros" or stem.padding == "valid":
        return True
    return not isinstance(stem.padding, str) and not any(stem.padding)


def set_stem_weights(stem: Any, fit: ChannelFit, changes: ReversibleChanges) -> None:
    """Set the weights of a stem that sees planes instead of channels."""
    if isinstance(stem, nn.Linear):
        axes, groups, count = "OI", 1, "in_features"
    else:
        channels = "IO" if isinstance(stem, _ConvTransposeNd) else "OI"
        axes, groups, count = channels + "DHW"[-len(stem.kernel_size) :], stem.groups, "in_channels"
    kernel = stem.weight.detach().double().cpu().numpy()
    columns = np.concatenate((fit.matrix, fit.constant[:, None]), 1)
    mixed = mix_channels(kernel, columns, axes, groups)
    seen, ones = np.split(mixed, [fit.matrix.shape[1]], axes.index("I"))
    if fit.has_constant:
        bias = stem.bias.detach().double().cpu().numpy()
        changes.set(stem, "bias", _make_parameter(add_to_bias(bias, ones, axes), stem.bias))
    changes.set(stem, "weight", _make_parameter(seen, stem.weight))
    changes.set(stem, count, seen.shape[axes.index("I")])
    if groups != 1:
        changes.set(stem, "groups", 1)


def _make_parameter(values: NDArray[Any], like: nn.Parameter) -> nn.Parameter:
    """Return a parameter with these values, and with all other properties of `like`."""
    memory_format = torch.contiguous_format
    if not like.is_contiguous():
        for ndim, last in ((4, torch.channels_last), (5, torch.channels_last_3d)):
            if like.ndim == ndim and like.is_contiguous(memory_format=last):
                memory_format = last
    tensor = torch.empty(
        values.shape, dtype=like.dtype, device=like.device, memory_format=memory_format
    )
    parameter = nn.Parameter(tensor.copy_(torch.from_numpy(values)), like.requires_grad)
    for name, value in vars(like).items():
        setattr(parameter, name, value)
    return parameter
