// The kernels of columns.cu for any number of rows: order statistics by bisection on the bits of the values, two bits
// at a time from the top. The wgpu twin: shaders/search.wgsl, with the same ranks, ties and shares.
//
// In, out, NaN and ties: as in columns.cu; weights or none. A CUDA block has 256 threads: a lane is a column (32 in a
// tile), a warp every eighth row. A tile's elements stay in shared memory if they fit (`staged`: 4 * 32 * n bytes, and
// 4 * n for weights), else every pass reads them again. A search takes 16 passes: median one search; trimmed mean
// two; mean around the median three. Sums: f32, in blocks of 16 and 256 rows, then over the warps.
#pragma once
#include "columns.cuh"

const u32 WARPS = 8;

// Ascending integers for -Inf, …, +Inf. NaN counts as +Inf, and -0 as +0.
__device__ __forceinline__ u32 key_of(float x) {
    u32 bits = bits_of(clean(x) + 0.0f);
    return bits & SIGN ? ~bits : bits | SIGN;
}
__device__ __forceinline__ float of_key(u32 key) { return of_bits(key & SIGN ? key & ~SIGN : ~key); }
// Of a row that is not read.
const u32 KEY_OF_NOTHING = 0xffffffff;

// How far a value is from a centre, as the bits of a float: infinite if one of them is not finite.
__device__ __forceinline__ u32 apart(u32 key, float centre) {
    float value = of_key(key);
    u32 bits = bits_of(value - centre) & MAGNITUDE;
    return finite(value) && finite(centre) ? bits : INFINITY_BITS;
}

// A sum in blocks of 16 terms, and of 16 blocks.
struct LongSum {
    float block, blocks, total;
    u32 count;

    __device__ __forceinline__ LongSum() : block(0.0f), blocks(0.0f), total(0.0f), count(0) {}

    __device__ __forceinline__ void add(float term) {
        block += term;
        count++;
        if (count % 16 == 0) {
            blocks += block;
            block = 0.0f;
            if (count % 256 == 0) {
                total += blocks;
                blocks = 0.0f;
            }
        }
    }
    __device__ __forceinline__ float sum() const { return total + (blocks + block); }
};

// What the warps tell each other about their rows. Two, in turn: who writes one has seen that all have read it.
template <class Value, int COUNT> struct Exchange {
    Value values[2][COUNT][WARPS][32];
};

struct Shared {
    Exchange<int, 3> counts;
    Exchange<float, 1> sums;
    Exchange<u32, 1> keys;
    u32 result_is_bad;
};

