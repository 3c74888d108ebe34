// Streams, events and graphs of the stand-in. A stream is a queue, and with LAZY set (the default) nothing runs before
// somebody has to wait for it: the latest moment that a device may choose. Host code that lacks a synchronisation, or a
// stream that lacks a wait for another, then reads stale data. With LAZY=0 everything runs at once: the earliest.
//
// Work runs on the thread that waits, without a lock, so streams of different threads run side by side.
#include "streams.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <set>

struct Event {
    bool timed = false;
    std::shared_ptr<Stream> stream;
    uint64_t position = 0;
    std::shared_ptr<std::chrono::steady_clock::time_point> time;
    // Recorded in a capture.
    std::shared_ptr<CapturedGraph> capture;
};

std::mutex mutex;
std::vector<std::shared_ptr<CapturedGraph>> captures;

namespace {

std::condition_variable progress;
// All streams and events there are.
std::set<std::shared_ptr<Stream>> streams;
std::set<Event *> events;
// No more than this many wait in a queue, as on a device.
const size_t LONGEST = 1024;

std::shared_ptr<Stream> thread_stream() {
    static thread_local std::shared_ptr<Stream> stream = [] {
        auto created = std::make_shared<Stream>();
        streams.insert(created);
        return created;
    }();
    return stream;
}

} // namespace

std::shared_ptr<Stream> null_stream() {
    static std::shared_ptr<Stream> stream = [] {
        auto created = std::make_shared<Stream>();
        streams.insert(created);
        return created;
    }();
    return stream;
}

std::shared_ptr<Stream> stream_of(Stream *handle) {
    if ((uintptr_t)handle <= 1) return null_stream();
    if ((uintptr_t)handle == 2) return thread_stream();
    for (auto &stream : streams)
        if (stream.get() == handle) return stream;
    refuse(INVALID_HANDLE, "not a stream: %p", (void *)handle);
    return nullptr;
}

namespace {

Result run(const Work &work) {
    if (get(FAULT)) return (Result)get(FAULT);
    Result result = work();
    if (result) set(FAULT, result);
    return result;
}

// Runs a stream's queue until `position` items are done.
void drain(Lock &lock, const std::shared_ptr<Stream> &stream, uint64_t position) {
    while (stream->done < position) {
        if (stream->busy) {
            progress.wait(lock);
            continue;
        }
        Stream::Item &next = stream->queue.front();
        if (next.other && next.other->done < next.position) {
            auto other = next.other;
            uint64_t until = next.position;
            drain(lock, other, until);
            continue;
        }
        Stream::Item item = std::move(next);
        stream->queue.pop_front();
        if (item.work) {
            stream->busy = true;
            lock.unlock();
            run(item.work);
            item.work = nullptr;
            lock.lock();
            stream->busy = false;
        }
        stream->done++;
        progress.notify_all();
    }
}

// The null stream and the blocking streams wait for one another.
void order_with_null(Lock &lock, const std::shared_ptr<Stream> &stream) {
    if (stream == null_stream()) {
        std::vector<std::shared_ptr<Stream>> others(streams.begin(), streams.end());
        for (auto &other : others)
            if (other->blocking && other != stream) drain(lock, other, other->submitted);
    } else if (stream->blocking) {
        drain(lock, null_stream(), null_stream()->submitted);
    }
}

void enqueue(Lock &lock, const std::shared_ptr<Stream> &stream, Stream::Item item) {
    order_with_null(lock, stream);
    stream->queue.push_back(std::move(item));
    stream->submitted++;
    if (!get(LAZY)) drain(lock, stream, stream->submitted);
    if (stream->queue.size() > LONGEST) drain(lock, stream, stream->submitted - LONGEST);
}

// An error that also ends the capture.
Result invalidate(CapturedGraph &graph, Result error, const char *what) {
    graph.invalid = CAPTURE_INVALIDATED;
    return refuse(error, "%s: not while the stream is captured", what);
}

Result fault() { return (Result)get(FAULT); }

// Under the lock: an error when the null stream is used while a blocking stream is captured.
Result check_implicit(const std::shared_ptr<Stream> &stream, const char *what) {
    if (stream != null_stream()) return SUCCESS;
    for (auto &other : streams)
        if (other->capture && other->blocking) {
            const Result CAPTURE_IMPLICIT = (Result)906;
            return invalidate(*other->capture, CAPTURE_IMPLICIT, what);
        }
    return SUCCESS;
}

} // namespace

