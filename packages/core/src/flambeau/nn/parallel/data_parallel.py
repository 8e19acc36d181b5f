"""A module on several devices of one process, a part of the batch on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..modules.module import Module
from .spreading import gather, parallel_apply, replicate, scatter


def _all_devices() -> list[int]:
    from flambeau import cuda

    return list(range(cuda.device_count())) if cuda.is_available() else []


class DataParallel(Module):
    """Splits a batch over devices, runs a copy of the module on each, and joins the results.

    `device_ids` are the GPUs (all unless given). Where there are none, the module is simply called. One process for each
    device, `DistributedDataParallel`, is faster.

    >>> import flambeau
    >>> flambeau.nn.DataParallel(flambeau.nn.Linear(2, 3))(flambeau.ones(4, 2)).shape
    flambeau.Size([4, 3])
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        ids = _all_devices() if device_ids is None else list(device_ids)
        self.module = module
        self.dim = dim
        self.device_ids = ids
        self.output_device = ids[0] if output_device is None and ids else output_device

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        return data_parallel(
            self.module, inputs, self.device_ids, self.output_device, self.dim, kwargs
        )


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """`module(*inputs)` with the batch split over devices; see `DataParallel`.

    >>> import flambeau
    >>> layer = flambeau.nn.Linear(2, 3)
    >>> data_parallel(layer, flambeau.ones(4, 2), ["cpu", "cpu"]).shape
    flambeau.Size([4, 3])
    """
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    named = module_kwargs or {}
    ids = _all_devices() if device_ids is None else list(device_ids)
    if not ids:
        return module(*given, **named)
    parts = list(scatter(given, ids, dim)) if given else []
    options = list(scatter(named, ids, dim)) if named else []
    count = max(len(parts), len(options)) or 1
    parts += [()] * (count - len(parts))
    options += [{}] * (count - len(options))
    if count == 1:
        return module(*parts[0], **options[0])
    copies = replicate(module, ids[:count])
    outputs = parallel_apply(copies, parts, options, ids[:count])
    return gather(outputs, ids[0] if output_device is None else output_device, dim)
