"""`DistributedDataParallel`: one model on every rank, gradients averaged while backward still runs.

The parameters are dealt into buckets in reverse order, as backward reaches them. When a bucket's last gradient
is there, the bucket is sent round in the group's own thread, and backward goes on. All ranks must send the
buckets in one order, so a bucket that is ready early waits for those before it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flambeau
from flambeau import distributed
from flambeau.nn.modules.module import Module
from flambeau.runtime.tensor import Leaf, Tensor

__all__ = ["DistributedDataParallel"]

MEGABYTE = 1024 * 1024
# A small first bucket starts the communication early; the same as PyTorch's.
FIRST_BUCKET = MEGABYTE


class _Bucket:
    """Parameters whose gradients travel together, in one flat tensor."""

    def __init__(self, params: list[Tensor], sent: Any = None) -> None:
        self.params = params
        self.flat = flambeau.empty(
            sum(p.numel() for p in params), dtype=sent or params[0].dtype, device=params[0].device
        )
        self.reset()

    def reset(self) -> None:
        """Forgets the last backward."""
        self.missing = len(self.params)
        self.skipped = False
        self.work: Any = None

    def pack(self) -> None:
        """Copies the gradients into the flat tensor; zeros for what this rank did not use."""
        for p, part in self._parts():
            if p.grad is None:
                part.zero_()
            else:
                part.copy_(p.grad.reshape(-1))

    def unpack(self, used: set[Tensor] | None) -> None:
        """Copies the means back into the gradients; `used` are the parameters that some rank used."""
        for p, part in self._parts():
            if p.grad is not None:
                p.grad.copy_(part.reshape(p.shape))
            elif used is not None and p in used:
                p.grad = part.reshape(p.shape).to(p.dtype, copy=True)

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        start = 0
        for p in self.params:
            yield p, self.flat[start : start + p.numel()]
            start += p.numel()


class DistributedDataParallel(Module):
    """Wraps a model so that all ranks train it together, each on its share of the batch.

    Rank 0's parameters and buffers are given to all at the start (`init_sync`), and its buffers before each
    forward (`broadcast_buffers`). In backward the gradients become the mean over the ranks: with equal shares
    the step is that of one process on the whole batch.

    - `process_group`: the ranks; all by default. Or `device_mesh`: a mesh of one dimension, whose group they are.
    - `bucket_cap_mb`: size of a bucket, 25 by default. `bucket_cap_mb_list`: the sizes of the first buckets, the last for
      all others too.
    - `find_unused_parameters`: needed where a forward may leave parameters out; costs a walk of the graph and
      one more message. With `skip_all_reduce_unused_params`, for ranks that all leave out the same, buckets of
      unused parameters and that message are not sent.
    - `forward_sync_buffers`: whether rank 0's buffers are sent before each forward. `broadcast_buffers` is its older name.
    - `delay_all_reduce_named_params`, pairs of name and parameter: they are in no bucket, but sent together when the
      gradient of `param_to_hook_all_reduce` is there. Theirs have to be there before.
    - `mixed_precision`, an object with `param_dtype`, `reduce_dtype` and `buffer_dtype` or None: forward and backward
      compute with parameters (and floating inputs) cast to the first, gradients travel in the second (the first, if None),
      buffers are kept in the third. Parameters and gradients stay in their own dtype.
    - `device_ids`, `output_device`, `dim`, `check_reduction`, `gradient_as_bucket_view`, `static_graph` and
      `batched_grad_copy` are accepted and change nothing here: a bucket is always filled at once.

    >>> import flambeau
    >>> from flambeau import distributed, nn
    >>> def rank():
    ...     model = nn.parallel.DistributedDataParallel(nn.Linear(1, 1, bias=False))
    ...     model(flambeau.full((1, 1), 1.0 + distributed.get_rank())).sum().backward()
    ...     return model.module.weight.grad.item()
    >>> distributed.run_threads(rank, 2)
    [1.5, 1.5]
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool | None = None,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        delay_all_reduce_named_params: Any = None,
        param_to_hook_all_reduce: Tensor | None = None,
        mixed_precision: Any = None,
        device_mesh: Any = None,
        skip_all_reduce_unused_params: bool = False,
        bucket_cap_mb_list: list[float] | None = None,
        batched_grad_copy: bool = False,
        forward_sync_buffers: bool | None = None,
    ) -> None:
        super().__init__()
        if (delay_all_reduce_named_params is None) != (param_to_hook_all_reduce is None):
            raise ValueError(
                "delay_all_reduce_named_params and param_to_hook_all_reduce need to be set at the same time."
            )
        late = {p for _, p in delay_all_reduce_named_params or ()}
        trained: list[Tensor] = [
            p for p in module.parameters() if p.requires_grad and p not in late
        ]
        if not trained and not late:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameters that "
                "require a gradient."
            )
        self.module = module
        self.device_ids = device_ids
        self.output_device = output_device
        self.dim = dim
        self.forward_sync_buffers = _synced(broadcast_buffers, forward_sync_buffers)
        self.find_unused_parameters = find_unused_parameters
        self.skip_all_reduce_unused_params = skip_all_reduce_unused_params
        self.mixed_precision = mixed_precision
        if device_mesh is not None:
            process_group = _group_of(device_mesh, process_group)
        group = process_group or distributed.group.WORLD
        if group is None:
            raise ValueError(
                "Default process group has not been initialized, please make sure to call init_process_group."
            )
        self.process_group: distributed.ProcessGroup = group
        self.require_backward_grad_sync = True
        self._check_shapes()
        if init_sync:
            self._broadcast([*module.parameters(), *module.buffers()])
        if mixed_precision is not None and mixed_precision.buffer_dtype is not None:
            for buffer in module.buffers():
                if buffer.is_floating_point():
                    buffer.data = buffer.to(mixed_precision.buffer_dtype)
        caps = list(bucket_cap_mb_list or ())
        if not caps:
            cap = 25 if bucket_cap_mb is None else bucket_cap_mb
            caps = [min(FIRST_BUCKET / MEGABYTE, cap), cap]
        self._make_buckets(trained, [int(cap * MEGABYTE) for cap in caps])
        self._late: _Bucket | None = None
        if late:
            self._late = _Bucket([p for p in module.parameters() if p in late], self._sent())
            param_to_hook_all_reduce.register_post_accumulate_grad_hook(self._send_late)  # type: ignore[union-attr]

    # -- the start

    def _check_shapes(self) -> None:
        """RuntimeError if the ranks do not have the same model."""
        mine = [(name, tuple(p.shape), str(p.dtype)) for name, p in self.module.named_parameters()]
        found: list[Any] = [None] * self.process_group.size()
        distributed.all_gather_object(found, mine, self.process_group)
        for rank, theirs in enumerate(found):
            if theirs != found[0]:
                different = next(
                    (a for a, b in zip(theirs, found[0]) if a != b), f"{len(theirs)} parameters"
                )
                raise RuntimeError(
                    f"DDP expects same model across all ranks, but rank {rank} has {different} where rank 0 has "
                    "another"
                )

    def _broadcast(self, tensors: list[Tensor]) -> None:
        root = self.process_group.ranks[0]
        for tensor in tensors:
            distributed.broadcast(tensor.detach(), root, self.process_group)

    def _sent(self) -> Any:
        """The dtype in which gradients travel; None for their own."""
        how = self.mixed_precision
        return None if how is None else how.reduce_dtype or how.param_dtype

    def _make_buckets(self, trained: list[Tensor], caps: list[int]) -> None:
        buckets: list[_Bucket] = []
        open_: list[Tensor] = []
        filled = 0
        for p in reversed(trained):
            size = p.numel() * p.element_size()
            cap = caps[min(len(buckets), len(caps) - 1)]
            if open_ and (filled + size > cap or p.dtype != open_[0].dtype):
                buckets.append(_Bucket(open_, self._sent()))
                filled, open_ = 0, []
            open_.append(p)
            filled += size
        if open_:
            buckets.append(_Bucket(open_, self._sent()))
        self._buckets = buckets
        self._home = {p: bucket for bucket in buckets for p in bucket.params}
        self._reset()
        for p in trained:
            p.register_post_accumulate_grad_hook(self._gradient_is_there)

    def _reset(self) -> None:
        self._launched = 0
        self._ready: set[Tensor] = set()
        self._used: Tensor | None = None
        for bucket in self._buckets:
            bucket.reset()

    # -- forward

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients of backwards inside are added up locally and not sent: for accumulation.

        The first backward after it, with its forward outside as well, sends the sums.
        """
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the model answers."""
        synced = flambeau.is_grad_enabled() and self.require_backward_grad_sync
        if synced:
            self._check_finished()
            if self.forward_sync_buffers:
                self._broadcast(list(self.module.buffers()))
        output = self._answer(inputs, kwargs)
        if synced and self.find_unused_parameters:
            self._mark_unused(output)
        return output

    def _answer(self, inputs: tuple, kwargs: dict[str, Any]) -> Any:
        low = None if self.mixed_precision is None else self.mixed_precision.param_dtype
        if low is None:
            return self.module(*inputs, **kwargs)
        from flambeau._base import pytree
        from flambeau.func import functional_call

        def lower(x: Any) -> Any:
            return x.to(low) if isinstance(x, Tensor) and x.is_floating_point() else x

        inputs, kwargs = pytree.map_(lower, (inputs, kwargs))
        params = {name: lower(p) for name, p in self.module.named_parameters()}
        return functional_call(self.module, params, inputs, kwargs)

    def _check_finished(self) -> None:
        if self._ready and self._launched < len(self._buckets):
            names: dict[Tensor, str] = {p: name for name, p in self.module.named_parameters()}
            missing = [names[p] for p in self._home if p not in self._ready]
            self._reset()
            raise RuntimeError(
                "Expected to have finished reduction in the prior iteration before starting a new one. This "
                f"error indicates that your module has parameters that were not used in producing loss: {missing}. "
                "Pass find_unused_parameters=True to DistributedDataParallel, and make sure that all outputs "
                "of forward take part in the loss."
            )
        self._reset()

    def _mark_unused(self, output: Any) -> None:
        """Counts as ready what backward will not reach, and tells the others what it will."""
        reached = _reached(output)
        params = list(self._home)
        if self.skip_all_reduce_unused_params:
            for bucket in self._buckets:
                bucket.skipped = reached.isdisjoint(bucket.params)
        else:
            self._used = flambeau.tensor([float(p in reached) for p in params])
        for p in params:
            if p not in reached:
                self._ready.add(p)
                self._home[p].missing -= 1

    # -- backward

    def _gradient_is_there(self, p: Tensor) -> None:
        """Called by autograd when the gradient of `p` is complete."""
        if not self.require_backward_grad_sync or p in self._ready:
            return
        self._ready.add(p)
        self._home[p].missing -= 1
        with flambeau.no_grad():
            self._launch()
            if self._launched == len(self._buckets):
                self._finish()

    def _launch(self) -> None:
        """Sends the buckets that are full, in order."""
        while self._launched < len(self._buckets) and not self._buckets[self._launched].missing:
            bucket = self._buckets[self._launched]
            if not bucket.skipped:
                self._send(bucket)
            self._launched += 1

    def _send(self, bucket: _Bucket) -> None:
        bucket.pack()
        mean = distributed.ReduceOp.AVG
        bucket.work = distributed.all_reduce(bucket.flat, mean, self.process_group, async_op=True)

    def _send_late(self, p: Tensor) -> None:
        """Called when the gradient is there that the late ones wait for."""
        if self.require_backward_grad_sync and self._late is not None:
            with flambeau.no_grad():
                self._send(self._late)
                if not self._buckets or self._launched == 0 == len(self._ready):
                    self._finish_late()  # nothing else will: all others are through, or there are none

    def _finish_late(self) -> None:
        late = self._late
        if late is not None and late.work is not None:
            late.work.wait()
            late.unpack(None)
            late.work = None

    def _finish(self) -> None:
        """Waits for the means and writes them into the gradients."""
        used = None
        if self._used is not None:
            distributed.all_reduce(self._used, distributed.ReduceOp.MAX, self.process_group)
            used = {p for p, flag in zip(self._home, self._used.tolist(), strict=True) if flag}
        for bucket in self._buckets:
            if bucket.work is not None:
                bucket.work.wait()
                bucket.unpack(used)
        self._finish_late()
        self._reset()


