"""The price of a call: tensors so small that only the library's own work is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import eager_others
from harness import Bar, Case, Side
from small import backward_of, both_ways, inplace, module, on, on_integers, optimizer_step

TITLE = "The price of a call"
TEXT = "Tensors of 64 elements and less: what is measured is the library's own work, not the arithmetic."
BARS = [Bar(geomean=1.0, least=0.6)]


def on_two(f: Callable[[Any, Any], Any], shape: tuple = (8, 8), grad: bool = False) -> Callable:
    """A call of f on two tensors; with `grad` it is recorded for backward."""

    def make(s: Side) -> Callable:
        a, b = s.normal(*shape, grad=grad), s.normal(*shape)
        return lambda: f(a, b)

    return make


def add_inplace(s: Side) -> Callable:
    a, b = s.normal(8, 8), s.normal(8, 8, scale=1e-6)
    return lambda: a.add_(b)


def add_inplace_grad(s: Side) -> Callable:
    a, b = s.normal(8, 8, grad=True), s.normal(8, 8)

    def run() -> Any:
        y = a * b
        y.add_(b)
        return y

    return run


def zeros(s: Side) -> Callable:
    lib = s.lib
    return lambda: lib.zeros(8, 8)


def item_and_fill(s: Side) -> Callable:
    a = s.normal(1)

    def run() -> float:
        a.fill_(2.0)
        return a.item()

    return run


def no_grad_context(s: Side) -> Callable:
    lib = s.lib

    def run() -> None:
        with lib.no_grad():
            pass

    return run


def chain(s: Side) -> Callable:
    x, w = s.normal(16, grad=True), s.normal(16)

    def run() -> Any:
        x.grad = None
        y = x
        for _ in range(5):
            y = (y * w + w).tanh() - w
        y.sum().backward()
        return x.grad

    return run


def mlp(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))


TINY = [(4, 4)] * 20
CASES = {
    # `least` here are gates of earlier work that later work must not lose.
    "add_8x8": Case(on_two(lambda a, b: a + b), least=0.67),
    "add_8x8_grad": Case(on_two(lambda a, b: a + b, grad=True), least=0.67),
    "matmul_8x8": Case(on_two(lambda a, b: a @ b)),
    "matmul_8x8_grad": Case(on_two(lambda a, b: a @ b, grad=True)),
    "sum_8x8": Case(on_two(lambda a, b: a.sum())),
    "add_inplace": Case(add_inplace),
    "mul_add_inplace_grad": Case(add_inplace_grad),
    "getitem_view": Case(on_two(lambda a, b: a[2:5])),
    "getitem_view_grad": Case(on_two(lambda a, b: a[2:5], grad=True)),
    "reshape": Case(on_two(lambda a, b: a.reshape(4, 16))),
    "zeros_8x8": Case(zeros),
    "item_and_fill": Case(item_and_fill),
    "no_grad_context": Case(no_grad_context),
    "chain20_fwd_bwd": Case(chain, least=1.0),
    "linear_8x8": Case(module(lambda nn: nn.Linear(8, 8), 8, 8)),
    "linear_8x8_nograd": Case(module(lambda nn: nn.Linear(8, 8), 8, 8, grad=False)),
    "mlp_8_32_8": Case(module(mlp, 8, 8)),
    "sgd_20_params": Case(optimizer_step("SGD", *TINY), least=1.0),
    "adam_20_params": Case(optimizer_step("Adam", *TINY), least=1.0),
}
# The usual calls side by side, one of a kind: 4 to 1000 elements.
CALLS = {
    # arithmetic
    "sub_3": on(lambda lib, a, b: a - b, (3,), (3,)),
    "mul_number": on(lambda lib, a: a * 2.5, (4, 4)),
    "rsub_number": on(lambda lib, a: 1 - a, (4, 4)),
    "div_broadcast": on(lambda lib, a, b: a / b, (4, 5), (5,)),
    "div_grad": on(lambda lib, a, b: a / b, (4, 5), (4, 5), grad=True),
    "pow_2": on(lambda lib, a: a**2, (10, 10)),
    "neg": on(lambda lib, a: -a, (10,)),
    "maximum_2x3x4": on(lambda lib, a, b: lib.maximum(a, b), (2, 3, 4), (2, 3, 4)),
    "exp_grad": on(lambda lib, a: a.exp(), (5, 5), grad=True),
    "rsqrt": on(lambda lib, a: lib.rsqrt(a.abs()), (10,)),
    "sqrt": on(lambda lib, a: (a * a).sqrt(), (30,)),
    "sigmoid": on(lambda lib, a: lib.sigmoid(a), (100,)),
    "tanh_grad": on(lambda lib, a: lib.tanh(a), (100,), grad=True),
    "sin": on(lambda lib, a: a.sin(), (16,)),
    "erf": on(lambda lib, a: lib.erf(a), (30,)),
    "lerp": on(lambda lib, a, b: lib.lerp(a, b, 0.3), (20,), (20,)),
    "addcmul": on(lambda lib, a, b, c: lib.addcmul(a, b, c, value=0.5), (20,), (20,), (20,)),
    "clamp": on(lambda lib, a: a.clamp(-0.5, 0.5), (6, 6)),
    "clamp_min_grad": on(lambda lib, a: a.clamp(min=0), (6, 6), grad=True),
    "compare_7": on(lambda lib, a, b: a < b, (7,), (7,)),
    "compare_number": on(lambda lib, a: a > 0, (7, 7)),
    "eq": on_integers(lambda lib, i: i == 3, 10, (12,)),
    "logical_and": on(lambda lib, a: (a > 0) & (a < 1), (12,)),
    "logical_not": on(lambda lib, a: ~(a > 0), (12,)),
    "integers_add": on_integers(lambda lib, i: i + i, 10, (12,)),
    "integers_mod": on_integers(lambda lib, i: i % 3, 10, (12,)),
    "where": on(lambda lib, a, b: lib.where(a > 0, a, b), (6, 6), (6, 6)),
    "where_number": on(lambda lib, a: lib.where(a > 0, a, 0.0), (6, 6)),
    "masked_fill": on(lambda lib, a: a.masked_fill(a > 0, -1e9), (8, 8)),
    "isnan_any": on(lambda lib, a: lib.isnan(a).any(), (20,)),
    "allclose": on(lambda lib, a, b: lib.allclose(a, b), (20,), (20,)),
    "mixed_dtypes": on_integers(lambda lib, i, a: i * a, 10, (6,), (6,)),
    # reductions
    "sum_dim": on(lambda lib, a: a.sum(1), (6, 6)),
    "sum_keepdim": on(lambda lib, a: a.sum(-1, keepdim=True), (6, 6)),
    "sum_dims_grad": on(lambda lib, a: a.sum((0, 1)), (6, 6, 3), grad=True),
    "mean": on(lambda lib, a: a.mean(), (6, 6)),
    "mean_dim": on(lambda lib, a: a.mean(1), (6, 6)),
    "mean_keepdim_grad": on(lambda lib, a: a.mean(-1, keepdim=True), (6, 6), grad=True),
    "var": on(lambda lib, a: a.var(-1), (6, 20)),
    "std": on(lambda lib, a: a.std(), (60,)),
    "norm": on(lambda lib, a: a.norm(), (60,)),
    "vector_norm_dim": on(lambda lib, a: lib.linalg.norm(a, dim=-1), (6, 20)),
    "max": on(lambda lib, a: a.max(), (60,)),
    "max_dim": on(lambda lib, a: a.max(1), (6, 20)),
    "amax": on(lambda lib, a: a.amax(-1), (6, 20)),
    "argmax": on(lambda lib, a: a.argmax(1), (6, 20)),
    "argmax_all": on(lambda lib, a: a.argmax(), (40,)),
    "all": on(lambda lib, a: (a > -9).all(), (20,)),
    "prod": on(lambda lib, a: a.prod(), (20,)),
    "cumsum": on(lambda lib, a: a.cumsum(0), (20,)),
    "logsumexp": on(lambda lib, a: a.logsumexp(-1), (6, 10)),
    "sort": on(lambda lib, a: a.sort()[0], (20,)),
    "topk": on(lambda lib, a: a.topk(3)[0], (4, 20)),
    # views and copies
    "t": on(lambda lib, a: a.t(), (3, 5)),
    "T": on(lambda lib, a: a.T, (3, 5)),
    "transpose": on(lambda lib, a: a.transpose(0, 1), (3, 5, 2)),
    "transpose_grad": on(lambda lib, a: a.transpose(-1, -2), (3, 5), grad=True),
    "permute": on(lambda lib, a: a.permute(2, 0, 1), (3, 5, 2)),
    "view": on(lambda lib, a: a.view(-1, 4), (6, 6)),
    "reshape": on(lambda lib, a: a.reshape(3, 12), (6, 6)),
    "reshape_grad": on(lambda lib, a: a.reshape(3, 12), (6, 6), grad=True),
    "flatten": on(lambda lib, a: a.flatten(1), (2, 3, 4)),
    "squeeze": on(lambda lib, a: a.squeeze(1), (3, 1, 2)),
    "unsqueeze": on(lambda lib, a: a.unsqueeze(0), (3, 2)),
    "expand": on(lambda lib, a: a.expand(4, 3), (1, 3)),
    "contiguous": on(lambda lib, a: a.t().contiguous(), (3, 5)),
    "contiguous_already": on(lambda lib, a: a.contiguous(), (3, 5)),
    "clone": on(lambda lib, a: a.clone(), (10,)),
    "detach": on(lambda lib, a: a.detach(), (4,)),
    "repeat": on(lambda lib, a: a.repeat(2, 3), (3, 4)),
    "narrow": on(lambda lib, a: a.narrow(1, 1, 2), (3, 5)),
    "stack": on(lambda lib, *parts: lib.stack(parts), (3,), (3,), (3,)),
    "stack_grad": on(lambda lib, *parts: lib.stack(parts, 1), (3,), (3,), grad=True),
    "cat": on(lambda lib, *parts: lib.cat(parts, 1), (3, 4), (3, 2)),
    "cat_grad": on(lambda lib, *parts: lib.cat(parts), (3, 4), (2, 4), grad=True),
    "split": on(lambda lib, a: a.split(2), (6, 3)),
    "chunk": on(lambda lib, a: a.chunk(3, -1), (2, 12)),
    "unbind": on(lambda lib, a: a.unbind(0), (3, 4)),
    "iterate": on(lambda lib, a: list(a), (3, 4)),
    "flip": on(lambda lib, a: a.flip(0), (10,)),
    "tril": on(lambda lib, a: a.tril(), (6, 6)),
    "pad": on(lambda F, a: F.pad(a, (1, 1)), (4, 6)),
    # indexing
    "index_integer": on(lambda lib, a: a[1], (5, 5)),
    "index_pair": on(lambda lib, a: a[1, 2], (5, 5)),
    "index_slice": on(lambda lib, a: a[1:3], (5, 5)),
    "index_last_grad": on(lambda lib, a: a[:, -1], (5, 5), grad=True),
    "index_none": on(lambda lib, a: a[:, None], (5, 5)),
    "index_step": on(lambda lib, a: a[..., ::2], (5, 6)),
    "index_mask": on(lambda lib, a: a[a > 0], (5, 6)),
    "index_tensor": on_integers(lambda lib, i, a: a[i], 5, (4,), (5, 6)),
    "gather": on_integers(lambda lib, i, a: a.gather(1, i), 6, (5, 2), (5, 6)),
    "index_select": on_integers(lambda lib, i, a: a.index_select(0, i), 5, (4,), (5, 6)),
    "set_item": inplace(lambda a, b: (a.__setitem__(1, b), a)[1], (5, 6), (6,)),
    # products
    "matmul_4x5x6": on(lambda lib, a, b: a @ b, (4, 5), (5, 6)),
    "bmm": on(lambda lib, a, b: lib.bmm(a, b), (3, 4, 5), (3, 5, 2)),
    "mv": on(lambda lib, a, b: a.mv(b), (4, 5), (5,)),
    "dot": on(lambda lib, a, b: lib.dot(a, b), (10,), (10,)),
    "outer": on(lambda lib, a, b: lib.outer(a, b), (4,), (5,)),
    "addmm": on(lambda lib, a, b, c: lib.addmm(a, b, c), (6,), (4, 5), (5, 6)),
    "baddbmm": on(lambda lib, a, b, c: lib.baddbmm(a, b, c), (3, 4, 6), (3, 4, 5), (3, 5, 6)),
    "einsum": on(lambda lib, a, b: lib.einsum("bij,bkj->bik", a, b), (2, 4, 5), (2, 6, 5)),
    "functional_linear_grad": on(
        lambda F, x, w, b: F.linear(x, w, b), (4, 8), (5, 8), (5,), grad=True
    ),
    # functions of networks
    "relu": on(lambda F, a: F.relu(a), (5, 8)),
    "relu_grad": on(lambda F, a: F.relu(a), (5, 8), grad=True),
    "gelu": on(lambda F, a: F.gelu(a), (5, 8)),
    "silu": on(lambda F, a: F.silu(a), (5, 8)),
    "leaky_relu": on(lambda F, a: F.leaky_relu(a, 0.1), (5, 8)),
    "elu_grad": on(lambda F, a: F.elu(a), (5, 8), grad=True),
    "softplus": on(lambda F, a: F.softplus(a), (5, 8)),
    "softmax": on(lambda lib, a: a.softmax(-1), (4, 10)),
    "softmax_grad": on(lambda F, a: F.softmax(a, dim=-1), (4, 10), grad=True),
    "log_softmax": on(lambda F, a: F.log_softmax(a, -1), (4, 10)),
    "normalize": on(lambda F, a: F.normalize(a, dim=-1), (4, 10)),
    "layer_norm": on(lambda F, x, w, b: F.layer_norm(x, (16,), w, b), (4, 16), (16,), (16,)),
    "dropout": on(lambda F, a: F.dropout(a, 0.0), (40,)),
    "one_hot": on_integers(lambda F, i: F.one_hot(i, 5), 5, (6,)),
    "embedding": on_integers(lambda F, i, w: F.embedding(i, w), 5, (2, 3), (5, 8)),
    "conv1d": on(lambda F, x, w: F.conv1d(x, w), (1, 2, 12), (3, 2, 3)),
    "conv2d_grad": on(
        lambda F, x, w: F.conv2d(x, w, padding=1), (1, 2, 6, 6), (3, 2, 3, 3), grad=True
    ),
    "max_pool2d": on(lambda F, x: F.max_pool2d(x, 2), (1, 2, 8, 8)),
    "avg_pool2d": on(lambda F, x: F.avg_pool2d(x, 2), (1, 2, 8, 8)),
    "attention": on(
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v), *[(1, 2, 5, 8)] * 3
    ),
    "mse_loss": on(lambda F, a, b: F.mse_loss(a, b), (10,), (10,)),
    "mse_loss_grad": on(lambda F, a, b: F.mse_loss(a, b), (10,), (10,), grad=True),
    "l1_loss": on(lambda F, a, b: F.l1_loss(a, b), (10,), (10,)),
    "smooth_l1_loss": on(lambda F, a, b: F.smooth_l1_loss(a, b), (10,), (10,)),
    "bce_with_logits": on(lambda F, a, b: F.binary_cross_entropy_with_logits(a, b), (10,), (10,)),
    "kl_div": on(lambda F, a, b: F.kl_div(a, b.abs(), reduction="batchmean"), (4, 5), (4, 5)),
    "nll_loss": on_integers(lambda F, y, a: F.nll_loss(a, y), 5, (4,), (4, 5)),
    "cross_entropy": on_integers(lambda F, y, a: F.cross_entropy(a, y), 5, (4,), (4, 5)),
    # making, casting, asking
    "arange": on(lambda lib: lib.arange(10)),
    "linspace": on(lambda lib: lib.linspace(0, 1, 10)),
    "zeros": on(lambda lib: lib.zeros(3, 4)),
    "ones": on(lambda lib: lib.ones(3, 4)),
    "full": on(lambda lib: lib.full((3, 4), 0.5)),
    "zeros_like": on(lambda lib, a: lib.zeros_like(a), (3, 4)),
    "new_zeros": on(lambda lib, a: a.new_zeros(3, 4), (3, 4)),
    "tensor_of_list": on(lambda lib: lib.tensor([1.0, 2.0, 3.0])),
    "tensor_of_number": on(lambda lib: lib.tensor(2.5)),
    "eye": on(lambda lib: lib.eye(4)),
    "rand_shape": on(lambda lib: lib.rand(4, 5).shape),
    "randn_shape": on(lambda lib: lib.randn(4, 5).shape),
    "to_float64": on(lambda lib, a: a.to(lib.float64), (10,)),
    "to_same": on(lambda lib, a: a.to("cpu"), (10,)),
    "float_of_integers": on_integers(lambda lib, i: i.float(), 9, (10,)),
    "long": on(lambda lib, a: a.long(), (10,)),
    "item": on(lambda lib, a: a.item(), (1,)),
    "float": on(lambda lib, a: float(a), (1,)),
    "tolist": on(lambda lib, a: a.tolist(), (5,)),
    "numpy": on(lambda lib, a: a.numpy(), (5,)),
    "shape": on(lambda lib, a: (a.shape[0], a.size(1), a.dim(), len(a), a.numel()), (3, 4)),
    "dtype_device": on(
        lambda lib, a: (a.dtype, a.device, a.is_contiguous(), a.requires_grad)[2:], (3, 4)
    ),
    # in place
    "mul_inplace": inplace(lambda a: a.mul_(0.9), (6, 6)),
    "add_alpha_inplace": inplace(lambda a, b: a.add_(b, alpha=0.1), (6, 6), (6, 6)),
    "clamp_inplace": inplace(lambda a: a.clamp_(min=0), (6, 6)),
    "relu_inplace": inplace(lambda a: a.relu_(), (6, 6)),
    "zero_inplace": inplace(lambda a: a.zero_(), (6, 6)),
    "copy_inplace": inplace(lambda a, b: a.copy_(b), (6, 6), (6, 6)),
    "iadd": inplace(lambda a, b: a.__iadd__(b), (6, 6), (6, 6)),
    # layers and small nets
    "Linear": module(lambda nn: nn.Linear(5, 3), 4, 5),
    "LayerNorm": module(lambda nn: nn.LayerNorm(16), 4, 16),
    "BatchNorm1d": module(lambda nn: nn.BatchNorm1d(6).eval(), 4, 6),
    "GroupNorm": module(lambda nn: nn.GroupNorm(2, 4), 2, 4, 5),
    "Conv2d": module(lambda nn: nn.Conv2d(1, 2, 3), 1, 1, 8, 8),
    "GRUCell": module(lambda nn: nn.GRUCell(4, 6), 2, 4),
    "LSTM": module(lambda nn: nn.LSTM(4, 6), 5, 2, 4),
    "MultiheadAttention": lambda s: (lambda layer, x: lambda: layer(x, x, x)[0])(
        s.model(s.nn.MultiheadAttention(8, 2)), s.normal(5, 2, 8)
    ),
    "TransformerEncoderLayer": module(
        lambda nn: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2, 5, 8
    ),
    "Sequential_conv": module(
        lambda nn: nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4)
        ),
        *(1, 1, 8, 8),
    ),
    "mlp_both_ways": both_ways(mlp, 4, 8),
    "norm_net_both_ways": both_ways(
        lambda nn: nn.Sequential(
            nn.Linear(6, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 2), nn.LogSoftmax(-1)
        ),
        4,
        6,
    ),
    "conv_net_both_ways": both_ways(
        lambda nn: nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(18, 4)
        ),
        *(2, 1, 8, 8),
    ),
    "softmax_both_ways": backward_of(lambda lib, a, b: a.softmax(-1) * b, (4, 10), (4, 10)),
    "stack_both_ways": backward_of(lambda lib, a, b: lib.stack([a, b]) ** 2, (4,), (4,)),
    "index_both_ways": backward_of(lambda lib, a: a[:, 1:3].exp(), (4, 5)),
    "attention_both_ways": backward_of(
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v), *[(1, 2, 5, 8)] * 3
    ),
    "mean_var_both_ways": backward_of(
        lambda lib, a: (
            ((a - a.mean(-1, keepdim=True)) / (a.var(-1, keepdim=True) + 1e-5).sqrt()) ** 3
        ),
        (4, 10),
    ),
    "adamw_7_params": optimizer_step("AdamW", *[(3, 5)] * 7),
}
HELD_OUT = {name: Case(make) for name, make in (CALLS | eager_others.CALLS).items()}
