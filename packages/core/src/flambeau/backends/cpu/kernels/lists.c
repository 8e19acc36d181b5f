/* types: float double */
/* Lists of arrays taken in one call, as an optimizer has them: sums of squares, scaling, averages of parameters.
 *
 * Arrays are given as the NumPy objects themselves, by their `id`: what Python would ask of each of them (class, dtype,
 * size, layout, where the data lies) is read here from the object's own fields, whose places are part of NumPy's binary
 * interface. `native.arrays_are_readable` has tried them on arrays that it knows.
 */
#include "fb.h"

#define GRAIN 16384

/* What follows an object's head in an ndarray. */
struct fields {
  char *data;
  int dimensions;
  const int64_t *shape, *strides;
  void *base, *dtype;
  int flags;
};
enum { ROWS = 1, COLUMNS = 2, ALIGNED = 0x100, WRITEABLE = 0x400 };

INLINE const struct fields *fields_of(int64_t id, int64_t head) { return (const struct fields *)(intptr_t)(id + head); }
INLINE int64_t class_of(int64_t id, int64_t head) { return *(const int64_t *)(intptr_t)(id + head - (int64_t)sizeof(void *)); }

/* What Python compares with what it knows of the array: data, dimensions, first size, first stride, dtype, flags, class. */
EXPORT void look(int64_t id, int64_t head, int64_t *seen) {
  const struct fields *f = fields_of(id, head);
  seen[0] = (int64_t)(intptr_t)f->data, seen[1] = f->dimensions;
  seen[2] = f->dimensions > 0 ? f->shape[0] : 0, seen[3] = f->dimensions > 0 ? f->strides[0] : 0;
  seen[4] = (int64_t)(intptr_t)f->dtype, seen[5] = f->flags, seen[6] = class_of(id, head);
}

/* Reads `count` rows of `columns` arrays into `table`, their addresses, and `ends`, the elements up to each row's end.
 * All arrays of a row have one shape and lie densely in one order; all but that of column `read_only` can be written.
 * Returns 0; 1 where written memory is not that which the table had; or -1 minus the number of the first array that does not fit.
 * `parts` is the number of elements of T in an element: two of a complex number. */
EXPORT int64_t survey(const int64_t *ids, int64_t count, int64_t columns, int64_t read_only, int64_t parts, const int64_t *known, int64_t *table, int64_t *ends) {
  const int64_t head = known[0], class = known[1], dtype = known[2];
  int64_t total = 0, moved = 0;
  for (int64_t r = 0; r < count; ++r) {
    const struct fields *first = fields_of(ids[r * columns], head);
    int64_t size = parts;
    int dense = ROWS | COLUMNS;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t at = r * columns + c;
      if (class_of(ids[at], head) != class) return -1 - at;
      const struct fields *f = fields_of(ids[at], head);
      dense &= f->flags;
      const int needed = ALIGNED | (c == read_only ? 0 : WRITEABLE);
      if ((int64_t)(intptr_t)f->dtype != dtype || (f->flags & needed) != needed || !dense || f->dimensions != first->dimensions) return -1 - at;
      for (int d = 0; d < f->dimensions; ++d)
        if (f->shape[d] != first->shape[d]) return -1 - at;
      const int64_t address = (int64_t)(intptr_t)f->data;
      moved |= c != read_only && table[at] != address;
      table[at] = address;
    }
    for (int d = 0; d < first->dimensions; ++d) size *= first->shape[d];
    total += size;
    moved |= ends[r] != total;
    ends[r] = total;
  }
  return moved;
}

/* Adds one to `count` numbers, 0-d arrays of float (known[2]) or double (known[3]), and copies them to `now`.
 * Returns 1 where all are equal, 0 where not; -1 where something else is among them, and nothing is changed. */
EXPORT int64_t advance(const int64_t *ids, int64_t count, const int64_t *known, double *now) {
  const int64_t head = known[0];
  for (int64_t i = 0; i < count; ++i) {
    if (class_of(ids[i], head) != known[1]) return -1;
    const struct fields *f = fields_of(ids[i], head);
    const int64_t dtype = (int64_t)(intptr_t)f->dtype;
    if ((dtype != known[2] && dtype != known[3]) || f->dimensions != 0 || (f->flags & (ALIGNED | WRITEABLE)) != (ALIGNED | WRITEABLE)) return -1;
  }
  int64_t same = 1;
  for (int64_t i = 0; i < count; ++i) {
    const struct fields *f = fields_of(ids[i], head);
    if ((int64_t)(intptr_t)f->dtype == known[2]) now[i] = *(float *)f->data += 1.0f;
    else now[i] = *(double *)f->data += 1.0;
    same &= now[i] == now[0];
  }
  return same;
}

/* -- passes over a list --------------------------------------------------------------------------------------------- */

struct list {
  const int64_t *table, *ends;
  int64_t columns, rows;
  double a, b;
  double *sums;
};
typedef void (*part_of)(const struct list *list, const int64_t *arrays, int64_t at, int64_t n, double *sum);

