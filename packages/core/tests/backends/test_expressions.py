"""Expressions as ufuncs of NumPy: what they compute, on which dtypes and layouts, and what happens where none can be made."""

import numpy as np
import pytest

import flambeau
from flambeau.backends.cpu import expressions, library
from flambeau.ops import load_all
from flambeau.runtime.elementwise import Program
from flambeau.runtime.operator import registry

load_all()
needs_compiler = pytest.mark.skipif(not library.available(), reason="no C compiler")
NAMES = ["sigmoid", "silu", "softplus", "elu", "leaky_relu", "lerp", "where", "erf", "rsqrt"]


def usual(name):
    """An operator's program with its numbers open, and their defaults."""
    op = registry[name]
    attrs = {p: op.defaults[i] for i, p in op.attrs}
    return op.vjp_rule.program(attrs), list(attrs.values())


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_ufunc_computes_what_the_expression_says(name, kind):
    program, numbers = usual(name)
    ufunc = expressions.ufunc_of(program)
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.1, 3, (3, 37)) for _ in program.arrays]
    kinds = expressions.dtypes_of(program, kind)
    cast = [(a > 1) if d == "bool" else a.astype(d) for a, d in zip(arrays, kinds)]
    made = ufunc(*cast, *numbers)
    xp = flambeau.runtime.backend.of_device("cpu").xp
    expected = program.kernel(
        xp, *[a.astype("float64") if a.dtype != bool else a for a in cast], *numbers
    )
    assert made.dtype == kind
    np.testing.assert_allclose(made, expected, rtol=2e-6 if kind == "float32" else 1e-14)
    crossed = ufunc(*[a.T[::-2] for a in cast], *numbers)
    np.testing.assert_allclose(crossed, made.T[::-2], rtol=1e-6)


@needs_compiler
def test_numbers_keep_their_digits_beside_float32():
    program, _ = usual("leaky_relu")
    made = program.small(np.float32([-1.0]), 1 / 3)
    assert made.dtype == np.float32 and made[0] == np.float32(-1 / 3)
    assert (
        program.small(np.float32([-1.0]), 0.0)[0] == 0
        and program.small(np.float32([-1.0]), -0.0)[0] == 0
    )
    assert np.signbit(program.small(np.float32([-1.0]), 0.0)[0])
    assert not np.signbit(program.small(np.float32([-1.0]), -0.0)[0])


def test_without_a_compiler_the_calls_are_numpy_s(monkeypatch):
    monkeypatch.setattr(library, "available", lambda: False)
    op = registry["elu"]
    program = Program(op, op.vjp_rule.names, {"alpha": 1.0})
    assert expressions.ufunc_of(program) is None
    made = program.small(np.float32([-1.0, 2.0]), 0.5)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, [0.5 * np.expm1(-1), 2.0], rtol=1e-6)


@needs_compiler
def test_what_has_no_text_has_no_ufunc(monkeypatch):
    def refuse(program):
        raise expressions.NoText("none")

    monkeypatch.setattr(expressions, "source", refuse)
    assert expressions.ufunc_of(usual("silu")[0]) is None


def test_without_numpy_s_interface_there_is_no_ufunc(monkeypatch):
    monkeypatch.setattr(expressions, "_maker", lambda: None)
    assert expressions.ufunc_of(usual("silu")[0]) is None


@pytest.mark.parametrize("number", [0.3, 0, -2, 0.0])
def test_a_number_as_the_last_operand_is_the_tensor_of_it(number):
    a, b = flambeau.randn(3, 4, requires_grad=True), flambeau.randn(3, 4, requires_grad=True)
    kinds = {
        "lerp": lambda w: flambeau.lerp(a, b, w),
        "where": lambda w: flambeau.where(a > 0, b, w),
        "add": lambda w: a + w,
    }
    for name, f in kinds.items():
        for _ in range(12):  # becomes its text on the way
            made = f(number)
        expected = f(flambeau.tensor(float(number)))
        assert flambeau.equal(made, expected), name
        grads = [
            flambeau.autograd.grad(x.sum(), (a, b), allow_unused=True) for x in (made, expected)
        ]
        for g, e in zip(*grads):
            assert (g is None and e is None) or flambeau.equal(g, e), name


def test_a_number_of_the_wrong_kind_is_refused_as_ever():
    a = flambeau.zeros(3)
    for _ in range(12):
        flambeau.lerp(a, a, 0.5)
    with pytest.raises((TypeError, RuntimeError)):
        flambeau.lerp(a, a, 1j)
    with pytest.raises(RuntimeError):
        flambeau.lerp(a, a.double(), 0.5)
    assert flambeau.where(a > 0, flambeau.arange(3), 1.5).dtype is flambeau.float32
    with pytest.raises(RuntimeError, match="without overflow"):
        flambeau.where(a > 0, a.half(), 1e30)


def test_limits_of_which_one_is_none():
    x = flambeau.tensor([-2.0, 0.5, 3.0], requires_grad=True)
    for _ in range(12):
        low, high, both = x.clamp(min=-1), x.clamp(max=1), x.clamp(-1, 1)
    assert (
        low.tolist() == [-1, 0.5, 3]
        and high.tolist() == [-2, 0.5, 1]
        and both.tolist() == [-1, 0.5, 1]
    )
    grads = [flambeau.autograd.grad(y.sum(), x)[0].tolist() for y in (low, high, both)]
    assert grads == [[0, 1, 1], [1, 1, 0], [0, 1, 0]]