// A tile of 32 columns, as a thread sees it: its column, its warp's rows.
template <bool STAGED, bool WEIGHTED> struct Tile {
    const Matrix &x;
    const Columns &c;
    const Slab &slab;
    Shared &shared;
    // The column in the slab, and whether there is one.
    u32 k;
    bool inside;
    u32 *keys;
    int *weights;
    // Which of the two exchanges is next.
    u32 turn;

    __device__ __forceinline__ int weight(u32 i) const {
        if (!WEIGHTED) return 1;
        return STAGED ? weights[i] : (int)region_of(x)[c.weights + i];
    }

    __device__ __forceinline__ u32 read(u32 i) const {
        if (WEIGHTED && weight(i) == 0) return KEY_OF_NOTHING;
        return key_of(inside ? to_float(*element<ELEMENT>(slab, i, k)) : 0.0f);
    }

    __device__ __forceinline__ u32 key(u32 i) const { return STAGED ? keys[i * 32 + threadIdx.x % 32] : read(i); }

    // body(i) for this warp's rows.
    template <class Body> __device__ __forceinline__ void rows(Body body) const {
        for (u32 i = threadIdx.x / 32; i < x.n; i += WARPS) body(i);
    }

    __device__ __forceinline__ void stage() {
        if (STAGED) rows([&](u32 i) { keys[i * 32 + threadIdx.x % 32] = read(i); });
    }

    // Combines all warps' values for this column, in order.
    template <int COUNT, class Value, class Combine>
    __device__ __forceinline__ void all(Exchange<Value, COUNT> &exchange, Value (&values)[COUNT], Combine combine) {
        u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
        for (int j = 0; j < COUNT; j++) exchange.values[turn][j][warp][lane] = values[j];
        __syncthreads();
#pragma unroll
        for (int j = 0; j < COUNT; j++) {
            Value value = exchange.values[turn][j][0][lane];
            for (u32 w = 1; w < WARPS; w++) value = combine(value, exchange.values[turn][j][w][lane]);
            values[j] = value;
        }
        turn ^= 1;
    }

    __device__ __forceinline__ int count(int own) {
        int counts[3] = {own, 0, 0};
        all(shared.counts, counts, [](int a, int b) { return a + b; });
        return counts[0];
    }

    __device__ __forceinline__ float sum(float own) {
        float sums[1] = {own};
        all(shared.sums, sums, [](float a, float b) { return a + b; });
        return sums[0];
    }

    __device__ __forceinline__ u32 lowest(u32 own) {
        u32 keys[1] = {own};
        all(shared.keys, keys, [](u32 a, u32 b) { return a < b ? a : b; });
        return keys[0];
    }

    // The least key up to which the weight, that key's included, exceeds the target. `searched` gives a row's key and
    // weight, 0 where the row is not searched.
    template <class Searched> __device__ __forceinline__ u32 find(int target, Searched searched) {
        u32 found = 0;
        for (int shift = 30; shift >= 0; shift -= 2) {
            u32 one = 1u << shift;
            u32 first = found + (one - 1), second = first + one, third = second + one;
            int counts[3] = {0, 0, 0};
            rows([&](u32 i) {
                int weight = 1;
                u32 key = searched(i, weight);
                counts[0] += key <= first ? weight : 0;
                counts[1] += key <= second ? weight : 0;
                counts[2] += key <= third ? weight : 0;
            });
            all(shared.counts, counts, [](int a, int b) { return a + b; });
            found += (counts[0] <= target ? one : 0) + (counts[1] <= target ? one : 0) + (counts[2] <= target ? one : 0);
        }
        return found;
    }

    __device__ __forceinline__ u32 find_value(int target) {
        return find(target, [&](u32 i, int &of) {
            of = weight(i);
            return key(i);
        });
    }

    // The least and the greatest key with a share.
    __device__ __forceinline__ void ends(u32 &low, u32 &high) {
        low = find_value(c.low);
        high = low;
        if (c.high == c.low) return;
        if (c.statistic == TRIMMED_MEAN) {
            high = find_value(c.high);
            return;
        }
        // The middle: the same value or the next one.
        int upto = 0;
        u32 next = KEY_OF_NOTHING;
        rows([&](u32 i) {
            u32 one = key(i);
            int of = weight(i);
            upto += one <= low ? of : 0;
            next = one > low && one < next ? one : next;
        });
        upto = count(upto);
        next = lowest(next);
        high = upto > c.high ? low : next;
    }

    __device__ __forceinline__ float median() {
        u32 low, high;
        ends(low, high);
        return midpoint_of(of_key(low), of_key(high));
    }

    __device__ __forceinline__ static float midpoint_of(float low, float high) {
        return low < high ? fmaf(high, 0.5f, 0.5f * low) : low;
    }

    // What is kept of the weight of a value between two cumulative weights, times its value.
    __device__ __forceinline__ float term(u32 key, int before, int after) const {
        bool first = before <= c.low, last = after > c.high;
        int whole = first ? after - c.start : last ? c.end - before : after - before;
        float share = (float)whole + (first || last ? c.part : 0.0f);
        bool none = after <= c.low || before > c.high || !(share > 0.0f);
        return none ? 0.0f : share * c.scale * of_key(key);
    }

    __device__ __forceinline__ float trimmed_mean() {
        u32 low, high;
        ends(low, high);
        // The weight up to the least value kept, and that below the greatest.
        int upto = 0, below = 0;
        LongSum inner;
        rows([&](u32 i) {
            u32 one = key(i);
            int of = weight(i);
            upto += one <= low ? of : 0;
            below += one < high ? of : 0;
            inner.add(one > low && one < high && of > 0 ? (float)of * c.scale * of_key(one) : 0.0f);
        });
        upto = count(upto);
        below = count(below);
        float total = sum(inner.sum());
        // Of the end values, what lies inside. The weight before the least, and after the greatest, is of no account.
        float first = term(low, c.low, upto);
        float last = term(high, below, c.high + 1);
        return low == high ? of_key(low) : total + (first + last);
    }

    __device__ __forceinline__ float mean_around_median() {
        float centre = median();
        bool defined = finite(centre);
        u32 middle = key_of(centre);
        // How far the farthest that are kept are; how many are nearer, and how many as far, below the centre. The
        // lower ones first. All are equally far from a centre that is not finite, and none is below.
        u32 farthest = find(c.keep - 1, [&](u32 i, int &) { return apart(key(i), centre); });
        int nearer = 0, lower = 0;
        rows([&](u32 i) {
            u32 one = key(i), distance = apart(one, centre);
            nearer += distance < farthest;
            lower += distance == farthest && one < middle && defined;
        });
        nearer = count(nearer);
        lower = count(lower);
        // They are equally far but for rounding: the last of them is the one to cut off next at that end.
        int wanted = c.keep - nearer, surplus = lower - wanted;
        bool below = surplus >= 0;
        u32 last = find(below ? surplus : -surplus - 1, [&](u32 i, int &of) {
            u32 one = key(i);
            of = apart(one, centre) == farthest && (one < middle && defined) == below;
            return one;
        });
        int kept = 0;
        LongSum inner;
        rows([&](u32 i) {
            u32 one = key(i), distance = apart(one, centre);
            bool is_below = one < middle && defined;
            bool edge = below ? is_below && one > last : is_below || one < last;
            bool keep = distance < farthest || (distance == farthest && edge);
            kept += keep;
            inner.add(keep ? of_key(one) : 0.0f);
        });
        int rest = c.keep - count(kept);
        float total = sum(inner.sum());
        return (rest ? total + (float)rest * of_key(last) : total) * c.scale;
    }

    // Adds the tile's part of every row's squared distance to the partial sums in memory: of one row always the same
    // thread.
    __device__ __forceinline__ void measure(float result) const {
        if (inside && !finite(result)) shared.result_is_bad = 1;
        u64 partial = ((u64)blockIdx.y * gridDim.x + blockIdx.x) * x.n;
        rows([&](u32 i) {
            if (WEIGHTED && weight(i) == 0) return;
            float value = of_key(key(i));
            float difference = inside ? value - result : 0.0f;
            float square = difference * difference;
#pragma unroll
            for (int step = 16; step > 0; step /= 2) square += __shfl_xor_sync(~0u, square, step);
            bool bad = !finite(square) && __any_sync(~0u, inside && !finite(value));
            if (threadIdx.x % 32) return;
            if (bad)
                c.marks[partial + i] = ROW_IS_BAD;
            else
                c.partials[partial + i] += is_nan(square) ? of_bits(INFINITY_BITS) : square;
        });
    }
};

