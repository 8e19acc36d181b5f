"""What NumPy's ufuncs do besides being called, where CuPy's do not: `at`, `accumulate`, `reduce`.

CuPy adds at indices in some dtypes only, multiplies at none, and runs over rows with sums and products alone. Each class
takes the array module, so that tests run it on NumPy. `add` has no `reduceat` here: whoever sees that adds at indices instead.
"""

from __future__ import annotations

from typing import Any

# By dtype: that in which CuPy folds at indices. Others are folded as they are.
_FOLDED = {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "int32", "uint16": "uint32"}
_SIGN = 1 << 63


class Ufunc:
    """A function of two arrays that CuPy has, with its running and whole folds in log2(n) steps that each reach twice as far."""

    def __init__(self, cp: Any, name: str) -> None:
        self.cp, self.name, self.function = cp, name, getattr(cp, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def accumulate(self, x: Any, axis: int = 0) -> Any:
        """The fold of all elements up to each along `axis`."""
        rows = self.cp.moveaxis(x, axis, 0).copy()
        reach = 1
        while reach < rows.shape[0]:
            rows[reach:] = self.function(rows[reach:], rows[:-reach].copy())
            reach *= 2
        return self.cp.moveaxis(rows, 0, axis)

    def reduce(self, x: Any, axis: Any = 0, keepdims: bool = False) -> Any:
        """The fold of all elements along `axis`, or along each of several. What is folded must not be empty."""
        for dim in sorted(axis if isinstance(axis, tuple) else (axis,), reverse=True):
            rows = self.cp.moveaxis(x, dim, 0)
            while (n := rows.shape[0]) > 1:
                half = n // 2
                folded = self.function(rows[:half], rows[half : 2 * half])
                rows = self.cp.concatenate([folded, rows[2 * half :]]) if n % 2 else folded
            x = self.cp.moveaxis(rows, 0, dim) if keepdims else rows[0]
        return x


class Add(Ufunc):
    """`add`, at indices in all dtypes. Whole numbers of 64 bits are added without their sign, which changes no bit."""

    def __init__(self, cp: Any) -> None:
        super().__init__(cp, "add")

    def at(self, a: Any, key: Any, values: Any) -> None:
        """a[key] += values, all of them where places repeat; truth values are joined by `or`."""
        cp, kind = self.cp, a.dtype.name
        values = cp.asarray(values)
        if kind == "int64":
            wide, more = (x.astype("int64", order="C").view("uint64") for x in (a, values))
            self.function.at(wide, key, more)
            a[...] = wide.view("int64")
        elif kind in _FOLDED or kind == "bfloat16":
            wide = a.astype(_FOLDED.get(kind, "float32"))
            self.function.at(wide, key, values.astype(wide.dtype))
            a[...] = wide != 0 if kind == "bool" else wide.astype(a.dtype)
        else:
            self.function.at(a, key, values.astype(a.dtype, copy=False))


class Extreme(Ufunc):
    """`maximum` or `minimum`, at indices in all real dtypes. NaN wins, as it does in NumPy."""

    def at(self, a: Any, key: Any, values: Any) -> None:
        """a[key] = maximum(a[key], values), of all values where places repeat."""
        cp, kind = self.cp, a.dtype.name
        values = cp.asarray(values)
        if kind == "int64":
            # Without the sign, and the sign's bit turned over, the order is the same.
            wide, more = (
                x.astype("int64", order="C").view("uint64") ^ cp.uint64(_SIGN) for x in (a, values)
            )
            self.function.at(wide, key, more)
            a[...] = (wide ^ cp.uint64(_SIGN)).view("int64")
        elif kind in _FOLDED or a.dtype.itemsize == 2:
            wide = a.astype(_FOLDED.get(kind, "float32"))
            self.at(wide, key, values.astype(wide.dtype))
            a[...] = wide.astype(a.dtype)
        else:
            values = values.astype(a.dtype, copy=False)
            self.function.at(a, key, values)
            if a.dtype.kind == "f":  # the GPU's comparisons pass NaN over
                lost = cp.zeros(a.shape, "int32")
                cp.add.at(lost, key, (values != values).astype("int32"))
                a[...] = cp.where(lost > 0, cp.nan, a)


class Multiply(Ufunc):
    """`multiply`, at indices of an array of one dimension."""

    def __init__(self, cp: Any) -> None:
        super().__init__(cp, "multiply")

    def at(self, a: Any, places: Any, values: Any) -> None:
        """a[places] *= values, by all of them where places repeat."""
        cp = self.cp
        places = places % a.size
        order = cp.argsort(places, kind="stable")
        places, factors = places[order], values[order].astype(a.dtype)
        reach = 1
        while (
            reach < places.size
        ):  # each becomes the product up to twice as far behind it, among those of its place
            same = places[:-reach] == places[reach:]
            factors[:-reach] = cp.where(same, factors[:-reach] * factors[reach:], factors[:-reach])
            reach *= 2
        first = cp.ones(places.shape, bool)
        first[1:] = places[1:] != places[:-1]
        made = cp.ones(a.size + 1, a.dtype)  # the last takes what is no whole product
        made[cp.where(first, places, a.size)] = factors
        a *= made[:-1]
