"""What a node keeps, as its attributes show it: `_saved_self`, `_raw_saved_result` and their like, PyTorch's names.

Looked at by debuggers and by those who count the memory a graph holds; the engine itself does not come here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import tape
from .tensor import Tensor


class SavedTensor:
    """One kept tensor: shows nothing of itself, but may be given a pair of hooks."""

    def __init__(self, node: tape.Node, place: int | None) -> None:
        self._node, self._place = node, place  # place None: the result

    def register_hooks(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        """Packs the tensor now, and unpacks it when backward asks for it."""
        node, i = self._node, self._place
        kept = node.out[0][0] if i is None else node.saved[i]
        if type(kept) is tape.Packed:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of "
                "hooks is allowed at a time."
            )
        packed = tape.Packed(kept, pack_hook, unpack_hook)
        node.simple = False
        if i is None:
            node.out = ((packed, *node.out[0][1:]), *node.out[1:])
        else:
            node.saved = (*node.saved[:i], packed, *node.saved[i + 1 :])


def listed(node: tape.Node) -> list[str]:
    """`dir(node)`, which names what it keeps and not what other kinds of nodes keep: drawers of graphs show all of it."""

    def there(name: str) -> bool:
        try:
            return not name.startswith(("_saved_", "_raw_saved_")) or hasattr(node, name)
        except RuntimeError:  # freed: it is of this node
            return True

    return [name for name in object.__dir__(node) if there(name)]


def saved_attribute(node: tape.Node, name: str) -> Any:
    """The value of `_saved_<parameter>` or `_raw_saved_<parameter>`."""
    raw = name.startswith("_raw")
    what = name.removeprefix("_raw").removeprefix("_saved_")
    if what == "result" and node.out is not None:
        if raw:
            return SavedTensor(node, None)
        found = tape.unpack_result(node)
        return tuple(found) if isinstance(found, tape.Results) else found
    if what == "result" and node.saved is tape.FREED:
        tape.unpack(node)
    params = [node.op.params[i] for i in getattr(node.op, "arrays", ())]
    wanted = "input" if what == "self" else what
    if wanted in params:
        if node.saved is tape.FREED:
            tape.unpack(node)
        place = params.index(wanted)
        if place < len(node.saved) and isinstance(node.saved[place], (Tensor, tape.Packed)):
            return SavedTensor(node, place) if raw else tape.unpack(node)[place]
        if (
            not raw
            and place < len(node.saved)
            and isinstance(node.saved[place], (int, float, complex))
        ):
            return node.saved[place]
    if not raw and what in node.attrs:
        return node.attrs[what]
    raise AttributeError(f"'{node.name()}' object has no attribute '{name}'")
