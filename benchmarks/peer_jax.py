"""What models.py needs of a library, written with JAX: modules whose numbers are given anew to each traced call.

Arrays are NCHW, weights laid out as PyTorch's, so that state dicts fit. `training_step` and `prediction` make jitted
functions of them.
"""

from __future__ import annotations

import contextlib
import math
import types
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class T:
    """An array with those of PyTorch's methods that models.py calls."""

    def __init__(self, v: Any) -> None:
        self.v = v

    shape = property(lambda self: self.v.shape)

    def reshape(self, *shape: int) -> T:
        return T(self.v.reshape(shape))

    def permute(self, *dims: int) -> T:
        return T(self.v.transpose(dims))

    def transpose(self, a: int, b: int) -> T:
        return T(jnp.swapaxes(self.v, a, b))

    def flatten(self, start: int = 0) -> T:
        return T(self.v.reshape(*self.v.shape[:start], -1))

    def unbind(self, dim: int) -> list[T]:
        return [T(jnp.take(self.v, i, dim)) for i in range(self.v.shape[dim])]

    def expand(self, *shape: int) -> T:
        wanted = [old if new == -1 else new for new, old in zip(shape, self.v.shape, strict=True)]
        return T(jnp.broadcast_to(self.v, wanted))

    def clone(self) -> T:
        return self

    def numpy(self) -> np.ndarray:
        return np.asarray(self.v)

    def __getitem__(self, key: Any) -> T:
        return T(self.v[key])

    def __add__(self, other: Any) -> T:
        return T(self.v + (other.v if isinstance(other, T) else other))


class Module:
    """Parts, parameters and buffers are found among the attributes, in their order."""

    training = True
    buffers: tuple[str, ...] = ()  # names of arrays that are no parameters

    def named(self, prefix: str = "") -> Iterator[tuple[str, Module, str, bool]]:
        """Name in a state dict, owner, attribute, whether it is a parameter."""
        for key, value in vars(self).items():
            if isinstance(value, T):
                yield prefix + key, self, key, key not in self.buffers
        for key, value in vars(self).items():
            if isinstance(value, Module):
                yield from value.named(f"{prefix}{key}.")

    def modules(self) -> Iterator[Module]:
        yield self
        for value in vars(self).values():
            if isinstance(value, Module):
                yield from value.modules()

    def load_state_dict(self, state: dict[str, T]) -> None:
        for name, owner, key, _ in self.named():
            setattr(owner, key, state[name])

    def eval(self) -> Module:
        for part in self.modules():
            part.training = False
        return self

    def __call__(self, *args: Any) -> Any:
        return self.forward(*args)

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError


class Sequential(Module):
    def __init__(self, *parts: Module) -> None:
        self.count = len(parts)
        for i, part in enumerate(parts):
            setattr(self, str(i), part)

    def __iter__(self) -> Iterator[Module]:
        return (getattr(self, str(i)) for i in range(self.count))

    def forward(self, x: Any) -> Any:
        for part in self:
            x = part(x)
        return x


class ModuleList(Sequential):
    def __init__(self, parts: list[Module]) -> None:
        super().__init__(*parts)


def empty(*shape: int) -> T:
    return T(np.zeros(shape, np.float32))


class Linear(Module):
    def __init__(self, a: int, b: int, bias: bool = True) -> None:
        self.weight, self.bias = empty(b, a), empty(b) if bias else None

    def forward(self, x: T) -> T:
        y = x.v @ self.weight.v.T
        return T(y if self.bias is None else y + self.bias.v)


def pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


PLACES = ("NCHW", "OIHW", "NCHW")


