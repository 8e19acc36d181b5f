"""The few exception classes of our own; each derives from the class PyTorch raises in the same place."""

from __future__ import annotations


class MissingRule(NotImplementedError):
    """An operator has no rule for what was asked; the text names operator, transform and ways out."""


class MissingExtra(ImportError):
    """An optional dependency is needed and absent; the text says which extra brings it."""


class OutOfRange(RuntimeError, IndexError):
    """An element of an index tensor names no place: a RuntimeError where PyTorch gathers and scatters, an IndexError in what
    is made of that (nll_loss, index_reduce). A compiled program knows its parts only, so that this is both."""


class LinAlgError(RuntimeError):
    """A matrix has no such decomposition, inverse or solution; the text says which of a batch, and where."""


class OutOfMemoryError(RuntimeError):
    """A device has no memory left for a tensor; the text says how much was asked for and how much is there."""


class AcceleratorError(RuntimeError):
    """A GPU failed; `error_code` is the number that its driver gave."""

    def __init__(self, message: str = "", error_code: int = 0) -> None:
        super().__init__(message)
        self.error_code = error_code


def missing_extra(what: str, module: str, extra: str, package: str = "flambeau") -> MissingExtra:
    """The error for `what` needing `module`, which `pip install package[extra]` brings."""
    return MissingExtra(
        f"{what} needs {module}, which is not installed: pip install '{package}[{extra}]'"
    )
