"""Activation functions as modules."""

from __future__ import annotations

import warnings
from typing import Any

from flambeau.ops.activation import sigmoid
from flambeau.ops.creation import empty
from flambeau.ops.trigonometry import tanh
from flambeau.runtime.tensor import Tensor

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .attention import MultiheadAttention as MultiheadAttention  # PyTorch has it here
from .module import Module


class Threshold(Module):
    """`x` where it is above `threshold`, else `value`.

    >>> import flambeau
    >>> flambeau.nn.Threshold(0.1, 20)(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["threshold", "value", "inplace"]

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (
            ", inplace=True" if self.inplace else ""
        )


class ReLU(Module):
    """The positive part: max(0, x).

    >>> import flambeau
    >>> flambeau.nn.ReLU()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, inplace=self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class RReLU(Module):
    """Leaky ReLU with a slope drawn from [lower, upper] for each element while training.

    >>> import flambeau
    >>> flambeau.nn.RReLU()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["lower", "upper", "inplace"]

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (
            ", inplace=True" if self.inplace else ""
        )


class Hardtanh(Module):
    """The input limited to [min_val, max_val].

    >>> import flambeau
    >>> flambeau.nn.Hardtanh(-2, 2)(flambeau.tensor([-3.0, 1.0]))
    tensor([-2.,  1.])
    """

    __constants__ = ["min_val", "max_val", "inplace"]

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, given in (("min", min_value), ("max", max_value)):
            if given is not None:
                warnings.warn(
                    f"keyword argument `{old}_value` is deprecated and rename to `{old}_val`",
                    FutureWarning,
                    stacklevel=2,
                )
        min_val = min_val if min_value is None else min_value
        max_val = max_val if max_value is None else max_value
        if not max_val > min_val:
            raise AssertionError(f"max_val must be larger than min_val, got {max_val}, {min_val}")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        text = f"min_val={self.min_val}, max_val={self.max_val}"
        return text + (", inplace=True" if self.inplace else "")


class ReLU6(Hardtanh):
    """The input limited to [0, 6].

    >>> import flambeau
    >>> flambeau.nn.ReLU6()(flambeau.tensor([-3.0, 9.0]))
    tensor([0., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """1 / (1 + exp(-x)).

    >>> import flambeau
    >>> flambeau.nn.Sigmoid()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)


class Hardsigmoid(Module):
    """Piecewise linear sigmoid: 0 below -3, 1 above 3.

    >>> import flambeau
    >>> flambeau.nn.Hardsigmoid()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)


class Tanh(Module):
    """Hyperbolic tangent.

    >>> import flambeau
    >>> flambeau.nn.Tanh()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)


class SiLU(Module):
    """x · sigmoid(x), also called swish.

    >>> import flambeau
    >>> flambeau.nn.SiLU()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, inplace=self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Mish(Module):
    """x · tanh(softplus(x)).

    >>> import flambeau
    >>> flambeau.nn.Mish()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, inplace=self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardswish(Module):
    """x · hardsigmoid(x).

    >>> import flambeau
    >>> flambeau.nn.Hardswish()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)


class ELU(Module):
    """x where positive, else alpha · (exp(x) - 1).

    >>> import flambeau
    >>> flambeau.nn.ELU()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["alpha", "inplace"]

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class CELU(Module):
    """max(0, x) + min(0, alpha · (exp(x / alpha) - 1)).

    >>> import flambeau
    >>> flambeau.nn.CELU()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["alpha", "inplace"]

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(Module):
    """ELU scaled so that deep networks keep mean 0 and variance 1.

    >>> import flambeau
    >>> flambeau.nn.SELU()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class GLU(Module):
    """The first half along `dim`, times the sigmoid of the second half.

    >>> import flambeau
    >>> flambeau.nn.GLU()(flambeau.ones(2, 4)).shape
    flambeau.Size([2, 2])
    """

    __constants__ = ["dim"]

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class GELU(Module):
    """x · Φ(x), exactly or (``approximate="tanh"``) by a formula with tanh.

    >>> import flambeau
    >>> flambeau.nn.GELU()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["approximate"]

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Hardshrink(Module):
    """x where |x| > lambd, else 0.

    >>> import flambeau
    >>> flambeau.nn.Hardshrink()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["lambd"]

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class LeakyReLU(Module):
    """x where positive, else negative_slope · x.

    >>> import flambeau
    >>> flambeau.nn.LeakyReLU()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["negative_slope", "inplace"]

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x))).

    >>> import flambeau
    >>> flambeau.nn.LogSigmoid()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Softplus(Module):
    """log(1 + exp(beta · x)) / beta; x itself where beta · x is above `threshold`.

    >>> import flambeau
    >>> flambeau.nn.Softplus()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["beta", "threshold"]

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softshrink(Module):
    """x moved towards 0 by lambd.

    >>> import flambeau
    >>> flambeau.nn.Softshrink()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["lambd"]

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class PReLU(Module):
    """Leaky ReLU with slopes that are trained: one, or one for each channel (dimension 1).

    >>> import flambeau
    >>> flambeau.nn.PReLU(3)(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["num_parameters"]

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All slopes to the initial one."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Softsign(Module):
    """x / (1 + |x|).

    >>> import flambeau
    >>> flambeau.nn.Softsign()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanhshrink(Module):
    """x - tanh(x).

    >>> import flambeau
    >>> flambeau.nn.Tanhshrink()(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class Softmin(Module):
    """Softmax of -x.

    >>> import flambeau
    >>> flambeau.nn.Softmin(dim=1)(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["dim"]

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(Module):
    """exp(x), divided by its sum along `dim`.

    >>> import flambeau
    >>> flambeau.nn.Softmax(dim=1)(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["dim"]

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """Softmax over the channels of a (N, C, H, W) or (C, H, W) input.

    >>> import flambeau
    >>> flambeau.nn.Softmax2d()(flambeau.ones(2, 3, 4, 4)).shape
    flambeau.Size([2, 3, 4, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3)


class LogSoftmax(Module):
    """Logarithm of the softmax, computed without overflow.

    >>> import flambeau
    >>> flambeau.nn.LogSoftmax(dim=1)(flambeau.ones(2, 3)).shape
    flambeau.Size([2, 3])
    """

    __constants__ = ["dim"]

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
