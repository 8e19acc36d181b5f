"""Steps of whole parameter groups in one native call, made from the optimizers' rules.

A rule (`Elementwise._rule`) is run once on symbols. What it does to an element becomes the body of a C loop, with the same
operations in the same order and no contraction, so that the result is that of the rule on arrays to the last bit; what it
computes of numbers alone is done once per parameter, in double precision as Python does. Options that the rule asks
about (`if group["maximize"]`, `weight_decay != 0`) select the kernel; their other values are its arguments.

One call serves all parameters of a group: all cores share the elements of all of them, and each array is read and written
once. Groups that are not plain contiguous CPU arrays of one floating dtype, or share memory, are left to the rule itself.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np

from flambeau import ir
from flambeau.backends.cpu import library, lists, native, threads
from flambeau.backends.cpu.compiler import CompileError
from flambeau.ir.text import c_statements
from flambeau.optim.options import scalar

# From how many elements on a group is stepped natively at once; smaller ones after some steps, for compiling takes 0.2 s.
LARGE, STEPS = 1 << 14, 8
# Bytes of a group's arrays that come from memory, not from the third cache, at every step.
FAR = 24 << 20


class Unfit(Exception):
    """A rule or an option that no kernel can be made of."""


# -- symbols that a rule is run on


class Number:
    """A number of the rule: known at each call. Comparisons with 0 and 1 are answered for the numbers at hand."""

    def __init__(self, expr: ir.Expr, value: float | None = None) -> None:
        self.expr, self.value = expr, value

    def _asked(self, other: Any) -> bool:
        if self.value is None or isinstance(other, Number) or other not in (0, 1):
            raise Unfit(f"a rule may compare its given numbers with 0 and 1, not with {other!r}")
        return self.value == other

    __eq__ = _asked
    __hash__ = None  # type: ignore[assignment]

    def __ne__(self, other: Any) -> bool:
        return not self._asked(other)

    def __bool__(self) -> bool:
        return not self._asked(0)


class Element:
    """An element of an array, or what was computed of it; in-place operators change what the name stands for."""

    def __init__(self, run: Run, expr: ir.Expr) -> None:
        self.run, self.expr = run, expr

    def __setitem__(self, key: Any, value: Any) -> None:
        if key is not Ellipsis:
            raise Unfit("a rule treats all elements alike")
        self.expr = self.run.expr(value)

    def __abs__(self) -> Element:
        return Element(self.run, ir.apply("abs", self.expr))

    def __neg__(self) -> Any:
        return Element(self.run, -self.expr)


def _operator(name: str) -> None:
    """`name` for numbers, for elements, and for one and the other; in place for elements."""

    def of_numbers(a: Any, b: Any) -> Any:
        if isinstance(a, Element) or isinstance(b, Element):
            return NotImplemented
        parts = [x.expr if isinstance(x, Number) else ir.const(x) for x in (a, b)]
        return Number(ir.apply(name, *parts))

    def of_elements(a: Any, b: Any) -> Element:
        run = a.run if isinstance(a, Element) else b.run
        return Element(run, ir.apply(name, run.expr(a), run.expr(b)))

    def in_place(a: Element, b: Any) -> Element:
        a.expr = ir.apply(name, a.expr, a.run.expr(b))
        return a

    method = {"div": "truediv"}.get(name, name)
    for cls, function in ((Number, of_numbers), (Element, of_elements)):
        setattr(cls, f"__{method}__", function)
        setattr(cls, f"__r{method}__", lambda a, b, f=function: f(b, a))
    setattr(Element, f"__i{method}__", in_place)


for _name in ("add", "sub", "mul", "div"):
    _operator(_name)


class Run:
    """One run of a rule on symbols: the array module that it sees, and the numbers that met elements."""

    def __init__(self) -> None:
        self.met: dict[int, tuple[str, ir.Expr]] = {}

    def expr(self, x: Any) -> ir.Expr:
        """What `x` is to an element; a number is turned to the elements' type once, ahead of the loop."""
        if isinstance(x, Element):
            return x.expr
        if isinstance(x, Number):
            name, _ = self.met.setdefault(id(x.expr), (f"k{len(self.met)}", x.expr))
            return ir.param(name)
        return ir.const(x)

    def _call(self, name: str, *args: Any) -> Element:
        return Element(self, ir.apply(name, *map(self.expr, args)))

    def sqrt(self, x: Any) -> Element:
        return self._call("sqrt", x)

    def sign(self, x: Any) -> Element:
        return self._call("sign", x)

    def maximum(self, a: Any, b: Any) -> Element:
        return self._call("maximum", a, b)

    def clip(self, x: Any, low: Any, high: Any) -> Element:
        return self._call("minimum", self._call("maximum", x, low), high)

    def where(self, condition: Any, a: Any, b: Any) -> Element:
        return self._call("where", condition, a, b)

    def ones_like(self, x: Any) -> Element:
        return Element(self, ir.const(1.0))

    def zeros_like(self, x: Any) -> Element:
        return Element(self, ir.const(0.0))


