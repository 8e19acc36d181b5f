/* middle
 * fused (2, 30, 4) -> v2
 *     v1 = exp(x0)
 *     v2 = sum(v1)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    float *a1_1 = a1_0 + i0 * s[3];
    for (int64_t b = 0; b < n[2]; b += 256) {
      const int64_t m = n[2] - b < 256 ? n[2] - b : 256;
      double r1[256];
      for (int64_t i = 0; i < m; ++i) r1[i] = 0.0;
      for (int64_t i1 = 0; i1 < n[1]; ++i1) {
        const float *a0_2 = a0_1 + i1 * s[1];
        float *a1_2 = a1_1;
        #pragma omp simd
        for (int64_t i = 0; i < m; ++i) {
          const float v0 = a0_2[(b + i)];
          const float t0 = fb_expf(v0);
          r1[i] = (r1[i] + (double)t0);
        }
      }
      for (int64_t i = 0; i < m; ++i) a1_1[(b + i)] = (float)(r1[i]);
    }
  }
}
