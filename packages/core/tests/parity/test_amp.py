"""The dtype of every result inside autocast on the CPU, and a GradScaler's life, beside PyTorch."""

from __future__ import annotations

import itertools

import pytest
import torch

import flambeau


def calls(t, f):
    """The calls by name, on products of 16 bits (`h`) and on float32."""
    x, w = t.ones(2, 3), t.ones(4, 3)
    c, k = t.ones(1, 2, 6, 6), t.ones(3, 2, 3, 3)
    h, target = f.linear(x, w), t.zeros(2, 4)
    return {
        "linear": lambda: h,
        "linear_double": lambda: f.linear(x.double(), w.double()),
        "matmul": lambda: x @ w.t(),
        "mm": lambda: t.mm(x, w.t()),
        "mv": lambda: t.mv(x, w[0]),
        "dot": lambda: t.dot(w[0], w[0]),
        "bmm": lambda: t.bmm(x[None], w.t()[None]),
        "addmm": lambda: t.addmm(target, x, w.t()),
        "baddbmm": lambda: t.baddbmm(t.zeros(1, 2, 4), x[None], w.t()[None]),
        "einsum": lambda: t.einsum("ij,kj->ik", x, w),
        "conv1d": lambda: f.conv1d(c[0], t.ones(3, 6, 3)),
        "conv2d": lambda: f.conv2d(c, k),
        "conv_transpose2d": lambda: f.conv_transpose2d(c, k.transpose(0, 1)),
        "attention": lambda: f.scaled_dot_product_attention(c, c, c),
        "prelu": lambda: f.prelu(c, t.ones(1)),
        "relu": lambda: f.relu(h),
        "gelu": lambda: f.gelu(h),
        "exp": lambda: t.exp(h),
        "pow": lambda: h**2,
        "softmax": lambda: f.softmax(h, -1),
        "softmax_of_float": lambda: f.softmax(x, -1),
        "layer_norm": lambda: f.layer_norm(h, (4,), t.ones(4), t.zeros(4)),
        "batch_norm": lambda: f.batch_norm(
            c.bfloat16(), t.zeros(2), t.ones(2), t.ones(2), t.zeros(2), True
        ),
        "sum": lambda: h.sum(),
        "mean": lambda: h.mean(),
        "prod": lambda: h.prod(),
        "cumsum": lambda: h.cumsum(0),
        "logsumexp": lambda: t.logsumexp(h, 0),
        "mse_loss": lambda: f.mse_loss(h, target),
        "l1_loss": lambda: f.l1_loss(h, target),
        "huber_loss": lambda: f.huber_loss(h, target),
        "cross_entropy": lambda: f.cross_entropy(h, t.tensor([0, 1])),
        "nll_loss": lambda: f.nll_loss(f.log_softmax(h, -1), t.tensor([0, 1])),
        "bce": lambda: f.binary_cross_entropy(t.sigmoid(h), target),
        "bce_with_logits": lambda: f.binary_cross_entropy_with_logits(h, target),
        "cat": lambda: t.cat([h, target]),
        "stack": lambda: t.stack([h, target]),
        "add": lambda: h + target,
        "max_pool2d": lambda: f.max_pool2d(c.bfloat16(), 2),
        "TransformerEncoderLayer": lambda: t.nn.TransformerEncoderLayer(4, 2, 8)(x @ w.t()),
        "GRU": lambda: t.nn.GRU(3, 4)(x[None])[0],
        "RNN": lambda: t.nn.RNN(3, 4)(x[None])[0],
    }


def names():
    with torch.autocast("cpu"):
        return list(calls(torch, torch.nn.functional))


