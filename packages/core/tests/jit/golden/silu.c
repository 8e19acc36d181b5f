/* silu
 * fused (4, 6) -> v2
 *     v1 = silu(x0)
 *     v2 = mul(v1, 2.0)
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
      const fbw w0 = fbw_sigmoid(x0);
      const fbw w1 = (x0 * w0);
      const fbw w2 = (w1 * fbw_all(2.0f));
      fbw_store_part(a1_0 + i, w2, part);
      i += lead;
    }
    if (n[0] >= 12582912 && (uintptr_t)(a1_0 + i) % 64 == 0) {
      for (; i + 16 <= end; i += 16) {
        const fbw x0 = fbw_load(a0_0 + i);
        const fbw w0 = fbw_sigmoid(x0);
        const fbw w1 = (x0 * w0);
        const fbw w2 = (w1 * fbw_all(2.0f));
        fbw_stream(a1_0 + i, w2);
      }
      _mm_sfence();
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw w0 = fbw_sigmoid(x0);
      const fbw w1 = (x0 * w0);
      const fbw w2 = (w1 * fbw_all(2.0f));
      fbw_store(a1_0 + i, w2);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw w0 = fbw_sigmoid(x0);
      const fbw w1 = (x0 * w0);
      const fbw w2 = (w1 * fbw_all(2.0f));
      fbw_store_part(a1_0 + i, w2, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float t0 = fb_sigmoidf(v0);
    const float t1 = (v0 * t0);
    const float t2 = (t1 * 2.0f);
    a1_0[i] = t2;
  }
  }
}
