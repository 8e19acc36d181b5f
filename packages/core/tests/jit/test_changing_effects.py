"""Functions that write, raise, print, draw, carry state and depend on values: as eagerly."""

from __future__ import annotations

import contextlib
import copy
import io
import logging

import numpy as np

import flambeau as fl
from flambeau import nn

F = nn.functional
x = fl.arange(4.0)


def opt(m, **k):
    return fl.optim.SGD(m.parameters(), lr=0.1, **k)


def case_set_attr_on_self():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = nn.Linear(4, 4)
            s.h = fl.zeros(4)
            s.n = 0

        def forward(s, a):
            s.h = s.l(a).detach() + s.h
            s.n += 1
            return s.h * s.n

    m = M()

    return m, lambda f, i: (f(x), m.h, m.n)


def case_buffer_reassigned():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer("h", fl.zeros(4))

        def forward(s, a):
            s.h = s.h * 0.9 + a
            return s.h + 0

    m = M()

    return m, lambda f, i: (f(x), m.h, m.state_dict()["h"])


def case_buffer_inplace():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer("h", fl.zeros(4))

        def forward(s, a):
            s.h.mul_(0.9).add_(a)
            return s.h * 2

    m = M()

    def go(f, i):
        if i == 4:
            m.h = fl.ones(4)
        return f(x), m.h.clone()

    return m, go


def case_default_dtype_left():
    def f(a):
        fl.set_default_dtype(fl.float64)
        return a + fl.ones(4)

    def go(g, i):
        try:
            return g(x), str(fl.get_default_dtype())
        finally:
            fl.set_default_dtype(fl.float32)

    return f, go


def case_global_stmt():
    g_ = {"n": 0}

    def f(a):
        g_["n"] += 1
        return a * g_["n"]

    return f, lambda g, i: (g(x), g_["n"])


def case_list_append_tensor():
    L = []

    def f(a):
        b = a * 2
        L.append(b)
        return b + 1

    return f, lambda g, i: (g(x + i), len(L), [t.clone() for t in L])


def case_dict_cache():
    C = {}

    def f(a):
        k = a.shape
        if k not in C:
            C[k] = fl.ones(k) * 3
        return a * C[k]

    return f, lambda g, i: (g(fl.ones(i % 3 + 1)), len(C))


def case_attr_cache():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.mask = None

        def forward(s, a):
            if s.mask is None or s.mask.shape != a.shape:
                s.mask = fl.ones(a.shape) * 2
            return a * s.mask

    m = M()

    return m, lambda g, i: (g(fl.ones(i % 3 + 1)), tuple(m.mask.shape))


def case_raises_sometimes():
    st = [0]

    def f(a):
        if st[0] == 1:
            raise ValueError("no")
        return a * 2

    def go(g, i):
        st[0] = i % 2
        return g(x)

    return f, go


def case_raises_on_value():
    def f(a):
        if a.sum() > 8:
            raise ValueError("too large")
        return a * 2

    return f, lambda g, i: g(x + i * 0.5)


def case_assert_on_value():
    def f(a):
        assert bool((a >= 0).all()), "neg"
        return a.sqrt()

    def go(g, i):
        try:
            return g(x - i + 2)
        except AssertionError:
            return "neg"

    return f, go


def case_try_value_error():
    def f(a):
        try:
            return a.view(3, 2)
        except RuntimeError:
            return a.view(-1)

    return f, lambda g, i: g(fl.arange(float((6, 4)[i % 2])))


def case_while_value():
    def f(a):
        while a.sum() > 1:
            a = a / 2
        return a

    return f, lambda g, i: g(x + i)


def case_int_index():
    def f(a):
        k = int(a.argmax())
        return a[k] * k

    return f, lambda g, i: g(x.roll(i))


def case_item_arith():
    def f(a):
        s = a.sum().item()
        return a * s

    return f, lambda g, i: g(x + i)


def case_numpy_middle():
    def f(a):
        return fl.from_numpy(np.sort(a.numpy())) * 2

    return f, lambda g, i: g(x.roll(i) * -1)


