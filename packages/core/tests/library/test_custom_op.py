"""Custom operators: defined, run, differentiated, batched, compiled, checked; and every mistake refused in one line."""

import numpy as np
import pytest

import flambeau
from flambeau import Tensor
from flambeau.library import (
    Library,
    custom_op,
    define,
    get_kernel,
    impl,
    infer_schema,
    opcheck,
    register_autograd,
    register_fake,
    register_kernel,
    register_vmap,
)
from flambeau.runtime.operator import registry


@pytest.fixture(autouse=True)
def forgotten():
    before = set(registry)
    yield
    for name in set(registry) - before:
        del registry[name]


def cube():
    @custom_op("t::cube", mutates_args=())
    def cube(x: Tensor) -> Tensor:
        return flambeau.from_numpy(np.power(x.numpy(), 3))

    cube.register_fake(lambda x: flambeau.empty_like(x))

    def keep(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x

    cube.register_autograd(backward, setup_context=keep)
    return cube


def mixed():
    @custom_op("t::mixed", mutates_args=())
    def mixed(
        x: Tensor, ys: list[Tensor], k: float = 2.0, *, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        made = x * k + sum(ys)
        return made if bias is None else made + bias, x - 1

    return mixed


class TestCalls:
    def test_values_and_names(self):
        op = cube()
        assert op(flambeau.tensor([2.0, 3.0])).tolist() == [8, 27]
        assert flambeau.ops.t.cube(flambeau.tensor([2.0])).item() == 8
        assert flambeau.ops.t.cube.default(flambeau.tensor([2.0])).item() == 8
        assert repr(op) == "<CustomOpDef(t::cube)>"
        assert dir(flambeau.ops.t) == ["cube"]

    def test_lists_defaults_and_keywords(self):
        op = mixed()
        x, y = flambeau.ones(2), flambeau.full((2,), 5.0)
        a, b = op(x, [y, y], bias=x)
        assert a.tolist() == [13, 13] and b.tolist() == [0, 0]
        assert op(x, ys=[y], k=3.0)[0].tolist() == [8, 8]

    @pytest.mark.parametrize(
        ("call", "text"),
        [
            (lambda op: op(3.0), "Expected a value of type 'Tensor' for argument 'x' but instead found type 'float'"),
            (lambda op: op(flambeau.ones(1), [1.0]), "Expected a value of type 'Tensor\\[\\]' for argument 'ys'"),
            (lambda op: op(flambeau.ones(1)), "missing value for argument 'ys'"),
            (lambda op: op(flambeau.ones(1), [], "a"), "type 'float' for argument 'k'"),
            (lambda op: op(flambeau.ones(1), [], 1.0, 2.0), "at most 3 argument"),
            (lambda op: op(flambeau.ones(1), [], nope=1), "Unknown keyword argument 'nope'"),
            (lambda op: op(flambeau.ones(1), [], x=flambeau.ones(1)), "multiple values for argument 'x'"),
        ],
    )  # fmt: skip
    def test_wrong_calls_are_one_line(self, call, text):
        with pytest.raises(RuntimeError, match=text) as caught:
            call(mixed())
        assert "\n" not in str(caught.value)

    def test_results_may_not_alias(self):
        @custom_op("t::same", mutates_args=())
        def same(x: Tensor) -> Tensor:
            return x[:1]

        with pytest.raises(RuntimeError, match="may not alias any inputs"):
            same(flambeau.ones(2))

    def test_wrong_number_of_results(self):
        @custom_op("t::two", mutates_args=())
        def two(x: Tensor) -> tuple[Tensor, Tensor]:
            return (x + 1,)

        with pytest.raises(RuntimeError, match=r"returned 1 result\(s\), its schema says 2"):
            two(flambeau.ones(2))

    def test_mutation_bumps_versions(self):
        @custom_op("t::fill_it", mutates_args=("x",))
        def fill_it(x: Tensor, v: float) -> None:
            x.numpy()[...] = v

        x = flambeau.zeros(2)
        before = x._version
        assert fill_it(x, 3.0) is None
        assert x.tolist() == [3, 3] and x._version == before + 1
        with pytest.raises(RuntimeError, match="requires grad and is written to"):
            fill_it(flambeau.zeros(2, requires_grad=True), 1.0)
        with pytest.raises(RuntimeError, match="writes into its arguments"):
            fill_it.register_autograd(lambda ctx, g: g)


class TestTransforms:
    def test_gradients(self):
        op = cube()
        x = flambeau.tensor([1.0, 2.0], dtype=flambeau.float64, requires_grad=True)
        assert flambeau.autograd.gradcheck(op, (x,))
        assert flambeau.autograd.gradgradcheck(op, (x,))

    def test_gradients_of_lists_and_several_results(self):
        op = mixed()

        def keep(ctx, inputs, output, keyword_only_inputs):
            ctx.k, ctx.n, ctx.bias = inputs[2], len(inputs[1]), keyword_only_inputs["bias"]

        op.register_autograd(
            lambda ctx, g, h: (g * ctx.k + h, [g] * ctx.n, None), setup_context=keep
        )
        x, y = (flambeau.ones(2, requires_grad=True) for _ in range(2))
        a, b = op(x, [y, y], 4.0)
        (a.sum() + 10 * b.sum()).backward()
        assert x.grad.tolist() == [14, 14] and y.grad.tolist() == [2, 2]

    def test_without_a_gradient_backward_says_so(self):
        a, _ = mixed()(flambeau.ones(2, requires_grad=True), [])
        with pytest.raises(
            RuntimeError, match="t.mixed.default but no autograd formula was registered"
        ):
            a.sum().backward()

    def test_vmap_by_rule_and_by_loop(self):
        op = cube()
        x = flambeau.arange(6.0).reshape(3, 2)
        with pytest.warns(UserWarning, match="batching rule for t::cube"):
            looped = flambeau.vmap(op)(x)
        seen = []

        @op.register_vmap
        def _(info, in_dims, x):
            seen.append((info.batch_size, in_dims))
            return op(x), in_dims[0]

        assert flambeau.equal(flambeau.vmap(op)(x), looped)
        assert seen == [(3, (0,))]
        per_row = flambeau.vmap(flambeau.func.grad(lambda r: op(r).sum()))(x)
        assert flambeau.allclose(per_row, 3 * x * x)

    def test_meta_and_its_absence(self):
        assert cube()(flambeau.ones(2, 3, device="meta")).shape == (2, 3)
        with pytest.raises(RuntimeError, match="There was no fake impl registered"):
            mixed()(flambeau.ones(2, device="meta"), [])

    def test_compiled(self):
        op = cube()
        f = flambeau.compile(lambda x: op(x * 2) + 1)
        for x in (flambeau.tensor([1.0, 2.0]), flambeau.tensor([3.0, 0.5])):
            assert flambeau.allclose(f(x), (x * 2) ** 3 + 1)

    def test_autocast(self):
        @custom_op("t::kind", mutates_args=())
        def kind(x: Tensor) -> Tensor:
            return x.clone()

        kind.register_autocast("cpu", flambeau.bfloat16)
        assert kind(flambeau.ones(1)).dtype is flambeau.float32
        with flambeau.autocast("cpu"):
            assert kind(flambeau.ones(1)).dtype is flambeau.bfloat16


class TestLibrary:
    def test_define_and_implement(self):
        lib = Library("shop", "DEF")
        assert lib.define("scaled(Tensor x, float by=2.0) -> Tensor") == "shop::scaled"
        with pytest.raises(NotImplementedError, match="no kernel is registered"):
            flambeau.ops.shop.scaled(flambeau.ones(1))
        lib.impl("scaled", lambda x, by: x * by, "CPU")
        lib.impl("scaled", lambda x, by: x.new_empty(x.shape), "Meta")
        assert flambeau.ops.shop.scaled(flambeau.ones(1), by=3.0).item() == 3
        assert flambeau.ops.shop.scaled(flambeau.ones(4, device="meta")).shape == (4,)
        lib._destroy()
        with pytest.raises(AttributeError):
            flambeau.ops.shop.scaled

    def test_composites_are_differentiated_through(self):
        lib = Library("shop", "FRAGMENT")
        lib.define("half(Tensor x) -> Tensor")
        lib.impl("half", lambda x: x / 2, "CompositeImplicitAutograd")
        x = flambeau.ones(1, requires_grad=True)
        flambeau.ops.shop.half(x).backward()
        assert x.grad.item() == 0.5

    def test_functions_of_the_module(self):
        define("t::thrice", "(Tensor x) -> Tensor")
        impl("t::thrice", "default")(lambda x: x * 3)
        register_fake("t::thrice")(lambda x: flambeau.empty_like(x))
        register_autograd("t::thrice", lambda ctx, g: g * 3)
        register_vmap("t::thrice", lambda info, dims, x: (x * 3, dims[0]))
        register_kernel("t::thrice", "cuda", lambda x: x * 3)
        x = flambeau.ones(2, requires_grad=True)
        op = flambeau.ops.t.thrice
        op(x).sum().backward()
        assert x.grad.tolist() == [3, 3]
        assert flambeau.vmap(op)(flambeau.ones(2, 2)).tolist() == [[3, 3], [3, 3]]
        assert get_kernel("t::thrice", "CPU")(flambeau.ones(1)).item() == 3
        assert set(opcheck(op, (x,)).values()) == {"SUCCESS"}

    @pytest.mark.parametrize(
        ("make", "error", "text"),
        [
            (lambda: custom_op("nocolons", mutates_args=())(lambda: None), ValueError, "namespace::operator"),
            (lambda: [cube(), cube()], ValueError, "already defined"),
            (lambda: define("t::x", "(Tensor x)"), ValueError, "expected 'name"),
            (lambda: define("t::x", "(Thing x) -> Tensor"), ValueError, "unknown type 'Thing'"),
            (lambda: define("t::x", "(int k=x+1) -> Tensor"), ValueError, "the default"),
            (lambda: Library("aten", "DEF"), ValueError, "reserved"),
            (lambda: Library("t", "SOME"), ValueError, "Unsupported kind"),
            (lambda: Library("t", "IMPL").define("f(Tensor x) -> Tensor"), RuntimeError, "cannot define"),
            (lambda: register_fake("t::none", lambda: None), ValueError, "no custom operator"),
            (lambda: Library("t", "DEF").impl(cube(), lambda x: x, "XLA"), ValueError, "has no meaning here"),
        ],
    )  # fmt: skip
    def test_mistakes(self, make, error, text):
        with pytest.raises(error, match=text):
            make()


class TestSchemas:
    def test_inferred(self):
        def f(
            x: Tensor, n: int, s: str = "a", d: flambeau.dtype | None = None, *, o: list[int] | None = None
        ) -> list[Tensor]: ...  # fmt: skip

        assert (
            infer_schema(f, mutates_args=("x",), op_name="t::f")
            == 't::f(Tensor(a!) x, SymInt n, str s="a", ScalarType? d=None, *, SymInt[]? o=None) -> Tensor[]'
        )

    @pytest.mark.parametrize(
        ("f", "text"),
        [
            (lambda x: x, "must have a type annotation"),
            (lambda *x: x, "do not support \\*args"),
        ],
    )
    def test_refused(self, f, text):
        with pytest.raises(ValueError, match=text):
            infer_schema(f, mutates_args=())

    def test_unknown_annotation_and_mutation(self):
        def f(x: dict) -> Tensor: ...
        def g(x: Tensor) -> Tensor: ...

        with pytest.raises(ValueError, match="unsupported type"):
            infer_schema(f, mutates_args=())
        with pytest.raises(ValueError, match="no parameters"):
            infer_schema(g, mutates_args=("y",))


class TestOpcheck:
    def test_sees_each_fault(self):
        @custom_op("t::writes", mutates_args=())
        def writes(x: Tensor) -> Tensor:
            x.numpy()[...] = 7
            return x + 1

        writes.register_fake(lambda x: x.new_empty(5))
        x = flambeau.ones(2)
        outcome = opcheck(writes, (x,), raise_exception=False)
        assert "not defined as mutable but was mutated" in outcome["test_schema"]
        assert "the fake" in outcome["test_faketensor"]
        assert x.tolist() == [1, 1]
        outcome = opcheck(writes, (x.requires_grad_(),), raise_exception=False)
        assert "there is no gradient" in outcome["test_autograd_registration"]
        with pytest.raises(Exception, match="test_schema failed"):
            opcheck(writes, (flambeau.ones(2),))
