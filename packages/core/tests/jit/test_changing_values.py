"""Values that a compiled function reads, in functions, closures and arguments, changed between calls: as eagerly."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import types
import weakref

import flambeau as fl

x = fl.arange(4.0)


def case_try_except():
    D = {}

    def f(a):
        try:
            return a * D["k"]
        except KeyError:
            return a * 7

    def go(f, i):
        if i == 2:
            D["k"] = 2.0
        if i == 4:
            D.clear()
        return f(x)

    return f, go


def case_hasattr_obj():
    class Thing:
        pass

    o = Thing()

    def f(a):
        return a * o.k if hasattr(o, "k") else a

    def go(f, i):
        if i == 2:
            o.k = 3.0
        if i == 5:
            del o.k
        return f(x)

    return f, go


def case_getattr_dynamic():
    class Thing:
        def __init__(s):
            s.d = {"k": 1.0}

        def __getattr__(s, n):
            return s.__dict__["d"][n]

    o = Thing()

    def f(a):
        return a * o.k

    def go(f, i):
        o.d["k"] = float(i)
        return f(x)

    return f, go


def case_property_obj():
    st = {"v": 1.0}

    class Thing:
        @property
        def k(s):
            return st["v"]

    o = Thing()

    def f(a):
        return a * o.k

    def go(f, i):
        st["v"] = float(i)
        return f(x)

    return f, go


def case_descriptor_obj():
    st = {"v": 1.0}

    class D:
        def __get__(s, o, t):
            return st["v"]

    class Thing:
        k = D()

    o = Thing()

    def f(a):
        return a * o.k

    def go(f, i):
        st["v"] = float(i)
        return f(x)

    return f, go


def case_nonlocal_state():
    n = 0

    def f(a):
        nonlocal n
        n += 1
        return a * n

    return f, lambda f, i: f(x)


def case_enum_global():
    class E(enum.Enum):
        A = 1
        B = 2

    st = types.SimpleNamespace(mode=E.A)

    def f(a):
        return a if st.mode is E.A else -a

    def go(f, i):
        st.mode = E.B if i % 2 else E.A
        return f(x)

    return f, go


def case_dict_order():
    D = {"a": 1.0, "b": 2.0}

    def f(a):
        for v in D.values():
            a = a * 2 + v
        return a

    def go(f, i):
        if i == 3:
            D["a"] = D.pop("a")
        return f(x)

    return f, go


def case_set_members():
    S = {"relu"}

    def f(a):
        return a.relu() if "relu" in S else a * -1

    def go(f, i):
        if i == 2:
            S.discard("relu")
        if i == 5:
            S.add("relu")
        return f(x - 2)

    return f, go


def case_deque_hist():
    H = collections.deque(maxlen=3)

    def f(a):
        return a * len(H) + sum(H)

    def go(f, i):
        H.append(float(i))
        return f(x)

    return f, go


def case_weakref_obj():
    class Thing:
        k = 1.0

    o = Thing()
    r = weakref.ref(o)

    def f(a):
        return a * r().k

    def go(f, i):
        o.k = float(i)
        return f(x)

    return f, go


def case_weak_dict():
    class Thing:
        pass

    os = [Thing() for _ in range(9)]
    W = weakref.WeakValueDictionary()

    def f(a):
        return a * len(W)

    def go(f, i):
        W[i] = os[i]
        return f(x)

    return f, go


def case_default_arg_mutable():
    def f(a, c=[1.0]):
        return a * c[0]

    def go(g, i):
        f.__defaults__[0][0] = float(i)
        return g(x)

    return f, go


def case_default_arg_replaced():
    def f(a, c=1.0):
        return a * c

    def go(g, i):
        f.__defaults__ = (float(i),)
        return g(x)

    return f, go


def case_kwdefault():
    def f(a, *, c=1.0):
        return a * c

    def go(g, i):
        f.__kwdefaults__["c"] = float(i)
        return g(x)

    return f, go


def case_function_attribute():
    def f(a):
        return a * f.k

    f.k = 1.0

    def go(g, i):
        f.k = float(i)
        return g(x)

    return f, go


def case_helper_attribute():
    def h(a):
        return a * h.k

    h.k = 1.0

    def f(a):
        return h(a)

    def go(g, i):
        h.k = float(i)
        return g(x)

    return f, go


def case_code_replaced():
    def h(a):
        return a * 2

    def h2(a):
        return a * 5

    def f(a):
        return h(a)

    def go(g, i):
        if i == 3:
            h.__code__ = h2.__code__
        return g(x)

    return f, go


def case_lambda_table():
    T = {"f": lambda a: a * 2}

    def f(a):
        return T["f"](a)

    def go(g, i):
        if i % 2:
            T["f"] = lambda a, i=i: a * i
        return g(x)

    return f, go


def case_partial_kw():
    def h(a, k, cfg):
        return a * k + cfg["z"]

    cfg = {"z": 1.0}
    p = functools.partial(h, k=2.0, cfg=cfg)

    def f(a):
        return p(a)

    def go(g, i):
        cfg["z"] = float(i)
        return g(x)

    return f, go


def case_namedtuple_arg():
    P = collections.namedtuple("P", "a k")

    def f(p):
        return p.a * p.k

    return f, lambda g, i: g(P(x, float(i)))


def case_dataclass_arg():
    @dataclasses.dataclass
    class C:
        a: object
        k: float

    def f(c):
        return c.a * c.k

    return f, lambda g, i: g(C(x + i, float(i)))


def case_obj_arg_tensor_inside():
    class C:
        def __init__(s, a, k):
            s.a, s.k = a, k

    def f(c):
        return c.a * c.k

    return f, lambda g, i: g(C(x + i, 2.0))


def case_obj_arg_same_mutated():
    class C:
        def __init__(s):
            s.a = x
            s.k = 1.0

    c = C()

    def f(c):
        return c.a * c.k

    def go(g, i):
        c.a = x + i
        return g(c)

    return f, go


def case_kwargs_many():
    def f(a, **kw):
        return a * sum(kw.values())

    return f, lambda g, i: g(x, **{f"k{j}": float(i) for j in range(i + 1)})


def case_varargs():
    def f(*a):
        return sum(a)

    return f, lambda g, i: g(*[x + j for j in range(i + 1)])


def case_str_dtype_arg():
    def f(a, d):
        return a.to(d)

    return f, lambda g, i: g(x, [fl.float32, fl.float64, fl.int64][i % 3])
