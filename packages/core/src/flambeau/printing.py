"""How tensors print: PyTorch's layout, precision and line breaks."""

from __future__ import annotations

import math
from typing import Any

from ._base import dtypes
from ._base.devices import CPU
from .runtime import state
from .runtime.overrides import overrides
from .runtime.tensor import Leaf, Tensor, history


class Options:
    """What `set_printoptions` sets."""

    precision = 4
    threshold = 1000
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None


def set_printoptions(precision: int | None = None, threshold: int | None = None, edgeitems: int | None = None,
                     linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None) -> None:  # fmt: skip
    """Sets how tensors print; None leaves a setting.

    >>> set_printoptions(precision=4)
    """
    presets: dict[str, tuple[Any, ...]] = {
        "default": (4, 1000, 3, 80),
        "short": (2, 1000, 2, 80),
        "full": (4, math.inf, 3, 80),
    }
    if profile is not None:
        Options.precision, Options.threshold, Options.edgeitems, Options.linewidth = presets[
            profile
        ]
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    for name, value in given.items():
        if value is not None:
            setattr(Options, name, value)
    Options.sci_mode = sci_mode


class Formatter:
    """The width and form of all numbers of one tensor."""

    def __init__(self, values: list[Any], kind: dtypes.dtype) -> None:
        self.floating = kind.is_floating_point
        self.whole, self.scientific, self.width = True, False, 1
        if not self.floating:
            self.width = max((len(str(v)) for v in values), default=1)
            return
        finite = [v for v in values if math.isfinite(v) and v != 0]
        if not finite:  # PyTorch lets neither zeros nor its options choose a form
            return
        self.whole = all(v == math.ceil(v) for v in finite)
        low, high = min(map(abs, finite)), max(map(abs, finite))
        self.scientific = high / low > 1000.0 or high > 1e8 or (not self.whole and low < 1e-4)
        if Options.sci_mode is not None:
            self.scientific = Options.sci_mode
        self.width = max(len(self._finite(v)) for v in finite)

    def _finite(self, v: float) -> str:
        p = Options.precision
        if self.scientific:
            return f"{v:.{p}e}"
        return f"{v:.0f}." if self.whole else f"{v:.{p}f}"

    def __call__(self, v: Any) -> str:
        if not self.floating:
            return str(v).rjust(self.width)
        return (self._finite(v) if math.isfinite(v) else _special(v)).rjust(self.width)


def _special(v: float) -> str:
    return "nan" if v != v else "inf" if v > 0 else "-inf"


class ComplexFormatter:
    """Real and imaginary parts, each with a form of its own."""

    def __init__(self, values: list[complex], kind: dtypes.dtype) -> None:
        part = dtypes.float64
        self.real = Formatter([v.real for v in values], part)
        self.imag = Formatter([v.imag for v in values], part)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, v: complex) -> str:
        imag = self.imag(v.imag).lstrip()
        return self.real(v.real) + ("" if imag.startswith("-") else "+") + imag + "j"


def _rows(array: Any, indent: int, fmt: Any, summarize: bool) -> str:
    if array.ndim == 0:
        return fmt(array.item())
    edge = Options.edgeitems
    n = array.shape[0]
    cut = summarize and n > 2 * edge
    if array.ndim == 1:
        per_line = max(1, (Options.linewidth - indent) // (fmt.width + 2))
        items = [fmt(v) for v in (array[:edge] if cut else array).tolist()]
        if cut:
            items += [" ..."] + [fmt(v) for v in array[-edge:].tolist()]
        lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)] or [""]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    picked = [*range(edge), None, *range(n - edge, n)] if cut else list(range(n))
    parts = ["..." if i is None else _rows(array[i], indent + 1, fmt, summarize) for i in picked]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _shown(array: Any) -> list:
    """The numbers that will be printed, from which the format is chosen."""
    if array.size <= Options.threshold:
        return array.reshape(-1).tolist()
    edge = Options.edgeitems
    for d, n in enumerate(array.shape):
        if n > 2 * edge:
            ahead = (slice(None),) * d
            import numpy as np

            array = np.concatenate(
                [array[(*ahead, slice(0, edge))], array[(*ahead, slice(n - edge, n))]], d
            )
    return array.reshape(-1).tolist()


def tensor_repr(tensor: Tensor, prefix: str | None = None, contents: str | None = None) -> str:
    """The text of a tensor: values (or `contents`), and what of dtype, device, size and history is not the default."""
    if prefix is None:
        prefix = f"{type(tensor).__name__}(" if overrides(type(tensor)) else "tensor("
    if tensor._level:
        return tensor.wrapper_repr()  # type: ignore[attr-defined]
    kind = tensor.dtype
    suffixes = []
    if tensor.device.type == "meta":
        body = "..."
        suffixes.append(f"size={tuple(tensor.shape)}")
    else:
        from .runtime.backend import of_array

        if state.active:
            state.leaves(tensor, "being printed")
        array = of_array(tensor._array).to_numpy(tensor._array)
        if kind is dtypes.complex32:
            array = array["real"].astype("float32") + 1j * array["imag"]
        if kind.name in ("bfloat16", "float16") or kind.name.startswith("float8"):
            array = array.astype("float32")
        body = _body(array, kind, len(prefix)) if contents is None else contents
        if array.size == 0 and array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
    if tensor.device != CPU:
        suffixes.insert(0, f"device='{tensor.device}'")
    default = dtypes.get_default_dtype()
    usual = (default, default.to_complex(), dtypes.int64, dtypes.bool_)
    unseen = tensor.device.type == "meta" or not tensor._array.size
    if kind not in usual or (unseen and kind is not default):
        suffixes.append(f"dtype={kind}")
    node = history(tensor)
    if node is not None:
        suffixes.append(
            "requires_grad=True"
            if type(node) is Leaf
            else f"grad_fn=<{node.name().rpartition('::')[2]}>"
        )
    return _with_suffixes(prefix + body, suffixes, len(prefix))


def _body(array: Any, kind: dtypes.dtype, indent: int) -> str:
    if array.size == 0:
        return "[]"
    values = _shown(array)
    fmt: Any = ComplexFormatter(values, kind) if kind.is_complex else Formatter(values, kind)
    return _rows(array, indent, fmt, array.size > Options.threshold)


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    width = len(text) - text.rfind("\n") + 1
    for s in suffixes:
        if width + len(s) + 2 > Options.linewidth:
            text += ",\n" + " " * indent + s
            width = indent + len(s)
        else:
            text += ", " + s
            width += len(s) + 2
    return text + ")"
