"""flambeau.compile: compiled = eager, guards that hold, and what runs eagerly with its reason."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau
from flambeau import nn
from flambeau.runtime.operator import registry
from flambeau.testing import assert_close

UNARY = ("tanh", "exp", "sigmoid", "neg", "abs", "square", "relu", "floor")
BINARY = ("add", "sub", "mul", "maximum", "minimum")


def quiet(f):
    """The compiled function; a warning about eager running is a failure."""
    compiled = flambeau.compile(f)

    def call(*args):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return compiled(*args)

    call.compiled = compiled
    return call


@st.composite
def programs(draw):
    """A random program over two inputs: a list of (operator, indices of earlier values)."""
    steps = []
    for i in range(draw(st.integers(1, 12))):
        if draw(st.booleans()):
            steps.append((draw(st.sampled_from(UNARY)), (draw(st.integers(0, i + 1)),)))
        else:
            pair = (draw(st.integers(0, i + 1)), draw(st.integers(0, i + 1)))
            steps.append((draw(st.sampled_from(BINARY)), pair))
    end = draw(st.sampled_from(("none", "sum", "amax", "mean", "softmax", "two")))
    return steps, end


def run(steps, end, x, y):
    values = [x, y]
    for name, places in steps:
        made = getattr(flambeau, name)(*(values[p] for p in places))
        values.append(made.clamp(-3, 3))
    last = values[-1]
    if end == "two":
        return last.sum(0), last * 2, values[2]
    return (
        last
        if end == "none"
        else flambeau.softmax(last, -1)
        if end == "softmax"
        else getattr(last, end)(-1)
    )


@settings(max_examples=40, deadline=None)
@given(
    programs(), st.sampled_from([((3, 5), (3, 5)), ((2, 3, 4), (4,)), ((7,), ()), ((2, 1), (1, 3))])
)
def test_random_programs_equal_eager(program, shapes):
    flambeau.manual_seed(0)
    x, y = (flambeau.randn(s, dtype=flambeau.float64) for s in shapes)

    def f(x, y):
        return run(*program, x, y)

    compiled = quiet(f)
    expected = f(x, y)
    for _ in range(2):
        assert_close(compiled(x, y), expected, rtol=1e-9, atol=1e-9)
    assert_close(compiled(x + 1, y), f(x + 1, y), rtol=1e-9, atol=1e-9)


def test_a_chain_is_one_kernel():
    f = quiet(lambda x, w: ((x * w + 1).tanh() * x.sigmoid() - x.exp()).sum(1))
    f(flambeau.randn(4, 5), flambeau.randn(5))
    text = flambeau.jit.explain(f.compiled)
    assert text.count("fused") == 1 and "v9 = sum" in text.replace("v8 = sum", "v9 = sum")


def test_a_cycle_is_not_fused():
    def f(x):
        y = x.exp()
        return y * flambeau.softmax(y, -1) + y

    x = flambeau.randn(3, 4)
    assert_close(quiet(f)(x), f(x))
    g = quiet(f)
    g(x)
    assert_close(g(x), f(x))


def test_shapes_dtypes_and_numbers_are_guarded():
    f = quiet(lambda x, k: x * k + 1)
    for x in (flambeau.ones(2), flambeau.ones(3), flambeau.ones(2, dtype=flambeau.float64)):
        for k in (2.0, 3.0):
            for _ in range(2):
                assert_close(f(x, k), x * k + 1)


def test_captured_numbers_and_tensors_are_guarded():
    scale, weight = 2.0, flambeau.ones(3)

    def f(x):
        return (x * scale + weight).sum()

    compiled = quiet(f)
    x = flambeau.arange(3.0)
    assert compiled(x) == f(x) and compiled(x) == f(x)
    scale = 5.0
    assert compiled(x) == f(x)
    weight.mul_(3)
    assert compiled(x) == f(x)
    weight = flambeau.zeros(3)
    assert compiled(x) == f(x)


class Settings:
    scale = 1.0


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.sizes = 1.0, [1.0]

    def forward(self, x):
        return x * self.scale * self.sizes[0]


FACTOR = 1.0
by_name, by_place, settings_, module_ = {"a": 1.0}, [1.0], Settings(), Scaled()
settings_.scale = 1.0


def helper(x):
    return x * FACTOR


compiled_helper = flambeau.compile(helper)


def write(name, value):
    globals()[name] = value


@pytest.mark.parametrize(
    ("function", "change"),
    [
        (lambda x: x * by_name["a"], lambda: by_name.update(a=3.0)),
        (lambda x: x * by_place[0], lambda: by_place.__setitem__(0, 3.0)),
        (lambda x: x * settings_.scale, lambda: setattr(settings_, "scale", 3.0)),
        (lambda x: helper(x), lambda: write("FACTOR", 3.0)),
        (lambda x: compiled_helper(x), lambda: write("FACTOR", 4.0)),
        (lambda x: sum(x * FACTOR for _ in range(2)), lambda: write("FACTOR", 5.0)),
        (lambda x: module_(x), lambda: setattr(module_, "scale", 3.0)),
        (Scaled.forward.__get__(module_), lambda: module_.sizes.__setitem__(0, 3.0)),
    ],
    ids=(
        "dict",
        "list",
        "object",
        "helper",
        "compiled helper",
        "comprehension",
        "module",
        "method",
    ),
)
def test_what_a_function_reaches_is_guarded(function, change):
    compiled, x = quiet(function), flambeau.ones(2)
    before = function(x)
    for _ in range(2):
        assert_close(compiled(x), before)
    change()
    assert not flambeau.equal(function(x), before)
    assert_close(compiled(x), function(x))
    assert_close(compiled(x), function(x))


def test_a_module_sees_new_weights_and_its_mode():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dropout(0.5))
    compiled = flambeau.compile(model)
    x = flambeau.randn(5, 4)
    with flambeau.no_grad():
        model.train()
        assert_close(compiled(x).shape, (5, 3))
        before = model[1].running_mean.clone()
        compiled(x)
        assert not flambeau.equal(before, model[1].running_mean), (
            "statistics are written at every call"
        )
        model.eval()
        for _ in range(2):
            assert_close(compiled(x), model(x))
        model[0].weight.mul_(-2)
        assert_close(compiled(x), model(x))
        model.load_state_dict(
            {k: v * 0.5 if v.dtype.is_floating_point else v for k, v in model.state_dict().items()}
        )
        assert_close(compiled(x), model(x))
    assert compiled.training is False


def test_replaced_parts_and_new_hooks_are_seen():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    compiled, x = flambeau.compile(model), flambeau.ones(1, 2)
    with flambeau.no_grad():
        assert_close(compiled(x), model(x))
        model[0] = nn.Linear(2, 3)
        assert_close(compiled(x), model(x))
        model[0].bias = nn.Parameter(flambeau.full((3,), 7.0))
        assert_close(compiled(x), model(x))
        with model[1].register_forward_hook(lambda module, args, out: out * 10):
            with pytest.warns(UserWarning, match="the forward hook"):
                assert_close(compiled(x), model(x))
        assert_close(compiled(x), model(x))
        model[0].register_forward_pre_hook(lambda module, args: (args[0] * 3,))
        with pytest.warns(UserWarning, match="of Linear"):
            assert_close(compiled(x), model(x))


def test_the_default_dtype_is_guarded():
    compiled = quiet(lambda n: flambeau.ones(3) * n)
    assert compiled(flambeau.tensor(2)).dtype is flambeau.float32
    flambeau.set_default_dtype(flambeau.float64)
    try:
        assert compiled(flambeau.tensor(2)).dtype is flambeau.float64
    finally:
        flambeau.set_default_dtype(flambeau.float32)


def test_results_given_as_out_are_seen():
    def f(x):
        whole, empty = flambeau.zeros(3), flambeau.empty(0)
        flambeau.mul(x, 2, out=whole)
        return whole + flambeau.add(x, 1, out=empty) + empty

    compiled = quiet(f)
    for x in (flambeau.ones(3), flambeau.arange(3.0)):
        assert_close(compiled(x), f(x))


def test_writes_into_memory_that_arguments_share_run_eagerly():
    def f(a, b):
        a.add_(1)
        return a * b

    def arguments():
        x, y = flambeau.arange(4.0), flambeau.arange(5.0)
        yield "distinct", flambeau.arange(4.0), flambeau.ones(4)
        yield "one tensor", x, x
        yield "overlapping", y[:4], y[1:]
        yield "one array", x, flambeau.from_numpy(x.numpy())

    for first in range(4):
        compiled = flambeau.compile(f)
        for turn in range(4):
            i = (first + turn) % 4
            (name, *given), (_, *fresh) = list(arguments())[i], list(arguments())[i]
            assert_close(compiled(*given), f(*fresh), msg=lambda m, name=name: f"{name}: {m}")


def test_written_arguments_are_written():
    def f(x):
        x[1:3] = x[1:3] * 2
        x.add_(1)
        return x.sum()

    compiled = quiet(f)
    for _ in range(2):
        a, b = flambeau.arange(5.0), flambeau.arange(5.0)
        assert compiled(a) == f(b)
        assert_close(a, b)
        assert a._version > 0


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (lambda x: x if x.sum().item() > 0 else -x, "item()"),
        (lambda x: flambeau.from_numpy(x.numpy() * 2), "numpy()"),
        (lambda x: x.reshape(-1), "shares memory"),
    ],
)
def test_what_cannot_be_captured_runs_right_and_says_so_once(f, reason):
    compiled = flambeau.compile(f)
    for x in (flambeau.ones(2), -flambeau.ones(2)):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert_close(compiled(x), f(x))
        assert (len(said) == 1 and reason in str(said[0].message)) == bool(x[0] > 0)
    with pytest.raises(RuntimeError, match="fullgraph"):
        flambeau.compile(f, fullgraph=True)(flambeau.ones(2))


def test_a_training_step_inside_is_not_frozen():
    w = flambeau.ones(2, requires_grad=True)

    def step(x):
        (w * x).sum().backward()
        return x * 2

    compiled = quiet(step)
    for i in range(3):
        assert_close(compiled(flambeau.ones(2)), flambeau.full((2,), 2.0))
        assert_close(w.grad, flambeau.full((2,), i + 1.0))


def test_without_a_compiler_the_same_answers(monkeypatch):
    from flambeau.backends import cpu

    monkeypatch.setattr(cpu, "available", lambda: False)
    f = quiet(lambda x: (x.exp() + 1).log().sum(0))
    x = flambeau.randn(4, 3)
    expected = (x.exp() + 1).log().sum(0)
    assert_close(f(x), expected)
    assert_close(f(x), expected)
    ((plan,),) = f.compiled._plans.values()
    assert not plan.forward.programs[0].kernels


def test_random_draws_go_on():
    f = quiet(lambda x: x + flambeau.rand(3))
    flambeau.manual_seed(0)
    made = [f(flambeau.zeros(3)) for _ in range(3)]
    flambeau.manual_seed(0)
    assert_close(made, [flambeau.rand(3) for _ in range(3)])


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match="function or module"):
        flambeau.compile(3)
    with pytest.raises(ValueError, match="unknown backend"):
        flambeau.compile(lambda x: x, backend="tensorrt")


def test_a_backend_of_ones_own():
    seen = []

    def backend(graph, example):
        seen.append((str(graph), [tuple(t.shape) for t in example]))

        def call(op, arguments, attrs):
            return registry[op].public(*arguments, **attrs)

        def run(*tensors):
            values = (*graph.inputs, *graph.captured, *graph.constants)
            for value, tensor in zip(values, tensors):
                value.tensor = tensor
            return graph.run(call, *tensors)

        return run

    scale = flambeau.full((3,), 2.0)
    f = flambeau.compile(lambda x: (x * scale).exp().sum(0), backend=backend, fullgraph=True)
    for x in (flambeau.randn(4, 3), flambeau.randn(4, 3), flambeau.randn(4, 3)):
        assert_close(f(x), (x * scale).exp().sum(0))
    assert len(seen) == 1 and "ops.exp" in seen[0][0] and seen[0][1] == [(4, 3), (3,)]
    bad = flambeau.compile(lambda x: x + 1, backend=lambda graph, example: None)
    bad(flambeau.ones(2))
    with pytest.raises(TypeError, match="must return a function"):
        bad(flambeau.ones(2))


def test_settings():
    with pytest.raises(RuntimeError, match="Unrecognized mode=quick"):
        flambeau.compile(lambda x: x, mode="quick")
    with pytest.raises(ValueError, match="unknown backend"):
        flambeau.compile(lambda x: x, backend="tvm")
    with pytest.raises(ValueError, match="must be positive"):
        flambeau.compile(lambda x: x, recompile_limit=0)
    f = flambeau.compile(lambda x: x * 2, recompile_limit=2, name="twice")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for n in range(1, 6):
            assert_close(f(flambeau.ones(n)), flambeau.full((n,), 2.0))
    assert len(said) == 1 and "twice runs eagerly: more than 2 programs" in str(said[0].message)
    g = flambeau.compile(lambda x: x * 2, recompile_limit=1, fullgraph=True)
    g(flambeau.ones(1))
    with pytest.raises(flambeau.jit.Broken, match="more than 1 programs"):
        g(flambeau.ones(2))
    h = quiet(lambda x: x * 2)
    h.compiled._limit = flambeau.compile(lambda x: x, dynamic=True)._limit
    for n in range(1, 30):
        h(flambeau.ones(n))


@flambeau.compile(mode="max-autotune", dynamic=False)
def decorated(x):
    return x + 1


def test_as_a_decorator():
    assert decorated(flambeau.ones(2)).tolist() == [2.0, 2.0]
    assert decorated.__name__ == "decorated"


@flambeau.no_grad()
def test_modules_and_functions_among_the_arguments_are_guarded():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    compiled = flambeau.compile(lambda module, x, after: after(module(x)))
    x, scale = flambeau.ones(8, 4), [2.0]

    def after(y):
        return y * scale[0]

    def same():
        return flambeau.allclose(compiled(model, x, after), after(model(x)))

    model.eval()
    assert same()
    assert same()
    model.train()
    assert (compiled(model, x, after) == 0).any()
    model.eval()
    scale[0] = 3.0
    assert same()
    model[0].weight.mul_(2)
    assert same()
    model[0] = nn.Linear(4, 4)
    assert same()
    bound = flambeau.compile(lambda call, x: call(x))
    assert flambeau.allclose(bound(model.forward, x), model(x))
    model.train()
    assert (bound(model.forward, x) == 0).any()


loss = flambeau.ones(1)  # a global by the name of an attribute below


def test_globals_that_share_a_name_with_an_attribute_are_not_guarded():
    global loss

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.loss = nn.MSELoss()

        def forward(self, x):
            return self.loss(x, x * 2)

    run = flambeau.compile(Model())
    for _ in range(3):
        loss = run(flambeau.ones(2))
    assert flambeau.jit.explain(run).count("program ") == 1


def test_gradients_that_cannot_be_taken_are_no_error_of_the_call():
    run = flambeau.compile(lambda x: flambeau.linalg.qr(x, mode="complete"))
    x = flambeau.randn(4, 3, requires_grad=True)
    with pytest.warns(UserWarning, match="gradients that cannot be taken"):
        q, r = run(x)
    assert_close(q @ r, x)


FORKED = """
import os, threading, flambeau
inside, leave = threading.Event(), threading.Event()

def function(x):
    if threading.current_thread() is not threading.main_thread():
        inside.set()
        leave.wait()
    return x * 2

compiled = flambeau.compile(function)
thread = threading.Thread(target=lambda: compiled(flambeau.ones(3)))
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    os._exit(int(compiled(flambeau.ones(3)).sum()))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
leave.set()
thread.join()
"""


def test_a_fork_in_the_middle_of_a_first_call():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.stdout == "6\n", done.stderr


WHOLE_VIEWS = {
    "squeeze": lambda x: x.squeeze(),
    "expand": lambda x: x.expand(3, 4),
    "view": lambda x: x.view(3, 4),
    "slice": lambda x: x[:],
    "ellipsis": lambda x: x[...],
    "permute": lambda x: x.permute(0, 1),
    "chunk": lambda x: x.chunk(1)[0],
    "flatten": lambda x: x.flatten(1),
}


@pytest.mark.parametrize("name", WHOLE_VIEWS)
def test_a_detached_view_of_all(name):
    def function(x):
        return WHOLE_VIEWS[name](x * 2).detach() + 1

    compiled, x = flambeau.compile(function, fullgraph=True), flambeau.randn(3, 4)
    for _ in range(3):
        assert compiled(x).equal(function(x))