Result submit(Stream *handle, Work work, InGraph in_graph, const char *what) {
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (Result result = check_implicit(stream, what)) return result;
    if (stream->capture) {
        CapturedGraph &graph = *stream->capture;
        if (graph.invalid) return graph.invalid;
        if (in_graph == InGraph::refused) return invalidate(graph, CAPTURE_UNSUPPORTED, what);
        graph.work.push_back(std::move(work));
        stream->captured = graph.work.size();
        return SUCCESS;
    }
    enqueue(lock, stream, {std::move(work), nullptr, 0});
    return fault();
}

Result finish(Stream *handle) {
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (stream->capture) return invalidate(*stream->capture, CAPTURE_UNSUPPORTED, "synchronise");
    order_with_null(lock, stream);
    drain(lock, stream, stream->submitted);
    return fault();
}

Result finish_all() {
    Lock lock(mutex);
    null_stream();
    std::vector<std::shared_ptr<Stream>> all(streams.begin(), streams.end());
    for (auto &stream : all) drain(lock, stream, stream->submitted);
    return fault();
}

Result check_no_capture(const char *what) {
    Lock lock(mutex);
    for (auto &graph : captures) {
        bool concerned = graph->mode == CapturedGraph::GLOBAL ||
                         (graph->mode == CapturedGraph::THREAD_LOCAL && graph->thread == std::this_thread::get_id());
        if (concerned) return invalidate(*graph, CAPTURE_UNSUPPORTED, what);
    }
    return SUCCESS;
}

Result check_not_captured(Stream *handle, const char *what) {
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    return stream->capture ? invalidate(*stream->capture, CAPTURE_UNSUPPORTED, what) : SUCCESS;
}

// ---- Streams ----

API cuStreamCreate(Stream **handle, unsigned flags) {
    if (Result result = ready()) return result;
    const unsigned NON_BLOCKING = 1;
    Lock lock(mutex);
    auto stream = std::make_shared<Stream>();
    stream->blocking = !(flags & NON_BLOCKING);
    streams.insert(stream);
    add(STREAMS, 1);
    *handle = stream.get();
    return SUCCESS;
}

API cuStreamCreateWithPriority(Stream **handle, unsigned flags, int) { return cuStreamCreate(handle, flags); }

// What is queued still runs, at once.
API cuStreamDestroy_v2(Stream *handle) {
    Lock lock(mutex);
    if ((uintptr_t)handle <= 2) return refuse(INVALID_HANDLE, "the null stream can't be destroyed");
    auto stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    drain(lock, stream, stream->submitted);
    streams.erase(stream);
    add(STREAMS, -1);
    return SUCCESS;
}

API cuStreamSynchronize(Stream *stream) {
    Result result = ready();
    return result ? result : finish(stream);
}

// Not ready as long as something is queued, but each question lets one item run, so that asking comes to an end.
API cuStreamQuery(Stream *handle) {
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (stream->capture) return invalidate(*stream->capture, CAPTURE_UNSUPPORTED, "cuStreamQuery");
    if (stream->done == stream->submitted) return fault();
    drain(lock, stream, stream->done + 1);
    return NOT_READY;
}

API cuStreamGetFlags(Stream *handle, unsigned *flags) {
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    *flags = stream->blocking ? 0 : 1;
    return SUCCESS;
}

API cuStreamGetPriority(Stream *, int *priority) {
    *priority = 0;
    return SUCCESS;
}

API cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    *least = 0;
    *greatest = -5;
    return SUCCESS;
}

API cuLaunchHostFunc(Stream *stream, void (*function)(void *), void *data) {
    if (Result result = ready()) return result;
    auto work = [=] {
        function(data);
        return SUCCESS;
    };
    return submit(stream, work, InGraph::allowed, "cuLaunchHostFunc");
}

