"""Fourier transforms, and short-time spectra made of them.

Three primitives: complex to complex (`_fft_c2c`), real to the half spectrum that a real signal needs (`_fft_r2c`), and
back (`_fft_c2r`). They are sums times `scale`, and each other's gradients. Lengths and norms are the composites'
affair, whose public spelling is `flambeau.fft`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from .._base import dtypes
from .._base.checks import as_size, check, fail, wrap_dim
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .complex import conj_physical, real, view_as_real
from .creation import arange, ones, tensor, zeros
from .interpolate import pad
from .joining import cat
from .slices import unfold_grad

_NO_ONNX = "complex numbers have no ONNX form"
NORMS = ("backward", "ortho", "forward")


# -- the three transforms ---------------------------------------------------------------------------------------------


@primitive(method=False, linear=True)
def _fft_c2c(input: Meta, dim: int, forward: bool, scale: float = 1.0):
    """Sums of exp(-2 pi i k n / N) (`forward`) or exp(+2 pi i k n / N) along `dim`, times `scale`."""
    return input


@_fft_c2c.kernel
def _(xp, x, *, dim, forward, scale):
    return _times(
        xp.fft.fft(x, axis=dim) if forward else xp.fft.ifft(x, axis=dim, norm="forward"), scale
    )


@_fft_c2c.vjp
def _(g, _out, _x, *, dim, forward, scale):
    return _fft_c2c(g, dim, not forward, scale)


@_fft_c2c.batch
def _(size, batched, x, *, dim, forward, scale):
    return _fft_c2c(x, wrap_dim(dim, x.ndim - 1) + 1, forward, scale)


_fft_c2c.refuse("onnx", _NO_ONNX)


@primitive(method=False, linear=True)
def _fft_r2c(input: Meta, dim: int, scale: float = 1.0, onesided: bool = True):
    """The forward transform of real numbers: its first N // 2 + 1 terms, whose conjugates the others are, or all."""
    shape = list(input.shape)
    shape[dim] = shape[dim] // 2 + 1 if onesided else shape[dim]
    return input.like(shape, input.dtype.to_complex())


@_fft_r2c.kernel
def _(xp, x, *, dim, scale, onesided):
    return _times(xp.fft.rfft(x, axis=dim) if onesided else xp.fft.fft(x, axis=dim), scale)


@_fft_r2c.vjp
def _(g, _out, x: Meta, *, dim, scale, onesided):
    if not onesided:
        return real(_fft_c2c(g, dim, False, scale))
    return _fft_c2r(g / _times_seen(g, dim, x.shape[dim]), dim, x.shape[dim], scale)


@_fft_r2c.batch
def _(size, batched, x, *, dim, scale, onesided):
    return _fft_r2c(x, wrap_dim(dim, x.ndim - 1) + 1, scale, onesided)


_fft_r2c.refuse("onnx", _NO_ONNX)


@primitive(method=False, linear=True)
def _fft_c2r(input: Meta, dim: int, n: int, scale: float = 1.0):
    """The backward transform of a half spectrum: `n` real numbers."""
    shape = list(input.shape)
    shape[dim] = n
    return input.like(shape, input.dtype.to_real())


@_fft_c2r.kernel
def _(xp, x, *, dim, n, scale):
    return _times(xp.fft.irfft(x, n, axis=dim, norm="forward"), scale)


@_fft_c2r.vjp
def _(g, _out, _x, *, dim, n, scale):
    spectrum = _fft_r2c(g, dim, scale)
    return spectrum * _times_seen(spectrum, dim, n)


@_fft_c2r.batch
def _(size, batched, x, *, dim, n, scale):
    return _fft_c2r(x, wrap_dim(dim, x.ndim - 1) + 1, n, scale)


_fft_c2r.refuse("onnx", _NO_ONNX)


def _times(out: Any, scale: float) -> Any:
    return out if scale == 1.0 else out * scale


def _times_seen(like: Tensor, dim: int, n: int) -> Tensor:
    """How often each term of a half spectrum counts in the whole one: twice, but the first and a middle one once."""
    kind = like.dtype.to_real()
    size = n // 2 + 1
    counts = [1.0] + [2.0] * (size - 1)
    if n % 2 == 0 and size > 1:
        counts[-1] = 1.0
    shape = [1] * like.ndim
    shape[dim] = size
    return tensor(counts, dtype=kind, device=like.device).reshape(shape)


