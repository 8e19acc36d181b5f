"""Modules and optimizers that are changed between calls of a compiled function: as eagerly."""

from __future__ import annotations

import copy

import flambeau as fl
from flambeau import nn

x = fl.arange(4.0)


def case_param_swapped():
    m = nn.Linear(4, 4)

    def f(a):
        return m(a)

    def go(f, i):
        if i % 2:
            m.weight = nn.Parameter(fl.full((4, 4), float(i)))
        return f(x)

    return f, go


def case_freeze_unfreeze():
    m = nn.Linear(4, 4)

    def f(a):
        return m(a).sum()

    def go(f, i):
        m.requires_grad_(i % 2 == 0)
        m.zero_grad()
        y = f(x)
        if y.requires_grad:
            y.backward()
        return y, m.weight.grad

    return f, go


def case_modulelist_grows():
    ms = nn.ModuleList([nn.Linear(4, 4)])

    def f(a):
        for m in ms:
            a = m(a)
        return a

    def go(f, i):
        if i % 2:
            ms.append(nn.Linear(4, 4))
        return f(x)

    return f, go


def case_hook_added_removed():
    m = nn.Linear(4, 4)
    h = [None]

    def f(a):
        return m(a)

    def go(f, i):
        if i in (2, 5):
            h[0] = m.register_forward_hook(lambda m, a, o: o * i)
        if i == 4:
            h[0].remove()
        return f(x)

    return f, go


def case_forward_replaced():
    m = nn.Linear(4, 4)

    def f(a):
        return m(a)

    def go(f, i):
        if i == 3:
            m.forward = lambda a: a * 3
        return f(x)

    return f, go


def case_forward_replaced_compiled_module():
    m = nn.Linear(4, 4)

    def go(f, i):
        if i == 3:
            m.forward = lambda a: a * 3
        return f(x)

    return m, go


def case_module_arg_mutated():
    m = nn.Linear(4, 4)

    def f(a, m):
        return m(a)

    def go(g, i):
        if i == 3:
            m.weight.data.zero_()
        if i == 5:
            m.bias = None
        return g(x, m)

    return f, go


def case_optimizer_arg():
    m = nn.Linear(4, 1)

    def f(a, o):
        o.zero_grad()
        l = m(a).sum()
        l.backward()
        o.step()
        return l.detach(), m.weight.detach().clone()

    os = [fl.optim.SGD(m.parameters(), lr=0.1), fl.optim.Adam(m.parameters(), lr=0.1)]

    return f, lambda g, i: g(x, os[i % 2])


def case_add_param_group():
    m = nn.Linear(4, 1)
    n = nn.Linear(4, 1)
    o = fl.optim.SGD(m.parameters(), lr=0.1)

    def f(a):
        o.zero_grad()
        l = (m(a) * n(a)).sum()
        l.backward()
        o.step()
        return l.detach(), n.weight.detach().clone()

    def go(g, i):
        if i == 3:
            o.add_param_group({"params": list(n.parameters()), "lr": 0.3})
        return g(x)

    return f, go


def case_load_state_between():
    m = nn.Linear(4, 1)
    o = fl.optim.Adam(m.parameters(), lr=0.1)
    sd = {}

    def f(a):
        o.zero_grad()
        l = m(a).pow(2).sum()
        l.backward()
        o.step()
        return l.detach(), m.weight.detach().clone()

    def go(g, i):
        if i == 2:
            sd["m"] = copy.deepcopy(m.state_dict())
            sd["o"] = copy.deepcopy(o.state_dict())
        if i == 5:
            m.load_state_dict(sd["m"])
            o.load_state_dict(sd["o"])
        return g(x)

    return f, go


def case_betas_changed():
    m = nn.Linear(4, 1)
    o = fl.optim.Adam(m.parameters(), lr=0.1)

    def f(a):
        o.zero_grad()
        l = m(a).pow(2).sum()
        l.backward()
        o.step()
        return l.detach(), m.weight.detach().clone()

    def go(g, i):
        if i == 3:
            o.param_groups[0]["betas"] = (0.5, 0.6)
        if i == 4:
            o.param_groups[0]["weight_decay"] = 0.5
        if i == 5:
            o.param_groups[0]["amsgrad"] = False
            o.param_groups[0]["maximize"] = True
        return g(x)

    return f, go


def case_grads_left_over():
    m = nn.Linear(4, 1)

    def f(a):
        l = m(a).sum()
        l.backward()
        return l.detach()

    def go(g, i):
        if i == 3:
            m.weight.grad = None
        if i == 5:
            m.weight.grad = fl.full((1, 4), 100.0)
        r = g(x)
        return r, m.weight.grad.clone()

    return f, go


def case_subclass_forward_super():
    class M(nn.Linear):
        k = 1.0

        def forward(s, a):
            return super().forward(a) * s.k

    m = M(4, 4)

    def go(g, i):
        M.k = float(i)
        return g(x)

    return m, go


def case_buffers_plain_attr_tensor():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.c = fl.ones(4)

        def forward(s, a):
            return a * s.c

    class Box:
        pass

    m = M()

    def go(g, i):
        m.c = fl.full((4,), float(i))
        return g(x)

    return m, go


def case_bn_momentum():
    m = nn.BatchNorm1d(4)
    t = fl.randn(8, 4)

    def go(g, i):
        m.train(i % 2 == 0)
        m.momentum = 0.1 * (i + 1)
        m.eps = 1e-5 * (i + 1)
        r = g(t)
        return r, m.running_mean.clone(), m.num_batches_tracked.clone()

    return m, go


def case_hook_for_every_module():
    m, hook = nn.Linear(4, 4), []

    def call(f, i):
        if i in (2, 4):
            hook.append(nn.modules.module.register_module_forward_hook(lambda m, a, out: out * i))
        if i in (3, 6):
            hook.pop().remove()
        return f(x)

    return m, call
