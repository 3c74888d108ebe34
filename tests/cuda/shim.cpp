// Runs CUDA kernels on the CPU: the scheduler behind shim.h.
//
// Every CUDA thread runs on a fiber's stack, until it waits or ends. A fiber whose thread has ended goes on
// with the next thread of the warp, so a kernel without barriers is a plain loop on one stack. A warp runs
// until all of its threads have ended or wait for the block's barrier; then comes the next warp.
//
// The order is always the same: blocks, warps and lanes from the first to the last, or with SHIM_REVERSED=1
// from the last to the first. A kernel whose result depends on it lacks a barrier.
//
// What is undefined on a device aborts with a message: a barrier that not all threads reach, or in different
// lines; warp functions whose lanes disagree about the mask, or whose mask names an ended lane; a shuffle from
// a lane outside of the mask; a stack that overflows (a guard page).
//
// All state belongs to the calling thread of the host, so launches may run side by side.
#include "runtime.h"
#include "switch.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace shim {

namespace {

const unsigned WARP = 32;
// Unoptimised and instrumented code for a wide network needs most of it.
const size_t STACK = 512 << 10;

struct Fiber {
    Context context;
    char *stack;
    size_t size;
    // AddressSanitizer's, while the fiber is not running.
    void *fake_stack;
};

enum Status : unsigned char { FRESH, READY, AT_BARRIER, IN_COLLECTIVE, ENDED };

struct Thread {
    Fiber *fiber;
    Status status;
    // What it waits for, and then what it got.
    unsigned operation;
    unsigned mask, source;
    int line;
    unsigned long long value;
};

void switch_fiber(Fiber &from, Fiber &to) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.size);
#endif
    switch_context(from.context, to.context);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

class Scheduler {
  public:
    ~Scheduler();
    void launch(const Kernel &kernel, Index blocks, Index threads, size_t dynamic_bytes, Shared shared, State *state, void **parameters);
    unsigned long long collective(Collective op, unsigned mask, unsigned long long value, unsigned source, int line);
    int barrier(Barrier kind, bool predicate, int line);
    [[noreturn]] void die(const char *format, va_list arguments);

  private:
    static void fiber_main();
    void run_block();
    void run_warp(unsigned warp);
    void resume(unsigned thread);
    void wait(Status status);
    void complete(unsigned first, unsigned mask);
    bool open_barrier();
    [[noreturn]] void stuck(unsigned first, unsigned lanes);
    Fiber *idle_fiber();
    void select(unsigned thread);
    unsigned lanes_of(unsigned warp) const;

    const Kernel *kernel = nullptr;
    State *state = nullptr;
    void **parameters = nullptr;
    std::vector<Thread> threads;
    unsigned count = 0;
    unsigned current = 0;
    // Per warp, the lanes that wait in a warp function.
    std::vector<unsigned> waiting;
    std::vector<Fiber *> fibers, idle;
    Fiber home{};
    bool reversed = false;
    bool running = false;
};

thread_local Scheduler scheduler;

void print(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

Scheduler::~Scheduler() {
    for (Fiber *fiber : fibers) {
#ifdef __SANITIZE_ADDRESS__
        // Its frames never returned: a module that is loaded to the same place would seem to be a stack's.
        __asan_unpoison_memory_region(fiber->stack, fiber->size);
#endif
        munmap(fiber->stack - getpagesize(), fiber->size + getpagesize());
        delete fiber;
    }
}

Fiber *Scheduler::idle_fiber() {
    if (idle.empty()) {
        // The page before the stack is never accessible.
        size_t page = getpagesize();
        char *memory = (char *)mmap(nullptr, STACK + page, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE)) shim::die("no memory for a stack");
        Fiber *fiber = new Fiber{};
        fiber->stack = memory + page;
        fiber->size = STACK;
        prepare(fiber->context, fiber->stack, fiber->size, fiber_main);
        fibers.push_back(fiber);
        idle.push_back(fiber);
    }
    Fiber *fiber = idle.back();
    idle.pop_back();
    return fiber;
}

