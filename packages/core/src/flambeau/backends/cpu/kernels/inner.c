/* types: float double */
/* Sums and products of short vectors in the order of MKL and PyTorch, so that a method that doubles the smallest difference
 * at each step, such as L-BFGS, goes the same way. The orders were found by summing one large number, its negative and ones:
 * how many ones are lost tells where two places meet.
 */
#include "fb.h"

/* Products are rounded before they are added. */
#ifdef __clang__
#define EVERY_ROUNDING _Pragma("clang fp contract(off)")
#else
#pragma GCC optimize("fp-contract=off")
#define EVERY_ROUNDING
#endif

#define PARTS 4                               /* running sums side by side, each of LANES elements */
#define LANES ((int64_t)(16 / sizeof(T)))     /* of a product: 128 bits */
#define SUM_LANES ((int64_t)(32 / sizeof(T))) /* of a sum: 256 bits */

/* x . y: four vectors of running sums, what is left over goes to the first (of floats, two vectors at once to the first two). */
EXPORT double dot(const T *RESTRICT x, const T *RESTRICT y, int64_t n) {
  EVERY_ROUNDING
  T s[PARTS * 16 / sizeof(T)] = {0};
  int64_t i = 0;
  for (; i + PARTS * LANES <= n; i += PARTS * LANES)
    for (int64_t j = 0; j < PARTS * LANES; ++j) s[j] += x[i + j] * y[i + j];
  if (sizeof(T) == 4 && i + 2 * LANES <= n) {
    for (int64_t j = 0; j < 2 * LANES; ++j) s[j] += x[i + j] * y[i + j];
    i += 2 * LANES;
  }
  for (; i + LANES <= n; i += LANES)
    for (int64_t j = 0; j < LANES; ++j) s[j] += x[i + j] * y[i + j];
  for (; i < n; ++i) s[0] += x[i] * y[i];
  for (int64_t k = 1; k < PARTS; ++k)
    for (int64_t j = 0; j < LANES; ++j) s[j] += s[k * LANES + j];
  for (int64_t half = LANES / 2; half; half /= 2)
    for (int64_t j = 0; j < half; ++j) s[j] += s[half + j];
  return s[0];
}

/* Sums of the sizes in columns: `rows` rows of `width` elements, `width` sums into `s`. Four levels, so that errors grow with the logarithm. */
#define LEVELS 4
static void add_rows(const T *x, int64_t rows, int64_t width, T *s) {
  int64_t bits = 0;
  while (((int64_t)1 << bits) < rows) ++bits;
  const int64_t power = MAX(4, bits / LEVELS), step = (int64_t)1 << power;
  T level[LEVELS][PARTS * 32 / sizeof(T)] = {{0}};
  int64_t i = 0;
  while (i + step <= rows) {
    for (int64_t k = 0; k < step; ++k, ++i)
      for (int64_t j = 0; j < width; ++j) level[0][j] += x[i * width + j] < 0 ? -x[i * width + j] : x[i * width + j];
    for (int64_t l = 1; l < LEVELS; ++l) {
      for (int64_t j = 0; j < width; ++j) level[l][j] += level[l - 1][j], level[l - 1][j] = 0;
      if (i & ((step - 1) << (l * power))) break;
    }
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < width; ++j) level[0][j] += x[i * width + j] < 0 ? -x[i * width + j] : x[i * width + j];
  for (int64_t l = 1; l < LEVELS; ++l)
    for (int64_t j = 0; j < width; ++j) level[0][j] += level[l][j];
  for (int64_t j = 0; j < width; ++j) s[j] = level[0][j];
}

/* |x[0]| + |x[1]| + ... */
EXPORT double sizes(const T *x, int64_t n) {
  const int64_t lanes = n < SUM_LANES ? 1 : SUM_LANES, whole = n / lanes, rows = whole / PARTS;
  T s[PARTS * 32 / sizeof(T)] = {0}, rest = 0;
  add_rows(x, rows, PARTS * lanes, s);
  for (int64_t i = rows * PARTS; i < whole; ++i)
    for (int64_t j = 0; j < lanes; ++j) s[j] += (T)fabs((double)x[i * lanes + j]);
  for (int64_t k = 1; k < PARTS; ++k)
    for (int64_t j = 0; j < lanes; ++j) s[j] += s[k * lanes + j];
  for (int64_t i = whole * lanes; i < n; ++i) rest += (T)fabs((double)x[i]);
  s[0] += rest;
  T sum = 0;
  for (int64_t j = 0; j < lanes; ++j) sum += s[j];
  return sum;
}

/* x += alpha y, rounded once. */
EXPORT void add_scaled(T *RESTRICT x, const T *RESTRICT y, T alpha, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = sizeof(T) == 4 ? (T)__builtin_fmaf((float)alpha, (float)y[i], (float)x[i]) : (T)__builtin_fma(alpha, y[i], x[i]);
}
