// How columns get into shared memory: read once, their centre found or read, subtracted.
#pragma once

// A word for each staged point: 1 once an element of it is not finite. Threads that write it write the same.
__shared__ u32 flags[2 * GROUP];

__device__ __forceinline__ void clear_flags() {
    for (u32 i = threadIdx.x; i < 2 * GROUP; i += THREADS) flags[i] = 0;
    __syncthreads();
}

// After a barrier. `first` is the first of the staged points.
__device__ __forceinline__ void write_marks(const Pairwise &p, u64 at, u32 first) {
    for (u32 i = threadIdx.x; i < 2 * GROUP; i += THREADS)
        if (first + i < p.points && (p.pairs == 1 || i < GROUP)) p.marks[at * p.points + first + i] = flags[i];
}

// The slabs of a block: [first, last).
__device__ __forceinline__ void slabs_of(const Matrix &x, u32 block, u64 &first, u64 &last) {
    u64 end = x.problems[blockIdx.y].slabs;
    end = end < x.end ? end : x.end;
    first = x.begin + (u64)block * x.per_block;
    last = first + x.per_block < end ? first + x.per_block : end;
}

// Element k, in slab s, of a given vector.
__device__ __forceinline__ float given_element(const Matrix &x, const Pairwise &p, u64 s, u32 vector, u32 k) {
    const Problem problem = x.problems[blockIdx.y];
    // The last block that begins at or before s.
    u32 b = problem.first_block + problem.blocks - 1;
    while (x.blocks[b].first_slab > s) b--;
    const u64 at = p.anchors[(u64)b * p.given + vector];
    const u64 e = (s - x.blocks[b].first_slab) * SLAB + k;
    return element_of(at, p.anchor_type, e);
}

// What is staged of point i behind the rows, in a column with centre m: the origin's. Given vectors follow.
__device__ __forceinline__ float beyond_rows(const Matrix &x, const Pairwise &p, u32 i, bool inside, float m) {
    return inside && i < x.n + p.origin ? -m : 0.0f;
}

// Is this one finite? One comparison, where bits would take two operations.
__device__ __forceinline__ bool bounded(float x) { return fabsf(x) < of_bits(INFINITY_BITS); }

// Point i, a given vector, about the centre of a column. `place` is its place among the staged points.
__device__ __forceinline__ float given_point(const Matrix &x, const Pairwise &p, u64 s, u32 i, u32 k, float m, u32 place) {
    const float value = given_element(x, p, s, i - x.n - p.origin, k);
    if (bounded(value)) return value - m;
    flags[place] = 1;
    return 0.0f;
}

// Asks for columns [k, k + COLUMNS) of so many points to be brought to the L2 cache. `row` says which row a point is.
template <class T, class Row> __device__ __forceinline__ void prefetch(const Slab &slab, u32 n, u32 points, u32 k, Row row) {
#ifndef SHIM_CPU
    if (k >= slab.columns) return;
    const u32 line = 128 / sizeof(T), lines = (COLUMNS + line - 1) / line;
    for (u32 at = threadIdx.x; at < points * lines; at += THREADS) {
        const u32 i = row(at / lines), column = k + at % lines * line;
        if (i < n && column < slab.columns) asm volatile("prefetch.global.L2 [%0];" ::"l"(element<T>(slab, i, column)));
    }
#endif
}

#ifdef ROWS

#define STRING(x) #x
#define NETWORKS(rows) STRING(generated/networks_##rows.cuh)
#define EXPANDED(rows) NETWORKS(rows)

__device__ __forceinline__ float least(float a, float b) { return fminf(a, b); }
__device__ __forceinline__ float greatest(float a, float b) { return fmaxf(a, b); }

#include EXPANDED(ROWS)

// The median of n values; rows that are not there are +Inf and -Inf in turn, so that it stays in the middle.
__device__ __forceinline__ float midpoint(const float (&values)[ROWS], u32 n) {
    float middles[2];
    middle(values, middles);
    // With an odd number of values there is one more +Inf than -Inf, and the lower one is the median.
    return n % 2 ? middles[0] : 0.5f * middles[0] + 0.5f * middles[1];
}

__device__ __forceinline__ float missing(u32 i, u32 n) { return of_bits((i - n) % 2 ? SIGN | INFINITY_BITS : INFINITY_BITS); }

// Rows that a thread reads at once: enough bytes on their way, and few registers.
const u32 BATCH = ROWS < 16 ? ROWS : 16;

