/* row_sums
 * fused (4, 600) -> v2
 *     v1 = mul(x0, x0)
 *     v2 = sum(v1)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    float *a1_1 = a1_0 + i0 * s[2];
    double l1[64];
    for (int i = 0; i < 64; ++i) l1[i] = 0.0;
    int64_t b = 0;
    for (; b + 64 <= n[1]; b += 64) {
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_1[(b + i)];
        const float t0 = (v0 * v0);
        l1[i] = (l1[i] + (double)t0);
      }
    }
    #pragma omp simd
    for (int64_t i = 0; i < n[1] - b; ++i) {
      const float v0 = a0_1[(b + i)];
      const float t0 = (v0 * v0);
      l1[i] = (l1[i] + (double)t0);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l1[i] = (l1[i] + l1[i + w]);
    const double r1 = l1[0];
    a1_1[0] = (float)(r1);
  }
}
