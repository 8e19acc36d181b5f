"""Wrong calls: the class PyTorch raises and a text that names what came."""

from __future__ import annotations

import contextlib
import gc

import numpy as np
import pytest

import flambeau
from flambeau import ones, tensor, zeros
from flambeau.runtime.signature import explained

F = flambeau.nn.functional

WRONG = [
    # shapes
    (
        lambda: ones(2, 3) + ones(2, 4),
        RuntimeError,
        r"tensor a \(3\) must match the size of tensor b \(4\)",
    ),
    (
        lambda: ones(2, 3) @ ones(2, 3),
        RuntimeError,
        r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)",
    ),
    (lambda: ones(2, 3, 4) @ ones(2, 5, 4), RuntimeError, "inner sizes differ"),
    (lambda: tensor(1.0) @ ones(2), RuntimeError, "at least 1D"),
    (lambda: flambeau.mm(ones(2), ones(2)), RuntimeError, "must be a matrix"),
    (lambda: flambeau.bmm(ones(1, 2, 3), ones(2, 3, 1)), RuntimeError, "Expected size"),
    (lambda: ones(6).view(4), RuntimeError, "invalid for input of size 6"),
    (lambda: ones(6).reshape(-1, 4), RuntimeError, "invalid for input of size 6"),
    (lambda: ones(6).reshape(-1, -1), RuntimeError, "only one dimension can be inferred"),
    (
        lambda: ones(2, 3).expand(3, 3),
        RuntimeError,
        r"expanded size of the tensor \(3\) must match the existing size \(2\)",
    ),
    (lambda: ones(2, 3).permute(0), RuntimeError, "number of dimensions"),
    (lambda: ones(2, 3).permute(0, 0), RuntimeError, "."),
    (lambda: ones(2).split([1, 2]), RuntimeError, "split_with_sizes"),
    (lambda: ones(2).chunk(0), RuntimeError, "chunk expects `chunks` to be greater than 0"),
    (lambda: ones(3).narrow(0, 1, 3), RuntimeError, "exceeds dimension size"),
    (
        lambda: flambeau.cat([ones(2, 2), ones(3, 3)]),
        RuntimeError,
        "Sizes of tensors must match except in dimension 0",
    ),
    (lambda: flambeau.cat([]), (ValueError, RuntimeError), "non-empty"),
    (lambda: flambeau.stack([ones(2), ones(3)]), RuntimeError, "equal size"),
    (lambda: ones(2, 2).unfold(0, 3, 1), RuntimeError, "maximum size"),
    (lambda: flambeau.einsum("ij,jk->ik", ones(2, 3), ones(2, 3)), RuntimeError, "broadcast"),
    (lambda: flambeau.einsum("ij->k", ones(2, 3)), RuntimeError, "does not appear"),
    (lambda: F.linear(ones(2, 3), ones(4, 2)), RuntimeError, "cannot be multiplied"),
    # dimensions
    (
        lambda: ones(2, 3).sum(2),
        IndexError,
        r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)",
    ),
    (lambda: ones(2, 3).softmax(-3), IndexError, "Dimension out of range"),
    (lambda: ones(0, 3).softmax(2), IndexError, "Dimension out of range"),
    (lambda: ones(0, 3).log_softmax(-3), IndexError, "Dimension out of range"),
    (lambda: ones(2, 3).transpose(0, 2), IndexError, "Dimension out of range"),
    (lambda: ones(2).squeeze(1), IndexError, "Dimension out of range"),
    (lambda: ones(2).unsqueeze(3), IndexError, "Dimension out of range"),
    (lambda: ones(2, 3).sum((0, 0)), RuntimeError, "appears multiple times"),
    (lambda: ones(2).select(0, 2), IndexError, "out of range"),
    (lambda: zeros(0).max(), RuntimeError, "."),
    (lambda: zeros(0).argmax(), (IndexError, RuntimeError), "."),
    (lambda: zeros(2, 0).max(1), IndexError, "non-zero size"),
    (lambda: ones(3).topk(4), RuntimeError, "out of range"),
    (lambda: ones(3).diagonal(), IndexError, "Dimension out of range"),
    (lambda: ones(2, 3).diff(dim=5), IndexError, "Dimension out of range"),
    (lambda: ones(2, 3).permute(2**62, 1), IndexError, "Dimension out of range"),
    (lambda: flambeau.normal(ones(2), tensor([1.0, -1.0])), RuntimeError, "std >= 0"),
    # indices
    (lambda: flambeau.index_select(ones(2, 3), None, tensor([0])), TypeError, "'dim'"),
    (lambda: ones(3).gather(0, tensor([3])), RuntimeError, "out of bounds"),
    (lambda: ones(3).gather(0, tensor([0.5])), RuntimeError, "int64"),
    (lambda: ones(3).index_select(0, tensor([3])), IndexError, "out of"),
    (lambda: ones(3).index_select(0, tensor([[0]])), IndexError, "vector"),
    (lambda: F.embedding(tensor([5]), ones(3, 2)), IndexError, "out of"),
    (lambda: zeros(3).scatter_add(0, tensor([0]), tensor([1])), RuntimeError, "dtype"),
    # dtypes
    (lambda: tensor([1, 2]).mean(), RuntimeError, "floating point"),
    (lambda: ones(2).masked_fill(ones(2), 0), RuntimeError, "boolean masks"),
    (lambda: tensor([1.5]) & tensor([1.5]), (RuntimeError, TypeError), "."),
    (lambda: flambeau.tensor([1], requires_grad=True), RuntimeError, "floating point"),
    (lambda: ones(2).imag, RuntimeError, "non-complex"),
    (
        lambda: flambeau.maximum(ones(2), ones(2) * 1j),
        RuntimeError,
        "maximum: not defined for complex64",
    ),
    (
        lambda: F.gelu(tensor([1])),
        NotImplementedError,
        '"gelu" not implemented for int64; it takes float',
    ),
    (lambda: flambeau.bitwise_not(ones(2)), NotImplementedError, "it takes bool and int dtypes"),
    (lambda: tensor([True]) << tensor([True]), NotImplementedError, "bitwise_left_shift"),
    (lambda: flambeau.where(ones(2), 1, 2), RuntimeError, "condition to be a boolean tensor"),
    (
        lambda: flambeau.lerp(ones(2), ones(2).double(), 0.5),
        RuntimeError,
        "dtype .*float32 for `end`",
    ),
    (lambda: flambeau.softmax(ones(2) * 1j, 0), NotImplementedError, '"softmax" not implemented'),
    # Python's numbers
    (
        lambda: flambeau.maximum(ones(2), 2),
        TypeError,
        r"'other' \(position 2\) must be Tensor, not int",
    ),
    (lambda: flambeau.eq(2, ones(2)), TypeError, r"'input' \(position 1\) must be Tensor, not int"),
    (lambda: flambeau.pow(2, 3), TypeError, "must be Tensor, not int"),
    (lambda: flambeau.sin(0.5), TypeError, "must be Tensor, not float"),
    (lambda: flambeau.sin(None), TypeError, "must be Tensor, not NoneType"),
    (lambda: flambeau.heaviside(ones(2), 1.0), TypeError, "'values' .* must be Tensor, not float"),
    (
        lambda: flambeau.clamp(tensor([1], dtype=flambeau.int8), 0, 300),
        RuntimeError,
        "int8_t without overflow",
    ),
    (lambda: ones(2) * 2**64, OverflowError, "int too big to convert"),
    (lambda: tensor([2]) ** -1, RuntimeError, "negative integer powers"),
    (lambda: tensor([2]) // 0, RuntimeError, "ZeroDivisionError"),
    (lambda: tensor([2]) % tensor([0]), RuntimeError, "ZeroDivisionError"),
    (lambda: flambeau.add(tensor([2]), 1, alpha=1.5), RuntimeError, "alpha must not be a floating"),
    # out=
    (
        lambda: (lambda x: flambeau.exp(x[:3], out=x[1:]))(ones(4)),
        RuntimeError,
        "single memory location",
    ),
    (
        lambda: flambeau.add(ones(3), 1, out=zeros(1).expand(3)),
        RuntimeError,
        "more than one element",
    ),
    (lambda: flambeau.neg(ones(3), out=zeros(3).double()), RuntimeError, "to have dtype float32"),
    (lambda: flambeau.add(ones(3), 1, out=zeros(3).long()), RuntimeError, "can't be cast"),
    # values
    (
        lambda: ones(2).item(),
        RuntimeError,
        "a Tensor with 2 elements cannot be converted to Scalar",
    ),
    (lambda: bool(ones(2)), RuntimeError, "more than one value is ambiguous"),
    (lambda: bool(zeros(0)), RuntimeError, "no values is ambiguous"),
    (lambda: int(ones(2)), ValueError, "only one element tensors"),
    (lambda: len(tensor(1)), TypeError, "0-d tensor"),
    (lambda: list(tensor(1)), TypeError, "iteration over a 0-d tensor"),
    (lambda: range(5)[tensor(1.5)], TypeError, "."),
    (lambda: ones(2).clamp(), (RuntimeError, ValueError), "At least one"),
    (lambda: flambeau.div(1.0, ones(1), rounding_mode="up"), RuntimeError, "rounding_mode"),
    # arguments
    (lambda: flambeau.sin(), TypeError, "missing"),
    (lambda: flambeau.sin(ones(1), ones(1)), TypeError, "takes 1 positional"),
    (lambda: flambeau.sin(ones(1), speed=1), TypeError, "unexpected keyword argument 'speed'"),
    (lambda: flambeau.sin("a"), TypeError, "must be Tensor, not str"),
    (lambda: flambeau.sin([1.0]), TypeError, "must be Tensor, not list"),
    (lambda: flambeau.cat(ones(2)), TypeError, "must be tuple of Tensors"),
    (lambda: ones(2).no_such_method(), AttributeError, "no_such_method"),
    (lambda: flambeau.no_such_function, AttributeError, "no_such_function"),
    (lambda: zeros("a"), TypeError, "."),
    (lambda: zeros(-1), RuntimeError, "negative"),
    (lambda: flambeau.arange(0, 1, 0), RuntimeError, "nonzero"),
    (lambda: flambeau.arange(0, 1, -1), RuntimeError, "."),
    (lambda: tensor([[1, 2], [3]]), ValueError, "expected sequence of length 2 at dim 1"),
    (lambda: tensor("a"), (TypeError, ValueError), "."),
    (lambda: tensor([None]), (TypeError, RuntimeError), "."),
    # devices
    (lambda: ones(2, device="nowhere"), RuntimeError, "nowhere"),
    (lambda: flambeau.device("cpu:x"), RuntimeError, "cpu:x"),
    (lambda: ones(2).to("cuda:99"), (RuntimeError, ImportError, AssertionError), "."),
    # gradients
    (lambda: ones(2).backward(), RuntimeError, "does not require grad"),
    (lambda: ones(2, requires_grad=True).mul(2).backward(), RuntimeError, "scalar outputs"),
    (lambda: ones(2, requires_grad=True).numpy(), RuntimeError, r"Use tensor.detach\(\).numpy\(\)"),
    (lambda: (ones(1, requires_grad=True) * 2).requires_grad_(False), RuntimeError, "leaf"),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=range(len(WRONG)))
