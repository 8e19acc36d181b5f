/* types: float double */
/* Products of complex numbers that lie together, real part first. */
#include "fb.h"

struct call {
  const T *a, *b;
  T *y;
};

static void product_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const T *RESTRICT a = c->a, *RESTRICT b = c->b;
  T *RESTRICT y = c->y;
  for (int64_t i = begin; i < end; ++i) {
    const T ar = a[2 * i], ai = a[2 * i + 1], br = b[2 * i], bi = b[2 * i + 1];
    y[2 * i] = ar * br - ai * bi;
    y[2 * i + 1] = ar * bi + ai * br;
  }
}
static void scale_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const T *RESTRICT a = c->a, br = c->b[0], bi = c->b[1];
  T *RESTRICT y = c->y;
  for (int64_t i = begin; i < end; ++i) {
    const T ar = a[2 * i], ai = a[2 * i + 1];
    y[2 * i] = ar * br - ai * bi;
    y[2 * i + 1] = ar * bi + ai * br;
  }
}

/* y = a b, n numbers of each; `one`: b is one number. */
EXPORT void product(const T *a, const T *b, T *y, int64_t n, int one) {
  struct call c = {a, b, y};
  PARALLEL(one ? scale_task : product_task, &c, n, MAX(8192, MIN(n / 8, 1 << 17)));
}