# -- torch.fft --------------------------------------------------------------------------------------------------------


@composite(method=False)
def fft_fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None):
    """Discrete Fourier transform along `dim`, of `n` elements (cut or filled up with zeros).

    `norm` says where 1/n goes: "backward" (the default) to the inverse, "forward" here, "ortho" half to each.

    >>> import flambeau
    >>> flambeau.fft.fft(flambeau.tensor([1.0, 0.0, -1.0, 0.0]))
    tensor([0.+0.j, 2.+0.j, 0.+0.j, 2.+0.j])
    """
    return _c2c("fft", input, n, dim, norm, True)


@composite(method=False)
def fft_ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None):
    """Inverse of `fft`.

    >>> import flambeau
    >>> flambeau.fft.ifft(flambeau.tensor([0.0, 2.0, 0.0, 2.0]))
    tensor([ 1.+0.j,  0.+0.j, -1.+0.j,  0.+0.j])
    """
    return _c2c("ifft", input, n, dim, norm, False)


@composite(method=False)
def fft_rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None):
    """The first half of `fft` of real numbers: `n // 2 + 1` terms, which say all.

    >>> import flambeau
    >>> flambeau.fft.rfft(flambeau.tensor([1.0, 0.0, -1.0, 0.0]))
    tensor([0.+0.j, 2.+0.j, 0.+0.j])
    """
    check(
        not input.dtype.is_complex,
        lambda: f"rfft expects a real input tensor, but got {input.dtype}",
    )
    dim, n = _length("rfft", input, n, dim)
    x = _resize(_inexact(input), dim, n)
    return _fft_r2c(x, dim, _scale("rfft", n, norm, True))


@composite(method=False)
def fft_irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None):
    """Inverse of `rfft`: `n` real numbers, `2 * (terms - 1)` unless given.

    >>> import flambeau
    >>> flambeau.fft.irfft(flambeau.tensor([0.0, 2.0, 0.0]))
    tensor([ 1.,  0., -1.,  0.])
    """
    dim, n = _length("irfft", input, n, dim, half=True)
    x = _resize(_complex(input), dim, n // 2 + 1)
    return _fft_c2r(x, dim, n, _scale("irfft", n, norm, False))


@composite(method=False)
def fft_hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None):
    """`fft` of a signal that is its own mirrored conjugate, given by its first half: `n` real numbers.

    `n` is `2 * (terms - 1)` unless given.

    >>> import flambeau
    >>> flambeau.fft.hfft(flambeau.tensor([1.0, 2.0, 3.0]))
    tensor([ 8., -2.,  0., -2.])
    """
    dim, n = _length("hfft", input, n, dim, half=True)
    x = _resize(_complex(input), dim, n // 2 + 1)
    return _fft_c2r(conj_physical(x), dim, n, _scale("hfft", n, norm, True))


@composite(method=False)
def fft_ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None):
    """Inverse of `hfft`: the first half of `ifft` of real numbers.

    >>> import flambeau
    >>> flambeau.fft.ihfft(flambeau.tensor([8.0, -2.0, 0.0, -2.0])).real
    tensor([1., 2., 3.])
    """
    check(
        not input.dtype.is_complex,
        lambda: f"ihfft expects a real input tensor, but got {input.dtype}",
    )
    dim, n = _length("ihfft", input, n, dim)
    x = _resize(_inexact(input), dim, n)
    return conj_physical(_fft_r2c(x, dim, _scale("ihfft", n, norm, False)))


