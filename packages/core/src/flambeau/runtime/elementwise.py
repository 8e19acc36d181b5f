"""What is derived from an elementwise operator's scalar expression: kernel, shapes kept, gradient rules.

An operator with string or bool arguments has one expression per value of these (a `Program`), made when first met.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import ir
from .._base import dtypes
from . import state, tape
from .operator import Operator, registry
from .tensor import Tensor, alias, new

ndarray = np.ndarray
local = state.local


class Program:
    """One expression of an operator: `arrays` and `params` are the names it reads.

    Without `attrs` the defaults are constants in it, so that the usual call has the simplest expression.
    """

    def __init__(self, op: Operator, arrays: tuple[str, ...], attrs: dict[str, Any]) -> None:
        self.op, self.arrays = op, arrays
        self.params = tuple(n for n, v in attrs.items() if symbolic(v))
        attrs = attrs or {n: op.defaults[i] for i, n in op.attrs}
        self.fixed = {n: v for n, v in attrs.items() if not symbolic(v)}
        values = {n: ir.var(n) for n in arrays} | {n: ir.param(n) for n in self.params} | self.fixed
        self.expr: ir.Expr = ir.as_expr(op.body(**values))
        # float16 and bfloat16 are computed in float32 then: each step of the expression would round
        self.compound = any(a.op != "var" for a in self.expr.args)
        self._kernel: Callable[..., Any] | None = None
        self._small: Callable[..., Any] | None = None
        self._into: Callable[..., Any] | None = None
        self._partials: tuple[ir.Expr | None, ...] | None = None
        self._reads: dict[tuple[bool, ...], set[str]] = {}
        self.raw: Callable[..., Any] | None = (
            None  # the gradient rule on raw arrays, compiled when first needed
        )

    @property
    def kernel(self) -> Callable[..., Any]:
        if self._kernel is None:
            self._kernel = ir.numpy_function(self.expr, (*self.arrays, *self.params))
        return self._kernel

    @property
    def wants_ufunc(self) -> bool:
        """Whether NumPy would make several calls of the expression, or calls of what it lacks."""
        expr = self.expr
        if not expr.args or self.op.tags.get("series"):
            return False
        if any(node.op == "tanh" for node in expr.walk()):
            return False  # C's is a unit in the last place off near 0, which `x - tanh(x)` shows
        return self.compound or not isinstance(getattr(np, ir.scalars[expr.op].numpy, None), np.ufunc)  # fmt: skip

    @property
    def small(self) -> Callable[..., Any]:
        """The expression of NumPy arrays all of float32 or all of float64 (and numbers, for the parameters), in one call.

        A backend's ufunc where NumPy has none; without that backend, or where there is but one call to make, NumPy's functions.
        """
        if self._small is None:
            made = as_ufunc(self) if self.wants_ufunc else None
            if made is None:
                self._small = small_function(self)
            else:
                self._small = with_params(made, len(self.arrays), len(self.params))
        return self._small

    @property
    def into(self) -> Callable[..., Any]:
        """The same written into an array: `into(*arrays, *numbers, target)`, the numbers as arrays of float64; the target may be among the arrays."""
        if self._into is None:
            self._into = writer_of(self)
        return self._into

    @property
    def partials(self) -> tuple[ir.Expr | None, ...]:
        """d out / d array, over the arrays, the parameters and `out`."""
        if self._partials is None:
            given = self.op.tags.get("partials")
            if given is None:
                found = ir.derive(self.expr, self.arrays)
                self._partials = tuple(found[n] for n in self.arrays)
            else:
                values = (
                    {n: ir.var(n) for n in self.arrays}
                    | {n: ir.param(n) for n in self.params}
                    | self.fixed
                )
                rows = given(ir.var("out"), **values)
                self._partials = tuple(None if r is None else ir.as_expr(r) for r in rows)
        return self._partials

    @property
    def reads(self) -> set[str]:
        """Names whose values some partial reads: what must be kept for backward."""
        return self.reads_where(tuple([True] * len(self.arrays)))

    def reads_where(self, needs: tuple[bool, ...]) -> set[str]:
        """The same for the partials of some arrays only: `x * 2` does not keep `x`, which may be written then."""
        found = self._reads.get(needs)
        if found is None:
            wanted = [p for p, need in zip(self.partials, needs) if need and p is not None]
            found = self._reads[needs] = set().union(*(p.variables() for p in wanted))
        return found


# A backend's ufunc for a program, or None: `backends.cpu.expressions.ufunc_of`.
as_ufuncs: list[Callable[[Program], Any]] = []


def as_ufunc(program: Program) -> Any:
    """The ufunc that a backend makes of a program; None where there is none."""
    return as_ufuncs[0](program) if as_ufuncs else None


def small_function(program: Program) -> Callable[..., Any]:
    """The expression as NumPy calls whose constants are arrays."""
    from .backend import of_device

    expr, last = program.expr, len(program.arrays) - 1
    source = ir.numpy_text(expr, (*program.arrays, *program.params), number=_constant)
    scope: dict[str, Any] = {"inf": float("inf"), "nan": float("nan"), **_CONSTANTS}
    exec(compile(source, f"<kernel {expr!r:.60}>", "exec"), scope)  # noqa: S102  (our own text)
    kernel = partial(scope["kernel"], of_device("cpu").xp)
    if program.op.result == "bool" or not any(node.op == "where" for node in expr.walk()):
        return kernel

    def call(*given: Any) -> Any:  # a choice between two numbers knows no dtype
        made = kernel(*given)
        d = given[last].dtype
        return made if made.dtype is d else np.asarray(made, d)

    return call


def with_params(ufunc: Any, arrays: int, params: int) -> Callable[..., Any]:
    """`ufunc(*arrays, *params)` for parameters that are Python numbers: doubles, as arrays, of which NumPy makes less ado."""
    if not params:
        return ufunc
    known: dict[float, ndarray] = {}

    def double(value: float) -> ndarray:
        made = np.asarray(float(value))
        if value and len(known) < 4096:  # 0.0 and -0.0 are one key
            known[value] = made
        return made

    find = known.get
    call: Any
    if (arrays, params) == (1, 1):

        def call(x: Any, p: float) -> Any:
            found = find(p)
            return ufunc(x, double(p) if found is None else found)

    else:

        def call(*given: Any) -> Any:
            doubles = [double(p) if (found := find(p)) is None else found for p in given[arrays:]]
            return ufunc(*given[:arrays], *doubles)

    call.ufunc = ufunc
    return call


def writer_of(program: Program) -> Callable[..., Any]:
    """`Program.into`: a ufunc writes where it is told; other functions' results are copied."""
    expr, small, count = program.expr, program.small, len(program.arrays)
    made = getattr(small, "ufunc", small)
    if isinstance(made, np.ufunc):
        return made
    ufunc = getattr(np, ir.scalars[expr.op].numpy, None) if expr.op in ir.scalars else None
    given = [a.value if a.op == "var" else None for a in expr.args]
    if isinstance(ufunc, np.ufunc) and given == list(program.arrays):
        return ufunc

    def copied(*given: Any) -> None:
        np.copyto(given[-1], small(*given[:count], *[x.item() for x in given[count:-1]]))

    return copied


