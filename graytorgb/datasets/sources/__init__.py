"""Sources of whole datasets: folders, lists, arrays and URLs, as items that are read one by one."""

from .items import Item, Skipped, Source
from .opening import open_source

__all__ = ["Item", "Skipped", "Source", "open_source"]