@composite(method=False, ints=("n",))
def fft_fftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
):
    """The frequencies of `fft`'s terms, for samples that lie `d` apart.

    >>> import flambeau
    >>> flambeau.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    positive = arange((n + 1) // 2, dtype=dtype or dtypes.get_default_dtype(), device=device)
    negative = arange(-(n // 2), 0, dtype=positive.dtype, device=device)
    return (cat((positive, negative)) / (n * d)).requires_grad_(requires_grad)


@composite(method=False, ints=("n",))
def fft_rfftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
):
    """The frequencies of `rfft`'s terms, for samples that lie `d` apart.

    >>> import flambeau
    >>> flambeau.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    steps = arange(n // 2 + 1, dtype=dtype or dtypes.get_default_dtype(), device=device)
    return (steps / (n * d)).requires_grad_(requires_grad)


def _c2c(
    name: str, input: Tensor, n: int | None, dim: int, norm: str | None, forward: bool
) -> Tensor:
    dim, n = _length(name, input, n, dim)
    if forward and not input.dtype.is_complex:
        x = _resize(_inexact(input), dim, n)
        return _fft_r2c(x, dim, _scale(name, n, norm, True), False)
    x = _resize(_complex(input), dim, n)
    return _fft_c2c(x, dim, forward, _scale(name, n, norm, forward))


def _length(
    name: str, input: Tensor, n: int | None, dim: int, half: bool = False
) -> tuple[int, int]:
    """The dimension, not negative, and the length: what half a spectrum is half of, or the input's."""
    if not input.ndim:
        raise IndexError(f"{name}: Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, input.ndim)
    size = input.shape[dim]
    n = (2 * (size - 1) if half else size) if n is None else n
    check(n >= 1, lambda: f"Invalid number of data points ({n}) specified")
    return dim, n


def _inexact(input: Tensor) -> Tensor:
    """Integers become the default float; NumPy has no transform in half precision."""
    if input.dtype in (dtypes.float16, dtypes.bfloat16):
        fail(
            f"Unsupported dtype {input.dtype}: expected float32, float64, complex64 or complex128; use .float()"
        )
    exact = not (input.dtype.is_floating_point or input.dtype.is_complex)
    return input.to(dtypes.get_default_dtype()) if exact else input


def _complex(input: Tensor) -> Tensor:
    x = _inexact(input)
    return x if x.dtype.is_complex else x.to(x.dtype.to_complex())


def _resize(input: Tensor, dim: int, n: int) -> Tensor:
    size = input.shape[dim]
    if size > n:
        return input.narrow(dim, 0, n)
    if size < n:
        shape = list(input.shape)
        shape[dim] = n - size
        return cat((input, zeros(shape, dtype=input.dtype, device=input.device)), dim)
    return input


def _scale(name: str, n: int, norm: str | None, forward: bool) -> float:
    norm = norm or "backward"
    check(
        norm in NORMS,
        lambda: f'Invalid normalization mode: "{norm}"; {name} expects one of {", ".join(NORMS)}',
    )
    if norm == "ortho":
        return 1 / math.sqrt(n)
    return 1 / n if (norm == "forward") is forward else 1.0


# -- short-time transform ---------------------------------------------------------------------------------------------


@composite(truths=("center",))
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
):
    """Fourier transforms of overlapping, windowed frames: `(..., frequency, frame)` of a signal `(..., time)`.

    Frame t begins at sample `t * hop_length`, or stands around it with `center`, where the ends are continued as
    `pad_mode` says. A window shorter than `n_fft` stands in the frame's middle.

    >>> import flambeau
    >>> flambeau.stft(flambeau.ones(8), 4, window=flambeau.ones(4), center=False, return_complex=True).abs()
    tensor([[4., 4., 4., 4., 4.],
            [0., 0., 0., 0., 0.],
            [0., 0., 0., 0., 0.]])
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        check(
            is_complex,
            lambda: (
                "stft requires the return_complex parameter be given for real inputs, and will further require "
                "that return_complex=True in a future PyTorch release."
            ),
        )
        return_complex = True
    onesided = not is_complex if onesided is None else onesided
    check(
        not (onesided and is_complex),
        lambda: "Cannot have onesided output if window or input is complex",
    )
    _check_stft(input, n_fft, hop, width, window)
    if window is None:
        warnings.warn(
            "A window was not provided. A rectangular window will be applied, which is known to cause spectral "
            "leakage. Other windows such as hann_window or hamming_window are recommended to reduce spectral leakage. "
            "To suppress this warning and use a rectangular window, explicitly set `window=ones(n_fft)`.",
            stacklevel=2,
        )

    flat = input.unsqueeze(0) if input.ndim == 1 else input
    if center:
        flat = pad(flat.unsqueeze(1), (n_fft // 2, n_fft // 2), mode=pad_mode).squeeze(1)
    check(
        n_fft <= flat.shape[1],
        lambda: (
            f"stft: expected 0 < n_fft <= {flat.shape[1]} (samples of the signal, padding included), got {n_fft}"
        ),
    )
    frames = flat.unfold(1, n_fft, hop)  # (batch, frame, n_fft)
    frame_window = _frame_window(window, n_fft, width, input)
    if frame_window is not None:
        frames = frames * frame_window
    norm = "ortho" if normalized else None
    spectrum = fft_rfft(frames, norm=norm) if onesided else fft_fft(frames, norm=norm)
    out = spectrum.transpose(1, 2)
    out = out.squeeze(0) if input.ndim == 1 else out
    return out if return_complex else view_as_real(out)


@composite
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
):
    """The signal `(..., time)` whose `stft` comes closest to `input` `(..., frequency, frame)`.

    Frames are added where they overlap and divided by the windows' sum of squares, which may nowhere be zero.

    >>> import flambeau
    >>> x, window = flambeau.arange(16.0), flambeau.hann_window(8)
    >>> spectrum = flambeau.stft(x, 8, 2, window=window, return_complex=True)
    >>> bool(flambeau.allclose(flambeau.istft(spectrum, 8, 2, window=window), x, atol=1e-4))
    True
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    check(
        input.dtype.is_complex,
        lambda: (
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        ),
    )
    check(
        input.ndim in (2, 3),
        lambda: f"istft: expected a tensor of 2 or 3 dimensions, got {input.ndim}",
    )
    terms = input.shape[-2]
    onesided = terms != n_fft if onesided is None else onesided
    wanted = n_fft // 2 + 1 if onesided else n_fft
    check(
        terms == wanted,
        lambda: f"istft: expected {wanted} frequencies for n_fft={n_fft}, got {terms}",
    )
    check(
        0 < hop <= width <= n_fft,
        lambda: (
            f"istft: expected 0 < hop_length <= win_length <= n_fft, got {hop}, {width} and {n_fft}"
        ),
    )
    check(
        window is None or tuple(window.shape) == (width,),
        lambda: (
            "istft: Invalid window shape. window has to be 1D and length of `win_length` = "
            f"{width}, but got {list(window.shape)}"  # type: ignore[union-attr]
        ),
    )
    check(
        not (return_complex and onesided),
        lambda: "Cannot have onesided output if window or input is complex",
    )
    check(
        return_complex or window is None or not window.dtype.is_complex,
        lambda: "Complex windows are incompatible with return_complex=False",
    )

    spectrum = (input.unsqueeze(0) if input.ndim == 2 else input).transpose(1, 2)
    norm = "ortho" if normalized else None
    if return_complex:
        frames = fft_ifft(spectrum, norm=norm)
    else:  # a real signal: the first half says all
        frames = fft_irfft(spectrum[..., : n_fft // 2 + 1], n_fft, norm=norm)
    weights = _frame_window(window, n_fft, width, frames)
    if weights is None:
        weights = ones(n_fft, dtype=frames.dtype, device=frames.device)
    elif weights.dtype.category < dtypes.FLOAT:
        weights = weights.to(frames.dtype)
    samples = n_fft + hop * (frames.shape[1] - 1)
    signal = _overlap_add(frames * weights, samples, hop)
    envelope = _overlap_add((weights * weights).expand(1, frames.shape[1], n_fft), samples, hop)

    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else samples - (n_fft // 2 if center else 0)
    signal, envelope = signal[:, start:stop], envelope[:, start:stop]
    check(
        not bool((envelope.abs() < 1e-11).any()),
        lambda: (
            "istft: the windows' sum of squares is zero somewhere; use a larger overlap, or center=True"
        ),
    )
    out = signal / envelope
    if length is not None and out.shape[1] < length:
        out = _resize(out, 1, length)
    return out.squeeze(0) if input.ndim == 2 else out


def _overlap_add(frames: Tensor, samples: int, hop: int) -> Tensor:
    """Frames `(batch, frame, n)` added where they came from: the transpose of `unfold`."""
    return unfold_grad(frames, (frames.shape[0], samples), 1, frames.shape[2], hop)


def _frame_window(window: Any, n_fft: int, width: int, like: Tensor) -> Any:
    """The window in the middle of `n_fft` zeros; None where it is all ones."""
    if window is None and width == n_fft:
        return None
    if window is None:
        window = ones(width, dtype=like.dtype, device=like.device)
    if width == n_fft:
        return window
    left = (n_fft - width) // 2
    sides: Sequence[int] = (left, n_fft - width - left)
    before, after = (zeros(n, dtype=window.dtype, device=window.device) for n in sides)
    return cat((before, window, after))


def _check_stft(input: Tensor, n_fft: int, hop: int, width: int, window: Any) -> None:
    check(
        input.dtype.is_floating_point or input.dtype.is_complex,
        lambda: f"stft: expected a tensor of floating point or complex values, got {input.dtype}",
    )
    check(
        input.ndim in (1, 2), lambda: f"stft: expected a 1D or 2D tensor, got a {input.ndim}D one"
    )
    check(n_fft > 0, lambda: f"stft: expected n_fft > 0, got {n_fft}")
    check(hop > 0, lambda: f"stft: expected hop_length > 0, got {hop}")
    check(
        0 < width <= n_fft, lambda: f"stft: expected 0 < win_length <= n_fft = {n_fft}, got {width}"
    )
    check(
        window is None or tuple(window.shape) == (width,),
        lambda: (
            f"stft: expected a 1D window of win_length = {width} elements, got shape {list(window.shape)}"
        ),
    )


__all__ = ["istft", "stft"]


# -- over several dimensions -----------------------------------------------------------------------------------------


def _places(name: str, input: Tensor, s: Any, dim: Any) -> list[tuple[int, int | None]]:
    """(dimension, length or None) of each one-dimensional transform: the last dimensions that `s` has sizes for, or all."""
    sizes: Sequence[int | None] | None = None if s is None else _ints(name, "s", s)
    if dim is None:
        count = input.ndim if sizes is None else len(sizes)
        check(
            count <= input.ndim,
            lambda: (
                f"{name}: Got shape with {count} values but input tensor only has {input.ndim} dimensions."
            ),
        )
        dims = list(range(input.ndim - count, input.ndim))
    else:
        dims = [wrap_dim(d, input.ndim) for d in _ints(name, "dim", dim)]
        check(len(set(dims)) == len(dims), lambda: f"{name}: FFT dims must be unique")
    if sizes is None:
        sizes = [None] * len(dims)
    check(
        len(sizes) == len(dims),
        lambda: f"{name}: When given, dim and shape arguments must have the same length",
    )
    return [(d, None if n == -1 else n) for d, n in zip(dims, sizes)]


def _ints(name: str, what: str, given: Any) -> tuple[int, ...]:
    """An int, or several, as a tuple."""
    if not isinstance(given, (int, tuple, list)):
        raise TypeError(
            f"{name}(): argument '{what}' must be tuple of ints, not {type(given).__name__}"
        )
    return as_size((given,) if isinstance(given, int) else given, f"{name}: {what}")


def _last(name: str, input: Tensor, s: Any, dim: Any) -> tuple[list, tuple[int, int | None]]:
    """The places but the last one, and that, which must exist: half a spectrum is halved there."""
    places = _places(name, input, s, dim)
    check(bool(places), lambda: f"{name} must transform at least one axis")
    return places[:-1], places[-1]


@composite(method=False)
def fft_fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None):
    """Discrete Fourier transform over the dimensions `dim` (all unless given), cut or filled up to the sizes `s`.

    >>> import flambeau
    >>> flambeau.fft.fftn(flambeau.ones(2, 2)).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    places = _places("fftn", input, s, dim)
    input = input if places else _complex(input)
    for d, n in places:
        input = fft_fft(input, n, d, norm)
    return input


@composite(method=False)
def fft_ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None):
    """Inverse of `fftn`.

    >>> import flambeau
    >>> flambeau.fft.ifftn(flambeau.fft.fftn(flambeau.eye(2))).real.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    places = _places("ifftn", input, s, dim)
    input = input if places else _complex(input)
    for d, n in places:
        input = fft_ifft(input, n, d, norm)
    return input


@composite(method=False)
def fft_rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None):
    """`fftn` of real numbers, without the last dimension's negative frequencies, which mirror the positive ones.

    >>> import flambeau
    >>> flambeau.fft.rfftn(flambeau.ones(2, 4)).shape
    flambeau.Size([2, 3])
    """
    others, (last, n) = _last("rfftn", input, s, dim)
    input = fft_rfft(input, n, last, norm)
    for d, m in others:
        input = fft_fft(input, m, d, norm)
    return input


@composite(method=False)
def fft_irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None):
    """Inverse of `rfftn`; the last dimension's length is `2 * (terms - 1)` unless `s` says otherwise.

    >>> import flambeau
    >>> flambeau.fft.irfftn(flambeau.fft.rfftn(flambeau.ones(2, 4))).shape
    flambeau.Size([2, 4])
    """
    others, (last, n) = _last("irfftn", input, s, dim)
    for d, m in others:
        input = fft_ifft(input, m, d, norm)
    return fft_irfft(input, n, last, norm)


@composite(method=False)
def fft_hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None):
    """`fftn` of a signal that is its own mirrored conjugate, given by the first half of its last dimension.

    >>> import flambeau
    >>> flambeau.fft.hfftn(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 4])
    """
    others, (last, n) = _last("hfftn", input, s, dim)
    for d, m in others:
        input = fft_fft(input, m, d, norm)
    return fft_hfft(input, n, last, norm)


