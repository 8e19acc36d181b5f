"""Random tensors. The numbers are those of PyTorch's CPU generator for the same seed; see docs/random.md.

Every draw goes through one primitive, `draw`, so that a traced program sees it as one operator.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .._base import dtypes
from .._base.checks import check
from .._base.devices import CPU
from .._base.devices import device as Device
from ..runtime import dispatch, state
from ..runtime import random as numbers
from ..runtime.backend import of_array, of_device
from ..runtime.families import composite, primitive
from ..runtime.generator import Generator
from ..runtime.hot import free
from ..runtime.meta import Meta
from ..runtime.tensor import Box, Tensor, set_requires_grad, wrap
from .batches import RANDOM_REFUSED, SAME_REFUSED, drawn_by, level_of
from .creation import _into, as_device, as_dtype, size_of


@primitive(method=False, random=True)
def draw(
    *,
    kind: str,
    shape: tuple[int, ...],
    dtype: dtypes.dtype,
    device: Device,
    generator: Any,
    options: dict,
):
    """New random numbers of distribution `kind`: the operator behind rand, randn, randint, ..."""
    return Meta(shape, dtype, device)


@draw.kernel
def _(xp, *, kind, shape, dtype, device, generator, options):
    generator = numbers.default_generator if generator is None else generator
    if kind == "randperm":
        made = numbers.randperm(generator, options["n"], dtype.numpy)
    elif kind == "randint":
        made = numbers.randint(generator, options["low"], options["high"], shape, dtype.numpy)
    elif kind == "random":
        made = numbers.random(generator, shape, dtype.numpy, **options)
    elif kind in ("standard_gamma", "dirichlet", "binomial"):
        from ..runtime import sampling

        made = getattr(sampling, kind)(generator, *options["args"], shape, dtype.numpy)
    else:
        made = getattr(numbers, kind)(
            generator, *options.get("args", ()), shape, dtype.numpy, **options.get("kw", {})
        )
    return made if device.type == "cpu" else of_device(device).asarray(made, device)


draw.no_vjp("has no tensor inputs")
draw.refuse("onnx", "an exported graph draws no numbers; export in eval mode")
draw.refuse("vmap", "randomness under vmap is decided by its own argument")


def _drawn(kind: str, shape: tuple[int, ...], dtype: Any, device: Any, generator: Any, requires_grad: bool = False,
           **options: Any) -> Tensor:  # fmt: skip
    kind_of = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)
    if state.local.batch:
        return _drawn_in_batch(
            state.local.batch[-1], kind, shape, kind_of, device, generator, options
        )
    if not state.active and as_device(device) is CPU:
        array = _few()(
            kind,
            shape,
            kind_of,
            numbers.default_generator if generator is None else generator,
            options,
        )
        if array is not None:
            made = wrap(array)
            if requires_grad:
                set_requires_grad(made, True)
            return made
    made = draw(
        kind=kind,
        shape=tuple(shape),
        dtype=kind_of,
        device=as_device(device),
        generator=generator,
        options=options,
    )
    if requires_grad:
        set_requires_grad(made, True)
    return made


@cache
def _few() -> Any:
    """What the CPU's backend draws a few numbers with: an array, or None where it has no quicker way than `draw`."""
    for _, kernel in dispatch.offers(draw.op, of_device("cpu")):
        found = getattr(kernel, "few", None)
        if found is not None:
            return found
    return lambda *_: None


def _drawn_in_batch(batch: Any, kind: str, shape: tuple[int, ...], dtype: Any, device: Any, generator: Any,
                    options: dict) -> Tensor:  # fmt: skip
    """A draw inside vmap, as its `randomness` says."""
    if batch.randomness == "error":
        raise RuntimeError(RANDOM_REFUSED)
    outer, state.local.batch = state.local.batch, state.local.batch[:-1]
    try:
        if batch.randomness == "same":
            return _drawn(kind, shape, dtype, device, generator, **options)
        if kind == "randperm":
            from .joining import stack

            rows = [
                _drawn(kind, shape, dtype, device, generator, **options) for _ in range(batch.size)
            ]
            return batch.wrap(stack(rows))
        return batch.wrap(_drawn(kind, (batch.size, *shape), dtype, device, generator, **options))
    finally:
        state.local.batch = outer


