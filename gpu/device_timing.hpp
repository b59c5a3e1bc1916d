#pragma once
#include "gpu/device_memory.hpp"

#include <algorithm>
#include <functional>
#include <vector>

/// For nvcc's side only.
namespace windtunnel {

inline int attribute(cudaDeviceAttr which) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, 0), "asking for an attribute");
    return value;
}

/// What timing a graph takes, freed on every way out: a stream that is left capturing would make every later
/// allocation of this thread fail.
class TimedGraph {
public:
    TimedGraph() {
        check(cudaStreamCreate(&stream), "making a stream");
        check(cudaEventCreate(&from), "making an event");
        check(cudaEventCreate(&to), "making an event");
    }
    ~TimedGraph() {
        if (m_capturing) {
            cudaGraph_t unfinished = nullptr;
            cudaStreamEndCapture(stream, &unfinished);
            if (unfinished) cudaGraphDestroy(unfinished);
        }
        if (m_program) cudaGraphExecDestroy(m_program);
        if (m_graph) cudaGraphDestroy(m_graph);
        if (from) cudaEventDestroy(from);
        if (to) cudaEventDestroy(to);
        if (stream) cudaStreamDestroy(stream);
        cudaGetLastError();  // what failed was said where it failed
    }
    TimedGraph(const TimedGraph&) = delete;
    TimedGraph& operator=(const TimedGraph&) = delete;

    template <class F>
    void capture(F f) {
        check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capturing");
        m_capturing = true;
        f();
        m_capturing = false;
        check(cudaStreamEndCapture(stream, &m_graph), "capturing");
        check(cudaGraphInstantiate(&m_program, m_graph, 0), "making a graph");
    }
    /// Seconds of one replay on the GPU's own clock.
    double replay() {
        check(cudaEventRecord(from, stream), "timing");
        check(cudaGraphLaunch(m_program, stream), "replaying a graph");
        check(cudaEventRecord(to, stream), "timing");
        check(cudaEventSynchronize(to), "a timed run");
        float ms = 0;
        check(cudaEventElapsedTime(&ms, from, to), "timing");
        return static_cast<double>(ms) / 1e3;
    }

    cudaStream_t stream = nullptr;
    cudaEvent_t from = nullptr, to = nullptr;

private:
    cudaGraph_t m_graph = nullptr;
    cudaGraphExec_t m_program = nullptr;
    bool m_capturing = false;
};

/// Replays that are timed, after warming up: an idle GPU takes tens of milliseconds of work to come to its
/// clock.
inline constexpr int timed_replays = 9;
inline constexpr double warming_s = 0.03;

struct CallSeconds {
    double median = 0, p95 = 0;  ///< over replays: of one call among the graph's, on average
};
/// Of `launches` calls of f(i, stream), captured once and replayed.
inline CallSeconds call_seconds_of(int launches, const std::function<void(int, cudaStream_t)>& f) {
    TimedGraph graph;
    f(0, graph.stream);  // what a library sets up on its first call cannot be captured
    check(cudaStreamSynchronize(graph.stream), "a first run");
    graph.capture([&] {
        for (int i = 0; i < launches; ++i) f(i, graph.stream);
    });
    double warm = 0;
    for (int i = 0; i < 2 || (warm < warming_s && i < 1000); ++i) warm += graph.replay();
    std::vector<double> times;
    for (int i = 0; i < timed_replays; ++i) times.push_back(graph.replay() / launches);
    std::sort(times.begin(), times.end());
    return {times[times.size() / 2], times[times.size() * 95 / 100]};
}
inline double seconds_of(int launches, const std::function<void(int, cudaStream_t)>& f) {
    return call_seconds_of(launches, f).median;
}

}  // namespace windtunnel
