"""Layer 3: what each operator means. One block each, grouped by family in files; see docs/adding-an-operator.md.

The operators of neural networks are imported when first touched: `import flambeau` is 20 ms quicker without them.
"""

from typing import Any

from . import (
    activation,
    arithmetic,
    casting,
    comparison,
    complex,
    creation,
    exponential,
    indexing,
    joining,
    matrix,
    pointwise,
    random,
    reduction,
    rounding,
    scan,
    softmax,
    sorting,
    trigonometry,
    views,
    writing,
)

LATE = (
    "attention",
    "convolution",
    "decomposition",
    "dropout",
    "embedding",
    "interpolate",
    "loss",
    "normalization",
    "pooling",
    "recurrent",
)


def __getattr__(name: str) -> Any:
    if name in LATE:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def load_all() -> None:
    """Imports every file, so that the registry is complete."""
    for name in LATE:
        __getattr__(name)


__all__ = [
    "activation",
    "arithmetic",
    "casting",
    "comparison",
    "complex",
    "creation",
    "exponential",
    "indexing",
    "joining",
    "matrix",
    "pointwise",
    "random",
    "reduction",
    "rounding",
    "scan",
    "softmax",
    "sorting",
    "trigonometry",
    "views",
    "writing",
    "load_all",
]
