// The n×n operations of a plan and the last step of the sums, in f64, on the arena. One module.
//
// Every kernel takes a Region and a struct of its own, by value; blockIdx.y is the problem, threads are a multiple
// of 32. The reference is src/geometry: the same order, ties, classes and caps. No atomics, and every sum is in a
// fixed order for a launch's number of threads. A slot is written behind all that is read, so nothing aliases.
#include "common.cuh"
#include "plan/params.cuh"

#define KERNEL extern "C" __global__ void

#include "plan/region.cuh"
#include "plan/sums.cuh"
#include "plan/choose.cuh"
#include "plan/product.cuh"
#include "plan/distances.cuh"
