// SIGNATURES (bodies follow). Compile with -DELEMENT=float|Bf16|Half; `float` also serves staged rows.
//   extern "C" __global__ void combine(const Matrix x, const Combine c);      grid (x, problems), threads 32..256, shared 8 * n bytes
//   extern "C" __global__ void mix(const Matrix x, const Mix c);              grid (x, problems, ceil(rows / 16)), threads 32..256, shared 0
//   extern "C" __global__ void distances(const Matrix x, const Distances c);  grid (x, problems), threads 32..256, shared 0
#include "combine.cuh"
