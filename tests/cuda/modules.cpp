// Modules of the stand-in and launches of their kernels. A module is a shared object beside this one; what the PTX says
// of its entries must be so of the compiled kernels.
#include "driver.h"

#include <algorithm>
#include <atomic>
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
    dladdr((void *)&most_shared, &info);
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
    if (fails(FAIL_MODULE)) return OUT_OF_MEMORY;
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
