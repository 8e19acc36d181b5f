"""A model as the program that leaves: traced in eval mode, weights worked out as far as the inputs allow.

Everything that does not depend on the inputs is computed here, once: scales of batch norms, transposed weights, masks.
Scales and shifts behind a convolution or a linear map then go into its weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .._base import dtypes, pytree
from ..autograd.modes import no_grad
from ..graph import Call, Graph, Value
from ..graph.passes import EFFECTS, dead_code, simplify
from ..ops.creation import from_numpy
from ..runtime.backend import of_array
from ..runtime.dispatch import apply
from ..runtime.operator import Operator, find
from ..runtime.tensor import Tensor
from ..transforms.parts import complex_as_parts
from ..transforms.trace import trace
from ..transforms.writes import writes_as_choices


def example_args(example: Any) -> tuple:
    """Example inputs as a tuple of arguments."""
    return (example,) if isinstance(example, Tensor) else tuple(example)


def record(
    name: str,
    model: Callable[..., Any],
    args: tuple,
    keep: Callable[[Operator], bool] | None,
    names: Sequence[str] | None = None,
) -> tuple[Graph, Any]:
    """The simplified program of `model(*args)` and how its results are put together (a pytree).

    `name` is the caller's, for errors; `keep` says which composites stay whole.
    """
    leaves = [x for x in pytree.flatten(args)[0] if isinstance(x, Tensor)]
    if not leaves:
        raise TypeError(f"{name}: the example has no tensor: give one example for each input")
    names = names or [f"x{i}" for i in range(len(leaves))]
    with no_grad():
        graph, made, tracer = trace(model, args, names, keep=keep)
    results, structure = pytree.flatten(made)
    if tracer.breaks:
        raise RuntimeError(
            f"{name}: the model reads values while it runs ({', '.join(dict.fromkeys(tracer.breaks))}), which the "
            "program would freeze; write it with where() or export the parts around it"
        )
    if any(not isinstance(x, Tensor) for x in results) or not results:
        kinds = ", ".join(type(x).__name__ for x in results) or "nothing"
        raise TypeError(f"{name}: the model must return tensors only, but it returned {kinds}")
    graph = simplify(graph)
    if graph.writes:
        written = ", ".join(f"{v.name} ({v.meta})" for v, _ in graph.writes)
        raise RuntimeError(
            f"{name}: the model writes into memory that outlives the call: {written}; return the new value instead, "
            "and give it back in at the next call"
        )
    if any(call.op in EFFECTS for call in graph.calls):
        raise RuntimeError(
            f"{name}: the model draws random numbers, which the exported program could not; give them as an input"
        )
    return graph, structure


def capture(
    name: str, model: Callable[..., Any], args: tuple, keep: Callable[[Operator], bool]
) -> tuple[Graph, Any]:
    """The program in eval mode, with all that does not depend on the inputs worked out; see `record`."""
    with evaluating(model), no_grad():
        graph, structure = record(name, model, args, keep)
        graph = simplify(complex_as_parts(writes_as_choices(graph), args, keep))
        open_recurrent(graph)
        fold(graph)
        merge_affine(graph)
    return dead_code(graph), structure


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """The module in eval mode, and back as each part was."""
    parts = [(m, m.training) for m in model.modules()] if hasattr(model, "modules") else []
    for m, _ in parts:
        m.training = False
    try:
        yield
    finally:
        for m, was in parts:
            m.training = was


def run_call(op: str, arrays: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """One call of a program, done by the operator itself."""
    found = find(op)
    if found.family == "composite":
        return found.body(*arrays, **attrs)
    return apply(found, tuple(arrays), attrs)


def array_of(value: Value) -> np.ndarray:
    """The numbers of a captured tensor or constant."""
    array = value.tensor._array
    return np.asarray(of_array(array).to_numpy(array))


def is_known(v: Any) -> bool:
    """Whether a value is known before the program runs."""
    return v.kind in ("captured", "constant") if isinstance(v, Value) else True


def _become(value: Value, tensor: Tensor, graph: Graph) -> None:
    value.kind, value.tensor = "constant", tensor
    graph.constants.append(value)


def fold(graph: Graph) -> Graph:
    """Computes every call whose inputs are known."""
    kept = []
    for call in graph.calls:
        if all(map(is_known, call.inputs)):
            arrays = [v.tensor if isinstance(v, Value) else v for v in call.inputs]
            made = run_call(call.op, arrays, call.attrs)
            for v, t in zip(call.outputs, made if call.several else (made,)):
                _become(v, t, graph)
        else:
            kept.append(call)
    graph.calls = kept
    return graph


# -- scales and shifts into weights ------------------------------------------------------------------------------------

# Which dimension of the result has the channels, and which of the weight.
_PRODUCTS = {"convolution": (1, 0), "convolution_input": (1, 1), "linear": (-1, 0)}


def merge_affine(graph: Graph) -> Graph:
    """`(x * w + b) * s + t` becomes `x * (w * s) + (b * s + t)` where s and t are known, one number a channel."""
    users = graph.users()
    maker = {id(v): c for c in graph.calls for v in c.outputs}
    kept: list[Call] = []
    for call in graph.calls:
        found = _affine(call)
        product = maker.get(id(found[0])) if found else None
        if found and product and _merge(graph, product, found, users):
            product.outputs = call.outputs
            maker[id(call.outputs[0])] = product
        else:
            kept.append(call)
    graph.calls = kept
    return graph


def _affine(call: Call) -> tuple[Value, Any, Any] | None:
    """(x, scale, shift) of a call that is x * scale + shift with both known."""
    a = call.inputs
    unknown = [v for v in a if not is_known(v)]
    if len(unknown) != 1 or unknown[0].meta.dtype.is_complex:
        return None
    x = unknown[0]
    at = next(i for i, v in enumerate(a) if v is x)
    alpha = call.attrs.get("alpha", 1)
    if call.op == "addcmul" and at > 0:
        return x, _scaled(a[3 - at], call.attrs["value"]), a[0]
    if call.op == "mul":
        return x, a[1 - at], 0.0
    if call.op == "add":
        return (x, 1.0, _scaled(a[1], alpha)) if at == 0 else (x, float(alpha), a[0])
    if call.op == "sub" and at == 0:
        return x, 1.0, _scaled(a[1], -alpha)
    if call.op == "true_divide" and at == 0:
        return x, 1.0 / _number(a[1]), 0.0
    return None


def _number(v: Any) -> Any:
    return array_of(v).astype(np.float64) if isinstance(v, Value) else v


def _scaled(v: Any, factor: float) -> Any:
    return v if factor == 1 else _number(v) * factor


def _merge(graph: Graph, product: Call, found: tuple, users: dict[int, int]) -> bool:
    """Puts a scale and a shift into the weights of `product`, if they are one number a channel."""
    x, scale, shift = found
    if product.op not in _PRODUCTS or users[id(x)] != 1 or any(v is x for v in graph.outputs):
        return False
    _, weight, bias = product.inputs
    if not is_known(weight) or not is_known(bias) or weight.meta.dtype is not dtypes.float32:
        return False
    if weight.meta.ndim < 2:
        return False
    channel, of_weight = _PRODUCTS[product.op]
    groups = product.attrs.get("groups", 1)
    if of_weight == 1 and groups != 1:
        return False
    count = x.meta.shape[channel]
    s, t = (_per_channel(v, x.meta.shape, channel, count) for v in (scale, shift))
    if s is None or t is None:
        return False
    w = array_of(weight).astype(np.float64)
    b = 0.0 if bias is None else array_of(bias).astype(np.float64)
    along = [1] * w.ndim
    along[of_weight] = count
    new_w, new_b = w * s.reshape(along), b * s + t
    product.inputs = (
        product.inputs[0],
        _constant(graph, new_w),
        _constant(graph, np.broadcast_to(new_b, (count,))),
    )
    return True


def _constant(graph: Graph, array: np.ndarray) -> Value:
    tensor = from_numpy(np.array(array, np.float32))
    value = Value(graph.name("k"), tensor._meta, "constant", tensor)
    graph.constants.append(value)
    return value


def _per_channel(v: Any, shape: Sequence[int], channel: int, count: int) -> np.ndarray | None:
    """`v` as one number a channel of a result of `shape`; None if it has more than that."""
    a = np.asarray(_number(v), np.float64)
    if a.ndim > len(shape):
        return None
    a = a.reshape((1,) * (len(shape) - a.ndim) + a.shape)
    at = channel % len(shape)
    if any(n != 1 for d, n in enumerate(a.shape) if d != at) or a.shape[at] not in (1, count):
        return None
    return np.broadcast_to(a.reshape(-1), (count,)).copy()


_STATES = {"lstm_layer": 2, "gru_layer": 1, "tanh_layer": 1, "relu_layer": 1}


def open_recurrent(graph: Graph) -> Graph:
    """Recurrent layers in two: the product with the inputs of all steps, and the loop over what was fed.

    A layer's inputs become (fed, *states, weight_hh, bias); the bias only where the cell multiplies it (GRU).
    """
    calls = graph.calls
    graph.calls = []
    for call in calls:
        count = _STATES.get(call.op)
        if count is not None and call.attrs["sizes"] is None:
            x, *rest = call.inputs
            first, (w_ih, w_hh, *biases) = rest[:count], rest[count:]
            b_ih, b_hh = (*biases, None, None)[:2]
            inner = b_hh if call.op == "gru_layer" else None
            outer = [b for b in (b_ih, None if inner is b_hh else b_hh) if b is not None]
            bias = outer[0] if outer else None
            if len(outer) == 2:
                (bias,) = graph.add("add", tuple(outer), {"alpha": 1}, (outer[0].meta,))
            shape = (*x.meta.shape[:-1], w_ih.meta.shape[0])
            (fed,) = graph.add("linear", (x, w_ih, bias), {}, (x.meta.like(shape),))
            call.inputs = (fed, *first, w_hh, inner)
        graph.calls.append(call)
    return graph
