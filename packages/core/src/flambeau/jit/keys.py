"""What tells one call of a compiled function from another: the part of its key that is what it is given."""

from __future__ import annotations

import types
from collections.abc import Sequence
from itertools import chain
from typing import Any

from numpy import ndarray

from .._base import dtypes, pytree
from .._base.devices import default
from ..runtime import state
from ..runtime.tensor import Leaf, Tensor
from .descriptions import PLAIN, content, described, frozen, plain, which
from .dynamic import Family, Shapes
from .guards import Search
from .options import Options
from .owners import is_module, is_ours
from .plan import Plan
from .scalars import NUMBERS

MOST_GIVEN = 64  # modules and functions among the arguments whose surroundings are kept
MOST_FAMILIES = 16


class Call:
    """A call that no program was found for. `shapes`: of its tensors, and then its numbers that may be left open."""

    def __init__(self, keys: Keys, key: tuple, leaves: list, spec: pytree.Spec, args: tuple, kwargs: dict[str, Any]) -> None:  # fmt: skip
        self.keys, self.key, self.leaves, self.spec = keys, key, leaves, spec
        self.args, self.kwargs = args, kwargs
        self.tensors = [x for x in leaves if isinstance(x, Tensor)]
        self.count = len(leaves) - len(
            keys.options.known
        )  # of the arguments' leaves; options follow
        self.departed: list[Plan] = []  # those that have been tried, and decided otherwise
        self.family: Family | None = None  # of the calls of other sizes, if there may be any

    @property
    def shapes(self) -> Shapes:
        shapes = tuple([t._array.shape for t in self.tensors])
        places = self.keys.places(self.leaves, self.spec)
        return (*shapes, tuple([self.leaves[i] for i in places])) if places else shapes

    def taken(self) -> dict[int, Any]:
        """The numbers that its key leaves out, by their places."""
        return {i: self.leaves[i] for i in self.keys.inputs.get(self.spec, ())}

    def with_options(self) -> bool:
        """Takes in the options that were read for the first time; whether there are any."""
        fresh = self.keys.options.first[len(self.leaves) - self.count :]
        self.leaves = [*self.leaves, *fresh]
        return bool(fresh)

    def numbers(self, plan: Plan) -> Sequence[Tensor] | None:
        """The numbers that a plan takes; None where it is not for them."""
        return () if plan.scalars is None else plan.scalars(self.leaves)


class Keys:
    """The keys of one function's calls.

    A number among the arguments is part of a key by its value, until a program was found that takes it as an input.
    """

    def __init__(self) -> None:
        self.options = Options()
        self.searches: dict[
            int, Search
        ] = {}  # what a module or function among the arguments depends on
        self.families: dict[Any, Family] = {}  # of calls that differ in sizes and numbers only
        self.inputs: dict[
            pytree.Spec, set[int]
        ] = {}  # places of numbers that programs take, by structure
        self.needed: dict[pytree.Spec, set[int]] = {}  # places of those that the function asks for

    def of(self, leaves: list, spec: pytree.Spec) -> list:
        """The part of a call's key that is what it is given."""
        parts: list[Any] = [spec, state.local.grad, dtypes.get_default_dtype(), default.device]
        if state.local.promotion is not None:
            parts.append(state.local.promotion.key())
        inputs = self.inputs.get(spec, ()) if self.inputs else ()
        given: list[int] = []
        for i, x in enumerate(leaves):
            if isinstance(x, Tensor):
                a = x._array
                given.append(id(a))
                where = ndarray if type(a) is ndarray else x.device
                parts.append(
                    (a.shape, a.dtype.num, a.dtype.itemsize, where, x.requires_grad, a.strides)
                )
                if type(x._node) is Leaf:  # eager mode lets nobody write into it
                    parts.append(Leaf)
            else:
                parts.append(type(x) if i in inputs else self._described(x))
        if len(given) > 1 and len(set(given)) < len(given):  # one tensor given twice
            parts.append(tuple(map(given.index, given)))
        if any(state.module_hooks):
            parts.append(tuple(chain(*state.module_hooks)))
        return parts

    def _described(self, x: Any) -> Any:
        """An argument that is no tensor: a module or function with what it depends on, an object with its attributes."""
        if type(x) in PLAIN:
            return plain(x)
        if isinstance(x, types.MethodType):
            return (self._described(x.__func__), self._described(x.__self__))
        if not is_module(x) and not isinstance(x, types.FunctionType):
            return frozen(x) if is_ours(type(x)) else described(x, whole=True)
        search = self.searches.get(which(x))
        if search is None:
            if len(self.searches) >= MOST_GIVEN:
                del self.searches[next(iter(self.searches))]
            search = self.searches[which(x)] = Search()
            search.of(x)
        seen = [read() for read in search.found]
        if is_module(x):
            return (which(x), *seen)
        # A function that is made anew for each call is the same one where it holds on to the same.
        cells = tuple([described(content(c)) for c in x.__closure__ or ()])
        return (x.__code__, cells, described(x.__dict__) if x.__dict__ else None, *seen)

    # -- calls that differ in sizes and numbers only ----------------------------------------------------------------------

    def places(self, leaves: list, spec: pytree.Spec) -> tuple[int, ...]:
        """Where the numbers stand that may be left open."""
        needed = self.needed.get(spec, ())
        return tuple([i for i, x in enumerate(leaves) if type(x) in NUMBERS and i not in needed])

    def family(self, call: Call) -> Family:
        """The calls whose key differs from this one's in sizes and open numbers only."""
        parts, at = list(call.key), 4 + (state.local.promotion is not None)
        places = self.places(call.leaves, call.spec)
        for i, x in enumerate(call.leaves):
            if isinstance(x, Tensor):
                a = x._array
                parts[at] = (a.ndim, *parts[at][1:5], a.flags.c_contiguous or a.strides)
                at += type(x._node) is Leaf
            elif i in places:
                parts[at] = type(x)
            at += 1
        family = self.families.get(tuple(parts))
        if family is None:
            while len(self.families) >= MOST_FAMILIES:
                del self.families[next(iter(self.families))]
            family = self.families[tuple(parts)] = Family(places)
        return family

    def learned(self, spec: pytree.Spec, family: Family) -> bool:
        """Takes in which numbers of a family are inputs of programs, and which the function asks for; whether keys are others now."""
        inputs, needed = self.inputs.setdefault(spec, set()), self.needed.setdefault(spec, set())
        before = len(inputs), len(needed)
        needed |= family.needed
        inputs |= family.inputs()
        inputs -= needed
        if family.needed:  # what has these as values is another family
            self.families = {k: f for k, f in self.families.items() if k[0] != spec}
        return before != (len(inputs), len(needed))

    def forget(self) -> None:
        """Takes nothing for known of the calls there were."""
        for table in (self.families, self.inputs, self.needed):
            table.clear()
