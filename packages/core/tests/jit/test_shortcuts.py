"""Calls that are like the one before go past the key: whatever may make a call another one is noticed all the same."""

import threading

import numpy as np
import pytest

import flambeau
from flambeau import nn

scale = 2.0


def warm(f, *args):
    """Calls until the next one takes the way past the key."""
    for _ in range(4):
        f(*args)
    assert f._short is not None
    return f


def scaled(x, y):
    return (x * scale - y).tanh()


def test_it_is_the_same_program_with_other_contents():
    f = warm(flambeau.compile(scaled), flambeau.ones(3), flambeau.zeros(3))
    short = f._short
    for _ in range(3):
        x, y = flambeau.randn(3), flambeau.randn(3)
        assert flambeau.allclose(f(x, y), scaled(x, y))
    assert f._short is short


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: (flambeau.randn(5), flambeau.randn(5)), id="another shape"),
        pytest.param(lambda: (flambeau.randn(3).double(), flambeau.randn(3)), id="another dtype"),
        pytest.param(lambda: (flambeau.randn(6)[::2], flambeau.randn(3)), id="other strides"),
        pytest.param(lambda: (flambeau.randn(4)[1:], flambeau.randn(3)), id="a view"),
        pytest.param(lambda: (flambeau.randn(3), 1.5), id="a number"),
        pytest.param(lambda: (x := flambeau.randn(3), x), id="one tensor twice"),
        pytest.param(lambda: (x := flambeau.randn(3), x[:]), id="a tensor and a view of all of it"),
        pytest.param(lambda: (nn.Parameter(flambeau.randn(3)), flambeau.randn(3)), id="a parameter"),
        pytest.param(lambda: (flambeau.randn(3, requires_grad=True) * 2, flambeau.randn(3)), id="history"),
        pytest.param(lambda: (np.ones(3, np.float32), flambeau.randn(3)), id="an array"),
    ],
)  # fmt: skip
def test_other_arguments(make):
    f = warm(flambeau.compile(scaled), flambeau.ones(3), flambeau.zeros(3))
    for _ in range(3):
        x, y = make()
        try:
            wanted = scaled(x, y)
        except TypeError:
            with pytest.raises(TypeError):
                f(x, y)
            continue
        made = f(x, y)
        assert made.dtype == wanted.dtype and made.requires_grad == wanted.requires_grad
        assert flambeau.allclose(made, wanted)


def test_one_tensor_given_twice_is_another_call():
    x, y = flambeau.ones(3), flambeau.ones(3)
    f = warm(flambeau.compile(lambda x, y: x * 3 if x is y else x + y), x, y)
    assert f(x, x).tolist() == [3, 3, 3]
    assert f(x, y).tolist() == [2, 2, 2]


def test_keywords_and_missing_arguments():
    f = warm(flambeau.compile(scaled), flambeau.ones(3), flambeau.zeros(3))
    assert flambeau.allclose(f(flambeau.ones(3), y=flambeau.ones(3)), scaled(flambeau.ones(3), 1.0))
    with pytest.raises(TypeError, match="argument"):
        f(flambeau.ones(3))


def test_a_view_of_what_got_a_history():
    base = flambeau.zeros(4)
    view = base[1:]
    f = warm(flambeau.compile(lambda x: x * 3), view)
    w = flambeau.ones(4, requires_grad=True)
    base.add_(w)
    made = f(view)
    assert made.requires_grad
    made.sum().backward()
    assert w.grad.tolist() == [0, 3, 3, 3]


def test_globals(monkeypatch):
    f = warm(flambeau.compile(scaled), flambeau.ones(3), flambeau.zeros(3))
    monkeypatch.setitem(globals(), "scale", 5.0)
    assert flambeau.allclose(
        f(flambeau.ones(3), flambeau.zeros(3)), flambeau.tensor([5.0] * 3).tanh()
    )


def test_code_and_attributes_of_functions():
    def helper(x):
        return x + 1

    f = warm(flambeau.compile(lambda x: helper(x) * getattr(helper, "factor", 1)), flambeau.ones(2))
    helper.factor = 3
    assert f(flambeau.ones(2)).tolist() == [6, 6]
    helper.factor = 4
    assert f(flambeau.ones(2)).tolist() == [8, 8]
    helper.__code__ = (lambda x: x - 1).__code__
    assert f(flambeau.ones(2)).tolist() == [0, 0]


def test_settings():
    f = warm(flambeau.compile(lambda x: x * 2 + flambeau.ones(3)), flambeau.ones(3))
    x = flambeau.ones(3)
    before = flambeau.get_default_dtype()
    try:
        flambeau.set_default_dtype(flambeau.float64)
        assert f(x).dtype == flambeau.float64
    finally:
        flambeau.set_default_dtype(before)
    assert f(x).dtype == flambeau.float32


