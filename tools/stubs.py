"""Writes what type checkers and editors are told of names that exist only at run time.

    python tools/stubs.py [--check]

Operators become Tensor's methods and flambeau's functions when the registry is filled, which no checker sees. This
reads the registry and the attached methods and writes two stubs beside the code they describe: `runtime/attached.pyi`
(the base of Tensor in a checker's eyes) and `flambeau/__init__.pyi`. Neither is ever imported. What an operator's block
annotates is what the stubs say; a body without a return annotation gives a Tensor. `--check` writes nothing and fails
if the stubs are out of date.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import inspect
import operator
import pathlib
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import flambeau
from flambeau.runtime.operator import Operator
from flambeau.runtime.tensor import Tensor

PACKAGE = pathlib.Path(__file__).resolve().parents[1] / "packages/core/src/flambeau"
WIDTH = 100
NOTE = "Written by tools/stubs.py from the registry: change the operators, then run it again."

# How annotations of rules read to a caller: metas stand for tensors, sizes may come in a list.
RENAMED = {
    "Meta": "Tensor",
    "dtypes.dtype": "dtype",
    "Device": "device",
    "dict": "dict[str, Any]",
    "tape.Handle": "Handle",
    "tuple": "tuple[Any, ...]",
    "torch.Tensor": "Tensor",
}
BUILTINS = {name for name in vars(builtins) if name.islower()}
# Python's operators take NumPy's arrays and numbers too (methods.signs).
OPERAND = "Tensor | complex | np.ndarray | np.generic"


class Annotations(ast.NodeTransformer):
    """Rewrites an annotation for a stub in which some builtins' names mean something else (`shadowed`)."""

    def __init__(self, shadowed: set[str], parameter: bool) -> None:
        self.shadowed, self.parameter = shadowed, parameter

    def rewrite(self, text: str) -> str:
        return ast.unparse(self.visit(ast.parse(text, mode="eval")))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._named(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._named(ast.unparse(node), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        sizes = self.parameter and ast.unparse(node) == "tuple[int, ...]"
        inner = self.visit(node.slice)
        if sizes:
            return ast.Subscript(ast.Name("Sequence"), inner.elts[0])
        head = node.value if isinstance(node.value, ast.Name) else self.visit(node.value)
        return ast.Subscript(head, inner)

    def _named(self, name: str, node: ast.expr) -> ast.expr:
        name = RENAMED.get(name, name)
        if name in BUILTINS and name in self.shadowed:
            return ast.Name(f"_{name}")
        return ast.parse(name, mode="eval").body


def said(note: Any, shadowed: set[str], parameter: bool = True) -> str:
    """The annotation as the stub spells it."""
    return Annotations(shadowed, parameter).rewrite(note if isinstance(note, str) else "Any")


# -- signatures --------------------------------------------------------------------------------------------------------

KIND = inspect.Parameter


def default_of(value: Any) -> str:
    """A default as it may stand in a stub."""
    plain = value is None or value == () or isinstance(value, (bool, int, str))
    finite = isinstance(value, float) and abs(value) != float("inf") and value == value
    return repr(value) if plain or finite else "..."


def parameter(one: KIND, note: str) -> str:
    """`name: note = default`."""
    stars = {KIND.VAR_POSITIONAL: "*", KIND.VAR_KEYWORD: "**"}.get(one.kind, "")
    given = "" if one.default is KIND.empty else f" = {default_of(one.default)}"
    return f"{stars}{one.name}: {note}{given}"


def parameters(signature: inspect.Signature, notes: dict[str, str]) -> list[str]:
    """The parameters, with the bare star where only keywords follow."""
    found = []
    starred = False
    for one in signature.parameters.values():
        if one.kind is KIND.KEYWORD_ONLY and not starred:
            found.append("*")
        starred = starred or one.kind in (KIND.KEYWORD_ONLY, KIND.VAR_POSITIONAL)
        found.append(parameter(one, notes[one.name]))
    return found


def operator_notes(
    op: Operator, signature: inspect.Signature, shadowed: set[str]
) -> dict[str, str]:
    """The annotation of each parameter: arrays are tensors, and numbers too where the operator broadcasts."""
    arrays = {op.params[i] for i in op.arrays}
    broadcasts = op.family == "elementwise" and len(arrays) > 1
    notes = {}
    for name, one in signature.parameters.items():
        if one.annotation is KIND.empty:
            number = f" | {said('complex', shadowed)}" if broadcasts else ""
            notes[name] = f"Tensor{number}" if name in arrays else "Any"
        else:
            notes[name] = said(one.annotation, shadowed)
    return notes


def result_of(op: Operator, shadowed: set[str]) -> str:
    """What a call of the operator gives."""
    if op.outputs:
        return named(op)
    note = op.body.__annotations__.get("return")
    return "Tensor" if note is None else said(note, shadowed, parameter=False)


def named(op: Operator) -> str:
    """The name of an operator's tuple of results."""
    return f"{op.name.title().replace('_', '')}Result"


def forms(op: Operator, shadowed: set[str]) -> Iterator[tuple[list[str], str]]:
    """(parameters, result) of each way to call an operator: loose sizes, `x.permute(1, 0)`, are a second way."""
    signature = inspect.signature(op.body)
    notes = operator_notes(op, signature, shadowed)
    result = result_of(op, shadowed)
    loose = op.params[op.star] if op.star is not None else None
    integer = said("int", shadowed)
    for name, one in signature.parameters.items():
        if one.kind is KIND.VAR_POSITIONAL and one.annotation == "int":
            notes[name] = f"{integer} | Sequence[{integer}]"
    if (
        op.outputs
        and op.family == "composite"
        and signature.parameters.get("dim", KIND).default is None
    ):
        yield from reduced_forms(signature, notes, integer, result)
        return
    yield parameters(signature, notes), result
    if loose is not None and op.star == op.positional - 1:
        before = list(signature.parameters.values())[: op.star]
        yield [*(parameter(one, notes[one.name]) for one in before), f"*{loose}: {integer}"], result


def reduced_forms(
    signature: inspect.Signature, notes: dict[str, str], integer: str, result: str
) -> Iterator[tuple[list[str], str]]:
    """Of `max` and its like: one number of all elements; values and indices along `dim`; of two tensors one."""
    first, *rest = signature.parameters.values()
    with_dim = signature.replace(
        parameters=[first, *(p.replace(default=KIND.empty) if p.name == "dim" else p for p in rest)]
    )
    yield [parameter(first, notes[first.name])], "Tensor"
    yield parameters(with_dim, notes | {"dim": integer}), result
    if "Tensor" in notes["dim"]:
        yield [parameter(first, notes[first.name]), "other: Tensor"], "Tensor"


# -- text --------------------------------------------------------------------------------------------------------------


def function(
    name: str,
    params: list[str],
    result: str,
    indent: str = "",
    doc: str | None = None,
    mark: str = "",
) -> str:
    """One `def` of a stub, in one line if it fits, with the first line of its documentation for editors."""
    body = " ..." if not doc else f"\n{indent}    {doc_line(doc)}"
    line = f"{indent}def {name}({', '.join(params)}) -> {result}:"
    if len(line) + 4 > WIDTH:
        inside = "".join(f"{indent}    {one},\n" for one in params)
        if params and params[-1].startswith("**"):
            inside = inside[:-2] + "\n"
        line = f"{indent}def {name}(\n{inside}{indent}) -> {result}:"
    if mark:
        line += f"  {mark}"
        body = f"\n{indent}    ..." if not doc else body
    return f"{line}{body}\n"


def doc_line(doc: str) -> str:
    first = doc.strip().splitlines()[0].replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{first}{" " if first.endswith(chr(34)) else ""}"""'


def overloads(name: str, found: list[tuple[list[str], str]], indent: str, doc: str) -> str:
    if len(found) == 1:
        return function(name, *found[0], indent, doc)
    return "".join(f"{indent}@overload\n" + function(name, *form, indent, doc) for form in found)


def joined(members: list[str]) -> str:
    """Definitions, then the names that are other spellings of them."""
    return (
        "\n".join(m for m in members if "def " in m)
        + "\n"
        + "".join(sorted((m for m in members if "def " not in m), key=lambda m: (" = " in m, m)))
    )


def aliases(shadowed: set[str], text: str) -> str:
    """Builtins under another name, where a method or function has theirs."""
    used = [n for n in sorted(shadowed & BUILTINS) if f"_{n}" in words(text)]
    return "".join(f"from builtins import {n} as _{n}\n" for n in used)


def words(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


# -- Tensor's methods --------------------------------------------------------------------------------------------------


class _Plain:
    """What Python itself puts into every class, which grows from version to version."""

    attribute: int


def own_names() -> set[str]:
    """What the text of the class itself defines, which a checker sees there."""
    tree = ast.parse((PACKAGE / "runtime/tensor.py").read_text())
    (body,) = (n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Tensor")
    names = {n.name for n in body if isinstance(n, ast.FunctionDef)}
    for n in body:
        if isinstance(n, (ast.Assign, ast.AnnAssign)):
            targets = n.targets if isinstance(n, ast.Assign) else [n.target]
            names |= {t.id for t in targets if isinstance(t, ast.Name)}
    return names | set(vars(_Plain))


def tensor_stub() -> str:
    """The text of runtime/attached.pyi."""
    mine = own_names()
    attached = {n: v for n, v in vars(Tensor).items() if n not in mine}
    shadowed = {n for n in attached if not n.startswith("_")}
    outputs: dict[str, Operator] = {}
    members = []
    for name, value in sorted(
        attached.items(), key=lambda item: (item[0].startswith("_"), item[0])
    ):
        members.append(member(name, value, shadowed))
    for value in (*attached.values(), *(getattr(flambeau, name) for name in shown())):
        op = getattr(value, "op", None)
        if isinstance(op, Operator) and op.outputs:
            outputs[named(op)] = op
    body = joined(members)
    tuples = "".join(
        f"class {name}(NamedTuple):\n"
        + "".join(
            f"    {field}: {op.tags.get('kinds', {}).get(field, 'Tensor')}\n"
            for field in op.outputs
        )
        + "\n\n"
        for name, op in sorted(outputs.items())
    )
    return (
        f'"""The base of Tensor in the eyes of a type checker: its methods. {NOTE}"""\n\n'
        f"{aliases(shadowed, 'class A:' + chr(10) + body)}"
        "from collections.abc import Callable, Iterator, Sequence\n"
        "from typing import Any, NamedTuple, Self, SupportsIndex, overload\n\n"
        "import numpy as np\n\n"
        "from .._base.devices import device\n"
        "from .._base.dtypes import dtype\n"
        "from .tape import Handle\n"
        "from .tensor import Tensor\n\n"
        f"{tuples}class Attached:\n{body}"
    )


def member(name: str, value: Any, shadowed: set[str]) -> str:
    """One method, property or constant of Tensor."""
    indent = "    "
    op = getattr(value, "op", None)
    canonical = getattr(value, "__name__", name)
    if not name.startswith("__") and canonical != name and vars(Tensor).get(canonical) is value:
        return f"{indent}{name} = {canonical}\n"
    if is_binary(name):
        mark = "# type: ignore[override]" if name in ("__eq__", "__ne__") else ""
        note = "object" if mark else said(OPERAND, shadowed)
        return function(name, ["self", f"other: {note}"], "Tensor", indent, mark=mark)
    if op is not None:
        return overloads(name, [as_method(f) for f in forms(op, shadowed)], indent, op.doc)
    twin = getattr(vars(Tensor).get(name.removesuffix("_")), "op", None)
    if twin is not None and canonical == twin.name + "_":
        found = [(as_method(f)[0], "Self") for f in forms(twin, shadowed)]
        return overloads(name, found, indent, value.__doc__)
    if isinstance(value, property):
        return attribute(name, value, shadowed)
    if isinstance(value, FunctionType):
        params, result = plain(value, shadowed, bound=True)
        if name.endswith("_") and not name.startswith("_") and result == "Tensor":
            result = "Self"  # written in place: a Parameter stays one
        return function(name, params, result, indent, value.__doc__)
    kind = "None" if value is None else value.__class__.__name__
    if kind == name:  # Tensor.layout is a layout, and hides the class of that name
        kind = "Any"
    return f"{indent}{name}: {said(kind, shadowed)}\n"


def is_binary(name: str) -> bool:
    """Whether this is one of Python's operators with two operands, reflected and augmented ones included."""
    base = name.strip("_") if name.startswith("__") else ""
    names = (base, *((base[1:],) if base[:1] in ("r", "i") else ()))
    return any(n in BINARY for n in names)


BINARY = {
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "eq",
    "ne",
} | {n for n in ("lt", "le", "gt", "ge", "lshift", "rshift") if hasattr(operator, n)}


def as_method(form: tuple[list[str], str]) -> tuple[list[str], str]:
    """The first parameter is self."""
    return ["self", *form[0][1:]], form[1]


def attribute(name: str, value: property, shadowed: set[str]) -> str:
    note = said(value.fget.__annotations__.get("return"), shadowed, parameter=False)
    text = "    @property\n" + function(name, ["self"], note, "    ", value.__doc__)
    if value.fset is not None:
        text += f"    @{name}.setter\n" + function(name, ["self", f"value: {note}"], "None", "    ")
    return text


def plain(
    value: Callable[..., Any], shadowed: set[str], bound: bool = False
) -> tuple[list[str], str]:
    """(parameters, result) of a function as its own text annotates it."""
    signature = inspect.signature(value)
    notes = {n: said(p.annotation, shadowed) for n, p in signature.parameters.items()}
    found = parameters(signature, notes)
    result = said(signature.return_annotation, shadowed, parameter=False)
    return (["self", *found[1:]] if bound else found), result


# -- flambeau's own names ----------------------------------------------------------------------------------------------


def module_stub() -> str:
    """The text of flambeau/__init__.pyi."""
    names = {name: getattr(flambeau, name) for name in shown()}
    shadowed = set(names)
    imports: list[str] = []
    modules: list[str] = []
    members: list[str] = []
    constants: list[str] = []
    for name, value in names.items():
        home = getattr(value, "__module__", None)
        if isinstance(value, ModuleType):
            modules.append(f"from . import {name} as {name}\n")
        elif hasattr(value, "op"):
            members.append(public_operator(name, value, shadowed))
        elif isinstance(value, flambeau.dtype):
            constants.append(f"{name}: dtype\n")
        elif callable(value) and home == "flambeau":
            members.append(function(name, *plain(value, shadowed), doc=value.__doc__))
        elif callable(value):
            where = home.removeprefix("flambeau")
            imports.append(f"from {where} import {value.__name__} as {name}\n")
        else:
            kind = "None" if value is None else type(value).__name__
            constants.append(f"{name}: {said(kind, shadowed)}\n")
    body = joined(members)
    results = sorted(w for w in words(body) if w.endswith("Result"))
    attached = f"from .runtime.attached import {', '.join(results)}\n" if results else ""
    return (
        f'"""What flambeau shows, for type checkers and editors. {NOTE}"""\n\n'
        f"{aliases(shadowed, body + ''.join(constants))}"
        "from collections.abc import Callable, Sequence\n"
        "from typing import Any, overload\n\n"
        f"{''.join(sorted(modules))}{''.join(sorted(imports))}{attached}\n"
        f"__version__: str\n{''.join(constants)}\n{body}"
    )


def shown() -> list[str]:
    """The names at the top, without the modules that merely happen to be imported."""
    names = {name for name in dir(flambeau) if not name.startswith("_")} - {"annotations", "Any"}
    return sorted(
        name
        for name in names
        if name in flambeau._SUBMODULES or f"flambeau.{name}" not in sys.modules
    )


def public_operator(name: str, value: Any, shadowed: set[str]) -> str:
    """An operator as a function; other spellings of one are assignments."""
    op: Operator = value.op
    if op.name != name and getattr(getattr(flambeau, op.name, None), "op", None) is op:
        return f"{name} = {op.name}\n"
    out = "out: Tensor | None = None"
    found = []
    for params, result in forms(op, shadowed):
        taken = any(p.startswith("out:") for p in params)
        if result == "Tensor" and not taken and not any(p.startswith("**") for p in params):
            bare = any(p.startswith("*") for p in params)
            params = [*params, *([] if bare else ["*"]), out]
        found.append((params, result))
    return overloads(name, found, "", op.doc)


# -- the tool ----------------------------------------------------------------------------------------------------------


def stubs() -> dict[pathlib.Path, str]:
    """The stubs' texts by file."""
    return {
        PACKAGE / "runtime/attached.pyi": tensor_stub(),
        PACKAGE / "__init__.pyi": module_stub(),
    }


def outdated() -> list[pathlib.Path]:
    """The stubs that differ from what would be written."""
    return [file for file, text in stubs().items() if not file.exists() or file.read_text() != text]


def main() -> None:
    """Writes the stubs, or says which are out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a stub is out of date"
    )
    if parser.parse_args().check:
        if stale := outdated():
            names = ", ".join(str(file.relative_to(PACKAGE.parent)) for file in stale)
            sys.exit(f"out of date: {names}; run python tools/stubs.py")
    else:
        for file, text in stubs().items():
            file.write_text(text)


if __name__ == "__main__":
    main()
