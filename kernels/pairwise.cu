// Partial sums of the centred inner products. Bodies follow.
#include "common.cuh"
#include "pairwise.cuh"
