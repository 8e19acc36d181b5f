/* types: float double */
/* Planes continued beyond their edges, reflecting, replicating or going round, and the gradient of that.
 *
 * A table says which row of the input each row of the result is, another which element of it each element of a row; from `low` to
 * `high` these follow each other. The table is: rows of the input and of the result, elements of a row of both, low, high, then
 * the rows, then the elements.
 */
#include "fb.h"

struct call {
  const T *x;
  T *y;
  const int64_t *rows, *at;
  int64_t from_rows, to_rows, from, to, low, high;
};

static struct call described(const int64_t *plan, const T *x, T *y) {
  return (struct call){x, y, plan + 6, plan + 6 + plan[1], plan[0], plan[1], plan[2], plan[3], plan[4], plan[5]};
}

static void continue_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t plane = i / c->to_rows;
    const T *RESTRICT x = c->x + (plane * c->from_rows + c->rows[i - plane * c->to_rows]) * c->from;
    T *RESTRICT y = c->y + i * c->to;
    for (int64_t j = 0; j < c->low; ++j) y[j] = x[c->at[j]];
    if (c->high > c->low) memcpy(y + c->low, x + c->at[c->low], (size_t)(c->high - c->low) * sizeof(T));
    for (int64_t j = c->high; j < c->to; ++j) y[j] = x[c->at[j]];
  }
}
EXPORT void continued(const int64_t *plan, const T *x, T *y, int64_t planes) {
  struct call c = described(plan, x, y);
  PARALLEL(continue_task, &c, planes * c.to_rows, grain_for(planes * c.to_rows, c.to));
}

/* What came of an element is added up by one thread, in the order of the result. */
static void fold_task(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  for (int64_t plane = begin; plane < end; ++plane) {
    T *whole = c->y + plane * c->from_rows * c->from;
    memset(whole, 0, (size_t)(c->from_rows * c->from) * sizeof(T));
    for (int64_t i = 0; i < c->to_rows; ++i) {
      const T *RESTRICT g = c->x + (plane * c->to_rows + i) * c->to;
      T *RESTRICT y = whole + c->rows[i] * c->from;
      for (int64_t j = 0; j < c->low; ++j) y[c->at[j]] += g[j];
      if (c->high > c->low) {
        T *RESTRICT inner = y + c->at[c->low];
        for (int64_t j = c->low; j < c->high; ++j) inner[j - c->low] += g[j];
      }
      for (int64_t j = c->high; j < c->to; ++j) y[c->at[j]] += g[j];
    }
  }
}
EXPORT void folded(const int64_t *plan, const T *g, T *y, int64_t planes) {
  struct call c = described(plan, g, y);
  PARALLEL(fold_task, &c, planes, grain_for(planes, c.to_rows * c.to));
}
