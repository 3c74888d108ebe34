// Combinations of rows: `combine` (Σ c_i x_i), `mix` (several of them, to the workspace), and `distances` (the rows'
// squared distances to a result).
//
// In: n rows of ELEMENT (float, Bf16 or Half), or rows in the workspace with float; coefficients, f64 in the arena,
// are rounded to f32. Arithmetic in f32, sums in blocks of 16 rows and of 16 blocks. A thread has four adjacent
// columns (two in `mix`). A row whose coefficients are all 0 is not read.
//
// NaN of either sign counts as +Inf. Only positive infinities give +Inf, only negative ones -Inf, both NaN, and so
// does a coefficient that is NaN: as IEEE arithmetic has it. CPU twins: src/backend/cpu/combine.rs, mixing.rs, sums.rs.
//
// Threads: a multiple of 32, at most 256 (`mix`: 128). No dynamic shared memory.
#include "combine.cuh"
#include "mixing.cuh"

// Elements of a thread's load.
const int V = 4;

// V elements of a row from column k of a slab on; behind the last column, 0.
template <int WIDTH>
__device__ __forceinline__ void load_clean(const Slab &slab, u32 i, u32 k, float (&values)[WIDTH]) {
    load<ELEMENT, WIDTH>(slab, i, k, 0.0f, values);
#pragma unroll
    for (int v = 0; v < WIDTH; v++) values[v] = clean(values[v]);
}

// ---- combine ----

// Rows of a list in shared memory. More rows are taken list by list.
const u32 LISTED = 2048;

struct List {
    float coefficients[LISTED];
    u32 rows[LISTED];
    u32 count;
};

// The rows of [first, last) that have a coefficient, in order.
__device__ __forceinline__ void list_rows(const double *coefficients, u32 first, u32 last, List &list) {
    __syncthreads();
    for (u32 i = first + threadIdx.x; i < last; i += blockDim.x) list.coefficients[i - first] = (float)coefficients[i];
    __syncthreads();
    if (threadIdx.x < 32) {
        u32 count = 0;
        for (u32 start = first; start < last; start += 32) {
            u32 i = start + threadIdx.x;
            float c = i < last ? list.coefficients[i - first] : 0.0f;
            // Nobody writes before all have read.
            u32 some = __ballot_sync(~0u, c != 0.0f);
            u32 at = count + __popc(some & ((1u << threadIdx.x) - 1));
            if (c != 0.0f) {
                list.coefficients[at] = c;
                list.rows[at] = i;
            }
            count += __popc(some);
            __syncwarp();
        }
        if (threadIdx.x == 0) list.count = count;
    }
    __syncthreads();
}

// Adds Σ c_i x_i over the list to `total`, V columns from k on.
__device__ __forceinline__ void add_rows(const Slab &slab, const List &list, u32 k, float (&total)[V]) {
    float blocks[V] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (u32 block = 0; block < list.count; block += 16) {
        float sum[V] = {0.0f, 0.0f, 0.0f, 0.0f};
        u32 end = min(block + 16, list.count);
#pragma unroll 4
        for (u32 j = block; j < end; j++) {
            float values[V], c = list.coefficients[j];
            load_clean(slab, list.rows[j], k, values);
#pragma unroll
            for (int v = 0; v < V; v++) sum[v] = fmaf(c, values[v], sum[v]);
        }
        bool flush = (block / 16) % 16 == 15;
#pragma unroll
        for (int v = 0; v < V; v++) {
            blocks[v] += sum[v];
            if (flush) {
                total[v] += blocks[v];
                blocks[v] = 0.0f;
            }
        }
    }
#pragma unroll
    for (int v = 0; v < V; v++) total[v] += blocks[v];
}

// Adds the anchor's term to V columns from k on.
__device__ __forceinline__ void add_anchor(const Matrix &x, const Combine &c, const Slab &slab, u64 s, u32 k, float (&total)[V]) {
    const float one = (float)region_of(x)[c.coefficients + x.n];
    if (one == 0.0f) return;
    const u64 at = c.anchors[block_of(x, s) - x.blocks];
#pragma unroll
    for (int v = 0; v < V; v++)
        if (k + v < slab.columns) total[v] = fmaf(one, clean(element_of(at, x.output, slab.start + k + v)), total[v]);
}

