"""A pytest plugin: under sanitizers a compiler may take minutes for one kernel, more than the product waits for it."""

from flambeau.backends.cpu import compiler

compiler.COMPILE_SECONDS = 600.0
