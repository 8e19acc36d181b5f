/* Fourier transforms of as many signals as a register has lanes, side by side: each vector holds one term of all of them.
 *
 * A transform is passes of the radices 8, 7, 5, 4, 3, 2, 11 and 13 (Stockham's, so that terms end in their order), forward and
 * without scale. The backward one is the same with real and imaginary parts exchanged before and after. Lengths with
 * other primes are a convolution with a chirp (Bluestein's), which is two transforms of a longer, smooth length.
 */
#ifndef FB_FFT_H
#define FB_FFT_H
#include "fb.h"

typedef struct { vec re, im; } cx;

INLINE cx cx_add(cx a, cx b) { return (cx){a.re + b.re, a.im + b.im}; }
INLINE cx cx_sub(cx a, cx b) { return (cx){a.re - b.re, a.im - b.im}; }
INLINE cx cx_times(cx a, T re, T im) { return (cx){a.re * re - a.im * im, a.re * im + a.im * re}; }
INLINE cx cx_right(cx a) { return (cx){a.im, -a.re}; } /* times -i */

/* -- butterflies: the transform of R terms, in place ---------------------------------------------------------------- */

INLINE void fft_2(cx *x) {
  const cx a = x[0], b = x[1];
  x[0] = cx_add(a, b), x[1] = cx_sub(a, b);
}
INLINE void fft_4(cx *x) {
  const cx a = cx_add(x[0], x[2]), b = cx_sub(x[0], x[2]), c = cx_add(x[1], x[3]), d = cx_right(cx_sub(x[1], x[3]));
  x[0] = cx_add(a, c), x[1] = cx_add(b, d), x[2] = cx_sub(a, c), x[3] = cx_sub(b, d);
}
INLINE void fft_8(cx *x) {
  const T half = (T)0.70710678118654752440;
  cx even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
  fft_4(even), fft_4(odd);
  const cx a = odd[1], b = odd[3];
  odd[1] = (cx){(a.re + a.im) * half, (a.im - a.re) * half};
  odd[2] = cx_right(odd[2]);
  odd[3] = (cx){(b.im - b.re) * half, (b.re + b.im) * -half};
  for (int k = 0; k < 4; ++k) x[k] = cx_add(even[k], odd[k]), x[k + 4] = cx_sub(even[k], odd[k]);
}
/* cos and sin of 2 pi t / R for t <= R / 2. */
static const T fft_cos_3[] = {1, (T)-0.5}, fft_sin_3[] = {0, (T)0.86602540378443864676};
static const T fft_cos_5[] = {1, (T)0.30901699437494742410, (T)-0.80901699437494742410};
static const T fft_sin_5[] = {0, (T)0.95105651629515357212, (T)0.58778525229247312917};
static const T fft_cos_7[] = {1, (T)0.62348980185873353053, (T)-0.22252093395631440429, (T)-0.90096886790241912624};
static const T fft_sin_7[] = {0, (T)0.78183148246802980871, (T)0.97492791218182360702, (T)0.43388373911755812048};
static const T fft_cos_11[] = {1, (T)0.84125353283118116886, (T)0.41541501300188642553, (T)-0.14231483827328514044,
                               (T)-0.65486073394528506406, (T)-0.95949297361449738989};
static const T fft_sin_11[] = {0, (T)0.54064081745559758211, (T)0.90963199535451837141, (T)0.98982144188093273238,
                               (T)0.75574957435425828377, (T)0.28173255684142969771};
static const T fft_cos_13[] = {1, (T)0.88545602565320989590, (T)0.56806474673115580251, (T)0.12053668025532305335,
                               (T)-0.35460488704253562597, (T)-0.74851074817110109863, (T)-0.97094181742605202716};
static const T fft_sin_13[] = {0, (T)0.46472317204376854566, (T)0.82298386589365639458, (T)0.99270887409805399280,
                               (T)0.93501624268541482344, (T)0.66312265824079520238, (T)0.23931566428755776715};

/* Any odd R: terms j and R - j meet the same cosine and opposite sines. */
INLINE void fft_odd(int R, cx *x, const T *cosines, const T *sines) {
  const int half = R / 2;
  cx sum[8], gap[8], first = x[0];
_Pragma("GCC unroll 8")
  for (int j = 1; j <= half; ++j) {
    sum[j] = cx_add(x[j], x[R - j]), gap[j] = cx_sub(x[j], x[R - j]);
    first = cx_add(first, sum[j]);
  }
_Pragma("GCC unroll 8")
  for (int k = 1; k <= half; ++k) {
    cx even = x[0], odd = {{0}, {0}};
_Pragma("GCC unroll 8")
    for (int j = 1; j <= half; ++j) {
      const int at = j * k % R, near = at <= half ? at : R - at;
      const T c = cosines[near], s = at <= half ? sines[near] : -sines[near];
      even.re += sum[j].re * c, even.im += sum[j].im * c;
      odd.re += gap[j].im * s, odd.im -= gap[j].re * s;
    }
    x[k] = cx_add(even, odd), x[R - k] = cx_sub(even, odd);
  }
  x[0] = first;
}
INLINE void fft_3(cx *x) { fft_odd(3, x, fft_cos_3, fft_sin_3); }
INLINE void fft_5(cx *x) { fft_odd(5, x, fft_cos_5, fft_sin_5); }
INLINE void fft_7(cx *x) { fft_odd(7, x, fft_cos_7, fft_sin_7); }
INLINE void fft_11(cx *x) { fft_odd(11, x, fft_cos_11, fft_sin_11); }
INLINE void fft_13(cx *x) { fft_odd(13, x, fft_cos_13, fft_sin_13); }

