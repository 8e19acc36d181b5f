"""What nodes of the graph are called: PyTorch's names, such as MulBackward0, as code and eyes expect them in `grad_fn`.

An operator's node is named for the operator. Where flambeau's operators are cut otherwise than PyTorch's, tables say so:
one by operator, one for composites, whose last node takes the name of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .tensor import Leaf

# Operators whose nodes have another name than theirs.
NAMED = {
    "true_divide": "div",
    "reshape": "view",
    "to_dtype": "to_copy",
    "norm2": "linalg_vector_norm",
    "square": "pow",
    "clamp_number": "clamp",
    "max_pool": "max_pool2d_with_indices",
    "pad": "constant_pad_nd",
    "pad_constant": "constant_pad_nd",
    "prod_dims": "prod",
    "window": "slice",
    "scatter_src": "scatter",
    "index_put_at": "index_put",
    "linalg_inv": "linalg_inv_ex",
    "linalg_cholesky": "linalg_cholesky_ex",
    "linalg_solve": "linalg_solve_ex",
    "convolution_input": "convolution",
    "window_columns": "im2col",
    "columns_sum": "col2im",
    "relu6": "hardtanh",
    "selu": "elu",
    "softsign": "div",
    "tanhshrink": "sub",
    "logsigmoid": "log_sigmoid",
    "gated": "glu",
    "leaky_slopes": "prelu_kernel",
    "standardize": "native_layer_norm",
    "fill_new": "fill",
    "inv_with_info": "linalg_inv_ex",
    "cholesky_with_info": "linalg_cholesky_ex",
    "svd_of": "linalg_svd",
    "strided_view": "as_strided",
    "matrix_exp": "linalg_matrix_exp",
    "angle_of_real": "angle",
    "lu_with_info": "linalg_lu_factor_ex",
    "clamp_between": "clamp",
    "singular_values": "linalg_svd",
    "linalg_eigvals": "linalg_eig",
    "linalg_eigvalsh": "linalg_eigh",
    "zeta": "special_zeta",
    "diagonal_grad": "diag_embed",
    "solve_with_info": "linalg_solve_ex",
    "solve_lower": "linalg_solve_triangular",
    "least_squares": "linalg_lstsq",
    "layer_norm": "native_layer_norm",
}
# Operators whose nodes have another number beside a number than beside a tensor: its place, and both ends of the name.
NUMBERED = {"pow": ("0", "1"), "fmod": ("0", "1"), "remainder": ("0", "1"), "lerp": ("0", "1")}  # fmt: skip
WHOLE = {
    "copy_slices": "torch::autograd::CopySlices",
    "copy_value": "torch::autograd::CopyBackwards",
    "written_over": "FillBackward0",
}

# Composites whose result's node is called by the name of the whole: a node's name, or two, for the call with the tensor
# alone and for the one with a dimension.
COMPOSITES: dict[str, str | tuple[str, str]] = {
    "t": "TBackward0", "mean": ("MeanBackward0", "MeanBackward1"), "nanmean": "DivBackward0",
    "transpose": "TransposeBackward0", "swapaxes": "TransposeBackward0", "swapdims": "TransposeBackward0",
    "cross_entropy": "NllLossBackward0", "nll_loss": "NllLossBackward0", "l1_loss": "MeanBackward0",
    "kl_div": "MeanBackward0", "max": ("MaxBackward1", "MaxBackward0"), "min": ("MinBackward1", "MinBackward0"),
    "batch_norm": "NativeBatchNormBackward0", "group_norm": "NativeGroupNormBackward0",
    "instance_norm": "ViewBackward0", "layer_norm": "NativeLayerNormBackward0",
    "avg_pool2d": "AvgPool2DBackward0", "avg_pool3d": "AvgPool3DBackward0",
    "adaptive_avg_pool2d": "AdaptiveAvgPool2DBackward0", "adaptive_avg_pool3d": "AdaptiveAvgPool3DBackward0",
    "scaled_dot_product_attention": "ScaledDotProductFlashAttentionForCpuBackward0",
    "tile": "RepeatBackward0", "mv": "MvBackward0", "mm": "MmBackward0", "logdet": "WhereBackward0",
    "linalg_pinv": "LinalgPinvBackward0", "linalg_solve": "LinalgSolveExBackward0", "narrow": "SliceBackward0",
    "cosine_similarity": "SumBackward1", "pairwise_distance": "NormBackward1",
    "cross": "LinalgCrossBackward0", "orgqr": "LinalgHouseholderProductBackward0",
    "lu_solve": "LinalgLuSolveBackward0", "linalg_lu_solve": "LinalgLuSolveBackward0",
    "fold": "Col2ImBackward0", "prod": ("ProdBackward0", "ProdBackward1"), "median": ("MedianBackward0", "MedianBackward1"),
    "nanmedian": ("NanmedianBackward0", "NanmedianBackward1"), "linalg_vector_norm": "LinalgVectorNormBackward0",
    "fake_quantize_per_tensor_affine": "FakeQuantizePerTensorAffineCachemaskBackward0",
    "fake_quantize_per_channel_affine": "FakeQuantizePerChannelAffineCachemaskBackward0",
    "linalg_solve_ex": "LinalgSolveExBackward0", "linalg_lstsq": "LinalgLstsqBackward0", "igammac": "IgammacBackward0",
    "adjoint": "TransposeBackward0", "atleast_2d": "UnsqueezeBackward0",
}  # fmt: skip
# Those that are called as they are: `std` gives StdBackward0.
for _name in [
    "std",
    "var",
    "logsumexp",
    "trace",
    "roll",
    "rot90",
    "frac",
    "nansum",
    "aminmax",
    "cummax",
    "cummin",
    "logcumsumexp",
    "renorm",
    "dist",
    "dot",
    "bmm",
    "addmm",
    "addmv",
    "addbmm",
    "baddbmm",
    "addr",
    "index_select",
    "masked_fill",
    "masked_select",
    "take",
    "repeat",
    "stack",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "copysign",
    "xlogy",
    "sinc",
    "nan_to_num",
    "deg2rad",
    "rad2deg",
    "var_mean",
    "std_mean",
    "glu",
    "mse_loss",
    "smooth_l1_loss",
    "huber_loss",
    "soft_margin_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "embedding",
    "pixel_shuffle",
    "pixel_unshuffle",
    "kthvalue",
    "mode",
    "median",
    "nanmedian",
    "index_add",
    "index_copy",
    "index_fill",
    "clamp_min",
    "clamp_max",
    "scatter_add",
    "addcmul",
    "addcdiv",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid_generator",
    "as_strided_scatter",
    "avg_pool2d",
    "avg_pool3d",
    "block_diag",
    "cdist",
    "channel_shuffle",
    "cholesky",
    "constant_pad_nd",
    "conv_tbc",
    "diag_embed",
    "diagonal_scatter",
    "index_reduce",
    "ldexp",
    "linalg_cross",
    "linalg_householder_product",
    "linalg_solve_triangular",
    "lu_unpack",
    "masked_scatter",
    "mvlgamma",
    "ormqr",
    "pdist",
    "polar",
    "put",
    "rsub",
    "scatter_reduce",
    "segment_reduce",
    "select_scatter",
    "sgn",
    "slice_scatter",
    "vdot",
]:
    COMPOSITES.setdefault(_name, "")


def capitalized(name: str) -> str:
    """`max_pool2d` as MaxPool2DBackward0."""
    joined = "".join(w[:1].upper() + w[1:] for w in name.split("_"))
    return re.sub(r"(\d)([a-z])", lambda m: m[1] + m[2].upper(), joined) + "Backward0"


def of_operator(op: Any, attrs: dict[str, Any], saved: tuple) -> str:
    """The name of an operator's node."""
    name = op.name.strip("_")
    if name in WHOLE:
        return WHOLE[name]
    if name in ("matmul", "linear"):
        return _product(name, saved)
    if name == "sum":
        return "SumBackward0" if attrs.get("dim") in (None, ()) else "SumBackward1"
    if name in NUMBERED:
        beside_number = any(isinstance(s, (int, float, complex)) for s in saved)
        alone, beside = NUMBERED[name]
        freed = saved == ("freed",)
        return capitalized(name)[:-1] + (alone if beside_number or freed else beside)
    if name == "squeeze" and isinstance(attrs.get("dim"), int):
        return "SqueezeBackward1"
    if name == "squeeze" and attrs.get("dim"):
        return "SqueezeBackward2"
    if name == "sort" and attrs.get("stable"):
        return "SortBackward1"
    if name.startswith("quotient"):
        return "DivBackward2"
    if name == "clamp_number":
        return "ClampBackward1"
    if name == "basic_index":
        return capitalized(_indexed(attrs["key"]))
    return capitalized(NAMED.get(name, name))


