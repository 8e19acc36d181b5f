"""Where storages go when they are loaded, and what a file calls the place where they were: a registry to extend.

Entries are asked in the order of their priority; the CPU, CUDA and `meta` are registered as PyTorch has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._base.checks import check, fail
from .._base.devices import CPU, META
from .._base.devices import device as Device

Tagger = Callable[[Any], str | None]
Restorer = Callable[[Any, str], Any]

_registry: list[tuple[int, Tagger, Restorer]] = []


def register_package(priority: int, tagger: Tagger, deserializer: Restorer) -> None:
    """Teaches `save` and `load` about another kind of device.

    `tagger(storage)` gives the name of the place where a storage is, `deserializer(storage, location)` a storage at a
    place of that name; both give None for what is not theirs. Lower priorities are asked first.
    """
    _registry.append((priority, tagger, deserializer))
    _registry.sort(key=lambda entry: entry[0])


def location_tag(storage: Any) -> str:
    """What a file calls the place where a storage is, such as "cuda:0". RuntimeError if nobody knows."""
    for _, tagger, _ in _registry:
        location = tagger(storage)
        if location:
            return location
    raise RuntimeError(f"don't know how to determine data location of {_typename(storage)}")


def default_restore_location(storage: Any, location: str) -> Any:
    """The storage at the place that a file calls `location`. RuntimeError if nobody knows that place."""
    for _, _, restore in _registry:
        restored = restore(storage, location)
        if restored is not None:
            return restored
    raise RuntimeError(
        f"don't know how to restore data location of {_typename(storage)} (tagged with {location})"
    )


def validate_cuda_device(location: str) -> int:
    """The number of the GPU that a location such as "cuda:1" names. RuntimeError if there is none such."""
    index = Device(location).index
    return _available_cuda(0 if index is None else index)


def validate_hpu_device(location: str) -> int:
    """Always RuntimeError: there is no backend for this kind of device."""
    fail(
        f"Attempting to deserialize object on a HPU device ({location}), which flambeau has no backend for; "
        "pass map_location='cpu' to load it onto the CPU"
    )


def _available_cuda(index: int) -> int:
    from ..cuda import device_count, is_available

    check(
        is_available(),
        lambda: (
            "Attempting to deserialize object on a CUDA device but flambeau.cuda.is_available() is False; "
            "pass map_location='cpu' to load it onto the CPU"
        ),
    )
    count = device_count()
    check(
        index < count,
        lambda: (
            f"Attempting to deserialize object on CUDA device {index} but flambeau.cuda.device_count() is {count}; "
            "pass map_location to load it onto a device that is there"
        ),
    )
    return index


def _tag_of(kind: str) -> Tagger:
    def tag(storage: Any) -> str | None:
        return str(storage.device) if storage.device.type == kind else None

    return tag


def _to_cpu(storage: Any, location: str) -> Any:
    return moved(storage, CPU) if location == "cpu" else None


def _to_cuda(storage: Any, location: str) -> Any:
    if not location.startswith("cuda"):
        return None
    return moved(storage, Device("cuda", validate_cuda_device(location)))


def _to_meta(storage: Any, location: str) -> Any:
    return moved(storage, META) if location == "meta" else None


def moved(storage: Any, device: Device) -> Any:
    """The storage on a device; itself where it is there."""
    return storage if storage.device == device else storage.to(device=device)


def _typename(storage: Any) -> str:
    cls = type(storage)
    return f"{cls.__module__}.{cls.__qualname__}"


def is_extended() -> bool:
    """Whether anyone registered a place."""
    return len(_registry) > len(_BUILTIN)


_BUILTIN = ((10, "cpu", _to_cpu), (20, "cuda", _to_cuda), (22, "meta", _to_meta))
for _priority, _kind, _restore in _BUILTIN:
    register_package(_priority, _tag_of(_kind), _restore)