def _drawn_by(kind: str, generator: Any, *parameters: Any) -> Tensor:
    """Numbers drawn with parameters of one shape, without history; under vmap as its `randomness` says."""

    def draw_all(*whole: Tensor) -> Tensor:
        like, numbers = whole[0], tuple(values(x) for x in whole)
        return _drawn(kind, tuple(like.shape), like.dtype, like.device, generator, args=numbers)

    return drawn_by(draw_all, *parameters)


def rand(*sizes: Any, size: Any = None, generator: Generator | None = None, out: Any = None, dtype: Any = None, layout: Any = None,
         device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1).

    >>> import flambeau
    >>> _ = flambeau.manual_seed(0); flambeau.rand(2)
    tensor([0.4963, 0.7682])
    """
    made = _drawn("uniform", size_of(sizes, size), dtype, device, generator, requires_grad)
    return made if out is None else _into(out, made)


def randn(*sizes: Any, size: Any = None, generator: Generator | None = None, out: Any = None, dtype: Any = None, layout: Any = None,
          device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Normal numbers of mean 0 and variance 1.

    >>> import flambeau
    >>> _ = flambeau.manual_seed(0); flambeau.randn(2)
    tensor([ 1.5410, -0.2934])
    """
    made = _drawn("normal", size_of(sizes, size), dtype, device, generator, requires_grad)
    return made if out is None else _into(out, made)


