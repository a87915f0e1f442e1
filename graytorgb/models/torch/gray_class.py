"""Classes of adapted networks, whose ``forward`` takes gray and gives the network its planes.

An adapted network is an ordinary network whose stem sees two or three planes. What makes the planes
of gray is no layer, which would change the names of the others, and no hook, which quantization and
scripting lose. It is the first line of ``forward``, in a subclass of the network's own class:

    class ResNet(torchvision.models.resnet.ResNet):
        def forward(self, x):
            x = planes.append_planes(x, -3, 0.449, 0.226, 0.19, 0)
            return self._forward_of_planes(x)

The subclass has the name and the signature of the original. It is made when it is needed, also when
a network is unpickled. Its methods are compiled from text, because TorchScript reads their source.
"""

import copy
import inspect
import linecache
from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple, cast

from torch import nn

from ...errors import ModelError
from ..input_transform import InputTransform, make_transform
from . import planes
from .image_arguments import EACH

# Further methods by which an image comes into a network: timm's, Hugging Face's, CLIP's, SAM 2's.
_OTHER_METHODS = ("forward_features", "forward_intermediates", "get_intermediate_layers",
    "extract_features", "encode_image", "get_image_features", "forward_image")  # fmt: skip
_IMAGE_NAMES = ("pixel_values", "images", "image", "x", "input", "inputs")


class PlaneInput(NamedTuple):
    """An argument of ``forward`` to whose image planes are appended.

    Attributes
    ----------
    parameter : str or None
        The parameter's name; None if ``forward`` takes the image as one of ``*args``.
    place : int or None
        The place among the positional arguments; None for an argument that is always named.
    path : tuple of str and int
        The keys that lead to the image inside the argument; see :class:`.ImageArgument`.
    axis : int
        The channel axis, counted from the end.
    center, scale, level : float
    zeros : int
        See :func:`.planes.append_planes`.
    """

    parameter: str | None
    place: int | None
    path: tuple[str | int, ...]
    axis: int
    center: float
    scale: float
    level: float
    zeros: int


def give_gray_input(model: nn.Module, inputs: tuple[PlaneInput, ...]) -> None:
    """Make a network's ``forward`` append planes to its gray images, by a subclass of its class.

    The network gets a method ``transform`` too, unless it has an attribute of this name.
    """
    original: Any = type(model)
    model.__class__ = make_gray_class(original, inputs, has_transform=hasattr(model, "transform"))


@cache
def make_gray_class(
    original: Any, inputs: tuple[PlaneInput, ...], *, has_transform: bool = False
) -> Any:
    """Return the subclass of a network's class whose methods append planes to their images."""
    members: dict[str, Any] = {}
    for name in ("forward", *_OTHER_METHODS):
        method = getattr(original, name, None)
        if not isinstance(method, FunctionType) or (method is getattr(nn.Module, name, None)):
            continue
        found = inputs if name == "forward" else _find_inputs(method, inputs)
        if found:
            kept = f"_{name}_of_planes"
            members[kept] = _rename(method, kept)
            members[name] = _write_method(original, name, method, found)

    def reduce(self: Any, protocol: Any) -> Any:
        # an unpickled network gets its class back from the original class, which has a module
        make, arguments, *rest = super(subclass, self).__reduce_ex__(protocol)
        arguments = tuple(original if value is subclass else value for value in arguments)
        if not inputs:  # an ordinary network, which can be loaded without this package
            # pickle's own function for a new object refuses one of another class
            is_usual = make.__name__ == "__newobj__"
            return object.__new__ if is_usual else make, arguments, *rest
        return _rebuild, (inputs, has_transform, make, arguments), *rest

    if not has_transform:
        members["transform"] = make_own_transform
    members |= {
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
        "__doc__": original.__doc__,
        "__reduce_ex__": reduce,
        "graytorgb_original": original,
    }
    if not inputs and not hasattr(original, "__deepcopy__"):  # a GraphModule copies itself
        members |= {"__copy__": _copy, "__deepcopy__": _copy}
    if issubclass(original, nn.Sequential):
        members["__getitem__"] = _get_layers
    subclass = type(original)(original.__name__, (original,), members)
    return subclass


def _copy(self: Any, memo: dict[int, Any] | None = None) -> nn.Module:
    """Return a copy that keeps this class, which a pickle of an ordinary network does without.

    It is a deep one if a `memo` is given.
    """
    make, arguments, state, *_ = self.__reduce_ex__(4)
    copied: Any = make(*arguments)
    if memo is not None:
        memo[id(self)] = copied
        state = copy.deepcopy(state, memo)
    copied.__setstate__(state)
    copied.__class__ = type(self)
    return cast(nn.Module, copied)


def _get_layers(self: Any, index: Any) -> nn.Module:
    """Return a layer, or layers in an nn.Sequential that takes gray if it has the first layer."""
    found: nn.Module = self.graytorgb_original.__getitem__(self, index)
    if isinstance(index, slice) and index.indices(len(self))[0] > 0:
        found.__class__ = self.graytorgb_original
    return found


def make_own_transform(self: Any, **options: Any) -> InputTransform:
    """Return the pipeline from a gray file to this network's input.

    The options are those of :func:`graytorgb.models.make_transform`.
    """
    return make_transform(self, **options)


def _rebuild(
    inputs: tuple[PlaneInput, ...],
    has_transform: bool,
    make: Callable[..., nn.Module],
    arguments: tuple[Any, ...],
) -> nn.Module:
    """Return a new network for pickle, which fills it."""
    model = make(*arguments)
    original: Any = type(model)
    model.__class__ = make_gray_class(original, inputs, has_transform=has_transform)
    return model