template <bool MEASURED, bool STAGED, bool WEIGHTED>
__device__ __forceinline__ void run_tiles(const Matrix &x, const Columns &c, Shared &shared) {
    DYNAMIC_SHARED(staging);
    int *weights = (int *)staging + x.n * 32;
    const u64 partial = ((u64)blockIdx.y * gridDim.x + blockIdx.x) * x.n;
    if (threadIdx.x == 0) shared.result_is_bad = 0;
    if (STAGED && WEIGHTED)
        for (u32 i = threadIdx.x; i < x.n; i += blockDim.x) weights[i] = (int)region_of(x)[c.weights + i];
    __syncthreads();
    if (MEASURED && threadIdx.x % 32 == 0)
        for (u32 i = threadIdx.x / 32; i < x.n; i += WARPS) {
            bool unread = WEIGHTED && region_of(x)[c.weights + i] == 0.0;
            c.partials[partial + i] = 0.0f;
            c.marks[partial + i] = unread ? ROW_IS_BAD : 0;
        }
    u32 turn = 0;
    u64 s, last;
    for (slabs_of(x, s, last); s < last; s++) {
        const Slab slab = slab_of(x, s, sizeof(ELEMENT));
        for (u32 first = 0; first < slab.columns; first += 32) {
            u32 k = first + threadIdx.x % 32;
            Tile<STAGED, WEIGHTED> tile{x, c, slab, shared, k, k < slab.columns, staging, weights, turn};
            tile.stage();
            float result;
            if (c.statistic == MEDIAN)
                result = tile.median();
            else if (WEIGHTED || c.statistic == TRIMMED_MEAN)
                result = tile.trimmed_mean();
            else
                result = tile.mean_around_median();
            turn = tile.turn;
            if (threadIdx.x < 32 && tile.inside) {
                float one[1] = {result};
                write_result<1>(x, slab, s, k, c.centre, c.write, one);
            }
            if (MEASURED) tile.measure(result);
        }
    }
    if (!MEASURED) return;
    __syncthreads();
    if (shared.result_is_bad && threadIdx.x % 32 == 0)
        for (u32 i = threadIdx.x / 32; i < x.n; i += WARPS) c.marks[partial + i] |= RESULT_IS_BAD;
}

template <bool MEASURED> __device__ __forceinline__ void run_any(const Matrix &x, const Columns &c) {
    __shared__ Shared shared;
    if (c.weights == NONE) {
        if (c.staged)
            run_tiles<MEASURED, true, false>(x, c, shared);
        else
            run_tiles<MEASURED, false, false>(x, c, shared);
    } else if (c.staged) {
        run_tiles<MEASURED, true, true>(x, c, shared);
    } else {
        run_tiles<MEASURED, false, true>(x, c, shared);
    }
}

extern "C" __global__ void __launch_bounds__(256) any(const Matrix x, const Columns c) { run_any<false>(x, c); }
extern "C" __global__ void __launch_bounds__(256) any_measured(const Matrix x, const Columns c) { run_any<true>(x, c); }
