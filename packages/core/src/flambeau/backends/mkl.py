"""`torch.backends.mkl`: Intel's BLAS, which is not used: matrix products are those of the BLAS that NumPy brings."""

from __future__ import annotations

VERBOSE_OFF, VERBOSE_ON = 0, 1


def is_available() -> bool:
    """Whether MKL computes anything: never, also where NumPy was built with it, which its own `show_config` tells."""
    return False


class verbose:
    """In PyTorch, makes MKL print its calls inside a block. RuntimeError here, where there is none, unless `VERBOSE_OFF`."""

    def __init__(self, enable: int) -> None:
        self.enable = enable

    def __enter__(self) -> verbose:
        if self.enable != VERBOSE_OFF:
            raise RuntimeError("MKL is not used by flambeau, and has no calls to print")
        return self

    def __exit__(self, *error: object) -> None:
        pass
