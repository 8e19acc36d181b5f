"""The hot path of primitives that take only arrays, such as matmul: small, plain, of one float dtype.

What `hot` does for elementwise operators: the same steps as `dispatch.apply`, without those that such
a call does not need. The function is written out for the operator's number of arrays, because loops
over three arguments would cost more than the product of two 8 x 8 matrices. Everything else (numbers,
wrappers, modes, other devices, errors) takes the general way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import backend as backends
from . import dispatch, state, tape
from .becoming import again, becoming, compiled
from .hot import F32, F64, Shape
from .inference import makes_tensors
from .operator import MISSING, Operator
from .tensor import Tensor, new

NEVER = 1 << 62  # elements from which providers are asked, where there are none


def make(op: Operator) -> Callable[..., Any]:
    """The public function of a primitive without static arguments: its text from the first call on."""
    return becoming(
        lambda args, kwargs: dispatch.call(op, args, kwargs),
        lambda scope: compile_call(op, scope),
        0,
    )


def source(op: Operator) -> str:
    """Python text of the hot path, which gives way where a call is not for it.

    >>> from flambeau.runtime.operator import registry
    >>> print(source(registry["matmul"]).splitlines()[0])
    def hot(input=MISSING, other=MISSING, *rest, **kw):
    """
    names = op.params
    optional = [d is None for d in op.defaults]
    heads = [f"{n}={None if free else 'MISSING'}" for n, free in zip(names, optional)]
    lines = [
        f"def hot({', '.join(heads)}, *rest, **kw):",
        "    if state.active or rest or kw: return None",
    ]
    for i, (n, free) in enumerate(zip(names, optional)):
        pad = "    "
        if free:
            lines += [f"    if {n} is None: a{i} = n{i} = None", "    else:"]
            pad = "        "
        lines += [f"{pad}try: a{i} = {n}._array", f"{pad}except AttributeError: return None"]
        wrong = f"type(a{i}) is not ndarray"
        if i == 0:
            lines.append(f"{pad}d = a0.dtype")
            wrong += " or d is not F32 and d is not F64"
        else:
            wrong += f" or a{i}.dtype is not d"
        lines.append(f"{pad}if {wrong}: return None")
        lines.append(f"{pad}n{i} = {n}._node if {n}._base is None else history({n})")
    raw = ", ".join(f"a{i}" for i in range(len(names)))
    nodes = [f"n{i}" for i in range(len(names))]
    large = " or ".join(
        f"(a{i} is not None and a{i}.size >= LEAST)" if free else f"a{i}.size >= LEAST"
        for i, free in enumerate(optional)
    )
    lines += [
        f"    run = provided() if {large} else kernel",
        "    if run is None: return None",
        "    token = set_quiet(quiet)",
        f"    try: made = run(xp, {raw})",
        "    except (ValueError, IndexError, TypeError): made = None  # the shape rule explains",
        "    finally: reset(token)",
        "    if made is None: return None",
        "    out = new(Tensor)",
        "    out._array = made if type(made) is ndarray else asarray(made)",
        f"    if ({' or '.join(f'{n} is not None' for n in nodes)}) and local.grad:",
        f"        if tape.anomaly: return tape.record(op, out, ({', '.join(names)},), NO_ATTRS)",
        "        node = new(Node)",
        "        node.op = op",
        f"        node.edges = ({', '.join(nodes)},)",
        f"        node.saved = ({', '.join(_kept(op, i) for i in range(len(names)))},)",
        f"        node.versions = ({', '.join(_version(op, i) for i in range(len(names)))},)",
        "        out._node = node",
        "    return out",
    ]
    way_out = f"return again(({', '.join(names)},), {{}}, rest, kw)"
    return "\n".join(lines).replace("return None", way_out) + "\n"


def _kept(op: Operator, i: int) -> str:
    """What is kept of an input for backward: itself, its shape, or nothing."""
    name, kind = op.params[i], op.vjp_rule.keeps[i]
    if kind == "tensor":
        return name
    return f"None if {name} is None else Shape(a{i}.shape)" if kind else "None"


def _version(op: Operator, i: int) -> str:
    name = op.params[i]
    if op.vjp_rule.keeps[i] != "tensor":
        return "0"
    return f"0 if {name} is None or {name}._box is None else {name}._box.version"


def provided_by(op: Operator) -> Callable[[], Callable[..., Any] | None]:
    """What gives the CPU's provider of large calls, if one takes any arrays of one float dtype; else None: the general way."""
    cpu = backends.of_device("cpu")

    def provided() -> Callable[..., Any] | None:
        kernel = dispatch.offers(op, cpu)[0][1]
        return kernel if getattr(kernel, "any_floats", False) else None

    return provided


def compile_call(op: Operator, scope: dict[str, Any]) -> Callable[..., Any]:
    """The function of `source`, with what it calls in `scope`."""
    assert not op.vjp_rule.keep_out, f"{op.name}: the hot path keeps no results"
    scope |= {
        "MISSING": MISSING, "again": again(op, lambda args, kwargs: dispatch.call(op, args, kwargs)), "LEAST": op.least.get("cpu", NEVER), "provided": provided_by(op), "F32": F32, "F64": F64, "Shape": Shape, "NO_ATTRS": {}, "Node": tape.Node,
        "Tensor": Tensor, "asarray": np.asarray, "history": tape.history, "kernel": op.kernels[None],
        "local": state.local, "ndarray": np.ndarray, "new": new, "op": op, "quiet": state.quiet,
        "reset": state.error_state.reset, "set_quiet": state.error_state.set, "state": state,
        "tape": tape, "xp": backends.of_device("cpu").xp,
    }  # fmt: skip
    makes_tensors(scope)
    return compiled(f"hot path of {op.name}", source(op), scope)