@pytest.mark.parametrize("lower", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", names())
def test_result_dtypes(name, lower):
    found = []
    for t in (torch, flambeau):
        t.manual_seed(0)
        with t.autocast("cpu", dtype=getattr(t, lower)):
            found.append(str(calls(t, t.nn.functional)[name]().dtype).split(".")[1])
    assert found[0] == found[1]


def test_scaler_through_overflow_and_growth():
    told = []
    for t in (torch, flambeau):
        p = t.nn.Parameter(t.tensor([1.0, -2.0]))
        optimizer = t.optim.SGD([p], lr=0.1, momentum=0.9)
        scaler = t.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
        rows = []
        for factor in [1.0, 1.0, float("inf"), 1.0, float("nan"), 2.0, 2.0, 2.0]:
            optimizer.zero_grad()
            scaler.scale((p * p * factor).sum()).backward()
            scaler.unscale_(optimizer)
            t.nn.utils.clip_grad_norm_([p], 1.0)
            scaler.step(optimizer)
            scaler.update()
            rows.append((scaler.state_dict(), p.detach().tolist()))
        told.append(rows)
    for ours, theirs in zip(*told):
        assert ours[0] == theirs[0]
        assert ours[1] == pytest.approx(theirs[1], rel=1e-6)


def test_a_mixed_step_is_as_close_as_16_bits_allow():
    gradients = []
    for t in (torch, flambeau):
        t.manual_seed(3)
        model = t.nn.Sequential(t.nn.Linear(6, 8), t.nn.ReLU(), t.nn.Linear(8, 3))
        x, y = t.randn(16, 6), t.arange(16) % 3
        with t.autocast("cpu", dtype=t.bfloat16):
            loss = t.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        gradients.append([p.grad.tolist() for p in model.parameters()])
        assert {str(p.grad.dtype).split(".")[1] for p in model.parameters()} == {"float32"}
    for a, b in zip(*gradients):
        torch.testing.assert_close(torch.tensor(a), torch.tensor(b), rtol=0.05, atol=2e-3)


# Operators of the lists, and some of none, through PyTorch's own samples.
LISTED: list[str] = """
    cdist cholesky cholesky_inverse cholesky_solve stft geqrf lu lu_solve quantile nanquantile ormqr triangular_solve svd
    pinverse index_copy trace inner polar prod addbmm addmm baddbmm bmm matmul mv dot linalg.vecdot linalg.cholesky
    linalg.cholesky_ex linalg.cond linalg.eig linalg.eigvals linalg.eigh linalg.eigvalsh linalg.householder_product
    linalg.lstsq linalg.matrix_rank linalg.qr linalg.inv linalg.inv_ex linalg.solve linalg.tensorinv linalg.tensorsolve
    linalg.svd linalg.svdvals fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft fft.fft2 fft.rfftn
    nn.functional.adaptive_avg_pool3d nn.functional.adaptive_max_pool3d nn.functional.avg_pool3d
    nn.functional.max_pool3d nn.functional.pad nn.functional.interpolate nn.functional.fractional_max_pool2d
    nn.functional.fractional_max_pool3d nn.functional.max_unpool1d nn.functional.max_unpool2d
    nn.functional.max_unpool3d nn.functional.grid_sample nn.functional.ctc_loss nn.functional.kl_div
    nn.functional.prelu nn.functional.linear nn.functional.conv2d nn.functional.conv_transpose1d
    nn.functional.scaled_dot_product_attention nn.functional.layer_norm nn.functional.softmin nn.functional.pdist
    cov corrcoef linalg.pinv tensordot nn.functional.rrelu nn.functional.linear_cross_entropy
    cat stack sum mean exp log cumsum add mul sqrt sin logsumexp max sort
""".split()  # noqa: SIM905 - a table to be read


def kinds(out):
    if isinstance(out, (torch.Tensor, flambeau.Tensor)):
        return str(out.dtype).split(".")[1]
    return [kinds(o) for o in out] if isinstance(out, (list, tuple)) else type(out).__name__


def ours(value):
    """PyTorch's arguments as flambeau's."""
    if isinstance(value, torch.Tensor):
        whole = value.detach()
        lower = whole.dtype is torch.bfloat16
        made = flambeau.from_numpy((whole.float() if lower else whole).numpy().copy())
        return made.bfloat16() if lower else made
    if isinstance(value, torch.dtype):
        return getattr(flambeau, str(value).split(".")[1])
    if isinstance(value, (list, tuple)):
        return type(value)([ours(v) for v in value])
    return {k: ours(v) for k, v in value.items()} if isinstance(value, dict) else value


UNUSED = (
    "grad_oriented",
    "chunked",
    "chunked_none",
)  # the last two have options of PyTorch's class


def database():
    from torch.testing._internal.common_methods_invocations import op_db

    return [op for op in op_db if op.name in LISTED and op.variant_test_name not in UNUSED]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", database(), ids=lambda op: f"{op.name}.{op.variant_test_name}")
def test_dtypes_of_the_lists(op):
    """With inputs of 16 bits, and with float32 ones, the results have PyTorch's dtypes."""
    samples = op.sample_inputs("cpu", torch.float32)
    of_several = op.name in ("tensordot", "cov", "nn.functional.rrelu")
    for sample in itertools.islice(samples, 6 if of_several else 1):
        check_dtypes(op, sample)


def check_dtypes(op, sample):
    for kind in (torch.bfloat16, torch.float32):
        moved = sample.transform(
            lambda x, kind=kind: (
                x.detach().to(kind) if isinstance(x, torch.Tensor) and x.is_floating_point() else x
            )
        )
        try:
            with torch.autocast("cpu"):
                expected = kinds(op(moved.input, *moved.args, **moved.kwargs))
        except RuntimeError:
            continue  # what PyTorch cannot do in 16 bits either
        function = flambeau
        for part in op.name.split("."):
            function = getattr(function, part)
        with flambeau.autocast("cpu"):
            found = kinds(function(*ours((moved.input, *moved.args)), **ours(moved.kwargs)))
        assert found == expected, kind
