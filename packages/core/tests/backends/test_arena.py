"""The memory of a recorded program: its plan from lifetimes, and what is given back."""

from __future__ import annotations

import random

import numpy as np
import pytest

from flambeau.backends import cpu
from flambeau.backends.cpu.native import address

pytestmark = pytest.mark.skipif(not cpu.available(), reason="no C compiler on this machine")


def recorded(seed, blocks=60):
    """An arena in which arrays came and went; by number of a block, when it was made and given back."""
    from flambeau.backends.cpu.arena import Arena

    draw, arena, lives, lasted = random.Random(seed), Arena(), {}, {}
    with arena:
        for time in range(blocks):
            made = np.empty(draw.choice([1, 64, 100, 5000, 70_000]), np.uint8)
            number, _ = arena.find(address(made))
            lives[number], lasted[number] = made, [time, None]
            del made
            while lives and draw.random() < 0.45:
                gone = draw.choice(list(lives))
                del lives[gone]
                lasted[gone][1] = time
        for gone in lives:
            lasted[gone][1] = blocks
        lives.clear()
    return arena, lasted


@pytest.mark.parametrize("seed", range(8))
def test_blocks_that_live_at_once_lie_apart(seed):
    arena, lasted = recorded(seed)
    numbers = sorted(random.Random(seed).sample(sorted(lasted), 45))
    before = arena.size
    least = arena.lay(numbers)
    places = {n: arena.block(n) for n in numbers}
    for i in numbers:
        for j in numbers:
            if i < j <= lasted[i][1] and lasted[j][0] <= lasted[i][1]:
                (a, m), (b, n) = places[i], places[j]
                assert a + m <= b or b + n <= a
    most = max(
        sum(places[n][1] for n in numbers if lasted[n][0] <= t <= lasted[n][1])
        for t in range(len(lasted))
    )
    assert least == most <= arena.size <= before
    assert arena.size <= 1.25 * least


@pytest.mark.parametrize("seed", range(8))
def test_blocks_made_over_others_lie_where_these_lay(seed):
    arena, lasted = recorded(seed)
    numbers = sorted(random.Random(seed).sample(sorted(lasted), 45))
    over, taken = {}, set()
    for n in numbers:  # one that ends as this begins, and is as large
        ends = [m for m in numbers if m < n <= lasted[m][1] and m not in taken]
        ends = [m for m in ends if arena.block(m)[1] >= arena.block(n)[1]]
        if ends:
            over[n] = ends[0]
            taken.add(ends[0])
            lasted[ends[0]][1] = n
    assert len(over) > 5
    arena.lay(numbers, over)
    places = {n: arena.block(n) for n in numbers}
    for n, m in over.items():
        assert places[n][0] == places[m][0]
    for i in numbers:
        for j in numbers:
            if i < j <= lasted[i][1] and lasted[j][0] <= lasted[i][1] and over.get(j) != i:
                (a, m), (b, n) = places[i], places[j]
                assert a + m <= b or b + n <= a


def test_what_somebody_holds_stays_where_it_is():
    from flambeau.backends.cpu.arena import Arena

    arena = Arena()
    with arena:
        first = np.zeros(10_000, np.uint8)
        held = np.full(1000, 7, np.uint8)
        del first
        later = [np.zeros(3000, np.uint8) for _ in range(4)]
        numbers = [arena.find(address(x))[0] for x in later]
        kept = arena.find(address(held))
        later.clear()
    arena.lay([*numbers, kept[0]])
    start, size = arena.block(kept[0])
    assert start + arena.base == kept[1] == address(held) and (held == 7).all()
    for n in numbers:
        begin, bytes_ = arena.block(n)
        assert begin + bytes_ <= start or start + size <= begin


def test_results_leave_the_arena_whole_and_their_pages_go():
    from flambeau.backends.cpu.arena import Arena

    arena = Arena()
    with arena:
        gone = np.ones(3 << 20, np.uint8)
        x = np.arange(1_234_567, dtype=np.int32)
        del gone
    arena.trim()
    assert (arena.bytes(0) == 0).all() and (x == np.arange(1_234_567)).all()
    made = np.empty(x.shape, x.dtype)
    arena.move(arena.find(address(x))[0], made)
    assert (made == np.arange(1_234_567)).all() and not x[5000:-5000].any()
