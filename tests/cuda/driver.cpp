// A stand-in for libcuda.so.1: the part of the driver API that cudarc and the CUDA backend call, on the CPU. It runs
// the project's own kernels, compiled by g++ through shim.h; it can't compile PTX, but reads it: the text says which
// module it is (`// byzagg module NAME`), and must agree with the compiled one about entries, sizes of parameters,
// shared memory and threads. `scripts/stand_in.py` builds it; modules lie beside it, in modules/NAME.so.
//
// It checks what a driver checks (sizes of launches and of shared memory, pointers of copies, handles, what may be
// captured) and says on stderr why it refuses. Memory: memory.cpp. Streams, events, graphs: streams.cpp.
//
// Settings come from the environment, BYZAGG_STAND_IN_<NAME>, or from a test through
//     int stand_in_set(const char *name, long value);    long stand_in_get(const char *name);
// which are 0 and the value, or -1 for a name that is not below. Failures concern the calling thread only.
//
//   devices            1      0: a driver without a device
//   driver_version     12080  what cuDriverGetVersion says; PTX of a newer version is refused
//   capability         90     the device's; PTX for a newer one is refused
//   memory             8 GiB  allocations beyond fail
//   multiprocessors    6
//   init_error         0      what cuInit returns
//   module_error       0      what cuModuleLoadData returns
//   lazy               1      work runs as late as possible; 0: at once
//   trace              0      1: a line per launch
//   fail_allocation    0      k: the k-th allocation from now on fails
//   fail_launch        0      k: the k-th launch from now on is refused
//   fault_launch       0      k: the k-th launch from now on faults, and with it the context, for all threads
// Counters: allocations, bytes, pinned, streams, events, modules, graphs, contexts (alive), launches (run), and fault,
// the context's error, which a test may set to 0 again.
#include "driver.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

// ---- Settings ----

