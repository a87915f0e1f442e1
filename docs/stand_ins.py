"""Stand-ins for libraries that the documentation isn't built with, such as torch and Keras.

The modules of graytorgb that need them can then be imported, so that the reference shows their true
signatures and docstrings. Nothing in such a module works: it is there to be read by autodoc.
"""

import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

LIBRARIES = ("albumentations", "keras", "tensorflow", "torch", "torchvision")


class _Base:
    """The base class of a class whose base class is in a library that is missing."""


class StandIn(ModuleType):
    """A module, and everything in it: classes, decorators and constants."""

    __path__: list[str] = []  # noqa: RUF012  # so that its submodules can be imported
    __version__ = "0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}")

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return what is decorated, or a decorator; an operator of torch has methods of its own."""
        decorates = arguments and callable(arguments[0]) and not self.__name__.endswith("custom_op")
        return arguments[0] if decorates else self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (type(self.__name__.rpartition(".")[2], (_Base,), {}),)

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getitem__(self, key: Any) -> Any:
        return self

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__


class _Finder(MetaPathFinder, Loader):
    """Finds a stand-in for every module of the libraries."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in LIBRARIES:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module is complete."""


def install() -> None:
    """Let every import of the libraries give a stand-in from now on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
