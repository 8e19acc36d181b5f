"""Steps of optimizers: twenty tiny parameters, where calls count, and one large, where memory counts."""

from __future__ import annotations

from typing import Any

TITLE = "Optimizer steps"
TEXT = (
    "Twenty parameters of 4 × 4, and one of a million elements. PyTorch chooses its implementation itself; on "
    "large parameters it uses both cores, flambeau one."
)


def step_of(name: str, shapes: list[tuple[int, ...]], **options: Any) -> Any:
    def make(lib: Any) -> Any:
        params = [lib.zeros(shape, requires_grad=True) for shape in shapes]
        for p in params:
            p.grad = lib.ones(tuple(p.shape))
        return getattr(lib.optim, name)(params, lr=0.01, **options).step

    return make


TINY, LARGE = [(4, 4)] * 20, [(1000, 1000)]
CASES = {
    "SGD, 20 tiny": (step_of("SGD", TINY), 1.0),
    "SGD with momentum, 20 tiny": (step_of("SGD", TINY, momentum=0.9), 1.0),
    "Adam, 20 tiny": (step_of("Adam", TINY), 1.0),
    "AdamW, 20 tiny": (step_of("AdamW", TINY), 1.0),
    "SGD with momentum, a million": (step_of("SGD", LARGE, momentum=0.9), None),
    "Adam, a million": (step_of("Adam", LARGE), None),
}
