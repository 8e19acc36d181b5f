"""Layer 3: what each operator means. One block each, grouped by family in files; see docs/adding-an-operator.md.

The operators of neural networks are imported when first touched: `import flambeau` is 20 ms quicker without them.
"""

from typing import Any

from . import (
    activation,
    arithmetic,
    casting,
    comparison,
    complex,
    complex_half,
    construct,
    creation,
    exponential,
    gathering,
    indexing,
    joining,
    matrix,
    pointwise,
    random,
    reduction,
    rounding,
    scan,
    slices,
    softmax,
    sorting,
    trigonometry,
    views,
    writing,
)

LATE = (
    "arranging",
    "attention",
    "bessel",
    "contraction",
    "control",
    "convolution",
    "copies",
    "ctc",
    "differences",
    "distinct",
    "dropout",
    "elementary",
    "embedding",
    "error_functions",
    "exact",
    "factored",
    "factorizations",
    "fake_quantize",
    "fractional",
    "gamma",
    "grid",
    "grouping",
    "histograms",
    "incomplete_gamma",
    "interpolate",
    "linalg",
    "logsums",
    "loss",
    "lowrank",
    "making",
    "normalization",
    "norms",
    "polynomials",
    "pooling",
    "products",
    "ranges",
    "rank",
    "recurrent",
    "reflectors",
    "samplers",
    "scattering",
    "selecting",
    "sliding",
    "solvers",
    "spectra",
    "spectral",
    "statistics",
    "strided",
    "unpooling",
    "windows",
    "zeta",
)

# Operators of the files in LATE that are Tensor methods and functions of the package, and those that are functions only.
LATE_METHODS = {
    "gamma": "lgamma digamma mvlgamma",
    "error_functions": "erfinv",
    "bessel": "i0",
    "incomplete_gamma": "igamma igammac",
    "exact": "gcd lcm nextafter frexp",
    "elementary": """
        clamp_min clamp_max positive signbit copysign deg2rad rad2deg frac fmax fmin hypot ldexp logaddexp
        logaddexp2 heaviside isposinf isneginf isreal float_power rsub bitwise_left_shift
        bitwise_right_shift sinc angle
    """,
    "products": """
        addmv addbmm addr vdot inner kron trace cross dist renorm cov corrcoef
    """,
    "arranging": """
        ravel fliplr flipud rot90 tensor_split vsplit hsplit dsplit split_with_sizes diag_embed diag
        diagflat combinations argwhere select_scatter slice_scatter diagonal_scatter
    """,
    "statistics": """
        aminmax count_nonzero nansum nanmean std_mean quantile nanquantile kthvalue cummax cummin
        msort nanmedian
    """,
    "selecting": """
        index_add index_copy index_fill masked_scatter take put
    """,
    "strided": """
        as_strided as_strided_scatter
    """,
    "scattering": """
        scatter_reduce index_reduce
    """,
    "histograms": """
        bincount histc histogram
    """,
    "differences": """
        diff
    """,
    "logsums": """
        logcumsumexp
    """,
    "distinct": """
        unique_consecutive mode hash_tensor
    """,
    "linalg": """
        det logdet matrix_exp matrix_power slogdet
    """,
    "factorizations": """
        cholesky lu qr
    """,
    "reflectors": """
        geqrf orgqr ormqr
    """,
    "factored": """
        cholesky_inverse cholesky_solve lu_solve
    """,
    "solvers": """
        inverse triangular_solve
    """,
    "spectra": """
        svd
    """,
    "rank": """
        pinverse
    """,
}
LATE_FUNCTIONS = {
    "fake_quantize": """
        fake_quantize_per_tensor_affine fake_quantize_per_channel_affine
    """,
    "contraction": """
        einsum
    """,
    "samplers": "binomial _standard_gamma _sample_dirichlet _standard_gamma_grad _dirichlet_grad",
    "zeta": "polygamma",
    "windows": "hann_window hamming_window blackman_window bartlett_window kaiser_window",
    "linalg": """
        chain_matmul
    """,
    "factorizations": """
        lu_unpack
    """,
    "lowrank": """
        lobpcg pca_lowrank svd_lowrank
    """,
    "loss": """
        pdist
    """,
    "interpolate": """
        native_channel_shuffle
    """,
    "convolution": """
        conv_tbc
    """,
    "grid": """
        grid_sampler grid_sampler_2d grid_sampler_3d affine_grid_generator
    """,
    "making": """
        logspace scalar_tensor fill constant_pad_nd view_as_real_copy view_as_complex_copy broadcast_shapes
    """,
    "strided": """
        as_strided_ as_strided_copy empty_strided empty_permuted
    """,
    "elementary": """
        polar
    """,
    "products": """
        tensordot cdist vander
    """,
    "arranging": """
        atleast_1d atleast_2d atleast_3d column_stack dstack block_diag cartesian_prod unravel_index
        tril_indices triu_indices
    """,
    "differences": """
        trapezoid trapz cumulative_trapezoid gradient
    """,
    "histograms": """
        histogramdd
    """,
    "ranges": """
        range
    """,
    "copies": """
        alias_copy as_strided_copy detach_copy diagonal_copy expand_copy narrow_copy permute_copy select_copy
        slice_copy split_copy split_with_sizes_copy squeeze_copy t_copy transpose_copy unbind_copy unfold_copy
        unsqueeze_copy view_as_complex_copy view_as_real_copy view_copy unsafe_chunk unsafe_split
        unsafe_split_with_sizes
    """,
    "selecting": """
        isin searchsorted bucketize
    """,
    "scattering": """
        segment_reduce
    """,
}


def __getattr__(name: str) -> Any:
    if name in LATE:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    if not name.startswith("_"):
        import sys

        library = sys.modules.get(f"{__package__.rpartition('.')[0]}.library")
        if library is not None or name == "aten":  # a namespace of custom operators
            import importlib

            library = library or importlib.import_module(
                f"{__package__.rpartition('.')[0]}.library"
            )
            return library.namespace(name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def load_all() -> None:
    """Imports every file, so that the registry is complete."""
    for name in LATE:
        __getattr__(name)


__all__ = [
    "activation",
    "arithmetic",
    "casting",
    "comparison",
    "complex",
    "complex_half",
    "construct",
    "creation",
    "exponential",
    "gathering",
    "indexing",
    "joining",
    "load_all",
    "matrix",
    "pointwise",
    "random",
    "reduction",
    "rounding",
    "scan",
    "slices",
    "softmax",
    "sorting",
    "trigonometry",
    "views",
    "writing",
]