API cuCtxSynchronize() {
    if (Result result = ready()) return result;
    if (Result result = check_no_capture("cuCtxSynchronize")) return result;
    return finish_all();
}

// ---- Events ----

API cuEventCreate(Event **event, unsigned flags) {
    if (Result result = ready()) return result;
    const unsigned DISABLE_TIMING = 2;
    Lock lock(mutex);
    *event = new Event;
    (*event)->timed = !(flags & DISABLE_TIMING);
    events.insert(*event);
    add(EVENTS, 1);
    return SUCCESS;
}

API cuEventDestroy_v2(Event *event) {
    Lock lock(mutex);
    if (!events.erase(event)) return refuse(INVALID_HANDLE, "not an event: %p", (void *)event);
    delete event;
    add(EVENTS, -1);
    return SUCCESS;
}

API cuEventRecord(Event *event, Stream *handle) {
    if (Result result = ready()) return result;
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream || !events.count(event)) return refuse(INVALID_HANDLE, "cuEventRecord");
    event->capture = stream->capture;
    event->stream = stream;
    if (stream->capture) {
        event->position = stream->captured;
        return stream->capture->invalid;
    }
    auto time = std::make_shared<std::chrono::steady_clock::time_point>();
    event->time = time;
    enqueue(lock, stream, {[=] {
                               *time = std::chrono::steady_clock::now();
                               return SUCCESS;
                           },
                           nullptr, 0});
    event->position = stream->submitted;
    return fault();
}

API cuEventSynchronize(Event *event) {
    if (Result result = ready()) return result;
    Lock lock(mutex);
    if (!events.count(event)) return refuse(INVALID_HANDLE, "not an event: %p", (void *)event);
    if (event->capture) return refuse(CAPTURED_EVENT, "cuEventSynchronize");
    auto stream = event->stream;
    if (stream) drain(lock, stream, event->position);
    return fault();
}

API cuEventQuery(Event *event) {
    if (Result result = ready()) return result;
    Lock lock(mutex);
    if (!events.count(event)) return refuse(INVALID_HANDLE, "not an event: %p", (void *)event);
    if (event->capture) return refuse(CAPTURED_EVENT, "cuEventQuery");
    auto stream = event->stream;
    if (!stream || stream->done >= event->position) return fault();
    drain(lock, stream, stream->done + 1);
    return NOT_READY;
}

API cuEventElapsedTime(float *milliseconds, Event *start, Event *end) {
    Lock lock(mutex);
    for (Event *event : {start, end}) {
        if (!events.count(event) || !event->timed || !event->stream) return refuse(INVALID_HANDLE, "cuEventElapsedTime");
        if (event->stream->done < event->position) return NOT_READY;
    }
    *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
    return fault();
}

API cuEventElapsedTime_v2(float *milliseconds, Event *start, Event *end) {
    return cuEventElapsedTime(milliseconds, start, end);
}

API cuStreamWaitEvent(Stream *handle, Event *event, unsigned) {
    if (Result result = ready()) return result;
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream || !events.count(event)) return refuse(INVALID_HANDLE, "cuStreamWaitEvent");
    if (!event->stream) return SUCCESS;
    if (event->capture) {
        // The stream becomes part of the capture, or the one of the event is joined.
        if (stream->capture && stream->capture != event->capture) return invalidate(*stream->capture, CAPTURE_MERGE, "wait");
        if (!stream->capture) {
            if (std::find(captures.begin(), captures.end(), event->capture) == captures.end())
                return refuse(CAPTURED_EVENT, "wait for an event of a graph");
            stream->capture = event->capture;
            stream->captured = stream->joined = 0;
            event->capture->streams.push_back(stream);
        }
        if (event->stream != stream) event->stream->joined = std::max(event->stream->joined, event->position);
        // What waits stands for what it has waited for, until somebody waits for it in turn.
        stream->captured = std::max(stream->captured, event->position);
        return stream->capture->invalid;
    }
    if (stream->capture) return invalidate(*stream->capture, CAPTURE_ISOLATION, "wait for an event outside of the capture");
    enqueue(lock, stream, {nullptr, event->stream, event->position});
    return fault();
}
