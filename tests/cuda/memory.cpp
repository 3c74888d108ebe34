// Device memory and pinned memory of the stand-in: ordinary memory, filled with 0xff (a NaN) when it is allocated
// and when it is freed. A freed allocation is kept for a while, so that a kernel that still reads it finds NaN; bytes
// behind every allocation are checked when it is freed. Under AddressSanitizer both are left to it.
#include "driver.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

namespace {

struct Allocation {
    size_t bytes;
    bool freed;
};

std::mutex mutex;
std::map<uint64_t, Allocation> device;
std::map<uint64_t, size_t> pinned;

const size_t ALIGNMENT = 256;

#ifdef __SANITIZE_ADDRESS__
const size_t GUARD = 0;
const size_t KEPT = 0;
#else
const size_t GUARD = 256;
const size_t KEPT = 64 << 20;
#endif
const unsigned char GUARD_BYTE = 0xc5;

std::deque<std::pair<void *, size_t>> kept;
size_t kept_bytes;

// Under the mutex.
std::map<uint64_t, Allocation>::iterator find(uint64_t address) {
    auto at = device.upper_bound(address);
    if (at == device.begin()) return device.end();
    --at;
    return address < at->first + at->second.bytes || address == at->first ? at : device.end();
}

Result allocate(uint64_t *address, size_t bytes) {
    if (fails(FAIL_ALLOCATION)) return refuse(OUT_OF_MEMORY, "an allocation of %zu bytes, as asked", bytes);
    if (get(BYTES) + (long)bytes > get(MEMORY))
        return refuse(OUT_OF_MEMORY, "%zu bytes, %ld of %ld are in use", bytes, get(BYTES), get(MEMORY));
    void *memory;
    if (posix_memalign(&memory, ALIGNMENT, bytes + GUARD)) return OUT_OF_MEMORY;
    memset(memory, 0xff, bytes);
    memset((char *)memory + bytes, GUARD_BYTE, GUARD);
    std::lock_guard<std::mutex> lock(mutex);
    device[(uint64_t)memory] = {bytes, false};
    add(ALLOCATIONS, 1);
    add(BYTES, (long)bytes);
    *address = (uint64_t)memory;
    return SUCCESS;
}

// Marks an allocation as freed for all work that is queued from now on.
Result condemn(uint64_t address) {
    std::lock_guard<std::mutex> lock(mutex);
    auto at = device.find(address);
    if (at == device.end() || at->second.freed) return refuse(INVALID_VALUE, "free of what is not allocated: %#lx", address);
    at->second.freed = true;
    add(ALLOCATIONS, -1);
    add(BYTES, -(long)at->second.bytes);
    return SUCCESS;
}

void release(uint64_t address) {
    std::lock_guard<std::mutex> lock(mutex);
    auto at = device.find(address);
    size_t bytes = at->second.bytes;
    device.erase(at);
    unsigned char *memory = (unsigned char *)address;
    for (size_t i = 0; i < GUARD; i++)
        if (memory[bytes + i] != GUARD_BYTE) shim::die("byte %zu behind an allocation of %zu bytes was written", i, bytes);
    memset(memory, 0xff, bytes);
    kept.push_back({memory, bytes});
    kept_bytes += bytes;
    while (kept_bytes > KEPT || (KEPT == 0 && !kept.empty())) {
        free(kept.front().first);
        kept_bytes -= kept.front().second;
        kept.pop_front();
    }
}

// A copy whose device side is checked now and when it runs: a graph may outlive its memory.
Result copy(Stream *stream, uint64_t to, uint64_t from, size_t bytes, bool to_device, bool from_device, const char *what) {
    auto check = [=](bool queued) {
        Result result = to_device ? check_device(to, bytes, queued, what) : SUCCESS;
        return result || !from_device ? result : check_device(from, bytes, queued, what);
    };
    if (Result result = check(false)) return result;
    return submit(
        stream,
        [=] {
            if (check(true)) return ILLEGAL_ADDRESS;
            memmove((void *)to, (const void *)from, bytes);
            return SUCCESS;
        },
        InGraph::allowed, what);
}

Result fill(Stream *stream, uint64_t to, const void *pattern, size_t width, size_t count, const char *what) {
    if (to % width) return refuse(INVALID_VALUE, "%s: %#lx is not aligned", what, to);
    if (Result result = check_device(to, width * count, false, what)) return result;
    uint32_t value = 0;
    memcpy(&value, pattern, width);
    return submit(
        stream,
        [=] {
            if (check_device(to, width * count, true, what)) return ILLEGAL_ADDRESS;
            for (size_t i = 0; i < count; i++) memcpy((char *)to + i * width, &value, width);
            return SUCCESS;
        },
        InGraph::allowed, what);
}

} // namespace

