"""torch.func beside PyTorch: results, structures and errors of every transform, and what nests in what."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agreement import agree

# One expression a line, in which `torch` is either library, its `func` is at hand, and x is [[0, 1, 2], [3, 4, 5]].
CASES = """
vmap(torch.sin, in_dims=1, out_dims=1)(x).shape
vmap(lambda a,b: a+b, in_dims=(0,None))(x,x).shape
vmap(lambda d: d['a']*d['b'][0], in_dims=({'a':0,'b':[None]},))({'a':x,'b':[x]}).shape
vmap(lambda a: (a, {'q': a}), out_dims=(1,{'q':0}))(x)
vmap(lambda a: (a,a), out_dims=(0,1))(x)[1].shape
vmap(lambda a: (a,a), out_dims=(0,1,2))(x)
vmap(lambda a: [a,a], out_dims=1)(x)[0].shape
vmap(lambda a: a.sum(), out_dims=1)(x)
vmap(lambda a: a, out_dims=-1)(x).shape
vmap(lambda a: a, out_dims=None)(x)
vmap(lambda a: torch.ones(2), out_dims=None)(x)
vmap(lambda a: a, out_dims=3)(x)
vmap(torch.sin)(3.)
vmap(torch.sin)()
vmap(torch.sin, in_dims=(0,0))(x)
vmap(torch.sin, in_dims=None)(x)
vmap(torch.add)(x,x[0])
vmap(torch.sin, in_dims='a')(x)
vmap(torch.sin,in_dims=5)(x)
vmap(lambda a: 3.)(x)
vmap(lambda a: None)(x)
vmap(torch.sin)(torch.tensor(1.))
vmap(torch.add, in_dims=(0,1))(x,x)
vmap(torch.sin, in_dims=(0.5,))(x)
vmap(torch.mul)(x, 2.)
vmap(torch.mul, in_dims=(0,None))(x, 2.)
vmap(3)(x)
vmap(lambda a: a, out_dims='x')(x)
vmap(torch.sin, in_dims={})(x)
vmap(torch.sin, in_dims=([0],))(x)
vmap(torch.sin, randomness='x')(x)
vmap(lambda a: a.item())(x[:,0])
vmap(lambda a: a if a>0 else -a)(x[:,0])
vmap(lambda a: torch.rand(2))(x)
vmap(torch.sin, chunk_size=0)(x)
vmap(torch.sin, chunk_size=1)(x).shape
vmap(torch.sin)(torch.ones(0,3))
vmap(lambda a: torch.rand(2)*0, randomness='different')(x).shape
vmap(lambda a: torch.rand(2), randomness='same')(x).shape
grad(lambda a: a)(x)
grad(lambda a: (a,))(x)
grad(lambda a: 3.)(x)
grad(lambda a: a.sum(), argnums=1)(x)
grad(lambda a: a.sum(), argnums=(0,1))(x)
grad(lambda a: a.sum(), argnums=())(x)
grad(lambda a: a.sum(), argnums='a')(x)
grad(lambda a: a.sum())(torch.arange(3))
grad(lambda a: a.sum())(3.)
grad(lambda a,b: (a*b).sum(), argnums=(1,0))(x,x)
grad(lambda a,b: (a*b).sum(), argnums=-1)(x,x)
grad(lambda a,b: (a*b).sum(), argnums=(0,0))(x,x)
grad(lambda a: a.sum(), has_aux=True)(x)
grad(lambda a: (a.sum(), a*2), has_aux=True)(x)
grad(lambda a: (a.sum()*1j))(x)
grad(lambda a: a['x'].sum())({'x':x,'y':x})
grad(lambda a: a.sum())(x,y=3)
grad_and_value(lambda a: (a.sum(),'s'), has_aux=True)(x)
vjp(torch.sin, x)[1](x[0])
vjp(torch.sin, x)[1]((x,x))
vjp(lambda a: 3, x)
vjp(lambda a: {'a':a}, x)[1]({'a':x})
vjp(lambda a: (a,a*2), x)[1]((x,x))
vjp(lambda a,b: a*b, x,x)[1](x)
vjp(lambda a: (a,5), x, has_aux=True)
vjp(lambda a: [], x)
vjp(torch.sin)
vjp(lambda *a: x, x)[1](x)
jvp(torch.sin, x, x)
jvp(torch.sin, (x,), (x,x))
jvp(torch.sin, (x,), (x[0],))
jvp(lambda a: 3, (x,), (x,))
jvp(torch.sin, (), ())
jvp(lambda a: (a, a), (x,), (x,), has_aux=True)
jvp(lambda a: x, (x,), (x,))
jvp(lambda a: x, (x,), (x,), strict=True)
jvp(torch.sin,(3.,),(2.,))
jvp(torch.sin,(torch.arange(2),),(torch.arange(2),))
jvp(lambda a: a if a>0 else -a, (x[0,1],),(x[0,1],))
jacrev(torch.sin, argnums=1)(x)
jacrev(lambda a: 3)(x)
jacrev(lambda a,b: (a*b, a), argnums=(0,1))(x[0],x[0])
jacrev(lambda a: {'s': a.sin()})(x[0])
jacrev(lambda d: d['a']*d['b'])({'a':x[0],'b':x[1]})
jacrev(torch.sin, chunk_size=1)(x[0])
jacrev(torch.sin, chunk_size=2)(x[0]).shape
jacrev(torch.sin, chunk_size=-1)(x[0])
jacrev(lambda a: (a.sin(), 'x'), has_aux=True)(x[0])
jacrev(torch.sin)(torch.arange(3))
jacfwd(torch.sin, argnums=1)(x)
jacfwd(lambda a: 3)(x)
jacfwd(lambda a,b: (a*b, a), argnums=(0,1))(x[0],x[0])
jacfwd(lambda a: {'s': a.sin()})(x[0])
jacfwd(lambda d: d['a']*d['b'])({'a':x[0],'b':x[1]})
jacfwd(lambda a: (a.sin(), a), has_aux=True)(x[0])
jacfwd(lambda a: x[0])(x[0])
hessian(lambda a,b: (a*b).sum(), argnums=(0,1))(x[0,:2],x[0,:2])
hessian(lambda a: {'r': (a**3).sum()})(x[0,:2])
jacrev(lambda a: a.sum(), argnums=())(x)
jacfwd(lambda a: a.sum(), argnums=())(x)
linearize(torch.sin, x[0])[1](x[1])
linearize(lambda a,b: {'o': a*b}, x[0],x[1])[1](x[1],x[0])
linearize(torch.sin, x[0])[1](x)
linearize(torch.sin, x[0])[1](x[0],x[0])
linearize(torch.sin, 3.)
vmap(linearize(torch.sin, x[0])[1])(x)
linearize(torch.sin)
linearize(lambda a: 3., x[0])
linearize(torch.sin, x[0])[1](x[1].double())
functionalize(lambda a: a.clone().add_(1))(x[0])
vmap(lambda a: torch.linspace(a[0], a[1], 4))(x)
vmap(lambda a: torch.linspace(a[0], a[1], 1, dtype=torch.float64))(x)
vmap(vmap(lambda a: torch.linspace(a, a + 1, 3)))(x)
vmap(lambda a: torch.logspace(a[0], a[2], 4, base=2.))(x)
vmap(lambda a: torch.linspace(a, a, 4))(x)
vmap(lambda a: torch.histc(a, 4, 0, 6))(x)
vmap(lambda a: torch.histc(a, 3))(x)
vmap(lambda a: torch.histogram(a, 3))(x)[0]
vmap(lambda a: torch.histogram(a, 3))(x)[1]
vmap(lambda a, w: torch.histogram(a, 2, range=(0., 6.), weight=w))(x, x)[0]
vmap(torch.histogram)(x, x)[0]
vmap(vmap(lambda a: torch.histc(a, 2, 0, 6)))(x.reshape(1, 2, 3))
vmap(torch.bincount)(x.long() % 3)
vmap(lambda a: torch.bincount(a, minlength=5))(x.long() % 2)
vmap(torch.argwhere)(x + 1)
vmap(torch.argwhere)(x)
vmap(torch.nonzero)(x)
vmap(torch.unique)(x)
vmap(torch.bernoulli)(x / 6)
vmap(torch.bernoulli, randomness='same')(x / 6)
vmap(torch.bernoulli, randomness='different')(x / 6)
vmap(torch.bernoulli, randomness='different')(x)
vmap(lambda a: torch.bernoulli(a, 0.5), randomness='same')(x)
vmap(lambda a: torch.bernoulli(torch.full((4,), 0.5)) + a[0], randomness='same')(x)
vmap(lambda a: torch.bernoulli(torch.full((4,), 0.5)) + a[0], randomness='different')(x)
vmap(lambda a: torch.multinomial(a, 2))(x)
vmap(lambda a: torch.multinomial(a, 2), randomness='same')(x)
vmap(lambda a: torch.multinomial(a, 2), randomness='different')(x)
vmap(lambda a: torch.multinomial(a, 4, replacement=True), randomness='different')(x)
vmap(lambda a: torch.multinomial(a, 2), randomness='different')(x.reshape(1, 2, 3) + 1)
vmap(lambda a: torch.multinomial(torch.ones(3), 2), randomness='same')(x)
vmap(lambda a: torch.multinomial(torch.ones(3), 2), randomness='different')(x)
vmap(lambda a: torch.normal(a, 1.), randomness='same')(x)
vmap(lambda a: torch.histogramdd(a, [2]))(x.reshape(2, 3, 1))
functionalize(torch.sin, remove='x')
rearrange([x,x],"a b c -> c b a").shape
""".strip().splitlines()


def evaluated(line):
    def case(lib):
        scope = {n: getattr(lib.func, n) for n in NAMES}
        scope |= {"torch": lib, "x": lib.arange(6.0).reshape(2, 3)}
        made = eval(line, scope)
        if isinstance(made, tuple) and len(made) == 2 and callable(made[1]):
            made = made[0]
        return made

    return case


NAMES = [
    "vmap",
    "grad",
    "grad_and_value",
    "vjp",
    "jvp",
    "jacrev",
    "jacfwd",
    "hessian",
    "linearize",
    "functionalize",
    "rearrange",
]


@pytest.mark.parametrize("line", CASES)
def test_one_line(line):
    ours = (
        "bern",
        "multinom",
        "normal",
        "linspace(a, a,",
        "argwhere",
        "nonzero",
        "unique",
        "histogramdd",
    )
    loose = ("(0,1,2)", "(0,0)", "[0]", "((x,x))", "(x,x)", "item()", "if a>0", *ours)
    exact = not any(w in line for w in loose)
    agree(evaluated(line), text=exact)


PATTERNS = {
    "b c h w -> b (c h) w": {}, "b c h w -> b h w c": {}, "b c (h a) w -> b a c h w": {"a": 3},
    "b c ... -> ... c b": {}, "b c h w -> (b c) h w 1": {}, "... -> ...": {}, "b c h w -> b c h": {},
    "b (c d) h w -> b d": {"c": 3}, "1 c h w -> c h w": {}, "b c h w -> b c h w z": {}, "b c h w": {},
    "b c h w -> b c h w ": {"q": 2}, "b b h w -> b h w": {}, "b c h w -> b (c (h w))": {}, "(...) -> ...": {},
    "b ... -> b (...)": {}, "b c h 5 -> b c h": {}, "a b -> b a": {}, "b c h w -> b () c h w": {},
    "b c (h h2) w -> (b h2) c h w": {"h": 3}, "b c h (w a) -> b c w a h": {"a": 2},
}  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_rearrange(pattern):
    def case(lib):
        images = lib.arange(24.0).reshape(1, 2, 3, 4)
        return lib.func.rearrange(images, pattern, **PATTERNS[pattern])

    agree(
        case, text="only on one side" not in str(pattern) and pattern not in ("b (c d) h w -> b d",)
    )


# -- modules ----------------------------------------------------------------------------------------------------------


def linear(lib):
    layer = lib.nn.Linear(3, 2)
    with lib.no_grad():
        layer.weight.copy_(lib.arange(6.0).reshape(2, 3))
        layer.bias.fill_(0.5)
    return layer


MODULES = {
    "one argument": lambda lib: lib.func.functional_call(linear(lib), {"weight": lib.ones(2, 3)}, lib.ones(1, 3)),
    "strict": lambda lib: lib.func.functional_call(linear(lib), {"weight": lib.ones(2, 3), "q": lib.ones(1)}, lib.ones(1, 3), strict=True),
    "several dictionaries": lambda lib: lib.func.functional_call(linear(lib), ({"weight": lib.ones(2, 3)}, {"bias": lib.zeros(2)}), (lib.ones(1, 3),)),
    "twice the same": lambda lib: lib.func.functional_call(linear(lib), ({"weight": lib.ones(2, 3)}, {"weight": lib.zeros(2, 3)}), (lib.ones(1, 3),)),
    "unknown": lambda lib: lib.func.functional_call(linear(lib), {"zz": lib.ones(1)}, (lib.ones(1, 3),)),
    "no dictionary": lambda lib: lib.func.functional_call(linear(lib), 3, (lib.ones(1, 3),)),
    "stacked": lambda lib: lib.func.stack_module_state([linear(lib), linear(lib)])[0],
    "none": lambda lib: lib.func.stack_module_state([]),
    "of two kinds": lambda lib: lib.func.stack_module_state([linear(lib), lib.nn.Identity()]),
    "of two modes": lambda lib: lib.func.stack_module_state([linear(lib), linear(lib).eval()]),
    "ensemble": lambda lib: ensemble(lib),
    "per sample": lambda lib: per_sample(lib),
    "batch norm": lambda lib: lib.func.replace_all_batch_norm_modules_(lib.nn.Sequential(lib.nn.BatchNorm1d(3)))[0].running_mean,
}  # fmt: skip


def ensemble(lib):
    models = [linear(lib) for _ in range(3)]
    params, buffers = lib.func.stack_module_state(models)
    return lib.func.vmap(
        lambda p, b, x: lib.func.functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None)
    )(params, buffers, lib.ones(1, 3))


def per_sample(lib):
    model = lib.nn.Sequential(linear(lib), lib.nn.Tanh())
    params = {k: v.detach() for k, v in model.named_parameters()}

    def loss(params, x, y):
        return ((lib.func.functional_call(model, params, (x,)) - y) ** 2).sum()

    x = lib.arange(6.0).reshape(2, 3) / 10
    return lib.func.vmap(lib.func.grad_and_value(loss), in_dims=(None, 0, 0))(params, x, x[:, :2])


@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    agree(MODULES[name])


# -- compositions -----------------------------------------------------------------------------------------------------

OUTER = {
    "grad": lambda lib, f: lib.func.grad(lambda x: (f(x) ** 2).sum()),
    "vmap": lambda lib, f: lambda x: lib.func.vmap(f)(lib.stack([x, x * 0.5])),
    "jacrev": lambda lib, f: lib.func.jacrev(f),
    "jacfwd": lambda lib, f: lib.func.jacfwd(f),
    "jvp": lambda lib, f: lambda x: lib.func.jvp(f, (x,), (x.cos(),))[1],
    "vjp": lambda lib, f: lambda x: pulled(lib, f, x),
    "linearize": lambda lib, f: lambda x: lib.func.linearize(f, x)[1](x.sin()),
}


def pulled(lib, f, x):
    out, pull = lib.func.vjp(f, x)
    return pull(out)[0]


TRIPLES = [t for t in itertools.product(OUTER, repeat=3) if t.count("linearize") == 0]
PAIRS = list(itertools.product(OUTER, repeat=2))


def composed(lib, names):
    def f(x):
        return x.sin() * x.exp() / (1 + x * x)

    for name in reversed(names):
        f = OUTER[name](lib, f)
    return f(lib.tensor([0.3, -0.7], dtype=lib.float64))


@pytest.mark.parametrize("names", PAIRS + TRIPLES, ids="-".join)
def test_any_in_any(names):
    if "linearize" in names:  # PyTorch's own refuses to nest: the derivative is jvp's
        import numpy as np

        import flambeau

        same = tuple("jvp_sin" if n == "linearize" else n for n in names)
        expected = composed(flambeau, same).numpy()
        np.testing.assert_allclose(
            composed(flambeau, names).numpy(), expected, rtol=1e-9, atol=1e-12
        )
        return
    agree(lambda lib: composed(lib, names), tolerance=1e-8)


OUTER["jvp_sin"] = lambda lib, f: lambda x: lib.func.jvp(f, (x,), (x.sin(),))[1]


def no_grad_inside(lib, x):
    with lib.no_grad():
        y = x * 2
    return y * x


DETACHED = {
    "jvp": lambda lib, f, x: f.jvp(lambda y: y.detach() * y, (x,), (x,)),
    "jvp of data": lambda lib, f, x: f.jvp(lambda y: y.data * y, (x,), (x,)),
    "jvp of no_grad": lambda lib, f, x: f.jvp(lambda y: no_grad_inside(lib, y), (x,), (x,)),
    "grad of no_grad": lambda lib, f, x: f.grad(lambda y: no_grad_inside(lib, y).sum())(x),
    "grad": lambda lib, f, x: f.grad(lambda y: (y.detach() * y).sum())(x),
    "grad of jvp": lambda lib, f, x: f.grad(lambda z: f.jvp(lambda y: y.detach() * y, (z,), (z,))[1].sum())(x),
    "grad of vmap": lambda lib, f, x: f.grad(lambda y: f.vmap(lambda r: r.detach() * r)(y).sum())(x),
    "vmap of grad": lambda lib, f, x: f.vmap(f.grad(lambda y: y.detach() * y))(x),
    "vmap of jvp": lambda lib, f, x: f.vmap(lambda r: f.jvp(lambda y: y.detach() * y, (r,), (r,))[1])(x),
    "jvp of vmap": lambda lib, f, x: f.jvp(f.vmap(lambda r: r.detach() * r), (x,), (x,)),
    "jacfwd of grad": lambda lib, f, x: f.jacfwd(f.grad(lambda y: (y.detach() * y * y).sum()))(x),
    "grad of grad": lambda lib, f, x: f.grad(lambda z: f.grad(lambda y: (y.detach() * y * y).sum())(z).sum())(x),
    "jvp of value and grad": lambda lib, f, x: f.jvp(f.grad_and_value(lambda y: (y.sin() * y).sum()), (x,), (x,)),
    "jvp of vjp": lambda lib, f, x: f.jvp(lambda y: f.vjp(lib.sin, y)[0], (x,), (x,)),
}  # fmt: skip


@pytest.mark.parametrize("name", DETACHED)
def test_detach_is_seen_by_every_transform(name):
    agree(
        lambda lib: DETACHED[name](lib, lib.func, lib.tensor([0.3, -0.7, 2.0], dtype=lib.float64))
    )
