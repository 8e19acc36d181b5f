"""What a call gives does not depend on the calls before: operators learn a shorter way at their first call, to the same bits.

A training that is killed and resumed begins anew in this respect.
"""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import flambeau
from flambeau import nn

F = nn.functional


def calls(seed):
    """The results and gradients of some operators on few elements, as bytes."""
    generator = flambeau.Generator().manual_seed(seed)

    def drawn(*shape):
        return flambeau.randn(*shape, generator=generator)

    rows, weight, bias, scores, wide = drawn(4, 6), drawn(16, 6), drawn(16), drawn(5, 3), drawn(5, 16)  # fmt: skip
    other, picture = drawn(5, 3).sigmoid(), drawn(2, 3, 8, 8)
    label = flambeau.randint(0, 3, (5,), generator=generator)
    functions = {
        "norm": lambda r, w, b, s, h: w.norm(2.0),
        "norms": lambda r, w, b, s, h: h.norm(dim=1),
        "cross_entropy": lambda r, w, b, s, h: F.cross_entropy(s, label),
        "nll_loss": lambda r, w, b, s, h: F.nll_loss(s, label),
        "linear": lambda r, w, b, s, h: F.linear(r, w, b),
        "batch_norm": lambda r, w, b, s, h: F.batch_norm(h, None, None, b, b, True),
        "layer_norm": lambda r, w, b, s, h: F.layer_norm(h, (16,), b, b),
        "sum": lambda r, w, b, s, h: h.sum(),
        "mean": lambda r, w, b, s, h: h.mean(0) + h.mean(),
        "softmax": lambda r, w, b, s, h: s.softmax(1),
        "mse_loss": lambda r, w, b, s, h: F.mse_loss(s, other),
        "smooth_l1_loss": lambda r, w, b, s, h: F.smooth_l1_loss(s, other),
        "binary_cross_entropy": lambda r, w, b, s, h: F.binary_cross_entropy(s.sigmoid(), other),
        "logits": lambda r, w, b, s, h: F.binary_cross_entropy_with_logits(s, other),
        "kl_div": lambda r, w, b, s, h: F.kl_div(s.log_softmax(1), other, reduction="sum"),
        "cosine": lambda r, w, b, s, h: F.cosine_similarity(s, other),
        "cdist": lambda r, w, b, s, h: flambeau.cdist(s, other),
        "cumsum": lambda r, w, b, s, h: h.cumsum(1),
        "logsumexp": lambda r, w, b, s, h: h.logsumexp(1),
        "gelu": lambda r, w, b, s, h: F.gelu(h) + h.tanh() + F.silu(h) + F.softplus(h),
        "lerp": lambda r, w, b, s, h: flambeau.lerp(s, other, 0.3) / 3.7,
        "addmm": lambda r, w, b, s, h: flambeau.addmm(b, r, w.t(), beta=0.3, alpha=0.7),
        "attention": lambda r, w, b, s, h: F.scaled_dot_product_attention(s[None], other[None], s[None]),
        "avg_pool2d": lambda r, w, b, s, h: F.avg_pool2d(picture * b[0], 2),
        "normalize": lambda r, w, b, s, h: F.normalize(h),
        "var": lambda r, w, b, s, h: h.var() + w.var(1).sum() + w.var(0, keepdim=True),
        "std": lambda r, w, b, s, h: h.std() + w.std(1).sum() + w.std(0, unbiased=False),
        "var_mean": lambda r, w, b, s, h: flambeau.var_mean(h, 1)[0] - flambeau.std_mean(h, 1)[1],
        "standardized": lambda r, w, b, s, h: (h - h.mean(0)) / (h.std(0) + 1e-5),
        "extremes": lambda r, w, b, s, h: h.max(1)[0] - h.min() + h.amax() - h.amin(1),
        "products": lambda r, w, b, s, h: r.mm(w.t()) + w.mv(r[0]) + b.dot(b) + w.trace(),
        "batched": lambda r, w, b, s, h: flambeau.baddbmm(h[None], s[None], s[None].mT @ h[None]),
        "moved": lambda r, w, b, s, h: F.pad(h.roll(1, 0), (1, 1)).masked_fill(label[:, None] > 1, 0.5),
        "stacked": lambda r, w, b, s, h: flambeau.stack([h, h.cumsum(0)], 1).std(1),
        "total norm": lambda r, w, b, s, h: nn.utils.get_total_norm([w.detach(), b.detach()]),
    }  # fmt: skip
    found = {}
    for name, function in functions.items():
        given = [t.clone().requires_grad_() for t in (rows, weight, bias, scores, wide)]
        made = function(*given)
        parts = [made.detach()]
        if made.requires_grad:
            (made * made.detach().cos()).sum().backward()
            parts += [t.grad for t in given if t.grad is not None]
        found[name] = b"".join(p.numpy().tobytes() for p in parts).hex()
    return found


@pytest.mark.slow
def test_first_calls_give_what_later_ones_give():
    code = f"import sys; sys.path.insert(0, {__file__.rpartition('/')[0]!r}); import test_from_the_first_call as t; print(t.calls(3))"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)  # fmt: skip
    for seed in range(30):
        calls(seed)
    assert fresh.returncode == 0, fresh.stderr
    assert calls(3) == ast.literal_eval(fresh.stdout)
