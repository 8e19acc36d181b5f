"""For tests: comparing tensors, making them, and what the registry-driven operator tests read (samples, completeness)."""

from ..ops import load_all
from .close import assert_allclose, assert_close
from .completeness import missing_rules
from .make import make_tensor
from .samples import Sample, samples_of

__all__ = [
    "Sample",
    "assert_allclose",
    "assert_close",
    "make_tensor",
    "missing_rules",
    "samples_of",
]

load_all()  # what the tests read is the whole registry