def randint(low: Any = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None, out: Any = None,
            dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
            pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Integers from low (0 unless given) up to and without high.

    >>> import flambeau
    >>> _ = flambeau.manual_seed(0); flambeau.randint(10, (3,))
    tensor([4, 9, 3])
    """
    if size is None:
        low, high, size = 0, low, high
    check(
        low < high,
        lambda: f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}",
    )
    kind = dtypes.int64 if dtype is None else dtype
    return _into(
        out,
        _drawn(
            "randint", size_of((size,)), kind, device, generator, requires_grad, low=low, high=high
        ),
    )


def randperm(n: int, *, generator: Generator | None = None, out: Any = None, dtype: Any = None, layout: Any = None,
             device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """The integers below n in random order.

    >>> import flambeau
    >>> _ = flambeau.manual_seed(0); flambeau.randperm(4)
    tensor([0, 1, 3, 2])
    """
    check(n >= 0, lambda: f"n must be non-negative, got {n}")
    kind = dtypes.int64 if dtype is None else dtype
    return _into(out, _drawn("randperm", (n,), kind, device, generator, requires_grad, n=n))


def _memory_order(like: Tensor) -> tuple[int, ...]:
    """The dimensions from the widest stride to the narrowest, which is how PyTorch goes through a tensor to fill it."""
    natural = tuple(range(like.ndim))
    if like._level or like.is_contiguous():
        return natural
    strides = like.stride()
    # A stride of 0 is an expanded tensor's, of which PyTorch does not ask in what order it lies.
    return natural if 0 in strides else tuple(sorted(natural, key=lambda dim: -strides[dim]))


def _drawn_like(kind: str, like: Tensor, dtype: Any, device: Any, generator: Any, requires_grad: bool = False,
                **options: Any) -> Tensor:  # fmt: skip
    """New numbers laid out in memory as `like` is, and drawn in that order."""
    array = like.__dict__.get("_array")
    if type(array) is dispatch.ndarray and array.flags.c_contiguous and not state.active:
        return _drawn(kind, array.shape, dtype, device, generator, requires_grad, **options)
    order = _memory_order(like)
    if order == tuple(range(like.ndim)):
        return _drawn(kind, tuple(like.shape), dtype, device, generator, requires_grad, **options)
    if kind == "normal":  # PyTorch makes blocks of normal numbers only for what is contiguous
        options = {"kw": {**options.get("kw", {}), "contiguous": False}}
    made = _drawn(kind, tuple(like.shape[d] for d in order), dtype, device, generator, **options)
    made = made.permute(sorted(range(like.ndim), key=order.__getitem__)).detach()
    if requires_grad:
        set_requires_grad(made, True)
    return made


def _like_kind(input: Tensor, dtype: Any, device: Any) -> tuple[Any, Any]:
    if getattr(input, "own_history", False):
        raise input.unsupported("random_like")  # type: ignore[attr-defined]
    return (dtype or input.dtype, device or input.device)


def rand_like(input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
              memory_format: Any = None, generator: Any = None) -> Tensor:  # fmt: skip
    """Uniform numbers in the shape, dtype and device of `input`.

    >>> import flambeau
    >>> flambeau.rand_like(flambeau.zeros(2)).shape
    flambeau.Size([2])
    """
    return _drawn_like(
        "uniform", input, *_like_kind(input, dtype, device), generator, requires_grad
    )


def randn_like(input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
               memory_format: Any = None, generator: Any = None) -> Tensor:  # fmt: skip
    """Normal numbers in the shape, dtype and device of `input`.

    >>> import flambeau
    >>> flambeau.randn_like(flambeau.zeros(2)).shape
    flambeau.Size([2])
    """
    return _drawn_like("normal", input, *_like_kind(input, dtype, device), generator, requires_grad)


def randint_like(input: Tensor, low: Any = 0, high: Any = None, *, dtype: Any = None, layout: Any = None,
                 device: Any = None, requires_grad: bool = False, memory_format: Any = None,
                 generator: Any = None) -> Tensor:  # fmt: skip
    """Integers in the shape, dtype and device of `input`.

    >>> import flambeau
    >>> flambeau.randint_like(flambeau.zeros(2), 3).dtype
    flambeau.float32
    """
    if high is None:
        low, high = 0, low
    kind, where = _like_kind(input, dtype, device)
    return _drawn_like("randint", input, kind, where, generator, requires_grad, low=low, high=high)


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, out: Any = None,
           dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
           requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Normal numbers with the given mean and standard deviation (numbers or tensors).

    >>> import flambeau
    >>> _ = flambeau.manual_seed(0); flambeau.normal(2.0, 3.0, size=(2,))
    tensor([6.6230, 1.1197])
    """
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        _differs(mean, std)
        known = isinstance(std, Tensor) and not (state.active or std._level) and std.numel()
        if known and std.device.type == "cpu":
            least = std.detach().min().item()
            check(least >= 0, lambda: "normal expects all elements of std >= 0.0")
        like = mean if isinstance(mean, Tensor) else std
        shape = (
            like.shape
            if not (isinstance(mean, Tensor) and isinstance(std, Tensor))
            else (mean + std).shape
        )
        return _into(out, _drawn("normal", shape, like.dtype, like.device, generator) * std + mean)
    check(std >= 0, lambda: f"normal expects std >= 0.0, but found std {std}")
    options = {"kw": {"mean": float(mean), "std": float(std)}}
    return _into(
        out, _drawn("normal", size_of((size,)), dtype, device, generator, requires_grad, **options)
    )


@composite
def bernoulli(input: Tensor, p: float | None = None, *, generator: Any = None):
    """1 with the probabilities of `input` (or with probability p), else 0, in input's dtype.

    >>> import flambeau
    >>> flambeau.bernoulli(flambeau.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if p is None:
        check(
            input.dtype.is_floating_point,
            lambda: f"bernoulli: expected a floating input of probabilities, got {input.dtype}",
        )
        if input._level or state.local.batch:
            return drawn_by(lambda x: bernoulli(x, generator=generator), input.detach())
        p = values(input)
        inside: Any = (p >= 0) & (p <= 1)
        if not inside.all():
            raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    _differs(input)
    return _drawn("bernoulli", tuple(input.shape), input.dtype, input.device, generator, args=(p,))


def _differs(*parameters: Any) -> None:
    """Refuses a draw in the shape of a batch's elements where vmap wants the same numbers for all of them."""
    batch = state.local.batch[-1] if state.local.batch else None
    if batch is not None and batch.randomness == "same":
        if level_of(*parameters) == batch.level:
            raise RuntimeError(SAME_REFUSED)


@composite
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Any = None,
    out: Any = None,
):
    """Indices drawn with the weights in each row of `input`.

    >>> import flambeau
    >>> flambeau.multinomial(flambeau.tensor([0.0, 1.0]), 2, replacement=True)
    tensor([1, 1])
    """
    check(
        out is None or out.dtype is dtypes.int64,
        lambda: f"multinomial expects Long tensor out, got: {out.dtype.name}",
    )

    def drawn(weights: Tensor) -> Tensor:  # inside vmap there are more dimensions of rows
        if weights.ndim > 2 and input.ndim <= 2:
            rows = drawn(weights.reshape(-1, weights.shape[-1]))
            return rows.reshape(*weights.shape[:-1], num_samples)
        made = numbers.multinomial(generator, values(weights), num_samples, replacement)
        return wrap(made).to(input.device)

    return _into(out, drawn_by(drawn, input.detach()))