class Conv2d(Module):
    def __init__(
        self, a: int, b: int, kernel: int, stride: int = 1, padding: int = 0,
        bias: bool = True, groups: int = 1,
    ) -> None:  # fmt: skip
        self.stride, self.padding, self.groups = pair(stride), padding, groups
        self.weight, self.bias = empty(b, a // groups, *pair(kernel)), empty(b) if bias else None

    def forward(self, x: T) -> T:
        y = lax.conv_general_dilated(
            x.v, self.weight.v, self.stride, [(self.padding,) * 2] * 2,
            dimension_numbers=PLACES, feature_group_count=self.groups,
        )  # fmt: skip
        return T(y if self.bias is None else y + self.bias.v[:, None, None])


class ConvTranspose2d(Module):
    def __init__(
        self, a: int, b: int, kernel: int, stride: int, padding: int, bias: bool = True
    ) -> None:
        self.stride, self.around = pair(stride), kernel - 1 - padding
        self.weight, self.bias = empty(a, b, kernel, kernel), empty(b) if bias else None

    def forward(self, x: T) -> T:
        weight = jnp.flip(self.weight.v, (2, 3)).swapaxes(0, 1)
        y = lax.conv_general_dilated(
            x.v, weight, (1, 1), [(self.around,) * 2] * 2,
            lhs_dilation=self.stride, dimension_numbers=PLACES,
        )  # fmt: skip
        return T(y if self.bias is None else y + self.bias.v[:, None, None])


class BatchNorm2d(Module):
    buffers = ("running_mean", "running_var", "num_batches_tracked")

    def __init__(self, channels: int) -> None:
        self.weight, self.bias = empty(channels), empty(channels)
        self.running_mean, self.running_var = empty(channels), empty(channels)
        self.num_batches_tracked = T(np.zeros((), np.int32))

    def forward(self, x: T) -> T:
        if self.training:
            mean, var = x.v.mean((0, 2, 3)), x.v.var((0, 2, 3))
            count = x.v.size // x.v.shape[1]
            self.running_mean = T(0.9 * self.running_mean.v + 0.1 * mean)
            self.running_var = T(0.9 * self.running_var.v + 0.1 * var * count / (count - 1))
        else:
            mean, var = self.running_mean.v, self.running_var.v
        scale = self.weight.v * lax.rsqrt(var + 1e-5)
        shift = self.bias.v - mean * scale
        return T(x.v * scale[:, None, None] + shift[:, None, None])


class LayerNorm(Module):
    def __init__(self, width: int) -> None:
        self.weight, self.bias = empty(width), empty(width)

    def forward(self, x: T) -> T:
        mean, var = x.v.mean(-1, keepdims=True), x.v.var(-1, keepdims=True)
        return T((x.v - mean) * lax.rsqrt(var + 1e-5) * self.weight.v + self.bias.v)


class Embedding(Module):
    def __init__(self, count: int, width: int) -> None:
        self.weight = empty(count, width)

    def forward(self, x: T) -> T:
        return T(jnp.take(self.weight.v, x.v, 0))


class LSTM(Module):
    def __init__(self, a: int, width: int, layers: int = 1) -> None:
        self.layers, self.width = layers, width
        for i in range(layers):
            for kind, inside in (("ih", a if i == 0 else width), ("hh", width)):
                setattr(self, f"weight_{kind}_l{i}", empty(4 * width, inside))
            for kind in ("ih", "hh"):
                setattr(self, f"bias_{kind}_l{i}", empty(4 * width))

    def forward(self, x: T) -> tuple[T, tuple[T, T]]:
        y, last = x.v, []
        for i in range(self.layers):
            part = lambda kind, i=i: getattr(self, f"{kind}_l{i}").v  # noqa: E731
            from_input = y @ part("weight_ih").T + part("bias_ih") + part("bias_hh")
            weight = part("weight_hh").T

            def step(state: tuple, given: Any, weight: Any = weight) -> tuple:
                h, c = state
                i, f, g, o = jnp.split(given + h @ weight, 4, -1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
                return (h, c), h

            start = jnp.zeros((y.shape[1], self.width), y.dtype)
            state, y = lax.scan(step, (start, start), from_input)
            last.append(state)
        h, c = (T(jnp.stack(part)) for part in zip(*last, strict=True))
        return T(y), (h, c)


class MaxPool2d(Module):
    def __init__(self, kernel: int, stride: int | None = None, padding: int = 0) -> None:
        self.kernel, self.stride, self.padding = kernel, stride or kernel, padding

    def forward(self, x: T) -> T:
        around = [(0, 0)] * 2 + [(self.padding,) * 2] * 2
        window, stride = (1, 1, *pair(self.kernel)), (1, 1, *pair(self.stride))
        return T(lax.reduce_window(x.v, -jnp.inf, lax.max, window, stride, around))


class AdaptiveAvgPool2d(Module):
    def __init__(self, size: int) -> None:
        assert size == 1

    def forward(self, x: T) -> T:
        return T(x.v.mean((2, 3), keepdims=True))


class Flatten(Module):
    def forward(self, x: T) -> T:
        return x.flatten(1)


def function(compute: Callable[[Any], Any]) -> type[Module]:
    class Function(Module):
        def __init__(self, **_: Any) -> None:
            pass

        def forward(self, x: T) -> T:
            return T(compute(x.v))

    return Function


def attention(q: T, k: T, v: T, is_causal: bool = False) -> T:
    scores = q.v @ k.v.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    if is_causal:
        seen = jnp.tril(jnp.ones(scores.shape[-2:], bool))
        scores = jnp.where(seen, scores, -jnp.inf)
    return T(jax.nn.softmax(scores, -1) @ v.v)


def cross_entropy(out: T, target: T) -> T:
    chances = jax.nn.log_softmax(out.v, -1)
    return T(-jnp.take_along_axis(chances, target.v[:, None], 1).mean())


def library() -> Any:
    """Stands where models.py and harness.Side expect a library."""
    nn = types.SimpleNamespace(
        Module=Module, Sequential=Sequential, ModuleList=ModuleList, Parameter=lambda x: x,
        Linear=Linear, Conv2d=Conv2d, ConvTranspose2d=ConvTranspose2d, BatchNorm2d=BatchNorm2d,
        LayerNorm=LayerNorm, Embedding=Embedding, LSTM=LSTM, MaxPool2d=MaxPool2d, Flatten=Flatten,
        AdaptiveAvgPool2d=AdaptiveAvgPool2d, Tanh=function(jnp.tanh), ReLU=function(jax.nn.relu),
        ReLU6=function(jax.nn.relu6), GELU=function(lambda x: jax.nn.gelu(x, approximate=False)),
        functional=types.SimpleNamespace(
            scaled_dot_product_attention=attention, cross_entropy=cross_entropy,
            mse_loss=lambda a, b: T(jnp.square(a.v - b.v).mean()),
        ),
    )  # fmt: skip
    return types.SimpleNamespace(
        nn=nn, from_numpy=lambda a: T(a.astype(np.int32) if a.dtype == np.int64 else a),
        zeros=lambda *shape: empty(*shape), arange=lambda *a: T(jnp.arange(*a)),
        cat=lambda parts, dim=0: T(jnp.concatenate([p.v for p in parts], dim)),
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------
# Jitted


@contextlib.contextmanager
def holding(model: Module, *arrays: dict[str, Any]) -> Iterator[None]:
    """The model with other arrays in the places of its own."""
    places = {name: (owner, key) for name, owner, key, _ in model.named()}
    before = {name: getattr(owner, key) for name, (owner, key) in places.items()}
    for some in arrays:
        for name, value in some.items():
            setattr(*places[name], T(value))
    yield
    for name, (owner, key) in places.items():
        setattr(owner, key, before[name])


def split(model: Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and buffers, as JAX's own arrays."""
    parts: tuple[dict, dict] = ({}, {})
    for name, owner, key, is_parameter in model.named():
        parts[not is_parameter][name] = jnp.array(getattr(owner, key).v)
    return parts


def updated(kind: str, options: dict, p: dict, g: dict, state: dict) -> tuple[dict, dict]:
    """Parameters and state of the optimizer after a step, by PyTorch's formulas and defaults."""
    each = jax.tree.map
    lr = options["lr"]
    if kind == "SGD":
        momentum = options.get("momentum", 0.0)
        if not momentum:
            return each(lambda a, b: a - lr * b, p, g), state
        # The first step's buffer is the gradient itself, which a buffer of zeros gives too.
        m = each(lambda old, b: momentum * old + b, state["m"], g)
        return each(lambda a, b: a - lr * b, p, m), {"m": m}
    decay = 0.01 if kind == "AdamW" else 0.0
    t = state["t"] + 1
    m = each(lambda old, b: 0.9 * old + 0.1 * b, state["m"], g)
    v = each(lambda old, b: 0.999 * old + 0.001 * b * b, state["v"], g)
    one, two = 1 - 0.9**t, 1 - 0.999**t
    step = lambda a, m, v: a * (1 - lr * decay) - lr * (m / one) / (jnp.sqrt(v / two) + 1e-8)  # noqa: E731
    return each(step, p, m, v), {"m": m, "v": v, "t": t}


def training_step(s: Any, parts: dict[str, Any]) -> Callable[[], Any]:
    """The step that train.py describes, as one program that is given its own results again."""
    model = s.model(parts["build"](s.lib))
    data, wanted = parts["x"](s), parts["target"](s)
    kind, options = parts["optimizer"], parts["options"]
    if kind not in ("SGD", "Adam", "AdamW"):
        raise NotImplementedError(f"{kind} is not written for JAX")
    p, b = split(model)
    zeros = jax.tree.map(jnp.zeros_like, p)
    state: dict[str, Any] = {"m": zeros, "v": jax.tree.map(jnp.copy, zeros), "t": jnp.zeros(())}

    def loss(p: dict, b: dict, x: Any, y: Any) -> tuple:
        with holding(model, p, b):
            value = parts["loss"](s, model(T(x)), T(y)).v
            after = {n: getattr(owner, key).v for n, owner, key, is_p in model.named() if not is_p}
            return value, after

    def step(p: dict, b: dict, state: dict, x: Any, y: Any) -> tuple:
        (value, b), g = jax.value_and_grad(loss, has_aux=True)(p, b, x, y)
        p, state = updated(kind, options, p, g, state)
        return value, p, b, state

    jitted = jax.jit(step, donate_argnums=(0, 1, 2))
    kept: list[Any] = [p, b, state]
    if kind == "SGD":
        kept[2] = {"m": zeros} if options.get("momentum") else {}
    x, y = jnp.asarray(data.v), jnp.asarray(wanted.v)

    def run() -> Any:
        value, *kept[:] = jitted(*kept, x, y)
        return value

    return run


def prediction(s: Any, parts: dict[str, Any]) -> Callable[[], Any]:
    model, data = s.model(parts["build"](s.lib)).eval(), parts["x"](s)
    p, b = split(model)

    def forward(p: dict, b: dict, x: Any) -> Any:
        with holding(model, p, b):
            return unwrapped(model(T(x)))

    jitted, x = jax.jit(forward), jnp.asarray(data.v)
    return lambda: jitted(p, b, x)


def unwrapped(made: Any) -> Any:
    if isinstance(made, tuple):
        return tuple(unwrapped(part) for part in made)
    return made.v
