"""Training steps that do what users do to gradients, optimizers and modules, call after call: as eagerly."""

from __future__ import annotations

import flambeau as fl
from flambeau import nn
from flambeau.utils.checkpoint import checkpoint

F = nn.functional
x = fl.arange(4.0)


def opt(m, **k):
    return fl.optim.SGD(m.parameters(), lr=0.1, **k)


def case_data_set_inside():
    m = nn.Linear(4, 4)

    def f(a):
        m.weight.data = m.weight.data * 0.5
        return m(a)

    return f, lambda g, i: (g(x), m.weight.clone())


def case_param_replaced_inside():
    m = nn.Linear(4, 4)

    def f(a):
        m.weight = nn.Parameter(m.weight.detach() * 0.5)
        return m(a)

    return f, lambda g, i: (g(x), m.weight.clone())


def case_grad_by_hand():
    m = nn.Linear(4, 1)
    o = opt(m)

    def f(a):
        o.zero_grad()
        loss = m(a).sum()
        loss.backward()
        for p in m.parameters():
            p.grad = p.grad.clamp(-0.1, 0.1)
        o.step()
        return loss.detach(), m.weight.grad.clone()

    return f, lambda g, i: (g(x), m.weight.clone())


def case_grad_inplace():
    m = nn.Linear(4, 1)
    o = opt(m)

    def f(a):
        loss = m(a).sum()
        loss.backward()
        for p in m.parameters():
            p.grad.mul_(0.5)
        o.step()
        for p in m.parameters():
            p.grad.zero_()
        return loss.detach()

    return f, lambda g, i: (g(x), m.weight.clone(), m.weight.grad.clone())


def case_grad_data():
    m = nn.Linear(4, 1)
    o = opt(m)

    def f(a):
        o.zero_grad()
        loss = m(a).sum()
        loss.backward()
        for p in m.parameters():
            p.grad.data.div_(2)
        o.step()
        return loss.detach()

    return f, lambda g, i: (g(x), m.weight.clone())


def case_state_of_optimizer_read():
    m = nn.Linear(4, 1)
    o = fl.optim.Adam(m.parameters(), lr=0.1)

    def f(a):
        o.zero_grad()
        loss = m(a).sum()
        loss.backward()
        o.step()
        return loss.detach(), o.state[m.weight]["exp_avg"].clone(), o.state[m.weight]["step"] * 1

    return f, lambda g, i: g(x)


def case_state_of_optimizer_written():
    m = nn.Linear(4, 1)
    o = opt(m, momentum=0.9)

    def f(a):
        o.zero_grad()
        loss = m(a).sum()
        loss.backward()
        o.step()
        o.state[m.weight]["momentum_buffer"].mul_(0.5)
        return loss.detach()

    return f, lambda g, i: (g(x), m.weight.clone())


def case_grad_mode_left():
    def f(a):
        fl.set_grad_enabled(False)
        return a * 2

    def go(g, i):
        t = x.clone().requires_grad_()
        try:
            return g(t), fl.is_grad_enabled()
        finally:
            fl.set_grad_enabled(True)

    return f, go


def case_train_eval_inside():
    m = nn.Sequential(nn.Dropout(0.5))

    def f(a):
        m.train(not m.training)
        return m(a)

    return f, lambda g, i: (g(fl.ones(8)), m.training)


def case_requires_grad_inside():
    m = nn.Linear(4, 1)

    def f(a):
        m.weight.requires_grad_(not m.weight.requires_grad)
        return m(a).sum()

    def go(g, i):
        y = g(x)
        return y.requires_grad, m.weight.requires_grad

    return f, go


def case_out_param():
    o = fl.zeros(4)

    def f(a):
        fl.add(a, 1, out=o)
        return a * 2

    return f, lambda g, i: (g(x + i), o.clone())


def case_ema():
    m, e = nn.Linear(4, 1), nn.Linear(4, 1)
    o = opt(m)

    def f(a):
        o.zero_grad()
        loss = m(a).pow(2).sum()
        loss.backward()
        o.step()
        with fl.no_grad():
            for p, q in zip(m.parameters(), e.parameters()):
                q.lerp_(p, 0.1)
        return loss.detach()

    return f, lambda g, i: (g(x * 0.1), e.weight.clone())


