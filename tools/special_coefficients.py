"""Computes the coefficients of the special functions, `ops/coefficients.py`, to 60 digits and then rounded.

    pip install mpmath
    python tools/special_coefficients.py > packages/core/src/flambeau/ops/coefficients.py

Each row is a polynomial (or a quotient of two) through the Chebyshev points of an interval, in a variable that runs over
[-1, 1] there, highest power first. The degree is the one at which the error falls below a third of a unit in the last place.
"""

from __future__ import annotations

from collections.abc import Callable

from mpmath import (
    airyai,
    airyaizero,
    bernoulli,
    besseli,
    besselj,
    besseljzero,
    besselk,
    bessely,
    cos,
    erfc,
    erfinv,
    euler,
    exp,
    factorial,
    findroot,
    harmonic,
    log,
    loggamma,
    lu_solve,
    matrix,
    mp,
    mpf,
    pi,
    psi,
    sin,
    sqrt,
)

mp.dps = 60
TINY = mpf(10) ** -25
Function = Callable[[mpf], mpf]


def points(a: mpf, b: mpf, count: int) -> list[mpf]:
    """Chebyshev points of [-1, 1], and of [a, b]."""
    ts = [cos((2 * k + 1) * pi / (2 * count)) for k in range(count)]
    return [(t, (a + b) / 2 + (b - a) / 2 * t) for t in ts]


def polynomial(f: Function, a: float, b: float, degree: int) -> list[mpf]:
    """Coefficients, highest power first, of the polynomial in t through f's values."""
    return quotient(f, a, b, degree, 0)[0]


def quotient(f: Function, a: float, b: float, top: int, bottom: int) -> tuple[list, list]:
    """Coefficients of p(t) / q(t) through f's values, q's last one being 1."""
    count = top + bottom + 1
    rows, right = matrix(count, count), matrix(count, 1)
    for i, (t, x) in enumerate(points(mpf(a), mpf(b), count)):
        value = f(x)
        for j in range(top + 1):
            rows[i, j] = t**j
        for j in range(1, bottom + 1):
            rows[i, top + j] = -value * t**j
        right[i] = value
    found = lu_solve(rows, right)
    p, q = list(found[: top + 1]), [mpf(1), *found[top + 1 :]]
    return p[::-1], q[::-1]


def moved(p: list[mpf], a: mpf, b: float) -> list[mpf]:
    """A polynomial in t as one in x - a. All its terms are positive where the zeros are below a: nothing cancels."""
    scale = 2 / (mpf(b) - a)
    out = [mpf(0)]
    for c in p:  # Horner's rule with t = scale u - 1
        out = [x - y for x, y in zip([scale * v for v in out] + [mpf(0)], [mpf(0), *out])]
        out[-1] += c
    return out[1:]


def at(f: Function, limit: object) -> Function:
    """`f`, with its limit at zero."""
    return lambda x: f(x) if abs(x) > TINY else limit  # type: ignore[return-value]