// Makes `thread` the one that runs.
void Scheduler::select(unsigned thread) {
    current = thread;
    unsigned x = state->threads.x, y = state->threads.y;
    state->thread = y == 1 && thread < x ? Index{thread, 0, 0} : Index{thread % x, thread / x % y, thread / x / y};
}

unsigned Scheduler::lanes_of(unsigned warp) const {
    unsigned left = count - warp * WARP;
    return left < WARP ? left : WARP;
}

void Scheduler::fiber_main() {
#ifdef __SANITIZE_ADDRESS__
    const void *bottom;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &scheduler.home.size);
    scheduler.home.stack = (char *)bottom;
#endif
    Scheduler &s = scheduler;
    for (;;) {
        for (;;) {
            s.kernel->call(s.parameters);
            unsigned ended = s.current;
            s.threads[ended].status = ENDED;
            // The next one of the warp in this order, if it has not begun either.
            unsigned next = s.reversed ? ended - 1 : ended + 1;
            if (next / WARP != ended / WARP || next >= s.count || s.threads[next].status != FRESH) break;
            s.threads[next].status = READY;
            s.threads[next].fiber = s.threads[ended].fiber;
            s.select(next);
        }
        Fiber *self = s.threads[s.current].fiber;
        s.idle.push_back(self);
        switch_fiber(*self, s.home);
    }
}

// Runs a thread until it waits or ends.
void Scheduler::resume(unsigned thread) {
    Thread &t = threads[thread];
    if (t.status == FRESH) t.fiber = idle_fiber();
    t.status = READY;
    select(thread);
    switch_fiber(home, *t.fiber);
}

// Leaves the running thread until somebody has made it ready.
void Scheduler::wait(Status status) {
    Thread &t = threads[current];
    t.status = status;
    switch_fiber(*t.fiber, home);
}

void Scheduler::run_warp(unsigned warp) {
    unsigned first = warp * WARP, lanes = lanes_of(warp);
    bool progress = true;
    while (progress) {
        progress = false;
        for (unsigned i = 0; i < lanes; i++) {
            unsigned thread = first + (reversed ? lanes - 1 - i : i);
            if (threads[thread].status <= READY) {
                resume(thread);
                progress = true;
            }
        }
    }
    if (waiting[warp]) stuck(first, lanes);
}

void Scheduler::run_block() {
    for (unsigned t = 0; t < count; t++) threads[t].status = FRESH;
    unsigned warps = (count + WARP - 1) / WARP;
    do {
        for (unsigned i = 0; i < warps; i++) run_warp(reversed ? warps - 1 - i : i);
    } while (open_barrier());
}

// Lets the block go on when all threads wait for its barrier; false when all have ended.
bool Scheduler::open_barrier() {
    unsigned waits = 0, holds = 0, some = 0;
    for (unsigned t = 0; t < count; t++) {
        if (threads[t].status != AT_BARRIER) continue;
        some = t;
        waits++;
        holds += threads[t].value != 0;
    }
    if (!waits) return false;
    for (unsigned t = 0; t < count; t++) {
        Thread &thread = threads[t];
        if (thread.status == ENDED)
            shim::die("a barrier that not all threads reach: thread %u waits in line %d, thread %u has ended", some,
                      threads[some].line, t);
        if (thread.line != threads[some].line)
            shim::die("a barrier in different lines: thread %u waits in line %d, thread %u in line %d", some,
                      threads[some].line, t, thread.line);
    }
    for (unsigned t = 0; t < count; t++) {
        Thread &thread = threads[t];
        thread.status = READY;
        thread.value = thread.operation == COUNT ? holds : thread.operation == ALL ? holds == count : holds != 0;
    }
    return true;
}

int Scheduler::barrier(Barrier kind, bool predicate, int line) {
    Thread &t = threads[current];
    t.operation = kind;
    t.value = predicate;
    t.line = line;
    wait(AT_BARRIER);
    return (int)t.value;
}

