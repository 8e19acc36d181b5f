/* full_sum
 * fused (40, 60) -> v2
 *     v1 = mul(x0, 2.0)
 *     v2 = sum(v1)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
  const int64_t piece = n[1];
  for (int64_t c = begin; c < end; ++c) {
    const int64_t from = c * piece, to = from + piece < n[0] ? from + piece : n[0];
    double l1[64];
    for (int i = 0; i < 64; ++i) l1[i] = 0.0;
    int64_t b = from;
    for (; b + 64 <= to; b += 64) {
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_0[(b + i)];
        const float t0 = (v0 * 2.0f);
        l1[i] = (l1[i] + (double)t0);
      }
    }
    #pragma omp simd
    for (int64_t i = 0; i < to - b; ++i) {
      const float v0 = a0_0[(b + i)];
      const float t0 = (v0 * 2.0f);
      l1[i] = (l1[i] + (double)t0);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l1[i] = (l1[i] + l1[i + w]);
    const double r1 = l1[0];
    ((double *)a[2])[c] = r1;
  }
}

void kernel_finish(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)s, (void)n;
  double r1 = 0.0;
  for (int64_t c = begin; c < end; ++c) r1 = (r1 + ((const double *)a[2])[c]);
  ((float *)a[1])[0] = (float)(r1);
}
