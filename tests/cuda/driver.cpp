// A stand-in for libcuda.so.1: the part of the driver API that cudarc and the CUDA backend call, on the CPU. It runs
// the project's own kernels, compiled by g++ through shim.h; it can't compile PTX, but reads it: the text says which
// module it is (`// byzagg module NAME`), and must agree with the compiled one about entries, sizes of parameters,
// shared memory and threads. `scripts/stand_in.py` builds it; modules lie beside it, in modules/NAME.so.
//
// It checks what a driver checks (sizes of launches and of shared memory, pointers of copies, handles, what may be
// captured) and says on stderr why it refuses. Here are the settings, the device and its context.
//
// Settings come from the environment, BYZAGG_STAND_IN_<NAME>, or from a test through
//     int stand_in_set(const char *name, long value);    long stand_in_get(const char *name);
// which are 0 and the value, or -1 for a name that is not below. Failures concern the calling thread only.
//
//   devices            1      0: a driver without a device, which cuInit says; -1: which only the count says
//   driver_version     12080  what cuDriverGetVersion says; PTX of a newer version is refused
//   capability         90     the device's; PTX for a newer one is refused
//   memory             8 GiB  allocations beyond fail
//   multiprocessors    6
//   init_error         0      what cuInit returns
//   module_error       0      what cuModuleLoadData returns
//   lazy               1      work runs as late as possible; 0: at once
//   trace              0      1: a line per launch
//   fail_allocation    0      k: the k-th allocation from now on fails
//   fail_copy          0      k: the k-th copy between host and device from now on fails
//   fail_module        0      k: the k-th module to be loaded from now on is not
//   fail_launch        0      k: the k-th launch from now on is refused
//   fault_launch       0      k: the k-th launch from now on faults, and with it the context, for all threads
// Counters: allocations, bytes, pinned, streams, events, modules, graphs, contexts (alive), launches (run), and fault,
// the context's error, which a test may set to 0 again.
#include "driver.h"

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

// ---- Settings ----

namespace {

struct {
    const char *name;
    std::atomic<long> value;
} settings[SETTINGS] = {
    {"devices", {1}},         {"driver_version", {12080}}, {"capability", {90}},     {"memory", {8L << 30}},
    {"multiprocessors", {6}}, {"init_error", {0}},         {"module_error", {0}},    {"lazy", {1}},
    {"trace", {0}},           {"fail_allocation", {0}},    {"fail_copy", {0}},       {"fail_module", {0}},
    {"fail_launch", {0}},     {"fault_launch", {0}},       {"allocations", {0}},     {"bytes", {0}},
    {"pinned", {0}},          {"streams", {0}},            {"events", {0}},          {"modules", {0}},
    {"graphs", {0}},          {"launches", {0}},           {"contexts", {0}},        {"fault", {0}},
};

// Failures that are asked for: calls until then, 0 for none. Each thread's own; the environment's go to every thread.
thread_local long countdown[SETTINGS];
thread_local bool counting = false;

bool is_countdown(int setting) { return setting >= FAIL_ALLOCATION && setting <= FAULT_LAUNCH; }

void start_counting() {
    if (counting) return;
    counting = true;
    for (int i = 0; i < SETTINGS; i++)
        if (is_countdown(i)) countdown[i] = settings[i].value;
}

__attribute__((constructor)) void read_environment() {
    for (auto &setting : settings) {
        std::string name = "BYZAGG_STAND_IN_";
        for (const char *c = setting.name; *c; c++) name += (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        if (const char *value = getenv(name.c_str())) setting.value = strtol(value, nullptr, 0);
    }
}

int find_setting(const char *name) {
    for (int i = 0; i < SETTINGS; i++)
        if (!strcmp(settings[i].name, name)) return i;
    return -1;
}

} // namespace

long get(Setting setting) { return settings[setting].value; }
void set(Setting setting, long value) { settings[setting].value = value; }
void add(Setting counter, long value) { settings[counter].value += value; }

bool fails(Setting setting) {
    start_counting();
    return countdown[setting] > 0 && --countdown[setting] == 0;
}

extern "C" __attribute__((visibility("default"))) int stand_in_set(const char *name, long value) {
    int i = find_setting(name);
    if (i < 0) return -1;
    start_counting();
    if (is_countdown(i))
        countdown[i] = value;
    else
        settings[i].value = value;
    return 0;
}

extern "C" __attribute__((visibility("default"))) long stand_in_get(const char *name) {
    int i = find_setting(name);
    if (i < 0) return -1;
    start_counting();
    return is_countdown(i) ? countdown[i] : settings[i].value.load();
}

Result refuse(Result error, const char *format, ...) {
    // What tests ask for is not worth a line.
    bool expected = error == OUT_OF_MEMORY || error == LAUNCH_OUT_OF_RESOURCES;
    if (expected && !get(TRACE)) return error;
    va_list arguments;
    va_start(arguments, format);
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "stand-in driver: error %d: %s\n", error, text);
    return error;
}

