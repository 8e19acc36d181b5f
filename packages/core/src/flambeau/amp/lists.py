"""Which operators autocast runs in which precision: PyTorch's lists for the CPU and for CUDA, as tables.

    LOWER    the inputs become autocast's dtype: products and convolutions, which lose little and gain most
    FULL     16-bit inputs become float32: losses, sums of many numbers, what overflows
    WIDEST   inputs of several precisions meet in the widest
    REFUSED  what gives wrong gradients in 16 bits, with what to use instead
    ALONE    composites that run as outside of autocast, although they open into operators of LOWER or FULL
    ROUNDED  composites whose last step is a product in PyTorch, so that float32 ones give autocast's dtype; here they are
             computed in float32 and rounded
    OPENED   composites that a backend may run whole, in the precision of their inputs: not under autocast, whose lists are of
             what is inside
    SOMETIMES  operators that belong to a list in some of their modes only

Everything else runs in the precision its inputs have. Names are those of our operators: a composite such as `conv2d` is
served by the primitive it opens into, and one of FULL or WIDEST opens with autocast off, as if it were one operator.
"""

from __future__ import annotations

from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CPU_LOWER = _names(
    "matmul linear convolution conv_transpose1d conv_transpose2d conv_transpose3d scaled_dot_product_attention baddbmm "
    "addmm addbmm linalg_vecdot leaky_slopes"
)
CUDA_LOWER = CPU_LOWER - {"linalg_vecdot"} | _names("lstm_step gru_step")
CPU_ALONE = _names("mv dot interpolate")
CUDA_ALONE = _names("mean std var var_mean")

_LOSSES = _names(
    "mse_loss l1_loss smooth_l1_loss huber_loss nll_loss kl_div poisson_nll_loss hinge_embedding_loss "
    "cosine_embedding_loss margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss "
    "multilabel_margin_loss binary_cross_entropy_with_logits"
)

CPU_FULL = _LOSSES | _names(
    "cross_entropy binary_cross_entropy ctc_loss prod trace polar quantile nanquantile cdist view_as_complex "
    "avg_pool3d max_unpool adaptive_avg_pool3d adaptive_max_pool3d fractional_max_pool "
    "grid_sampler grid_sampler_2d grid_sampler_3d "
    "stft fft_fft fft_ifft fft_fft2 fft_ifft2 fft_fftn fft_ifftn fft_rfft fft_irfft fft_rfft2 fft_irfft2 fft_rfftn "
    "fft_irfftn fft_hfft fft_ihfft "
    "cholesky cholesky_inverse cholesky_solve inverse lu lu_solve lu_with_info geqrf orgqr ormqr pinverse qr svd "
    "triangular_solve linalg_cond linalg_matrix_rank linalg_solve linalg_cholesky linalg_cholesky_ex linalg_svd "
    "linalg_svdvals linalg_eig linalg_eigvals linalg_eigh linalg_eigvalsh linalg_inv linalg_inv_ex linalg_lstsq "
    "linalg_householder_product linalg_qr linalg_tensorinv linalg_tensorsolve"
)

CUDA_FULL = _LOSSES | _names(
    "cross_entropy acos asin cosh sinh tan exp expm1 log log10 log2 log1p reciprocal rsqrt pow softplus layer_norm "
    "rms_norm group_norm cosine_similarity norm norm2 logsumexp interpolate softmax log_softmax prod cumprod cumsum "
    "sum"
)

CPU_WIDEST = _names("cat stack index_copy")
CUDA_WIDEST = _names("addcdiv addcmul atan2 dot index_put scatter_add cat stack")

CUDA_REFUSED = {
    "binary_cross_entropy": (
        "nn.functional.binary_cross_entropy and nn.BCELoss are unsafe to autocast: their gradient needs float32 logits; "
        "use nn.functional.binary_cross_entropy_with_logits or nn.BCEWithLogitsLoss, which are safe to autocast"
    )
}


def _mirrored(arrays: tuple, attrs: dict[str, Any]) -> str | None:
    """Padding that repeats what is there, in the sizes that PyTorch's list names."""
    pads = {"reflect": (2, 4), "replicate": (2, 4, 6)}.get(attrs.get("mode", "constant"), ())
    return "full" if len(attrs.get("pad", ())) in pads else None


def _of_vectors(arrays: tuple, attrs: dict[str, Any]) -> str | None:
    """A product of vectors is `dot`, which is in no list."""
    return "alone" if all(a.ndim == 1 for a in arrays) else None


def _without_indices(arrays: tuple, attrs: dict[str, Any]) -> str | None:
    """With indices it is another operator of PyTorch's, which is in no list."""
    return None if attrs.get("return_indices") else "full"


def _of_one_product(arrays: tuple, attrs: dict[str, Any]) -> str | None:
    """A sum of products that leaves one number is `sum` and `mul`, which are in no list."""
    from ..ops.products import _contracted

    a, b = arrays[:2]
    left, right = _contracted(a, b, attrs.get("dims", 2))
    free = [
        n for t, gone in ((a, left), (b, right)) for d, n in enumerate(t.shape) if d not in gone
    ]
    return "alone" if all(n == 1 for n in free) else None


OPENED = _names("lstm_layer gru_layer tanh_layer relu_layer")
CPU_ROUNDED = _names("cov corrcoef linalg_pinv")

CPU_SOMETIMES = {
    "pad": _mirrored,
    "inner": _of_vectors,
    "max_pool3d": _without_indices,
    "tensordot": _of_one_product,
}


class Policy:
    """The lists of one device type."""

    __slots__ = ("alone", "full", "lower", "refused", "rounded", "sometimes", "widest")

    def __init__(
        self,
        lower: frozenset[str],
        full: frozenset[str],
        widest: frozenset[str],
        alone: frozenset[str],
        refused: dict[str, str],
        sometimes: dict[str, Any],
        rounded: frozenset[str] = frozenset(),
    ) -> None:
        self.lower, self.full, self.widest, self.refused = lower, full, widest, refused
        self.alone = alone | full | widest | rounded
        self.rounded = rounded
        self.sometimes = sometimes


POLICIES = {
    "cpu": Policy(CPU_LOWER, CPU_FULL, CPU_WIDEST, CPU_ALONE, {}, CPU_SOMETIMES, CPU_ROUNDED),
    "cuda": Policy(CUDA_LOWER, CUDA_FULL, CUDA_WIDEST, CUDA_ALONE, CUDA_REFUSED, {}),
}
