"""Numbers among the arguments, used in many ways, another at each call: as eagerly."""

from __future__ import annotations

import copy
import json
import math

import numpy as np

import flambeau as fl
from flambeau import nn

F = nn.functional
KS = (0.3, 0.75, 0.5, 0.0, -0.4, 3, 1.0)
NS = (2, 3, 5, 0, -1, 1, 4)
rows = (fl.arange(48.0).reshape(6, 8) - 20.5) / 16
y = fl.arange(48.0).reshape(8, 6).T.contiguous() / 32


def given(function):
    """The case of a function that is given a tensor, a number of changing kind, and an int."""

    def make():
        return function, lambda f, i: f(rows * 1, KS[i], NS[i])

    return make


class Holder:
    def __init__(self, k):
        self.k = k


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(8, 8)
        self.beta = 0.5

    def forward(self, x, k=1.0, *, mode=0):
        out = self.inner(x) * k
        return out.relu() * self.beta if mode == 1 else out - mode


def power(x, k, n):
    return x if n <= 0 else power(x * k, k, n - 1)


SCALE = [2.0]
NET = Net()


@given
def case_nested_fn(x, k, n):
    def g(v):
        return v * k + n

    return sum(g(x) for _ in range(2))


@given
def case_gen(x, k, n):
    return sum(x * (k + i) for i in range(3))


@given
def case_lam(x, k, n):
    return (lambda a: a * k)(x) + n


@given
def case_dflt(x, k=2.0, n=1):
    return x * k - n


@given
def case_dictnum(x, k, n):
    d = {"k": k, "n": n}
    return x * d["k"] + d["n"]


@given
def case_obj(x, k, n):
    o = Holder(k)
    o.k = o.k * 2
    return x * o.k + n


@given
def case_tup(x, k, n):
    a, b = (k, n) if k > 0 else (n, k)
    return x * a + b


@given
def case_npf(x, k, n):
    return x * float(np.float32(k)) + int(np.int64(n))


@given
def case_npsin(x, k, n):
    return x * np.sin(k) + np.sqrt(abs(n))


@given
def case_mathf(x, k, n):
    return x * math.cos(k) + math.floor(k) + math.ceil(k) + math.hypot(k, n)


@given
def case_fmts(x, k, n):
    return x * len(f"{k:.3f}{n}")


@given
def case_isinst(x, k, n):
    return x * (2 if isinstance(k, float) else 3) + (1 if isinstance(n, int) else 5)


@given
def case_cmpchain(x, k, n):
    return x * k if 0 < k < 1 <= n else x - k


@given
def case_trunc(x, k, n):
    return x * int(k) + round(k) + round(k, 2) + divmod(n, 3)[1] + abs(k) + (-n)


@given
def case_bits(x, k, n):
    return x * (n & 3) + (n | 4) + (n ^ 1) + (~n) + (n << 1) + (n >> 1)


@given
def case_powr(x, k, n):
    return x * 2**n + n**2 + k**2 + abs(k) ** 0.5


@given
def case_boolt(x, k, n):
    return x * k if n else x * 2


@given
def case_ternmax(x, k, n):
    return x.clamp(min(k, 0), max(k, 1)) * sorted([k, n, 2])[1]


@given
def case_listidx(x, k, n):
    return x * [1.0, 2.0, 3.0][n % 3]


@given
def case_strdict(x, k, n):
    return x * {0: 1.0, 1: 2.0}.get(n, 3.0)


@given
def case_inset(x, k, n):
    return x * (2 if n in (1, 2, 3) else 4)


@given
def case_slicing(x, k, n):
    return x[:, : n % 5 + 1].sum(1) + x[n % 3 :, 0].sum() + x[n % 6]


@given
def case_narrow(x, k, n):
    return x.narrow(1, n % 4, 2).sum() + x.select(0, n % 6).sum() + x.unfold(1, n % 3 + 1, 1).sum()


