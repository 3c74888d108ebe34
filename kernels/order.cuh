// What becomes of sorted values: the numbers of `Columns` applied to a column in registers.
//
// Values are clean: never NaN, so that comparisons are a total order, and infinities come out of IEEE arithmetic
// as spec.md has them (only +Inf kept: +Inf, both: NaN). CPU twins: src/backend/cpu/order.rs and weighted.rs.
#pragma once
#include "columns.cuh"

// A value and the weight of its row.
struct Weighted {
    float value;
    int weight;
};

__device__ __forceinline__ float least(float a, float b) { return fminf(a, b); }
__device__ __forceinline__ float greatest(float a, float b) { return fmaxf(a, b); }
__device__ __forceinline__ Weighted least(Weighted a, Weighted b) { return a.value <= b.value ? a : b; }
__device__ __forceinline__ Weighted greatest(Weighted a, Weighted b) { return a.value <= b.value ? b : a; }

// The middle of two values, low <= high. Never overflows; equal values stay what they are, infinities among them.
__device__ __forceinline__ float midpoint(float low, float high) {
    return low < high ? fmaf(high, 0.5f, 0.5f * low) : low;
}

// Σ over k < N of what term(k, sum) adds to its sum: in blocks of 16, for the rounding errors' sake.
template <int N, class Sum = float, class Term> __device__ __forceinline__ Sum sum_of(Term term) {
    Sum total = Sum();
#pragma unroll
    for (int block = 0; block < N; block += 16) {
        Sum even = Sum(), odd = Sum();
#pragma unroll
        for (int k = block; k < block + 16; k += 2) {
            if (k < N) term(k, even);
            if (k + 1 < N) term(k + 1, odd);
        }
        total += even + odd;
    }
    return total;
}

// Which of the ranks first <= k <= last are summed, as bits.
template <int N> __device__ __forceinline__ void ranks(int first, int last, u32 (&bits)[(N + 31) / 32]) {
#pragma unroll
    for (int word = 0; word < (N + 31) / 32; word++) {
        int from = max(first - 32 * word, 0), to = min(last - 32 * word, 31);
        bits[word] = from <= to ? ~0u >> (31 - to + from) << from : 0;
    }
}

// The mean of the ranks low..=high of sorted values, y(k, mask of bits), of one column or of several at once; the outer
// two with a share of `part`, if it is not 0.
template <int N, class Sum, class Values>
__device__ __forceinline__ Sum trimmed_mean(const Columns &c, const Masks<N> &masks, Values y) {
    Sum sum = sum_of<N, Sum>([&](int k, Sum &sum) { sum += y(k, masks.rank[k]); });
    if (c.part > 0.0f || c.low == c.high) {
        int low = c.low, high = c.high;
        // Or the compiler finds out before the loop which ranks these are, and keeps that in registers.
        asm volatile("" : "+r"(low), "+r"(high));
        Sum first = Sum(), last = Sum();
#pragma unroll
        for (int k = 0; k < N; k++) {
            first = k == low ? y(k, ~0u) : first;
            last = k == high ? y(k, ~0u) : last;
        }
        if (low == high) return first;
        sum += first * c.part + last * c.part;
    }
    return sum * c.scale;
}

// The mean of the `keep` values of n sorted ones that are closest to their median. `strip` is shared memory for
// N values, `step` apart: the window of kept values lies anywhere, and registers have no addresses.
template <int N>
__device__ __forceinline__ float mean_around_median(const Columns &c, int n, const float (&y)[N], float *strip, u32 step) {
#pragma unroll
    for (int k = 0; k < N; k++) strip[k * step] = y[k];
    float centre = midpoint(strip[c.low * step], strip[c.high * step]);
    // The window slides up while what it gains is nearer than what it loses, which is so up to some place.
    int first = 0, end = n - c.keep;
    while (first < end) {
        int k = (first + end) / 2;
        if (strip[(k + c.keep) * step] - centre < centre - strip[k * step])
            first = k + 1;
        else
            end = k;
    }
    float total = 0.0f;
    for (int block = first; block < first + c.keep; block += 16) {
        float sum = 0.0f;
        int last = min(block + 16, first + c.keep);
        for (int k = block; k < last; k++) sum += strip[k * step];
        total += sum;
    }
    return total * c.scale;
}

// What is kept of the weight of a value that lies between these two cumulative weights, `before` < `after`. Sums of
// numbers that are not negative: no cancellation, however little is kept.
__device__ __forceinline__ float share(const Columns &c, int before, int after) {
    bool first = before <= c.low, last = after > c.high;
    int whole = first ? after - c.start : last ? c.end - before : after - before;
    float kept = (float)whole + (first || last ? c.part : 0.0f);
    return after <= c.low || before > c.high ? 0.0f : kept;
}

// The statistic of sorted values with weights.
template <int N> __device__ __forceinline__ float weighted_statistic(const Columns &c, const Weighted (&y)[N]) {
    // The first values at which the cumulative weight exceeds a target are the last ones before which it does not.
    float low = y[0].value, high = y[0].value;
    int before = y[0].weight;
#pragma unroll
    for (int k = 1; k < N; k++) {
        low = before <= c.low ? y[k].value : low;
        high = before <= c.high ? y[k].value : high;
        before += y[k].weight;
    }
    if (c.statistic == MEDIAN) return midpoint(low, high);
    before = 0;
    float mean = sum_of<N>([&](int k, float &sum) {
        int after = before + y[k].weight;
        float kept = share(c, before, after);
        // A value without a share may be infinite and is not multiplied.
        if (y[k].weight > 0 && kept > 0.0f) sum += kept * c.scale * y[k].value;
        before = after;
    });
    return low == high ? low : mean;
}
