"""A pole learns to stand: policy gradients with a baseline (REINFORCE, Williams 1992) on the cart-pole.

    python examples/pole.py --curve pole.svg

The environment is here: Barto, Sutton and Anderson's equations (1983), many carts at once.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from shared import save_curves

import flambeau
from flambeau import nn

GRAVITY, CART, POLE, HALF, PUSH, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
LONGEST = 500


def start(carts: int):
    """Position, speed, angle and its speed of each cart, all near nothing."""
    return flambeau.rand(carts, 4) * 0.1 - 0.05


def advance(state, right):
    """The state 20 ms later, when each cart is pushed to the right or to the left."""
    _, speed, angle, spin = state.unbind(dim=1)
    force = (right * 2 - 1) * PUSH
    total = CART + POLE
    pushed = (force + POLE * HALF * spin.square() * angle.sin()) / total
    turning = (GRAVITY * angle.sin() - angle.cos() * pushed) / (
        HALF * (4 / 3 - POLE * angle.cos().square() / total)
    )
    moving = pushed - POLE * HALF * turning * angle.cos() / total
    changes = flambeau.stack([speed, moving, spin, turning], dim=1)
    return state + SECONDS * changes


def stands(state):
    """Whether each cart is on the track and its pole within 12 degrees of upright."""
    return (state[:, 0].abs() < 2.4) & (state[:, 2].abs() < math.radians(12))


def play(policy: nn.Module, carts: int):
    """Episodes side by side: states, pushes, and which carts stood, each `(time, carts)`."""
    state, alive = start(carts), flambeau.ones(carts, dtype=flambeau.bool)
    states, pushes, standing = [], [], []
    with flambeau.no_grad():
        while alive.any() and len(states) < LONGEST:
            right = flambeau.bernoulli(policy(state).sigmoid()[:, 0])
            states.append(state)
            pushes.append(right)
            standing.append(alive)
            state = advance(state, right)
            alive = alive & stands(state)
    return flambeau.stack(states), flambeau.stack(pushes), flambeau.stack(standing)


def returns_of(standing, discount: float):
    """What each moment was worth: the discounted sum of the moments that followed."""
    worth, after = [], flambeau.zeros(standing.shape[1])
    for alive in standing.flip(0):
        after = alive.float() * (1 + discount * after)
        worth.append(after)
    return flambeau.stack(worth).flip(0)


def main(arguments: Sequence[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=80)
    parser.add_argument("--carts", type=int, default=16)
    parser.add_argument("--lr", type=float, default=2e-2)
    parser.add_argument("--discount", type=float, default=0.98)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--curve", help="picture of how long poles stood, such as pole.svg")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    policy = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = flambeau.optim.Adam(policy.parameters(), lr=options.lr)
    curve = []
    for update in range(1, options.updates + 1):
        states, pushes, standing = play(policy, options.carts)
        worth = returns_of(standing, options.discount)
        # What other carts got at the same moment is the baseline.
        advantage = (worth - worth.mean(dim=1, keepdim=True))[standing]
        advantage = advantage / (advantage.std() + 1e-6)
        logits = policy(states[standing])[:, 0]
        chosen = nn.functional.binary_cross_entropy_with_logits(
            logits, pushes[standing], reduction="none"
        )
        optimizer.zero_grad()
        (chosen * advantage).mean().backward()
        optimizer.step()
        curve.append(standing.sum().item() / options.carts)
        if update % max(options.updates // 8, 1) == 0:
            print(f"update {update:3}  a pole stands for {curve[-1]:.1f} of {LONGEST} steps")
    if options.curve:
        save_curves(options.curve, {"steps that a pole stands": curve}, "update")
    return sum(curve[-5:]) / len(curve[-5:])


if __name__ == "__main__":
    main()
