"""Collating: every kind of sample, nested in every kind of container."""

from __future__ import annotations

import collections
import types

import numpy as np
import pytest

import flambeau
from flambeau.utils.data import default_collate, default_convert
from flambeau.utils.data.collate import collate

Point = collections.namedtuple("Point", "x y")


def same(made, expected, dtype):
    assert isinstance(made, flambeau.Tensor)
    assert made.dtype is dtype
    assert made.tolist() == expected


def test_numbers():
    same(default_collate([1, 2]), [1, 2], flambeau.int64)
    same(default_collate([1.5, 2.0]), [1.5, 2.0], flambeau.float64)
    same(default_collate([True, False]), [True, False], flambeau.bool)
    same(default_collate([np.float32(1), np.float32(2)]), [1.0, 2.0], flambeau.float32)


def test_tensors_and_arrays():
    same(
        default_collate([flambeau.tensor([1.0]), flambeau.tensor([2.0])]),
        [[1.0], [2.0]],
        flambeau.float32,
    )
    same(default_collate([flambeau.tensor(1), flambeau.tensor(2)]), [1, 2], flambeau.int64)
    same(default_collate([np.array([1, 2], np.int16)] * 2), [[1, 2], [1, 2]], flambeau.int16)
    same(default_collate([np.zeros((2, 0))] * 3), [[[], []]] * 3, flambeau.float64)


def test_a_batch_does_not_share_memory_with_its_samples():
    sample = flambeau.zeros(2)
    batch = default_collate([sample])
    batch += 1
    assert sample.tolist() == [0.0, 0.0]


def test_gradients_flow_through_a_batch():
    x = flambeau.tensor([1.0, 2.0], requires_grad=True)
    default_collate([x, x * 3]).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_containers_keep_their_form():
    batch = default_collate([{"a": 1, "b": ["x", 2.0]}, {"a": 3, "b": ["y", 4.0]}])
    same(batch["a"], [1, 3], flambeau.int64)
    assert batch["b"][0] == ("x", "y")
    made = default_collate([Point(1, 2), Point(3, 4)])
    assert isinstance(made, Point)
    assert made.x.tolist() == [1, 3]
    assert isinstance(default_collate([(1, 2)]), list)
    assert isinstance(default_collate([[1, 2]]), list)
    ordered = default_collate([collections.OrderedDict(a=1)])
    assert isinstance(ordered, collections.OrderedDict)


def test_a_mapping_that_cannot_be_remade_becomes_a_dict():
    assert type(default_collate([types.MappingProxyType({"a": 1})])) in (
        dict,
        types.MappingProxyType,
    )


def test_what_cannot_be_collated_is_named():
    with pytest.raises(
        TypeError, match=r"must contain tensors, numpy arrays.*found <class 'object'>"
    ):
        default_collate([object()])
    with pytest.raises(TypeError, match="found <U1"):
        default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        default_collate([[1], [1, 2]])


def test_samples_of_different_shapes_are_named_by_their_place():
    with pytest.raises(RuntimeError, match=r"got \[2\] at entry 0 and \[3\] at entry 1"):
        default_collate([flambeau.zeros(2), flambeau.zeros(3)])


def test_own_functions_by_type():
    class Word(str):
        pass

    functions = {
        str: lambda batch, collate_fn_map: "-".join(batch),
        int: lambda batch, collate_fn_map: 0,
    }
    assert collate([[Word("a"), 1], [Word("b"), 2]], collate_fn_map=functions) == ["a-b", 0]


def test_convert_makes_tensors_of_arrays_only():
    made = default_convert({"x": [np.ones(2), "s", 3], "t": (np.int64(4), None)})
    same(made["x"][0], [1.0, 1.0], flambeau.float64)
    assert made["x"][1:] == ["s", 3]
    same(made["t"][0], 4, flambeau.int64)
    assert made["t"][1] is None
    text = np.array(["a"])
    assert default_convert(text) is text
    assert isinstance(default_convert(Point(np.ones(1), 2)), Point)


def test_samples_of_several_dtypes_promote_as_stack_does():
    """NumPy's own promotion would give float64 for int64 and float32."""
    integers, floats = flambeau.arange(2), flambeau.tensor([0.5, 1.5])
    same(default_collate([integers, floats]), [[0.0, 1.0], [0.5, 1.5]], flambeau.float32)
    same(default_collate([integers[1], floats[1]]), [1.0, 1.5], flambeau.float32)
    arrays = [np.array([1, 2]), np.array([0.5, 1.5], np.float32)]
    same(default_collate(arrays), [[1.0, 2.0], [0.5, 1.5]], flambeau.float32)
    rows = flambeau.ones(2, 2).mT[:, :1], flambeau.ones(2, 1, dtype=flambeau.float64)
    assert default_collate(rows).dtype is flambeau.float64


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_large_pictures_whose_channels_come_last(channels, dtype):
    pixels = np.random.default_rng(0).integers(0, 200, (3, 131, 129, channels)).astype(dtype)
    expected = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    views = [flambeau.from_numpy(p).permute(2, 0, 1) for p in pixels]
    for made in (default_collate(views), default_collate([v.numpy() for v in views])):
        assert made.is_contiguous()
        np.testing.assert_array_equal(made.numpy(), expected)
