"""Connectionist temporal classification: the loss of a sequence of labels that is not aligned with the time steps.

A. Graves and others, Connectionist Temporal Classification (2006). The labels with blanks between them are the states of
a lattice; `alpha` is the log-probability of all ways to a state, `beta` of all ways from it. Both take one pass over the
time steps for the whole batch, and memory for steps times states.
"""

from __future__ import annotations

from typing import Any

from .._base.checks import check
from .._base.dtypes import int64
from ..runtime.families import composite, primitive
from ..runtime.meta import Meta
from ..runtime.tensor import Tensor
from .comparison import where
from .creation import arange, full_like, one_hot, tensor, zeros, zeros_like
from .elementary import logaddexp
from .joining import cat, stack
from .loss import reduce
from .matrix import matmul

LOW = -1e30  # stands for minus infinity where derivatives of derivatives must stay finite


# -- the lattice on arrays ---------------------------------------------------------------------------


def _states(xp, targets, target_lengths, blank):
    """The labels with blanks around each (N, 2S + 1), and to which of them one may skip the blank before it."""
    n, count = targets.shape
    states = xp.full((n, 2 * count + 1), blank, dtype="i8")
    inside = xp.arange(count) < target_lengths[:, None]
    states[:, 1::2] = xp.where(inside, targets, blank)
    skip = xp.zeros(states.shape, bool)
    skip[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    return states, skip


def _emissions(xp, logs, states):
    """The log-probability of each state at each step, in float64: sums of thousands of logarithms lose digits."""
    index = xp.broadcast_to(states, (len(logs), *states.shape))
    return xp.take_along_axis(logs, index, 2).astype("f8")


def _advance(xp, ways, skip):
    """One step: to stay, to come from the state before, or to skip a blank."""
    out = ways.copy()
    out[:, 1:] = xp.logaddexp(out[:, 1:], ways[:, :-1])
    far = xp.where(skip[:, 2:], ways[:, :-2], -xp.inf)
    out[:, 2:] = xp.logaddexp(out[:, 2:], far)
    return out


def _alphas(xp, emit, skip, target_lengths):
    alpha = xp.full(emit.shape, -xp.inf)
    if not len(emit):
        return alpha
    alpha[0, :, 0] = emit[0, :, 0]
    if emit.shape[2] > 1:
        alpha[0, :, 1] = xp.where(target_lengths > 0, emit[0, :, 1], -xp.inf)
    for t in range(1, len(emit)):
        alpha[t] = _advance(xp, alpha[t - 1], skip) + emit[t]
    return alpha


def _last_states(xp, states, target_lengths):
    """Where a way may end: on the last label or the blank behind it."""
    at, end = xp.arange(states.shape[1]), 2 * target_lengths[:, None]
    return (at == end) | ((at == end - 1) & (end > 0))


def _betas(xp, emit, skip, last, input_lengths):
    """From the end: the same lattice read backwards, begun at each sample's own last step."""
    beta = xp.full(emit.shape, -xp.inf)
    back = xp.zeros_like(skip)  # a skip leaves the state two before the one that it reaches
    back[:, 2:] = skip[:, ::-1][:, :-2]
    for t in range(len(emit) - 1, -1, -1):
        start = xp.where(last, emit[t], -xp.inf)
        begins = (input_lengths == t + 1)[:, None]
        if t + 1 < len(emit):
            on = _advance(xp, beta[t + 1][:, ::-1], back)[:, ::-1] + emit[t]
            running = (input_lengths > t + 1)[:, None]
            beta[t] = xp.where(begins, start, xp.where(running, on, -xp.inf))
        else:
            beta[t] = xp.where(begins, start, -xp.inf)
    return beta


def _negative_log(xp, alpha, last, input_lengths, target_lengths):
    """Minus the log-probability of all ways, of each sample."""
    empty = xp.where(target_lengths > 0, xp.inf, 0.0)
    if not len(alpha):
        return empty
    n = len(input_lengths)
    ends = alpha[xp.maximum(input_lengths - 1, 0), xp.arange(n)]
    total = xp.logaddexp.reduce(xp.where(last, ends, -xp.inf), axis=1)
    return xp.where(input_lengths > 0, -total, empty)


@primitive(method=False)
def ctc(
    log_probs: Meta,
    targets: Meta,
    input_lengths: Meta,
    target_lengths: Meta,
    blank: int,
    zero_infinity: bool = False,
):
    """Minus the log-likelihood (N) of targets (N, S) under log-probabilities (T, N, C).

    Its gradient is PyTorch's: that of `log_softmax(log_probs)`, exp(log_probs) minus the probability of each class given
    the target. Through a log_softmax both are the same; where `log_probs` are not normalised they differ.

    >>> import flambeau
    >>> logs = flambeau.zeros(2, 1, 2).log_softmax(2)
    >>> one = flambeau.tensor([1])
    >>> flambeau.ops.ctc.ctc(logs, one.reshape(1, 1), one * 2, one, 0)
    tensor([0.2877])
    """
    return log_probs.like((log_probs.shape[1],))


@ctc.kernel
def _(xp, logs, targets, input_lengths, target_lengths, *, blank, zero_infinity):
    states, skip = _states(xp, targets, target_lengths, blank)
    emit = _emissions(xp, logs, states)
    alpha = _alphas(xp, emit, skip, target_lengths)
    last = _last_states(xp, states, target_lengths)
    made = _negative_log(xp, alpha, last, input_lengths, target_lengths)
    if zero_infinity:
        made = xp.where(made == xp.inf, 0.0, made)
    return made.astype(logs.dtype)


@ctc.vjp
def _(g, _out, log_probs, targets, input_lengths, target_lengths, *, blank, zero_infinity):
    def gradient() -> Tensor:
        slope = ctc_slope(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)
        return slope * g.reshape(1, -1, 1)

    return gradient, None, None, None


@ctc.jvp
def _(tangents, _out, log_probs, targets, input_lengths, target_lengths, *, blank, zero_infinity):
    slope = ctc_slope(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)
    return (slope * tangents[0]).sum((0, 2))


@primitive(method=False)
def ctc_slope(
    log_probs: Meta,
    targets: Meta,
    input_lengths: Meta,
    target_lengths: Meta,
    blank: int,
    zero_infinity: bool = False,
):
    """The derivative (T, N, C) of `ctc`: exp(log_probs) minus the probability of each class given the target.

    >>> import flambeau
    >>> logs = flambeau.zeros(1, 1, 2).log_softmax(2)
    >>> one = flambeau.tensor([1])
    >>> flambeau.ops.ctc.ctc_slope(logs, one.reshape(1, 1), one, one, 0)
    tensor([[[ 0.5000, -0.5000]]])
    """
    return log_probs


@ctc_slope.kernel
def _(xp, logs, targets, input_lengths, target_lengths, *, blank, zero_infinity):
    states, skip = _states(xp, targets, target_lengths, blank)
    emit = _emissions(xp, logs, states)
    last = _last_states(xp, states, target_lengths)
    alpha = _alphas(xp, emit, skip, target_lengths)
    loss = _negative_log(xp, alpha, last, input_lengths, target_lengths)
    alpha += _betas(xp, emit, skip, last, input_lengths)
    alpha -= emit
    alpha += loss[:, None]
    occupied = xp.exp(alpha).swapaxes(0, 1)  # (N, T, states)
    classes = (states[:, :, None] == xp.arange(logs.shape[2])).astype("f8")
    given = xp.matmul(occupied, classes).swapaxes(0, 1)
    made = xp.exp(logs.astype("f8")) - given
    running = xp.arange(len(logs))[:, None] < input_lengths
    impossible = xp.isinf(loss) & running
    made = xp.where(running[:, :, None], made, 0.0)
    return xp.where(impossible[:, :, None], 0.0 if zero_infinity else xp.nan, made).astype(
        logs.dtype
    )


@ctc_slope.vjp
def _(g, _out, log_probs, targets, input_lengths, target_lengths, *, blank, zero_infinity):
    # The probabilities given the target are minus a gradient: their Jacobian is symmetric, and its product with g is
    # their derivative along g.
    def gradient() -> Tensor:
        return _slope_along(g, log_probs, targets, input_lengths, target_lengths, blank)

    return gradient, None, None, None


@ctc_slope.jvp
def _(tangents, _out, log_probs, targets, input_lengths, target_lengths, *, blank, zero_infinity):
    return _slope_along(tangents[0], log_probs, targets, input_lengths, target_lengths, blank)


# -- derivatives of the slope: the same lattice on tensors --------------------------------------------------


class _Ways:
    """Log-weights of ways and their derivatives along a direction, as one pair of tensors (N, states)."""

    def __init__(self, value: Tensor, along: Tensor) -> None:
        self.value, self.along = value, along

    def __add__(self, other: _Ways) -> _Ways:
        return _Ways(self.value + other.value, self.along + other.along)

    def join(self, other: _Ways) -> _Ways:
        """Both sets of ways: log-weights by logaddexp, derivatives by the weights' shares."""
        share = (self.value - other.value).sigmoid()
        along = other.along + (self.along - other.along) * share
        return _Ways(logaddexp(self.value, other.value), along)

    def shifted(self, steps: int, allowed: Tensor | None = None) -> _Ways:
        """From the states `steps` before, where that is allowed."""
        value, along = self.value, self.along
        low = full_like(value[:, :steps], LOW)
        value = cat([low, value], 1)[:, : value.shape[1]]
        along = cat([zeros_like(low), along], 1)[:, : along.shape[1]]
        if allowed is not None:
            value = where(allowed, value, LOW)
        return _Ways(value, along)

    def advanced(self, skip: Tensor) -> _Ways:
        """One step of time."""
        made = self.join(self.shifted(1))
        return made.join(self.shifted(2, skip))

    def flipped(self) -> _Ways:
        return _Ways(self.value.flip(1), self.along.flip(1))

    def where(self, condition: Tensor, other: _Ways) -> _Ways:
        return _Ways(
            where(condition, self.value, other.value), where(condition, self.along, other.along)
        )


def _slope_along(
    direction: Tensor,
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int,
) -> Tensor:
    """The derivative of `ctc_slope` along a direction (T, N, C), in operators."""
    steps, _n, classes = log_probs.shape
    count = targets.shape[1]
    device = log_probs.device
    inside = arange(count, device=device) < target_lengths.unsqueeze(1)
    labels = where(inside, targets, blank)
    blanks = full_like(labels, blank)
    first = full_like(target_lengths, blank).unsqueeze(1)
    states = cat([first, stack([labels, blanks], 2).flatten(1)], 1)
    before = states[:, :-2]
    skip = (states[:, 2:] != blank) & (states[:, 2:] != before)
    skip = cat([zeros_like(states[:, :2]) > 0, skip], 1)[:, : states.shape[1]]
    back = cat([zeros_like(skip[:, :2]), skip.flip(1)[:, :-2]], 1)[:, : states.shape[1]]
    at, end = arange(states.shape[1], device=device), 2 * target_lengths.unsqueeze(1)
    last = (at == end) | ((at == end - 1) & (end > 0))
    origin = (at == 0) | ((at == 1) & (end > 0))
    index = states.unsqueeze(0).expand(steps, *states.shape)
    emit = [_Ways(v, d) for v, d in zip(log_probs.gather(2, index), direction.gather(2, index))]
    nothing = _Ways(full_like(emit[0].value, LOW), zeros_like(emit[0].value))
    alpha = [emit[0].where(origin, nothing)]
    for e in emit[1:]:
        alpha.append(alpha[-1].advanced(skip) + e)
    beta = [nothing] * steps
    following = nothing
    for t in range(steps - 1, -1, -1):
        begun = (input_lengths == t + 1).unsqueeze(1)
        on = following.flipped().advanced(back).flipped() + emit[t]
        start = emit[t].where(last, nothing)
        running = (input_lengths > t + 1).unsqueeze(1)
        following = beta[t] = start.where(begun, on.where(running, nothing))
    moved = []
    one = one_hot(states, classes).to(log_probs.dtype)
    for t in range(steps):
        value = alpha[t].value + beta[t].value - emit[t].value
        along = alpha[t].along + beta[t].along - emit[t].along
        share = value.softmax(1)  # over all states: each way is in one of them
        mean = (share * along).sum(1, True)
        change = matmul((share * (along - mean)).unsqueeze(1), one).squeeze(1)
        made = log_probs[t].exp() * direction[t] - change
        moved.append(where((input_lengths > t).unsqueeze(1), made, 0.0))
    return stack(moved)


for _f in (ctc, ctc_slope):
    _f.refuse("onnx", "ONNX has no operator for it: the loss of training, not of a model")


@ctc.batch
def _(size, batched, *arrays, blank, zero_infinity):
    return ctc(*_beside(size, batched, arrays), blank, zero_infinity).unflatten(0, (size, -1))


@ctc_slope.batch
def _(size, batched, *arrays, blank, zero_infinity):
    made = ctc_slope(*_beside(size, batched, arrays), blank, zero_infinity)
    return made.unflatten(1, (size, -1)).movedim(1, 0)


def _beside(size: int, batched: tuple[bool, ...], arrays: tuple[Tensor, ...]) -> list[Tensor]:
    """The mapped samples as samples of one batch."""
    logs, *rest = [
        a if b else a.unsqueeze(0).expand(size, *a.shape) for a, b in zip(arrays, batched)
    ]
    return [logs.movedim(0, 1).flatten(1, 2), *[r.flatten(0, 1) for r in rest]]


# -- PyTorch's function ------------------------------------------------------------------------------


def _lengths(what: str, given: Any, batch: int, like: Tensor) -> Tensor:
    made = given if isinstance(given, Tensor) else tensor(list(given), dtype=int64)
    check(
        made.dtype.category < 2 and made.dtype.name != "bool",
        lambda: f"{what} must be integral, but got {made.dtype}",
    )
    made = made.reshape(-1).to(int64)
    check(
        made.shape[0] == batch,
        lambda: f"{what} must be of size batch_size: expected {batch}, but got {made.shape[0]}",
    )
    return made.to(like.device)


def _padded_targets(targets: Tensor, lengths: list[int], batch: int) -> Tensor:
    """Targets as (N, longest), also where they come one behind the other."""
    longest = max(lengths, default=0)
    if targets.ndim == 2:
        check(
            targets.shape[0] == batch and targets.shape[1] >= longest,
            lambda: (
                f"Expected tensor to have size at least {longest} at dimension 1, but got size "
                f"{list(targets.shape)} for targets of a batch of {batch}"
            ),
        )
        return targets[:, :longest]
    check(targets.ndim == 1, lambda: f"targets should be 1- or 2-D, but got {targets.ndim}-D")
    check(
        targets.shape[0] == sum(lengths),
        lambda: (
            f"ctc_loss: expected {sum(lengths)} targets, the sum of target_lengths, but got "
            f"{targets.shape[0]}"
        ),
    )
    starts = [sum(lengths[:i]) for i in range(batch)]
    places = [
        [s + min(i, n - 1) if n else 0 for i in range(longest)] for s, n in zip(starts, lengths)
    ]
    if not longest:
        return zeros(batch, 0, dtype=int64, device=targets.device)
    return targets[tensor(places, dtype=int64, device=targets.device)]


@composite(method=False)
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
):
    """Connectionist temporal classification of log-probabilities (T, N, C) or (T, C).

    Targets are (N, S) or all labels one behind the other; lengths are tensors or sequences. 'mean' divides each
    sample's loss by its target's length. `zero_infinity` leaves out targets too long for their input.

    >>> import flambeau
    >>> logs = flambeau.zeros(4, 1, 3).log_softmax(2)
    >>> flambeau.ops.ctc.ctc_loss(logs, flambeau.tensor([[1, 2]]), (4,), (2,))
    tensor(0.8432)
    """
    single = log_probs.ndim == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.unsqueeze(0) if targets.ndim == 1 else targets
    check(
        log_probs.ndim == 3,
        lambda: (
            f"ctc_loss: expected log_probs (T, N, C) or (T, C), but got {list(log_probs.shape)}"
        ),
    )
    check(
        log_probs.dtype.is_floating_point,
        lambda: f"ctc_loss: expected floating log_probs, but got {log_probs.dtype}",
    )
    steps, batch, classes = log_probs.shape
    check(steps > 0, lambda: "log_probs tensor must not be empty")
    check(0 <= blank < classes, lambda: f"blank must be in label range [0, {classes - 1}]")
    check(
        targets.dtype.category < 2 and targets.dtype.name != "bool",
        lambda: f"targets must be integral, but got {targets.dtype}",
    )
    ins = _lengths("input_lengths", input_lengths, batch, log_probs)
    outs = _lengths("target_lengths", target_lengths, batch, log_probs)
    if not ins._level and not outs._level:
        for n in ins.tolist():
            check(
                0 <= n <= steps,
                lambda: f"Expected input_lengths to have value at most {steps}, but got value {n}",
            )
        counts = outs.tolist()
        check(
            all(n >= 0 for n in counts),
            lambda: f"Expected target_lengths to be non-negative, but got {min(counts)}",
        )
    else:
        counts = [targets.shape[1]] * batch
    labels = _padded_targets(targets.to(int64), counts, batch)
    loss = ctc(log_probs, labels, ins, outs, blank, zero_infinity)
    if reduction == "mean":
        return (loss / outs.clamp(min=1).to(loss.dtype)).mean()
    if single and reduction == "none":
        return loss.squeeze(0)
    return reduce(loss, reduction)
