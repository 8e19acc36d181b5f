"""The rest of the held-out list of `eager`: calls of the same families that its list leaves out, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Side
from small import backward_of, inplace, module, on, on_integers, optimizer_step


def by_integers(
    f: Callable[..., Any], shape: tuple[int, ...], high: int, *index: int, back: bool = False
) -> Callable:
    """A call of f(F or lib, a leaf, integers below `high`); with `back` the gradient of the sum as well."""

    def make(s: Side) -> Callable:
        first = s.F if f.__code__.co_varnames[0] == "F" else s.lib
        leaf, i = s.normal(*shape, grad=True), s.integers(high, *index)

        def both() -> Any:
            leaf.grad = None
            f(first, leaf, i).sum().backward()
            return leaf.grad

        return both if back else lambda: f(first, leaf, i)

    return make


def clip_grad(s: Side) -> Callable:
    params = [s.normal(4, 4, grad=True) for _ in range(6)]
    for p in params:
        p.grad = p.detach().clone()
    return lambda: s.nn.utils.clip_grad_norm_(params, 1e9)


def zero_grad(s: Side) -> Callable:
    model = s.model(s.nn.Sequential(s.nn.Linear(4, 4), s.nn.Linear(4, 4)))
    return lambda: model.zero_grad()


def from_numpy(s: Side) -> Callable:
    array = np.ones(4, np.float32)
    return lambda: s.lib.from_numpy(array)


CALLS = {
    "min": on(lambda lib, a: a.min(), (60,)),
    "amin_all": on(lambda lib, a: a.amin(), (60,)),
    "min_dim": on(lambda lib, a: a.min(0), (6, 20)),
    "sum_all_grad": on(lambda lib, a: a.sum(), (6, 6), grad=True),
    "mean_grad": on(lambda lib, a: a.mean(), (6, 6), grad=True),
    "max_grad": on(lambda lib, a: a.max(), (6, 6), grad=True),
    "var_grad": on(lambda lib, a: a.var(0), (6, 6), grad=True),
    "amax_grad": on(lambda lib, a: a.amax(1), (6, 6), grad=True),
    "max_dim_grad": on(lambda lib, a: a.max(1)[0], (6, 6), grad=True),
    "cumsum_grad": on(lambda lib, a: a.cumsum(1), (6, 6), grad=True),
    "cumprod": on(lambda lib, a: a.cumprod(1), (6, 6)),
    "cummax": on(lambda lib, a: a.cummax(1)[0], (6, 6)),
    "logcumsumexp": on(lambda lib, a: a.logcumsumexp(1), (6, 6)),
    "median": on(lambda lib, a: a.median(), (21,)),
    "nansum": on(lambda lib, a: a.nansum(), (21,)),
    "any_dim": on(lambda lib, a: (a > 0).any(1), (6, 6)),
    "count_nonzero": on(lambda lib, a: lib.count_nonzero(a), (20,)),
    "std_dim": on(lambda lib, a: a.std(1), (6, 6)),
    "var_mean": on(lambda lib, a: lib.var_mean(a, 1), (6, 6)),
    "aminmax": on(lambda lib, a: lib.aminmax(a)[0], (20,)),
    "argsort": on(lambda lib, a: a.argsort(), (20,)),
    "kthvalue": on(lambda lib, a: a.kthvalue(3)[0], (20,)),
    "diff": on(lambda lib, a: a.diff(), (20,)),
    "trace": on(lambda lib, a: a.trace(), (6, 6)),
    "diagonal": on(lambda lib, a: a.diagonal(), (6, 6)),
    "diag": on(lambda lib, a: a.diag(), (6, 6)),
    "triu": on(lambda lib, a: a.triu(), (6, 6)),
    "diag_embed": on(lambda lib, a: lib.diag_embed(a), (6,)),
    "roll": on(lambda lib, a: a.roll(1, 0), (6, 6)),
    "rot90": on(lambda lib, a: a.rot90(), (6, 6)),
    "movedim": on(lambda lib, a: a.movedim(0, 2), (3, 4, 5)),
    "swapaxes": on(lambda lib, a: a.swapaxes(0, 1), (3, 4)),
    "mT": on(lambda lib, a: a.mT, (3, 4)),
    "tile": on(lambda lib, a: a.tile(2, 2), (3, 4)),
    "repeat_interleave": on(lambda lib, a: a.repeat_interleave(2, 0), (3, 4)),
    "meshgrid": on(lambda lib, a, b: lib.meshgrid(a, b, indexing="ij")[0], (3,), (4,)),
    "hstack": on(lambda lib, *p: lib.hstack(p), (3,), (4,)),
    "vstack": on(lambda lib, *p: lib.vstack(p), (3,), (3,)),
    "tensor_split": on(lambda lib, a: a.tensor_split(3), (6, 3)),
    "unflatten": on(lambda lib, a: a.unflatten(1, (2, 3)), (4, 6)),
    "squeeze_all": on(lambda lib, a: a.squeeze(), (1, 3, 1)),
    "view_as": on(lambda lib, a, b: a.view_as(b), (4, 3), (3, 4)),
    "expand_as": on(lambda lib, a, b: a.expand_as(b), (1, 3), (4, 3)),
    "expand_grad": on(lambda lib, a: a.expand(4, 3), (1, 3), grad=True),
    "view_grad": on(lambda lib, a: a.view(-1), (4, 3), grad=True),
    "permute_grad": on(lambda lib, a: a.permute(1, 0), (4, 3), grad=True),
    "unsqueeze_grad": on(lambda lib, a: a.unsqueeze(0), (4, 3), grad=True),
    "squeeze_grad": on(lambda lib, a: a.squeeze(0), (1, 3), grad=True),
    "chunk_grad": on(lambda lib, a: a.chunk(2), (4, 3), grad=True),
    "split_grad": on(lambda lib, a: a.split(2), (4, 3), grad=True),
    "unbind_grad": on(lambda lib, a: a.unbind(), (4, 3), grad=True),
    "narrow_grad": on(lambda lib, a: a.narrow(0, 1, 2), (4, 3), grad=True),
    "select": on(lambda lib, a: a.select(0, 1), (4, 3)),
    "flatten_grad": on(lambda lib, a: a.flatten(), (4, 3), grad=True),
    "as_strided": on(lambda lib, a: a.as_strided((2, 2), (1, 2)), (4, 3)),
    "unfold": on(lambda lib, a: a.unfold(0, 2, 1), (9,)),
    "ravel": on(lambda lib, a: a.ravel(), (4, 3)),
    "new_ones": on(lambda lib, a: a.new_ones(3, 4), (3,)),
    "new_full": on(lambda lib, a: a.new_full((3, 4), 2.0), (3,)),
    "new_empty_shape": on(lambda lib, a: a.new_empty(3, 4).shape, (3,)),
    "new_tensor": on(lambda lib, a: a.new_tensor([1.0, 2.0]), (3,)),
    "empty_shape": on(lambda lib: lib.empty(3, 4).shape),
    "full_like": on(lambda lib, a: lib.full_like(a, 2.0), (3, 4)),
    "ones_like": on(lambda lib, a: lib.ones_like(a), (3, 4)),
    "empty_like_shape": on(lambda lib, a: lib.empty_like(a).shape, (3, 4)),
    "rand_like_shape": on(lambda lib, a: lib.rand_like(a).shape, (3, 4)),
    "randn_like_shape": on(lambda lib, a: lib.randn_like(a).shape, (3, 4)),
    "randint_shape": on(lambda lib: lib.randint(0, 10, (3, 4)).shape),
    "randperm_shape": on(lambda lib: lib.randperm(10).shape),
    "bernoulli_shape": on(lambda lib, a: lib.bernoulli(a.sigmoid()).shape, (3, 4)),
    "normal_": inplace(lambda a: (a.normal_(), a.shape)[1], (3, 4)),
    "uniform_": inplace(lambda a: (a.uniform_(), a.shape)[1], (3, 4)),
    "multinomial": on(lambda lib, a: lib.multinomial(a.abs(), 2).shape, (3, 4)),
    "arange_step": on(lambda lib: lib.arange(0, 1, 0.1)),
    "arange_2": on(lambda lib: lib.arange(2, 10)),
    "zeros_int": on(lambda lib: lib.zeros(3, 4, dtype=lib.int64)),
    "full_int": on(lambda lib: lib.full((3,), 1)),
    "scalar_tensor": on(lambda lib: lib.tensor(3)),
    "tensor_2d": on(lambda lib: lib.tensor([[1.0, 2.0], [3.0, 4.0]])),
    "from_numpy": from_numpy,
    "clamp_grad": on(lambda lib, a: a.clamp(-1, 1), (6, 6), grad=True),
    "clamp_max": on(lambda lib, a: a.clamp(max=1), (6, 6)),
    "clamp_inplace2": inplace(lambda a: a.clamp_(-1, 1), (6, 6)),
    "sub_inplace": inplace(lambda a, b: a.sub_(b), (6, 6), (6, 6)),
    "div_inplace_number": inplace(lambda a: a.div_(1.01), (6, 6)),
    "exp_inplace": inplace(lambda a: a.sigmoid_(), (6, 6)),
    "masked_fill_inplace": inplace(lambda a: a.masked_fill_(a > 9, 0.0), (6, 6)),
    "addcmul_inplace": inplace(lambda a, b, c: a.addcmul_(b, c, value=0.1), (6, 6), (6, 6), (6, 6)),
    "addcdiv_inplace": inplace(
        lambda a, b, c: a.addcdiv_(b, c.abs() + 1, value=0.1), (6, 6), (6, 6), (6, 6)
    ),
    "lerp_inplace": inplace(lambda a, b: a.lerp_(b, 0.1), (6, 6), (6, 6)),
    "add_number_inplace": inplace(lambda a: a.add_(1e-6), (6, 6)),
    "fill_inplace": inplace(lambda a: a.fill_(1.0), (6, 6)),
    "slice_assign": inplace(lambda a: (a.__setitem__(slice(0, 2), 0.0), a)[1], (6, 6)),
    "mask_assign": inplace(lambda a: (a.__setitem__(a > 0, 0.0), a)[1], (6, 6)),
    "masked_select": on(lambda lib, a: a.masked_select(a > 0), (6, 6)),
    "scatter": on_integers(lambda lib, i, a: a.scatter(1, i, 0.5), 6, (5, 2), (5, 6)),
    "scatter_add": on_integers(
        lambda lib, i, a, b: a.scatter_add(1, i, b), 6, (5, 2), (5, 6), (5, 2)
    ),
    "index_add": on_integers(lambda lib, i, a, b: a.index_add(0, i, b), 5, (4,), (5, 6), (4, 6)),
    "index_fill": on_integers(lambda lib, i, a: a.index_fill(0, i, 0.5), 5, (2,), (5, 6)),
    "take": on_integers(lambda lib, i, a: a.take(i), 30, (4,), (5, 6)),
    "take_along_dim": on_integers(lambda lib, i, a: a.take_along_dim(i, 1), 6, (5, 2), (5, 6)),
    "nonzero": on(lambda lib, a: (a > 0).nonzero(), (6, 6)),
    "bincount": on_integers(lambda lib, i: i.bincount(), 6, (12,)),
    "unique": on_integers(lambda lib, i: i.unique(), 6, (12,)),
    "isin": on_integers(lambda lib, i: lib.isin(i, i[:3]), 6, (12,)),
    "index_two": on_integers(lambda lib, i, a: a[i, i], 5, (4,), (5, 6)),
    "gather_grad": by_integers(lambda lib, a, i: a.gather(1, i), (5, 6), 6, 5, 2),
    "index_tensor_grad": by_integers(lambda lib, a, i: a[i], (5, 6), 5, 4),
    "embedding_grad": by_integers(lambda F, a, i: F.embedding(i, a), (5, 6), 5, 4),
    "searchsorted": on(lambda lib, a, b: lib.searchsorted(a.abs().cumsum(0), b), (10,), (4,)),
    "hardtanh": on(lambda F, a: F.hardtanh(a), (5, 8)),
    "relu6": on(lambda F, a: F.relu6(a), (5, 8)),
    "hardswish": on(lambda F, a: F.hardswish(a), (5, 8)),
    "mish": on(lambda F, a: F.mish(a), (5, 8)),
    "glu": on(lambda F, a: F.glu(a), (5, 8)),
    "prelu": on(lambda F, a, b: F.prelu(a, b), (5, 8), (1,)),
    "selu": on(lambda F, a: F.selu(a), (5, 8)),
    "celu": on(lambda F, a: F.celu(a), (5, 8)),
    "logsigmoid": on(lambda F, a: F.logsigmoid(a), (5, 8)),
    "softsign": on(lambda F, a: F.softsign(a), (5, 8)),
    "hardsigmoid": on(lambda F, a: F.hardsigmoid(a), (5, 8)),
    "softplus_grad": on(lambda F, a: F.softplus(a), (5, 8), grad=True),
    "gelu_grad": on(lambda F, a: F.gelu(a), (5, 8), grad=True),
    "silu_grad": on(lambda F, a: F.silu(a), (5, 8), grad=True),
    "leaky_grad": on(lambda F, a: F.leaky_relu(a), (5, 8), grad=True),
    "log_softmax_grad": on(lambda F, a: F.log_softmax(a, -1), (5, 8), grad=True),
    "rms_norm": on(lambda F, a, w: F.rms_norm(a, (8,), w), (5, 8), (8,)),
    "group_norm": on(lambda F, a: F.group_norm(a, 2), (2, 4, 5)),
    "batch_norm_train": module(lambda nn: nn.BatchNorm1d(6), 4, 6),
    "dropout_train": on(lambda F, a: F.dropout(a, 0.5).shape, (40,)),
    "layer_norm_grad": on(
        lambda F, x, w, b: F.layer_norm(x, (16,), w, b), (4, 16), (16,), (16,), grad=True
    ),
    "huber": on(lambda F, a, b: F.huber_loss(a, b), (10,), (10,)),
    "bce": on(lambda F, a, b: F.binary_cross_entropy(a.sigmoid(), b.sigmoid()), (10,), (10,)),
    "cosine_similarity": on(lambda F, a, b: F.cosine_similarity(a, b), (4, 5), (4, 5)),
    "pairwise_distance": on(lambda F, a, b: F.pairwise_distance(a, b), (4, 5), (4, 5)),
    "cdist": on(lambda lib, a, b: lib.cdist(a, b), (4, 5), (3, 5)),
    "l1_grad": on(lambda F, a, b: F.l1_loss(a, b), (10,), (10,), grad=True),
    "nll_grad": by_integers(lambda F, a, i: F.nll_loss(a, i), (4, 5), 5, 4),
    "ce_grad": by_integers(lambda F, a, i: F.cross_entropy(a, i), (4, 5), 5, 4),
    "bce_logits_grad": on(
        lambda F, a, b: F.binary_cross_entropy_with_logits(a, b.detach()), (10,), (10,), grad=True
    ),
    "smooth_l1_grad": on(lambda F, a, b: F.smooth_l1_loss(a, b), (10,), (10,), grad=True),
    "interpolate": on(lambda F, x: F.interpolate(x, scale_factor=2), (1, 2, 4, 4)),
    "pixel_shuffle": on(lambda F, x: F.pixel_shuffle(x, 2), (1, 4, 3, 3)),
    "unfold_im": on(lambda F, x: F.unfold(x, 2), (1, 2, 4, 4)),
    "adaptive_avg": on(lambda F, x: F.adaptive_avg_pool2d(x, 1), (1, 2, 4, 4)),
    "avg_pool1d": on(lambda F, x: F.avg_pool1d(x, 2), (1, 2, 8)),
    "max_pool1d": on(lambda F, x: F.max_pool1d(x, 2), (1, 2, 8)),
    "max_pool2d_grad": on(lambda F, x: F.max_pool2d(x, 2), (1, 2, 8, 8), grad=True),
    "avg_pool2d_grad": on(lambda F, x: F.avg_pool2d(x, 2), (1, 2, 8, 8), grad=True),
    "conv2d": on(lambda F, x, w: F.conv2d(x, w), (1, 2, 6, 6), (3, 2, 3, 3)),
    "conv_transpose1d": on(lambda F, x, w: F.conv_transpose1d(x, w), (1, 2, 6), (2, 3, 3)),
    "pad_reflect": on(lambda F, x: F.pad(x, (1, 1), mode="reflect"), (1, 2, 6)),
    "pad_grad": on(lambda F, x: F.pad(x, (1, 1)), (2, 6), grad=True),
    "one_hot_auto": on_integers(lambda F, i: F.one_hot(i), 5, (6,)),
    "cat0": on(lambda lib, *p: lib.cat(p), (3, 4), (2, 4)),
    "cat_1d": on(lambda lib, *p: lib.cat(p), (3,), (2,)),
    "stack1": on(lambda lib, *p: lib.stack(p, 1), (3,), (3,)),
    "abs_grad": on(lambda lib, a: a.abs(), (5, 5), grad=True),
    "log": on(lambda lib, a: a.abs().log(), (5, 5)),
    "sqrt_grad": on(lambda lib, a: a.sqrt(), (1,), grad=True),
    "pow_grad": on(lambda lib, a: a**3, (5, 5), grad=True),
    "mul_grad": on(lambda lib, a, b: a * b, (5, 5), (5, 5), grad=True),
    "sub_number_grad": on(lambda lib, a: a - 1, (5, 5), grad=True),
    "mul_number_grad": on(lambda lib, a: a * 2, (5, 5), grad=True),
    "matmul_batched": on(lambda lib, a, b: a @ b, (2, 3, 4), (2, 4, 5)),
    "matmul_vec": on(lambda lib, a, b: a @ b, (4,), (4,)),
    "maximum_grad": on(lambda lib, a, b: lib.maximum(a, b), (5, 5), (5, 5), grad=True),
    "where_grad": on(lambda lib, a, b: lib.where(a > 0, a, b), (5, 5), (5, 5), grad=True),
    "floor": on(lambda lib, a: a.floor(), (5, 5)),
    "round": on(lambda lib, a: a.round(), (5, 5)),
    "sign": on(lambda lib, a: a.sign(), (5, 5)),
    "isfinite": on(lambda lib, a: a.isfinite(), (5, 5)),
    "floor_divide": on(lambda lib, a: a // 2, (5, 5)),
    "remainder": on(lambda lib, a: a % 2, (5, 5)),
    "atan2": on(lambda lib, a, b: lib.atan2(a, b), (5, 5), (5, 5)),
    "add_alpha": on(lambda lib, a, b: lib.add(a, b, alpha=2), (5, 5), (5, 5)),
    "equal": on(lambda lib, a, b: lib.equal(a, b), (5, 5), (5, 5)),
    "logit": on(lambda lib, a: a.sigmoid().logit(), (5, 5)),
    "log1p": on(lambda lib, a: a.abs().log1p(), (5, 5)),
    "reciprocal": on(lambda lib, a: a.reciprocal(), (5, 5)),
    "square": on(lambda lib, a: a.square(), (5, 5)),
    "half": on(lambda lib, a: a.half(), (5, 5)),
    "to_bool": on(lambda lib, a: a.bool(), (5, 5)),
    "type_as": on(lambda lib, a, b: a.type_as(b), (5, 5), (5, 5)),
    "int_sum": on_integers(lambda lib, i: i.sum(), 9, (10,)),
    "bool_sum": on(lambda lib, a: (a > 0).sum(), (10,)),
    "int_max": on_integers(lambda lib, i: i.max(), 9, (10,)),
    "bool_mean": on(lambda lib, a: (a > 0).float().mean(), (10,)),
    "argmax_eq_sum": on_integers(lambda lib, i, a: (a.argmax(1) == i).sum(), 5, (4,), (4, 5)),
    "detach_clone": on(lambda lib, a: a.detach().clone(), (5, 5), grad=True),
    "dist_kl": on(lambda F, a, b: F.kl_div(a, b, reduction="batchmean"), (4, 5), (4, 5)),
    "sum_bw": backward_of(lambda lib, a: a, (4, 5)),
    "mul_bw": backward_of(lambda lib, a, b: a * b, (4, 5), (4, 5)),
    "add_bcast_bw": backward_of(lambda lib, a, b: a + b, (4, 5), (5,)),
    "mean_bw": backward_of(lambda lib, a: a.mean(0), (4, 5)),
    "var_bw": backward_of(lambda lib, a: a.var(0), (4, 5)),
    "exp_bw": backward_of(lambda lib, a: a.exp(), (4, 5)),
    "relu_bw": backward_of(lambda F, a: F.relu(a), (4, 5)),
    "gelu_bw": backward_of(lambda F, a: F.gelu(a), (4, 5)),
    "sigmoid_bw": backward_of(lambda lib, a: a.sigmoid(), (4, 5)),
    "cat_bw": backward_of(lambda lib, a, b: lib.cat([a, b]), (4, 5), (4, 5)),
    "view_bw": backward_of(lambda lib, a: a.view(-1), (4, 5)),
    "t_bw": backward_of(lambda lib, a: a.t(), (4, 5)),
    "expand_bw": backward_of(lambda lib, a: a.expand(4, 5), (1, 5)),
    "max_bw": backward_of(lambda lib, a: a.max(1)[0], (4, 5)),
    "amax_bw": backward_of(lambda lib, a: a.amax(1), (4, 5)),
    "clamp_bw": backward_of(lambda lib, a: a.clamp(-1, 1), (4, 5)),
    "matmul_bw": backward_of(lambda lib, a, b: a @ b, (4, 5), (5, 4)),
    "linear_bw": backward_of(lambda F, a, b, c: F.linear(a, b, c), (4, 5), (3, 5), (3,)),
    "logsm_bw": backward_of(lambda F, a: F.log_softmax(a, -1), (4, 5)),
    "mse_bw": backward_of(lambda F, a, b: F.mse_loss(a, b), (4, 5), (4, 5)),
    "cumsum_bw": backward_of(lambda lib, a: a.cumsum(0), (4, 5)),
    "chunk_bw": backward_of(lambda lib, a: a.chunk(2)[0], (4, 5)),
    "stack_bw": backward_of(lambda lib, a, b: lib.stack([a, b]), (4, 5), (4, 5)),
    "where_bw": backward_of(lambda lib, a, b: lib.where(a > 0, a, b), (4, 5), (4, 5)),
    "div_bw": backward_of(lambda lib, a, b: a / b, (4, 5), (4, 5)),
    "sqrt_bw": backward_of(lambda lib, a: a.abs().sqrt(), (4, 5)),
    "layer_norm_bw": backward_of(
        lambda F, x, w, b: F.layer_norm(x, (16,), w, b), (4, 16), (16,), (16,)
    ),
    "norm_bw": backward_of(lambda lib, a: a.norm(), (10,)),
    "pow_bw": backward_of(lambda lib, a: a**2, (10,)),
    "embedding_bw": by_integers(lambda F, a, i: F.embedding(i, a), (5, 6), 5, 4, back=True),
    "ce_bw": by_integers(lambda F, a, i: F.cross_entropy(a, i), (5, 6), 6, 5, back=True),
    "conv2d_bw": backward_of(lambda F, x, w: F.conv2d(x, w, padding=1), (1, 2, 6, 6), (3, 2, 3, 3)),
    "maxpool_bw": backward_of(lambda F, x: F.max_pool2d(x, 2), (1, 2, 8, 8)),
    "Embedding": lambda s: (lambda m, i: lambda: m(i))(
        s.model(s.nn.Embedding(5, 8)), s.integers(5, 4)
    ),
    "ReLU_m": module(lambda nn: nn.ReLU(), 4, 5),
    "Flatten": module(lambda nn: nn.Flatten(), 4, 5, 2),
    "LSTMCell": lambda s: (lambda m, x: lambda: m(x)[0])(
        s.model(s.nn.LSTMCell(4, 6)), s.normal(2, 4)
    ),
    "GRU": module(lambda nn: nn.GRU(4, 6), 5, 2, 4),
    "Dropout_eval": module(lambda nn: nn.Dropout(0.5).eval(), 4, 5),
    "CE_m": lambda s: (lambda m, x, i: lambda: m(x, i))(
        s.nn.CrossEntropyLoss(), s.normal(4, 5), s.integers(5, 4)
    ),
    "MSE_m": lambda s: (lambda m, x, y: lambda: m(x, y))(
        s.nn.MSELoss(), s.normal(4, 5), s.normal(4, 5)
    ),
    "rmsprop": optimizer_step("RMSprop", *[(4, 4)] * 10),
    "sgd_momentum": optimizer_step("SGD", *[(4, 4)] * 10, momentum=0.9),
    "adagrad": optimizer_step("Adagrad", *[(4, 4)] * 10),
    "clip_grad": clip_grad,
    "zero_grad": zero_grad,
}
