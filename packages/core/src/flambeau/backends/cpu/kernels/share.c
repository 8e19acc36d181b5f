/* types: float */
/* NumPy's own inner loops on all cores (see `ufuncs.py`).
 *
 * A plan of int64: the address of the loop and of what NumPy gives it besides, the number of elements, how many of them one thread
 * takes at a time, and the bytes from one element to the next of each array.
 */
#include "fb.h"

typedef void (*loop)(char **arrays, const int64_t *count, const int64_t *steps, void *data);
struct call {
  const int64_t *plan;
  char *a[3];
};

static void run_part(void *context, int64_t begin, int64_t end) {
  const struct call *c = context;
  const int64_t *steps = c->plan + 4, count = end - begin;
  char *a[3];
  for (int k = 0; k < 3; ++k) a[k] = c->a[k] + begin * steps[k];
  ((loop)(intptr_t)c->plan[0])(a, &count, steps, (void *)(intptr_t)c->plan[1]);
}

/* One array or two, then the result. */
EXPORT void share2(const int64_t *plan, void *a, void *out) { struct call c = {plan, {a, out, out}}; PARALLEL(run_part, &c, plan[2], plan[3]); }
EXPORT void share3(const int64_t *plan, void *a, void *b, void *out) { struct call c = {plan, {a, b, out}}; PARALLEL(run_part, &c, plan[2], plan[3]); }
