void column_mean(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const double *a0_0 = a[0];  // x
  const double *a1_0 = a[1];  // y
  double *a2_0 = a[2];  // mean
  for (int64_t b = begin; b < end; b += 256) {
    const int64_t m = end - b < 256 ? end - b : 256;
    double r2[256];
    for (int64_t i = 0; i < m; ++i) r2[i] = 0.0;
    for (int64_t i0 = 0; i0 < n[0]; ++i0) {
      const double *a0_1 = a0_0 + i0 * s[0];
      const double *a1_1 = a1_0 + i0 * s[2];
      double *a2_1 = a2_0;
      const double v1 = a1_1[0];
      #pragma omp simd
      for (int64_t i = 0; i < m; ++i) {
        const double v0 = a0_1[(b + i)];
        const double t0 = (v0 - v1);
        const double t1 = (t0 * t0);
        r2[i] = (r2[i] + t1);
      }
    }
    for (int64_t i = 0; i < m; ++i) a2_0[(b + i)] = (double)(r2[i] / (double)(n[0]));
  }
}
