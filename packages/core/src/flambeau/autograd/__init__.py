"""Gradients: `backward`, `grad`, gradient modes, custom functions, the graph behind them, and checks by finite differences.

What a training loop does not need is imported when it is first touched.
"""

from typing import TYPE_CHECKING, Any

from .engine import backward, grad
from .modes import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    is_multithreading_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
    set_multithreading_enabled,
)

if TYPE_CHECKING:
    from . import forward_ad, functional, graph
    from .checks import gradcheck, gradgradcheck
    from .function import Function, NestedIOFunction
    from .layout import enforce_grad_layout_policy
    from .variables import Variable, variable

# Names by the module that has them; a module by itself is one of its own.
_LATE = {
    "forward_ad": "forward_ad", "functional": "functional", "graph": "graph", "function": "function",
    "Function": "function", "NestedIOFunction": "function", "gradcheck": "checks", "gradgradcheck": "checks",
    "profiler": "profiler", "profiler_util": "profiler_util", "enforce_grad_layout_policy": "layout", "Variable": "variables", "variable": "variables",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    import importlib

    module = importlib.import_module(f"{__name__}.{_LATE[name]}")
    for known, where in _LATE.items():
        if where == _LATE[name]:
            globals()[known] = getattr(module, known, module)
    return globals()[name]


__all__ = [
    "Function",
    "NestedIOFunction",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "forward_ad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_multithreading_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
    "variable",
]