def symbolic(value: Any) -> bool:
    """Whether a static argument may stay a symbol in the expression: a number that is not a bool."""
    return isinstance(value, (int, float, complex)) and not isinstance(value, bool)


def give_partials(op: Operator, given: Callable[..., tuple]) -> Callable[..., tuple]:
    """`@f.partials`: a better form than the derived one. Called as `given(out, **arrays_and_attrs)`."""
    names = given.__code__.co_varnames[
        1 : given.__code__.co_argcount + given.__code__.co_kwonlyargcount
    ]
    takes_all = bool(given.__code__.co_flags & 8)

    def call(out: Any, **values: Any) -> tuple:
        return given(out, **(values if takes_all else {n: values[n] for n in names}))

    op.tags["partials"] = call
    return given


class ElementwiseRule:
    """The operator's programs, its kernel, and its gradient rule."""

    large: Any = (
        None  # a backend's gradients for large arrays: (node, g, needs) -> tensors, or None
    )
    large_from = 1 << 62  # the number of elements from which it is asked

    def __init__(self, op: Operator) -> None:
        self.op = op
        self.names = tuple(op.params[i] for i in op.arrays)
        self._programs: dict[Any, Program] = {}
        self._plain: Program | None = None

    def program(self, attrs: dict[str, Any]) -> Program:
        """The program for these static arguments."""
        if not attrs:
            if self._plain is None:
                self._plain = Program(self.op, self.names, attrs)
            return self._plain
        key = tuple([None if symbolic(v) else (v,) for v in attrs.values()])
        found = self._programs.get(key)
        if found is None:
            found = self._programs[key] = Program(self.op, self.names, attrs)
        return found

    def kernel(self, xp: Any, *arrays: Any, **attrs: Any) -> Any:
        """The expression on raw arrays, in the result's dtype."""
        program = self.program(attrs)
        found = input_dtype(arrays)
        if (found is _F32 or found is _F64) and (
            made := self.on_floats(program, arrays, attrs, found)
        ) is not None:
            return made
        if found.itemsize == 2 and is_half(found):
            if program.compound or (
                program.expr.op in EXACT_NUMBERS and any(isinstance(a, float) for a in arrays)
            ):
                arrays = tuple([widened(a) for a in arrays])
            elif found.kind == "V" and all(type(a) is ndarray for a in arrays):
                if arrays[-1].size >= SLOW and program.expr.op not in QUICK:
                    arrays = tuple([widened(a) for a in arrays])
        made = program.kernel(xp, *arrays, *[attrs[p] for p in program.params])
        result = self.op.result
        expected = _BOOL if result == "bool" else result(found) if callable(result) else found
        if getattr(made, "dtype", None) is not expected:
            made = xp.asarray(made, dtype=expected)
        return made

    def on_floats(
        self, program: Program, arrays: tuple, attrs: dict[str, Any], found: np.dtype
    ) -> Any:
        """The expression of NumPy arrays of one float dtype, some of which may be numbers; None where they are others."""
        given = []
        for a in arrays:
            if type(a) is float or type(a) is int:
                a = np.asarray(a, found)
            elif type(a) is not ndarray or (a.dtype is not found and a.dtype is not _BOOL):
                return None
            given.append(a)
        params = [attrs[p] for p in program.params]
        for p in params:
            if type(p) is not float and type(p) is not int:
                return None
        expected = _BOOL if self.op.result == "bool" else found
        if callable(self.op.result):
            return None
        made = program.small(*given, *params)
        return (
            made if getattr(made, "dtype", None) is expected else np.asarray(made, dtype=expected)
        )

    # -- the tape's side ----------------------------------------------------------------------------------------------

    def keep(self, node: tape.Node, out: Any, arrays: tuple) -> None:
        """Keeps what the partials read, and shapes where inputs were broadcast."""
        node.same = False
        program = self.program(node.attrs)
        reads = program.reads_where(tuple([edge is not None for edge in node.edges]))
        saved, versions = [], []
        for name, a in zip(self.names, arrays):
            if isinstance(a, Tensor) and name not in reads:
                saved.append(a._meta)
                versions.append(0)
            else:
                saved.append(a)
                versions.append(tape.version_of(a) if isinstance(a, Tensor) else 0)
        node.saved, node.versions = tuple(saved), tuple(versions)
        if "out" in reads:
            tape.keep_result(node, out, "tensor")

    def fast(self, node: tape.Node, g: Tensor, needs: tuple) -> Sequence[Any]:
        """As `pullback` where nothing is recorded or traced: on raw arrays if everything is plain."""
        ga = getattr(g, "_array", None)
        if (
            type(ga) is ndarray
            and node.saved is not tape.FREED
            and ((d := ga.dtype) is _F32 or d is _F64 or d.kind != "c")
        ):
            if ga.size >= self.large_from:
                made = self.large(node, g, needs)
                if made is not None:
                    return made
            if d is not _F32 and d is not _F64 and is_half(d):
                return self.pullback(node, g, needs)
            program = self._plain if not node.attrs else self.program(node.attrs)
            if program is None:
                program = self.program({})
            raw = program.raw
            if raw is None:
                raw = program.raw = compile_raw(program)
            result = raw(node, g, ga, needs)
            if result is not None:
                return result
        return self.pullback(node, g, needs)

    def pullback(self, node: tape.Node, g: Tensor, needs: tuple) -> Sequence[Any]:
        """Gradients by the partials, evaluated with operators on tensors."""
        if local.modes and (known := getattr(local.modes[-1], "gradient", None)) is not None:
            made = known(self, node, g, needs)
            if made is not None:
                return made
        program = self.program(node.attrs)
        saved = tape.unpack(node)
        out = tape.unpack_result(node)
        narrow = g.dtype if g.dtype in HALVES else None
        if narrow is not None:  # rounded once, at the end, as the result was
            g, out = in_float32(g), in_float32(out)
            saved = tuple([in_float32(a) for a in saved])
        values = dict(zip(self.names, saved)) | node.attrs | {"out": out}
        result: list[Any] = []
        call = operators_like(g)
        for p, a, need in zip(program.partials, saved, needs):
            if not need:
                result.append(None)
                continue
            if (
                p is None
            ):  # flat almost everywhere (floor, sign): zero, as PyTorch says, not "no gradient"
                gi = g * 0
                gi = gi if node.same else sum_to(gi, a)
                result.append(gi if narrow is None else gi.to(narrow))
                continue
            factor = ir.evaluate(p, values, call)
            if isinstance(factor, Tensor) and factor.dtype.is_complex:
                factor = factor.conj()
            elif isinstance(factor, complex):
                factor = factor.conjugate()
            gi = g if _is_one(factor) else g * factor
            gi = gi if node.same else sum_to(gi, a)
            result.append(gi if narrow is None else gi.to(narrow))
        return result

    def jvp(self, tangents: Sequence[Any], out: Any, arrays: tuple, attrs: dict[str, Any]) -> Any:
        """The forward rule from the same partials."""
        program = self.program(attrs)
        narrow = out.dtype if out.dtype in HALVES else None
        if narrow is not None:  # as in `pullback`
            arrays, tangents = (tuple(map(in_float32, x)) for x in (arrays, tangents))
        values = dict(zip(self.names, arrays)) | attrs | {"out": in_float32(out)}
        total: Any = None
        for p, t in zip(program.partials, tangents):
            if t is None or p is None:
                continue
            factor = ir.evaluate(p, values, operators_like(t))
            term = t if _is_one(factor) else t * factor
            total = term if total is None else total + term
        if total is None:
            return registry["zeros_like"].public(out)
        if narrow is not None:
            total = total.to(narrow)
        return total if total.shape == out.shape else total.expand(out.shape)