for _name, _symbol in (("lt", "__lt__"), ("gt", "__gt__")):
    setattr(Element, _symbol, lambda a, b, name=_name: a.run._call(name, a, b))


# -- kernels

_TEXT = """\
#define T {real}
#include "fb.h"
#include "fb_math.h"

struct job {{ const int64_t *table; const double *numbers; int64_t row; const int64_t *ends; int64_t count; int ahead; }};

/* With `ahead` what comes is called in: the processor itself looks ahead to the end of a page only. */
static void part(const int64_t *a, const double *p, int64_t at, int64_t n, int ahead) {{
{numbers}
{arrays}
  const int64_t line = 64 / sizeof(T), far = 32 * line, run = ahead ? 4 * line : n;
  for (int64_t from = 0; from < n; from += run) {{
    const int64_t to = MIN(n, from + run);
    for (int64_t i = from; ahead && i < to; i += line) {{
{ahead}
    }}
#pragma omp simd
    for (int64_t i = from; i < to; ++i) {{
{body}
    }}
  }}
}}

static void task(void *context, int64_t begin, int64_t end) {{
  const struct job *job = context;
  int64_t low = 0, high = job->count - 1;
  while (low < high) {{
    const int64_t middle = (low + high) / 2;
    if (job->ends[middle] > begin) high = middle;
    else low = middle + 1;
  }}
  for (; begin < end; ++low) {{
    const int64_t first = low ? job->ends[low - 1] : 0, stop = MIN(end, job->ends[low]);
    if (stop > begin) part(job->table + low * {columns}, job->numbers + low * job->row, begin - first, stop - begin, job->ahead);
    begin = MAX(begin, stop);
  }}
}}

EXPORT void step(const int64_t *table, const double *numbers, int64_t row, const int64_t *ends, int64_t count) {{
  struct job job = {{table, numbers, row, ends, count, ends[count - 1] * {columns} * (int64_t)sizeof(T) >= {far}}};
  PARALLEL(task, &job, ends[count - 1], {grain});
}}
"""


def traced(
    rule: Callable[..., None], options: dict, numbers: Any, buffers: int
) -> tuple[Run, list[tuple], list[str], list[Element]]:
    """A rule run on expressions: the run, where to find the numbers that it takes, and its elements by name.

    These are paths, ("lr",) or ("betas", 0) into the options, ("", 0) into the rule's own numbers.
    """
    run, paths = Run(), []

    def symbol(value: Any, path: tuple) -> Any:
        if type(value) is tuple:
            return tuple([symbol(v, (*path, i)) for i, v in enumerate(value)])
        if type(value) not in (int, float):
            return value
        paths.append(path)
        return Number(ir.param(f"p{len(paths) - 1}"), value)

    group = {name: symbol(value, (name,)) for name, value in options.items()}
    given = symbol(numbers, ("",))
    names = [f"x{i}" for i in range(2 + buffers)]
    elements = [Element(run, ir.var(n)) for n in names]
    rule(run, group, given, *elements)
    return run, paths, names, elements


