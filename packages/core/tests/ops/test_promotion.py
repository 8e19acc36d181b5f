"""Which dtype operands meet in. Kinds as PyTorch's: tensors, then 0-d tensors, then Python numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flambeau
from flambeau import Tensor, promote_types, result_type, tensor, zeros

F = flambeau.nn.functional

INTEGERS = [flambeau.uint8, flambeau.int8, flambeau.int16, flambeau.int32, flambeau.int64]
FLOATS = [flambeau.float16, flambeau.float32, flambeau.float64]
COMPLEX = [flambeau.complex64, flambeau.complex128]
ALL = [flambeau.bool, *INTEGERS, *FLOATS, flambeau.bfloat16, *COMPLEX]
NUMPYS = [flambeau.bool, *INTEGERS]
ANY = st.sampled_from(ALL)


@given(st.sampled_from(NUMPYS), st.sampled_from(NUMPYS))
def test_integers_promote_as_numpys(a, b):
    assert promote_types(a, b).numpy == np.promote_types(a.numpy, b.numpy)


@given(ANY, ANY, ANY)
def test_promotion_is_a_lattice(a, b, c):
    assert promote_types(a, a) is a
    assert promote_types(a, b) is promote_types(b, a)
    low = [flambeau.float16, flambeau.bfloat16]
    if not (
        a in low or b in low or c in low
    ):  # PyTorch's own exception: float16 with bfloat16 gives float32
        assert promote_types(promote_types(a, b), c) is promote_types(a, promote_types(b, c))


@given(st.sampled_from(INTEGERS), st.sampled_from([*FLOATS, flambeau.bfloat16]))
def test_an_integer_never_widens_a_float(a, b):
    assert promote_types(a, b) is b


@pytest.mark.parametrize("d", ALL, ids=lambda d: d.name)
def test_numbers_are_weak(d):
    x = zeros(2, dtype=d)
    assert (x * True).dtype is d
    if d is not flambeau.bool:
        assert (x * 2).dtype is d
    else:
        assert (x * 2).dtype is flambeau.int64
    if d.is_floating_point or d.is_complex:
        assert (x * 2.5).dtype is d
    else:
        assert (x * 2.5).dtype is flambeau.float32
    assert (2 * x).dtype is (x * 2).dtype


def test_zero_dim_tensors_are_nearly_weak():
    assert (
        zeros(2, dtype=flambeau.float16) + tensor(1.0, dtype=flambeau.float64)
    ).dtype is flambeau.float16
    assert (zeros(2, dtype=flambeau.int8) + tensor(1)).dtype is flambeau.int8
    assert (zeros(2, dtype=flambeau.int8) + tensor(1.0)).dtype is flambeau.float32
    assert (tensor(1, dtype=flambeau.int8) + tensor(1)).dtype is flambeau.int64
    assert (tensor(1, dtype=flambeau.int8) + 1).dtype is flambeau.int8


def test_complex_numbers_meet_floats_by_width():
    assert (zeros(2, dtype=flambeau.float64) * 1j).dtype is flambeau.complex128
    assert (zeros(2) * 1j).dtype is flambeau.complex64
    assert (zeros(2, dtype=flambeau.int64) * 1j).dtype is flambeau.complex64


def test_the_default_dtype_decides_for_floats_from_nothing():
    try:
        flambeau.set_default_dtype(flambeau.float64)
        assert tensor(1.5).dtype is flambeau.float64
        assert (zeros(2, dtype=flambeau.int32) * 1.5).dtype is flambeau.float64
        assert (tensor([1, 2]) / 2).dtype is flambeau.float64
        assert tensor(1j).dtype is flambeau.complex128
    finally:
        flambeau.set_default_dtype(flambeau.float32)


@pytest.mark.parametrize(
    ("call", "dtype"),
    [
        (lambda x: x / x, "float32"), (lambda x: x // x, "int32"), (lambda x: x.sum(), "int64"), (lambda x: x.prod(), "int64"),
        (lambda x: x.cumsum(0), "int64"), (lambda x: x.exp(), "float32"), (lambda x: x == 1, "bool"), (lambda x: x.abs(), "int32"),
        (lambda x: x.max(), "int32"), (lambda x: x.argmax(), "int64"), (lambda x: x.sort().indices, "int64"), (lambda x: x**2, "int32"),
        (lambda x: flambeau.where(x > 1, x, 1.5), "float32"), (lambda x: flambeau.cat([x, zeros(1)]), "float32"),
        (lambda x: flambeau.where(x > 1, 1.0, 2.0), "float32"), (lambda x: flambeau.where(x > 1, 1, 2), "int64"),
        (lambda x: x.clamp(0.5), "float32"), (lambda x: x.sqrt(), "float32"), (lambda x: x.atan2(x), "float32"),
    ],
)  # fmt: skip
def test_results_of_operators_on_integers(call, dtype):
    assert call(tensor([1, 2], dtype=flambeau.int32)).dtype.name == dtype


def test_bools_do_not_subtract():
    with pytest.raises(RuntimeError, match="sub"):
        tensor([True]) - tensor([False])
    with pytest.raises(RuntimeError, match="neg"):
        -tensor([True])


def test_products_of_matrices_want_one_dtype():
    with pytest.raises(RuntimeError, match="float32.*float64"):
        zeros(2, 2) @ zeros(2, 2, dtype=flambeau.float64)


def test_result_type_and_can_cast():
    assert result_type(zeros(2, dtype=flambeau.uint8), -1) is flambeau.uint8
    assert result_type(1, 1.5) is flambeau.float32
    assert flambeau.can_cast(flambeau.float64, flambeau.float32)
    assert not flambeau.can_cast(flambeau.float32, flambeau.int64)
    assert not flambeau.can_cast(flambeau.int64, flambeau.bool)


@pytest.mark.parametrize(
    ("number", "dtype", "left"),
    [(300, "int8", 44), (-129, "int8", 127), (-1, "uint8", 255), (2**63, "int64", -(2**63))],
)
def test_whole_numbers_beyond_the_dtype_wrap_round(number, dtype, left):
    zero = zeros(1, dtype=getattr(flambeau, dtype))
    assert (zero + number).tolist() == [left]


@pytest.mark.parametrize("d", [flambeau.float16, flambeau.bfloat16], ids=lambda d: d.name)
def test_halves_are_computed_in_float32_and_rounded_once(d):
    x = flambeau.linspace(0.1, 3, 200).to(d).requires_grad_()
    wide = x.detach().float().requires_grad_()
    for call in (
        flambeau.sinc, F.gelu, F.mish, lambda t: flambeau.addcmul(t, t, t, value=0.3), lambda t: flambeau.softmax(t, 0),
        lambda t: t * 1e-6,
    ):  # fmt: skip
        out, exact = call(x), call(wide)
        assert out.dtype is d
        assert out.tolist() == exact.to(d).tolist()
        (g,) = flambeau.autograd.grad(out, [x], flambeau.ones_like(out))
        (exact_g,) = flambeau.autograd.grad(exact, [wide], flambeau.ones_like(exact))
        assert g.dtype is d
        assert (g.float() - exact_g).abs().max() <= 2 * flambeau.finfo(
            d
        ).eps * exact_g.abs().max() + 1e-4


def test_a_composite_with_opmath_rounds_once():
    from flambeau.runtime.families import composite
    from flambeau.runtime.operator import registry

    @composite(opmath=True, method=False)
    def twice_rounded(input: Tensor, other: Tensor):
        """Sum and difference of what bfloat16 cannot hold."""
        return (input + other) - input

    try:
        a, b = (tensor(v, dtype=flambeau.bfloat16) for v in (256.0, 1.0))
        assert ((a + b) - a).item() == 0.0
        made = twice_rounded(a, b)
        assert made.item() == 1.0
        assert made.dtype is flambeau.bfloat16
    finally:
        del registry["twice_rounded"]
