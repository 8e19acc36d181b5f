"""Steps of whole parameter groups in one kernel on a GPU, made from the optimizers' rules as `fused` makes C of them.

    left = fused_cuda.step(optimizer, options, params)     # what the rule itself must step

One launch serves all parameters of a dtype: a table has the addresses of their arrays, and each block of threads takes
1024 elements of one of them. What changes from step to step, learning rates and step counts too, are numbers in the table's memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau.ir.cuda import PRELUDE
from flambeau.ir.text import NoText, c_statements
from flambeau.optim.elementwise import _advanced
from flambeau.optim.fused import Unfit, _kind, _values, traced
from flambeau.runtime import backend
from flambeau.runtime.tensor import Tensor

THREADS, EACH = 256, 1024  # threads of a block, and elements that it takes

_TEXT = """\
extern "C" __global__ void __launch_bounds__({threads}) step(const int64_t *__restrict__ table, const int rows, const int width) {{
  const int64_t *ends = table + (int64_t)rows * {columns}, block = blockIdx.x;
  int low = 0, high = rows - 1;
  while (low < high) {{
    const int middle = (low + high) / 2;
    if (ends[middle] > block) high = middle;
    else low = middle + 1;
  }}
  const int64_t *a = table + (int64_t)low * {columns};
  const double *p = (const double *)(ends + rows) + (int64_t)low * width;
{numbers}
{arrays}
  const int64_t begin = (block - (low ? ends[low - 1] : 0)) * {each}, rest = a[{last}] - begin;
  const int64_t end = begin + (rest < {each} ? rest : {each});
  for (int64_t i = begin + threadIdx.x; i < end; i += {threads}) {{
{body}
  }}
}}
"""


def kernel_text(
    rule: Callable[..., None], options: dict, numbers: Any, buffers: int, dtype: str
) -> tuple[str, list]:
    """The CUDA text of a rule for options and numbers of this kind, and where to find the numbers that it takes.

    As `fused.kernel_text`. A row of the table has the addresses of parameter, gradient and buffers, and their size.
    """
    real = {"float32": "float", "float64": "double"}[dtype]
    run, paths, names, elements = traced(rule, options, numbers, buffers)

    lines = []
    spelled = {f"p{i}": f"p[{i}]" for i in range(len(paths))}
    for name, expr in run.met.values():
        made = c_statements([expr], spelled, {}, "float64")
        lines.append(f"  {real} {name}; {{")
        lines += ["    " + line for line in made.lines]
        lines.append(f"    {name} = ({real}){made.values[0][0]}; }}")
    changed = [(n, e.expr) for n, e in zip(names, elements) if (e.expr.op, e.expr.value) != ("var", n)]  # fmt: skip
    read = set().union(*(e.variables() for _, e in changed))
    known = {n: n for n in names} | {name: name for name, _ in run.met.values()}
    made = c_statements([e for _, e in changed], known, dict.fromkeys(names, dtype), dtype)
    body = [f"    const {real} {n} = a{i}[i];" for i, n in enumerate(names) if n in read]
    body += ["    " + line for line in made.lines]
    body += [f"    a{n[1:]}[i] = {value};" for (n, _), (value, _) in zip(changed, made.values)]
    used = read | {n for n, _ in changed}
    arrays = [f"  {real} *a{i} = ({real} *)a[{i}];" for i, n in enumerate(names) if n in used]
    text = _TEXT.format(
        threads=THREADS, each=EACH, columns=len(names) + 1, last=len(names), numbers="\n".join(lines),
        arrays="\n".join(arrays), body="\n".join(body),
    )  # fmt: skip
    return PRELUDE + text, paths


_kernels: dict[Any, tuple[Any, list]] = {}


def _kernel(machine: Any, optimizer: Any, options: dict, numbers: Any, buffers: int, dtype: str) -> Any:  # fmt: skip
    rule, kinds = optimizer._rule, tuple([(k, _kind(v)) for k, v in options.items()])
    key = (machine, rule, kinds, _kind(numbers), buffers, dtype)
    found = _kernels.get(key)
    if found is None:
        text, paths = kernel_text(rule, options, numbers, buffers, dtype)
        found = _kernels[key] = machine.kernel(text, "step"), paths
    return found


def step(optimizer: Any, options: dict[str, Any], params: list[Tensor]) -> list[Tensor]:
    """Steps those parameters that one kernel can; the others, with nothing changed, are given back.

    A kernel takes dense arrays of float32 or float64 on one GPU, whose buffers are there. `options` are the group's, as
    Python numbers.
    """
    options = {k: v for k, v in options.items() if k not in ("params", "param_names")}
    machine = getattr(backend.of_array(params[0]._array), "machine", None)
    if machine is None or optimizer._own_numbers:
        return params
    names, counts = optimizer._buffers(options), optimizer._counts_steps
    rows: dict[str, list[tuple]] = {}  # by dtype: parameters with their arrays
    left = []
    for p in params:
        grad = p.grad
        if (
            grad is None
            or not (_dense(p, machine) and _dense(grad, machine))
            or p.dtype is not grad.dtype
        ):
            left.append(p)
            continue
        state = optimizer.state[p] if names or counts else {}
        if counts and type(getattr(state.get("step"), "_array", None)) is not np.ndarray:
            left.append(p)  # not begun, or counted on the GPU, which is not asked
            continue
        buffers: list[Any] = [
            state.get(n) for n in names
        ]  # None before the first step, which is the rule's
        if not all(_dense(b, machine) and b.dtype is p.dtype for b in buffers):
            left.append(p)
            continue
        rows.setdefault(p.dtype.name, []).append((p, grad, *buffers))
    for dtype, found in rows.items():
        try:
            _launch(machine, optimizer, options, dtype, found)
        except (Unfit, NoText):
            left += [p for p, *_ in found]
    return left


def _launch(machine: Any, optimizer: Any, options: dict, dtype: str, rows: list[tuple]) -> None:
    """One launch for parameters whose numbers are of one kind; one for each kind otherwise."""
    counts, buffers = optimizer._counts_steps, len(rows[0]) - 2
    calls: dict[Any, tuple[Any, list, list]] = {}
    for n, row in enumerate(rows):
        state = optimizer.state[row[0]] if counts or buffers else {}
        try:
            numbers = optimizer._numbers(
                options, state, _advanced(state) if counts else None, False
            )
            kernel, paths = _kernel(machine, optimizer, options, numbers, buffers, dtype)
        except (Unfit, NoText):
            for earlier in rows[: n + 1] if counts else ():
                optimizer.state[earlier[0]]["step"] -= 1
            raise
        _, taken, values = calls.setdefault(id(kernel), (kernel, [], []))
        taken.append(row)
        values.append(_values(paths, options, numbers))
    for kernel, taken, values in calls.values():
        arrays = [[t._array for t in row] for row in taken]
        ends = np.cumsum([-(-row[0].size // EACH) for row in arrays])
        if ends[-1]:
            table = [[*map(machine.address, row), row[0].size] for row in arrays]
            whole = [np.ravel(table), ends, np.ravel(values).astype(np.float64).view(np.int64)]
            with machine.on(arrays[0][0]):
                given = machine.upload(np.concatenate(whole).astype(np.int64))
                width = np.int32(len(values[0]))
                kernel((int(ends[-1]),), (THREADS,), (given, np.int32(len(taken)), width))
        for p, *_ in taken:
            p._bump()


def _dense(t: Any, machine: Any) -> bool:
    """Whether a tensor is a dense array of the GPU, of one of the two dtypes that kernels have."""
    array: Any = getattr(t, "_array", None)
    return (
        type(array) is machine.kind and array.flags.c_contiguous and array.dtype.name in ("float32", "float64")
    )  # fmt: skip
