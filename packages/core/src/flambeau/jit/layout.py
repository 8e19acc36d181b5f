"""Which values of a program have their channels last: what lies between convolutions that are done so.

Convolutions marked `last` (`epilogues`) take and give arrays (N, H, W, C). What stands between them and can do the same
does: elementwise calls, pooling, norms by channel, concatenation of channels. Everything else is given its values as the model
wrote them. A conversion is a call, made once for each value that needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends.cpu.packed import to_last
from ..graph import Call, Graph, Value
from ..runtime.operator import find
from .epilogues import NORM, factors

SPATIAL = (3, 4)  # dimensions of values that may have their channels last


def channels_last(graph: Graph, stays: set[int]) -> Graph:
    """The program with channels last where its convolutions want them. `stays`: ids of values that last (`lasting`)."""
    if any(c.op == "packed_convolution" and c.attrs["last"] for c in graph.calls):
        _Layout(graph, stays).rewrite()
    return graph


class _Layout:
    """One walk over a program. A value is there as the model wrote it, with channels last (`last`), or both."""

    def __init__(self, graph: Graph, stays: set[int]) -> None:
        self.graph, self.stays = graph, stays
        self.calls: list[Call] = []
        self.last: dict[int, Value] = {}
        self.only_last: set[int] = set()

    def rewrite(self) -> None:
        for call in self.graph.calls:
            rule = RULES.get(call.op) or (
                _elementwise if find(call.op).family == "elementwise" else None
            )
            if rule is None or not rule(self, call):
                for v in call.inputs:
                    self.plain(v)
                self.calls.append(call)
        for v in (*self.graph.outputs, *(w for _, w in self.graph.writes)):
            self.plain(v)
        self.graph.calls = self.calls

    def plain(self, v: Any) -> None:
        """Makes a value as the model wrote it, if it is not there yet."""
        if isinstance(v, Value) and id(v) in self.only_last:
            self.only_last.discard(id(v))
            self.calls.append(Call("from_last", (self.last[id(v)],), {}, (v,), False))

    def in_last(self, v: Value) -> Value:
        """The value with its channels last."""
        if id(v) not in self.last:
            made = self.last[id(v)] = self.like(v)
            self.calls.append(Call("to_last", (v,), {}, (made,), False))
            if id(v) in self.stays:
                self.stays.add(id(made))
        return self.last[id(v)]

    def like(self, v: Value) -> Value:
        return Value(self.graph.name(), v.meta.like(to_last(v.meta.shape)))

    def do(self, call: Call, op: str, inputs: tuple, attrs: dict[str, Any]) -> bool:
        """Writes `call` as `op` on values with channels last; so is its result."""
        out = call.outputs[0]
        made = self.last[id(out)] = self.like(out)
        self.only_last.add(id(out))
        self.calls.append(Call(op, inputs, attrs, (made,), False))
        return True

    def there(self, v: Any) -> bool:
        return isinstance(v, Value) and id(v) in self.last


Rule = Callable[[_Layout, Call], bool]


def _convolution(w: _Layout, call: Call) -> bool:
    if not call.attrs["last"]:
        return False
    x, packed, bias, residual = call.inputs
    given = (w.in_last(x), packed, bias, None if residual is None else w.in_last(residual))
    return w.do(call, call.op, given, call.attrs)


def _elementwise(w: _Layout, call: Call) -> bool:
    """Operands of the result's shape, or one for each channel of each image, or one number."""
    shape = call.outputs[0].meta.shape
    values = [v for v in call.inputs if isinstance(v, Value)]
    if len(shape) not in SPATIAL or not any(w.there(v) and v.meta.shape == shape for v in values):
        return False
    by_channel = (shape[1],) + (1,) * (len(shape) - 2)
    fit = ((), shape, (shape[0], *by_channel), (1, *by_channel))
    if any(v.meta.shape not in fit for v in values):
        return False
    given = [w.in_last(v) if isinstance(v, Value) and v.meta.shape else v for v in call.inputs]
    return w.do(call, call.op, tuple(given), call.attrs)


