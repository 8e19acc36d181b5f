/* three_dimensions
 * fused (2, 3, 4) -> v4
 *     v2 = sub(x0, x1)
 *     v3 = abs(v2)
 *     v4 = add(v3, x1)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  float *a2_0 = a[2];  // y0
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    const float *a1_1 = a1_0;
    float *a2_1 = a2_0 + i0 * s[6];
    for (int64_t i1 = 0; i1 < n[1]; ++i1) {
      const float *a0_2 = a0_1 + i1 * s[1];
      const float *a1_2 = a1_1 + i1 * s[4];
      float *a2_2 = a2_1 + i1 * s[7];
#if defined(FB_WIDE)
      if (true) {
        const fbw x1 = fbw_all(a1_2[0]);
        int64_t i = 0;
        const int64_t lead = n[2] - i < 64 ? 0 : -(int64_t)((uintptr_t)(a2_2 + i) / 4) & 15;
        if (lead) {
          const fbw_mask part = (fbw_mask)((1u << lead) - 1);
          const fbw x0 = fbw_load_part(a0_2 + i, part);
          const fbw w0 = (x0 - x1);
          const fbw w1 = fbw_abs(w0);
          const fbw w2 = (w1 + x1);
          fbw_store_part(a2_2 + i, w2, part);
          i += lead;
        }
        for (; i + 16 <= n[2]; i += 16) {
          const fbw x0 = fbw_load(a0_2 + i);
          const fbw w0 = (x0 - x1);
          const fbw w1 = fbw_abs(w0);
          const fbw w2 = (w1 + x1);
          fbw_store(a2_2 + i, w2);
        }
        if (i < n[2]) {
          const fbw_mask part = (fbw_mask)((1u << (n[2] - i)) - 1);
          const fbw x0 = fbw_load_part(a0_2 + i, part);
          const fbw w0 = (x0 - x1);
          const fbw w1 = fbw_abs(w0);
          const fbw w2 = (w1 + x1);
          fbw_store_part(a2_2 + i, w2, part);
        }
      } else
#endif
      {
      const float v1 = a1_2[0];
      #pragma omp simd
      for (int64_t i = 0; i < n[2]; ++i) {
        const float v0 = a0_2[i];
        const float t0 = (v0 - v1);
        const float t1 = fabsf(t0);
        const float t2 = (t1 + v1);
        a2_2[i] = t2;
      }
      }
    }
  }
}
