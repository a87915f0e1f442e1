"""torchdata's DataLoader whose state can be saved and loaded in the middle of an epoch."""

from typing import Any

from torchdata.stateful_dataloader import StatefulDataLoader

from .skipping_loader import LeavesOutSkipped

__all__ = ["SkippingStatefulLoader", "StatefulDataLoader"]


class SkippingStatefulLoader(LeavesOutSkipped, StatefulDataLoader[Any]):
    """A resumable DataLoader that leaves out batches without samples, and reports skipped files."""
