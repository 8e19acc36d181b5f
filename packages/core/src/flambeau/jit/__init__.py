"""`flambeau.compile`: a function or module as one program, its elementwise chains and reductions fused into C.

compile     the cache of programs, what runs eagerly and why
guards      what a function depends on besides its arguments
fusion      calls of a graph -> groups that become one loop nest
program     a fused graph as steps on raw arrays
"""

from .compile import Compiled, compile, explain, reset

__all__ = ["Compiled", "compile", "explain", "reset"]
