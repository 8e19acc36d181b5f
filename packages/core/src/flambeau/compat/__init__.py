"""Code written for PyTorch, unchanged: `import torch` is answered by flambeau.

    python -m flambeau.compat script.py [args]     python -m flambeau.compat -m module [args]
    import flambeau.compat; flambeau.compat.install()

`torch` and `torch.*` are flambeau's own modules under another name. A module or name that flambeau lacks imports all the
same and fails where it is used, with its name: packages that mention much and use little keep working.
"""

from .finder import install, installed, uninstall
from .missing import Missing

__all__ = ["Missing", "install", "installed", "uninstall"]
