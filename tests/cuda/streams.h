// What streams.cpp and graphs.cpp share.
#pragma once
#include "driver.h"

#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

struct CapturedGraph;

struct Stream : std::enable_shared_from_this<Stream> {
    // Waits for the null stream, and it for this one.
    bool blocking = true;
    struct Item {
        Work work;
        // Instead of work: wait until `other` has done its first `position` items.
        std::shared_ptr<Stream> other;
        uint64_t position = 0;
    };
    std::deque<Item> queue;
    uint64_t submitted = 0, done = 0;
    bool busy = false;

    // While it is captured: the graph, and how much of the stream's work in it others have waited for.
    std::shared_ptr<CapturedGraph> capture;
    uint64_t captured = 0, joined = 0;
};

struct CapturedGraph {
    std::vector<Work> work;
    std::vector<std::shared_ptr<Stream>> streams;
    std::thread::id thread;
    enum Mode { GLOBAL, THREAD_LOCAL, RELAXED } mode;
    Result invalid = SUCCESS;
};

typedef std::unique_lock<std::mutex> Lock;

// Held for all that follows.
extern std::mutex mutex;
// The captures that have begun and not ended.
extern std::vector<std::shared_ptr<CapturedGraph>> captures;
std::shared_ptr<Stream> null_stream();
// The stream of a handle; 0 and 1 are the null stream, 2 is the thread's own. Empty for anything else.
std::shared_ptr<Stream> stream_of(Stream *handle);