def test_wrong_calls(call, kind, text):
    with pytest.raises(kind, match=text) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1


def test_out_of_another_shape_is_resized_with_a_warning():
    out = zeros(2)
    with pytest.warns(UserWarning, match=r"shape \[2\].*required output shape \[3\]"):
        flambeau.add(ones(3), 1, out=out)
    assert out.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("value", [None, "7", [1]], ids=repr)
def test_what_is_no_number_is_not_taken_for_a_complex_one(value):
    with pytest.raises(TypeError, match="expected a number, got|must be"):
        flambeau.full((2,), value)


@pytest.mark.parametrize("flag", [np.bool_(True), flambeau.tensor(True), True])
def test_a_flag_may_be_a_bool_of_any_kind(flag):
    x = flambeau.tensor([[1.0, 3.0], [2.0, 0.0]])
    for _ in range(10):  # the first calls are read one way, later ones by compiled text
        assert x.sum(1, keepdim=flag).shape == (2, 1)
        assert x.mean(1, flag).shape == (2, 1)


@pytest.mark.parametrize("flag", [1, "yes", None, 1.0])
def test_a_flag_must_be_a_bool(flag):
    x = flambeau.tensor([[1.0, 3.0], [2.0, 0.0]])
    for _ in range(10):
        with pytest.raises(TypeError, match=r"sort\(\): argument 'descending'.* must be bool, not"):
            flambeau.sort(x, 1, flag)
        with pytest.raises(TypeError, match=r"logsumexp\(\): argument 'keepdim'.* must be bool"):
            flambeau.logsumexp(x, 1, keepdim=flag)