INTO = 1 << 15  # elements from which a backend is asked to write a result into its target


def into(op: Operator, target: ndarray, *given: Any, **attrs: Any) -> bool:
    """Has a backend write the operator's result into the raw array `target`; False, and nothing done, where none can.

    `target` may be one of the operands; what overlaps it otherwise is refused.
    """
    found = op.providers.get("cpu")
    if type(found) is not list:
        return False
    for x in given:
        if type(x) is ndarray and x is not target and np.may_share_memory(x, target):
            return False
    for _, kernel in found:
        write = getattr(kernel, "into", None)
        if write is not None:
            return write(target, *given, **attrs)
    return False


# Elements from which bfloat16 is computed as arrays of float32: NumPy's loops take 1 to 11 ns an element.
SLOW = 1 << 9
QUICK = ("neg", "abs", "where")  # but for these
# Scalar functions in which a Python number beside float16 or bfloat16 is not rounded to these first.
EXACT_NUMBERS = ("add", "sub", "mul", "div")
HALVES = (dtypes.float16, dtypes.bfloat16)


def is_half(d: np.dtype) -> bool:
    """Whether a NumPy dtype is float16 or bfloat16 (which NumPy calls void)."""
    return d.itemsize == 2 and d.kind in "fV"


def widened(a: Any) -> Any:
    """A raw array of float16 or bfloat16 as float32; anything else as it is."""
    d = getattr(a, "dtype", None)
    return a if d is None or not is_half(d) else a.astype(_F32)


