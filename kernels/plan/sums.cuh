// The last step of the sums over X: partial sums of all blocks, in f64 and in a fixed order.
// CPU twins: `finish` in backend/cpu/pairwise.rs; `squares` in shaders/reduce.wgsl.
#pragma once

// A block of at most 1024 threads adds up 32 neighbouring columns of a matrix blocks × width: a lane a column, a
// warp every so many rows, then the warps in order. The sums are those of the threads of warp 0.
struct Sum {
    __device__ __forceinline__ double zero() const { return 0.0; }
    __device__ __forceinline__ double operator()(double a, double b) const { return a + b; }
};
struct Union {
    __device__ __forceinline__ u32 zero() const { return 0; }
    __device__ __forceinline__ u32 operator()(u32 a, u32 b) const { return a | b; }
};

template <class To, class From, class Join>
__device__ __forceinline__ To columns_of(const From *from, u32 blocks, u64 width, u64 column, Join join) {
    __shared__ To parts[32][32];
    // Four chains: loads do not wait for each other.
    To sum[4] = {join.zero(), join.zero(), join.zero(), join.zero()};
    if (column < width) {
        const u64 step = width * warps();
        const From *at = from + width * warp() + column;
        u32 b = warp();
        for (; b + 3 * warps() < blocks; b += 4 * warps(), at += 4 * step) {
#pragma unroll
            for (u32 c = 0; c < 4; c++) sum[c] = join(sum[c], at[c * step]);
        }
        for (; b < blocks; b += warps(), at += step) sum[0] = join(sum[0], *at);
    }
    __syncthreads();
    parts[warp()][lane()] = join(join(sum[0], sum[1]), join(sum[2], sum[3]));
    __syncthreads();
    To total = join.zero();
    if (warp() == 0)
        for (u32 w = 0; w < warps(); w++) total = join(total, parts[w][lane()]);
    return total;
}

// G in full and the classes, but that rows that are not finite are not yet cleared. Blocks along x:
// ceil(points (points + 1) / 2 / 32) for the sums and ceil(points / 32) for the marks. Threads: 32 to 1024.
KERNEL __launch_bounds__(1024, 1) inner(const Region r, const Inner p) {
    double *region = region_of(r);
    const u64 entries = (u64)p.points * (p.points + 1) / 2, groups = (entries + 31) / 32;
    if (blockIdx.x < groups) {
        const u64 e = (u64)blockIdx.x * 32 + lane();
        const float *from = p.partials + (u64)blockIdx.y * p.blocks * entries;
        const double sum = columns_of<double>(from, p.blocks, entries, e, Sum());
        if (warp() == 0 && e < entries) {
            // The last j with j (j + 1) / 2 <= e; the root may be off by one.
            u64 j = (u64)((sqrt(8.0 * (double)e + 1.0) - 1.0) / 2.0);
            while (j * (j + 1) / 2 > e) j--;
            while ((j + 1) * (j + 2) / 2 <= e) j++;
            const u64 i = e - j * (j + 1) / 2;
            region[p.out + i * p.points + j] = sum;
            region[p.out + j * p.points + i] = sum;
        }
    } else {
        const u64 i = (blockIdx.x - groups) * 32 + lane();
        const u32 *from = p.marks + (u64)blockIdx.y * p.blocks * p.points;
        const u32 marks = columns_of<u32>(from, p.blocks, p.points, i, Union());
        if (warp() == 0 && i < p.points) {
            const bool unread = i < p.n && weight_of(region, p.weights, i) == 0.0;
            region[p.out + (u64)p.points * p.points + i] = unread || marks ? CLASS_BAD : CLASS_FINITE;
        }
    }
}

// Rows that are not finite: +Inf on the diagonal of a symmetric matrix, 0 beside it, and their class. Each block
// writes its rows; it may see that another one has already done so, which changes nothing.
__device__ __forceinline__ void clear_rows(double *gram, double *classes, u32 points) {
    for (u32 i = blockIdx.x; i < points; i += gridDim.x) {
        double *row = gram + (u64)i * points;
        for (u32 j = threadIdx.x; j < points; j += blockDim.x) {
            const bool usual = classes[i] == CLASS_FINITE && gram[(u64)i * points + i] <= MAX_SQUARE && classes[j] == CLASS_FINITE && gram[(u64)j * points + j] <= MAX_SQUARE;
            if (!usual) row[j] = i == j ? infinity() : 0.0;
        }
        __syncthreads();
        if (threadIdx.x == 0 && classes[i] == CLASS_FINITE && !(row[i] <= MAX_SQUARE)) classes[i] = CLASS_FAR;
    }
}

// After `inner`. Any number of blocks along x takes the rows in turn.
KERNEL __launch_bounds__(1024, 1) inner_finish(const Region r, const Inner p) {
    double *gram = region_of(r) + p.out;
    clear_rows(gram, gram + (u64)p.points * p.points, p.points);
}

// Squared distances, +Inf for a row or a result that is not finite and above f32::MAX, and the rows' classes.
// Blocks along x: ceil(rows / 32). Threads: 32 to 1024.
KERNEL __launch_bounds__(1024, 1) squares(const Region r, const Squares p) {
    double *out = region_of(r) + p.out;
    const u64 i = (u64)blockIdx.x * 32 + lane(), first = (u64)blockIdx.y * p.blocks * p.rows;
    const double sum = columns_of<double>(p.partials + first, p.blocks, p.rows, i, Sum());
    const u32 marks = columns_of<u32>(p.marks + first, p.blocks, p.rows, i, Union());
    if (warp() == 0 && i < p.rows) {
        const double result = marks ? infinity() : square(sum);
        out[i] = result;
        out[p.rows + i] = marks & 1 ? CLASS_BAD : result <= MAX_SQUARE ? CLASS_FINITE : CLASS_FAR;
    }
}

// Up to WRITE numbers from the launch itself to a place in the arena, the same for all problems of the launch: such
// an upload survives the capture of a graph. One block. (Not `write`: on the CPU that is the C library's.)
KERNEL put(const Region r, const Write p) {
    double *out = region_of(r) + p.out;
    for (u32 i = threadIdx.x; i < p.count; i += blockDim.x) out[i] = p.values[i];
}
