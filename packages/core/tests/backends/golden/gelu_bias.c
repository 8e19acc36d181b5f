void gelu_bias(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x
  const float *a1_0 = a[1];  // b
  float *a2_0 = a[2];  // out
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    const float *a1_1 = a1_0;
    float *a2_1 = a2_0 + i0 * s[4];
    #pragma omp simd
    for (int64_t i = 0; i < n[1]; ++i) {
      const float v0 = a0_1[i];
      const float v1 = a1_1[i];
      const float t0 = (v0 + v1);
      const float t1 = (t0 * 0.5f);
      const float t2 = (t0 * 0.7071067811865476f);
      const float t3 = fb_erff(t2);
      const float t4 = (1.0f + t3);
      const float t5 = (t1 * t4);
      a2_1[i] = t5;
    }
  }
}
