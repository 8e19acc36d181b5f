void loss(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x
  const float *a1_0 = a[1];  // y
  float *a2_0 = a[2];  // loss
  const int64_t piece = n[1];
  for (int64_t c = begin; c < end; ++c) {
    const int64_t from = c * piece, to = from + piece < n[0] ? from + piece : n[0];
    double l2[64];
    for (int i = 0; i < 64; ++i) l2[i] = 0.0;
    int64_t b = from;
    for (; b + 64 <= to; b += 64) {
      #pragma omp simd
      for (int64_t i = 0; i < 64; ++i) {
        const float v0 = a0_0[(b + i)];
        const float v1 = a1_0[(b + i)];
        const float t0 = (v0 - v1);
        const float t1 = (t0 * t0);
        l2[i] = (l2[i] + (double)t1);
      }
    }
    #pragma omp simd
    for (int64_t i = 0; i < to - b; ++i) {
      const float v0 = a0_0[(b + i)];
      const float v1 = a1_0[(b + i)];
      const float t0 = (v0 - v1);
      const float t1 = (t0 * t0);
      l2[i] = (l2[i] + (double)t1);
    }
    for (int w = 32; w; w >>= 1) for (int i = 0; i < w; ++i) l2[i] = (l2[i] + l2[i + w]);
    const double r2 = l2[0];
    ((double *)a[3])[c] = r2;
  }
}

void loss_finish(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)s, (void)n;
  double r2 = 0.0;
  for (int64_t c = begin; c < end; ++c) r2 = (r2 + ((const double *)a[3])[c]);
  ((float *)a[2])[0] = (float)(r2 / (double)(n[0]));
}
