"""What nodes of the graph show of themselves."""

from __future__ import annotations

import flambeau


def test_dir_of_a_node_names_what_it_keeps():
    x = flambeau.ones(2, requires_grad=True)
    for node, kept in (
        ((x * x).grad_fn, {"_saved_self", "_saved_other"}),
        (x.exp().grad_fn, {"_saved_result"}),
        (x.sum().grad_fn, set()),
    ):
        shown = {name for name in dir(node) if name.startswith("_saved_")}
        assert kept <= shown and {"name", "next_functions"} <= set(dir(node))
        for name in shown:
            getattr(node, name)