@composite(method=False)
def fft_ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None):
    """Inverse of `hfftn`: half of `ifftn` of real numbers.

    >>> import flambeau
    >>> flambeau.fft.ihfftn(flambeau.fft.hfftn(flambeau.ones(2, 3))).shape
    flambeau.Size([2, 3])
    """
    others, (last, n) = _last("ihfftn", input, s, dim)
    input = fft_ihfft(input, n, last, norm)
    for d, m in others:
        input = fft_ifft(input, m, d, norm)
    return input


@composite(method=False)
def fft_fft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None):
    """`fftn` over the last two dimensions.

    >>> import flambeau
    >>> flambeau.fft.fft2(flambeau.ones(2, 2)).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return fft_fftn(input, s, dim, norm)


@composite(method=False)
def fft_ifft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None):
    """`ifftn` over the last two dimensions.

    >>> import flambeau
    >>> flambeau.fft.ifft2(flambeau.ones(2, 2)).real.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return fft_ifftn(input, s, dim, norm)


@composite(method=False)
def fft_rfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None):
    """`rfftn` over the last two dimensions.

    >>> import flambeau
    >>> flambeau.fft.rfft2(flambeau.ones(2, 4)).shape
    flambeau.Size([2, 3])
    """
    return fft_rfftn(input, s, dim, norm)