def _synced(older: bool | None, newer: bool | None) -> bool:
    """Whether buffers are sent before each forward, by the older and the newer argument."""
    if older is not None:
        ignored = " and ignored beside it" if newer is not None else ""
        warnings.warn(
            f"DistributedDataParallel: broadcast_buffers is the older name of forward_sync_buffers{ignored}",
            FutureWarning,
            stacklevel=3,
        )
    found = older if newer is None else newer
    return True if found is None else bool(found)


def _group_of(mesh: Any, group: Any) -> Any:
    """The group of a mesh of one dimension."""
    if group is not None:
        raise RuntimeError("Cannot specify both process_group and device_mesh arguments.")
    if mesh.ndim != 1:
        raise RuntimeError(f"Only 1D device mesh is supported, but got {mesh}.")
    return mesh.get_group(mesh_dim=0)


def _reached(output: Any) -> set[Tensor]:
    """The leaves that a backward from `output`, which may be nested, comes to."""
    from flambeau._base import pytree

    leaves, _ = pytree.flatten(output)
    nodes = [
        history for t in leaves if isinstance(t, Tensor) and (history := t.grad_fn) is not None
    ]
    found = {t for t in leaves if isinstance(t, Tensor) and t.requires_grad and t.is_leaf}
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        if isinstance(node, Leaf):
            if node.variable is not None:
                found.add(node.variable)
            continue
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                nodes.append(following)
    return found
