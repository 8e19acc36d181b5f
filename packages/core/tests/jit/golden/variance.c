/* variance
 * v1 = sum(x0)
 * v2 = true_divide(v1, 600.0)
 * fused (4, 600) -> v5
 *     v3 = sub(x0, v2)
 *     v4 = mul(v3, v3)
 *     v5 = sum(v4)
 * v6 = true_divide(v5, 600.0)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  float *a2_0 = a[2];  // y0
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    const float *a1_1 = a1_0 + i0 * s[2];
    float *a2_1 = a2_0 + i0 * s[4];
    double l2[64];
    for (int i = 0; i < 64; ++i) l2[i] = 0.0;
    int64_t b = 0;
    for (; b + 64 <= n[1]; b += 64) {
      const float v1 = a1_1[0];
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_1[(b + i)];
        const float t0 = (v0 - v1);
        const float t1 = (t0 * t0);
        l2[i] = (l2[i] + (double)t1);
      }
    }
    const float v1 = a1_1[0];
    #pragma omp simd
    for (int64_t i = 0; i < n[1] - b; ++i) {
      const float v0 = a0_1[(b + i)];
      const float t0 = (v0 - v1);
      const float t1 = (t0 * t0);
      l2[i] = (l2[i] + (double)t1);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l2[i] = (l2[i] + l2[i + w]);
    const double r2 = l2[0];
    a2_1[0] = (float)(r2);
  }
}
