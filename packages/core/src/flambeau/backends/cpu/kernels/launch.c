/* types: float */
/* Calls of generated loop nests (`ir/loops.py`) at the price of one foreign call.
 *
 * What a layout needs is put together once, in Python: a plan is the address of the function, of its sizes and strides, the
 * length of the outermost range and its grain, as five numbers. A call adds the addresses of the arrays and the parameters.
 */
#include "fb.h"

typedef void (*nest)(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end);
struct launch {
  const int64_t *plan;
  void *const *a;
  const double *p;
};

static void run_part(void *context, int64_t begin, int64_t end) {
  const struct launch *x = context;
  ((nest)(intptr_t)x->plan[0])(x->a, x->p, (const int64_t *)(intptr_t)x->plan[1], (const int64_t *)(intptr_t)x->plan[2], begin, end);
}

static void run(const int64_t *plan, void *const *a, const double *p) {
  struct launch x = {plan, a, p};
  if (plan[3] <= plan[4]) run_part(&x, 0, plan[3]); /* one block: not worth asking the pool */
  else PARALLEL(run_part, &x, plan[3], plan[4]);
}

/* A plan without parameters on two, three or four arrays, inputs then results. */
EXPORT void run2(const int64_t *plan, void *a, void *b) { run(plan, (void *[]){a, b}, (double[]){0}); }
EXPORT void run3(const int64_t *plan, void *a, void *b, void *c) { run(plan, (void *[]){a, b, c}, (double[]){0}); }
EXPORT void run4(const int64_t *plan, void *a, void *b, void *c, void *d) { run(plan, (void *[]){a, b, c, d}, (double[]){0}); }
/* With one parameter or two. */
EXPORT void run2n1(const int64_t *plan, void *a, void *b, double p) { run(plan, (void *[]){a, b}, (double[]){p}); }
EXPORT void run2n2(const int64_t *plan, void *a, void *b, double p, double q) { run(plan, (void *[]){a, b}, (double[]){p, q}); }
EXPORT void run3n1(const int64_t *plan, void *a, void *b, void *c, double p) { run(plan, (void *[]){a, b, c}, (double[]){p}); }
EXPORT void run3n2(const int64_t *plan, void *a, void *b, void *c, double p, double q) { run(plan, (void *[]){a, b, c}, (double[]){p, q}); }
/* Any number of both. */
EXPORT void run_all(const int64_t *plan, void *arrays, void *params) { run(plan, arrays, params); }
