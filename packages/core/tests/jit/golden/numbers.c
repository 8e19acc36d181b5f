/* numbers
 * fused (4, 6) -> v4
 *     v1 = sub(2.0, x0)
 *     v3 = pow(x0, 2.0)
 *     v2 = mul(v1, 0.5)
 *     v4 = add(v2, v3)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
#if defined(FB_WIDE)
  if (true) {
    int64_t i = begin;
    const int64_t lead = end - i < 64 ? 0 : -(int64_t)((uintptr_t)(a1_0 + i) / 4) & 15;
    if (lead) {
      const fbw_mask part = (fbw_mask)((1u << lead) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw w0 = (fbw_all(2.0f) - x0);
      const fbw w1 = (w0 * fbw_all(0.5f));
      const fbw w2 = (x0 * x0);
      const fbw w3 = (w1 + w2);
      fbw_store_part(a1_0 + i, w3, part);
      i += lead;
    }
    if (n[0] >= 12582912 && (uintptr_t)(a1_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw w0 = (fbw_all(2.0f) - x0);
        const fbw w1 = (w0 * fbw_all(0.5f));
        const fbw w2 = (x0 * x0);
        const fbw w3 = (w1 + w2);
        fbw_stream(a1_0 + i, w3);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw w0 = (fbw_all(2.0f) - x0);
      const fbw w1 = (w0 * fbw_all(0.5f));
      const fbw w2 = (x0 * x0);
      const fbw w3 = (w1 + w2);
      fbw_store(a1_0 + i, w3);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw w0 = (fbw_all(2.0f) - x0);
      const fbw w1 = (w0 * fbw_all(0.5f));
      const fbw w2 = (x0 * x0);
      const fbw w3 = (w1 + w2);
      fbw_store_part(a1_0 + i, w3, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float t0 = (2.0f - v0);
    const float t1 = (t0 * 0.5f);
    const float t2 = (v0 * v0);
    const float t3 = (t1 + t2);
    a1_0[i] = t3;
  }
  }
}
