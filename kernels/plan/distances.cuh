// A combination of points, by its coefficients, as a centre to measure distances from: distances of raw or mixed
// rows, and the iterations of the geometric median and of centered clipping.
// CPU twins: geometry/{view,mixing,rfa,cc}.rs. At most 1024 rows.
#pragma once

// out = G c, 0 at points that are not finite. A warp a row; of several blocks' warps each takes rows in turn.
__device__ __forceinline__ void multiply(const View &view, const double *c, double *out, u32 warp_of_all, u32 all_warps) {
    for (u32 i = warp_of_all; i < view.points; i += all_warps) {
        double sum = 0.0;
        if (view.finite(i)) {
            const double *row = view.gram + (u64)i * view.points;
#pragma unroll 4
            for (u32 k = lane(); k < view.points; k += 32) sum = fma(row[k], c[k], sum);
        }
        sum = over_warp(sum, Add());
        if (lane() == 0) out[i] = sum;
    }
}

// Σ a_i b_i over the points.
__device__ __forceinline__ double inner_product(const double *a, const double *b, u32 points) {
    double sum = 0.0;
    for (u32 i = threadIdx.x; i < points; i += blockDim.x) sum = fma(a[i], b[i], sum);
    return sum_over_block(sum);
}

// Is a coefficient on a point that is not finite, or undefined?
__device__ __forceinline__ bool leans(const View &view, const double *c) {
    double any = 0.0;
    for (u32 i = threadIdx.x; i < view.points; i += blockDim.x)
        if ((c[i] != 0.0 && !view.finite(i)) || c[i] != c[i]) any = 1.0;
    return most_over_block(any) > 0.0;
}

// A block's point, in shared memory.
struct Walk {
    double point[MAX_POINTS];
    double before[MAX_POINTS];
    double product[MAX_POINTS];
    double square[MAX_POINTS];
    double weight[MAX_POINTS];
};

// Squared distances of the rows to the point; the point's coefficients sum to 1.
__device__ __forceinline__ void measure(const View &view, Walk &walk) {
    const bool nowhere = leans(view, walk.point);
    multiply(view, walk.point, walk.product, warp(), warps());
    __syncthreads();
    const double own = inner_product(walk.point, walk.product, view.points);
    for (u32 i = threadIdx.x; i < view.n; i += blockDim.x)
        walk.square[i] = view.finite(i) && !nowhere ? square(view.at(i, i) - 2.0 * walk.product[i] + own) : infinity();
    __syncthreads();
}

// Squared distances of rows, raw or mixed, to a combination of raw rows, and the rows' classes. Phase 0: G c.
// Phase 1: distances. Warps take rows in turn; with at most 128 points one launch of one block is best.
KERNEL __launch_bounds__(1024, 1) distances(const Region r, const Distances p) {
    __shared__ double point[MAX_POINTS];
    double *region = region_of(r);
    const View raw(region, p.geometry), mixed(region, p.mixed);
    const u32 n = raw.n;
    const bool is_mixed = p.mixing != NONE, origin = raw.points > n;
    const double *c = region + p.coefficients;
    double *product = region + p.scratch;
    double sum = 0.0;
    for (u32 j = threadIdx.x; j < n; j += blockDim.x) point[j] = c[j], sum += c[j];
    sum = sum_over_block(sum);
    if (threadIdx.x == 0 && origin) point[n] = origin_share(1.0, sum);
    __syncthreads();
    // Whether the point leans on the origin does not depend on the centre.
    const bool nowhere = leans(raw, point);
    // The multiple of the raw centre that the mixed geometry is about, from what it says of the origin.
    double whole = 1.0;
    if (is_mixed && origin && raw.finite(n) && raw.at(n, n) > 0.0) whole = sqrt(mixed.at(mixed.n, mixed.n) / raw.at(n, n));
    if (threadIdx.x == 0 && origin) point[n] = origin_share(whole, sum);
    __syncthreads();
    const u32 first = blockIdx.x * warps() + warp(), step = gridDim.x * warps();
    if (p.phases.from == 0) multiply(raw, point, product, first, step);
    if (p.phases.to < 2) return;
    __syncthreads();
    const double own = inner_product(point, product, raw.points);
    const View &rows = is_mixed ? mixed : raw;
    for (u32 i = first; i < rows.n; i += step) {
        double cross;
        if (is_mixed) {
            const double *row = region + p.mixing + (u64)i * n;
            double part = 0.0;
            for (u32 k = lane(); k < n; k += 32) part = fma(row[k], product[k], part);
            cross = over_warp(part, Add());
            const double total = row_sum(row, n);
            if (origin) cross = fma(origin_share(whole, total), product[n], cross);
        } else {
            cross = product[i];
        }
        if (lane() == 0) {
            const double row_class = rows.classes[i];
            const bool measured = row_class == CLASS_FINITE && !nowhere;
            region[p.out + i] = measured ? square(rows.at(i, i) - 2.0 * cross + own) : infinity();
            region[p.out + rows.n + i] = row_class;
        }
    }
}