namespace {

struct {
    const char *name;
    std::atomic<long> value;
} settings[SETTINGS] = {
    {"devices", {1}},         {"driver_version", {12080}}, {"capability", {90}},     {"memory", {8L << 30}},
    {"multiprocessors", {6}}, {"init_error", {0}},         {"module_error", {0}},    {"lazy", {1}},
    {"trace", {0}},           {"fail_allocation", {0}},    {"fail_launch", {0}},     {"fault_launch", {0}},
    {"allocations", {0}},     {"bytes", {0}},              {"pinned", {0}},          {"streams", {0}},
    {"events", {0}},          {"modules", {0}},            {"graphs", {0}},          {"launches", {0}},
    {"contexts", {0}},        {"fault", {0}},
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
    *count = (int)get(DEVICES);
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

namespace {
// Of an H100, but for the number of multiprocessors; a capability below 80 has a T4's shared memory.
const unsigned MOST_THREADS = 1024;
const unsigned STATIC_SHARED = 48 << 10;
unsigned most_shared() { return (get(CAPABILITY) >= 90 ? 227 : get(CAPABILITY) >= 80 ? 163 : 64) << 10; }
} // namespace

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
        {400, "CUDA_ERROR_INVALID_HANDLE"},
        {500, "CUDA_ERROR_NOT_FOUND"},
        {600, "CUDA_ERROR_NOT_READY"},
        {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
        {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
        {719, "CUDA_ERROR_LAUNCH_FAILED"},
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

// ---- Modules ----

namespace {

struct Function {
    const shim::Kernel *kernel;
    struct Module *module;
    unsigned static_shared, most_threads;
    std::atomic<unsigned> dynamic_shared;
};

struct Module {
    void *object;
    shim::State *(*state)();
    std::map<std::string, Function> functions;
};

struct Entry {
    std::vector<unsigned> sizes;
    unsigned shared = 0, most_threads = MOST_THREADS;
};

// The number behind `key` in text[from, to), or `otherwise`.
unsigned number_after(const std::string &text, const char *key, size_t from, size_t to, unsigned otherwise) {
    size_t at = text.find(key, from);
    return at < to ? (unsigned)strtoul(text.c_str() + at + strlen(key), nullptr, 10) : otherwise;
}

// Bytes of a PTX declaration: `.b8 name[72]`, or `.u64 name`.
unsigned declared_bytes(const std::string &text, size_t type) {
    unsigned width = (unsigned)strtoul(text.c_str() + type + 2, nullptr, 10) / 8;
    size_t end = text.find_first_of(",;)\n", type);
    size_t bracket = text.find('[', type);
    return bracket < end ? width * (unsigned)strtoul(text.c_str() + bracket + 1, nullptr, 10) : width;
}

// Where the type is in a declaration that begins with a state space at `at`: behind `.align N` if there is one.
size_t type_in(const std::string &text, size_t at) {
    size_t type = text.find('.', at + 1);
    return text.compare(type, 6, ".align") ? type : text.find('.', type + 1);
}

std::map<std::string, Entry> entries_of(const std::string &text) {
    std::map<std::string, Entry> entries;
    const std::string keyword = ".entry ";
    for (size_t at = text.find(keyword); at != std::string::npos;) {
        size_t name = at + keyword.size(), open = text.find_first_of("(\n", name);
        size_t next = text.find(keyword, name), end = next == std::string::npos ? text.size() : next;
        size_t body = text.find('{', name);
        Entry entry;
        for (size_t p = text.find(".param", open); p < body; p = text.find(".param", p + 1))
            entry.sizes.push_back(declared_bytes(text, type_in(text, p)));
        unsigned threads = number_after(text, ".maxntid ", open, body, 0);
        if (threads) entry.most_threads = threads;
        // Loads say `ld.shared`; a declaration begins a line.
        for (size_t s = text.find("\t.shared ", body); s < end; s = text.find("\t.shared ", s + 1))
            entry.shared += declared_bytes(text, type_in(text, s + 1));
        entries[text.substr(name, open - name)] = entry;
        at = next;
    }
    return entries;
}

// The folder of this shared object.
std::string folder() {
    Dl_info info;
    dladdr((void *)&stand_in_get, &info);
    std::string path = info.dli_fname;
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

// The bytes of `__shared__` variables of the calling thread.
[[maybe_unused]] shim::Shared shared_of(Module &module) {
    void *begin = nullptr;
    // Has them allocated.
    module.state();
    if (dlinfo(module.object, RTLD_DI_TLS_DATA, &begin) || !begin) return {};
    struct Search {
        void *begin;
        size_t size;
    } search = {begin, 0};
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *data) {
            Search &wanted = *(Search *)data;
            if (info->dlpi_tls_data != wanted.begin) return 0;
            for (int i = 0; i < info->dlpi_phnum; i++)
                if (info->dlpi_phdr[i].p_type == PT_TLS) wanted.size = info->dlpi_phdr[i].p_memsz;
            return 1;
        },
        &search);
    return {(char *)begin, search.size};
}

Result load(Module &module, const std::string &text) {
    const std::string marker = "// byzagg module ";
    size_t at = text.find(marker);
    if (at == std::string::npos) return refuse(INVALID_PTX, "no line `%sNAME` in the module", marker.c_str());
    at += marker.size();
    std::string name = text.substr(at, text.find_first_of(" \r\n", at) - at);
    unsigned version = number_after(text, ".version ", 0, text.size(), 0) * 10 +
                       number_after(text, ".", text.find(".version ") + 9, text.size(), 0);
    // PTX 8.0 is CUDA 12.0's, 8.1 is 12.1's.
    if (version < 80 || (version - 80) * 10 + 12000 > (unsigned)get(DRIVER_VERSION))
        return refuse(UNSUPPORTED_PTX_VERSION, "%s is PTX %u.%u", name.c_str(), version / 10, version % 10);
    unsigned target = number_after(text, ".target sm_", 0, text.size(), 0);
    if (!target || target > (unsigned)get(CAPABILITY)) return refuse(INVALID_PTX, "%s is for sm_%u", name.c_str(), target);

    std::string path = folder() + "/modules/" + name + ".so";
    module.object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!module.object) return refuse(SHARED_OBJECT_INIT_FAILED, "%s", dlerror());
    auto kernel = (const shim::Kernel *)dlsym(module.object, "shim_module");
    module.state = (shim::State * (*)()) dlsym(module.object, "shim_state");
    if (!kernel || !module.state) return refuse(SHARED_OBJECT_INIT_FAILED, "%s is not a module", path.c_str());
    std::map<std::string, Entry> entries = entries_of(text);
    for (; kernel->name; kernel++) {
        auto entry = entries.find(kernel->name);
        if (entry == entries.end()) return refuse(INVALID_PTX, "%s: no entry %s in the PTX", name.c_str(), kernel->name);
        std::vector<unsigned> sizes(kernel->sizes, kernel->sizes + kernel->parameters);
        if (sizes != entry->second.sizes)
            return refuse(INVALID_PTX, "%s: the PTX has other sizes of parameters of %s", name.c_str(), kernel->name);
        Function &function = module.functions[kernel->name];
        function.kernel = kernel;
        function.module = &module;
        function.static_shared = entry->second.shared;
        function.most_threads = entry->second.most_threads;
        function.dynamic_shared = STATIC_SHARED - std::min(STATIC_SHARED, entry->second.shared);
    }
    return SUCCESS;
}

} // namespace

API cuModuleLoadData(Module **module, const void *image) {
    if (Result result = ready()) return result;
    if (get(MODULE_ERROR)) return (Result)get(MODULE_ERROR);
    if (Result result = check_no_capture("cuModuleLoadData")) return result;
    auto loaded = std::make_unique<Module>();
    if (Result result = load(*loaded, (const char *)image)) return result;
    *module = loaded.release();
    add(MODULES, 1);
    return SUCCESS;
}

API cuModuleLoadDataEx(Module **module, const void *image, unsigned, void *, void *) {
    return cuModuleLoadData(module, image);
}

API cuModuleUnload(Module *module) {
    // Queued launches still need it.
    Result result = finish_all();
    dlclose(module->object);
    delete module;
    add(MODULES, -1);
    return result;
}

API cuModuleGetFunction(Function **function, Module *module, const char *name) {
    auto at = module->functions.find(name);
    if (at == module->functions.end()) return refuse(NOT_FOUND, "no kernel %s in the module", name);
    *function = &at->second;
    return SUCCESS;
}

API cuFuncGetAttribute(int *value, int attribute, Function *function) {
    enum { MOST_THREADS_PER_BLOCK = 0, SHARED_BYTES = 1, REGISTERS = 4, MOST_DYNAMIC_SHARED = 8 };
    switch (attribute) {
    case MOST_THREADS_PER_BLOCK: *value = (int)function->most_threads; break;
    case SHARED_BYTES: *value = (int)function->static_shared; break;
    case REGISTERS: *value = 64; break;
    case MOST_DYNAMIC_SHARED: *value = (int)function->dynamic_shared; break;
    default: *value = 0;
    }
    return SUCCESS;
}

API cuFuncSetAttribute(Function *function, int attribute, int value) {
    const int MOST_DYNAMIC_SHARED = 8, PREFERRED_CARVEOUT = 9;
    if (attribute == PREFERRED_CARVEOUT) return SUCCESS;
    if (attribute != MOST_DYNAMIC_SHARED) return NOT_SUPPORTED;
    if (value < 0 || (unsigned)value + function->static_shared > most_shared())
        return refuse(INVALID_VALUE, "%d bytes of shared memory for %s", value, function->kernel->name);
    function->dynamic_shared = (unsigned)value;
    return SUCCESS;
}

API cuFuncSetCacheConfig(Function *, int) { return SUCCESS; }

API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, Function *function, int threads, size_t dynamic, unsigned) {
    size_t shared = function->static_shared + dynamic + 1024;
    *blocks = (int)std::min<size_t>({32, 2048 / (size_t)threads, (most_shared() + 1024) / shared});
    return SUCCESS;
}

API cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function *function, int threads, size_t dynamic) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, dynamic, 0);
}

