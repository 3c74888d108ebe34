// Products of small matrices, in tiles of 32 × 32 with 256 threads, and the geometry of mixed rows.
// CPU twin: geometry/mixing.rs.
#pragma once

// Entries (i, j) of a tile of A B: a(i, k) and b(k, j) give the factors, put(i, j, sum) takes the result. Zeros of A
// are skipped, whatever B holds. `across`: neighbouring k of b are neighbours in memory, else neighbouring j.
template <bool across, class A, class B, class Put>
__device__ __forceinline__ void multiply_tile(u32 top, u32 left, u32 rows, u32 inner, u32 columns, A a, B b, Put put) {
    __shared__ double as[32][33], bs[32][33];
    const u32 x = threadIdx.x % 32, y = threadIdx.x / 32;
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    for (u32 first = 0; first < inner; first += 32) {
#pragma unroll
        for (u32 q = 0; q < 4; q++) {
            const u32 v = y + 8 * q;
            as[v][x] = top + v < rows && first + x < inner ? a(top + v, first + x) : 0.0;
            if (across)
                bs[x][v] = left + v < columns && first + x < inner ? b(first + x, left + v) : 0.0;
            else
                bs[v][x] = left + x < columns && first + v < inner ? b(first + v, left + x) : 0.0;
        }
        __syncthreads();
#pragma unroll 8
        for (u32 k = 0; k < 32; k++) {
            const double factor = bs[k][x];
#pragma unroll
            for (u32 q = 0; q < 4; q++) {
                const double c = as[y + 8 * q][k];
                if (c != 0.0) sum[q] = fma(c, factor, sum[q]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (u32 q = 0; q < 4; q++) {
        const u32 i = top + y + 8 * q, j = left + x;
        if (i < rows && j < columns) put(i, j, sum[q]);
    }
}

// The product of two mixings, and (with one row) coefficients of mixed rows as coefficients of raw ones. 256 threads;
// blocks take tiles in turn.
KERNEL __launch_bounds__(256) product(const Region r, const Product p) {
    double *region = region_of(r);
    const double *outer = region + p.outer, *inner = region + p.inner;
    double *out = region + p.out;
    const u32 wide = (p.n + 31) / 32, tiles = wide * ((p.rows + 31) / 32);
    for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x)
        multiply_tile<false>(
            tile / wide * 32, tile % wide * 32, p.rows, p.inner_rows, p.n,
            [&](u32 i, u32 k) { return outer[(u64)i * p.inner_rows + k]; },
            [&](u32 k, u32 j) { return inner[(u64)k * p.n + j]; },
            [&](u32 i, u32 j, double sum) { out[(u64)i * p.n + j] = sum; });
}

// What is missing to `whole` is the origin's share; rounding of coefficients with just that sum is none.
__device__ __forceinline__ double origin_share(double whole, double sum) {
    const double rest = whole - sum;
    return fabs(rest) <= 1e-12 * whole ? 0.0 : rest;
}

// The sum of a row of n numbers, in all lanes of a warp.
__device__ __forceinline__ double row_sum(const double *row, u32 n) {
    double sum = 0.0;
    for (u32 j = lane(); j < n; j += 32) sum += row[j];
    return over_warp(sum, Add());
}

// Bits of a number as an integer in the order of f64::total_cmp.
__device__ __forceinline__ u64 total_order(double value) {
    const u64 bits = bits_of(value);
    return bits >> 63 ? ~bits : bits | (u64)1 << 63;
}

// Where `mix` keeps its numbers behind its output: the rows' shares of the origin (before that their sums), the
// multiple of the centre, then H = Q G.
struct MixRoom {
    double *shares;
    double *whole;
    double *half;

    __device__ __forceinline__ MixRoom(double *scratch, const Geometry &raw) : shares(scratch), whole(scratch + raw.n), half(scratch + raw.points) {}
};

// Each row's sum, and its class as far as the rows that it mixes say. A warp a row.
__device__ __forceinline__ void mix_classify(double *region, const Mix &p, const MixRoom &room) {
    const u32 n = p.geometry.n;
    const double *classes = region + p.geometry.classes;
    for (u32 i = blockIdx.x * warps() + warp(); i < p.mixed.n; i += gridDim.x * warps()) {
        const double *row = region + p.mixing + (u64)i * n;
        double worst = CLASS_FINITE;
        for (u32 j = lane(); j < n; j += 32)
            if (row[j] != 0.0) worst = fmax(worst, classes[j]);
        worst = over_warp(worst, Largest());
        const double sum = row_sum(row, n);
        if (lane() == 0) room.shares[i] = sum, region[p.mixed.classes + i] = worst;
    }
}

// The median of the sums, which the mixed rows are centred on as a multiple of the raw rows' centre, and so each
// row's share of the origin. One block. Only with an origin.
__device__ __forceinline__ void mix_share(double *region, const Mix &p, const MixRoom &room) {
    __shared__ u64 keys[MAX_POINTS];
    __shared__ double whole;
    const u32 rows = p.mixed.n;
    double *classes = region + p.mixed.classes;
    const double origin = region[p.geometry.classes + p.geometry.n];
    for (u32 i = threadIdx.x; i < rows; i += blockDim.x) keys[i] = total_order(room.shares[i]);
    __syncthreads();
    for (u32 i = threadIdx.x; i < rows; i += blockDim.x) {
        u32 before = 0;
#pragma unroll 4
        for (u32 k = 0; k < rows; k++) before += keys[k] < keys[i] || (keys[k] == keys[i] && k < i);
        if (before == (rows - 1) / 2) {
            const double middle = room.shares[i];
            // Rounding of rows that sum to 1, or a row that is undefined.
            whole = fabs(middle - 1.0) < 1e-12 || middle != middle ? 1.0 : middle;
        }
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < rows; i += blockDim.x) {
        const double share = origin_share(whole, room.shares[i]);
        room.shares[i] = share;
        if (share != 0.0) classes[i] = fmax(classes[i], origin);
    }
    __syncthreads();
    if (threadIdx.x == 0) *room.whole = whole, classes[rows] = origin;
}

// The geometry of mixed rows, Q G Q', and the origin's entries if there is one. 256 threads. Phases: 0 sums and
// classes (warps take rows in turn), 1 shares of the origin (one block), 2 H = Q G and 3 H Q' (blocks take tiles
// in turn; each entry is computed once for both of its places), 4 rows that grew beyond f32::MAX. With at most 32
// points one launch of one block is best.
KERNEL __launch_bounds__(256) mix(const Region r, const Mix p) {
    double *region = region_of(r);
    const MixRoom room(region + p.scratch, p.geometry);
    const u32 n = p.geometry.n, points = p.geometry.points, rows = p.mixed.n, mixed = p.mixed.points;
    const bool origin = points > n;
    const double *raw = region + p.geometry.gram, *mixing = region + p.mixing;
    double *gram = region + p.mixed.gram, *classes = region + p.mixed.classes;
    const auto coefficient = [&](u32 i, u32 k) { return k < n ? mixing[(u64)i * n + k] : room.shares[i]; };
    for (u32 phase = p.phases.from; phase < p.phases.to; phase++) {
        __syncthreads();
        if (phase == 0) {
            mix_classify(region, p, room);
        } else if (phase == 1) {
            if (origin) mix_share(region, p, room);
        } else if (phase == 2) {
            const u32 wide = (points + 31) / 32, tiles = wide * ((rows + 31) / 32);
            for (u32 tile = blockIdx.x; tile < tiles; tile += gridDim.x)
                multiply_tile<false>(
                    tile / wide * 32, tile % wide * 32, rows, points, points, coefficient,
                    [&](u32 k, u32 j) { return raw[(u64)k * points + j]; },
                    [&](u32 i, u32 j, double sum) { room.half[(u64)i * points + j] = sum; });
        } else if (phase == 3) {
            const u32 wide = (rows + 31) / 32;
            const auto put = [&](u32 b, u32 a, double sum) {
                const double entry = classes[a] == CLASS_FINITE && classes[b] == CLASS_FINITE ? sum : 0.0;
                gram[(u64)a * mixed + b] = entry;
                gram[(u64)b * mixed + a] = entry;
            };
            for (u32 tile = blockIdx.x; tile < wide * wide; tile += gridDim.x) {
                const u32 top = tile / wide * 32, left = tile % wide * 32;
                if (left > top) continue;
                multiply_tile<true>(
                    top, left, rows, points, rows, coefficient,
                    [&](u32 k, u32 j) { return room.half[(u64)j * points + k]; },
                    [&](u32 b, u32 a, double sum) {
                        if (a <= b) put(b, a, sum);
                    });
            }
            if (origin && blockIdx.x == 0)
                for (u32 a = threadIdx.x; a <= rows; a += blockDim.x) {
                    const double whole = *room.whole;
                    const double left = a < rows ? room.half[(u64)a * points + n] : whole * raw[(u64)n * points + n];
                    put(rows, a, whole * left);
                }
        } else {
            clear_rows(gram, classes, mixed);
        }
    }
}
