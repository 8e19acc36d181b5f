"""`nn.utils.stateless`: PyTorch's older place for `func.functional_call`."""

from ...stateless import functional_call

__all__ = ["functional_call"]
