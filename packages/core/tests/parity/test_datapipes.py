"""Data pipes: the same pipes written for PyTorch and for flambeau give the same samples and refusals."""

from __future__ import annotations

import pickle

import pytest
import torch.utils.data

import flambeau.utils.data

BOTH = [torch.utils.data, flambeau.utils.data]


@pytest.fixture(params=BOTH, ids=["torch", "flambeau"])
def data(request):
    yield request.param
    for cls in (request.param.IterDataPipe, request.param.MapDataPipe):
        cls.functions.pop("twice_for_a_test", None)


def numbers(data, count=3, cls=None):
    class Numbers(cls or data.IterDataPipe[int]):
        resets = 0

        def __iter__(self):
            yield from range(count)

        def reset(self):
            self.resets += 1

    return Numbers()


def test_functional_form(data):
    @data.functional_datapipe("twice_for_a_test")
    class Twice(data.IterDataPipe):
        "Doc."

        def __init__(self, source, plus=0):
            self.source, self.plus = source, plus

        def __iter__(self):
            for x in self.source:
                yield 2 * x + self.plus

    pipe = numbers(data).twice_for_a_test(plus=1)
    assert list(pipe) == list(pipe) == [1, 3, 5]
    assert "twice_for_a_test" in dir(pipe) and pipe.twice_for_a_test.__doc__ == "Doc."
    if data is flambeau.utils.data:  # PyTorch pickles the pipe, and this class is local
        assert [b.tolist() for b in data.DataLoader(pipe, batch_size=2)] == [[1, 3], [5]]
    with pytest.raises(Exception, match="already taken"):
        data.functional_datapipe("twice_for_a_test")(Twice)
    with pytest.raises(AttributeError, match="has no attribute 'thrice"):
        pipe.thrice


def test_map_pipes(data):
    @data.functional_datapipe("twice_for_a_test")
    class Twice(data.MapDataPipe):
        def __init__(self, source):
            self.source = source

        def __getitem__(self, i):
            return 2 * self.source[i]

        def __len__(self):
            return len(self.source)

    pipe = Twice([1, 2]).twice_for_a_test()
    assert [pipe[0], pipe[1], len(pipe)] == [4, 8, 2]


def test_one_iterator_at_a_time(data):
    pipe = numbers(data)
    first = iter(pipe)
    assert next(first) == 0
    second = iter(pipe)
    assert next(second) == 0
    assert pipe.resets == 2
    with pytest.raises(RuntimeError, match="This iterator has been invalidated"):
        next(first)
    assert list(second) == [1, 2]


def test_determinism(data):
    @data.non_deterministic
    class Random(data.IterDataPipe):
        def __iter__(self):
            yield 4

    @data.non_deterministic(lambda shuffle: shuffle)
    class Sometimes(data.IterDataPipe):
        def __init__(self, shuffle):
            pass

    Random()
    with data.guaranteed_datapipes_determinism():
        with pytest.raises(TypeError, match="Random is non-deterministic, but you set"):
            Random()
        with pytest.raises(TypeError, match="Sometimes is non-deterministic with the inputs"):
            Sometimes(True)
        Sometimes(False)
        with pytest.raises(TypeError, match="boolean value"):
            Sometimes(3)
    assert list(Random()) == [4]
    with pytest.raises(TypeError, match="can not be decorated"):
        data.non_deterministic(3)
    with pytest.raises(TypeError, match="Only `IterDataPipe`"):
        data.non_deterministic(int)


# PyTorch's pipes have lost their `type`, so that its two validators check nothing or fail.
def test_arguments():
    data = flambeau.utils.data

    class Texts(data.IterDataPipe[str]):
        def __iter__(self):
            yield "a"

    def use(pipe, other=None):
        return "used"

    use.__annotations__ = {"pipe": data.IterDataPipe[int]}
    use = data.argument_validation(use)
    assert use(numbers(data), other=3) == "used"
    with pytest.raises(TypeError, match="Expected argument 'pipe' as a IterDataPipe, but found"):
        use([1])
    with pytest.raises(TypeError, match="subtype of hint <class 'int'>|subtype of hint int"):
        use(Texts())


def test_values():
    data = flambeau.utils.data

    def make(hint, values):
        class Pipe(data.IterDataPipe[hint]):
            @data.runtime_validation
            def __iter__(self):
                yield from values

        return Pipe()

    for hint, good, bad in (
        (int, [1, 2], [1, "a"]),
        (tuple[int, str], [(1, "a")], [(1, 2)]),
        (list[int], [[1], []], [["a"]]),
        (dict[str, int], [{"a": 1}], [{1: 1}]),
        (int | str, [1, "a"], [1.0]),
        (tuple[int, ...], [(1, 2)], [3]),
    ):
        assert list(make(hint, good)) == good
        with pytest.raises(RuntimeError, match="Expected an instance as subtype of"):
            list(make(hint, bad))
        with data.runtime_validation_disabled():
            assert list(make(hint, bad)) == bad
    with pytest.raises(TypeError, match="Can not decorate function len"):
        data.runtime_validation(len)


def test_chunks(data):
    chunk = data.DataChunk([1, 2])
    assert (chunk, list(chunk), list(chunk.raw_iterator()), len(chunk)) == (
        [1, 2],
        [1, 2],
        [1, 2],
        2,
    )
    assert chunk.as_str("> ") == "> [1, 2]"
    assert data.DFIterDataPipe()._is_dfpipe()


def test_copies():
    pipe = flambeau.utils.data.IterDataPipe()
    assert repr(pickle.loads(pickle.dumps(pipe))) == "IterDataPipe"
