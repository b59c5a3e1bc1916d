#pragma once
#include "gpu/replay.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace windtunnel {

/// A wave of trials that a device has finished, still in its own form.
class BatchWave {
public:
    virtual ~BatchWave() = default;
    /// Places in BatchPlan::trials: the first, and how many.
    std::size_t first = 0, count = 0;
    /// One of them, 0 <= i < count. May be called from several threads at once.
    [[nodiscard]] virtual TrialOutcome outcome(std::size_t i) const = 0;
};

/// Many trials of one configuration, for a device that runs them at once.
struct BatchPlan {
    const Blueprint* blueprint = nullptr;
    std::uint64_t seed = 1;
    std::vector<std::uint32_t> trials;  ///< their numbers
    std::function<TrialWorkload(std::uint32_t trial)> workload;
    std::size_t memory = 0;             ///< bytes of the device that a wave may take; 0 = four fifths of what is free
    const bool* interrupted = nullptr;  ///< stops before the next wave once true
    std::function<void(const BatchWave&)> wave_done;
};

/// Runs a batch on some device: replay_on_cuda, or replay_on_threads. Requests and blueprint are uploaded once, or once
/// per wave where every trial has requests of its own; a trial is a thread, 32 share an interleaved arena; a wave is as
/// many trials as fit the device's memory. A trial that outgrew its arena comes back with that status, for the host to
/// run again. Throws std::runtime_error with the device's own words when it does not answer.
/// (BatchReplay, gpu/replay.hpp.)

/// The CUDA device's. Only where WINDTUNNEL_HAS_CUDA is defined.
void replay_on_cuda(const BatchPlan& plan);
/// The same code on this machine's threads, by Thrust's TBB system: what a machine without a GPU can test.
void replay_on_threads(const BatchPlan& plan);

/// Whether this program holds device code, and a GPU that answers it.
struct DeviceAnswer {
    bool built = false, answers = false;
    std::string words;  ///< its name and memory, or why it does not answer
};
[[nodiscard]] DeviceAnswer ask_device();

}  // namespace windtunnel