// Copies a thread's columns of all rows to shared memory, where they wait: the network takes all registers.
// `usual` says of each column whether all of it is finite.
template <class T>
__device__ __forceinline__ void read(const Slab &slab, u32 n, u32 column, float *own, u32 step, bool (&usual)[WIDTH]) {
    struct alignas(sizeof(T) * WIDTH) Vector {
        T element[WIDTH];
    };
    const bool wide = slab.wide && column + WIDTH <= slab.columns;
    // A running address: addresses of all rows would take the registers.
    u64 at = slab.first + column * sizeof(T);
    const u64 offset = slab.start * sizeof(T) + column * sizeof(T);
#pragma unroll
    for (u32 first = 0; first < ROWS; first += BATCH) {
        const u32 end = first + BATCH < ROWS ? first + BATCH : ROWS;
        float values[BATCH][WIDTH];
        if (wide) {
            Vector vectors[BATCH] = {};
            if (slab.rows) {
#pragma unroll
                for (u32 i = first; i < end; i++)
                    if ((int)i < LEAST_ROWS || i < n) vectors[i - first] = *(const Vector *)(slab.rows[i] + offset);
            } else {
#pragma unroll
                for (u32 i = first; i < end; i++, at += slab.stride)
                    if ((int)i < LEAST_ROWS || i < n) vectors[i - first] = *(const Vector *)at;
            }
#pragma unroll
            for (u32 i = first; i < end; i++)
#pragma unroll
                for (u32 w = 0; w < WIDTH; w++) values[i - first][w] = to_float(vectors[i - first].element[w]);
        } else {
#pragma unroll 1
            for (u32 w = 0; w < WIDTH; w++)
#pragma unroll
                for (u32 i = first; i < end; i++) {
                    const bool there = i < n && column + w < slab.columns;
                    const float value = there ? to_float(*element<T>(slab, i, column + w)) : 0.0f;
#pragma unroll
                    for (u32 v = 0; v < WIDTH; v++) values[i - first][v] = v == w || w == 0 ? value : values[i - first][v];
                }
        }
#pragma unroll
        for (u32 c = first / 4; c < end / 4; c++)
#pragma unroll
            for (u32 w = 0; w < WIDTH; w++) {
                Four four;
#pragma unroll
                for (u32 q = 0; q < 4; q++) {
                    four.x[q] = values[4 * c + q - first][w];
                    usual[w] = usual[w] && bounded(four.x[q]);
                }
                *(Four *)(own + w * step + 4 * c) = four;
            }
        // The next batch's loads stay behind.
        asm volatile("" ::: "memory");
    }
}

// Subtracts the centre from a staged column.
__device__ __forceinline__ void centre_column(float *own, const Matrix &x, const Pairwise &p, u64 s, u32 k, bool inside, bool usual, float m) {
    const u32 n = x.n;
    u32 c = 0;
    if (usual) {
#pragma unroll 4
        for (; c < n / 4; c++) {
            Four four = *(const Four *)(own + 4 * c);
#pragma unroll
            for (u32 q = 0; q < 4; q++) four.x[q] -= m;
            *(Four *)(own + 4 * c) = four;
        }
    }
    const u32 chunks = (p.points + PADDING - 1) / PADDING * (PADDING / 4);
#pragma unroll 1
    for (; c < chunks; c++) {
        Four four = {};
        if (4 * c < n) four = *(const Four *)(own + 4 * c);
#pragma unroll
        for (u32 q = 0; q < 4; q++) {
            const u32 i = 4 * c + q;
            if (i >= n)
                four.x[q] = beyond_rows(x, p, i, inside, m);
            else if (bounded(four.x[q]))
                four.x[q] -= m;
            else
                four.x[q] = 0.0f, flags[i] = 1;
        }
        *(Four *)(own + 4 * c) = four;
    }
    if (p.given && inside) {
#pragma unroll 1
        for (u32 i = n + p.origin; i < p.points; i++) own[i] = given_point(x, p, s, i, k, m, i);
    }
}

// Stages columns [k, k + WIDTH * threads) of the slab about their medians. A thread does WIDTH neighbouring columns,
// which go to places that are `threads` apart.
template <class T>
__device__ __forceinline__ void stage_about_median(const Slab &slab, const Matrix &x, const Pairwise &p, u64 s, u32 k, u32 threads, float *stage, u32 pitch) {
    if (threadIdx.x >= threads) return;
    const u32 n = x.n, column = k + threadIdx.x * WIDTH;
    float *own = stage + threadIdx.x * pitch;
    bool usual[WIDTH];
#pragma unroll
    for (u32 w = 0; w < WIDTH; w++) usual[w] = true;
    read<T>(slab, n, column, own, threads * pitch, usual);
#pragma unroll
    for (u32 w = 0; w < WIDTH; w++, own += threads * pitch) {
        float sorted[ROWS];
#pragma unroll
        for (u32 c = 0; c < ROWS / 4; c++) {
            const Four four = *(const Four *)(own + 4 * c);
#pragma unroll
            for (u32 q = 0; q < 4; q++) {
                const u32 i = 4 * c + q;
                sorted[i] = (int)i < LEAST_ROWS || i < n ? four.x[q] : missing(i, n);
            }
        }
        if (!usual[w]) {
#pragma unroll
            for (u32 i = 0; i < ROWS; i++) sorted[i] = clean(sorted[i]);
        }
        const float m = midpoint(sorted, n);
        centre_column(own, x, p, s, column + w, column + w < slab.columns, usual[w], finite(m) ? m : 0.0f);
    }
}

