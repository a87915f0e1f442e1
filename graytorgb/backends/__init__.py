"""Who does the work: one file for each backend, the registry of them, and the choice among them."""

from .choose import Choice, choose_backend
from .listing import BackendInfo, list_backends
from .protocol import Backend
from .registry import register_backend, unregister_backend
from .result_cache import CacheInfo, cache_info, set_cache

__all__ = [
    "Backend",
    "BackendInfo",
    "CacheInfo",
    "Choice",
    "cache_info",
    "choose_backend",
    "list_backends",
    "register_backend",
    "set_cache",
    "unregister_backend",
]
