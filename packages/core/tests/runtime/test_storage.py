"""Storages: the memory behind tensors as an object."""

import copy
import pickle

import numpy as np
import pytest

import flambeau
from flambeau import tensor


def test_views_share_one_storage_object():
    x = flambeau.arange(6.0)
    assert x.untyped_storage() is x[2:].reshape(2, 2).T.untyped_storage()
    assert x.untyped_storage().data_ptr() == x.data_ptr()
    assert x.untyped_storage().nbytes() == 24 and x[2:].storage().size() == 6


def test_what_is_written_through_one_is_seen_in_the_other():
    x = flambeau.zeros(3)
    s = x.storage()
    s[1] = 5
    x[2] = 7
    assert s.tolist() == [0, 5, 7] and x.tolist() == [0, 5, 7]
    s.fill_(1)
    s[0:2] = 4
    assert x.tolist() == [4, 4, 1] and s[-1] == 1
    with pytest.raises(IndexError, match="out of range for storage of size 3"):
        s[3]


def test_foreign_memory_begins_where_it_was_handed_over():
    array = np.arange(4.0)
    x = flambeau.from_numpy(array[1:])
    assert x.storage_offset() == 0 and x.storage().size() == 3
    assert x[1:].storage_offset() == 1
    x.storage()[0] = 9
    assert array[1] == 9


def test_growing_takes_the_tensor_along():
    x = flambeau.arange(4.0)
    s = x.untyped_storage()
    s.resize_(0)
    assert s.nbytes() == 0
    s.resize_(16)
    x.copy_(flambeau.ones(4))
    assert s.tolist() == x.untyped_storage().tolist() and x.tolist() == [1] * 4
    with pytest.raises(RuntimeError, match="not resizable"):
        flambeau.from_numpy(np.arange(4.0)[1:]).untyped_storage().resize_(64)


def test_set_looks_at_another_memory():
    x, y = flambeau.zeros(2), flambeau.arange(6.0)
    x.set_(y.storage(), 1, (2, 2), (2, 1))
    assert x.tolist() == [[1, 2], [3, 4]]
    x.fill_(0)
    assert y.tolist() == [0, 0, 0, 0, 0, 5]
    x.set_(y)
    assert x.is_set_to(y)
    x.set_()
    assert x.shape == (0,)
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        x.set_(y.untyped_storage(), 4, (3,))
    with pytest.raises(RuntimeError, match="expected a storage of"):
        x.set_(flambeau.zeros(1, dtype=flambeau.int64).storage())


def test_resize_keeps_the_memory_where_it_is_long_enough():
    x = flambeau.arange(6.0)
    y = x[:]
    assert y.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    y.fill_(9)
    assert x.tolist() == [9, 9, 9, 9, 4, 5]
    assert x.resize_(8).shape == (8,) and x[:6].tolist() == [9, 9, 9, 9, 4, 5]
    assert flambeau.zeros(0).resize_as_(flambeau.ones(2, 3)).shape == (2, 3)
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        flambeau.zeros(2, requires_grad=True).resize_(3)


def test_typed_and_old_names():
    s = flambeau.FloatStorage([1, 2])
    assert type(s) is flambeau.TypedStorage and s.dtype is flambeau.float32
    assert isinstance(s, flambeau.FloatStorage) and not isinstance(s, flambeau.LongStorage)
    assert s.type() == "flambeau.FloatStorage" and flambeau.is_storage(s)
    assert flambeau.FloatTensor(s).tolist() == [1.0, 2.0]
    assert s.double().dtype is flambeau.float64 and s.clone() == s
    assert not flambeau.is_storage(tensor([1.0]))


def test_buffers_and_files(tmp_path):
    raw = np.array([1, 256], ">i2").tobytes()
    s = flambeau.ShortStorage.from_buffer(raw, "big")
    assert s.tolist() == [1, 256]
    name = str(tmp_path / "numbers")
    a = flambeau.from_file(name, shared=True, size=4, dtype=flambeau.float32)
    a.copy_(flambeau.arange(4.0))
    b = flambeau.from_file(name, shared=False, size=4)
    assert b.tolist() == [0, 1, 2, 3]
    b.zero_()
    assert a.tolist() == [0, 1, 2, 3]
    assert flambeau.UntypedStorage.from_file(name, False, 16).filename == name
    with pytest.raises(RuntimeError, match="too few"):
        flambeau.from_file(name, shared=False, size=5)


COPIES = [copy.deepcopy, *(lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in range(2, 6))]


