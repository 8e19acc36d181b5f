"""Inference tensors: which they are, what they refuse outside inference mode, and that others are left alone."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest

import flambeau
from flambeau import inference_mode, ones
from flambeau.backends import cpu

SAVED = "Inference tensors cannot be saved for backward"
WRITTEN = "Inplace update to inference tensor outside InferenceMode is not allowed"


@pytest.fixture
def made():
    with inference_mode():
        return ones(3) * 2


MAKERS = {
    "factory": lambda x: ones(2),
    "data": lambda x: flambeau.tensor([1.0]),
    "random": lambda x: flambeau.rand(2),
    "hot": lambda x: x + x,
    "number": lambda x: x * 2,
    "unary": lambda x: x.exp(),
    "product": lambda x: x @ x,
    "sum": lambda x: x.sum(),
    "general": lambda x: x + x.double(),
    "several": lambda x: x.sort().values,
    "composite": lambda x: x.softmax(0),
    "claimed": lambda x: flambeau.nn.functional.layer_norm(ones(64, 64), (64,)),
    "kernel": lambda x: ones(300, 300) + 1,
    "copy": lambda x: x.clone(),
    "parameter": lambda x: flambeau.nn.Parameter(ones(2)),
    "from NumPy": lambda x: flambeau.from_numpy(ones(2).numpy()),
    "view of one": lambda x: ones(2, 2)[0],
    "data of one": lambda x: ones(2).data,
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_made_inside_is_an_inference_tensor(name):
    make, x = MAKERS[name], ones(3)
    assert not make(x).is_inference()
    for _ in range(10):  # the straight way is compiled after some calls
        with inference_mode():
            assert make(x).is_inference()
    assert not make(x).is_inference() and not x.is_inference()


def test_views_and_writes_of_others_inside():
    x = ones(3)
    with inference_mode():
        views = x[1:], x.view(3, 1), x.detach(), x.data, x.expand(2, 3)
        x.add_(1)
        flambeau.add(x, x, out=x)
    assert not any(v.is_inference() for v in (x, *views)) and x._version == 2
    with inference_mode(), inference_mode(False):
        assert not ones(2).is_inference()


def test_views_outside_are_inference_tensors_and_results_are_not(made):
    views = made[1:], made[0], made.view(3, 1), made.detach(), made.data, made.expand(2, 3)
    assert all(v.is_inference() for v in views)
    results = made + 1, made.clone(), made.sum(), copy.deepcopy(made)
    assert not any(r.is_inference() for r in (*results, pickle.loads(pickle.dumps(made))))


WRITES = {
    "add_": lambda x: x.add_(1),
    "with a tensor": lambda x: x.mul_(ones(3)),
    "a function": lambda x: x.exp_(),
    "an item": lambda x: x.__setitem__(0, 3.0),
    "a part": lambda x: x.__setitem__(slice(0, 2), ones(2)),
    "a mask": lambda x: x.__setitem__(x > 0, 0.0),
    "a view": lambda x: x[1:].zero_(),
    "fill_": lambda x: x.fill_(3),
    "copy_": lambda x: x.copy_(ones(3)),
    "random": lambda x: x.normal_(),
    "out=": lambda x: flambeau.add(ones(3), 1, out=x),
    "shape": lambda x: x.unsqueeze_(0),
    "resize_": lambda x: x.resize_(7),
    "set_": lambda x: x.set_(ones(3)),
    "scatter_": lambda x: x.scatter_(0, flambeau.tensor([0]), 1.0),
    "init": flambeau.nn.init.ones_,
    "inplace=": lambda x: flambeau.nn.functional.relu(x, inplace=True),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("grad", [True, False])
def test_writes_outside_are_refused_before_they_are_done(name, grad, made):
    with flambeau.set_grad_enabled(grad), pytest.raises(RuntimeError, match=WRITTEN):
        WRITES[name](made)
    assert made.tolist() == [2.0, 2.0, 2.0] and made.is_inference()


def test_large_writes_outside_are_refused():
    with inference_mode():
        x = ones(1 << 18)
    for write in (lambda: x.add_(1), lambda: x.exp_(), lambda: x.zero_(), lambda: x.copy_(x * 2)):
        with pytest.raises(RuntimeError, match=WRITTEN):
            write()
    assert bool((x == 1).all())


def test_a_write_that_fails_leaves_the_version():
    x = ones(3)
    for write in (lambda: x.add_(ones(4)), lambda: x.__setitem__(0, ones(2))):
        with pytest.raises((RuntimeError, ValueError)):
            write()
    assert x._version == 0


SAVES = {
    "mul": lambda x, i: x * i,
    "view": lambda x, i: x * i[0],
    "div": lambda x, i: x / i,
    "matmul": lambda x, i: x @ i,
    "linear": lambda x, i: flambeau.nn.functional.linear(i, x.expand(2, 3)),
    "norm": lambda x, i: flambeau.nn.functional.layer_norm(i, (3,), x),
    "index": lambda x, i: x[i.sign().long() - 1] * i,
    "maximum": flambeau.maximum,
}


@pytest.mark.parametrize("name", SAVES)
def test_saving_for_backward_is_refused(name, made):
    x = ones(3, requires_grad=True)
    if name == "norm" and not cpu.available():
        pytest.skip("written out, layer_norm saves only what it has computed")
    with pytest.raises(RuntimeError, match=SAVED):
        SAVES[name](x, made)
    SAVES[name](x, made.clone()).sum().backward()
    assert x.grad is not None


def test_what_saves_nothing_of_it_is_recorded(made):
    x = ones(3, requires_grad=True)
    ((x + made) * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_function_of_ones_own_cannot_save_it(made):
    class Times(flambeau.autograd.Function):
        @staticmethod
        def forward(ctx, x, i):
            ctx.save_for_backward(i)
            return x * i

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0], None

    with pytest.raises(RuntimeError, match=SAVED):
        Times.apply(ones(3, requires_grad=True), made)


def test_versions_and_leaves(made):
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        _ = made._version
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor"):
        made.requires_grad_()
    assert made.requires_grad_(False) is made
    with inference_mode():
        assert made.add_(1).requires_grad_().requires_grad


def test_recording_cannot_be_turned_on_inside():
    x = ones(3, requires_grad=True)
    with inference_mode():
        with flambeau.enable_grad():
            y = x * 2
            assert flambeau.is_grad_enabled() and not y.requires_grad and y.is_inference()
        assert not flambeau.is_grad_enabled()
        with flambeau.set_grad_enabled(True):
            assert not (x * 2).requires_grad
    assert flambeau.is_grad_enabled() and (x * 2).requires_grad


def test_other_threads_make_ordinary_tensors():
    seen = []
    with inference_mode():
        worker = threading.Thread(target=lambda: seen.append((ones(2) + 1).is_inference()))
        worker.start()
        worker.join()
    assert seen == [False]


def test_compiled_functions_give_inference_tensors_inside():
    f = flambeau.compile(lambda x: (x * 2).relu() + 1)
    x = ones(4)
    for _ in range(4):
        assert not f(x).is_inference()
        with inference_mode():
            assert f(x).is_inference()


def test_vmap_and_forward_mode_take_them(made):
    assert flambeau.vmap(lambda v: v * 2)(made).tolist() == [4.0, 4.0, 4.0]
    out, tangent = flambeau.func.jvp(lambda v: v * made, (ones(3),), (ones(3),))
    assert out.tolist() == tangent.tolist() == [2.0, 2.0, 2.0]


def test_compiled_code_keeps_what_lasts_of_inference_tensors_and_refuses_writes():
    with inference_mode():
        model = flambeau.nn.Sequential(flambeau.nn.Linear(4, 8), flambeau.nn.ReLU()).eval()
        total = flambeau.zeros(3)
    compiled, x = flambeau.compile(model), flambeau.randn(3, 4)
    add = flambeau.compile(lambda a, b: a.add_(b) * 2)
    for _ in range(4):
        with flambeau.no_grad():
            assert flambeau.allclose(compiled(x), model(x))
        with inference_mode():
            compiled(x), add(total, ones(3))
    with inference_mode():
        model[0].bias += 1
    with flambeau.no_grad():
        assert flambeau.allclose(compiled(x), model(x))
    with pytest.raises(RuntimeError, match=WRITTEN):
        add(total, ones(3))
    assert total.tolist() == [4.0] * 3
