"""What an operator is: a name, a signature, and its rules. The registry of all operators.

Families (`families.py`) make operators; transforms, backends, compile and export read them. A rule that is absent is
either derived or refused with a reason, never forgotten: `testing.completeness` reads the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from . import layouts

# `numbers=ONE`: any input may be a Python number, but not all of them.
ONE = "one"
NUMBERS = (int, float, complex, type(None))

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "<required>"})()
Checker = Callable[[list, dict], bool]

# How PyTorch's NumPy-flavoured spellings of keyword arguments map to its own.
ALIASES = {
    "axis": "dim",
    "keepdims": "keepdim",
    "x": "input",
    "a": "input",
    "x1": "input",
    "x2": "other",
}

# Names that PyTorch's overloads have for one parameter of ours; "*": loose numbers.
OVERLOADS = {
    ("expand", "size"): "shape", ("repeat", "repeats"): "*", ("tile", "dims"): "*", ("max", "other"): "dim",
    ("min", "other"): "dim", ("transpose", "axis0"): "dim0", ("transpose", "axis1"): "dim1",
    **{(name, other): "indices_or_sections" for name in ("tensor_split", "hsplit", "vsplit", "dsplit")
       for other in ("indices", "sections")},
}  # fmt: skip


class Operator:
    """One operator and all that is known of it.

    `params` are the names of the public signature in order; `arrays` the positions of those that are tensors. With
    `variadic` the first parameter is a sequence of tensors; `star` is the position from which loose ints are gathered
    into a tuple (`x.permute(1, 0)`). `numbers` names the arrays that a Python number may stand for (elementwise operators
    take none unless they say so), `accepts` the kinds of dtypes it is defined for.
    """

    def __init__(
        self, body: Callable[..., Any], family: str, name: str | None = None, **options: Any
    ) -> None:
        code = body.__code__
        self.body = body
        self.name: str = name or body.__name__
        self.family = family
        n = code.co_argcount + code.co_kwonlyargcount
        self.params: tuple[str, ...] = code.co_varnames[:n]
        self.positional = code.co_argcount
        defaults = list(body.__defaults__ or ())
        values = [MISSING] * (code.co_argcount - len(defaults)) + defaults
        keyword = body.__kwdefaults__ or {}
        self.defaults: list[Any] = values + [
            keyword.get(p, MISSING) for p in self.params[self.positional :]
        ]
        self.required = max((i + 1 for i, v in enumerate(self.defaults) if v is MISSING), default=0)
        self.index = {p: i for i, p in enumerate(self.params)}
        self.required = max((i + 1 for i, d in enumerate(self.defaults) if d is MISSING), default=0)
        notes = body.__annotations__
        kinds = [_kind(notes.get(p), family) for p in self.params]
        self.variadic = "sequence" in kinds
        self.arrays = tuple(i for i, k in enumerate(kinds) if k)
        self.attrs = tuple((i, p) for i, p in enumerate(self.params) if not kinds[i])
        # Of these a call that failed is told if they are no tensors.
        self.plain = tuple(
            i for i in self.arrays if notes.get(self.params[i]) in ("Tensor", "Meta")
        )
        # What is looked at before the body runs: flags must be True or False, not just anything with a truth value (but
        # for `truths=`), the parameters of `ints=` ints where the body would go on with other numbers.
        truths, ints = options.pop("truths", ()), options.pop("ints", ())
        self.flags = tuple(
            i for i, p in self.attrs if notes.get(p) in ("bool", "bool | None") and p not in truths
        )
        self.ints = tuple(self.index[p] for p in ints)
        self.loose = bool(code.co_flags & 4)  # the body gathers the rest itself (*shape)
        star: str | None = options.pop("star", None)
        self.star = None if star is None else self.index[star]
        self.promote: Any = options.pop("promote", None)
        self.result: Any = options.pop("result", None)
        self.onnx_rule: Any = options.pop("onnx", None)
        self.linear: bool = options.pop("linear", False)
        self.bilinear: tuple[str, ...] = options.pop("bilinear", ())
        self.outputs: tuple[str, ...] | None = options.pop("outputs", None)
        self.inplace: bool = options.pop("inplace", family == "elementwise")
        self.numbers: Any = options.pop("numbers", None)
        self.accepts: str | None = options.pop("accepts", None)
        self.random: bool = options.pop("random", False)
        self.method: bool = options.pop("method", True)
        self.tags: dict[str, Any] = options
        self.kernels: dict[str | None, Callable[..., Any]] = {}
        # By backend: the faster kernels, or the name of the module that will offer them when first asked.
        self.providers: dict[str, Any] = {}
        self.least: dict[str, int] = {}  # by backend: elements from which its providers are asked
        # Of a composite: what its body computes on small NumPy arrays, in fewer calls; and with its gradient's rule.
        self.small: Callable[..., Any] | None = None
        self.noted: Operator | None = None
        # Of a composite that is another way to call one view operator: that, and what gives its static arguments.
        self.turned: tuple[Operator, Callable[..., Any]] | None = None
        self.bound: dict[str, Any] | None = None  # what the text for its calls reads (`straight`)
        self.vjp_rule: Any = None
        self.jvp_rule: Callable[..., Any] | None = None
        self.batch_rule: Callable[..., Any] | None = None
        self.refusals: dict[str, str] = {}
        self.public: Callable[..., Any] = body
        self.inner: Callable[..., Any] = body  # the public function, numbers taken anywhere
        self.strict = self._tensors_only()
        self.calls = 0  # bound so far, until there is a binder
        self.binder: Callable[..., tuple[tuple, dict[str, Any]]] | None = None
        self.doc = body.__doc__ or ""

    def __repr__(self) -> str:
        return f"<{self.family} {self.name}({', '.join(self.params)})>"

    def takes(self, kind: str) -> bool:
        """Whether it is defined for a kind of dtypes: "bool", "int", "float", "complex"."""
        return self.accepts is None or kind in self.accepts.split()

    def _tensors_only(self) -> tuple[int, ...]:
        """Positions of the parameters that must be tensors, where Python numbers may not stand."""
        if self.numbers is None:
            return self.arrays if self.family == "elementwise" else ()
        if self.numbers is ONE:
            return ()
        return tuple(i for i in self.arrays if self.params[i] not in self.numbers)

    # -- the decorators of a block ------------------------------------------------------------------------------------

    def kernel(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """The reference: `rule(xp, *arrays, **attrs)` on raw arrays, for NumPy and CuPy alike."""
        self.kernels[None] = layouts.followed(self.name, rule)
        return rule

    def provide(
        self, backend: str, checker: Checker, least: int = 0
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A faster kernel of `backend` for the calls that `checker(metas, attrs)` accepts.

        Calls whose first array has fewer than `least` elements are not even offered.
        """

        def add(kernel: Callable[..., Any]) -> Callable[..., Any]:
            first = not isinstance(self.providers.get(backend), list)
            if first:
                self.providers[backend] = []
            self.least[backend] = least if first else min(least, self.least[backend])
            self.providers[backend].insert(0, (checker, kernel))
            if self.bound is not None and backend == "cpu":
                self.bound["_most"] = self.least[backend]
            if hasattr(self.public, "forget"):  # a text for a composite without providers
                self.public.forget()
            return kernel

        return add

    def jvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """`rule(tangents, out, *arrays, **attrs)`; tangents has None for inputs that do not move."""
        self.jvp_rule = rule
        return rule

    def batch(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """`rule(size, batched, *arrays, **attrs)`; `batched` says which arrays carry the batch in front."""
        self.batch_rule = rule
        return rule

    def onnx(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """`rule(builder, *inputs, **attrs)` adds nodes and returns the output's name."""
        self.onnx_rule = rule
        return rule

    def refuse(self, transform: str, reason: str) -> None:
        """Says why there is no rule for `transform` ("vjp", "jvp", "vmap", "onnx", "compile")."""
        self.refusals[transform] = reason

    # -- reading a call -----------------------------------------------------------------------------------------------

    def bind(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """(arrays, attrs) of a call in the public spelling; TypeError as Python's for a wrong one."""
        n = len(args)
        star = self.star
        # What need not be gathered (x.sum(0), but not x.permute(1, 0)).
        if star is None or n <= star or (n <= self.positional and self.positional != star + 1):
            if self.binder is not None:
                try:
                    return self.binder(*args, **kwargs)
                except TypeError:
                    pass  # another spelling, or a mistake: what follows knows which
            elif self.calls < OFTEN:
                self.calls += 1
            elif not (self.variadic or self.loose or self.numbers is ONE):
                self.binder = compile_binder(self)
        if star is not None and n > star:
            first = args[star]
            if first.__class__ is int or (n > star + 1 and not isinstance(first, (tuple, list))):
                if n > self.positional or self.positional == star + 1:
                    args = (*args[:star], args[star:])
                    n = star + 1
        if n > self.positional:
            raise TypeError(
                f"{self.name}() takes {self.positional} positional arguments but {n} were given"
            )
        values = [*args, *self.defaults[n:]]
        for key, value in kwargs.items():
            at = self.index.get(key)
            if at is None:
                at = self.index.get(OVERLOADS.get((self.name, key)) or ALIASES.get(key, ""))
                if at is None:
                    raise TypeError(f"{self.name}() got an unexpected keyword argument '{key}'")
            if at < n:
                raise TypeError(f"{self.name}() got multiple values for argument '{key}'")
            values[at] = value
        # Not `MISSING in values`: that would ask every tensor whether it equals MISSING.
        missing = (
            next((p for p, v in zip(self.params, values) if v is MISSING), None)
            if n < self.required
            else None
        )
        if missing is not None:
            raise TypeError(f"{self.name}() missing 1 required positional argument: '{missing}'")
        for i in self.flags:
            if values[i] is not True and values[i] is not False:
                self.check_flag(i, values[i])
        for i in self.ints:
            if type(values[i]) is not int:
                self.check_int(i, values[i])
        attrs = {p: values[i] for i, p in self.attrs}
        if self.variadic:
            first = values[self.arrays[0]]
            if not isinstance(first, (tuple, list)):
                name = self.params[self.arrays[0]]
                raise TypeError(
                    f"{self.name}(): argument '{name}' (position 1) must be tuple of Tensors, not {type(first).__name__}"
                )
            return tuple(first), attrs
        if self.strict:
            for i in self.strict:
                if isinstance(values[i], NUMBERS):
                    self.refuse_number(i, values[i])
        arrays = tuple([values[i] for i in self.arrays])
        if self.numbers is ONE and all(isinstance(a, NUMBERS) for a in arrays):
            self.refuse_number(0, arrays[0])
        return arrays, attrs

    def refuse_number(self, position: int, value: Any) -> NoReturn:
        """TypeError for a number (or None) where a tensor is due."""
        raise TypeError(
            f"{self.name}(): argument '{self.params[position]}' (position {position + 1}) must be Tensor, "
            f"not {type(value).__name__}"
        )

    def check_flag(self, position: int, value: Any) -> None:
        """TypeError for what stands where a bool belongs and is neither one, of NumPy's or in a tensor, nor the default."""
        if value is self.defaults[position] or type(value).__name__ in ("bool", "bool_"):
            return
        if getattr(value, "ndim", None) == 0:
            return
        name = self.params[position]
        raise TypeError(
            f"{self.name}(): argument '{name}' must be bool, not {type(value).__name__}"
        )

    def check_int(self, position: int, value: Any) -> None:
        """TypeError for what stands where an int belongs and is no integer of any kind, nor the default."""
        if value is self.defaults[position]:
            return
        if hasattr(value, "__index__") and not getattr(value, "is_floating_point", bool)():
            return
        name = self.params[position]
        raise TypeError(f"{self.name}(): argument '{name}' must be int, not {type(value).__name__}")

    def respelled(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        """The arguments with our names for PyTorch's other spellings; None if some name is neither."""
        given: dict[str, Any] = {}
        for name, value in kwargs.items():
            ours = (
                name if name in self.index else OVERLOADS.get((self.name, name), ALIASES.get(name))
            )
            if ours == "*":
                args = (*args, *value) if isinstance(value, (tuple, list)) else (*args, value)
            elif ours in self.index and ours not in given:
                given[ours] = value
            else:
                return None
        return args, given

    def check_tensors(self, args: tuple, kwargs: dict[str, Any]) -> None:
        """TypeError for the first number or None where a tensor is due, in a call that was not bound.

        Asked before the body of a composite that says `numbers=`, and after that of any other that failed.
        """
        given = {
            i: args[i] if i < len(args) else kwargs.get(self.params[i], MISSING)
            for i in self.arrays
        }
        for i in self.plain if self.numbers is None else self.strict:
            if isinstance(given[i], NUMBERS) and given[i] is not self.defaults[i]:
                self.refuse_number(i, given[i])
        if self.numbers is ONE and all(isinstance(v, NUMBERS) for v in given.values()):
            self.refuse_number(self.arrays[0], given[self.arrays[0]])

    def call_body(self, arrays: tuple, attrs: dict[str, Any]) -> Any:
        """The body on metas (primitives) or tensors (composites), arguments back in the public order."""
        values: dict[str, Any] = dict(attrs)
        if self.variadic:
            values[self.params[self.arrays[0]]] = list(arrays)
        else:
            for i, a in zip(self.arrays, arrays):
                values[self.params[i]] = a
        return self.body(**values)


OFTEN = 8  # calls after which an operator gets a binder


def compile_binder(op: Operator) -> Callable[..., tuple[tuple, dict[str, Any]]]:
    """`op.bind` for PyTorch's own spelling, as a Python function of the operator's signature: Python binds it itself.

    For `sum`: `def sum(input, dim=d1, keepdim=d2, *, dtype=d3): return (input,), {'dim': dim, ...}`.
    """
    head, scope = _head(op)
    lines = [f"def bind({head}):", *_flag_lines(op)]
    for i in op.strict:
        lines.append(f"    if isinstance({op.params[i]}, NUMBERS): op.refuse_number({i}, {op.params[i]})")  # fmt: skip
    arrays = "".join(f"{op.params[i]}, " for i in op.arrays)
    attrs = ", ".join(f"{p!r}: {p}" for _, p in op.attrs)
    lines.append(f"    return ({arrays}), {{{attrs}}}")
    exec(compile("\n".join(lines), f"<binder of {op.name}>", "exec"), scope)  # noqa: S102 -- our own text
    return scope["bind"]


def behind_flags(op: Operator, body: Callable[..., Any]) -> Callable[..., Any]:
    """A composite's body behind a look at its flags, as a function of the same signature: 30 ns a call."""
    if not (op.flags or op.ints) or op.loose:
        return body
    head, scope = _head(op)
    scope["body"] = body
    given = [p if i < op.positional else f"{p}={p}" for i, p in enumerate(op.params)]
    lines = [f"def call({head}):", *_flag_lines(op), f"    return body({', '.join(given)})"]
    exec(compile("\n".join(lines), f"<flags of {op.name}>", "exec"), scope)  # noqa: S102 -- our own text
    return scope["call"]


def _head(op: Operator) -> tuple[str, dict[str, Any]]:
    """The parameters of the operator's signature as text, and what that text reads."""
    scope: dict[str, Any] = {"NUMBERS": NUMBERS, "op": op}
    words = []
    for i, p in enumerate(op.params):
        if i == op.positional:
            words.append("*")
        if op.defaults[i] is MISSING:
            words.append(p)
        else:
            scope[f"d{i}"] = op.defaults[i]
            words.append(f"{p}=d{i}")
    return ", ".join(words), scope


def _flag_lines(op: Operator) -> list[str]:
    lines = []
    for i in op.flags:
        p = op.params[i]
        none = f"{p} is not None and " if op.defaults[i] is None else ""
        lines.append(f"    if {none}{p} is not True and {p} is not False: op.check_flag({i}, {p})")
    for i in op.ints:
        p = op.params[i]
        lines.append(f"    if type({p}) is not int: op.check_int({i}, {p})")
    return lines


def _kind(note: Any, family: str) -> str:
    """Whether a parameter is an array ("array"), a sequence of arrays ("sequence") or static ("")."""
    if note is None:
        return "array" if family in ("elementwise", "reduction") else ""
    note = str(note)
    if note.startswith(("Sequence[Meta", "Sequence[Tensor")):
        return "sequence"
    return "array" if note.startswith(("Meta", "Tensor")) else ""


registry: dict[str, Operator] = {}
internal: dict[
    str, Operator
] = {}  # of backends: parts of a claimed composite, by name; in programs only
# Told of each operator that is entered: backends offer their kernels to those imported late, too.
watchers: list[Callable[[Operator], None]] = []


def add(op: Operator) -> Operator:
    """Enters an operator; a name is taken once."""
    if op.name in registry:
        raise ValueError(f"operator {op.name} is defined twice")
    registry[op.name] = op
    for watch in watchers:
        watch(op)
    return op


def find(name: str) -> Operator:
    """An operator of the registry, or one that a backend keeps to itself."""
    return registry.get(name) or internal[name]