// The row with the least weighted sum of distances, the first among equals; 0 without any.
__device__ __forceinline__ u32 central(const View &view, const Walk &walk) {
    __shared__ double least[32];
    __shared__ u32 row[32];
    double best = infinity();
    u32 at = NONE;
    for (u32 i = warp(); i < view.n; i += warps()) {
        if (walk.weight[i] == 0.0) continue;
        double sum = 0.0;
        for (u32 j = lane(); j < view.n; j += 32)
            if (walk.weight[j] > 0.0) sum += walk.weight[j] * sqrt(view.square_distance(i, j));
        sum = over_warp(sum, Add());
        if (at == NONE || sum < best) best = sum, at = i;
    }
    if (lane() == 0) least[warp()] = best, row[warp()] = at;
    __syncthreads();
    best = infinity();
    at = NONE;
    for (u32 w = 0; w < warps(); w++)
        if (row[w] != NONE && (at == NONE || least[w] < best || (least[w] == best && row[w] < at))) best = least[w], at = row[w];
    return at == NONE ? 0 : at;
}

// The first of the rows' squares whose cumulative weight reaches half of the total.
__device__ __forceinline__ double median_square(const Walk &walk, u32 n, double total) {
    __shared__ double median;
    if (threadIdx.x == 0) median = infinity();
    __syncthreads();
    for (u32 i = threadIdx.x; i < n; i += blockDim.x) {
        const double own = walk.square[i];
        double before = 0.0;
#pragma unroll 4
        for (u32 k = 0; k < n; k++)
            if (walk.square[k] < own || (walk.square[k] == own && k < i)) before += walk.weight[k];
        if (before < total / 2.0 && before + walk.weight[i] >= total / 2.0) median = own;
    }
    __syncthreads();
    return median;
}

// A smaller nu acts as this: a row's own weight stays finite where the point reaches the row.
const double LEAST_NU = 1e-60;

// Does a Weiszfeld step: rows by w_i / max(nu, distance), or by weight alone from infinitely far away.
__device__ __forceinline__ void advance(Walk &walk, u32 n, u32 points, double total, double nu) {
    double sum = 0.0;
    for (u32 i = threadIdx.x; i < points; i += blockDim.x) {
        const double weight = walk.weight[i];
        const double beta = weight > 0.0 ? weight / fmax(fmax(sqrt(walk.square[i]), nu), LEAST_NU) : 0.0;
        walk.before[i] = walk.point[i];
        walk.point[i] = beta;
        sum += beta;
    }
    sum = sum_over_block(sum);
    for (u32 i = threadIdx.x; i < points; i += blockDim.x) walk.point[i] = sum > 0.0 ? walk.point[i] / sum : walk.weight[i] / total;
    __syncthreads();
}

