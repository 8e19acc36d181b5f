/* lerp
 * fused (4, 6) -> v4
 *     v3 = lerp(x0, x1, x2)
 *     v4 = add(v3, 1.0)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  const float *a1_0 = a[1];  // x1
  const float *a2_0 = a[2];  // x2
  float *a3_0 = a[3];  // y0
#if defined(FB_WIDE)
  if (true) {
    int64_t i = begin;
    const int64_t lead = end - i < 64 ? 0 : -(int64_t)((uintptr_t)(a3_0 + i) / 4) & 15;
    if (lead) {
      const fbw_mask part = (fbw_mask)((1u << lead) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw x2 = fbw_load_part(a2_0 + i, part);
      const fbw w0 = fbw_abs(x2);
      const fbw_mask w1 = _mm512_cmp_ps_mask(w0, fbw_all(0.5f), _CMP_LT_OQ);
      const fbw w2 = (x1 - x0);
      const fbw w3 = (x2 * w2);
      const fbw w4 = (x0 + w3);
      const fbw w5 = (fbw_all(1.0f) - x2);
      const fbw w6 = (w2 * w5);
      const fbw w7 = (x1 - w6);
      const fbw w8 = _mm512_mask_blend_ps(w1, w7, w4);
      const fbw w9 = (w8 + fbw_all(1.0f));
      fbw_store_part(a3_0 + i, w9, part);
      i += lead;
    }
    if (n[0] >= 6291456 && (uintptr_t)(a3_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw x1 = fbw_load(a1_0 + i);
        const fbw x2 = fbw_load(a2_0 + i);
        const fbw w0 = fbw_abs(x2);
        const fbw_mask w1 = _mm512_cmp_ps_mask(w0, fbw_all(0.5f), _CMP_LT_OQ);
        const fbw w2 = (x1 - x0);
        const fbw w3 = (x2 * w2);
        const fbw w4 = (x0 + w3);
        const fbw w5 = (fbw_all(1.0f) - x2);
        const fbw w6 = (w2 * w5);
        const fbw w7 = (x1 - w6);
        const fbw w8 = _mm512_mask_blend_ps(w1, w7, w4);
        const fbw w9 = (w8 + fbw_all(1.0f));
        fbw_stream(a3_0 + i, w9);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw x1 = fbw_load(a1_0 + i);
      const fbw x2 = fbw_load(a2_0 + i);
      const fbw w0 = fbw_abs(x2);
      const fbw_mask w1 = _mm512_cmp_ps_mask(w0, fbw_all(0.5f), _CMP_LT_OQ);
      const fbw w2 = (x1 - x0);
      const fbw w3 = (x2 * w2);
      const fbw w4 = (x0 + w3);
      const fbw w5 = (fbw_all(1.0f) - x2);
      const fbw w6 = (w2 * w5);
      const fbw w7 = (x1 - w6);
      const fbw w8 = _mm512_mask_blend_ps(w1, w7, w4);
      const fbw w9 = (w8 + fbw_all(1.0f));
      fbw_store(a3_0 + i, w9);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw x1 = fbw_load_part(a1_0 + i, part);
      const fbw x2 = fbw_load_part(a2_0 + i, part);
      const fbw w0 = fbw_abs(x2);
      const fbw_mask w1 = _mm512_cmp_ps_mask(w0, fbw_all(0.5f), _CMP_LT_OQ);
      const fbw w2 = (x1 - x0);
      const fbw w3 = (x2 * w2);
      const fbw w4 = (x0 + w3);
      const fbw w5 = (fbw_all(1.0f) - x2);
      const fbw w6 = (w2 * w5);
      const fbw w7 = (x1 - w6);
      const fbw w8 = _mm512_mask_blend_ps(w1, w7, w4);
      const fbw w9 = (w8 + fbw_all(1.0f));
      fbw_store_part(a3_0 + i, w9, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float v1 = a1_0[i];
    const float v2 = a2_0[i];
    const float t0 = fabsf(v2);
    const bool t1 = (t0 < 0.5f);
    const float t2 = (v1 - v0);
    const float t3 = (v2 * t2);
    const float t4 = (v0 + t3);
    const float t5 = (1.0f - v2);
    const float t6 = (t2 * t5);
    const float t7 = (v1 - t6);
    const float t8 = (t1 ? t4 : t7);
    const float t9 = (t8 + 1.0f);
    a3_0[i] = t9;
  }
  }
}
