"""`flambeau.compile`: a function or module as one program, its elementwise chains and reductions fused into C.

compile     the cache of programs, what runs eagerly and why
guards      what a function depends on besides its arguments
capture     a call as stretches of operators, with gradients and optimizer steps between them
plan        what runs when the call is made again; its backward
fusion      calls of a graph -> groups that become one loop nest
program     one stretch, fused, as steps on raw arrays
replay      its first run recorded: C calls on planned memory
"""

from .compile import Broken, Compiled, compile, explain, reset

__all__ = ["Broken", "Compiled", "compile", "explain", "reset"]
