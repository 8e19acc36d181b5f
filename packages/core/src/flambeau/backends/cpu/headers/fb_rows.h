/* What softmax and the losses made of it share: passes over a row in the cache. Behind fb_vec.h. */
#ifndef FB_ROWS_H
#define FB_ROWS_H
#include "fb_half.h"
#if defined(T_FLOAT32)
#define LOG(x) ((T)fb_log((double)(x)))
#else
#define LOG(x) fb_log(x)
#endif

INLINE T row_largest(const E *x, int64_t m) {
  vec a = splat(-INFINITY), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * WIDTH <= m; i += 4 * WIDTH) {
    a = larger(load(x + i), a);
    b = larger(load(x + i + WIDTH), b);
    c = larger(load(x + i + 2 * WIDTH), c);
    d = larger(load(x + i + 3 * WIDTH), d);
  }
  for (; i + WIDTH <= m; i += WIDTH) a = larger(load(x + i), a);
  if (i < m) a = larger(load_head(x + i, m - i, -INFINITY), a);
  return largest_of(larger(larger(a, b), larger(c, d)));
}

/* The sum of exp(x - top), which are kept in y where there is one. */
INLINE T row_exponentials(const E *x, T *y, T top, int64_t m, int keep) {
  const vec t = splat(top);
  vec whole = {0};
  int64_t i = 0;
  while (i + WIDTH <= m) {
    const int64_t end = MIN(m, i + 64 * WIDTH);
    vec a = {0}, b = {0};
    for (; i + 2 * WIDTH <= end; i += 2 * WIDTH) {
      const vec e = exp_down(load(x + i) - t), f = exp_down(load(x + i + WIDTH) - t);
      if (keep) store(y + i, e), store(y + i + WIDTH, f);
      a += e;
      b += f;
    }
    if (i + WIDTH <= end) {
      const vec e = exp_down(load(x + i) - t);
      if (keep) store(y + i, e);
      a += e;
      i += WIDTH;
    }
    whole += a + b;
  }
  if (i < m) { /* the elements that are not there count as exp(-inf) */
    const vec e = exp_down(load_head(x + i, m - i, -INFINITY) - t);
    if (keep) store_head(y + i, e, m - i);
    whole += e;
  }
  return total_of(whole);
}
#endif