def table() -> dict[str, tuple[str, object]]:
    """Name -> (what it is, coefficients)."""
    rows: dict[str, tuple[str, object]] = {}

    # gamma
    rows["LGAMMA"] = (
        "log(gamma(2 + w)) / w, t = 2 w, |w| <= 1/2",
        polynomial(at(lambda w: loggamma(2 + w) / w, psi(0, 2)), -0.5, 0.5, 20),
    )

    def stirling(w: mpf) -> mpf:
        x = 8 / sqrt(w)
        return x * (loggamma(x) - (x - 0.5) * log(x) + x - log(2 * pi) / 2)

    rows["STIRLING"] = (
        "x (log(gamma(x)) - (x - 1/2) log(x) + x - log(2 pi) / 2), t = 128 / x^2 - 1, x >= 8",
        polynomial(at(stirling, mpf(1) / 12), 0, 1, 8),
    )
    rows["SIN_PI"] = (
        "sin(pi r) / r, t = 8 r^2 - 1, |r| <= 1/2",
        polynomial(at(lambda w: sin(pi * sqrt(w)) / sqrt(w), pi), 0, 0.25, 9),
    )
    rows["COS_PI"] = (
        "cos(pi r), t = 8 r^2 - 1, |r| <= 1/2",
        polynomial(lambda w: cos(pi * sqrt(w)), 0, 0.25, 9),
    )
    root = findroot(lambda x: psi(0, x), 1.46)
    rows["DIGAMMA_ROOT"] = (
        "where digamma is 0, in three parts of 30 bits and the rest",
        parts(root),
    )
    rows["DIGAMMA"] = (
        "digamma(x) / (x - root), t = 2 x - 3, 1 <= x <= 2",
        polynomial(
            lambda x: psi(0, x) / (x - root) if abs(x - root) > TINY else psi(1, root), 1, 2, 23
        ),
    )

    def psi_far(w: mpf) -> mpf:
        x = 8 / sqrt(w)
        return (log(x) - 1 / (2 * x) - psi(0, x)) * x * x

    rows["DIGAMMA_FAR"] = (
        "x^2 (log(x) - 1 / (2 x) - digamma(x)), t = 128 / x^2 - 1, x >= 8",
        polynomial(at(psi_far, mpf(1) / 12), 0, 1, 9),
    )
    rows["ZETA"] = (
        "B(2k) / (2k)!, k from 1: the corrections of Euler and Maclaurin",
        [bernoulli(2 * k) / factorial(2 * k) for k in range(1, 15)],
    )

    rows["TEMME"] = (
        "c_k(eta) of Temme's expansion of the incomplete gamma function (DLMF 8.12.12), one row each",
        temme(12, 19),
    )

    # error functions
    def scaled(t: mpf) -> mpf:
        x = 4 / t - 4
        return exp(x * x) * erfc(x) / t

    rows["ERFCX"] = (
        "exp(x^2) erfc(x) / s, s = 4 / (4 + x), t = 3 s - 2, 0 <= x <= 8",
        polynomial(scaled, mpf(1) / 3, 1, 22),
    )
    rows["ERFCX_FAR"] = (
        "x exp(x^2) erfc(x), t = 128 / x^2 - 1, x >= 8",
        polynomial(
            at(lambda w: (lambda x: exp(x * x) * erfc(x) * x)(8 / sqrt(w)), 1 / sqrt(pi)), 0, 1, 11
        ),
    )
    rows["ERFINV"] = (
        "erfinv(y) / y, t = 4 y^2 - 1, y^2 <= 1/2",
        polynomial(at(lambda w: erfinv(sqrt(w)) / sqrt(w), sqrt(pi) / 2), 0, 0.5, 21),
    )

    def tail(s: mpf) -> mpf:
        guess = sqrt(max(s * s - 2 * log(s * 2.5), mpf(0.1)))
        return findroot(lambda x: log(erfc(x / sqrt(2)) / 2) + s * s / 2, guess) / s

    for name, a, b, degree in (("NDTRI_NEAR", 1.9, 6, 8), ("NDTRI_FAR", 6, 39, 11)):
        top, bottom = quotient(tail, mpf(str(a)), b, degree, degree)
        rows[name] = (
            f"-ndtri(exp(-s^2 / 2)) / s in powers of s - {a}, {a} <= s <= {b}: numerator, denominator",
            [moved(p, mpf(str(a)), b) for p in (top, bottom)],
        )

    # Bessel functions
    rows["I0"] = (
        "1 / k!^2, for z = x^2 / 4 <= 16",
        [1 / factorial(k) ** 2 for k in range(23)][::-1],
    )
    rows["I1"] = (
        "1 / (k! (k + 1)!), for z = x^2 / 4 <= 16",
        [1 / factorial(k) / factorial(k + 1) for k in range(23)][::-1],
    )
    rows["K0"] = (
        "(harmonic(k) - euler) / k!^2, for z = x^2 / 4 <= 1/4",
        [(harmonic(k) - euler) / factorial(k) ** 2 for k in range(10)][::-1],
    )
    rows["K1"] = (
        "-(psi(k + 1) + psi(k + 2)) / (k! (k + 1)!) / 2, for z = x^2 / 4 <= 1/4",
        [-(psi(0, k + 1) + psi(0, k + 2)) / 2 / factorial(k) / factorial(k + 1) for k in range(10)][
            ::-1
        ],
    )
    for n in (0, 1):
        rows[f"I{n}_FAR"] = (
            f"exp(-x) sqrt(x) I{n}(x), t = 16 / x - 1, x >= 8",
            polynomial(
                at(lambda u, n=n: (lambda x: besseli(n, x) * exp(-x) * sqrt(x))(8 / u), 1 / sqrt(2 * pi)),
                0, 1, 26,
            ),
        )  # fmt: skip

        def k_scaled(x: mpf, n: int = n) -> mpf:
            return besselk(n, x) * exp(x) * sqrt(x)

        rows[f"K{n}_MIDDLE"] = (
            f"exp(x) sqrt(x) K{n}(x), t = (8 / x - 5) / 3, 1 <= x <= 4",
            polynomial(lambda u: k_scaled(1 / u), 0.25, 1, 19),
        )
        rows[f"K{n}_FAR"] = (
            f"exp(x) sqrt(x) K{n}(x), t = 8 / x - 1, x >= 4",
            polynomial(at(lambda u: k_scaled(4 / u), sqrt(pi / 2)), 0, 1, 18),
        )
        zeros = [besseljzero(n, k) for k in (1, 2, 3)]
        rows[f"J{n}_ZEROS"] = (
            f"the first zeros of J{n}, each in two parts",
            [pair(z) for z in zeros],
        )

        def j_near(w: mpf, n: int = n, zeros: list = zeros) -> mpf:
            x, product = sqrt(w), mpf(1)
            for z in zeros:
                product *= w - z * z
            return besselj(n, x) / x**n / product

        limit = mpf(1) / 2**n / -((zeros[0] * zeros[1] * zeros[2]) ** 2)
        rows[f"J{n}"] = (
            f"J{n}(x) / x^{n} without its first three zeros, t = x^2 / 32 - 1, x <= 8",
            polynomial(at(j_near, limit), 0, 64, 16),
        )
        if n == 0:
            y_near = at(
                lambda w: bessely(0, sqrt(w)) - 2 / pi * log(sqrt(w)) * besselj(0, sqrt(w)),
                2 / pi * (euler - log(2)),
            )
        else:
            y_near = at(
                lambda w: (bessely(1, sqrt(w)) - 2 / pi * (log(sqrt(w)) * besselj(1, sqrt(w)) - 1 / sqrt(w)))
                / sqrt(w),
                (2 * euler - 1 - 2 * log(2)) / (2 * pi),
            )  # fmt: skip
        rows[f"Y{n}"] = (
            ("Y0(x) - 2/pi log(x) J0(x)", "(Y1(x) - 2/pi (log(x) J1(x) - 1/x)) / x")[n]
            + ", t = x^2 / 32 - 1, x <= 8",
            polynomial(y_near, 0, 64, 20),
        )

        def hankel(w: mpf, part: int, n: int = n) -> mpf:
            x = 8 / sqrt(w)
            angle = x - (mpf(n) / 2 + mpf(1) / 4) * pi
            j, y, k = besselj(n, x), bessely(n, x), sqrt(pi * x / 2)
            if part == 0:
                return k * (j * cos(angle) + y * sin(angle))
            return k * (y * cos(angle) - j * sin(angle)) * x

        rows[f"P{n}"] = (
            f"Hankel's P{n}(x), t = 128 / x^2 - 1, x >= 8",
            polynomial(at(lambda w: hankel(w, 0), mpf(1)), 0, 1, 15),
        )
        rows[f"Q{n}"] = (
            f"Hankel's x Q{n}(x), t = 128 / x^2 - 1, x >= 8",
            polynomial(at(lambda w: hankel(w, 1), mpf(4 * n * n - 1) / 8), 0, 1, 16),
        )

    # Airy's function
    def airy_right(x: mpf) -> mpf:
        return airyai(x) * exp(mpf(2) / 3 * x ** mpf(1.5)) * x ** mpf(0.25)

    least = mpf(16) / 3
    rows["AIRY_FAR"] = (
        "exp(z) x^(1/4) Ai(x), z = 2/3 x^(3/2), t = 32 / (3 z) - 1, x >= 4",
        polynomial(
            at(lambda u: airy_right((least / u * 3 / 2) ** (mpf(2) / 3)), 1 / (2 * sqrt(pi))),
            0,
            1,
            18,
        ),
    )
    rows["AIRY_RIGHT"] = (
        "exp(z) x^(1/4) Ai(x), t = (4 x - 11) / 5, 3/2 <= x <= 4",
        polynomial(airy_right, 1.5, 4, 25),
    )
    rows["AIRY_MIDDLE"] = (
        "Ai(x), t = (4 x - 1) / 5, -1 <= x <= 3/2",
        polynomial(airyai, -1, 1.5, 19),
    )
    zeros = [airyaizero(k) for k in (1, 2)]
    rows["AIRY_ZEROS"] = ("the first zeros of Ai, each in two parts", [pair(z) for z in zeros])
    rows["AIRY_LEFT"] = (
        "Ai(x) without its first two zeros, t = x / 2 + 3/2, -5 <= x <= -1",
        polynomial(lambda x: airyai(x) / ((x - zeros[0]) * (x - zeros[1])), -5, -1, 24),
    )

    def airy_wave(w: mpf, part: int) -> mpf:
        z = AIRY_WAVE / sqrt(w)
        x = (z * 3 / 2) ** (mpf(2) / 3)
        from mpmath import airybi

        a, b, k = airyai(-x), airybi(-x), sqrt(pi) * x ** mpf(0.25)
        angle = z - pi / 4
        if part == 0:
            return k * (a * cos(angle) - b * sin(angle))
        return k * (a * sin(angle) + b * cos(angle)) * z

    AIRY_WAVE = mpf(2) / 3 * mpf(5) ** mpf(1.5)
    rows["AIRY_P"] = (
        "the cosine's factor of sqrt(pi) |x|^(1/4) Ai(x), t = 1000 / (9 z^2) - 1, x <= -5",
        polynomial(at(lambda w: airy_wave(w, 0), mpf(1)), 0, 1, 16),
    )
    rows["AIRY_Q"] = (
        "the sine's factor times z",
        polynomial(at(lambda w: airy_wave(w, 1), mpf(5) / 72), 0, 1, 17),
    )
    return rows