def in_float32(t: Any) -> Any:
    """The same for tensors."""
    return (
        registry["to_dtype"].public(t, dtypes.float32)
        if isinstance(t, Tensor) and t.dtype in HALVES
        else t
    )


def in_opmath(rule: Callable[..., Tensor], g: Tensor, *tensors: Any) -> Tensor:
    """A gradient rule with float16 and bfloat16 computed in float32, and the gradient rounded once."""
    if g.dtype not in HALVES:
        return rule(g, *tensors)
    made = rule(in_float32(g), *map(in_float32, tensors))
    return registry["to_dtype"].public(made, g.dtype)


def rounded_once(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a primitive's kernel on raw arrays: whatever comes back in float32 goes back to the half."""

    def call(xp: Any, *arrays: Any, **attrs: Any) -> Any:
        half = next((a.dtype for a in arrays if is_half(getattr(a, "dtype", _F32))), None)
        if half is None:
            return kernel(xp, *arrays, **attrs)
        made = kernel(xp, *map(widened, arrays), **attrs)
        if type(made) is tuple:
            return tuple([m.astype(half) if m.dtype == _F32 else m for m in made])
        return made.astype(half) if made.dtype == _F32 else made

    return call


def input_dtype(arrays: Sequence[Any]) -> np.dtype:
    """The dtype of raw operands after promotion: that of the last array, or of the first number."""
    for a in reversed(arrays):
        if hasattr(a, "dtype"):
            return a.dtype
    return dtypes.of_number(next(a for a in arrays if a is not None)).numpy


_BOOL, _F32, _F64 = np.dtype(bool), np.dtype("float32"), np.dtype("float64")


def _is_one(x: Any) -> bool:
    return not isinstance(x, Tensor) and x == 1


def operators_like(like: Tensor) -> Callable[[str, list], Any]:
    """`call_operator` for a derivative of tensors like `like`: a choice between two numbers has its dtype."""

    def call(name: str, args: list) -> Any:
        if name == "where" and isinstance(args[0], bool):  # decided by numbers: x ** 0
            return args[1 if args[0] else 2]
        if name == "where" and not any(isinstance(a, Tensor) for a in args[1:]):
            number = registry["fill_new"].public
            args = [
                args[0],
                *(
                    number(shape=(), value=a, dtype=like.dtype, device=like.device)
                    for a in args[1:]
                ),
            ]
        return call_operator(name, args)

    return call


# Complex numbers have no order: where a derivative asks for it (pow's, of its exponent), it means the real parts.
ORDER = ("lt", "le", "gt", "ge")


def call_operator(name: str, args: list) -> Any:
    """A scalar function on tensors: the operator of its name. All-number calls stay numbers."""
    if any(isinstance(a, Tensor) for a in args):
        if name in ORDER:
            args = [a.real if isinstance(a, (Tensor, complex)) else a for a in args]
        return registry[name].inner(*args)
    from .backend import of_device

    return getattr(of_device("cpu").xp, ir.scalars[name].numpy)(*args).item()


def sum_to(g: Tensor, like: Any) -> Tensor:
    """`g` summed over what broadcasting added, so that it has the shape of `like` (a tensor, a Meta or a number)."""
    shape = like.shape if isinstance(like, Tensor) or hasattr(like, "shape") else ()
    if g.ndim == len(shape) and tuple(g.shape) == tuple(shape):
        return g
    return registry["sum_to_size"].public(g, tuple(shape))


def raw_source(program: Program) -> str:
    """Python text of the raw gradient rule: NumPy calls only, one branch per input, nothing looked up twice."""
    names, count = program.arrays, len(program.arrays)
    reads = program.reads
    lines = [
        "def raw(node, g, ga, needs):",
        f"    {', '.join(f's{i}' for i in range(count))}, = node.saved",
    ]
    for i, n in enumerate(names):
        if n in reads:
            lines += [
                f"    {n} = getattr(s{i}, '_array', s{i})",
                f"    if {n} is s{i}:",
                f"        if isinstance({n}, Tensor): return None",
                f"        if type({n}) in numbers: {n} = asarray({n}, ga.dtype)",
                f"    elif s{i}._box is not None: check(s{i}, {i}, node)",
            ]
    lines += [f"    {p} = asarray(node.attrs[{p!r}], ga.dtype)" for p in program.params]
    lines.append(f"    {' = '.join(f'r{i}' for i in range(count))} = None")
    for i, p in enumerate(program.partials):
        if p is None:
            lines.append(
                f"    if needs[{i}]: r{i} = fit(ga * 0, None if node.same else s{i}, ga, None)"
            )
            continue
        body = ir.numpy_text(ir.var("ga") * p, (), number=_constant).splitlines()[1:]
        lines.append(f"    if needs[{i}]:")
        if "out" in p.variables():  # kept only where this partial is wanted
            lines += [
                "        (kept,), (version,), _ = node.out",
                "        if kept._box.version != version: modified(kept, version, node)",
                "        out = kept._array",
            ]
        lines += ["    " + line for line in body[:-1]]
        value = body[-1].strip().removeprefix("return ")
        if value == "ga":
            lines.append(f"        r{i} = g if node.same else fit(ga, s{i}, ga, g)")
        else:
            lines += [
                f"        if node.same and type({value}) is ndarray and {value}.dtype is ga.dtype:",
                f"            r{i} = new(Tensor)",
                f"            r{i}._array = {value}",
                f"        else: r{i} = fit({value}, None if node.same else s{i}, ga, None)",
            ]
    lines.append(f"    return {', '.join(f'r{i}' for i in range(count))},")
    return "\n".join(lines).replace("xp.", "xp_") + "\n"


_CONSTANTS: dict[str, Any] = {}


def _constant(value: Any) -> str:
    """A number as the name of a 0-d array, where one loses nothing: NumPy takes twice as long over Python's numbers."""
    if type(value) not in (int, float) or abs(value) > 1 << 20 or float(np.float32(value)) != value:
        return repr(value)
    name = "c" + repr(float(value)).replace(".", "_").replace("-", "m").replace("e", "x")
    _CONSTANTS.setdefault(name, np.asarray(value, dtype=np.float32))
    return name


def _check(tensor: Tensor, position: int, node: tape.Node) -> None:
    version = 0 if node.versions is None else node.versions[position]
    if tensor._box.version != version:  # type: ignore[union-attr]
        tape.modified(tensor, version, node)


def compile_raw(program: Program) -> Callable[..., Any]:
    """The function of `raw_source`, with the array functions it calls bound."""
    from .backend import of_device

    source = raw_source(program)
    xp = of_device("cpu").xp
    scope: dict[str, Any] = {
        "Tensor": Tensor,
        "asarray": np.asarray,
        "numbers": frozenset((bool, int, float)),
        "check": _check,
        "fit": _fit,
        "inf": float("inf"),
        "modified": tape.modified,
        "nan": float("nan"),
        "ndarray": ndarray,
        "new": new,
        **_CONSTANTS,
    }
    for name in {s.numpy for s in ir.scalars.values()}:
        if f"xp_{name}(" in source:
            scope[f"xp_{name}"] = getattr(xp, name)
    exec(compile(source, f"<gradient of {program.op.name}>", "exec"), scope)  # noqa: S102  (text we just made)
    made = scope["raw"]
    made.source = source
    return made


def _fit(made: Any, like: Any, ga: Any, g: Tensor | None) -> Tensor:
    """A raw gradient in the dtype of `ga` and the shape of `like` (None: it has it), as a tensor."""
    if type(made) is not ndarray:
        made = np.asarray(made)
    if made.dtype is not ga.dtype:
        made = made.astype(ga.dtype)
    if like is not None:
        shape = tuple(like.shape)
        if made.shape != shape:
            made = sum_array(made, shape)
        elif g is not None:
            return g
    t = new(Tensor)
    t._array = made
    return t


def sum_array(array: Any, shape: tuple[int, ...]) -> Any:
    """A raw array summed to `shape`, undoing broadcasting."""
    extra = array.ndim - len(shape)
    if extra < 0:  # the gradient itself was broadcast
        return np.broadcast_to(array, shape)
    axes = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and array.shape[i + extra] != 1
    )
    summed = array.sum(axis=axes) if axes else array
    return np.asarray(summed).reshape(shape)


__all__ = ["ElementwiseRule", "Program", "alias", "give_partials", "sum_array", "sum_to"]
