"""What `tensor` makes of Python data, and which numbers it refuses, as PyTorch does."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau
from flambeau import tensor

F = flambeau.nn.functional

SMALL = ("uint8", "int8", "int16", "int32", "uint16", "uint32")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    "wrap", [lambda v: v, lambda v: [v], lambda v: (0, v), lambda v: [[0], [v]]]
)
def test_a_number_that_the_dtype_cannot_hold_is_refused(name, wrap):
    kind = getattr(flambeau, name)
    info = flambeau.iinfo(kind)
    for number in (info.max, info.min, float(info.max), float(info.min), info.max - 0.5):
        assert tensor(wrap(number), dtype=kind).max().item() == max(0, int(number)) or number < 0
    for number in (
        info.max + 1,
        float(info.max) + 1,
        float(info.max) + 0.5,
        float("nan"),
        float("-inf"),
    ):
        with pytest.raises(
            RuntimeError, match=f"cannot be converted to type {name} without overflow"
        ):
            tensor(wrap(number), dtype=kind)


@pytest.mark.parametrize("name", ["uint8", "uint16", "uint32"])
def test_unsigned_dtypes_take_ints_below_zero_modulo_their_range_and_no_floats(name):
    kind = getattr(flambeau, name)
    top = flambeau.iinfo(kind).max
    assert tensor([-1, -top], dtype=kind).tolist() == [top, 1]
    assert tensor([1.5, -1], dtype=kind)[0].item() == 1
    for number in (-top - 1, -1.0, -0.5):
        with pytest.raises(RuntimeError, match="without overflow"):
            tensor([number], dtype=kind)


@pytest.mark.parametrize("make", [tensor, flambeau.as_tensor, flambeau.zeros(1).new_tensor])
def test_every_way_to_make_a_tensor_of_data_refuses(make):
    with pytest.raises(RuntimeError, match="without overflow"):
        make([300], dtype=flambeau.uint8)
    assert make([255], dtype=flambeau.uint8).tolist() == [255]


def test_more_than_64_bits_are_refused():
    for data in (2**63, [2**63], [2**63, 0.5], -(2**63) - 1):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            tensor(data, dtype=flambeau.int64)
    with pytest.raises(ValueError, match="Overflow"):
        tensor([1, 2**63])
    assert tensor(-(2**63)).item() == -(2**63)
    assert tensor([2**64 - 1, 1], dtype=flambeau.uint64).tolist() == [2**64 - 1, 1]


@pytest.mark.parametrize("kind", [flambeau.int64, flambeau.float32, flambeau.bool])
@pytest.mark.parametrize("data", [[None], [1, None], None, [object()]])
def test_what_is_no_number_is_refused_and_not_made_one(kind, data):
    with pytest.raises(TypeError, match="tensor"):
        tensor(data, dtype=kind)


@pytest.mark.parametrize(
    "kind", [flambeau.int64, flambeau.float32, flambeau.bool, flambeau.complex64]
)
@pytest.mark.parametrize("data", [["1"], "1", [1, "2"], [[1.5], ["nan"]]])
def test_words_are_no_numbers(kind, data):
    with pytest.raises(ValueError, match="too many dimensions 'str'"):
        tensor(data, dtype=kind)


def test_complex_numbers_among_reals():
    assert tensor([1j, 0], dtype=flambeau.bool).tolist() == [True, False]
    for kind in (flambeau.int64, flambeau.uint8, flambeau.float32):
        with pytest.raises(TypeError):
            tensor([1, 1 + 2j], dtype=kind)


def test_the_dtype_is_that_of_the_widest_number():
    for data, kind in (
        ([True, False], "bool"), ([True, 2], "int64"), ([[1], [2.0]], "float32"), ([1, 2.0, 1j], "complex64"),
        ([], "float32"), ([[], []], "float32"), ([np.float64(1)], "float64"), ([np.int16(1)], "int16"),
        (range(3), "int64"), ([flambeau.tensor(2.0).double(), 1], "float64"), ([1, flambeau.tensor(2)], "int64"),
    ):  # fmt: skip
        assert tensor(data).dtype is getattr(flambeau, kind), data


def test_tensors_of_one_number_stand_for_it():
    w = flambeau.ones(1, requires_grad=True)
    for data in ([1.0, w], [w, 1.0], [w, w], [1, w], [flambeau.ones(1, 1), w]):
        made = tensor(data)
        assert made.tolist() == [1.0, 1.0] and not made.requires_grad
    assert tensor([[w], [2]]).tolist() == [[1.0], [2.0]]
    with pytest.raises(ValueError, match="only one element tensors can be converted"):
        tensor([flambeau.ones(2), flambeau.ones(2)])


def test_parts_of_narrow_floats_take_what_is_too_large_as_infinite():
    for kind in (flambeau.float16, flambeau.bfloat16):
        x = flambeau.zeros(4, dtype=kind)
        x[0], x[1:2], x[flambeau.tensor([2])] = (
            1e300,
            -1e39,
            10**18 if kind is flambeau.float16 else 1e39,
        )
        assert x.tolist() == [float("inf"), float("-inf"), float("inf"), 0.0]
    with pytest.raises(RuntimeError, match="type float without overflow"):
        flambeau.zeros(1)[0] = 1e300


ONES = flambeau.ones(2, 2)
WITH_A_NUMBER = {
    "leaky_relu": F.leaky_relu, "elu": F.elu, "celu": F.celu, "softplus": F.softplus, "hardshrink": F.hardshrink,
    "softshrink": F.softshrink, "hardtanh": lambda x, v: F.hardtanh(x, -v, v), "rrelu": lambda x, v: F.rrelu(x, 0, v),
    "rrelu of a training": lambda x, v: F.rrelu(x, 0, v, True),
    "threshold": lambda x, v: F.threshold(x, v, 0), "what threshold writes": lambda x, v: F.threshold(x, 0, v),
    "logit": flambeau.logit, "lerp": lambda x, v: flambeau.lerp(x, x, v),
    "addcmul": lambda x, v: flambeau.addcmul(x, x, x, value=v), "addcdiv": lambda x, v: flambeau.addcdiv(x, x, x, value=v),
    "addmm": lambda x, v: flambeau.addmm(x, x, x, alpha=v), "addmm's beta": lambda x, v: flambeau.addmm(x, x, x, beta=v),
    "addmv": lambda x, v: flambeau.addmv(x[0], x, x[0], alpha=v), "pad": lambda x, v: F.pad(x, (1, 1), value=v),
    "leaky_relu_": lambda x, v: F.leaky_relu_(x.clone(), v), "lerp_": lambda x, v: x.clone().lerp_(x, v),
}  # fmt: skip


@pytest.mark.parametrize("name", WITH_A_NUMBER)
def test_a_number_that_the_computation_cannot_hold(name):
    """Infinite it would be; a call before it with one that fits must not hide that."""
    call = WITH_A_NUMBER[name]
    assert call(ONES.double(), 1e300 if name != "logit" else 0.5).dtype is flambeau.float64
    for f in (call, flambeau.compile(call)):
        for x in (ONES, ONES.repeat(60, 60)):
            f(x, 0.25)
            with pytest.raises(RuntimeError, match="to type float without overflow"):
                f(x, 1e300)


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "celu", "softplus", "threshold", "lerp", "addcmul", "addcdiv"])  # fmt: skip
def test_what_is_computed_in_float32_takes_its_numbers(name):
    x = ONES.half()
    assert WITH_A_NUMBER[name](x, 1e5).dtype is flambeau.float16
    with pytest.raises(RuntimeError, match="to type float without overflow"):
        WITH_A_NUMBER[name](x, 1e39)


INDEXED = {
    "index_select": lambda x, i: x.index_select(0, i),
    "index_add": lambda x, i: x.index_add(0, i, x[:1]),
    "index_copy": lambda x, i: x.index_copy(0, i, x[:1]),
    "index_reduce": lambda x, i: x.index_reduce(0, i, x[:1], "prod"),
    "embedding": lambda x, i: flambeau.nn.functional.embedding(i, x),
    "embedding_bag": lambda x, i: flambeau.nn.functional.embedding_bag(i[None], x),
    "padded": lambda x, i: flambeau.nn.functional.embedding(i, x, padding_idx=0),
}  # fmt: skip


@pytest.mark.parametrize("name", INDEXED)
def test_operators_on_slices_do_not_count_from_the_end(name):
    x = flambeau.ones(3, 2)
    INDEXED[name](x, tensor([2]))
    for index in (-1, -3, 3):
        with pytest.raises(IndexError, match=f"index {index} is out of bounds for dimension 0"):
            INDEXED[name](x, tensor([index]))
    assert x.index_fill(0, tensor([-1]), 7.0)[2, 0].item() == 7.0  # which does
