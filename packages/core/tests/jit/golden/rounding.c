/* rounding
 * fused (4, 6) -> v7
 *     v1 = floor(x0)
 *     v2 = ceil(x0)
 *     v4 = trunc(x0)
 *     v5 = round(x0)
 *     v3 = add(v1, v2)
 *     v6 = mul(v4, v5)
 *     v7 = sub(v3, v6)
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
      const fbw w0 = _mm512_roundscale_ps(x0, 9);
      const fbw w1 = _mm512_roundscale_ps(x0, 10);
      const fbw w2 = (w0 + w1);
      const fbw w3 = _mm512_roundscale_ps(x0, 11);
      const fbw w4 = _mm512_roundscale_ps(x0, 8);
      const fbw w5 = (w3 * w4);
      const fbw w6 = (w2 - w5);
      fbw_store_part(a1_0 + i, w6, part);
      i += lead;
    }
    if (n[0] >= 12582912 && (uintptr_t)(a1_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw w0 = _mm512_roundscale_ps(x0, 9);
        const fbw w1 = _mm512_roundscale_ps(x0, 10);
        const fbw w2 = (w0 + w1);
        const fbw w3 = _mm512_roundscale_ps(x0, 11);
        const fbw w4 = _mm512_roundscale_ps(x0, 8);
        const fbw w5 = (w3 * w4);
        const fbw w6 = (w2 - w5);
        fbw_stream(a1_0 + i, w6);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw w0 = _mm512_roundscale_ps(x0, 9);
      const fbw w1 = _mm512_roundscale_ps(x0, 10);
      const fbw w2 = (w0 + w1);
      const fbw w3 = _mm512_roundscale_ps(x0, 11);
      const fbw w4 = _mm512_roundscale_ps(x0, 8);
      const fbw w5 = (w3 * w4);
      const fbw w6 = (w2 - w5);
      fbw_store(a1_0 + i, w6);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw w0 = _mm512_roundscale_ps(x0, 9);
      const fbw w1 = _mm512_roundscale_ps(x0, 10);
      const fbw w2 = (w0 + w1);
      const fbw w3 = _mm512_roundscale_ps(x0, 11);
      const fbw w4 = _mm512_roundscale_ps(x0, 8);
      const fbw w5 = (w3 * w4);
      const fbw w6 = (w2 - w5);
      fbw_store_part(a1_0 + i, w6, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float t0 = floorf(v0);
    const float t1 = ceilf(v0);
    const float t2 = (t0 + t1);
    const float t3 = truncf(v0);
    const float t4 = rintf(v0);
    const float t5 = (t3 * t4);
    const float t6 = (t2 - t5);
    a1_0[i] = t6;
  }
  }
}