#else

// The first point of a chunk.
__device__ __forceinline__ u32 point_of(const Tiles &t, u32 chunk) {
    const u32 own = t.rows * CHUNKS;
    return chunk < own ? t.a * GROUP + 4 * chunk : t.b * GROUP + 4 * (chunk - own);
}

// A bit for each point that a thread stages.
#ifdef TENSOR
typedef u64 Bits;
#else
typedef u16 Bits;
#endif
static_assert(2 * GROUP / (THREADS / COLUMNS) == 8 * sizeof(Bits), "");

// Which rows have weight 0: they are not read.
__device__ __forceinline__ Bits unread(const Matrix &x, const Pairwise &p, const Tiles &t) {
    Bits bits = 0;
    u32 bit = 0;
    if (p.weights == NO_WEIGHTS) return 0;
    const double *weights = region_of(x) + p.weights;
    for (u32 c = threadIdx.x / COLUMNS; c < (t.rows + t.columns) * CHUNKS; c += THREADS / COLUMNS)
        for (u32 q = 0; q < 4; q++, bit++) {
            const u32 i = point_of(t, c) + q;
            if (i < x.n && weights[i] == 0.0) bits |= (Bits)1 << bit;
        }
    return bits;
}

// Chunks that a thread reads at once: their loads are on their way together.
const u32 BATCH = 2;

// Stages a chunk in which an element may not be finite, or a point none of the rows or not read.
template <class T>
__device__ __forceinline__ void unusual_chunk(const Slab &slab, const Matrix &x, const Pairwise &p, const Tiles &t, u64 s, u32 c, u32 column, u32 unread, float m, float *own) {
    const bool inside = column < slab.columns;
#pragma unroll 1
    for (u32 q = 0; q < 4; q++) {
        const u32 i = point_of(t, c) + q, at = 4 * c + q;
        float value = 0.0f;
        if (i >= x.n) {
            value = inside && p.given && i >= x.n + p.origin && i < p.points ? given_point(x, p, s, i, column, m, at) : beyond_rows(x, p, i, inside, m);
        } else if (inside && !(unread >> q & 1)) {
            value = to_float(*element<T>(slab, i, column));
            if (bounded(value))
                value -= m;
            else
                value = 0.0f, flags[at] = 1;
        }
        own[at] = value;
    }
}

// Stages columns [k, k + COLUMNS) of the block's points about a given centre. A thread does one column, with
// THREADS / COLUMNS others.
template <class T>
__device__ __forceinline__ void stage_about(const Slab &slab, const Matrix &x, const Pairwise &p, u64 s, const Tiles &t, Bits unread, u32 k, float *stage, u32 pitch) {
    const u32 place = threadIdx.x % COLUMNS, column = k + place;
    const bool inside = column < slab.columns;
    const float *centre = p.centre + ((u64)blockIdx.y * (x.end - x.begin) + (s - x.begin)) * SLAB;
    float m = inside ? centre[column] : 0.0f;
    m = finite(m) ? m : 0.0f;
    u32 chunks = (t.rows + t.columns) * CHUNKS;
    const u32 end = point_of(t, chunks - 1) + 4;
    if (PADDING < R && end > p.points) chunks -= (end - p.points) / 4;
    const u32 step = THREADS / COLUMNS;
#pragma unroll 1
    for (u32 c = threadIdx.x / COLUMNS; c < chunks; c += BATCH * step) {
        const u32 last = c + (BATCH - 1) * step;
        bool usual = inside && last < chunks && point_of(t, last) + 4 <= x.n && !(unread & ((1u << 4 * BATCH) - 1));
        if (usual) {
            Four fours[BATCH];
#pragma unroll
            for (u32 v = 0; v < BATCH; v++) {
                const u32 first = point_of(t, c + v * step);
                u64 at = slab.first + first * slab.stride + column * sizeof(T);
                if (slab.rows) {
#pragma unroll
                    for (u32 q = 0; q < 4; q++) fours[v].x[q] = to_float(*element<T>(slab, first + q, column));
                } else {
#pragma unroll
                    for (u32 q = 0; q < 4; q++, at += slab.stride) fours[v].x[q] = to_float(*(const T *)at);
                }
            }
#pragma unroll
            for (u32 v = 0; v < BATCH; v++) {
#pragma unroll
                for (u32 q = 0; q < 4; q++) {
                    usual = usual && bounded(fours[v].x[q]);
                    fours[v].x[q] -= m;
                }
                *(Four *)(stage + place * pitch + 4 * (c + v * step)) = fours[v];
            }
        }
        if (!usual) {
#pragma unroll 1
            for (u32 v = 0; v < BATCH; v++)
                if (c + v * step < chunks) unusual_chunk<T>(slab, x, p, t, s, c + v * step, column, unread >> 4 * v & 15, m, stage + place * pitch);
        }
        unread >>= 4 * BATCH;
    }
}

#endif
