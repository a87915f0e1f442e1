"""The pretrained network with one input channel and the same outputs, and the proof of it.

``adapt`` and its siblings are in adaptation.py, ``verify`` in verification.py; frameworks.py lists
the frameworks, each of which has a folder here.
"""

from .adaptation import adapt, adapt_file, adapt_state_dict
from .verification import verify
from .verification_result import Verification

__all__ = ["Verification", "adapt", "adapt_file", "adapt_state_dict", "verify"]
