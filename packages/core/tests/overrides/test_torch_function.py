"""`__torch_function__`: classes and modes that take over functions, in the ways PyTorch documents."""

import copy
import gc
import pickle

import pytest

import flambeau
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.overrides import (
    DisableTorchFunctionSubclass,
    TorchFunctionMode,
    get_overridable_functions,
    get_testing_overrides,
    handle_torch_function,
    has_torch_function,
    resolve_name,
    wrap_torch_function,
)
from flambeau.runtime import overrides as runtime_overrides
from flambeau.runtime import state


class Sub(flambeau.Tensor):
    """Says nothing about functions: results are of its class."""


class Log(flambeau.Tensor):
    seen: list[str] = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        Log.seen.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


class Diagonal:
    """No tensor: an N x N diagonal matrix of one value, with a table of the functions it knows."""

    handled = {}

    def __init__(self, n, value):
        self.n, self.value = n, value

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func not in cls.handled:
            return NotImplemented
        return cls.handled[func](*args, **(kwargs or {}))


def knows(function):
    def add(f):
        Diagonal.handled[function] = f
        return f

    return add


@knows(flambeau.mean)
def _(input):
    return input.value / input.n


@knows(flambeau.add)
def _(input, other):
    full = [x.value * flambeau.eye(x.n) if isinstance(x, Diagonal) else x for x in (input, other)]
    return flambeau.add(*full)


@knows(F.softmax)
def _(input, dim=None, **_):
    return ("softmax", dim)


@knows(flambeau.cat)
def _(tensors, dim=0):
    return ("cat", len(tensors))


@knows(flambeau.zeros_like)
def _(input, **_):
    return Diagonal(input.n, 0.0)


class TestClassesThatAreNoTensors:
    def test_functions_in_the_table_are_answered_by_the_class(self):
        d = Diagonal(4, 2.0)
        assert flambeau.mean(d) == 0.5
        assert flambeau.add(d, flambeau.ones(4, 4))[0].tolist() == [3, 1, 1, 1]
        assert flambeau.add(flambeau.ones(4, 4), d)[1].tolist() == [1, 3, 1, 1]
        assert F.softmax(d, dim=1) == ("softmax", 1)
        assert flambeau.cat([flambeau.ones(2), d]) == ("cat", 2)
        assert flambeau.zeros_like(d).value == 0.0

    def test_what_it_does_not_know_is_one_clear_error(self):
        with pytest.raises(
            TypeError, match=r"no implementation found for 'flambeau\.mul' .*\[Diagonal\]"
        ):
            flambeau.mul(Diagonal(2, 1.0), 3)
        with pytest.raises(TypeError, match="no implementation found"):
            F.relu(Diagonal(2, 1.0))

    def test_tensors_operators_ask_it(self):
        assert (flambeau.ones(2, 2) + Diagonal(2, 1.0)).tolist() == [[2, 1], [1, 2]]


