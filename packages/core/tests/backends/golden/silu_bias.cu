extern "C" __global__ void silu_bias(const float *__restrict__ a0, const float *__restrict__ a1, float *__restrict__ b0, const double q0, const int64_t count) {
  const int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  const int64_t step = (int64_t)gridDim.x * blockDim.x;
  for (int64_t i = first; i < count; i += step) {
    const int n = (int)i;
    const float v0 = a0[n];
    const float v1 = a1[n % 100];
    const float t0 = (v0 + v1);
    const float t1 = fb_sigmoidf(t0);
    const float t2 = (t0 * t1);
    const float t3 = (t2 * (float)q0);
    b0[n] = t3;
  }
}