def _find_inputs(
    method: Callable[..., Any], inputs: tuple[PlaneInput, ...]
) -> tuple[PlaneInput, ...]:
    """Return the one image among a method's arguments, if ``forward`` takes one too."""
    if len(inputs) != 1 or inputs[0].path:
        return ()
    names = list(inspect.signature(method).parameters)[1:]
    named = [name for name in (inputs[0].parameter, *_IMAGE_NAMES) if name in names]
    if not named:
        return ()
    return (inputs[0]._replace(parameter=named[0], place=names.index(named[0])),)


def _rename(method: FunctionType, name: str) -> FunctionType:
    """Return a copy of a function that has another name, by which TorchScript calls it."""
    copy = FunctionType(
        method.__code__, method.__globals__, name, method.__defaults__, method.__closure__
    )
    copy.__kwdefaults__ = method.__kwdefaults__
    copy.__annotations__ = method.__annotations__
    vars(copy).update(vars(method))
    return copy


def _write_method(
    original: type[nn.Module], name: str, method: FunctionType, inputs: tuple[PlaneInput, ...]
) -> Callable[..., Any]:
    """Return the method of a gray class that appends planes, and calls the original method."""
    signature = inspect.signature(method)
    own, *parameters = signature.parameters.values()
    lines = [_write_line(each, parameters, is_forward=name == "forward") for each in inputs]
    passed = ", ".join(map(_pass_parameter, parameters))
    names = {"planes": planes}
    shown = [own, *(_name_objects(parameter, names) for parameter in parameters)]
    header = str(signature.replace(parameters=shown, return_annotation=signature.empty))
    source = "\n    ".join(
        [f"def {name}{header}:", *lines, f"return {own.name}._{name}_of_planes({passed})", ""]
    )
    file = f"<the gray input of {original.__module__}.{original.__qualname__}.{name}: {inputs}>"
    # TorchScript and tracebacks find the source here
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    members: dict[str, Any] = {}
    exec(compile(source, file, "exec"), names, members)
    members[name].__doc__ = method.__doc__
    members[name].__annotations__ = dict(method.__annotations__)
    return cast(Callable[..., Any], members[name])


class _Name:
    """A name in the source of a method, for an object that has no source."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def _name_objects(parameter: inspect.Parameter, names: dict[str, Any]) -> inspect.Parameter:
    """Return a parameter whose default and annotation are names, which are added to `names`."""
    parts: dict[str, Any] = {}
    for part in ("default", "annotation"):
        value = getattr(parameter, part)
        if value is not parameter.empty:
            names[f"{part}_of_{parameter.name}"] = value
            parts[part] = _Name(f"{part}_of_{parameter.name}")
    return parameter.replace(**parts)


def _write_line(
    plane_input: PlaneInput, parameters: list[inspect.Parameter], *, is_forward: bool
) -> str:
    """Return the line of a method that appends planes to one of its arguments."""
    by_name = {parameter.name: parameter for parameter in parameters}
    _, _, _, axis, *numbers = plane_input
    rest = ", ".join(map(repr, (axis, *numbers)))
    if _choose_function(plane_input.path) == "append_planes_at":
        rest = f"{plane_input.path!r}, {rest}"
    parameter = by_name.get(plane_input.parameter or "")
    if parameter is not None and parameter.kind not in (
        parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD
    ):  # fmt: skip
        function = _choose_function(plane_input.path)
        if function == "append_planes" and not is_forward:
            function = "append_missing_planes"
        elif function == "append_planes" and parameter.default is None:
            function = "append_planes_if_given"
        return f"{parameter.name} = planes.{function}({parameter.name}, {rest})"
    lines = list(_write_lines_for_any(plane_input, parameters, rest))
    if not lines:
        names = ", ".join(by_name)
        raise ModelError(
            f"forward({names}) has no argument {plane_input.parameter!r} for the image"
        )
    if len(lines) == 1:
        return lines[0][1]
    # the image may be passed in both ways
    (has_place, set_args), (has_name, set_kwargs) = lines
    return f"if {has_place}:\n        {set_args}\n    elif {has_name}:\n        {set_kwargs}"


def _write_lines_for_any(
    plane_input: PlaneInput, parameters: list[inspect.Parameter], rest: str
) -> Iterator[tuple[str, str]]:
    """Yield a condition and a line that appends planes, for ``*args`` and for ``**kwargs``."""
    function = _choose_function(plane_input.path)
    for parameter in parameters:
        if parameter.kind == parameter.VAR_POSITIONAL and plane_input.place is not None:
            place, args = plane_input.place - parameters.index(parameter), parameter.name
            image = f"planes.{function}({args}[{place}], {rest})"
            line = f"{args} = (*{args}[:{place}], {image}, *{args}[{place + 1}:])"
            yield f"len({args}) > {place}", line
        if parameter.kind == parameter.VAR_KEYWORD and plane_input.parameter:
            name, kwargs = plane_input.parameter, parameter.name
            image = f"planes.{function}({kwargs}[{name!r}], {rest})"
            yield f"{name!r} in {kwargs}", f"{kwargs} = {{**{kwargs}, {name!r}: {image}}}"


def _choose_function(path: tuple[str | int, ...]) -> str:
    """Return the function of :mod:`.planes` for an image at a path inside an argument."""
    if not path:
        return "append_planes"
    return "append_planes_to_each" if path == (EACH,) else "append_planes_at"


def _pass_parameter(parameter: inspect.Parameter) -> str:
    """Return how a method passes one of its parameters on to the original method."""
    name = parameter.name
    if parameter.kind == parameter.KEYWORD_ONLY:
        return f"{name}={name}"
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
    return f"{stars.get(parameter.kind.name, '')}{name}"
