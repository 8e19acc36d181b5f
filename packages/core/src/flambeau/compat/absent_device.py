"""`torch.xpu`, `torch.mps`, `torch.mtia`, `torch.npu`: devices that flambeau never has. Asking is fine, using is not."""

from typing import Any


def is_available() -> bool:
    """Never."""
    return False


is_built = is_initialized = is_bf16_supported = _is_in_bad_fork = is_current_stream_capturing = (
    is_available
)


def device_count() -> int:
    """None of them."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the generators of all such devices: there are none."""


manual_seed_all = manual_seed


def synchronize(device: Any = None) -> None:
    """Nothing is running there."""


def empty_cache() -> None:
    """Nothing is kept there."""
