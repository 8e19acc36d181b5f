"""Objects, containers and surroundings of a compiled function, changed between calls: as eagerly."""

from __future__ import annotations

import array
import collections
import contextlib
import contextvars
import decimal
import functools
import os
import threading
import time
import types

import numpy as np

import flambeau as fl

x = fl.arange(4.0)


def case_type_arg():
    class A:
        k = 2.0

    class B:
        k = 3.0

    def f(a, t):
        return a * t.k

    def go(g, i):
        A.k = float(i + 5)
        return g(x, (A, B)[i % 2])

    return f, go


def case_nested_compiled():
    k = [1.0]
    h = fl.compile(lambda a: a * k[0])

    def f(a):
        return h(a) + 1

    def go(g, i):
        k[0] = float(i)
        return g(x)

    return f, go


def case_contextmanager_users():
    st = [1.0]

    @contextlib.contextmanager
    def scaled(k):
        old = st[0]
        st[0] = k
        try:
            yield
        finally:
            st[0] = old

    def f(a):
        with scaled(3.0):
            b = a * st[0]
        return b + st[0]

    def go(g, i):
        st[0] = float(i)
        return g(x)

    return f, go


def case_generator_fn():
    K = [1.0, 2.0]

    def gen(a):
        for k in K:
            yield a * k

    def f(a):
        return sum(gen(a))

    def go(g, i):
        K[0] = float(i)
        return g(x)

    return f, go


def case_recursion():
    D = [2]

    def r(a, n):
        return a if n == 0 else r(a * 2, n - 1)

    def f(a):
        return r(a, D[0])

    def go(g, i):
        D[0] = i
        return g(x)

    return f, go


def case_isinstance_switch():
    class A:
        pass

    class B(A):
        pass

    st = [A()]

    def f(a):
        return a * 2 if isinstance(st[0], B) else a

    def go(g, i):
        st[0] = (A, B)[i % 2]()
        return g(x)

    return f, go


def case_numpy_scalar_closure():
    st = types.SimpleNamespace(k=np.float32(1))

    def f(a):
        return a * st.k

    def go(g, i):
        st.k = np.float32(i)
        return g(x)

    return f, go


def case_numpy_array_closure():
    k = np.ones(4, "f4")

    def f(a):
        return a * fl.from_numpy(k)

    def go(g, i):
        k[:] = i
        return g(x)

    return f, go


def case_numpy_big_read():
    k = np.ones(4000, "f4")

    def f(a):
        return a * float(k[0])

    def go(g, i):
        k[0] = i
        return g(x)

    return f, go


def case_big_list_read():
    k = [1.0] * 5000

    def f(a):
        return a * k[3]

    def go(g, i):
        k[3] = float(i)
        return g(x)

    return f, go


def case_big_mixed_list():
    k = [(1.0,)] * 5000

    def f(a):
        return a * k[3][0]

    def go(g, i):
        k[3] = (float(i),)
        return g(x)

    return f, go


def case_big_dict():
    k = {i: [1.0] for i in range(3000)}

    def f(a):
        return a * k[3][0]

    def go(g, i):
        k[3][0] = float(i)
        return g(x)

    return f, go


def case_deep_nest():
    o = r = types.SimpleNamespace()
    for _ in range(20):
        r.n = types.SimpleNamespace(k=1.0)
        r = r.n

    def f(a):
        p = o
        for _ in range(20):
            p = p.n
        return a * p.k

    def go(g, i):
        r.k = float(i)
        return g(x)

    return f, go


def case_many_objects():
    os = [types.SimpleNamespace(k=1.0) for _ in range(3000)]

    def f(a):
        return a * os[2999].k

    def go(g, i):
        os[2999].k = float(i)
        return g(x)

    return f, go


def case_tensor_in_list_replaced():
    L = [fl.ones(4)]

    def f(a):
        return a * L[0]

    def go(g, i):
        L[0] = fl.full((4,), float(i))
        return g(x)

    return f, go


def case_tensor_shape_read_only():
    L = [fl.ones(4)]

    def f(a):
        return a * L[0].shape[0]

    def go(g, i):
        L[0] = None
        L[0] = fl.ones(i + 1)
        return g(x)

    return f, go


def case_time_like():
    def f(a):
        return a * (1.0 if time.time() > 0 else 2.0)

    return f, lambda g, i: g(x)


def case_os_environ():
    def f(a):
        return a * float(os.environ.get("FLK", "1"))

    def go(g, i):
        os.environ["FLK"] = str(i)
        return g(x)

    return f, go


def case_threads_local():
    L = threading.local()
    L.k = 1.0

    def f(a):
        return a * L.k

    def go(g, i):
        L.k = float(i)
        return g(x)

    return f, go


def case_contextvar():
    V = contextvars.ContextVar("V", default=1.0)

    def f(a):
        return a * V.get()

    def go(g, i):
        V.set(float(i))
        return g(x)

    return f, go


def case_lru_cached():
    st = [1.0]

    @functools.lru_cache
    def h(n):
        return n * st[0]

    def f(a):
        return a * h(2)

    def go(g, i):
        st[0] = float(i)
        h.cache_clear()
        return g(x)

    return f, go


def case_cached_property_obj():
    class Thing:
        def __init__(s):
            s.b = 1.0

        @functools.cached_property
        def k(s):
            return s.b * 2

    o = Thing()

    def f(a):
        return a * o.k

    def go(g, i):
        o.b = float(i)
        o.__dict__.pop("k", None)
        return g(x)

    return f, go


def case_chainmap_counter():
    A = {"k": 1.0}
    C = collections.ChainMap({}, A)
    D = collections.Counter(a=1)
    E = collections.OrderedDict(z=1.0)
    G = collections.defaultdict(float)

    def f(a):
        return a * C["k"] + D["a"] + E["z"] + G["q"]

    def go(g, i):
        A["k"] = float(i)
        D["a"] += 1
        E["z"] = i * 2.0
        G["q"] = i * 3.0
        return g(x)

    return f, go


def case_userdict():
    U = collections.UserDict(k=1.0)
    L = collections.UserList([1.0])

    def f(a):
        return a * U["k"] + L[0]

    def go(g, i):
        U["k"] = float(i)
        L[0] = -float(i)
        return g(x)

    return f, go


def case_mappingproxy():
    A = {"k": 1.0}
    M = types.MappingProxyType(A)

    def f(a):
        return a * M["k"]

    def go(g, i):
        A["k"] = float(i)
        return g(x)

    return f, go


def case_bytearray_array():
    B = bytearray(b"\1")
    A = array.array("d", [1.0])
    V = memoryview(A)

    def f(a):
        return a * B[0] + A[0] + V[0]

    def go(g, i):
        B[0] = i
        A[0] = float(i)
        return g(x)

    return f, go


def case_fraction_decimal():
    st = types.SimpleNamespace(d=decimal.Decimal(1))

    def f(a):
        return a * float(st.d)

    def go(g, i):
        st.d = decimal.Decimal(i)
        return g(x)

    return f, go
