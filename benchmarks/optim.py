"""Steps of optimizers beside those of `eager`: tiny parameters, where calls count, and large, where memory counts."""

from __future__ import annotations

from eager import TINY
from harness import Bar, Case
from small import optimizer_step

TITLE = "Optimizer steps"
TEXT = (
    "Twenty parameters of 4 × 4, one of a million elements, and those of a ResNet-18. PyTorch chooses its "
    "implementation itself."
)
# Not in the issue: that no step is slower is what earlier work was held to.
BARS = [Bar(least=0.9)]

MILLION = (1000, 1000)
RESNET = [(64, 3, 7, 7), *[(64, 64, 3, 3)] * 4, (128, 64, 3, 3), *[(128, 128, 3, 3)] * 3]
RESNET += [(256, 128, 3, 3), *[(256, 256, 3, 3)] * 3, (512, 256, 3, 3), *[(512, 512, 3, 3)] * 3]
RESNET += [(width,) for width in (64, 128, 256, 512) for _ in range(10)]
TENSOR = 4e6  # bytes of a million floats

CASES = {
    "momentum_20_params": Case(optimizer_step("SGD", *TINY, momentum=0.9), least=1.0),
    "adamw_20_params": Case(optimizer_step("AdamW", *TINY), least=1.0),
    "sgd_million": Case(optimizer_step("SGD", MILLION), read=2 * TENSOR, written=TENSOR),
    "momentum_million": Case(
        optimizer_step("SGD", MILLION, momentum=0.9), read=3 * TENSOR, written=2 * TENSOR
    ),
    "adam_million": Case(optimizer_step("Adam", MILLION), read=4 * TENSOR, written=3 * TENSOR),
    "adamw_resnet18": Case(
        optimizer_step("AdamW", *RESNET), read=4 * 11.2 * TENSOR, written=3 * 11.2 * TENSOR
    ),
}
HELD_OUT = {
    "rmsprop_20_params": Case(optimizer_step("RMSprop", *TINY)),
    "adagrad_million": Case(optimizer_step("Adagrad", MILLION)),
    "nesterov_9_params_77x33": Case(
        optimizer_step("SGD", *[(77, 33)] * 9, momentum=0.9, nesterov=True, weight_decay=0.01)
    ),
    "adam_amsgrad_300x301": Case(optimizer_step("Adam", (300, 301), amsgrad=True)),
}