Result check_device(uint64_t address, size_t bytes, bool queued, const char *what) {
    if (bytes == 0) return SUCCESS;
    std::lock_guard<std::mutex> lock(mutex);
    auto at = find(address);
    if (at == device.end()) return refuse(INVALID_VALUE, "%s: %#lx is not device memory", what, address);
    if (at->second.freed && !queued) return refuse(INVALID_VALUE, "%s: %#lx has been freed", what, address);
    if (address + bytes > at->first + at->second.bytes)
        return refuse(INVALID_VALUE, "%s: %zu bytes from %#lx go beyond an allocation of %zu", what, bytes, address,
                      at->second.bytes);
    return SUCCESS;
}

bool is_pinned(const void *host, size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex);
    auto at = pinned.upper_bound((uint64_t)host);
    if (at == pinned.begin()) return false;
    --at;
    return (uint64_t)host + bytes <= at->first + at->second;
}

// ---- Allocation ----

API cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    if (Result result = ready()) return result;
    if (Result result = check_no_capture("cuMemAlloc")) return result;
    if (!address || !bytes) return refuse(INVALID_VALUE, "cuMemAlloc of %zu bytes", bytes);
    return allocate(address, bytes);
}

API cuMemFree_v2(uint64_t address) {
    if (!address) return SUCCESS;
    // Memory can be given back after a fault too.
    Result usable = ready();
    if (usable && !get(FAULT)) return usable;
    if (Result result = check_no_capture("cuMemFree")) return result;
    Result result = finish_all();
    if (Result condemned = condemn(address)) return condemned;
    release(address);
    return result;
}

API cuMemAllocAsync(uint64_t *address, size_t bytes, Stream *stream) {
    if (Result result = ready()) return result;
    if (Result result = check_not_captured(stream, "cuMemAllocAsync")) return result;
    return allocate(address, bytes);
}

API cuMemFreeAsync(uint64_t address, Stream *stream) {
    if (!address) return SUCCESS;
    if (Result result = check_not_captured(stream, "cuMemFreeAsync")) return result;
    if (Result result = condemn(address)) return result;
    auto work = [=] {
        release(address);
        return SUCCESS;
    };
    // After a fault queues no longer run.
    if (get(FAULT)) return work();
    return submit(stream, work, InGraph::refused, "cuMemFreeAsync");
}

API cuMemHostAlloc(void **host, size_t bytes, unsigned) {
    if (Result result = ready()) return result;
    if (Result result = check_no_capture("cuMemHostAlloc")) return result;
    if (!bytes) return INVALID_VALUE;
    if (fails(FAIL_ALLOCATION)) return refuse(OUT_OF_MEMORY, "%zu bytes of pinned memory, as asked", bytes);
    if (posix_memalign(host, 4096, bytes)) return OUT_OF_MEMORY;
    memset(*host, 0xff, bytes);
    std::lock_guard<std::mutex> lock(mutex);
    pinned[(uint64_t)*host] = bytes;
    add(PINNED, 1);
    return SUCCESS;
}

API cuMemAllocHost_v2(void **host, size_t bytes) { return cuMemHostAlloc(host, bytes, 0); }

API cuMemFreeHost(void *host) {
    Result result = finish_all();
    std::lock_guard<std::mutex> lock(mutex);
    if (!pinned.erase((uint64_t)host)) return refuse(INVALID_VALUE, "free of what is not pinned: %p", host);
    add(PINNED, -1);
    free(host);
    return result;
}

API cuMemHostGetDevicePointer_v2(uint64_t *address, void *host, unsigned) {
    if (!is_pinned(host, 1)) return INVALID_VALUE;
    *address = (uint64_t)host;
    return SUCCESS;
}

API cuMemGetInfo_v2(size_t *available, size_t *total) {
    if (Result result = ready()) return result;
    *total = (size_t)get(MEMORY);
    *available = (size_t)(get(MEMORY) - get(BYTES));
    return SUCCESS;
}

// ---- Copies. From pageable memory the driver has read, and to it written, when it returns. ----

API cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, Stream *stream) {
    if (Result result = ready()) return result;
    if (fails(FAIL_COPY)) return UNKNOWN;
    if (is_pinned(from, bytes)) return copy(stream, to, (uint64_t)from, bytes, true, false, "cuMemcpyHtoDAsync");
    if (Result result = check_not_captured(stream, "a copy from pageable memory")) return result;
    if (Result result = check_device(to, bytes, false, "cuMemcpyHtoDAsync")) return result;
    void *staged = malloc(bytes ? bytes : 1);
    memcpy(staged, from, bytes);
    return submit(
        stream,
        [=] {
            if (check_device(to, bytes, true, "cuMemcpyHtoDAsync")) return ILLEGAL_ADDRESS;
            memcpy((void *)to, staged, bytes);
            free(staged);
            return SUCCESS;
        },
        InGraph::refused, "cuMemcpyHtoDAsync");
}

API cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, Stream *stream) {
    if (Result result = ready()) return result;
    if (fails(FAIL_COPY)) return UNKNOWN;
    bool pageable = !is_pinned(to, bytes);
    if (pageable)
        if (Result captured = check_not_captured(stream, "a copy to pageable memory")) return captured;
    Result result = copy(stream, (uint64_t)to, from, bytes, false, true, "cuMemcpyDtoHAsync");
    return result || !pageable ? result : finish(stream);
}

API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Stream *stream) {
    if (Result result = ready()) return result;
    return copy(stream, to, from, bytes, true, true, "cuMemcpyDtoDAsync");
}

// The blocking copies run on the null stream.
API cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
    if (Result result = check_no_capture("cuMemcpyHtoD")) return result;
    Result result = cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr);
    return result ? result : finish(nullptr);
}

API cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    if (Result result = check_no_capture("cuMemcpyDtoH")) return result;
    Result result = cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr);
    return result ? result : finish(nullptr);
}

API cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) { return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr); }

API cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, Stream *stream) {
    if (Result result = ready()) return result;
    return fill(stream, to, &value, 1, count, "cuMemsetD8Async");
}

API cuMemsetD32Async(uint64_t to, unsigned value, size_t count, Stream *stream) {
    if (Result result = ready()) return result;
    return fill(stream, to, &value, 4, count, "cuMemsetD32Async");
}

API cuMemsetD8_v2(uint64_t to, unsigned char value, size_t count) { return cuMemsetD8Async(to, value, count, nullptr); }

// ---- What a pointer is ----

API cuMemGetAddressRange_v2(uint64_t *base, size_t *bytes, uint64_t address) {
    std::lock_guard<std::mutex> lock(mutex);
    auto at = find(address);
    if (at == device.end() || at->second.freed) return NOT_FOUND;
    if (base) *base = at->first;
    if (bytes) *bytes = at->second.bytes;
    return SUCCESS;
}

API cuPointerGetAttribute(void *value, int attribute, uint64_t address) {
    bool host = is_pinned((void *)address, 1);
    std::lock_guard<std::mutex> lock(mutex);
    auto at = find(address);
    bool on_device = at != device.end() && !at->second.freed;
    if (!host && !on_device) return INVALID_VALUE;
    enum { MEMORY_TYPE = 2, DEVICE_POINTER = 3, IS_MANAGED = 8, DEVICE_ORDINAL = 9, START = 11, SIZE = 12 };
    switch (attribute) {
    case MEMORY_TYPE: *(unsigned *)value = host ? 1 : 2; return SUCCESS;
    case DEVICE_POINTER: *(uint64_t *)value = address; return SUCCESS;
    case IS_MANAGED: *(unsigned *)value = 0; return SUCCESS;
    case DEVICE_ORDINAL: *(int *)value = 0; return SUCCESS;
    case START: *(uint64_t *)value = on_device ? at->first : address; return SUCCESS;
    case SIZE: *(size_t *)value = on_device ? at->second.bytes : 0; return SUCCESS;
    default: return refuse(NOT_SUPPORTED, "cuPointerGetAttribute %d", attribute);
    }
}

// As cuPointerGetAttribute, but zeros for a pointer that the driver does not know.
API cuPointerGetAttributes(unsigned count, const int *attributes, void **values, uint64_t address) {
    for (unsigned i = 0; i < count; i++)
        if (cuPointerGetAttribute(values[i], attributes[i], address)) *(unsigned *)values[i] = 0;
    return SUCCESS;
}