unsigned long long Scheduler::collective(Collective op, unsigned mask, unsigned long long value, unsigned source, int line) {
    Thread &t = threads[current];
    unsigned warp = current / WARP, lane = current % WARP, first = warp * WARP, lanes = lanes_of(warp);
    if (!(mask >> lane & 1)) shim::die("line %d: the mask %08x does not name lane %u, which calls", line, mask, lane);
    if (lanes < WARP && mask >> lanes) shim::die("line %d: the mask %08x names lanes beyond %u", line, mask, lanes);
    if (op == SHUFFLE && (source >= WARP || !(mask >> source & 1)))
        shim::die("line %d: lane %u shuffles from lane %u, outside of the mask %08x", line, lane, source, mask);
    t.operation = op;
    t.mask = mask;
    t.value = value;
    t.source = source;
    t.line = line;
    waiting[warp] |= 1u << lane;
    if ((waiting[warp] & mask) == mask) {
        // The last one to arrive: it goes on, and the others are ready.
        t.status = IN_COLLECTIVE;
        complete(first, mask);
        if (t.status == READY) return t.value;
    }
    wait(IN_COLLECTIVE);
    return t.value;
}

// c + the products, as tensor cores add or less exactly: all terms cut off, towards zero, to a bit less than the largest
// has in f32, and the sum as well.
float sum_towards_zero(float c, const double (&products)[8]) {
    double most = fabs(c), plain = c;
    for (double p : products) most = std::max(most, fabs(p)), plain += p;
    if (!std::isfinite(plain) || most == 0.0) return (float)plain;
    const double step = ldexp(1.0, ilogb(most) - 24);
    long long sum = (long long)(c / step);
    for (double p : products) sum += (long long)(p / step);
    const double exact = (double)sum * step;
    const float rounded = (float)exact;
    return std::isfinite(rounded) && fabs(rounded) > fabs(exact) ? nextafterf(rounded, 0.0f) : rounded;
}

// The warp's c += a b, each lane's part at its address.
void multiply_add(const unsigned long long *lanes) {
    const auto of = [&](unsigned lane) { return (Fragments *)lanes[lane]; };
    // tf32: the last 13 bits are ignored.
    const auto value = [](unsigned bits) {
        bits &= 0xffffe000;
        float x;
        memcpy(&x, &bits, sizeof x);
        return (double)x;
    };
    for (unsigned row = 0; row < 16; row++)
        for (unsigned column = 0; column < 8; column++) {
            double products[8];
            for (unsigned k = 0; k < 8; k++) {
                const unsigned a = of(row % 8 * 4 + k % 4)->a[row / 8 + k / 4 * 2], b = of(column * 4 + k % 4)->b[k / 4];
                products[k] = value(a) * value(b);
            }
            float &c = of(row % 8 * 4 + column / 2)->c[row / 8 * 2 + column % 2];
            c = sum_towards_zero(c, products);
        }
}

// Computes what the lanes of `mask` get, if all of them wait for the same.
void Scheduler::complete(unsigned first, unsigned mask) {
    const Thread &some = threads[first + __builtin_ctz(mask)];
    unsigned long long values[WARP];
    unsigned ballot = 0, sum = 0, all = ~0u, any = 0, odd = 0, least = ~0u, most = 0;
    int least_signed = 0x7fffffff, most_signed = -0x7fffffff - 1;
    for (unsigned rest = mask; rest; rest &= rest - 1) {
        unsigned lane = __builtin_ctz(rest);
        const Thread &t = threads[first + lane];
        if (t.mask != mask || t.operation != some.operation || t.line != some.line) return;
        unsigned value = (unsigned)t.value;
        values[lane] = t.value;
        ballot |= (unsigned)(t.value != 0) << lane;
        sum += value, all &= value, any |= value, odd ^= value;
        least = value < least ? value : least, most = value > most ? value : most;
        least_signed = (int)value < least_signed ? (int)value : least_signed;
        most_signed = (int)value > most_signed ? (int)value : most_signed;
    }
    if (some.operation == MMA_TF32) {
        if (mask != ~0u) shim::die("line %d: a warp multiplies with lanes %08x only", some.line, mask);
        multiply_add(values);
    }
    for (unsigned rest = mask; rest; rest &= rest - 1) {
        unsigned lane = __builtin_ctz(rest);
        Thread &t = threads[first + lane];
        switch ((Collective)t.operation) {
        case SYNC:
        case MMA_TF32: break;
        case SHUFFLE: t.value = values[t.source]; break;
        case BALLOT: t.value = ballot; break;
        case ADD: t.value = sum; break;
        case MIN_SIGNED: t.value = (unsigned)least_signed; break;
        case MAX_SIGNED: t.value = (unsigned)most_signed; break;
        case MIN_UNSIGNED: t.value = least; break;
        case MAX_UNSIGNED: t.value = most; break;
        case AND: t.value = all; break;
        case OR: t.value = any; break;
        case XOR: t.value = odd; break;
        case MATCH:
            t.value = 0;
            for (unsigned others = mask; others; others &= others - 1) {
                unsigned other = __builtin_ctz(others);
                t.value |= (unsigned long long)(values[other] == values[lane]) << other;
            }
            break;
        }
        t.status = READY;
    }
    waiting[first / WARP] &= ~mask;
}