// Σ c_i x_i over the rows whose coefficient is not 0, and the anchor's term. Moves those rows once, and the result.
extern "C" __global__ void __launch_bounds__(256, 1) combine(const Matrix x, const Combine c) {
    __shared__ List list;
    const double *coefficients = region_of(x) + c.coefficients;
    if (x.n <= LISTED) list_rows(coefficients, 0, x.n, list);
    u64 s, last;
    for (slabs_of(x, s, last); s < last; s++) {
        const Slab slab = slab_of(x, s, sizeof(ELEMENT));
        // As many rounds for every thread: lists are made by all.
        for (u32 first = 0; first < slab.columns; first += blockDim.x * V) {
            u32 k = first + threadIdx.x * V;
            float total[V] = {0.0f, 0.0f, 0.0f, 0.0f};
            for (u32 row = 0; row < x.n; row += LISTED) {
                if (x.n > LISTED) list_rows(coefficients, row, min(row + LISTED, x.n), list);
                if (k < slab.columns) add_rows(slab, list, k, total);
            }
            if (k >= slab.columns) continue;
            if (c.anchors) add_anchor(x, c, slab, s, k, total);
            write_result<V>(x, slab, s, k, c.centre, c.write, total);
        }
    }
}

// ---- mix ----

const int MIX_V = 2;

// Mixed rows, Y = M X, to the workspace as f32. A thread has MIXED_ROWS rows (blockIdx.z says which) of two columns, so
// that an element is loaded once for them. Moves X once for every MIXED_ROWS mixed rows (from the second time on it
// may be in the cache), and Y.
extern "C" __global__ void __launch_bounds__(128, 2) mix(const Matrix x, const Mix c) {
    __shared__ Coefficients<MIXED_ROWS> shared;
    const double *mixing = region_of(x) + c.mixing;
    const u32 tile = blockIdx.z * MIXED_ROWS;
    const u64 slabs = x.end - x.begin;
    if (x.n <= MIXED_AT_ONCE) load_coefficients(mixing, c.rows, x.n, tile, 0, shared);
    u64 s, last;
    for (slabs_of(x, s, last); s < last; s++) {
        const Slab slab = slab_of(x, s, sizeof(ELEMENT));
        for (u32 start = 0; start < slab.columns; start += blockDim.x * MIX_V) {
            u32 k = start + threadIdx.x * MIX_V;
            float total[MIX_V][MIXED_ROWS];
#pragma unroll
            for (int r = 0; r < MIXED_ROWS; r++) total[0][r] = total[1][r] = 0.0f;
            for (u32 first = 0; first < x.n; first += MIXED_AT_ONCE) {
                if (x.n > MIXED_AT_ONCE) load_coefficients(mixing, c.rows, x.n, tile, first, shared);
                u32 count = min(x.n - first, MIXED_AT_ONCE);
                if (k >= slab.columns) continue;
                for (u32 block = 0; block < count; block += 16) {
                    float sum[MIX_V][MIXED_ROWS];
#pragma unroll
                    for (int r = 0; r < MIXED_ROWS; r++) sum[0][r] = sum[1][r] = 0.0f;
#pragma unroll 1
                    for (u32 part = block; part < block + 16 && part < count; part += MIX_BATCH)
                        mix_batch<ELEMENT>(slab, shared, first, part, count, k, sum);
#pragma unroll
                    for (int r = 0; r < MIXED_ROWS; r++) {
                        total[0][r] += sum[0][r];
                        total[1][r] += sum[1][r];
                    }
                }
            }
            if (k >= slab.columns) continue;
#pragma unroll
            for (int r = 0; r < MIXED_ROWS; r++) {
                u32 i = tile + r;
                if (i >= c.rows) continue;
                struct alignas(8) Pair {
                    float element[MIX_V];
                };
                u64 at = ((u64)blockIdx.y * c.rows + i) * slabs + (s - x.begin);
                // A slab has room for all SLAB elements.
                *(Pair *)(c.out + at * SLAB + k) = Pair{{total[0][r], total[1][r]}};
            }
        }
    }
}

