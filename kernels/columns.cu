// SIGNATURES (bodies follow). Compile with -DELEMENT=float|Bf16|Half and -DROWS=4|8|…|128, or without ROWS for any n.
// Grid (x, problems). Dynamic shared memory: see below.
//
// with ROWS, n in (previous bucket, ROWS]:
//   extern "C" __global__ void median(const Matrix x, const Columns c);             threads: 32..256; 128 advised; shared: 0
//   extern "C" __global__ void median_measured(const Matrix x, const Columns c);    threads: exactly 128;          shared: 0
//   extern "C" __global__ void sorted(const Matrix x, const Columns c);             TRIMMED_MEAN and MEAN_AROUND_MEDIAN
//   extern "C" __global__ void sorted_measured(const Matrix x, const Columns c);    threads: exactly 128
//       shared: 0 for TRIMMED_MEAN; 4 * ROWS * threads bytes for MEAN_AROUND_MEDIAN (`sorted` may take fewer threads)
//   extern "C" __global__ void weighted(const Matrix x, const Columns c);           ROWS <= 64: MEDIAN and TRIMMED_MEAN
//   extern "C" __global__ void weighted_measured(const Matrix x, const Columns c);  threads: exactly 128
// without ROWS: any n, any statistic, weights or not:
//   extern "C" __global__ void any(const Matrix x, const Columns c);
//   extern "C" __global__ void any_measured(const Matrix x, const Columns c);       threads: exactly 256
//       shared, c.staged: 4 * 32 * n bytes, with weights 4 * n more; otherwise 0
#include "columns.cuh"