def case_tensor_new_from_list():
    def f(a):
        return a + fl.tensor([float(v) for v in a])

    return f, lambda g, i: g(x + i)


def case_setitem_closure():
    w = fl.zeros(7)

    def f(a, k):
        w[k] = a.sum()
        return w * 1

    return f, lambda g, i: (g(x + i, i), w.clone())


def case_setitem_arg():
    def f(a):
        a[1:3] = a[0] + 9
        a[a > 5] = 0
        return a.sum()

    def go(g, i):
        t = x + i
        return g(t), t

    return f, go


def case_inplace_views_arg():
    def f(a):
        b = a.view(2, 2)
        b[0].add_(1)
        a[3].mul_(2)
        return b.sum(0)

    def go(g, i):
        t = x + i
        return g(t), t

    return f, go


def case_swap_closure():
    p = [fl.ones(4), fl.zeros(4)]

    def f(a):
        p[0], p[1] = p[1], p[0]
        return a * p[0]

    return f, lambda g, i: (g(x), p[0].clone())


def case_functional_call():
    m = nn.Linear(4, 1)

    def f(a, p):
        return fl.func.functional_call(m, p, (a,))

    return f, lambda g, i: g(x, {"weight": fl.full((1, 4), float(i)), "bias": fl.zeros(1)})


def case_vmap_inside():
    m = nn.Linear(4, 1)

    def f(a):
        return fl.vmap(lambda r: m(r).sum())(a), fl.func.grad(lambda r: m(r).sum())(a[0])

    return f, lambda g, i: g(fl.ones(3, 4) * i)


def case_vmap_over():
    def f(a):
        return a.sin().sum()

    return f, lambda g, i: fl.vmap(g)(fl.ones(3, 4) * i)


def case_autocast_inside():
    m = nn.Linear(4, 4)

    def f(a):
        with fl.autocast("cpu", dtype=fl.bfloat16, enabled=True):
            b = m(a)
        return b.float()

    return f, lambda g, i: g(x + i)


def case_autocast_outside():
    m = nn.Linear(4, 4)

    def f(a):
        return m(a)

    def go(g, i):
        with fl.autocast("cpu", dtype=fl.bfloat16, enabled=i % 2 == 1):
            return g(x + i)

    return f, go


def case_random_layers():
    m = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))

    def f(a, k):
        return (
            F.gumbel_softmax(m(a), hard=True),
            fl.randperm(5)[:k],
            fl.multinomial(fl.ones(5), 2),
            fl.bernoulli(fl.full((3,), 0.5)),
        )

    return f, lambda g, i: (g(x, i % 3 + 1), fl.rand(1))


def case_generator_state_restored():
    def f(a):
        s = fl.get_rng_state()
        b = fl.rand(4)
        fl.set_rng_state(s)
        return a + b

    return f, lambda g, i: (g(x), fl.rand(1))


def case_rng_arg():
    def f(a, g):
        return a + fl.rand(4, generator=g)

    gs = [fl.Generator().manual_seed(k) for k in range(2)]

    return f, lambda h, i: h(x, gs[i % 2])


def case_print_inside():
    def f(a):
        print("hi")
        return a * 2

    def go(g, i):
        b = io.StringIO()
        with contextlib.redirect_stdout(b):
            r = g(x)
        return r, b.getvalue()

    return f, go


def case_logging_inside():
    L = logging.getLogger("zz")
    L.propagate = False
    out = []

    class H(logging.Handler):
        def emit(s, r):
            out.append(r.getMessage())

    L.addHandler(H())
    L.setLevel("INFO")

    def f(a):
        L.info("x %d", a.shape[0])
        return a * 2

    return f, lambda g, i: (g(x), len(out))


def case_list_arg_mutated():
    def f(L):
        L.append(L[0] * 2)
        L[0].add_(1)
        return L[-1] + 1

    def go(g, i):
        L = [x + i]
        r = g(L)
        return r, L

    return f, go


