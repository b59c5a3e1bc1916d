#pragma once
#include <cstdint>

#include "scenarios/scenario.hpp"

namespace windtunnel {

/// What a node of `milli` thousandths of a CPU or of `bytes` has left for pods, where nothing else is said: the rest is
/// kept for the kubelet and the system.
[[nodiscard]] std::int64_t allocatable_cpu(std::int64_t milli);
[[nodiscard]] std::int64_t allocatable_memory(std::int64_t bytes, CloudKind cloud);

}  // namespace windtunnel
