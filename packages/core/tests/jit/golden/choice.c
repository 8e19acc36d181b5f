/* choice
 * fused (4, 6) -> v5
 *     v2 = gt(x0, x1)
 *     v3 = sub(x0, x1)
 *     v4 = mul(x1, 2.0)
 *     v5 = where(v2, v3, v4)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  float *a2_0 = a[2];  // y0
#if defined(FB_WIDE)
  if (true) {
    int64_t i = begin;
    const int64_t lead = end - i < 64 ? 0 : -(int64_t)((uintptr_t)(a2_0 + i) / 4) & 15;
    if (lead) {
      const fbw_mask part = (fbw_mask)((1u << lead) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw_mask w0 = _mm512_cmp_ps_mask(x0, x1, _CMP_GT_OQ);
      const fbw w1 = (x0 - x1);
      const fbw w2 = (x1 * fbw_all(2.0f));
      const fbw w3 = _mm512_mask_blend_ps(w0, w2, w1);
      fbw_store_part(a2_0 + i, w3, part);
      i += lead;
    }
    if (n[0] >= 8388608 && (uintptr_t)(a2_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw x1 = fbw_load(a1_0 + i);
        const fbw_mask w0 = _mm512_cmp_ps_mask(x0, x1, _CMP_GT_OQ);
        const fbw w1 = (x0 - x1);
        const fbw w2 = (x1 * fbw_all(2.0f));
        const fbw w3 = _mm512_mask_blend_ps(w0, w2, w1);
        fbw_stream(a2_0 + i, w3);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw x1 = fbw_load(a1_0 + i);
      const fbw_mask w0 = _mm512_cmp_ps_mask(x0, x1, _CMP_GT_OQ);
      const fbw w1 = (x0 - x1);
      const fbw w2 = (x1 * fbw_all(2.0f));
      const fbw w3 = _mm512_mask_blend_ps(w0, w2, w1);
      fbw_store(a2_0 + i, w3);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw_mask w0 = _mm512_cmp_ps_mask(x0, x1, _CMP_GT_OQ);
      const fbw w1 = (x0 - x1);
      const fbw w2 = (x1 * fbw_all(2.0f));
      const fbw w3 = _mm512_mask_blend_ps(w0, w2, w1);
      fbw_store_part(a2_0 + i, w3, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float v1 = a1_0[i];
    const bool t0 = (v0 > v1);
    const float t1 = (v0 - v1);
    const float t2 = (v1 * 2.0f);
    const float t3 = (t0 ? t1 : t2);
    a2_0[i] = t3;
  }
  }
}