@pytest.mark.parametrize("again", COPIES)
def test_copies_of_tensors_that_share_memory_share_theirs(again):
    x = flambeau.arange(6.0).reshape(2, 3)
    a, row, turned, plain = again([x, x[1], x.t(), x.data])
    a[1, 0] = 77
    assert row[0] == turned[0, 1] == plain[1, 0] == 77 and x[1, 0] == 3
    assert turned.stride() == (1, 3) and row.storage_offset() == 3


@pytest.mark.parametrize("again", COPIES)
def test_copies_keep_what_a_tensor_is(again):
    x = flambeau.ones(2, requires_grad=True)
    x.note = "kept"
    y = again(x)
    assert y.requires_grad and y.is_leaf and y.note == "kept"
    p = again(flambeau.nn.Parameter(flambeau.ones(2), requires_grad=False))
    assert type(p) is flambeau.nn.Parameter and not p.requires_grad
    assert again(flambeau.zeros(2, 3, device="meta")).shape == (2, 3)
    assert again(flambeau.zeros(0, 3)).shape == (0, 3)
    assert again(flambeau.ones(2, dtype=flambeau.bfloat16)).dtype is flambeau.bfloat16
    assert again(x.detach().storage()).tolist() == [1, 1]


def test_only_leaves_are_copied():
    y = flambeau.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(y)
    with pytest.raises(RuntimeError, match="computed under autograd"):
        pickle.dumps(y)


def test_deepcopy_copies_the_gradient_and_pickle_leaves_it():
    x = flambeau.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    assert copy.deepcopy(x).grad.tolist() == [3, 3]
    assert pickle.loads(pickle.dumps(x)).grad is None


def test_frombuffer():
    raw = bytearray(np.arange(4, dtype=np.int16).tobytes())
    x = flambeau.frombuffer(raw, dtype=flambeau.int16, count=2, offset=2)
    assert x.tolist() == [1, 2]
    x[0] = 7
    assert raw[2] == 7
    for kwargs in ({"offset": 8}, {"offset": 1}, {"count": 5}, {"count": 0}):
        with pytest.raises(ValueError, match="buffer length"):
            flambeau.frombuffer(raw, dtype=flambeau.int16, **kwargs)
    with pytest.raises(ValueError, match="buffer protocol"):
        flambeau.frombuffer(3, dtype=flambeau.int16)


def test_asarray_shares_where_it_can():
    array, x = np.arange(3.0), flambeau.ones(2)
    assert flambeau.asarray(x) is x
    flambeau.asarray(array)[0] = 9
    assert array[0] == 9
    flambeau.asarray(array, copy=True)[0] = 1
    assert array[0] == 9
    assert flambeau.asarray([1, 2]).dtype is flambeau.int64
    assert flambeau.asarray(x, requires_grad=True).requires_grad
    assert not flambeau.asarray(x * x.clone().requires_grad_(), requires_grad=False).requires_grad
    for call in (
        lambda: flambeau.asarray([1], copy=False),
        lambda: flambeau.asarray(array, dtype=flambeau.float32, copy=False),
        lambda: flambeau.asarray(x, device="meta", copy=False),
    ):
        with pytest.raises(ValueError, match="can't alias"):
            call()


def test_dlpack_shares_memory_both_ways():
    array = np.arange(3.0)
    x = flambeau.from_dlpack(array)
    x[0] = 5
    assert array[0] == 5
    y = np.from_dlpack(x)
    assert y.ctypes.data == x.data_ptr()
    z = flambeau.from_dlpack(flambeau.to_dlpack(x))
    z[1] = 8
    assert x[1] == 8
    assert flambeau.from_dlpack(x, copy=True).data_ptr() != x.data_ptr()
    with pytest.raises(BufferError, match="require gradient"):
        flambeau.to_dlpack(flambeau.ones(1, requires_grad=True))
    with pytest.raises(TypeError, match="__dlpack__"):
        flambeau.from_dlpack([1, 2])


def test_tensor_types():
    assert flambeau.FloatTensor(2, 3).shape == (2, 3)
    assert flambeau.LongTensor([1, 2]).dtype is flambeau.int64
    assert isinstance(flambeau.ones(1), flambeau.FloatTensor)
    assert not isinstance(flambeau.ones(1), flambeau.DoubleTensor)
    assert type(flambeau.FloatTensor([1])) is flambeau.Tensor
    assert flambeau.ones(1).type(flambeau.LongTensor).dtype is flambeau.int64
    assert flambeau.ones(1).type("flambeau.HalfTensor").type() == "flambeau.HalfTensor"
    assert flambeau.ones(1, dtype=flambeau.int32).new(2, 2).dtype is flambeau.int32
    flambeau.set_default_tensor_type(flambeau.DoubleTensor)
    try:
        assert flambeau.zeros(1).dtype is flambeau.float64
    finally:
        flambeau.set_default_tensor_type("flambeau.FloatTensor")
    with pytest.raises(TypeError, match="only floating-point types"):
        flambeau.set_default_tensor_type(flambeau.LongTensor)
    with pytest.raises(ValueError, match="invalid type"):
        flambeau.ones(1).type("torch.NoTensor")