def kernel_text(rule: Callable[..., None], options: dict, numbers: Any, buffers: int, real: str) -> tuple[str, list]:  # fmt: skip
    """The C file of a rule for options and numbers of this kind, and where to find the numbers that it takes (`traced`)."""
    run, paths, names, elements = traced(rule, options, numbers, buffers)
    dtype = {"float": "float32", "double": "float64"}[real]

    lines = []
    spelled = {f"p{i}": f"p[{i}]" for i in range(len(paths))}
    for name, expr in run.met.values():
        made = c_statements([expr], spelled, {}, "float64")
        lines.append("  T " + name + "; {")
        lines += ["    " + line for line in made.lines]
        lines.append(f"    {name} = (T){made.values[0][0]}; }}")
    changed = [(n, e.expr) for n, e in zip(names, elements) if not _is_var(e.expr, n)]
    read = set().union(*(e.variables() for _, e in changed))
    known = {n: n for n in names} | {name: name for name, _ in run.met.values()}
    made = c_statements([e for _, e in changed], known, dict.fromkeys(names, dtype), dtype)
    body = [f"      const T {n} = a{i}[i];" for i, n in enumerate(names) if n in read]
    body += ["      " + line for line in made.lines]
    body += [f"      a{n[1:]}[i] = {value};" for (n, _), (value, _) in zip(changed, made.values)]
    used = read | {n for n, _ in changed}
    arrays = [f"  T *a{i} = (T *)(intptr_t)a[{i}] + at;" for i, n in enumerate(names) if n in used]
    written = {n for n, _ in changed}
    ahead = [f"      __builtin_prefetch(a{i} + i + far, {int(n in written)});" for i, n in enumerate(names) if n in used]  # fmt: skip
    text = _TEXT.format(
        real=real, columns=len(names), grain=lists.GRAIN, far=FAR, numbers="\n".join(lines), arrays="\n".join(arrays),
        ahead="\n".join(ahead), body="\n".join(body),
    )  # fmt: skip
    return native._with_headers(text, set()), paths


def _is_var(expr: ir.Expr, name: str) -> bool:
    return expr.op == "var" and expr.value == name


def _bound(text: str) -> Callable[..., None]:
    """The function `step` of a compiled text; CompileError where there is none."""
    lib = library.load(text)
    services = threads.pool().fb_services
    services.restype = ctypes.c_void_p
    lib.fb_bind.argtypes = [ctypes.c_void_p]
    lib.fb_bind(services())
    function = lib.step
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    function.restype, function.argtypes = None, [pointer, pointer, number, pointer, number]
    return function


def _kind(value: Any) -> Any:
    """What of an option or a number selects the kernel: all of it, but of numbers only whether they are 0 or 1."""
    if type(value) in (int, float):
        return 0 if value == 0 else 1 if value == 1 else 2
    if type(value) is tuple:
        return tuple([_kind(v) for v in value])
    if value is None or type(value) in (bool, str):
        return value
    raise Unfit(f"an option of class {type(value).__name__}")


_kernels: dict[Any, tuple[Callable[..., None], list]] = {}


def _kernel(rule: Any, options: dict, kinds: Any, numbers: Any, buffers: int, real: str) -> Any:
    key = (rule, kinds, _kind(numbers), buffers, real)
    found = _kernels.get(key)
    if found is None:
        text, paths = kernel_text(rule, options, numbers, buffers, {"float32": "float", "float64": "double"}[real])  # fmt: skip
        found = _kernels[key] = (_bound(text), paths)
    return found


# -- groups


def _same(value: Any, given: Any) -> bool:
    """Whether an option was given as the value that a step reads: no tensor, and nothing that may change in place."""
    if type(given) is tuple:  # betas
        return len(value) == len(given) and all(map(is_, value, given))
    return value is given


