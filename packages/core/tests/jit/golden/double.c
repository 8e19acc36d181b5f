/* double
 * fused (4, 6) -> v4
 *     v1 = sin(x0)
 *     v2 = cos(x0)
 *     v3 = mul(v1, v2)
 *     v4 = sqrt(v3)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const double *a0_0 = a[0];  // x0
  double *a1_0 = a[1];  // y0
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const double v0 = a0_0[i];
    const double t0 = sin(v0);
    const double t1 = cos(v0);
    const double t2 = (t0 * t1);
    const double t3 = sqrt(t2);
    a1_0[i] = t3;
  }
}
