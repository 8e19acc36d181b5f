/* softplus
 * fused (4, 6) -> v3
 *     v1 = softplus(x0)
 *     v2 = leaky_relu(x0)
 *     v3 = sub(v1, v2)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const bool t0 = (v0 > 20.0f);
    const float t1 = fb_expf(v0);
    const float t2 = fb_log1pf(t1);
    const float t3 = (t0 ? v0 : t2);
    const bool t4 = (v0 > 0.0f);
    const float t5 = (0.01f * v0);
    const float t6 = (t4 ? v0 : t5);
    const float t7 = (t3 - t6);
    a1_0[i] = t7;
  }
}