class Plan:
    """What is kept of a group between steps."""

    def __init__(self, group: dict[str, Any]) -> None:
        self.group, self.steps, self.ready, self.refused = group, 0, False, False
        self.listed: lists.Listed | None = None
        self.values: Any = (
            None  # the options as they were at the last step, and what follows from them
        )
        self.seen: tuple[Any, ...] = ()  # the group's objects, of which most steps find the same
        self.options: dict[str, Any] = {}
        self.names: tuple[str, ...] = ()
        self.kinds: Any = None
        self.call: tuple[Any, ...] | None = None  # the last one, where all steps are alike
        self.lock = threading.Lock()  # threads that share an optimizer step one after another

    def due(self) -> bool:
        """Whether the group is large, or has been stepped often enough."""
        self.steps += 1
        if self.steps > STEPS or sum(p.numel() for p in self.group["params"]) >= LARGE:
            self.ready = lists.readable()
            self.refused = not self.ready
        return self.ready

    def step(self, optimizer: Any) -> bool:
        """Steps the group; False, with nothing changed, where the rule itself must."""
        self._look_at_options(optimizer)
        found = self._found(optimizer)
        if found is None:
            return False
        stepped, states, steps, columns = found  # which keeps the arrays while C works on them
        if not stepped:
            return True
        listed = self._listed_for(stepped)
        if listed is None:
            return False
        if not listed.survey(_ids(columns)):
            columns[1] = list(map(_in_rows, columns[1]))
            if not listed.survey(_ids(columns)):
                self.listed = None
                return False
        if not self._moved(optimizer, listed, states, list(map(id, steps))):
            return False
        for p in stepped:
            box = p._box
            if box is None:
                p._bump()
            else:
                box.written += 1
        return True

    def _look_at_options(self, optimizer: Any) -> None:
        """Reads the group's options where they changed since."""
        group = self.group
        if self.values is not None and len(group) == len(self.seen):
            if all(map(is_, group.values(), self.seen)):
                return
        self.seen = tuple(group.values())
        given = [v for k, v in group.items() if k != "params" and k != "param_names"]
        if self.values is not None and given == self.values:
            return
        keys = [k for k in group if k != "params" and k != "param_names"]
        values = [scalar(v) for v in given]
        self.call = None
        self.options = dict(zip(keys, values))
        self.kinds = tuple([_kind(v) for v in values])
        self.names = optimizer._buffers(self.options)
        # A tensor's value may change in place, and comparing it is no comparison.
        plain = all(map(_same, values, given))
        self.values = given if plain else None

    def _found(self, optimizer: Any) -> Any:
        """Parameters with gradients, their states, their step counts, and the columns of arrays; None where one is no plain array."""
        names, state = self.names, optimizer.state
        try:
            stepped = [p for p in self.group["params"] if p.grad is not None]
            states = [state[p] for p in stepped] if names else []
            columns = [[p._array for p in stepped], [p._grad._array for p in stepped]]
            columns += [[s[n]._array for s in states] for n in names]
            steps = [s["step"]._array for s in states] if optimizer._counts_steps else []
        except (AttributeError, KeyError):  # a first step, a sparse gradient, a wrapper
            return None
        return stepped, states, steps, columns

    def _listed_for(self, params: list) -> lists.Listed | None:
        columns, listed = 2 + len(self.names), self.listed
        if listed is None or listed.columns != columns:
            dtype = params[0]._array.dtype.name
            if dtype not in lists.PARTS:
                return None
            listed = self.listed = lists.Listed(dtype, columns, 1)
        return listed

    def _moved(self, optimizer: Any, listed: lists.Listed, states: list, counts: list[int]) -> bool:
        """Counts the step and makes it."""
        now, alike = None, True
        if counts:
            now, alike = listed.advance(counts)
            if now is None:
                return False
        own = optimizer._own_numbers
        before = [(s[n], s[n].item()) for n in own for s in states] if own else ()
        try:
            if alike and not own:
                calls = [self._call(optimizer, listed, now, states)]
            else:
                calls = self._calls(optimizer, listed, now, states)
        except (CompileError, Unfit):
            for state in states if counts else ():
                state["step"] -= 1
            for number, value in before:
                number.fill_(value)
            raise
        for function, *arguments in calls:
            function(*arguments)
        return True

    def _call(self, optimizer: Any, listed: lists.Listed, now: Any, states: list) -> tuple:
        """The native call of a step whose numbers are those of all parameters; what stays from step to step is kept."""
        state, step = states[0] if states else {}, None if now is None else now[0]
        numbers, call = optimizer._numbers(self.options, state, step, False), self.call
        if call is None or call[0] is not listed.functions or numbers != call[1]:
            function, paths = _kernel(
                optimizer._rule, self.options, self.kinds, numbers, listed.columns - 2, listed.real
            )
            values = _doubles(_values(paths, self.options, numbers))
            call = self.call = listed.functions, numbers, function, values
        return call[2], listed.at, call[3], 0, listed.ends_at, listed.rows

    def _calls(self, optimizer: Any, listed: lists.Listed, now: Any, states: list) -> list[tuple]:
        """The native calls of a step whose numbers differ: one, where they are of one kind."""
        options, rule, rows = self.options, optimizer._rule, listed.rows
        made = []
        for i in range(rows):
            state, step = states[i] if states else {}, None if now is None else now[i]
            numbers = optimizer._numbers(options, state, step, False)
            function, paths = _kernel(
                rule, options, self.kinds, numbers, listed.columns - 2, listed.real
            )
            made.append((function, _values(paths, options, numbers)))
        function, first = made[0]
        if all(f is function for f, _ in made):
            every = [v for _, values in made for v in values]
            return [(function, listed.table, _doubles(every), len(first), listed.ends, rows)]
        table, before, calls = ctypes.addressof(listed.table), 0, []
        for i, (function, values) in enumerate(made):
            size, before = listed.ends[i] - before, listed.ends[i]
            if size:
                row = table + 8 * i * listed.columns
                calls.append((function, row, _doubles(values), 0, (ctypes.c_int64 * 1)(size), 1))
        return calls