// ---- The device and its context ----

namespace {
std::atomic<bool> initialized;
struct Context {
} primary;
thread_local Context *current;
} // namespace

Result ready() {
    if (!initialized) return NOT_INITIALIZED;
    if (!current) return refuse(INVALID_CONTEXT, "no context is current on this thread");
    return (Result)get(FAULT);
}

API cuInit(unsigned flags) {
    if (flags) return INVALID_VALUE;
    if (get(INIT_ERROR)) return (Result)get(INIT_ERROR);
    if (!get(DEVICES)) return NO_DEVICE;
    initialized = true;
    return SUCCESS;
}

API cuDriverGetVersion(int *version) {
    *version = (int)get(DRIVER_VERSION);
    return SUCCESS;
}

API cuDeviceGetCount(int *count) {
    if (!initialized) return NOT_INITIALIZED;
    *count = (int)std::max(get(DEVICES), 0L);
    return SUCCESS;
}

API cuDeviceGet(int *device, int ordinal) {
    if (!initialized) return NOT_INITIALIZED;
    if (ordinal < 0 || ordinal >= get(DEVICES)) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

API cuDeviceGetName(char *name, int length, int) {
    snprintf(name, (size_t)length, "CPU (stand-in driver)");
    return SUCCESS;
}

API cuDeviceGetUuid(unsigned char *uuid, int) {
    memcpy(uuid, "byzagg stand-in ", 16);
    return SUCCESS;
}
API cuDeviceGetUuid_v2(unsigned char *uuid, int device) { return cuDeviceGetUuid(uuid, device); }

API cuDeviceTotalMem_v2(size_t *bytes, int) {
    *bytes = (size_t)get(MEMORY);
    return SUCCESS;
}

// Of an H100, but for the number of multiprocessors; a capability below 80 has a T4's shared memory.
unsigned most_shared() { return (get(CAPABILITY) >= 90 ? 227 : get(CAPABILITY) >= 80 ? 163 : 64) << 10; }

API cuDeviceGetAttribute(int *value, int attribute, int) {
    switch (attribute) {
    case 1: *value = MOST_THREADS; break;                      // threads per block
    case 2: case 3: *value = 1024; break;                      // block's x, y
    case 4: *value = 64; break;                                // block's z
    case 5: *value = 0x7fffffff; break;                        // grid's x
    case 6: case 7: *value = 65535; break;                     // grid's y, z
    case 8: *value = STATIC_SHARED; break;                     // shared memory per block
    case 9: *value = 64 << 10; break;                          // constant memory
    case 10: *value = 32; break;                               // warp
    case 12: case 82: *value = 65536; break;                   // registers per block, per multiprocessor
    case 13: *value = 1000000; break;                          // clock, kHz
    case 16: *value = (int)get(MULTIPROCESSORS); break;
    case 31: case 41: case 83: case 95: *value = 1; break;     // concurrent kernels, one address space, managed, cooperative
    case 36: *value = 1000000; break;                          // memory's clock, kHz
    case 37: *value = 512; break;                              // memory's bus, bits
    case 38: *value = 4 << 20; break;                          // L2 cache
    case 39: *value = 2048; break;                             // threads per multiprocessor
    case 75: *value = (int)get(CAPABILITY) / 10; break;
    case 76: *value = (int)get(CAPABILITY) % 10; break;
    case 81: *value = (int)most_shared() + 1024; break;        // shared memory per multiprocessor
    case 97: *value = (int)most_shared(); break;               // shared memory per block, on request
    case 106: *value = 32; break;                              // blocks per multiprocessor
    case 111: *value = 1024; break;                            // shared memory that the system takes per block
    case 115: *value = 1; break;                               // memory pools
    default: *value = 0;
    }
    return SUCCESS;
}

API cuDevicePrimaryCtxRetain(Context **context, int device) {
    if (!initialized) return NOT_INITIALIZED;
    if (device >= get(DEVICES)) return INVALID_DEVICE;
    *context = &primary;
    add(CONTEXTS, 1);
    return SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(int) {
    add(CONTEXTS, -1);
    return SUCCESS;
}

API cuDevicePrimaryCtxGetState(int, unsigned *flags, int *active) {
    *flags = 0;
    *active = get(CONTEXTS) > 0;
    return SUCCESS;
}

API cuCtxGetCurrent(Context **context) {
    if (!initialized) return NOT_INITIALIZED;
    *context = current;
    return SUCCESS;
}

API cuCtxSetCurrent(Context *context) {
    if (!initialized) return NOT_INITIALIZED;
    if (context && context != &primary) return INVALID_CONTEXT;
    current = context;
    return SUCCESS;
}

API cuCtxPushCurrent_v2(Context *context) { return cuCtxSetCurrent(context); }
API cuCtxPopCurrent_v2(Context **context) {
    *context = current;
    current = nullptr;
    return SUCCESS;
}

API cuCtxGetDevice(int *device) {
    *device = 0;
    return current ? SUCCESS : INVALID_CONTEXT;
}

API cuCtxSetFlags(unsigned) { return SUCCESS; }
API cuCtxSetLimit(int, size_t) { return SUCCESS; }
API cuCtxSetCacheConfig(int) { return SUCCESS; }
API cuStreamGetCtx(void *, Context **context) {
    *context = &primary;
    return SUCCESS;
}
API cuDeviceGetDefaultMemPool(void **pool, int) {
    *pool = &primary;
    return SUCCESS;
}
API cuDeviceGetMemPool(void **pool, int device) { return cuDeviceGetDefaultMemPool(pool, device); }
API cuMemPoolSetAttribute(void *, int, void *) { return SUCCESS; }
API cuMemPoolTrimTo(void *, size_t) { return SUCCESS; }

API cuGetErrorName(Result error, const char **name) {
    static const std::map<int, const char *> names = {
        {0, "CUDA_SUCCESS"},
        {1, "CUDA_ERROR_INVALID_VALUE"},
        {2, "CUDA_ERROR_OUT_OF_MEMORY"},
        {3, "CUDA_ERROR_NOT_INITIALIZED"},
        {100, "CUDA_ERROR_NO_DEVICE"},
        {101, "CUDA_ERROR_INVALID_DEVICE"},
        {201, "CUDA_ERROR_INVALID_CONTEXT"},
        {218, "CUDA_ERROR_INVALID_PTX"},
        {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
        {303, "CUDA_ERROR_SHARED_OBJECT_INIT_FAILED"},
        {400, "CUDA_ERROR_INVALID_HANDLE"},
        {500, "CUDA_ERROR_NOT_FOUND"},
        {600, "CUDA_ERROR_NOT_READY"},
        {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
        {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
        {719, "CUDA_ERROR_LAUNCH_FAILED"},
        {801, "CUDA_ERROR_NOT_SUPPORTED"},
        {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"},
        {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
        {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
        {905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION"},
        {999, "CUDA_ERROR_UNKNOWN"},
    };
    auto at = names.find(error);
    *name = at == names.end() ? "CUDA_ERROR" : at->second;
    return SUCCESS;
}

API cuGetErrorString(Result error, const char **text) { return cuGetErrorName(error, text); }
