// Captures and graphs of the stand-in.
#include "streams.h"

#include <algorithm>

struct GraphExec {
    std::vector<Work> work;
};

API cuStreamBeginCapture_v2(Stream *handle, int mode) {
    if (Result result = ready()) return result;
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (stream == null_stream()) return refuse(CAPTURE_UNSUPPORTED, "the null stream can't be captured");
    if (stream->capture) return refuse(CAPTURE_UNSUPPORTED, "the stream is already captured");
    auto graph = std::make_shared<CapturedGraph>();
    graph->mode = (CapturedGraph::Mode)mode;
    graph->thread = std::this_thread::get_id();
    graph->streams.push_back(stream);
    stream->capture = graph;
    stream->captured = stream->joined = 0;
    captures.push_back(graph);
    return SUCCESS;
}

API cuStreamEndCapture(Stream *handle, std::shared_ptr<CapturedGraph> **graph) {
    if (Result result = ready()) return result;
    *graph = nullptr;
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    auto capture = stream->capture;
    if (!capture || capture->streams[0] != stream) return refuse(CAPTURE_UNMATCHED, "the stream's capture did not begin here");
    if (capture->mode != CapturedGraph::RELAXED && capture->thread != std::this_thread::get_id())
        return refuse(CAPTURE_WRONG_THREAD, "the capture began in another thread");
    Result result = capture->invalid;
    for (auto &member : capture->streams) {
        if (!result && member != stream && member->joined < member->captured)
            result = refuse(CAPTURE_UNJOINED, "the capture ends before all of its streams are joined");
        member->capture = nullptr;
    }
    capture->streams.clear();
    captures.erase(std::find(captures.begin(), captures.end(), capture));
    if (result) return result;
    *graph = new std::shared_ptr<CapturedGraph>(capture);
    add(GRAPHS, 1);
    return SUCCESS;
}

API cuStreamIsCapturing(Stream *handle, int *status) {
    Lock lock(mutex);
    auto stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    enum { NONE, ACTIVE, INVALIDATED };
    *status = !stream->capture ? NONE : stream->capture->invalid ? INVALIDATED : ACTIVE;
    return SUCCESS;
}

// With changes of the thread's mode between capture modes, cudarc does nothing; others ask for relaxed.
API cuThreadExchangeStreamCaptureMode(int *mode) {
    *mode = CapturedGraph::GLOBAL;
    return SUCCESS;
}

API cuGraphInstantiateWithFlags(GraphExec **exec, std::shared_ptr<CapturedGraph> *graph, unsigned long long flags) {
    if (Result result = ready()) return result;
    const unsigned AUTO_FREE_ON_LAUNCH = 1, DEVICE_LAUNCH = 4;
    if ((flags & AUTO_FREE_ON_LAUNCH) && (flags & DEVICE_LAUNCH)) return INVALID_VALUE;
    *exec = new GraphExec{(*graph)->work};
    add(GRAPHS, 1);
    return SUCCESS;
}

API cuGraphUpload(GraphExec *, Stream *) { return ready(); }

API cuGraphLaunch(GraphExec *exec, Stream *stream) {
    if (Result result = ready()) return result;
    // The work is the launch's own: the graph may be destroyed before it runs.
    auto work = [work = exec->work] {
        for (const Work &item : work)
            if (Result result = item()) return result;
        return SUCCESS;
    };
    return submit(stream, work, InGraph::refused, "cuGraphLaunch");
}

API cuGraphGetNodes(std::shared_ptr<CapturedGraph> *graph, void **nodes, size_t *count) {
    if (nodes) return refuse(NOT_SUPPORTED, "cuGraphGetNodes: only the number is known");
    *count = (*graph)->work.size();
    return SUCCESS;
}

API cuGraphExecDestroy(GraphExec *exec) {
    delete exec;
    add(GRAPHS, -1);
    return SUCCESS;
}

API cuGraphDestroy(std::shared_ptr<CapturedGraph> *graph) {
    delete graph;
    add(GRAPHS, -1);
    return SUCCESS;
}
