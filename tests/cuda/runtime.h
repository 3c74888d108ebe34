// What runs a CUDA kernel on the CPU: shared by shim.h (what a kernel sees), shim.cpp (the scheduler) and
// driver.cpp (the stand-in for libcuda.so.1). Includes no headers: every module of kernels compiles it.
#pragma once

typedef __SIZE_TYPE__ shim_size;

namespace shim {

struct Index {
    unsigned x, y, z;
};

// What the CUDA thread that runs now sees. Every module has one for each thread of the host, so that launches may run
// side by side. (One of the driver's own would need room in the process's static TLS, which is scarce.)
struct State {
    Index thread, block, threads, blocks;
    char *dynamic_shared;
};

// A kernel: its name, the sizes of its parameters, and a call of it for one thread.
struct Kernel {
    const char *name;
    void (*call)(void **parameters);
    const unsigned *sizes;
    unsigned parameters;
};

// Bytes that hold the module's `__shared__` variables. Filled with 0xff (a NaN) before every block.
struct Shared {
    char *begin;
    shim_size size;
};

// Runs a kernel to its end on the calling thread. `state` is its module's, and may lie in `shared`.
void launch(const Kernel &kernel, Index blocks, Index threads, shim_size dynamic_bytes, Shared shared, State *state,
            void **parameters);

// A lane's part of c += a b on tensor cores (m16n8k8), whose address is its value for MMA_TF32.
struct Fragments {
    float c[4];
    unsigned a[4], b[2];
};

// What the lanes of a warp do together.
enum Collective : unsigned {
    SYNC,
    SHUFFLE,
    BALLOT,
    MATCH,
    ADD,
    MIN_SIGNED,
    MAX_SIGNED,
    MIN_UNSIGNED,
    MAX_UNSIGNED,
    AND,
    OR,
    XOR,
    MMA_TF32,
};
enum Barrier : unsigned { PLAIN, COUNT, ALL, ANY };

// Waits for the lanes of `mask`. `source` is the lane whose value a shuffle wants; `line` must be the same in all.
__attribute__((visibility("default"))) unsigned long long
collective(Collective op, unsigned mask, unsigned long long value, unsigned source, int line);
// Waits for the block.
__attribute__((visibility("default"))) int barrier(Barrier kind, bool predicate, int line);
// Says where, and aborts.
[[noreturn]] __attribute__((visibility("default"))) void die(const char *format, ...);

} // namespace shim