@composite(method=False)
def poisson(input: Tensor, generator: Any = None):
    """How often events happened whose expected numbers are the elements of `input`; same dtype, no gradient (zeros).

    >>> import flambeau
    >>> _ = flambeau.manual_seed(0); flambeau.poisson(flambeau.tensor([0.0, 3.0, 50.0]))
    tensor([ 0.,  6., 47.])
    """
    drawn = _drawn_by("poisson", generator, input.detach())
    return drawn + input * 0 if input.requires_grad else drawn


def values(input: Tensor) -> Any:
    """The elements as an array on the CPU, of whatever dtype."""
    if state.active:
        for mode in state.local.modes:
            mode.leaves(input, "drawing by its elements")
    array = input.detach()._array
    return of_array(array).to_numpy(array)


def refill(kind: str, target: Tensor, generator: Any, **options: Any) -> Tensor:
    """In-place draws: `target` filled with new numbers."""
    array: Any = target.__dict__.get("_array")
    plain = type(array) is dispatch.ndarray and not (state.active or state.local.batch)
    if plain and array.flags.c_contiguous and array.flags.writeable and free(target):
        box = target._box
        if box is None:
            box = target._box = Box()
        box.written += 1
        known = numbers.default_generator if generator is None else generator
        if _few()(kind, array.shape, target.dtype, known, options, array) is not None:
            return target
        box.written -= 1
    made = _drawn_like(kind, target, target.dtype, target.device, generator, **options)
    return dispatch.assign(target, made)


def uniform_(self: Tensor, a: float = 0, b: float = 1, *, generator: Any = None) -> Tensor:
    """Fills with uniform numbers in [a, b)."""
    check(
        a <= b,
        lambda: f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}",
    )
    return refill("uniform", self, generator, kw={"low": float(a), "high": float(b)})


def normal_(self: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Tensor:
    """Fills with normal numbers."""
    check(std >= 0, lambda: f"normal_ expects std >= 0.0, but found std={std}")
    dense = bool(self._level) or self.is_contiguous()
    return refill(
        "normal", self, generator, kw={"mean": float(mean), "std": float(std), "contiguous": dense}
    )


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fills with 1 with probability p, else 0."""
    if isinstance(p, Tensor):
        p = values(p.expand(self.shape).permute(_memory_order(self)))
    return refill("bernoulli", self, generator, args=(p,))


def exponential_(self: Tensor, lambd: float = 1, *, generator: Any = None) -> Tensor:
    """Fills with exponentially distributed numbers of rate lambd."""
    check(lambd > 0, lambda: f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return refill("exponential", self, generator, args=(float(lambd),))


def random_(
    self: Tensor, from_: int | None = None, to: int | None = None, *, generator: Any = None
) -> Tensor:
    """Fills with integers in [from, to), in [0, to) for one argument, over the dtype's whole range for none."""
    if from_ is None:
        return refill("random", self, generator)
    low, high = (0, from_) if to is None else (from_, to)
    check(
        low < high,
        lambda: f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}",
    )
    return refill("randint", self, generator, low=low, high=high)


def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Tensor:
    """Fills with numbers of the Cauchy distribution around `median` with half width `sigma`."""
    check(sigma > 0, lambda: f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return refill("cauchy", self, generator, args=(float(median), float(sigma)))


def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fills with the number of tries until an event of probability `p` happens: 1, 2, ..."""
    check(0 < p < 1, lambda: f"geometric_ expects p to be in (0, 1), but got p={p}")
    return refill("geometric", self, generator, args=(float(p),))


def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Any = None) -> Tensor:
    """Fills with numbers whose logarithm is normal with `mean` and `std`."""
    check(std > 0, lambda: f"log_normal_ expects std > 0.0, but found std={std}")
    return refill("log_normal", self, generator, args=(float(mean), float(std)))


INPLACE = {
    f.__name__: f
    for f in (
        uniform_,
        normal_,
        bernoulli_,
        exponential_,
        random_,
        cauchy_,
        geometric_,
        log_normal_,
    )
}