/* The row that element `at` of the whole list belongs to. */
INLINE int64_t row_of(const struct list *list, int64_t at) {
  int64_t low = 0, high = list->rows - 1;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (list->ends[middle] > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

INLINE void each_part(const struct list *list, int64_t begin, int64_t end, part_of part) {
  double sum = 0;
  const int64_t block = begin / GRAIN;
  for (int64_t r = row_of(list, begin); begin < end; ++r) {
    const int64_t first = r ? list->ends[r - 1] : 0, stop = MIN(end, list->ends[r]);
    if (stop > begin) part(list, list->table + r * list->columns, begin - first, stop - begin, &sum);
    begin = MAX(begin, stop);
  }
  if (list->sums) list->sums[block] = sum;
}

INLINE void squares(const struct list *list, const int64_t *arrays, int64_t at, int64_t n, double *sum) {
  (void)list;
  const T *x = (const T *)(intptr_t)arrays[0] + at;
  double s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t i = 0; i < n; ++i) s += (double)x[i] * (double)x[i];
  *sum += s;
}
static void squares_task(void *list, int64_t begin, int64_t end) { each_part(list, begin, end, squares); }

INLINE void scaled(const struct list *list, const int64_t *arrays, int64_t at, int64_t n, double *sum) {
  T *x = (T *)(intptr_t)arrays[0] + at;
  const T a = (T)list->a;
  T bad = 0;
#pragma omp simd reduction(+ : bad)
  for (int64_t i = 0; i < n; ++i) {
    bad += x[i] - x[i]; /* 0, or NaN where it is not finite */
    x[i] *= a;
  }
  *sum += bad;
}
static void scaled_task(void *list, int64_t begin, int64_t end) { each_part(list, begin, end, scaled); }

INLINE void clamped(const struct list *list, const int64_t *arrays, int64_t at, int64_t n, double *sum) {
  (void)sum;
  T *x = (T *)(intptr_t)arrays[0] + at;
  const T low = (T)list->a, high = (T)list->b;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const T raised = x[i] < low ? low : x[i]; /* NaN stays */
    x[i] = raised > high ? high : raised;
  }
}
static void clamped_task(void *list, int64_t begin, int64_t end) { each_part(list, begin, end, clamped); }

/* x = a x + b y */
INLINE void mixed(const struct list *list, const int64_t *arrays, int64_t at, int64_t n, double *sum) {
  (void)sum;
  T *x = (T *)(intptr_t)arrays[0] + at;
  const T *y = (const T *)(intptr_t)arrays[1] + at;
  const T a = (T)list->a, b = (T)list->b;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] = a * x[i] + b * y[i];
}
static void mixed_task(void *list, int64_t begin, int64_t end) { each_part(list, begin, end, mixed); }

/* x += (y - x) / a */
INLINE void approached(const struct list *list, const int64_t *arrays, int64_t at, int64_t n, double *sum) {
  (void)sum;
  T *x = (T *)(intptr_t)arrays[0] + at;
  const T *y = (const T *)(intptr_t)arrays[1] + at;
  const T a = (T)list->a;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] += (y[i] - x[i]) / a;
}
static void approached_task(void *list, int64_t begin, int64_t end) { each_part(list, begin, end, approached); }

static double passed(fb_task task, const int64_t *table, const int64_t *ends, int64_t columns, int64_t rows, double a, double b, double *sums) {
  struct list list = {table, ends, columns, rows, a, b, sums};
  if (rows < 1 || ends[rows - 1] < 1) return 0;
  PARALLEL(task, &list, ends[rows - 1], GRAIN);
  double total = 0;
  for (int64_t i = 0; sums && i * GRAIN < ends[rows - 1]; ++i) total += sums[i];
  return total;
}

/* `sums` has a place for every GRAIN elements; the sums of these are added in order, whatever the number of threads. */
EXPORT double sum_of_squares(const int64_t *table, const int64_t *ends, int64_t rows, double *sums) {
  return passed(squares_task, table, ends, 1, rows, 0, 0, sums);
}
/* Returns 0, or NaN where an element was infinite or NaN. */
EXPORT double scale(const int64_t *table, const int64_t *ends, int64_t rows, double a, double *sums) {
  return passed(scaled_task, table, ends, 1, rows, a, 0, sums);
}
EXPORT void clamp(const int64_t *table, const int64_t *ends, int64_t rows, double low, double high) {
  passed(clamped_task, table, ends, 1, rows, low, high, 0);
}
EXPORT void mix(const int64_t *table, const int64_t *ends, int64_t rows, double a, double b) {
  passed(mixed_task, table, ends, 2, rows, a, b, 0);
}
EXPORT void approach(const int64_t *table, const int64_t *ends, int64_t rows, double a) {
  passed(approached_task, table, ends, 2, rows, a, 0, 0);
}
