void scaled_mask(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const double q0 = p[0];
  const float *a0_0 = a[0];  // x
  const uint8_t *a1_0 = a[1];  // mask
  float *a2_0 = a[2];  // out
  bool *a3_0 = a[3];  // big
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    const uint8_t *a1_1 = a1_0;
    float *a2_1 = a2_0 + i0 * s[6];
    bool *a3_1 = a3_0 + i0 * s[9];
    for (int64_t i1 = 0; i1 < n[1]; ++i1) {
      const float *a0_2 = a0_1 + i1 * s[1];
      const uint8_t *a1_2 = a1_1 + i1 * s[4];
      float *a2_2 = a2_1 + i1 * s[7];
      bool *a3_2 = a3_1 + i1 * s[10];
      #pragma omp simd
      for (int64_t i = 0; i < n[2]; ++i) {
        const float v0 = a0_2[i * s[2]];
        const bool v1 = a1_2[i];
        const float t0 = (v0 * (float)q0);
        const float t1 = (v1 ? t0 : 0.0f);
        const float t2 = fabsf(v0);
        const bool t3 = (t2 > 1.0f);
        a2_2[i] = t1;
        a3_2[i] = t3;
      }
    }
  }
}
