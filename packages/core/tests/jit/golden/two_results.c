/* two_results
 * fused (4, 6) -> v1, v2
 *     v1 = exp(x0)
 *     v2 = add(v1, 1.0)
 */

void kernel(void *const *a, const double *p, const int64_t *n, const int64_t *s, int64_t begin, int64_t end) {
  (void)p, (void)n, (void)s;
  const float *a0_0 = a[0];  // x0
  float *a1_0 = a[1];  // y0
  float *a2_0 = a[2];  // y1
#if defined(FB_WIDE)
  if (true) {
    int64_t i = begin;
    const int64_t lead = end - i < 64 ? 0 : -(int64_t)((uintptr_t)(a1_0 + i) / 4) & 15;
    if (lead) {
      const fbw_mask part = (fbw_mask)((1u << lead) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw w0 = fbw_exp(x0);
      const fbw w1 = (w0 + fbw_all(1.0f));
      fbw_store_part(a1_0 + i, w0, part);
      fbw_store_part(a2_0 + i, w1, part);
      i += lead;
    }
    for (; i + 16 <= end; i += 16) {
      const fbw x0 = fbw_load(a0_0 + i);
      const fbw w0 = fbw_exp(x0);
      const fbw w1 = (w0 + fbw_all(1.0f));
      fbw_store(a1_0 + i, w0);
      fbw_store(a2_0 + i, w1);
    }
    if (i < end) {
      const fbw_mask part = (fbw_mask)((1u << (end - i)) - 1);
      const fbw x0 = fbw_load_part(a0_0 + i, part);
      const fbw w0 = fbw_exp(x0);
      const fbw w1 = (w0 + fbw_all(1.0f));
      fbw_store_part(a1_0 + i, w0, part);
      fbw_store_part(a2_0 + i, w1, part);
    }
  } else
#endif
  {
  #pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float v0 = a0_0[i];
    const float t0 = fb_expf(v0);
    const float t1 = (t0 + 1.0f);
    a1_0[i] = t0;
    a2_0[i] = t1;
  }
  }
}
