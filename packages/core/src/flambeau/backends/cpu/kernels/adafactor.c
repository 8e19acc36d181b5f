/* types: float double */
/* Steps of Adafactor: a parameter is one task, read three times. Sums are double. */
#include "fb.h"

struct step {
  const int64_t *table, *shapes; /* for each parameter: addresses of p, g, row and column averages (or the average, 0); matrices, rows, columns */
  const double *numbers;         /* for each parameter: weight of the new square, least relative step */
  double eps1, eps2, d, decay, sign;
};

static double squares(const T *x, int64_t n) {
  double s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t i = 0; i < n; ++i) s += (double)x[i] * (double)x[i];
  return s;
}

/* The row's squares go to `columns` and their mean into `row`. */
static void take_row(const T *g, int64_t n, double *columns, T *row, T weight) {
  double s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t i = 0; i < n; ++i) {
    const double square = (double)g[i] * (double)g[i];
    s += square;
    columns[i] += square;
  }
  *row += weight * ((T)(s / (double)n) - *row);
}

/* update = g / sqrt(max(variance, least)), with variance = v[i] or across * v[i]; the sum of its squares. */
static double scaled(const T *g, const T *v, T across, T least, int64_t n, T *update) {
  double s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t i = 0; i < n; ++i) {
    const T variance = across * v[i], kept = variance < least ? least : variance;
    const T u = g[i] / (T)sqrt(kept);
    update[i] = u;
    s += (double)u * (double)u;
  }
  return s;
}

static void one(const struct step *x, int64_t k) {
  const int64_t *a = x->table + 4 * k, *shape = x->shapes + 3 * k, matrices = shape[0], rows = shape[1], columns = shape[2];
  const int64_t count = matrices * rows * columns;
  T *p = (T *)(intptr_t)a[0], *first = (T *)(intptr_t)a[2], *second = (T *)(intptr_t)a[3];
  const T *g = (const T *)(intptr_t)a[1];
  const T weight = (T)x->numbers[2 * k], least = (T)(x->eps1 * x->eps1);
  const double size = MAX(x->eps2, sqrt(squares(p, count) / (double)count)) * x->numbers[2 * k + 1];
  T *const update = SCRATCH(0, (size_t)count * sizeof(T));
  double sum = 0;
  if (!second) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) first[i] += weight * (g[i] * g[i] - first[i]);
    sum = scaled(g, first, 1, least, count, update);
  } else {
    double *const sums = SCRATCH(1, (size_t)columns * sizeof(double));
    for (int64_t m = 0; m < matrices; ++m) {
      T *const row = first + m * rows, *const column = second + m * columns;
      const int64_t start = m * rows * columns;
      memset(sums, 0, (size_t)columns * sizeof(double));
      for (int64_t r = 0; r < rows; ++r) take_row(g + start + r * columns, columns, sums, row + r, weight);
      for (int64_t c = 0; c < columns; ++c) column[c] += weight * ((T)(sums[c] / (double)rows) - column[c]);
      double mean = 0;
      for (int64_t r = 0; r < rows; ++r) mean += row[r];
      mean = mean / (double)rows;
      const T across = mean < x->eps1 ? (T)x->eps1 : (T)mean;
      for (int64_t r = 0; r < rows; ++r) sum += scaled(g + start + r * columns, column, row[r] / across, least, columns, update + start + r * columns);
    }
  }
  const double rms = sqrt(sum / (double)count) / x->d;
  const T pace = (T)(x->sign * size / (rms > 1 ? rms : rms != rms ? rms : 1)), decay = (T)x->decay;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) p[i] = p[i] * decay - pace * update[i];
}

static void task(void *context, int64_t begin, int64_t end) {
  for (int64_t k = begin; k < end; ++k) one(context, k);
}

EXPORT void step(int64_t count, int64_t elements, const int64_t *table, const int64_t *shapes, const double *numbers, double eps1, double eps2, double d, double decay, double sign) {
  struct step x = {table, shapes, numbers, eps1, eps2, d, decay, sign};
  PARALLEL(task, &x, count, elements < 16384 ? count : MAX(1, count * 8192 / elements));
}
