"""Tensors that a compiled function is given, holds on to, writes, returns and shares, changed between calls: as eagerly."""

from __future__ import annotations

import random
import types

import numpy as np

import flambeau as fl
from flambeau import nn

x = fl.arange(4.0)


def case_closure_requires_grad():
    w = fl.ones(4)

    def f(a):
        return a * w

    def go(f, i):
        w.requires_grad_(i % 2 == 1)
        return f(x)

    return f, go


def case_closure_data_swapped():
    w = fl.ones(4, requires_grad=True)

    def f(a):
        return (a * w).sum() * w.shape[0]

    def go(f, i):
        w.data = fl.full((4 if i % 2 else 1,), float(i))
        return f(x)

    return f, go


def case_closure_resized():
    w = fl.ones(4)

    def f(a):
        return a * w.sum() * w.numel()

    def go(f, i):
        w.resize_(i + 1)
        w.fill_(i)
        return f(x)

    return f, go


def case_default_dtype():
    def f(a):
        return a + fl.ones(4), fl.zeros(2)

    def go(f, i):
        fl.set_default_dtype(fl.float64 if i % 2 else fl.float32)
        try:
            return f(x)
        finally:
            fl.set_default_dtype(fl.float32)

    return f, go


def case_rng_generator():
    g = fl.Generator()

    def f(a):
        return a + fl.rand(4, generator=g)

    def go(f, i):
        if i % 3 == 0:
            g.manual_seed(i)
        return f(x)

    return f, go


def case_seeds_inside():
    def f(a):
        fl.manual_seed(3)
        return a + fl.rand(4)

    return f, lambda f, i: (f(x), fl.rand(2))


def case_fork_rng():
    def f(a):
        with fl.random.fork_rng():
            b = a + fl.rand(4)
        return b

    return f, lambda f, i: (f(x), fl.rand(2))


def case_pyrandom():
    def f(a):
        return a * random.random()

    return f, lambda f, i: f(x)


def case_nprandom():
    def f(a):
        return a * float(np.random.rand())

    return f, lambda f, i: f(x)


def case_method_of_closure_obj():
    class Thing:
        def __init__(s):
            s.k = 1.0
            s.inner = types.SimpleNamespace(v=[1.0])

        def m(s, a):
            return a * s.k + s.inner.v[0]

    o = Thing()
    bm = o.m

    def f(a):
        return bm(a)

    def go(g, i):
        o.k = float(i)
        o.inner.v[0] = float(-i)
        return g(x)

    return f, go


def case_optimizer_closure_replaced():
    m = nn.Linear(4, 1)
    st = {"o": fl.optim.SGD(m.parameters(), lr=0.1)}

    def f(a):
        o = st["o"]
        o.zero_grad()
        l = m(a).sum()
        l.backward()
        o.step()
        return l.detach(), m.weight.detach().clone()

    def go(g, i):
        if i == 3:
            st["o"] = fl.optim.SGD(m.parameters(), lr=0.5, momentum=0.9)
        return g(x)

    return f, go


def case_alias_args():
    def f(a, b):
        a.add_(1)
        return a + b

    def go(g, i):
        t = fl.arange(4.0)
        if i % 3 == 0:
            return g(t, t)
        if i % 3 == 1:
            return g(t, t.clone())
        return g(t[:], t)

    return f, go


def case_overlapping_args():
    def f(a, b):
        a.mul_(2)
        b.add_(1)
        return a + 0, b + 0

    def go(g, i):
        t = fl.arange(6.0)
        return (*g(t[:4], t[2:] if i % 2 else fl.arange(4.0)), t)

    return f, go


def case_out_is_arg():
    def f(a):
        return a, a * 2, a

    def go(g, i):
        t = fl.arange(4.0) + i
        r = g(t)
        r[0].add_(1)
        return t, r[0] is r[2], r

    return f, go


def case_out_views_arg():
    def f(a):
        return a.view(2, 2), a[1:]

    def go(g, i):
        t = fl.arange(4.0) + i
        r = g(t)
        t.add_(1)
        return r

    return f, go


def case_out_aliases_state():
    w = fl.zeros(4)

    def f(a):
        w.add_(a)
        return w

    def go(g, i):
        r = g(x)
        r.mul_(2)
        return r, w, r is w

    return f, go


def case_out_view_of_state():
    w = fl.zeros(4)

    def f(a):
        w.add_(a)
        return w[1:]

    def go(g, i):
        r = g(x)
        r.mul_(2)
        return r.clone(), w.clone()

    return f, go


def case_strides():
    def f(a):
        return a * 2 + 1, a.sum(0)

    base = fl.arange(24.0).view(4, 6)

    def go(g, i):
        return g(
            [
                base,
                base.t(),
                base[::2],
                base[:, ::3],
                base.flip(0),
                base[:1].expand(4, 6),
                base[1:1],
            ][i]
        )

    return f, go


def case_dtypes():
    def f(a):
        return a + 1, a.sum()

    def go(g, i):
        return g(
            x.to([fl.float32, fl.float64, fl.int32, fl.bool, fl.float16, fl.bfloat16, fl.uint8][i])
        )

    return f, go


def case_zero_d_and_empty():
    def f(a):
        return a * 2, a.sum(), a.reshape(-1)

    def go(g, i):
        return g(
            [
                fl.tensor(2.0),
                fl.zeros(0),
                fl.zeros(1),
                fl.zeros(2, 0),
                fl.ones(1, 1),
                fl.tensor(3.0),
                fl.zeros(0, 3),
            ][i]
        )

    return f, go


def case_double_backward_out():
    w = fl.ones(4, requires_grad=True)

    def f(a):
        return (a * w * w * w).sum()

    def go(g, i):
        w.grad = None
        y = g(x)
        (gr,) = fl.autograd.grad(y, w, create_graph=True)
        gr.sum().backward()
        return gr, w.grad

    return f, go


def case_retain_twice():
    w = fl.ones(4, requires_grad=True)

    def f(a):
        return (a * w * w).sum()

    def go(g, i):
        w.grad = None
        y = g(x)
        y.backward(retain_graph=True)
        y.backward()
        return w.grad

    return f, go


def case_backward_later():
    w = fl.ones(4, requires_grad=True)

    def f(a):
        return (a * w * w).sum()

    ys = []

    def go(g, i):
        ys.append(g(x + i))
        w.grad = None
        if len(ys) > 2:
            ys[-3].backward()
        return w.grad

    return f, go


def case_input_grad():
    def f(a):
        return a.sin() * a

    def go(g, i):
        t = (x + i).requires_grad_()
        g(t).sum().backward()
        return t.grad

    return f, go


def case_nograd_outside():
    w = fl.ones(4, requires_grad=True)

    def f(a):
        return a * w

    def go(g, i):
        if i % 3 == 0:
            with fl.no_grad():
                return g(x)
        if i % 3 == 1:
            with fl.inference_mode():
                return g(x)
        return g(x)

    return f, go


def case_inference_then_grad_inputs():
    m = nn.Linear(4, 2)

    def go(g, i):
        t = x + i
        if i % 2:
            t.requires_grad_()
        y = g(t)
        if i % 2:
            y.sum().backward()
            return y, t.grad
        return y

    return m, go


def case_dropout_p():
    m = nn.Dropout(0.5)

    def go(g, i):
        m.p = 0.1 * i
        return g(fl.ones(20))

    return m, go
