/* clamped
 * fused (4, 6) -> v3
 *     v1 = clamp_number(x0)
 *     v2 = sign(x0)
 *     v3 = mul(v1, v2)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float t0 = fb_maxf(v0, (-1.0f));
    const float t1 = fb_minf(t0, 1.0f);
    const float t2 = fb_signf(v0);
    const float t3 = (t1 * t2);
    a1_0[i] = t3;
  }
}
