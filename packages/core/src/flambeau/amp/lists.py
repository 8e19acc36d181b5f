"""Which operators autocast runs in which precision: PyTorch's lists for the CPU and for CUDA, as tables.

    LOWER    the inputs become autocast's dtype: products and convolutions, which lose little and gain most
    FULL     16-bit inputs become float32: losses, sums of many numbers, what overflows
    WIDEST   inputs of several precisions meet in the widest
    REFUSED  what gives wrong gradients in 16 bits, with what to use instead
    ALONE    composites that run as outside of autocast, although they open into operators of LOWER or FULL

Everything else runs in the precision its inputs have. Names are those of our operators: a composite such as `conv2d` is
served by the primitive it opens into, and one of FULL or WIDEST opens with autocast off, as if it were one operator.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CPU_LOWER = _names(
    "matmul linear convolution conv_transpose1d conv_transpose2d conv_transpose3d scaled_dot_product_attention baddbmm "
    "addmm leaky_slopes"
)
CUDA_LOWER = CPU_LOWER | _names("lstm_step gru_step")
CPU_ALONE = _names("mv dot")
CUDA_ALONE = _names("mean std var var_mean")

_LOSSES = _names(
    "mse_loss l1_loss smooth_l1_loss huber_loss nll_loss kl_div poisson_nll_loss hinge_embedding_loss "
    "cosine_embedding_loss margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss "
    "multilabel_margin_loss binary_cross_entropy_with_logits"
)

CPU_FULL = _LOSSES | _names("cross_entropy binary_cross_entropy prod avg_pool3d view_as_complex qr")

CUDA_FULL = _LOSSES | _names(
    "cross_entropy acos asin cosh sinh tan exp expm1 log log10 log2 log1p reciprocal rsqrt pow softplus layer_norm "
    "rms_norm group_norm cosine_similarity norm norm2 logsumexp interpolate softmax log_softmax prod cumprod cumsum "
    "sum"
)

CPU_WIDEST = _names("cat stack")
CUDA_WIDEST = _names("addcdiv addcmul atan2 dot index_put scatter_add cat stack")

CUDA_REFUSED = {
    "binary_cross_entropy": (
        "nn.functional.binary_cross_entropy and nn.BCELoss are unsafe to autocast: their gradient needs float32 logits; "
        "use nn.functional.binary_cross_entropy_with_logits or nn.BCEWithLogitsLoss, which are safe to autocast"
    )
}


class Policy:
    """The lists of one device type."""

    __slots__ = ("alone", "full", "lower", "refused", "widest")

    def __init__(
        self,
        lower: frozenset[str],
        full: frozenset[str],
        widest: frozenset[str],
        alone: frozenset[str],
        refused: dict[str, str],
    ) -> None:
        self.lower, self.full, self.widest, self.refused = lower, full, widest, refused
        self.alone = alone | full | widest


POLICIES = {
    "cpu": Policy(CPU_LOWER, CPU_FULL, CPU_WIDEST, CPU_ALONE, {}),
    "cuda": Policy(CUDA_LOWER, CUDA_FULL, CUDA_WIDEST, CUDA_ALONE, CUDA_REFUSED),
}
