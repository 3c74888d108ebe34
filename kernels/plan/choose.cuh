// Rows in the order of a distance, and the coefficients that follow: the mean, Krum, CTMA, NNM, MoNNA.
// CPU twins: geometry/{krum,trim,nnm,monna}.rs. At most 1024 rows.
//
// The order is: finite, then +Inf of a row that is not bad, then bad rows; within these by index. A row's place
// is found by counting: integers, and no sort. Weights are integers with a sum of at most 2^30, so sums of them
// are exact in any order.
#pragma once

// A boundary this close to a cumulative weight, relative to the total, is that weight.
const double SNAP = 1e-9;

struct Order {
    u64 key[MAX_POINTS];
    u32 share[MAX_POINTS];

    __device__ __forceinline__ void put(u32 j, double distance, double row_class, u32 weight) {
        key[j] = (bits_of(distance) & ~((u64)1 << 63)) | (row_class == CLASS_BAD ? (u64)1 << 63 : 0);
        share[j] = weight;
    }

    // The shares before row j.
    __device__ __forceinline__ u32 before(u32 j, u32 n) const {
        const u64 own = key[j];
        u32 sum = 0;
#pragma unroll 4
        for (u32 k = 0; k < n; k++) sum += key[k] < own || (key[k] == own && k < j) ? share[k] : 0;
        return sum;
    }
};

// Coefficients of the mean of the first rows up to a weight of total - cut * total / parts, the last row's
// share split; NaN without any. Rows that don't take part have share 0. The block has written the order.
__device__ __forceinline__ void keep_first(const Order &order, u32 n, double total, double cut, double parts, double *out) {
    const double keep = total - cut * total / parts, snap = SNAP * total;
    __syncthreads();
    double most = 0.0;
    for (u32 j = threadIdx.x; j < n; j += blockDim.x) {
        const double weight = order.share[j];
        double share = 0.0;
        if (weight > 0.0) {
            const double before = order.before(j, n), left = keep - before;
            if (left > snap) {
                share = weight >= left - snap && weight <= left + snap ? weight : fmin(weight, left);
                most = fmax(most, before + share);
            }
        }
        out[j] = share;
    }
    const double kept = most_over_block(most);
    for (u32 j = threadIdx.x; j < n; j += blockDim.x) out[j] = kept > 0.0 ? out[j] / kept : undefined();
}

// n coefficients of the (weighted) mean. One block.
KERNEL __launch_bounds__(1024, 1) mean(const Region r, const Mean p) {
    double *region = region_of(r);
    const double total = total_weight(region, p.weights, p.n);
    for (u32 i = threadIdx.x; i < p.n; i += blockDim.x) region[p.out + i] = weight_of(region, p.weights, i) / total;
}

// Phase 0: score_i, the sum of the `neighbours` smallest squared distances, added in an order that only they
// decide; blocks take rows in turn (one each is best). Phase 1, one block: the mean of the m rows with the least
// scores; those that are not usable are left out, the best usable one stands in for all, NaN without one.
KERNEL __launch_bounds__(1024, 1) krum(const Region r, const Krum p) {
    __shared__ Order order;
    __shared__ double sorted[MAX_POINTS];
    double *region = region_of(r);
    const View view(region, p.geometry);
    const u32 n = view.n;
    double *scores = region + p.out, *out = scores + n;
    if (p.phases.from == 0) {
        for (u32 i = blockIdx.x; i < n; i += gridDim.x) {
            __syncthreads();
            for (u32 j = threadIdx.x; j < n; j += blockDim.x) order.put(j, view.square_distance(i, j), CLASS_FINITE, j != i);
            __syncthreads();
            for (u32 j = threadIdx.x; j < n; j += blockDim.x)
                if (j != i) sorted[order.before(j, n)] = of_bits(order.key[j]);
            __syncthreads();
            double sum = 0.0;
            for (u32 k = threadIdx.x; k < p.neighbours; k += blockDim.x) sum += sorted[k];
            sum = sum_over_block(sum);
            if (threadIdx.x == 0) scores[i] = view.finite(i) ? sum : infinity();
        }
    }
    if (p.phases.to < 2) return;
    __syncthreads();
    const double usable = usable_class(view.classes, n);
    for (u32 j = threadIdx.x; j < n; j += blockDim.x) order.put(j, scores[j], view.classes[j], 1);
    __syncthreads();
    double members = 0.0, first = n;
    for (u32 j = threadIdx.x; j < n; j += blockDim.x) {
        const u32 place = order.before(j, n);
        const bool good = view.classes[j] == usable;
        // A place that no row has: the row is not chosen.
        sorted[j] = good ? place : n;
        members += good && place < p.m;
        if (good) first = fmin(first, place);
    }
    members = sum_over_block(members);
    first = over_block(first, (double)n, Smallest());
    for (u32 j = threadIdx.x; j < n; j += blockDim.x) {
        const double chosen = members > 0.0 ? (sorted[j] < p.m ? 1.0 / members : 0.0) : (sorted[j] == first ? 1.0 : 0.0);
        out[j] = usable == CLASS_NONE ? undefined() : chosen;
    }
}