def test_gradient_mode():
    weight = nn.Parameter(flambeau.ones(3))
    f = flambeau.compile(lambda x: x * weight)
    with flambeau.no_grad():
        warm(f, flambeau.ones(3))
        assert not f(flambeau.ones(3)).requires_grad
    assert f(flambeau.ones(3)).requires_grad
    with flambeau.no_grad():
        assert not f(flambeau.ones(3)).requires_grad


def test_autocast():
    f = warm(flambeau.compile(lambda x, y: x @ y), flambeau.ones(3, 3), flambeau.ones(3, 3))
    with flambeau.autocast("cpu", dtype=flambeau.bfloat16):
        assert f(flambeau.ones(3, 3), flambeau.ones(3, 3)).dtype == flambeau.bfloat16
    assert f(flambeau.ones(3, 3), flambeau.ones(3, 3)).dtype == flambeau.float32


def test_transforms_and_tracers():
    f = warm(flambeau.compile(lambda x: x.sum() * x), flambeau.arange(3.0))
    x = flambeau.arange(6.0).reshape(2, 3)
    assert flambeau.allclose(flambeau.vmap(f)(x), x.sum(1, keepdim=True) * x)
    found = flambeau.func.grad(lambda x: f(x).sum())(flambeau.arange(3.0))
    assert flambeau.allclose(found, flambeau.full((3,), 6.0))
    outer = flambeau.compile(lambda x: f(x) + 1)
    for _ in range(4):
        assert outer(flambeau.arange(3.0)).tolist() == [1, 4, 7]


def test_stances():
    ran = []

    def function(x):
        return x + 1

    f = warm(flambeau.compile(function), flambeau.ones(2))
    f._function = lambda x: ran.append(1) or x + 1
    with flambeau.compiler.set_stance("force_eager"):
        f(flambeau.ones(2))
    assert ran


@pytest.mark.filterwarnings("ignore:flambeau.compile")  # hooks run in pieces
def test_modules():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2)).eval()
    f = flambeau.compile(lambda x: model(x))
    x = flambeau.randn(2, 3)
    with flambeau.no_grad():
        warm(f, x)
        model[0].weight.mul_(2)
        assert flambeau.allclose(f(x), model(x))
        warm(f, x)
        model[2] = nn.Linear(4, 5)
        assert flambeau.allclose(f(x), model(x))
        warm(f, x)
        handle = model[0].register_forward_hook(lambda m, given, made: made * 0)
        assert flambeau.allclose(f(x), model(x))
        handle.remove()
        assert flambeau.allclose(f(x), model(x))
        warm(f, x)
        model[0].weight.data = flambeau.randn(4, 3)
        assert flambeau.allclose(f(x), model(x))
        warm(f, x)
        model.train()
        flambeau.manual_seed(3)
        made = f(x)
        flambeau.manual_seed(3)
        assert flambeau.allclose(made, model(x))
    seen = []
    model.eval()
    with flambeau.no_grad():
        warm(f, x)
        handle = nn.modules.module.register_module_forward_hook(
            lambda m, given, made: seen.append(m)
        )
        try:
            f(x)
        finally:
            handle.remove()
    assert seen


def test_results_are_new_memory():
    f = warm(flambeau.compile(lambda x: x + 1), flambeau.zeros(3))
    one, two = f(flambeau.zeros(3)), f(flambeau.ones(3))
    assert one.tolist() == [1, 1, 1] and two.tolist() == [2, 2, 2]


def test_reset_forgets_it():
    f = warm(flambeau.compile(lambda x: x + 1), flambeau.zeros(3))
    flambeau.jit.reset()
    assert f._short is None
    assert f(flambeau.zeros(3)).tolist() == [1, 1, 1]


def test_shapes_that_change_at_every_call():
    f = flambeau.compile(lambda x: (x * 2).sum())
    for n in (3, 5, 3, 3, 5, 5, 5, 7, 3, 5, 7, 7, 7, 3):
        assert f(flambeau.ones(n)).item() == 2 * n


def test_many_threads():
    weight = nn.Parameter(flambeau.ones(64))
    f = flambeau.compile(lambda x: x * weight)
    wrong = []

    def run(grad):
        with flambeau.set_grad_enabled(grad):
            for i in range(200):
                made = f(flambeau.full((64,), float(i)))
                if made.requires_grad is not grad or made[3].item() != i:
                    wrong.append(i)

    threads = [threading.Thread(target=run, args=(i % 2 == 0,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
