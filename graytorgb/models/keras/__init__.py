"""Adaptation and proof of Keras networks, for :mod:`graytorgb.models`."""

from typing import TYPE_CHECKING

from .adaptation import adapt, adapt_file, find_input_size
from .network_input import describe_input
from .runner import Runner

__all__ = ["Runner", "adapt", "adapt_file", "describe_input", "find_input_size"]

if TYPE_CHECKING:  # mypy checks here that this folder keeps the contract
    from .. import keras
    from ..frameworks import Framework

    _KEEPS_THE_CONTRACT: Framework = keras
