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

/* -- the same on NumPy's arrays themselves, which are looked at here instead of in Python: 1.4 us less ----------------------------------- */

/* A form is the plan of a launch, the bytes of an object's head, and for each array its dtype's object, its
 * dimensions, their sizes and strides. */
struct array { /* behind the head, in NumPy's stable binary interface */
  char *data;
  int dims;
  const int64_t *sizes, *strides;
  const void *base, *dtype;
};
INLINE void *data_of(const char *object, int64_t head) { return ((const struct array *)(object + head))->data; }
INLINE const int64_t *alike(const int64_t *form, const char *object, int64_t head) {
  const struct array *x = (const struct array *)(object + head);
  const int64_t dtype = *form++, dims = *form++;
  if ((int64_t)(intptr_t)x->dtype != dtype || x->dims != dims) return 0;
  for (int64_t d = 0; d < dims; ++d, form += 2)
    if (x->sizes[d] != form[0] || x->strides[d] != form[1]) return 0;
  return form;
}
#define PLAN(form) ((const int64_t *)(intptr_t)(form)[0])

/* 1: an array has another form, and nothing was done. */
EXPORT int alike2(const int64_t *form, const void *x, void *y) {
  const int64_t head = form[1];
  if (!alike(form + 2, x, head)) return 1;
  run(PLAN(form), (void *[]){data_of(x, head), data_of(y, head)}, (double[]){0});
  return 0;
}
EXPORT int alike2n1(const int64_t *form, const void *x, void *y, double p) {
  const int64_t head = form[1];
  if (!alike(form + 2, x, head)) return 1;
  run(PLAN(form), (void *[]){data_of(x, head), data_of(y, head)}, (double[]){p});
  return 0;
}
EXPORT int alike2n2(const int64_t *form, const void *x, void *y, double p, double q) {
  const int64_t head = form[1];
  if (!alike(form + 2, x, head)) return 1;
  run(PLAN(form), (void *[]){data_of(x, head), data_of(y, head)}, (double[]){p, q});
  return 0;
}
EXPORT int alike3(const int64_t *form, const void *x, const void *y, void *z) {
  const int64_t head = form[1], *rest = alike(form + 2, x, head);
  if (!rest || !alike(rest, y, head)) return 1;
  run(PLAN(form), (void *[]){data_of(x, head), data_of(y, head), data_of(z, head)}, (double[]){0});
  return 0;
}
EXPORT int alike4(const int64_t *form, const void *x, const void *y, const void *z, void *made) {
  const int64_t head = form[1], *rest = alike(form + 2, x, head);
  if (!rest || !(rest = alike(rest, y, head)) || !alike(rest, z, head)) return 1;
  run(PLAN(form), (void *[]){data_of(x, head), data_of(y, head), data_of(z, head), data_of(made, head)}, (double[]){0});
  return 0;
}