def case_ema_copy():
    m, e = nn.Linear(4, 1), nn.Linear(4, 1)
    o = opt(m)

    def f(a):
        o.zero_grad()
        loss = m(a).pow(2).sum()
        loss.backward()
        o.step()
        e.load_state_dict({k: 0.9 * v + 0.1 * m.state_dict()[k] for k, v in e.state_dict().items()})
        return loss.detach()

    return f, lambda g, i: (g(x * 0.1), e.weight.clone())


def case_accumulate():
    m = nn.Linear(4, 1)
    o = opt(m)

    def f(a, step):
        loss = m(a).sum() / 3
        loss.backward()
        if step:
            o.step()
            o.zero_grad()
        return loss.detach()

    def go(g, i):
        return (
            g(x + i, i % 3 == 2),
            m.weight.clone(),
            m.weight.grad if m.weight.grad is None else m.weight.grad.clone(),
        )

    return f, go


def case_clip():
    m = nn.Linear(4, 1)
    o = opt(m)

    def f(a):
        o.zero_grad()
        loss = m(a).pow(2).sum()
        loss.backward()
        n = nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        o.step()
        return loss.detach(), n

    return f, lambda g, i: (g(x + i), m.weight.clone())


def case_scheduler_in():
    m = nn.Linear(4, 1)
    o = opt(m)
    s = fl.optim.lr_scheduler.CosineAnnealingLR(o, 5)

    def f(a):
        o.zero_grad()
        loss = m(a).sum()
        loss.backward()
        o.step()
        s.step()
        return loss.detach()

    return f, lambda g, i: (g(x), m.weight.clone(), o.param_groups[0]["lr"], s.last_epoch)


def case_plateau():
    m = nn.Linear(4, 1)
    o = opt(m)
    s = fl.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0)

    def f(a):
        o.zero_grad()
        loss = m(a).pow(2).sum()
        loss.backward()
        o.step()
        s.step(loss)
        return loss.detach()

    return f, lambda g, i: (g(x + i * 10), m.weight.clone(), o.param_groups[0]["lr"])


def case_scaler():
    m = nn.Linear(4, 1)
    o = opt(m)
    sc = fl.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)

    def f(a):
        o.zero_grad()
        loss = m(a).sum()
        sc.scale(loss).backward()
        sc.step(o)
        sc.update()
        return loss.detach()

    return f, lambda g, i: (g(x if i != 3 else x * float("inf")), m.weight.clone(), sc.get_scale())


def case_two_optimizers_gan():
    d, g_ = nn.Linear(4, 1), nn.Linear(4, 4)
    od, og = opt(d), fl.optim.Adam(g_.parameters(), lr=0.1)

    def f(a):
        z = fl.randn(3, 4)
        od.zero_grad()
        ld = (d(g_(z).detach()) - d(a)).mean()
        ld.backward()
        od.step()
        og.zero_grad()
        lg = -d(g_(z)).mean()
        lg.backward()
        og.step()
        return ld.detach(), lg.detach()

    return f, lambda f, i: (
        f(fl.ones(3, 4)),
        d.weight.clone(),
        g_.weight.clone(),
        d.weight.grad.clone(),
    )


def case_step_closure_lbfgs():
    m = nn.Linear(4, 1)
    o = fl.optim.LBFGS(m.parameters(), lr=0.1)

    def f(a):
        def c():
            o.zero_grad()
            loss = m(a).pow(2).sum()
            loss.backward()
            return loss

        return o.step(c)

    return f, lambda g, i: (g(x), m.weight.clone())


def case_closure_sgd():
    m = nn.Linear(4, 1)
    o = opt(m)

    def f(a):
        def c():
            o.zero_grad()
            loss = m(a).pow(2).sum()
            loss.backward()
            return loss

        return o.step(c).detach()

    return f, lambda g, i: (g(x), m.weight.clone())


def case_grads_returned():
    m = nn.Linear(4, 1)

    def f(a):
        return fl.autograd.grad(m(a).pow(2).sum(), list(m.parameters()))

    return f, lambda g, i: g(x + i)