/* -- passes ------------------------------------------------------------------------------------------------------------ */

/* `m` butterflies for each of `s` transforms that are interleaved; `w` has R - 1 numbers for each butterfly. Results of butterfly p of
 * transform q go to `y` by the steps `qs`, `ps` and, for each term, `ks`.
 */
#define FFT_PASS(R)                                                                                                      \
  static void fft_pass_##R(const cx *RESTRICT x, cx *RESTRICT y, int64_t m, int64_t s, const T *RESTRICT w, int64_t qs, \
                           int64_t ps, int64_t ks) {                                                                    \
    if (m == 1) {                                                                                                       \
      for (int64_t q = 0; q < s; ++q) {                                                                                 \
        cx v[R];                                                                                                        \
        _Pragma("GCC unroll 16") for (int j = 0; j < R; ++j) v[j] = x[q + s * j];                                       \
        fft_##R(v);                                                                                                     \
        _Pragma("GCC unroll 16") for (int j = 0; j < R; ++j) y[q * qs + ks * j] = v[j];                                 \
      }                                                                                                                 \
      return;                                                                                                           \
    }                                                                                                                   \
    for (int64_t p = 0; p < m; ++p, w += 2 * (R - 1))                                                                   \
      for (int64_t q = 0; q < s; ++q) {                                                                                 \
        cx v[R];                                                                                                        \
        _Pragma("GCC unroll 16") for (int j = 0; j < R; ++j) v[j] = x[q + s * (p + m * j)];                             \
        fft_##R(v);                                                                                                     \
        cx *const to = y + q * qs + p * ps;                                                                             \
        to[0] = v[0];                                                                                                   \
        _Pragma("GCC unroll 16") for (int j = 1; j < R; ++j) to[ks * j] = cx_times(v[j], w[2 * j - 2], w[2 * j - 1]);   \
      }                                                                                                                 \
  }
FFT_PASS(2) FFT_PASS(3) FFT_PASS(4) FFT_PASS(5) FFT_PASS(7) FFT_PASS(8) FFT_PASS(11) FFT_PASS(13)

#define FFT_NEAR 128 /* terms whose two buffers lie in the first-level cache */

static void fft_pass(int64_t R, const cx *x, cx *y, int64_t m, int64_t s, const T *w, int64_t qs, int64_t ps, int64_t ks) {
  switch (R) {
    case 2: fft_pass_2(x, y, m, s, w, qs, ps, ks); break;
    case 3: fft_pass_3(x, y, m, s, w, qs, ps, ks); break;
    case 4: fft_pass_4(x, y, m, s, w, qs, ps, ks); break;
    case 5: fft_pass_5(x, y, m, s, w, qs, ps, ks); break;
    case 7: fft_pass_7(x, y, m, s, w, qs, ps, ks); break;
    case 8: fft_pass_8(x, y, m, s, w, qs, ps, ks); break;
    case 11: fft_pass_11(x, y, m, s, w, qs, ps, ks); break;
    default: fft_pass_13(x, y, m, s, w, qs, ps, ks);
  }
}
/* The transform of `n` terms in `x`, which is written over, as `other` and `third` are; says in which of the first two the result
 * lies. `radices` ends with 0; `w` has the passes' numbers one after the other. More terms than the nearest cache holds are parted
 * by the first pass into R transforms that it does hold, each then done by itself.
 */
static cx *fft_run(cx *x, cx *other, cx *third, int64_t n, const int64_t *radices, const T *w) {
  const int64_t first = n > FFT_NEAR && radices[1] ? radices[0] : 1, block = n / first;
  if (first > 1) {
    fft_pass(first, x, other, block, 1, w, 0, 1, block);
    w += 2 * (first - 1) * block, ++radices;
  }
  for (int64_t k = 0; k < first; ++k) {
    cx *from = first > 1 ? other + k * block : x, *const one = from, *const two = first > 1 ? third : other;
    const T *numbers = w;
    int64_t left = block, s = 1;
    for (const int64_t *r = radices; *r; ++r) {
      const int64_t R = *r, m = left / R;
      if (first > 1 && m == 1) {
        fft_pass(R, from, x + k, m, s, numbers, first, 0, s * first);
        continue;
      }
      cx *const to = from == one ? two : one;
      fft_pass(R, from, to, m, s, numbers, 1, s * R, s);
      numbers += m > 1 ? 2 * (R - 1) * m : 0;
      s *= R, left = m, from = to;
    }
    if (first == 1) return from;
  }
  return x;
}
#endif
