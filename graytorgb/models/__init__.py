"""Pretrained networks with one input channel: adaptation, and proof that the outputs stay equal.

``adapt``, ``adapt_file`` and ``adapt_state_dict`` are in adaptation.py, ``verify`` is in
verification.py. frameworks.py lists the frameworks, each of which has a folder here.
"""

from .adaptation import adapt, adapt_file, adapt_state_dict
from .restoration import restore_input
from .verification import verify
from .verification_result import Verification

__all__ = ["Verification", "adapt", "adapt_file", "adapt_state_dict", "restore_input", "verify"]