void Scheduler::stuck(unsigned first, unsigned lanes) {
    print("shim: a warp that can't go on:\n");
    for (unsigned i = 0; i < lanes; i++) {
        const Thread &t = threads[first + i];
        if (t.status == IN_COLLECTIVE)
            print("  thread %u waits in line %d for the lanes %08x\n", first + i, t.line, t.mask);
        else if (t.status == AT_BARRIER)
            print("  thread %u waits at the barrier in line %d\n", first + i, t.line);
        else
            print("  thread %u has ended\n", first + i);
    }
    shim::die("a warp function that not all lanes of its mask reach");
}

void Scheduler::launch(const Kernel &which, Index blocks, Index block, size_t dynamic_bytes, Shared shared, State *its, void **arguments) {
    if (running) shim::die("a launch inside of a kernel");
    running = true;
    const char *order = getenv("SHIM_REVERSED");
    reversed = order && order[0] == '1';
    kernel = &which;
    parameters = arguments;
    count = block.x * block.y * block.z;
    threads.resize(count);
    waiting.assign((count + WARP - 1) / WARP, 0);
    state = its;
    // Exactly that large, so that AddressSanitizer sees what goes beyond.
    void *dynamic = nullptr;
    if (posix_memalign(&dynamic, 128, dynamic_bytes)) shim::die("no memory for %zu bytes of shared memory", dynamic_bytes);
    unsigned long long total = (unsigned long long)blocks.x * blocks.y * blocks.z;
    for (unsigned long long i = 0; i < total; i++) {
        unsigned long long b = reversed ? total - 1 - i : i;
        if (dynamic_bytes) memset(dynamic, 0xff, dynamic_bytes);
        if (shared.size) memset(shared.begin, 0xff, shared.size);
        Index index = {(unsigned)(b % blocks.x), (unsigned)(b / blocks.x % blocks.y), (unsigned)(b / blocks.x / blocks.y)};
        *state = {{}, index, block, blocks, (char *)dynamic};
        run_block();
    }
    free(dynamic);
    running = false;
}

void Scheduler::die(const char *format, va_list arguments) {
    fprintf(stderr, "shim: ");
    vfprintf(stderr, format, arguments);
    if (running)
        fprintf(stderr, "\nshim: in %s, block (%u, %u, %u), thread (%u, %u, %u)", kernel->name, state->block.x,
                state->block.y, state->block.z, state->thread.x, state->thread.y, state->thread.z);
    fprintf(stderr, "\n");
    abort();
}

} // namespace

void launch(const Kernel &kernel, Index blocks, Index threads, size_t dynamic_bytes, Shared shared, State *state, void **parameters) {
    scheduler.launch(kernel, blocks, threads, dynamic_bytes, shared, state, parameters);
}

unsigned long long collective(Collective op, unsigned mask, unsigned long long value, unsigned source, int line) {
    return scheduler.collective(op, mask, value, source, line);
}

int barrier(Barrier kind, bool predicate, int line) { return scheduler.barrier(kind, predicate, line); }

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    scheduler.die(format, arguments);
}

} // namespace shim