@given
def case_topk(x, k, n):
    return x.topk(n % 5 + 1).values.sum() + x.kthvalue(n % 5 + 1).values.sum()


@given
def case_repeat(x, k, n):
    return x.repeat(n % 3 + 1, 1).sum(1)[:6] + k


@given
def case_arange(x, k, n):
    return x[0, :4] * fl.arange(0, 4) * k + fl.linspace(k, k + 1, 4) + fl.full((4,), k)


@given
def case_tensork(x, k, n):
    return x * fl.tensor(k) + fl.tensor([k, n]).sum() + fl.as_tensor(n)


@given
def case_newt(x, k, n):
    return x + x.new_full((8,), k) + x.new_tensor([k] * 8)


@given
def case_fillm(x, k, n):
    return x.masked_fill(x > k, k).clone().fill_diagonal_(k)


@given
def case_add_a(x, k, n):
    return fl.add(x, y, alpha=k).sub(y, alpha=n).addcmul(x, y, value=k).addcdiv(x, y + 9, value=k)


@given
def case_acts(x, k, n):
    return (
        F.leaky_relu(x, k)
        + F.elu(x, k)
        + F.softplus(x, k + 3)
        + F.hardtanh(x, -2.0, abs(k) + 0.1)
        + F.threshold(x, k, n)
    )


@given
def case_losses(x, k, n):
    return (
        F.smooth_l1_loss(x, y, beta=abs(k) + 0.1)
        + F.huber_loss(x, y, delta=abs(k) + 0.1)
        + F.cross_entropy(x, fl.arange(6), label_smoothing=min(abs(k), 0.9))
    )


@given
def case_norms(x, k, n):
    return (
        F.layer_norm(x, (8,), eps=abs(k) + 1e-5)
        + F.normalize(x, p=2, eps=abs(k) + 1e-3)
        + x.norm(p=n % 3 + 1)
    )


@given
def case_drop(x, k, n):
    return F.dropout(x, min(abs(k), 0.9)) * k


@given
def case_noise(x, k, n):
    return (
        x
        + fl.randn(6, 8) * k
        + fl.normal(0.0, abs(k) + 0.1, (6, 8))
        + fl.empty(6, 8).uniform_(0, abs(k))
    )


@given
def case_seeded(x, k, n):
    fl.manual_seed(n)
    return x + fl.rand(6, 8) * k


@given
def case_inplace(x, k, n):
    a = x * 1
    a *= k
    a += n
    a[n % 6] = k
    a[:, 0].mul_(k)
    return a


@given
def case_comp(x, k, n):
    return fl.complex(x, y) * k + complex(k, 1)


@given
def case_halfs(x, k, n):
    return x.half() * k + n


@given
def case_bf(x, k, n):
    return (x.bfloat16() * k + n) / (abs(k) + 1)


@given
def case_ints(x, k, n):
    a = (x * 10).long()
    return a * n + a // (n * n + 1) - a % (abs(n) + 1) + (a > k)


@given
def case_uints(x, k, n):
    return (x.abs() * 9).to(fl.uint8) + abs(n)


@given
def case_boolmul(x, k, n):
    return (x > 0) * k + (x > 0) * n


@given
def case_zerodim(x, k, n):
    return x.sum() * k + n


@given
def case_zerod64(x, k, n):
    return x.double().sum() * k + x.sum().long() * n


@given
def case_matm(x, k, n):
    return (x @ y.T * k + n).softmax(-1) @ y


@given
def case_grad(x, k, n):
    a = x.detach().clone().requires_grad_()
    (a * k).pow(2).sum().backward()
    return a.grad * n


@given
def case_gradarg(x, k, n):
    return (x * k).sum() * n


@given
def case_retnum(x, k, n):
    return x * k, k + n, [k, n], {"k": k * 2}


@given
def case_retbool(x, k, n):
    return x * k, k > 0.5, n == 2