def pair(x: mpf) -> list[mpf]:
    """A number as a double and the rest."""
    return [mpf(float(x)), x - mpf(float(x))]


def parts(x: mpf) -> list[mpf]:
    """A number of size 1 as three parts of 30 bits."""
    high = mpf(int(x * 2**30)) / 2**30
    middle = mpf(int((x - high) * 2**60)) / 2**60
    return [high, middle, x - high - middle]


def text(value: object) -> str:
    """Python text of a number, or of numbers."""
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(text, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(float(value))  # type: ignore[arg-type]


def temme(orders: int, terms: int) -> list[list[mpf]]:
    """c[k][n] of Temme's expansion of the incomplete gamma function, c_k(eta) = sum c[k][n] eta^n (DLMF 8.12.12)."""
    count = terms + 2 * orders + 3
    # lambda = sum alpha[n] eta^n solves eta^2 / 2 = lambda - 1 - log(lambda), so (lambda - 1) lambda' = eta lambda.
    alpha = [mpf(1), mpf(1)]
    for n in range(2, count + 1):
        inner = sum((n - k + 1) * alpha[k] * alpha[n - k + 1] for k in range(2, n))
        alpha.append((alpha[n - 1] - inner) / (n + 1))
    first = [(n + 2) * alpha[n + 2] for n in range(count - 2)]
    # Stirling's series of gamma(a) sqrt(a / 2 pi) (e / a)^a in 1 / a, by its logarithm.
    logs = [bernoulli(k + 1) / (k * (k + 1)) if k else mpf(0) for k in range(orders + 1)]
    stirling = [mpf(1)]
    for k in range(1, orders + 1):
        stirling.append(sum(j * logs[j] * stirling[k - j] for j in range(1, k + 1)) / k)
    rows = [[-mpf(1) / 3, *first[1:]]]
    for k in range(1, orders):
        before = rows[-1]
        rows.append(
            [
                (-1) ** k * stirling[k] * rows[0][n] + (n + 2) * before[n + 2]
                for n in range(len(before) - 2)
            ]
        )
    # |eta| < 0.4 and a > 20: later rows need fewer terms.
    return [row[: max(4, terms - int(1.3 * k))][::-1] for k, row in enumerate(rows)]


def main() -> None:
    print(
        '"""Coefficients of the special functions. Made by tools/special_coefficients.py; do not edit."""\n'
    )
    print("from __future__ import annotations")
    for name, (what, value) in table().items():
        print(f"\n# {what}\n{name} = {spread(value)}  # fmt: skip")


def spread(value: object, indent: str = "") -> str:
    """A row, over several lines where it is long."""
    short = text(value)
    if not isinstance(value, (list, tuple)) or len(short) < 80:
        return short
    inner = indent + "    "
    if isinstance(value[0], (list, tuple)):
        rows = "".join(f"{inner}{spread(v, inner)},\n" for v in value)
        return f"(\n{rows}{indent})"
    lines, line = ["("], inner
    for item in value:
        piece = f"{text(item)}, "
        if len(line) + len(piece) > 101:
            lines.append(line.rstrip())
            line = inner
        line += piece
    return "\n".join([*lines, line.rstrip(), f"{indent})"])


if __name__ == "__main__":
    main()