// The smoothed geometric median: n coefficients, the number of iterations, and whether they were too few. One block;
// a warp for each point is best.
KERNEL __launch_bounds__(1024, 1) rfa(const Region r, const Rfa p) {
    __shared__ Walk walk;
    double *region = region_of(r);
    const View view(region, p.geometry);
    const u32 n = view.n, points = view.points;
    const double usable = usable_class(view.classes, n);
    double sum = 0.0;
    for (u32 i = threadIdx.x; i < points; i += blockDim.x) {
        // The origin has no weight.
        const double weight = i < n && view.classes[i] == usable ? weight_of(region, p.weights, i) : 0.0;
        walk.weight[i] = weight;
        sum += weight;
    }
    const double total = sum_over_block(sum);
    u32 done = 0;
    bool capped = false;
    if (usable == CLASS_FINITE) {
        const u32 start = p.by_tolerance ? central(view, walk) : n;
        for (u32 i = threadIdx.x; i < points; i += blockDim.x) walk.point[i] = i == start ? 1.0 : 0.0;
        __syncthreads();
        capped = p.by_tolerance;
        if (p.by_tolerance) measure(view, walk);
        while (done < p.iterations) {
            if (!p.by_tolerance) measure(view, walk);
            advance(walk, n, points, total, p.nu);
            done++;
            if (!p.by_tolerance) continue;
            for (u32 i = threadIdx.x; i < points; i += blockDim.x) walk.before[i] -= walk.point[i];
            __syncthreads();
            multiply(view, walk.before, walk.product, warp(), warps());
            __syncthreads();
            const double moved = square(inner_product(walk.before, walk.product, points));
            measure(view, walk);
            const double typical = median_square(walk, n, total);
            if (sqrt(moved) <= p.tolerance * sqrt(typical)) {
                capped = false;
                break;
            }
        }
    }
    for (u32 i = threadIdx.x; i < n; i += blockDim.x) {
        // Only rows at +Inf: all are equally far, so their weights decide.
        const double coefficient = usable == CLASS_FINITE ? walk.point[i] : walk.weight[i] / total;
        region[p.out + i] = usable == CLASS_NONE ? undefined() : coefficient;
    }
    if (threadIdx.x == 0) region[p.out + n] = done, region[p.out + n + 1] = capped;
}

// Centered clipping, v ← v + (1/S) Σ w_i min(1, tau/|x_i - v|) (x_i - v) from v = 0: n coefficients; what they miss
// to 1 is the origin's. One block; a warp for each point is best.
KERNEL __launch_bounds__(1024, 1) centered_clipping(const Region r, const CenteredClipping p) {
    __shared__ Walk walk;
    double *region = region_of(r);
    const View view(region, p.geometry);
    const u32 n = view.n, points = view.points;
    const double usable = usable_class(view.classes, n), total = total_weight(region, p.weights, n);
    for (u32 i = threadIdx.x; i < points; i += blockDim.x) walk.point[i] = i == n ? 1.0 : 0.0;
    __syncthreads();
    for (u32 step = 0; step < p.iterations; step++) {
        measure(view, walk);
        double sum = 0.0;
        for (u32 i = threadIdx.x; i < n; i += blockDim.x) {
            const double weight = weight_of(region, p.weights, i);
            // At distance 0 a row pulls with all of its weight; fmin drops 0/0.
            const bool pulls = view.classes[i] == usable && weight > 0.0;
            const double share = pulls ? weight / total * fmin(p.tau / sqrt(walk.square[i]), 1.0) : 0.0;
            walk.square[i] = share;
            sum += share;
        }
        sum = sum_over_block(sum);
        for (u32 i = threadIdx.x; i < points; i += blockDim.x) walk.point[i] = walk.point[i] * (1.0 - sum) + (i < n ? walk.square[i] : 0.0);
        __syncthreads();
    }
    for (u32 i = threadIdx.x; i < n; i += blockDim.x) region[p.out + i] = usable == CLASS_NONE ? undefined() : walk.point[i];
}
