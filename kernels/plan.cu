// The n×n operations of a plan and the last step of the sums, in f64, on the arena. One module.
//
// Every kernel takes a Region and a struct of its own, by value; blockIdx.y is the problem. The reference is
// src/geometry: the same order, ties, classes and caps. Operations that loop over all pairs of rows take several
// blocks along x or, for few rows, one launch with one block; each kernel's header says which.
#include "common.cuh"
#include "plan/params.cuh"

#define KERNEL extern "C" __global__ void

KERNEL inner(const Region r, const Inner p) {}
KERNEL inner_finish(const Region r, const Inner p) {}
KERNEL squares(const Region r, const Squares p) {}
KERNEL write(const Region r, const Write p) {}
KERNEL mean(const Region r, const Mean p) {}
KERNEL krum(const Region r, const Krum p) {}
KERNEL ctma(const Region r, const Ctma p) {}
KERNEL nnm(const Region r, const Nnm p) {}
KERNEL monna(const Region r, const Monna p) {}
KERNEL clipping(const Region r, const Clipping p) {}
KERNEL product(const Region r, const Product p) {}
KERNEL mix(const Region r, const Mix p) {}
KERNEL distances(const Region r, const Distances p) {}
KERNEL rfa(const Region r, const Rfa p) {}
KERNEL centered_clipping(const Region r, const CenteredClipping p) {}