// n coefficients from n squared distances and n classes. One block.
KERNEL __launch_bounds__(1024, 1) ctma(const Region r, const Ctma p) {
    __shared__ Order order;
    double *region = region_of(r);
    const double *distances = region + p.distances, *classes = distances + p.n;
    const double usable = usable_class(classes, p.n);
    for (u32 j = threadIdx.x; j < p.n; j += blockDim.x) {
        const bool part = classes[j] == usable;
        order.put(j, distances[j], classes[j], part ? (u32)weight_of(region, p.weights, j) : 0);
    }
    keep_first(order, p.n, total_weight(region, p.weights, p.n), p.cut, p.parts, region + p.out);
}

// Row i of an n × n mixing: the mean of the rows nearest to row i. A finite row averages usable rows; one that is
// not keeps itself first. Blocks take rows in turn (one each is best).
KERNEL __launch_bounds__(1024, 1) nnm(const Region r, const Nnm p) {
    __shared__ Order order;
    double *region = region_of(r);
    const View view(region, p.geometry);
    const u32 n = view.n;
    const double usable = usable_class(view.classes, n), total = total_weight(region, p.weights, n);
    for (u32 i = blockIdx.x; i < n; i += gridDim.x) {
        const bool by_class = view.classes[i] == usable;
        __syncthreads();
        for (u32 j = threadIdx.x; j < n; j += blockDim.x) {
            const double other = view.classes[j];
            const bool part = by_class ? other == usable : j == i || other != CLASS_BAD;
            // A row is nearest to itself also when it is bad.
            const double row_class = j == i ? CLASS_FINITE : other;
            order.put(j, view.square_distance(i, j), row_class, part ? (u32)weight_of(region, p.weights, j) : 0);
        }
        keep_first(order, n, total, p.cut, p.parts, region + p.out + (u64)i * n);
    }
}

// n coefficients of the mean of the rows nearest to the pivot. One block.
KERNEL __launch_bounds__(1024, 1) monna(const Region r, const Monna p) {
    __shared__ Order order;
    double *region = region_of(r);
    const View view(region, p.geometry);
    const double usable = usable_class(view.classes, view.n);
    for (u32 j = threadIdx.x; j < view.n; j += blockDim.x)
        order.put(j, view.square_distance(p.pivot, j), view.classes[j], view.classes[j] == usable);
    keep_first(order, view.n, view.n, p.cut, p.parts, region + p.out);
}

// The diagonal n × n mixing that clips rows to a length, given or (ARC) that of the row behind the longest ones.
// Rows that are not finite become zero. Blocks take rows in turn; each finds the length itself.
KERNEL __launch_bounds__(1024, 1) clipping(const Region r, const Clipping p) {
    __shared__ Order order;
    __shared__ double length;
    double *region = region_of(r);
    const View view(region, p.geometry);
    const u32 n = view.n;
    if (threadIdx.x == 0) length = p.given == NONE ? p.c : region[p.given];
    __syncthreads();
    if (p.clipped != NONE) {
        for (u32 j = threadIdx.x; j < n; j += blockDim.x) order.put(j, view.square_distance(j, n), view.classes[j], 1);
        __syncthreads();
        for (u32 j = threadIdx.x; j < n; j += blockDim.x)
            if (order.before(j, n) == n - 1 - p.clipped) length = sqrt(view.square_distance(j, n));
        __syncthreads();
    }
    for (u32 i = blockIdx.x; i < n; i += gridDim.x) {
        double factor = 0.0;
        if (view.finite(i)) {
            const double norm = sqrt(view.square_distance(i, n));
            factor = norm > length ? length / norm : 1.0;
        }
        for (u32 j = threadIdx.x; j < n; j += blockDim.x) region[p.out + (u64)i * n + j] = j == i ? factor : 0.0;
    }
}