@composite(method=False)
def fft_irfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None):
    """`irfftn` over the last two dimensions.

    >>> import flambeau
    >>> flambeau.fft.irfft2(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 4])
    """
    return fft_irfftn(input, s, dim, norm)


@composite(method=False)
def fft_hfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None):
    """`hfftn` over the last two dimensions.

    >>> import flambeau
    >>> flambeau.fft.hfft2(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 4])
    """
    return fft_hfftn(input, s, dim, norm)


@composite(method=False)
def fft_ihfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None):
    """`ihfftn` over the last two dimensions.

    >>> import flambeau
    >>> flambeau.fft.ihfft2(flambeau.ones(2, 4)).shape
    flambeau.Size([2, 3])
    """
    return fft_ihfftn(input, s, dim, norm)


def _shifted(input: Tensor, dim: Any, share: Any) -> Tensor:
    given = range(input.ndim) if dim is None else _ints("fftshift", "dim", dim)
    dims = [wrap_dim(d, input.ndim) for d in given]
    check(dims, lambda: "fftshift: `shifts` required: there is no dimension to shift along")
    return input.roll([share(input.shape[d]) for d in dims], dims)


@composite(method=False)
def fft_fftshift(input: Tensor, dim: Any = None):
    """The frequency zero moved from the front to the middle.

    >>> import flambeau
    >>> flambeau.fft.fftshift(flambeau.arange(4))
    tensor([2, 3, 0, 1])
    """
    return _shifted(input, dim, lambda n: n // 2)


@composite(method=False)
def fft_ifftshift(input: Tensor, dim: Any = None):
    """Inverse of `fftshift`.

    >>> import flambeau
    >>> flambeau.fft.ifftshift(flambeau.arange(3))
    tensor([1, 2, 0])
    """
    return _shifted(input, dim, lambda n: (n + 1) // 2)
