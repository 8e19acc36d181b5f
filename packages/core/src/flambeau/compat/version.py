"""`torch.version`: which PyTorch this answers for, and that no CUDA toolkit was compiled in."""

from . import finder

__version__ = finder.VERSION
cuda = None
hip = None
debug = False
git_version = "flambeau"
__all__ = ["__version__", "cuda", "debug", "git_version", "hip"]