def case_dict_arg_mutated():
    def f(d):
        d["y"] = d["x"] * 2
        d.pop("z")
        return d

    def go(g, i):
        d = {"x": x + i, "z": 1}
        r = g(d)
        return r is d, d

    return f, go


def case_obj_arg_mutated():
    class C:
        pass

    def f(c):
        c.y = c.x * 2
        c.n = getattr(c, "n", 0) + 1
        return c.y + 1

    o = C()

    def go(g, i):
        o.x = x + i
        return g(o), o.y, o.n

    return f, go


def case_sorted_set_str():
    S = {"b", "a", "c"}

    def f(a):
        for k, s in enumerate(sorted(S)):
            a = a * (k + 1) + len(s)
        return a

    def go(g, i):
        S.add("z" * i)
        return g(x)

    return f, go


def case_returns_none_and_scalars():
    def f(a, k):
        return None, k, "s", (a * k, [k, {"q": a.sum()}]), a.shape, a.dtype

    return f, lambda g, i: repr(g(x, i))


def case_dynamic_shapes():
    m = nn.Linear(4, 2)

    def f(a):
        return m(a).softmax(-1).sum(0), a.shape[0], fl.arange(a.shape[0])

    return f, lambda g, i: g(fl.ones((3, 5, 2, 7, 1, 9, 4)[i], 4))


def case_dynamic_mask():
    def f(a):
        n = a.shape[1]
        m = fl.tril(fl.ones(n, n)).bool()
        return (
            (a.unsqueeze(2) * a.unsqueeze(1)).masked_fill(~m, 0.0).sum(-1),
            n / 2,
            -n // 2,
            f"{n}",
        )

    return f, lambda g, i: g(fl.ones(2, (3, 5, 2, 7, 1, 9, 4)[i]))


def case_empty_batches():
    m = nn.Sequential(nn.Linear(4, 2), nn.ReLU())

    def f(a):
        return m(a), m(a).mean(0)

    return f, lambda g, i: g(fl.ones((3, 0, 2, 1, 0, 3, 4)[i], 4))


def case_int_bool_args():
    def f(a, k, t):
        return a[k:] if t else a[:k]

    return f, lambda g, i: (g(x, i % 4, bool(i % 2)), g(x, True, 1), g(x, 1, True))


def case_float_args():
    def f(a, k):
        return a * k + k**2

    return f, lambda g, i: (g(x, i * 0.5), g(x, i))


def case_tensor_scalar_args():
    def f(a, k):
        return a * k

    return f, lambda g, i: (g(x, fl.tensor(i * 0.5)), g(x, fl.tensor(i)), g(x, i))


def case_deepcopied_compiled():
    m = nn.Linear(4, 4)
    cs = {}

    def go(g, i):
        if i == 2:
            cs["c"] = copy.deepcopy(g)
        if i > 2:
            m.weight.data.add_(1)
            return g(x), cs["c"](x)
        return g(x)

    return m, go


def case_weight_norm_spectral():
    m = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    s = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))

    def f(a):
        return s(m(a))

    def go(g, i):
        if i == 4:
            s.eval()
        return g(x + i)

    return f, go


def case_packed_lengths():
    r = nn.GRU(3, 4, batch_first=True)

    def f(a, l):
        p = nn.utils.rnn.pack_padded_sequence(a, l, batch_first=True, enforce_sorted=False)
        o, h = r(p)
        return nn.utils.rnn.pad_packed_sequence(o, batch_first=True)[0], h

    return f, lambda g, i: g(fl.ones(2, 5, 3), fl.tensor([5, i % 4 + 1]))


def case_hidden_carried():
    r = nn.LSTM(3, 4)
    st = {"h": None}

    def f(a, h):
        o, h = r(a, h)
        return o, h

    def go(g, i):
        o, st["h"] = g(fl.ones(2, 1, 3) * i, st["h"])
        return o, st["h"]

    return f, go


def case_kv_cache_list():
    c = {"k": []}

    def f(a, c):
        c["k"].append(a)
        return fl.cat(c["k"]).sum(0)

    return f, lambda g, i: (g((x + i)[None], c), len(c["k"]))
