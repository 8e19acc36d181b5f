"""Settings of `flambeau.save` and `flambeau.load`: `flambeau.utils.serialization.config`."""

from . import config

__all__ = ["config"]
