"""`flambeau.utils.dlpack`: arrays from and to other libraries without copies."""

from __future__ import annotations

from flambeau.interchange import DLDeviceType, from_dlpack, to_dlpack

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]