// ---- Launches ----

namespace {

// A launch with its own copy of the arguments.
struct Launch {
    Function *function;
    shim::Index grid, block;
    unsigned dynamic;
    std::vector<std::vector<uint64_t>> arguments;

    Result run() {
        std::vector<void *> pointers;
        // 16 bytes are the widest alignment of a parameter; malloc gives that.
        for (auto &argument : arguments) pointers.push_back(argument.data());
#ifdef __SANITIZE_ADDRESS__
        // Shared memory is one for the process: see shim.h.
        static std::mutex mutex;
        std::lock_guard<std::mutex> lock(mutex);
        shim::Shared shared = {};
#else
        shim::Shared shared = shared_of(*function->module);
#endif
        shim::launch(*function->kernel, grid, block, dynamic, shared, function->module->state(), pointers.data());
        add(LAUNCHES, 1);
        return SUCCESS;
    }
};

} // namespace

API cuLaunchKernel(Function *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned dynamic, Stream *stream, void **parameters, void **extra) {
    if (Result result = ready()) return result;
    if (!function) return INVALID_HANDLE;
    const shim::Kernel &kernel = *function->kernel;
    if (get(TRACE))
        fprintf(stderr, "stand-in driver: %s, grid (%u, %u, %u), block (%u, %u, %u), %u bytes shared\n", kernel.name,
                grid_x, grid_y, grid_z, block_x, block_y, block_z, dynamic);
    if (fails(FAIL_LAUNCH)) return refuse(LAUNCH_OUT_OF_RESOURCES, "the launch of %s, as asked", kernel.name);
    if (extra) return refuse(NOT_SUPPORTED, "arguments as one buffer");
    uint64_t threads = (uint64_t)block_x * block_y * block_z;
    if (!threads || block_x > MOST_THREADS || block_y > MOST_THREADS || block_z > 64 || threads > function->most_threads)
        return refuse(INVALID_VALUE, "%s: a block of (%u, %u, %u), the kernel takes %u threads", kernel.name, block_x,
                      block_y, block_z, function->most_threads);
    if (!grid_x || !grid_y || !grid_z || grid_x > 0x7fffffff || grid_y > 65535 || grid_z > 65535)
        return refuse(INVALID_VALUE, "%s: a grid of (%u, %u, %u)", kernel.name, grid_x, grid_y, grid_z);
    if (dynamic > function->dynamic_shared)
        return refuse(INVALID_VALUE, "%s: %u bytes of dynamic shared memory, %u are allowed", kernel.name, dynamic,
                      function->dynamic_shared.load());
    if (kernel.parameters && !parameters) return refuse(INVALID_VALUE, "%s: no arguments", kernel.name);

    Launch launch = {function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, dynamic, {}};
    for (unsigned i = 0; i < kernel.parameters; i++) {
        std::vector<uint64_t> copy((kernel.sizes[i] + 7) / 8);
        memcpy(copy.data(), parameters[i], kernel.sizes[i]);
        launch.arguments.push_back(std::move(copy));
    }
    bool faults = fails(FAULT_LAUNCH);
    return submit(stream, [launch, faults]() mutable { return faults ? ILLEGAL_ADDRESS : launch.run(); },
                  InGraph::allowed, kernel.name);
}
