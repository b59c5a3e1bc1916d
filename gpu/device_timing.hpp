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

/// Median seconds of one of `launches` calls of f(i, stream), captured once and replayed.
inline double seconds_of(int launches, const std::function<void(int, cudaStream_t)>& f) {
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t program = nullptr;
    cudaEvent_t from = nullptr, to = nullptr;
    check(cudaStreamCreate(&stream), "making a stream");
    check(cudaEventCreate(&from), "making an event");
    check(cudaEventCreate(&to), "making an event");
    f(0, stream);  // what a library sets up on its first call cannot be captured
    check(cudaStreamSynchronize(stream), "a first run");
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capturing");
    for (int i = 0; i < launches; ++i) f(i, stream);
    check(cudaStreamEndCapture(stream, &graph), "capturing");
    check(cudaGraphInstantiate(&program, graph, 0), "making a graph");
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
        check(cudaEventRecord(from, stream), "timing");
        check(cudaGraphLaunch(program, stream), "replaying a graph");
        check(cudaEventRecord(to, stream), "timing");
        check(cudaEventSynchronize(to), "a timed run");
        float ms = 0;
        check(cudaEventElapsedTime(&ms, from, to), "timing");
        if (i >= 2) times.push_back(static_cast<double>(ms) / 1e3 / launches);
    }
    std::sort(times.begin(), times.end());
    cudaGraphExecDestroy(program);
    cudaGraphDestroy(graph);
    cudaEventDestroy(from);
    cudaEventDestroy(to);
    cudaStreamDestroy(stream);
    return times[times.size() / 2];
}

}  // namespace windtunnel
