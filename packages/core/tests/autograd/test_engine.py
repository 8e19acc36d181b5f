"""backward() and grad(): accumulation, retained graphs, higher orders, depth, memory, threads."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

import flambeau
from flambeau import tensor
from flambeau.autograd import grad


def leaf(*values):
    return tensor(list(values), requires_grad=True)


def test_gradients_accumulate_until_cleared():
    x = leaf(2.0)
    for _ in range(3):
        (x * x).sum().backward()
    assert x.grad.tolist() == [12]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3]


def test_one_tensor_used_many_times():
    x = leaf(3.0)
    y = x * x
    (y * y + y * x).sum().backward()
    assert x.grad.item() == pytest.approx(4 * 27 + 3 * 9)


def test_second_backward_is_refused_unless_retained():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_parts_that_saved_nothing_may_be_walked_again():
    x = leaf(2.0)
    y = x + 1
    (y * 2).sum().backward()
    (y * 3).sum().backward()
    assert x.grad.tolist() == [5]


def test_create_graph_gives_higher_orders():
    x = leaf(2.0)
    y = x**4
    for expected in (32, 48, 48, 24):
        (y,) = grad(y.sum(), x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_gradient_of_a_gradient_penalty():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (g,) = grad((w * x**2).sum(), x, create_graph=True)
    (g**2).sum().backward()
    assert w.grad.tolist() == [2 * 3 * 4 * 1, 2 * 4 * 4 * 4]


def test_grad_leaves_dot_grad_alone():
    x = leaf(2.0)
    assert grad((x * x).sum(), x)[0].tolist() == [4]
    assert x.grad is None


def test_grad_of_intermediate_tensors():
    x = leaf(2.0)
    y = x * 3
    z = (y * y).sum()
    gy, gx = grad(z, [y, x])
    assert (gy.item(), gx.item()) == (12, 36)


def test_unused_inputs():
    x, y = leaf(1.0), leaf(2.0)
    out = (x * 2).sum()
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        grad(out, [x, y], retain_graph=True)
    assert grad(out, [x, y], allow_unused=True, retain_graph=True)[1] is None
    assert grad(out, [x, y], materialize_grads=True, allow_unused=True)[1].tolist() == [0]


def test_given_cotangents():
    x = leaf(1.0, 2.0)
    (x * 3).backward(tensor([10.0, 100.0]))
    assert x.grad.tolist() == [30, 300]
    with pytest.raises(RuntimeError, match="shape"):
        (x * 3).backward(tensor([1.0]))


def test_only_inputs_asked_for_are_filled():
    x, y = leaf(1.0), leaf(2.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [2] and y.grad is None


def test_several_roots():
    x = leaf(2.0)
    flambeau.autograd.backward([(x * 2).sum(), (x * x).sum()])
    assert x.grad.tolist() == [6]


def test_batched_cotangents():
    x = leaf(1.0, 2.0)
    (rows,) = grad(x**2, x, flambeau.eye(2), is_grads_batched=True)
    assert rows.tolist() == [[2, 0], [0, 4]]


def test_broadcast_gradients_have_the_inputs_shape():
    x = flambeau.ones(3, 1, requires_grad=True)
    b = tensor(2.0, requires_grad=True)
    (x * flambeau.ones(2, 3, 4) * b).sum().backward()
    assert x.grad.shape == (3, 1) and x.grad.sum() == 48
    assert b.grad.shape == () and b.grad == 24


def test_gradient_has_the_inputs_dtype():
    x = tensor([1.0], requires_grad=True)
    (x.double() * 2).sum().backward()
    assert x.grad.dtype is flambeau.float32


@pytest.mark.slow
def test_a_hundred_thousand_operations_deep():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1]
    del y  # a chain of nodes is freed without recursion too


@pytest.mark.slow
def test_deep_chain_that_is_never_walked_is_freed():
    y = leaf(1.0)
    for _ in range(100_000):
        y = y * 1.0
    seen = weakref.ref(y)
    del y
    assert seen() is None


def test_graphs_are_freed_without_the_collector():
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = (x * 2).exp()
        z = (y.view(1, 2) @ flambeau.ones(2, 1)).sum()
        seen = [weakref.ref(y), weakref.ref(z)]
        z.backward()
        del y, z
        assert [r() for r in seen] == [None, None]
        w = x.exp()
        v = w * w
        v += 1
        seen = [weakref.ref(w), weakref.ref(v)]
        del w, v
        assert [r() for r in seen] == [None, None]
    finally:
        gc.enable()


def test_saved_memory_goes_with_backward():
    x = flambeau.ones(1000, requires_grad=True)
    y = x.exp()
    array = weakref.ref(y._array)
    z = (y * 1.0).sum()
    del y
    assert array() is not None  # exp needs its result
    z.backward()
    assert array() is None


def test_threads_keep_their_modes_and_graphs():
    x = flambeau.ones(50, requires_grad=True)
    results, barrier = {}, threading.Barrier(4)

    def work(i):
        barrier.wait()
        if i % 2:
            with flambeau.no_grad():
                barrier.wait()
                results[i] = (x * i).requires_grad
        else:
            barrier.wait()
            results[i] = grad((x * i).sum(), x)[0].sum().item()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {0: 0, 1: False, 2: 100, 3: False}
    assert flambeau.is_grad_enabled()


def test_threads_add_to_one_leaf():
    x = flambeau.ones(10, requires_grad=True)

    def work():
        for _ in range(20):
            (x * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.tolist() == [80.0] * 10


def test_leaf_and_history_attributes():
    x = leaf(1.0)
    y = x * 2
    assert x.is_leaf and not y.is_leaf
    assert x.grad_fn is None and y.grad_fn.name() == "MulBackward0"
    assert y.grad_fn.next_functions[0][0] is not None
    assert not y.detach().requires_grad
    with pytest.raises(RuntimeError, match="only Tensors of floating point"):
        tensor([1]).requires_grad_()