@given
def case_catch(x, k, n):
    try:
        return x / (1 / k)
    except ZeroDivisionError:
        return x


@given
def case_assertk(x, k, n):
    assert k > -100, f"{k}"
    return x * k


@given
def case_whileloop(x, k, n):
    while n > 0:
        x = x * k
        n -= 2
    return x


@given
def case_recursion(x, k, n):
    return power(x, k, n)


@given
def case_typed(x, k, n):
    return x * (2 if type(k) is float else 3)


@given
def case_typed2(x, k, n):
    return x * len(type(n).__name__) * k


@given
def case_clas(x, k, n):
    return x * (2 if k.__class__ is float else 3) + n.__class__(2.5)


@given
def case_attrs(x, k, n):
    return x * k.real + n.numerator + k.imag + float(float(k).is_integer()) + n.bit_length()


@given
def case_cpy(x, k, n):
    return x * copy.copy(k) + copy.deepcopy([n])[0]


@given
def case_jsn(x, k, n):
    return x * json.loads(json.dumps([k, n]))[0]


@given
def case_summ(x, k, n):
    return x * sum([k, n]) + math.prod([k, n]) + math.fsum([k, n])


@given
def case_hashk(x, k, n):
    return x * (hash(k) % 7) + len({k, n})


@given
def case_mapp(x, k, n):
    return x * next(map(float, [k, n])) + max([k, n], key=lambda v: -v)


@given
def case_enum(x, k, n):
    return sum(x * i for i, _ in enumerate([k, n]))


@given
def case_zipp(x, k, n):
    return sum(a * b for a, b in zip([x, y], [k, n]))


@given
def case_sched(x, k, n):
    return x * (k * (1 + math.cos(math.pi * n / 10)) / 2 if n < 5 else k * 0.1)


@given
def case_warm(x, k, n):
    return x * min(1.0, (n + 1) / 4) * k


@given
def case_neg0(x, k, n):
    return x / (k if k else 1.0) + (1 / x) * 0 * k


@given
def case_eqk(x, k, n):
    return x if k == n else x * k


@given
def case_starn(x, k, n):
    return fl.stack([x * v for v in (k, n)]).sum(0)


@given
def case_interp(x, k, n):
    return F.interpolate(x[None, None], scale_factor=abs(n) % 3 + 1.0).mean() * k


@given
def case_padn(x, k, n):
    return F.pad(x, (n % 3, 1), value=k).sum(1)


@given
def case_rolln(x, k, n):
    return x.roll(n, 1) * k + x.roll((n, 1), (0, 1))


@given
def case_cumk(x, k, n):
    return x.cumsum(n % 2) * k + x.sum(n % 2, keepdim=True)


@given
def case_einsm(x, k, n):
    return fl.einsum("ij,kj->ik", x * k, y) / n if n else fl.einsum("ij,ij->i", x, y)


@given
def case_whr(x, k, n):
    return fl.where(x > k, k, n) + fl.where(x > 0, x, k) + fl.where(x < 0, float(n), x)


@given
def case_maxk(x, k, n):
    return fl.maximum(x, fl.tensor(k)) + x.clamp_min(k) + fl.clip(x, max=k)


@given
def case_quant(x, k, n):
    return x.quantile(min(abs(k), 1.0)) + x.round(decimals=n % 3)


@given
def case_rsubs(x, k, n):
    return (
        (k - x)
        + (n / (x.abs() + 1))
        + (k ** x.clamp(0, 1) if k > 0 else x)
        + (n // (x.abs() + 1))
        + (n % (x.abs() + 1))
    )


@given
def case_cmpt(x, k, n):
    return (x > k) & (n < x) | (x == n) ^ (k <= x)


@given
def case_lerpk(x, k, n):
    return x.lerp(y, k) + fl.lerp(x, y, n / 10)


@given
def case_glob(x, k, n):
    return x * k * SCALE[0]


@given
def case_kwmod(x, k, n):
    return NET(x, k, mode=n % 2)
