"""Every elementwise operator that has a C spelling, compiled, equals its NumPy kernel.

Contiguous and strided, broadcast, 0-d, empty, odd sizes, NaN, infinities and zeros of both signs.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import flambeau  # noqa: F401  (fills the registry)
from flambeau import ir, ops
from flambeau.backends.cpu import available, kernel
from flambeau.runtime.dispatch import backends
from flambeau.runtime.operator import MISSING, registry

pytestmark = pytest.mark.skipif(not available(), reason="no C compiler on this machine")

ops.load_all()

# Operators whose C text is defined on integers and bools alone, and those whose inputs become bool.
ON_INTEGERS = {
    n for n, op in registry.items() if op.family == "elementwise" and not op.takes("float")
}
TAKE_BOOLS = {n for n in ON_INTEGERS if registry[n].takes("bool")}
ON_BOOLS = {"logical_and", "logical_or", "logical_xor", "logical_not"}
ELEMENTWISE = sorted(n for n, op in registry.items() if op.family == "elementwise")
FLOATS = [n for n in ELEMENTWISE if n not in ON_INTEGERS | ON_BOOLS]
# What static arguments without a default, or with one that hides half of the operator, are tested with.
ATTRS = {
    "clamp_number": [{"min": -0.5, "max": 1.0}, {"min": None, "max": 0.5}],
    "gelu": [{"approximate": "none"}, {"approximate": "tanh"}],
    "add": [{"alpha": 1}, {"alpha": 3}],
    "round": [{"decimals": 0}],
}
# Units in the last place between NumPy and C, where more than the usual few: what cancels (1 + erf, ...) cancels
# differently, so that there the scale is the largest magnitude that entered.
# Near a zero what is left after a cancellation has fewer digits: of C, whose products and sums are one rounding, others.
ZEROS = {"_lgamma", "_digamma", "_special_airy_ai"} | {n for n in registry if "bessel_" in n}
CANCELLING = {"gelu", "tanhshrink", "logaddexp", "logaddexp2"} | ZEROS


def attrs_of(op) -> list[dict]:
    if op.name in ATTRS:
        return ATTRS[op.name]
    return [{p: 0.5 if op.defaults[i] is MISSING else op.defaults[i] for i, p in op.attrs}]


@cache
def compiled(name: str, dtypes: tuple[str, ...], which: int) -> tuple[kernel.Kernel, dict]:
    op = registry[name]
    attrs = attrs_of(op)[which]
    program = op.vjp_rule.program(attrs)
    result = "bool" if op.result == "bool" else dtypes[-1]
    made = kernel.compile_elementwise(
        {"out": program.expr}, dict(zip(program.arrays, dtypes)), program.params, {"out": result}
    )
    return made, {p: attrs[p] for p in program.params}


def check(name: str, arrays: list[np.ndarray]) -> None:
    op = registry[name]
    for which, attrs in enumerate(attrs_of(op)):
        made, params = compiled(name, tuple(a.dtype.name for a in arrays), which)
        before = [a.copy() for a in arrays]
        (got,) = made(*arrays, **params)
        with np.errstate(all="ignore"):
            want = np.asarray(op.kernels[None](backends.of_device("cpu").xp, *arrays, **attrs))
        assert got.dtype == want.dtype
        assert got.shape == want.shape
        compare(name, got, want)
        for a, b in zip(arrays, before):
            np.testing.assert_array_equal(a, b)


def compare(name: str, got: np.ndarray, want: np.ndarray) -> None:
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    eps = np.finfo(want.dtype).eps
    tiny = np.finfo(want.dtype).tiny
    atol = 8 * eps if name in CANCELLING else 8 * tiny
    np.testing.assert_allclose(got, want, rtol=16 * eps, atol=atol)


def inputs(name: str, dtype: str, make) -> list[np.ndarray]:
    op = registry[name]
    made = [np.asarray(make(k)).astype(dtype) for k in range(len(op.arrays))]
    if name == "where":
        made[0] = made[0] > 0
    return made


@pytest.mark.slow  # six compilations of 50 ms each where the cache is empty
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FLOATS)
def test_random_arrays_of_every_layout(name, dtype):
    rng = np.random.default_rng(7)

    def normal(*shape):
        return lambda k: rng.normal(size=shape) * 3

    for shape in [(1003,), (7, 33), (3, 5, 17), (), (0, 4), (1, 1)]:
        check(name, inputs(name, dtype, normal(*shape)))
    check(name, inputs(name, dtype, lambda k: rng.normal(size=(40, 31)).T * 3))
    check(name, inputs(name, dtype, lambda k: rng.normal(size=(12, 60))[::2, ::-3]))
    shapes = [(9, 1, 21), (4, 1), (9, 4, 21)]
    check(name, inputs(name, dtype, lambda k: rng.normal(size=shapes[k])))
    check(name, inputs(name, dtype, lambda k: rng.normal(size=(6, 50) if k else (50,))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FLOATS)
def test_special_values(name, dtype):
    tiny = np.finfo(dtype).tiny
    finite = [0.0, 1.0, 2.0, 3.0, 0.5, 100.0, 1000.0]
    special = [np.nan, np.inf, -np.inf, tiny, *finite, *(-v for v in finite)]
    n = len(special)
    values = [np.repeat(special, n), np.tile(special, n), np.tile(special[::-1], n)]
    if name in ("pow", "remainder", "fmod", "floor_divide"):
        values[0] = np.where(np.abs(values[0]) == tiny, 1.5, values[0])
    if name == "lerp":  # inf - inf inside: what NaN meets first differs, all is NaN
        values = [np.where(np.isfinite(v), v, 1.0) for v in values]
    check(name, inputs(name, dtype, lambda k: values[k]))


@pytest.mark.parametrize("name", sorted(ON_BOOLS | TAKE_BOOLS | {"eq", "maximum", "where"}))
def test_bools(name):
    a, b = np.array([False, False, True, True]), np.array([False, True, False, True])
    arrays = [a, b, ~b][: len(registry[name].arrays)]
    check(name, arrays)


INTEGERS = [
    "add",
    "sub",
    "mul",
    "neg",
    "abs",
    "sign",
    "square",
    "maximum",
    "minimum",
    "eq",
    "lt",
    "where",
    "relu",
]


@pytest.mark.parametrize(
    "name", [*INTEGERS, *sorted(ON_INTEGERS), "floor_divide", "remainder", "fmod"]
)
def test_integers(name):
    values = np.array([0, 1, -1, 7, -7, 3, -3, 2**40, -(2**63)])
    n = len(values)
    arrays = [np.repeat(values, n), np.tile(values, n), np.tile(values[::-1], n)][
        : len(registry[name].arrays)
    ]
    if name == "where":
        arrays[0] = arrays[0] > 0
    check(name, arrays)


def test_every_scalar_function_has_a_spelling_or_a_refusal():
    for name, row in ir.scalars.items():
        arity = row.c.count("{") if "{" in row.c else 2
        args = [ir.var(n) for n in "abc"[: 3 if name == "where" else max(1, arity)]]
        dtype = "int64" if name in ON_INTEGERS else "float64"
        types = dict.fromkeys("abc", dtype) | ({"a": "bool"} if name == "where" else {})
        made = ir.c_statements(
            [ir.Expr(name, tuple(args))], {n: n for n in "abc"}, types, "float64"
        )
        assert made.lines[-1].startswith("const ")


def test_what_has_no_text_is_refused_by_name():
    with pytest.raises(ir.NoText, match="tanh has no C text for int64: cast its input"):
        ir.c_statements([ir.tanh(ir.var("x"))], {"x": "x"}, {"x": "int64"}, "float32")
    with pytest.raises(ir.NoText, match="bitwise_and has no C text for float32"):
        ir.c_statements(
            [ir.bitwise_and(ir.var("x"), ir.var("x"))], {"x": "x"}, {"x": "float32"}, "float32"
        )