def case_grads_of_inputs_inside():
    m = nn.Linear(4, 1)

    def f(a):
        a = a.detach().requires_grad_()
        (gr,) = fl.autograd.grad(m(a).pow(2).sum(), a, create_graph=True)
        p = (gr.norm() - 1) ** 2
        p.backward()
        return p.detach()

    def go(g, i):
        m.zero_grad()
        return g(x + i), m.weight.grad.clone()

    return f, go


def case_hooks_on_tensor_inside():
    w = fl.ones(4, requires_grad=True)

    def f(a):
        b = a * w
        b.register_hook(lambda g: g * 3)
        b.sum().backward()
        return b.detach()

    def go(g, i):
        w.grad = None
        return g(x + i), w.grad.clone()

    return f, go


def case_hook_on_param_outside():
    w = fl.ones(4, requires_grad=True)

    def f(a):
        (a * w).sum().backward()
        return a * 1

    h = []

    def go(g, i):
        w.grad = None
        if i == 2:
            h.append(w.register_hook(lambda g: g * 3))
        if i == 5:
            h[0].remove()
        return g(x + i), w.grad.clone()

    return f, go


def case_post_acc_hook():
    w = fl.ones(4, requires_grad=True)

    def f(a):
        (a * w).sum().backward()
        return a * 1

    h = []

    def go(g, i):
        w.grad = None
        if i == 2:
            h.append(w.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(5)))
        if i == 5:
            h[0].remove()
        return g(x + i), w.grad.clone()

    return f, go


def case_optimizer_hooks():
    m = nn.Linear(4, 1)
    o = opt(m)
    h = []

    def f(a):
        o.zero_grad()
        loss = m(a).sum()
        loss.backward()
        o.step()
        return loss.detach()

    def go(g, i):
        if i == 2:
            h.append(
                o.register_step_pre_hook(
                    lambda o, a, k: [p.grad.mul_(3) for p in m.parameters()] and None
                )
            )
        if i == 5:
            h[0].remove()
        return g(x), m.weight.clone()

    return f, go


def case_custom_function_ctx():
    class Fn(fl.autograd.Function):
        @staticmethod
        def forward(ctx, a, k):
            ctx.save_for_backward(a)
            ctx.k = k
            return a * k

        @staticmethod
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            return g * ctx.k * a, None

    w = fl.ones(4, requires_grad=True)

    def f(a, k):
        (Fn.apply(w * a, k)).sum().backward()
        return a * 1

    def go(g, i):
        w.grad = None
        return g(x + i, float(i)), w.grad.clone()

    return f, go


def case_checkpointed():
    m = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 1))

    def f(a):
        loss = checkpoint(m, a, use_reentrant=False).sum()
        loss.backward()
        return loss.detach()

    def go(g, i):
        m.zero_grad()
        return g((x + i).requires_grad_()), m[0].weight.grad.clone()

    return f, go


def case_inplace_relu_module():
    m = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 1))

    def f(a):
        loss = m(a).sum()
        loss.backward()
        return loss.detach()

    def go(g, i):
        m.zero_grad()
        return g(x + i), m[0].weight.grad.clone()

    return f, go


def case_tied():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.e = nn.Embedding(5, 4)
            s.o = nn.Linear(4, 5, bias=False)
            s.o.weight = s.e.weight

        def forward(s, i):
            return s.o(s.e(i))

    m = M()
    o = opt(m)

    def f(i):
        o.zero_grad()
        loss = m(i).logsumexp(-1).sum()
        loss.backward()
        o.step()
        return loss.detach()

    def go(g, i):
        if i == 3:
            m.o.weight = nn.Parameter(m.e.weight.detach().clone())
        return g(fl.tensor([0, i % 5])), m.e.weight.clone(), m.o.weight.clone()

    return f, go


def case_moved_dtype():
    m = nn.Linear(4, 4)

    def go(g, i):
        if i == 3:
            m.double()
        if i == 5:
            m.float()
        return g(x.to(m.weight.dtype))

    return m, go


def case_sparse_embedding():
    e = nn.Embedding(6, 3, sparse=True)
    o = fl.optim.SparseAdam(e.parameters(), lr=0.1)

    def f(i):
        o.zero_grad()
        loss = e(i).pow(2).sum()
        loss.backward()
        o.step()
        return loss.detach()

    return f, lambda g, i: (g(fl.tensor([i % 6, 1])), e.weight.clone())
