/* broadcast
 * fused (4, 6) -> v4
 *     v3 = add(x0, x1)
 *     v4 = mul(v3, x2)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  const float *a2_0 = a[2];  // x2
  float *a3_0 = a[3];  // y0
  for (int64_t i0 = begin; i0 < end; ++i0) {
    const float *a0_1 = a0_0 + i0 * s[0];
    const float *a1_1 = a1_0;
    const float *a2_1 = a2_0 + i0 * s[4];
    float *a3_1 = a3_0 + i0 * s[6];
#if defined(FB_WIDE)
    if (true) {
      const fbw x2 = fbw_all(a2_1[0]);
      int64_t i = 0;
      const int64_t lead = n[1] - i < 64 ? 0 : -(int64_t)((uintptr_t)(a3_1 + i) / 4) & 15;
      if (lead) {
        const fbw_mask part = (fbw_mask)((1u << lead) - 1);
        const fbw x0 = fbw_load_part(a0_1 + i, part);
        const fbw x1 = fbw_load_part(a1_1 + i, part);
        const fbw w0 = (x0 + x1);
        const fbw w1 = (w0 * x2);
        fbw_store_part(a3_1 + i, w1, part);
        i += lead;
      }
      for (; i + 16 <= n[1]; i += 16) {
        const fbw x0 = fbw_load(a0_1 + i);
        const fbw x1 = fbw_load(a1_1 + i);
        const fbw w0 = (x0 + x1);
        const fbw w1 = (w0 * x2);
        fbw_store(a3_1 + i, w1);
      }
      if (i < n[1]) {
        const fbw_mask part = (fbw_mask)((1u << (n[1] - i)) - 1);
        const fbw x0 = fbw_load_part(a0_1 + i, part);
        const fbw x1 = fbw_load_part(a1_1 + i, part);
        const fbw w0 = (x0 + x1);
        const fbw w1 = (w0 * x2);
        fbw_store_part(a3_1 + i, w1, part);
      }
    } else
#endif
    {
    const float v2 = a2_1[0];
    #pragma omp simd
    for (int64_t i = 0; i < n[1]; ++i) {
      const float v0 = a0_1[i];
      const float v1 = a1_1[i];
      const float t0 = (v0 + v1);
      const float t1 = (t0 * v2);
      a3_1[i] = t1;
    }
    }
  }
}
