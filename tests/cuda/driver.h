// Inside of the stand-in for libcuda.so.1: see driver.cpp. Modules and launches are in modules.cpp.
#pragma once
#include "runtime.h"

#include <cstddef>
#include <cstdint>
#include <functional>

#define API extern "C" __attribute__((visibility("default"))) Result

// CUresult, as far as it is used.
enum Result : int {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    UNSUPPORTED_PTX_VERSION = 222,
    SHARED_OBJECT_INIT_FAILED = 303,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_OUT_OF_RESOURCES = 701,
    NOT_SUPPORTED = 801,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_MERGE = 902,
    CAPTURE_UNMATCHED = 903,
    CAPTURE_UNJOINED = 904,
    CAPTURE_ISOLATION = 905,
    CAPTURED_EVENT = 907,
    CAPTURE_WRONG_THREAD = 908,
    UNKNOWN = 999,
};

// ---- Settings and counters: driver.cpp lists them. ----

enum Setting {
    DEVICES,
    DRIVER_VERSION,
    CAPABILITY,
    MEMORY,
    MULTIPROCESSORS,
    INIT_ERROR,
    MODULE_ERROR,
    LAZY,
    TRACE,
    FAIL_ALLOCATION,
    FAIL_COPY,
    FAIL_MODULE,
    FAIL_LAUNCH,
    FAULT_LAUNCH,
    // Counters, which tests read.
    ALLOCATIONS,
    BYTES,
    PINNED,
    STREAMS,
    EVENTS,
    MODULES,
    GRAPHS,
    LAUNCHES,
    CONTEXTS,
    FAULT,
    SETTINGS,
};
long get(Setting setting);
void set(Setting setting, long value);
void add(Setting counter, long value);
// Counts down a failure that the calling thread has asked for: true when this is the one to fail.
bool fails(Setting setting);
// Says why a call is refused, on stderr, and returns the error.
Result refuse(Result error, const char *format, ...);
// What most calls check first: a context is current, and no kernel has faulted.
Result ready();

const unsigned MOST_THREADS = 1024;
// Bytes of a block's shared memory: without asking for more, and at most.
const unsigned STATIC_SHARED = 48 << 10;
unsigned most_shared();

// ---- memory.cpp ----

// An error unless [address, address + bytes) lies inside of one device allocation. One whose free is queued counts
// as gone for new work, and as there for work that was queued before.
Result check_device(uint64_t address, size_t bytes, bool queued, const char *what);
bool is_pinned(const void *host, size_t bytes);

// ---- streams.cpp ----

struct Stream;
typedef std::function<Result()> Work;
// Queues work on a stream, or records it in the stream's capture. What can't be in a graph is refused there.
enum class InGraph { allowed, refused };
Result submit(Stream *stream, Work work, InGraph in_graph, const char *what);
// Runs all that is queued on a stream, or on all of them.
Result finish(Stream *stream);
Result finish_all();
// An error for calls that may block or synchronise while the calling thread may not because of a capture.
Result check_no_capture(const char *what);
// An error, which ends the capture, for what can't be in a graph.
Result check_not_captured(Stream *stream, const char *what);