def _norm(w: _Layout, call: Call) -> bool:
    """Batch norm by given statistics: a multiplication and an addition for each channel."""
    x, *rest = call.inputs
    if not w.there(x) or not all(v is None or id(v) in w.stays for v in rest):
        return False
    scale, shift, calls = factors(w.graph, None, call)
    w.calls += calls
    scaled = w.like(x)
    w.calls.append(Call("mul", (w.in_last(x), scale), {}, (scaled,), False))
    return w.do(call, "add", (scaled, shift), {"alpha": 1})


def _max_pool(w: _Layout, call: Call) -> bool:
    x = call.inputs[0]
    if not w.there(x) or len(call.outputs) != 1 or len(call.attrs["kernel"]) != x.meta.ndim - 2:
        return False
    return w.do(call, "last_max_pool", (w.in_last(x),), call.attrs)


def _pair(v: Any) -> tuple[int, int]:
    """Two numbers, of which one may stand for both."""
    given = tuple(v) if isinstance(v, (tuple, list)) else (v,)
    return (int(given[0]), int(given[-1]))


def _avg_pool(w: _Layout, call: Call) -> bool:
    x, a = call.inputs[0], call.attrs
    if not w.there(x) or x.meta.ndim != 4:
        return False
    two = {k: _pair(a[k]) for k in ("kernel_size", "stride", "padding") if a[k] is not None}
    kernel = two["kernel_size"]
    stride, padding = two.get("stride") or kernel, two["padding"]
    out = tuple(call.outputs[0].meta.shape[2:])
    if any((o - 1) * s + k > n + 2 * p for o, s, k, n, p in zip(out, stride, kernel, x.meta.shape[2:], padding)):  # fmt: skip
        return False  # windows beyond the padding are counted by rules of their own
    counted = a["divisor_override"] or (kernel[0] * kernel[1] if a["count_include_pad"] else 0)
    attrs = {"kernel": kernel, "stride": stride, "padding": padding, "out": out, "counted": counted}
    return w.do(call, "last_avg_pool", (w.in_last(x),), attrs)


def _adaptive(w: _Layout, call: Call) -> bool:
    x, out = call.inputs[0], call.outputs[0]
    if not w.there(x) or x.meta.ndim != 4 or any(n != 1 for n in out.meta.shape[2:]):
        return False
    return w.do(call, "last_mean", (w.in_last(x),), {})


def _sum(w: _Layout, call: Call) -> bool:
    """A sum over all positions: its result is the same in both layouts, one number for each channel."""
    x, a = call.inputs[0], call.attrs
    if not w.there(x) or a["dtype"] is not None or a["dim"] is None:
        return False
    ndim = x.meta.ndim
    dims = (a["dim"],) if isinstance(a["dim"], int) else a["dim"]
    if sorted(d % ndim for d in dims) != list(range(2, ndim)):
        return False
    inner = {**a, "dim": tuple(range(1, ndim - 1))}
    if a["keepdim"]:
        return w.do(call, "sum", (w.in_last(x),), inner)
    w.calls.append(Call("sum", (w.in_last(x),), inner, call.outputs, False))
    return True


def _cat(w: _Layout, call: Call) -> bool:
    ndim = call.outputs[0].meta.ndim
    if ndim not in SPATIAL or call.attrs["dim"] % ndim != 1 or not any(map(w.there, call.inputs)):
        return False
    if any(v.meta.ndim != ndim for v in call.inputs):
        return False
    return w.do(call, "cat", tuple(w.in_last(v) for v in call.inputs), {"dim": ndim - 1})


RULES: dict[str, Rule] = {
    "packed_convolution": _convolution,
    NORM: _norm,
    "max_pool": _max_pool,
    "avg_pool2d_on_cpu": _avg_pool,
    "adaptive_avg_pool2d_on_cpu": _adaptive,
    "sum": _sum,
    "cat": _cat,
}