def test_methods_that_are_functions_too():
    x = tensor([-1.5, 2.5])
    assert flambeau.abs_(x) is x and x.tolist() == [1.5, 2.5]
    assert flambeau.fill_(x, 3).tolist() == [3, 3] and flambeau.zero_(x).tolist() == [0, 0]
    assert flambeau.is_signed(x) and not flambeau.is_conj(x) and flambeau.get_device(x) == -1
    with pytest.raises(TypeError, match="must be Tensor, not float"):
        flambeau.sin_(1.0)


def test_settings():
    flambeau.set_deterministic_debug_mode("error")
    assert flambeau.get_deterministic_debug_mode() == 2
    assert flambeau.are_deterministic_algorithms_enabled()
    flambeau.use_deterministic_algorithms(True, warn_only=True)
    assert flambeau.is_deterministic_algorithms_warn_only_enabled()
    assert flambeau.get_deterministic_debug_mode() == 1
    flambeau.set_deterministic_debug_mode(0)
    with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
        flambeau.set_deterministic_debug_mode("loud")
    with pytest.raises(RuntimeError, match="positive"):
        flambeau.set_num_interop_threads(0)
    assert flambeau.get_num_interop_threads() >= 1
    assert flambeau.get_device_module("cpu").current_device() == "cpu"
    with pytest.raises(RuntimeError, match="does not have a corresponding module"):
        flambeau.get_device_module("meta")


def test_warn_always_shows_a_warning_each_time():
    import warnings

    def twice():
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("default")
            flambeau.set_warn_always(always)
            for _ in range(2):
                warnings.warn_explicit("again", UserWarning, "x.py", 1, "flambeau.x", registry)
            flambeau.set_warn_always(False)
        return len(shown)

    for always, expected in ((False, 1), (True, 2)):
        registry: dict = {}
        assert twice() == expected
    assert not flambeau.is_warn_always_enabled()


def test_tiny_numbers_are_flushed_on_demand():
    tiny = flambeau.tensor([1e-310], dtype=flambeau.float64)
    if not flambeau.set_flush_denormal(True):
        pytest.skip("this machine cannot")
    try:
        assert (tiny * 1).tolist() == [0.0]
    finally:
        flambeau.set_flush_denormal(False)
    assert (tiny * 1).tolist() == [1e-310]


def test_streams_and_events_of_the_cpu():
    stream = flambeau.Stream()
    assert stream.query() and stream == flambeau.Stream(device="cpu")
    with stream:
        stream.synchronize()
    with pytest.raises(RuntimeError, match="doesn't support events"):
        stream.record_event()


def test_python_functions_on_elements():
    x = tensor([1.0, 2.0])
    assert x.apply_(lambda v: v * 3) is x and x.tolist() == [3, 6]
    assert x.map_(tensor([1.0]), lambda a, b: a - b).tolist() == [2, 5]
    with pytest.raises(RuntimeError, match="requires grad"):
        flambeau.ones(1, requires_grad=True).apply_(abs)


def test_a_gradient_of_another_dtype():
    x = flambeau.ones(2, requires_grad=True)
    assert x.grad_dtype is flambeau.float32
    x.grad_dtype = flambeau.float64
    (x * 2).sum().backward()
    assert x.grad.dtype is flambeau.float64
    with pytest.raises(RuntimeError, match="leaf"):
        (x * 2).grad_dtype


@pytest.mark.parametrize(("shape", "wrap"), [((7, 3), True), ((7, 3), False), ((2, 5), True), ((3, 3, 3), False)])  # fmt: skip
def test_fill_diagonal(shape, wrap):
    made, expected = flambeau.zeros(shape), np.zeros(shape)
    np.fill_diagonal(expected, 5, wrap=wrap)
    assert made.fill_diagonal_(5, wrap).tolist() == expected.tolist()


def test_numpy_functions_on_tensors():
    x = tensor([[1.0, 2.0], [3.0, 4.0]])
    assert (
        np.float64(2) * x
    ).dtype is flambeau.float32  # NumPy's scalars are weak here, as Python's
    out = np.zeros((2, 2), np.float32)
    assert np.add(x, x, out=out) is out and out[1, 1] == 8
    assert type(np.sin(x)) is flambeau.Tensor and type(np.multiply.outer(x, x)) is np.ndarray
    with pytest.raises(RuntimeError, match="requires grad"):
        np.sqrt(flambeau.ones(2, requires_grad=True))