@explained
def slips(x, again=None):
    """A function with a bug of its own."""
    return object().nothing  # type: ignore[attr-defined]


@explained
def reads(x, again=None):
    """A function that takes what came for a tensor."""
    return x.ndim + (0 if again is None else again[0].ndim)


def test_a_slip_of_ours_does_not_read_like_a_wrong_call():
    with pytest.raises(AttributeError, match="nothing"):
        slips(zeros(2))
    for call in (lambda: reads("a"), lambda: reads(zeros(2), [3]), lambda: reads(None)):
        with pytest.raises(TypeError, match=r"reads\(\)"):
            call()


def test_numbers_in_tensors_stand_where_numbers_belong():
    x = flambeau.arange(4.0)
    one = tensor(1)
    assert x.roll(one).tolist() == x.roll(shifts=one, dims=tensor(0)).tolist() == [3, 0, 1, 2]
    assert [t.tolist() for t in x.split(tensor(2))] == [[0, 1], [2, 3]]
    with pytest.raises(TypeError, match="must be int or tuple of ints, not float"):
        x.roll(tensor(1.5))


@pytest.mark.parametrize(
    ("array", "kind", "text"),
    [
        (np.arange(3)[::-1], ValueError, "stride in the given numpy array is negative"),
        (np.ones(2, ">f4"), ValueError, "byte order"),
        (np.array(["a"]), TypeError, "invalid type"),
    ],
)
def test_arrays_that_are_no_tensors(array, kind, text):
    with pytest.raises(kind, match=text):
        flambeau.from_numpy(array)


def test_a_batch_is_neither_true_nor_false():
    with pytest.raises(RuntimeError, match="data-dependent control flow"):
        flambeau.vmap(lambda x: x if x > 0 else -x)(flambeau.ones(2))


@pytest.mark.parametrize(
    "call",
    [
        lambda: ones(2).masked_fill(ones(2), 0),
        lambda: flambeau.mm(ones(2), ones(2)),
        lambda: flambeau.rand(ones(2)),
        lambda: ones(2).roll(1.5),
        lambda: ones(2).unsqueeze("a"),
        lambda: flambeau.int_repr(ones(2)),
        lambda: ones(3).sum(5),
        lambda: flambeau.nn.functional.embedding(tensor([7]), ones(3, 4)),
    ],
)
def test_errors_that_are_over_hold_nothing(call):
    """An error that a frame of its own traceback holds keeps the arguments until the collector comes."""
    before = {id(x) for x in gc.get_objects() if isinstance(x, Exception)}
    gc.disable()
    try:
        with contextlib.suppress(TypeError, RuntimeError, IndexError):
            call()
        found = [x for x in gc.get_objects() if isinstance(x, Exception) and id(x) not in before]
        assert [str(x) for x in found] == []
    finally:
        gc.enable()