def _product(name: str, saved: tuple) -> str:
    """The kind of product, by the ranks of what is multiplied; these are gone once a graph was walked."""
    ranks = [len(s.shape) for s in saved[:2] if hasattr(s, "shape")]
    if len(ranks) < 2:
        return "MmBackward0"
    if name == "linear":
        bias = len(saved) > 2 and saved[2] is not None
        return ("AddmmBackward0" if bias else "MmBackward0") if ranks[0] == 2 else "ViewBackward0"
    kinds = {
        (1, 1): "DotBackward0",
        (2, 1): "MvBackward0",
        (2, 2): "MmBackward0",
        (1, 2): "SqueezeBackward4",
    }
    return kinds.get((ranks[0], ranks[1]), "UnsafeViewBackward0")


def _indexed(key: tuple) -> str:
    """The last step of an index, which PyTorch takes one by one."""
    for k in reversed(key):
        if isinstance(k, int):
            return "select"
        if k is None:
            return "unsqueeze"
        if k is not Ellipsis and k != slice(None):
            return "slice"
    return "alias"


def of_composite(name: str) -> Callable[..., None] | None:
    """What names the nodes of a composite's results, called with (result, args, kwargs); None for most composites."""
    found = COMPOSITES.get(name)
    if found is None:
        return None
    alone, with_dim = (found, found) if isinstance(found, str) else found
    if not alone:
        alone = with_dim = capitalized(name)

    def label(made: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        for t in made if type(made) is tuple or isinstance(made, tuple) else (made,):
            node = getattr(t, "_node", None)
            if node is None or type(node) is Leaf:
                continue
            if args and getattr(args[0], "_node", None) is node:
                continue  # handed back as it came
            node = node.parent or node
            node.label = with_dim if len(args) > 1 or "dim" in kwargs else alone

    label.alone, label.with_dim = alone, with_dim  # type: ignore[attr-defined]
    return label
