#pragma once
#include "sim/run_trial.hpp"

#include <cstdint>
#include <vector>

namespace windtunnel {

/// Trials [first_trial, first_trial + trials) of one configuration on the CUDA device, one per thread, 32 to
/// an interleaved arena, in waves that fit the device's memory. The outcomes equal run_trial()'s on the host
/// to the last bit; a trial that outgrew its arena comes back with that status, for the host to run again.
/// Throws std::runtime_error with CUDA's words when the device does not answer.
[[nodiscard]] std::vector<TrialOutcome> replay_on_device(const Blueprint& blueprint, WorkloadView workload,
                                                         std::uint64_t seed, std::uint32_t first_trial,
                                                         std::uint32_t trials);

/// What run_trial would need on the device: for the report that a build prints.
[[nodiscard]] std::size_t device_trial_bytes(const Blueprint& blueprint);

}  // namespace windtunnel
