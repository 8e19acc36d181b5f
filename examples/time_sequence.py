"""Sine waves continued by two LSTM cells that saw only their beginnings.

    python examples/time_sequence.py --out waves.svg

Trained by L-BFGS on the next value; then it runs on from its own predictions.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from shared import save_curves

import flambeau
from flambeau import nn


class Forecaster(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.first = nn.LSTMCell(1, width)
        self.second = nn.LSTMCell(width, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x, future: int = 0):
        """The next value after each of `x` `(waves, time)`, then `future` more from these."""
        a = b = (x.new_zeros(len(x), self.width), x.new_zeros(len(x), self.width))
        outputs = []
        for step in range(x.shape[1] + future):
            value = x[:, step : step + 1] if step < x.shape[1] else outputs[-1]
            a = self.first(value, a)
            b = self.second(a[0], b)
            outputs.append(self.out(b[0]))
        return flambeau.cat(outputs, dim=1)


def main(arguments: Sequence[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waves", type=int, default=24)
    parser.add_argument("--length", type=int, default=80)
    parser.add_argument("--future", type=int, default=120)
    parser.add_argument("--steps", type=int, default=12, help="each of up to 20 evaluations")
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="picture of a wave and its continuation, such as waves.svg")
    parser.add_argument("--curve", help="picture of the losses, such as loss.svg")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    time = flambeau.arange(options.length + options.future + 1, dtype=flambeau.float64)
    shifts = flambeau.rand(options.waves, 1, dtype=flambeau.float64) * 2 * math.pi
    waves = (time * (2 * math.pi / 40) + shifts).sin()
    train, held_out = waves[3:, : options.length + 1], waves[:3]
    model = Forecaster(options.width).double()
    criterion = nn.MSELoss()
    optimizer = flambeau.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    curve: list[float] = []

    def closure():
        optimizer.zero_grad()
        # The last quarter from its own predictions, so that it learns not to be led astray by them.
        seen = options.length * 3 // 4
        loss = criterion(model(train[:, :seen], options.length - seen), train[:, 1:])
        loss.backward()
        curve.append(loss.item())
        return loss

    for step in range(1, options.steps + 1):
        optimizer.step(closure)
        with flambeau.no_grad():
            predicted = model(held_out[:, : options.length], options.future)
        error = criterion(predicted[:, options.length - 1 : -1], held_out[:, options.length : -1])
        print(f"step {step:2}  loss {curve[-1]:.6f}  continued {error.item():.5f}")
    if options.curve:
        save_curves(
            options.curve, {"log10 of the loss": [math.log10(x) for x in curve]}, "evaluation"
        )
    if options.out:
        lines = {"wave": held_out[0, 1:].tolist(), "predicted": predicted[0, :-1].tolist()}
        save_curves(options.out, lines)
    return error.item()


if __name__ == "__main__":
    main()
