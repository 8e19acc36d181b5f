"""Function transforms (`flambeau.func`, `torch.func`): derivatives and batches of functions, modules as functions.

All of them nest in each other and in the tape, in any order.
"""

from .batch import vmap
from .forward import hessian, jacfwd, jvp
from .linear import functionalize, linearize
from .modules import functional_call, replace_all_batch_norm_modules_, stack_module_state
from .rearrange import rearrange
from .reverse import grad, grad_and_value, jacrev, vjp
from .wrapped import debug_unwrap

__all__ = [
    "debug_unwrap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "rearrange",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