// ---- distances ----

// Rows that a thread measures together, so that the result is loaded once for them.
const u32 MEASURED_ROWS = 8;

struct Measured {
    float warps[8][MEASURED_ROWS];
    u32 bad[MEASURED_ROWS];
    u32 far[MEASURED_ROWS];
    u32 result;
};

// Partial sums of the rows' squared distances to a result, and marks. Moves X once; the result comes from the cache
// after the first MEASURED_ROWS rows.
extern "C" __global__ void __launch_bounds__(256, 1) distances(const Matrix x, const Distances c) {
    __shared__ Measured shared;
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u64 partial = partial_of(x, blockIdx.x) * x.n;
    const double *weights = c.weights == ~(u64)0 ? (const double *)0 : region_of(x) + c.weights;
    if (threadIdx.x == 0) shared.result = 0;
    for (u32 start = 0; start < x.n; start += MEASURED_ROWS) {
        // A row beyond the last is the last once more.
        u32 rows[MEASURED_ROWS];
        bool reads[MEASURED_ROWS];
        float sums[MEASURED_ROWS];
        u32 bad = 0, far = 0;
        bool defined = true;
#pragma unroll
        for (int r = 0; r < MEASURED_ROWS; r++) {
            rows[r] = min(start + r, x.n - 1);
            reads[r] = !weights || weights[rows[r]] != 0.0;
            sums[r] = 0.0f;
        }
        u64 s, last;
        for (slabs_of(x, s, last); s < last; s++) {
            const Slab slab = slab_of(x, s, sizeof(ELEMENT));
            const float *centre = c.centre + ((u64)blockIdx.y * (x.end - x.begin) + (s - x.begin)) * SLAB;
            for (u32 k = threadIdx.x * V; k < slab.columns; k += blockDim.x * V) {
                float result[V];
#pragma unroll
                for (int v = 0; v < V; v++) {
                    result[v] = k + v < slab.columns ? centre[k + v] : 0.0f;
                    defined = defined && finite(result[v]);
                }
                float values[MEASURED_ROWS][V];
#pragma unroll
                for (int r = 0; r < MEASURED_ROWS; r++)
                    if (reads[r]) load<ELEMENT, V>(slab, rows[r], k, 0.0f, values[r]);
#pragma unroll
                for (int r = 0; r < MEASURED_ROWS; r++) {
                    if (!reads[r]) continue;
#pragma unroll
                    for (int v = 0; v < V; v++) {
                        float difference = values[r][v] - result[v];
                        sums[r] = fmaf(difference, difference, sums[r]);
                    }
                    if (finite(sums[r])) continue;
                    bool all = finite(values[r][0]) && finite(values[r][1]) && finite(values[r][2]) && finite(values[r][3]);
                    if (all)
                        far |= 1u << r;
                    else
                        bad |= 1u << r;
                    sums[r] = 0.0f;
                }
            }
        }
        if (threadIdx.x < MEASURED_ROWS) shared.bad[threadIdx.x] = shared.far[threadIdx.x] = 0;
        __syncthreads();
        if (!defined) shared.result = 1;
#pragma unroll
        for (int r = 0; r < MEASURED_ROWS; r++) {
            // Threads write only 1, so that their order does not matter.
            if (bad >> r & 1) shared.bad[r] = 1;
            if (far >> r & 1) shared.far[r] = 1;
            float sum = warp_sum(sums[r]);
            if (lane == 0) shared.warps[warp][r] = sum;
        }
        __syncthreads();
        u32 i = start + threadIdx.x;
        if (threadIdx.x < MEASURED_ROWS && i < x.n) {
            float sum = 0.0f;
            for (u32 w = 0; w < blockDim.x / 32; w++) sum += shared.warps[w][threadIdx.x];
            bool unread = weights && weights[i] == 0.0;
            c.partials[partial + i] = shared.far[threadIdx.x] ? of_bits(INFINITY_BITS) : sum;
            c.marks[partial + i] = (shared.bad[threadIdx.x] || unread ? ROW_IS_BAD : 0) | (shared.result ? RESULT_IS_BAD : 0);
        }
        __syncthreads();
    }
}
