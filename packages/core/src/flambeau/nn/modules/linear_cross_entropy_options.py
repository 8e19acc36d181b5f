"""How `linear_cross_entropy` divides its work."""

from __future__ import annotations

from typing import Any

from flambeau._base.dtypes import bfloat16, float16, float32, float64

_POLICIES = ("auto", "accurate", "balanced", "compact")


class LinearCrossEntropyOptions:
    """Asks for the logits of `linear_cross_entropy` in chunks of the batch, which are never all in memory.

    `batch_chunk_size` is the number of rows of a chunk. Unless it is given, `chunking_method` finds it: 'aspect_ratio'
    (also 'auto') makes a chunk's logits as large as the input, 'aspect_ratio:N' a part N of that; None makes one chunk.
    Each chunk's logits are computed again in backward, so that gradients of every order, `retain_graph` and function
    transforms work, whatever `allow_retain_graph` says. Losses are summed in `acc_dtype`, the input's dtype or float32 for
    16-bit inputs; `acc_policy` is PyTorch's choice of which of its buffers have that dtype, and changes nothing here.

    >>> LinearCrossEntropyOptions(batch_chunk_size=4).batch_chunk_size
    4
    """

    # Not a dataclass: importing those would cost `import flambeau.nn` 10 ms.
    __slots__ = (
        "acc_dtype",
        "acc_policy",
        "allow_retain_graph",
        "batch_chunk_size",
        "chunking_method",
    )

    acc_dtype: Any
    acc_policy: str
    allow_retain_graph: bool
    batch_chunk_size: int | None
    chunking_method: str | None

    def __init__(
        self,
        allow_retain_graph: bool = False,
        batch_chunk_size: int | None = None,
        chunking_method: str | None = "auto",
        acc_policy: str = "auto",
        acc_dtype: Any = None,
    ) -> None:
        given = locals()
        for name in self.__slots__:
            object.__setattr__(self, name, given[name])
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = str(self.chunking_method).partition(":")
            number = factor if colon else "1"
            if name != "aspect_ratio" or not number.isdigit() or int(number) == 0:
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        rows = self.batch_chunk_size
        if rows is not None and not (isinstance(rows, int) and rows > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {rows!r}")
        if self.acc_dtype not in (None, float16, bfloat16, float32, float64):
            raise ValueError(
                f"acc_dtype must be one of None, float16, bfloat16, float32, float64, got "
                f"{self.acc_dtype!r}. Pass acc_dtype=None to let the op pick automatically."
            )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"cannot assign to field {name!r}: options do not change")

    def _fields(self) -> tuple:
        return tuple((name, getattr(self, name)) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LinearCrossEntropyOptions) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in self._fields())})"

    def __reduce__(self) -> tuple:
        order = (
            "allow_retain_graph",
            "batch_chunk_size",
            "chunking_method",
            "acc_policy",
            "acc_dtype",
        )
        return type(self), tuple(getattr(self, name) for name in order)

    def rows(self, batch: int, in_features: int, classes: int) -> int:
        """The rows of a chunk for these sizes."""
        method = self.chunking_method
        if method == "auto":
            method = None if self.batch_chunk_size is not None else "aspect_ratio"
        given = batch if self.batch_chunk_size is None else min(self.batch_chunk_size, batch)
        if method is None:
            return max(1, given)
        factor = int(method.partition(":")[2] or 1)
        chunks = -(-classes // max(in_features, 1))
        target = -(-batch // max(chunks, 1))
        found = min((1 << (max(target, 1) - 1).bit_length()) // factor, batch)
        if self.batch_chunk_size is not None and self.batch_chunk_size != found:
            raise ValueError(
                f"batch_chunk_size (={self.batch_chunk_size}) and chunking_method "
                f"('{self.chunking_method}') give different chunk sizes ({self.batch_chunk_size} vs "
                f"{found}); pass only one."
            )
        return max(1, found)

    def sum_dtype(self, input: Any) -> Any:
        """The dtype in which losses are added."""
        if self.acc_dtype is not None:
            return self.acc_dtype
        return float32 if input in (bfloat16, float16) else input