def _values(paths: list, options: dict[str, Any], numbers: Any) -> list[float]:
    """The numbers at these paths."""
    found = []
    for path in paths:
        value = numbers if path[0] == "" else options[path[0]]
        for i in path[1:]:
            value = value[i]
        found.append(value)
    return found


def _doubles(values: list[float]) -> Any:
    return (ctypes.c_double * max(1, len(values)))(*values)


def _ids(columns: list[list[Any]]) -> list[int]:
    """The `id` of each array, row after row."""
    ids = [0] * (len(columns) * len(columns[0]))
    for i, column in enumerate(columns):
        ids[i :: len(columns)] = map(id, column)
    return ids


def _in_rows(g: Any) -> Any:
    """A gradient that lies in order, by a copy where it lies otherwise."""
    return np.ascontiguousarray(g) if type(g) is np.ndarray and not g.flags.c_contiguous else g


def step(optimizer: Any, group: dict[str, Any]) -> bool:
    """Steps a group natively; False, with nothing changed, where the rule itself must do it."""
    plans = optimizer.__dict__.setdefault("_plans", {})
    plan = plans.get(id(group))
    if plan is None or plan.group is not group:
        alive = set(map(id, optimizer.param_groups))  # loading a state makes new groups
        for old in [key for key in plans if key not in alive]:
            del plans[old]
        plan = plans[id(group)] = Plan(group)
    if plan.refused or not (plan.ready or plan.due()):
        return False
    try:
        with plan.lock:
            return plan.step(optimizer)
    except (CompileError, Unfit):
        plan.refused = True
        return False