class TestSubclasses:
    @pytest.mark.parametrize(
        "make",
        [
            lambda s: s + 1, lambda s: 1 - s, lambda s: s.sum(), lambda s: s[0], lambda s: s.T, lambda s: s.reshape(-1),
            lambda s: flambeau.sin(s), lambda s: flambeau.stack([s, s]), lambda s: s.to(flambeau.float64),
            lambda s: flambeau.ones(2, 2) @ s, lambda s: s.clone(), lambda s: s.split(1)[0], lambda s: s.max(0).values,
            lambda s: F.relu(s), lambda s: F.cross_entropy(s, flambeau.tensor([0, 1])), lambda s: s > 1, lambda s: s.detach(),
            lambda s: flambeau.zeros_like(s), lambda s: flambeau.where(s > 1, s, 0), lambda s: s.new_zeros(2),
            lambda s: flambeau.linalg.inv(s + flambeau.eye(2)), lambda s: flambeau.einsum("ij->ji", s), lambda s: s.float(),
            lambda s: -s, lambda s: s.mul_(2), lambda s: nn.Linear(2, 3)(s),
        ],
    )  # fmt: skip
    def test_results_are_of_the_class(self, make):
        assert type(make(Sub([[1.0, 2.0], [3.0, 5.0]]))) is Sub

    def test_values_and_gradients_are_those_of_tensors(self):
        x = Sub([1.0, 2.0]).requires_grad_()
        y = (x * x).sum()
        assert type(y) is Sub
        y.backward()
        assert x.grad.tolist() == [2, 4]

    def test_methods_report_the_function(self):
        Log.seen.clear()
        x = Log([1.0, 2.0])
        _ = (
            (x * 2 + x).sum(),
            x.reshape(1, 2),
            flambeau.stack([x, x]),
            F.linear(x, flambeau.ones(3, 2)),
            x.to("cpu"),
            x[0],
        )
        assert Log.seen == ["mul", "add", "sum", "reshape", "stack", "linear", "to", "__getitem__"] or Log.seen[:6] == [
            "mul", "add", "sum", "reshape", "stack", "linear",
        ]  # fmt: skip

    def test_a_subclass_is_asked_before_its_base(self):
        asked = []

        class Base(flambeau.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                asked.append(cls.__name__)
                return NotImplemented

        class Derived(Base):
            pass

        with pytest.raises(TypeError, match="no implementation found"):
            flambeau.add(Base([1.0]), Derived([1.0]))
        assert asked == ["Derived", "Base"]

    def test_unrelated_classes_refuse_each_other(self):
        class Other(flambeau.Tensor):
            pass

        with pytest.raises(TypeError, match="no implementation found"):
            Sub([1.0]) + Other([1.0])

    def test_parameters_make_plain_tensors(self):
        p = nn.Parameter(flambeau.ones(2))
        assert type(p * 2) is flambeau.Tensor
        assert not has_torch_function((p,))

    def test_as_subclass_shares_memory_and_history(self):
        x = flambeau.ones(2, requires_grad=True)
        s = (x * 2).as_subclass(Sub)
        assert type(s) is Sub and s.requires_grad
        s.sum().backward()
        assert x.grad.tolist() == [2, 2]
        leaf = flambeau.ones(2)
        leaf.as_subclass(Sub)[0] = 5
        assert leaf.tolist() == [5, 1]

    def test_printing_names_the_class(self):
        assert repr(Sub([1.0])) == "Sub([1.])"

    def test_copies_and_pickles_stay_in_the_class(self):
        s = Sub([1.0, 2.0])
        s.note = "kept"
        for made in (copy.deepcopy(s), copy.copy(s), pickle.loads(pickle.dumps(s))):
            assert type(made) is Sub and made.note == "kept" and made.tolist() == [1, 2]
            assert type(made + 1) is Sub

    def test_the_hot_path_is_free_again_when_the_last_one_has_gone(self):
        gc.collect()
        runtime_overrides.settle()
        before = state.active
        s = Sub([1.0])
        t = s + 1
        assert state.active >= before + 2
        del s, t
        gc.collect()
        runtime_overrides.settle()
        assert state.active == before

    def test_disabling(self):
        with DisableTorchFunctionSubclass():
            assert type(Sub([1.0]) + 1) is flambeau.Tensor
        assert type(Sub([1.0]) + 1) is Sub


class TestModes:
    def test_sees_functions_and_factories(self):
        class Names(TorchFunctionMode):
            def __init__(self):
                self.names = []

            def __torch_function__(self, func, types, args=(), kwargs=None):
                self.names.append(func.__name__)
                return func(*args, **(kwargs or {}))

        with Names() as seen:
            (flambeau.zeros(2) + 1).sum()
            F.relu(flambeau.ones(2))
        assert seen.names == ["zeros", "add", "sum", "ones", "relu"]
        flambeau.zeros(2)
        assert len(seen.names) == 5

    def test_the_inner_mode_is_asked_first(self):
        class Scale(TorchFunctionMode):
            def __init__(self, by):
                self.by = by

            def __torch_function__(self, func, types, args=(), kwargs=None):
                made = func(*args, **(kwargs or {}))
                return made * self.by if func is flambeau.ones else made

        with Scale(2), Scale(3):
            assert flambeau.ones(1).item() == 6
        assert flambeau.ones(1).item() == 1

    def test_a_failing_call_leaves_the_mode(self):
        before = state.overriding

        class Fail(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"), Fail():
            flambeau.ones(2)
        assert state.overriding == before


class TestOnesOwnFunctions:
    def test_handle_torch_function(self):
        def mine(x):
            if has_torch_function((x,)):
                return handle_torch_function(mine, (x,), x)
            return x * 2

        assert type(mine(Sub([1.0]))) is Sub
        assert type(mine(flambeau.ones(1))) is flambeau.Tensor

    def test_wrap_torch_function(self):
        @wrap_torch_function(lambda x: (x,))
        def mine(x):
            return "plain"

        Diagonal.handled[mine] = lambda x: "handled"
        assert mine(Diagonal(1, 1.0)) == "handled"
        assert mine(flambeau.ones(1)) == "plain"

    def test_lists(self):
        functions = get_overridable_functions()
        assert flambeau.add in functions[flambeau]
        assert flambeau.zeros in functions[flambeau]
        assert F.relu in functions[F]
        assert get_testing_overrides()[flambeau.add](1, 2) == -1
        assert resolve_name(F.relu) == "flambeau.nn.functional.relu"
        assert resolve_name(print) is None


def test_methods_are_seen_by_their_names():
    seen = []

    class Watched(flambeau.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func.__name__, func is flambeau.Tensor.__getitem__))
            return super().__torch_function__(func, types, args, kwargs)

    x = flambeau.ones(2).as_subclass(Watched)
    x[0], x + 1, x[1:], x // 2
    x[0] = 3
    assert [name for name, _ in seen] == [
        "__getitem__",
        "add",
        "__getitem__",
        "__floordiv__",
        "__setitem__",
    ]
    assert seen[0][1] and not seen[1][1]
