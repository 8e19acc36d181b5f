"""`torch.__config__`: what this library was built of."""

from ..config import show_config


def show() -> str:
    """What `flambeau.show_config()` says."""
    return str(show_config())


def parallel_info() -> str:
    """How many threads compute."""
    from ..config import get_num_threads

    return f"flambeau: {get_num_threads()} threads"
