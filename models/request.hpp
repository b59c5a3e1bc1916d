#pragma once
#include "models/host_device.hpp"
#include "models/time.hpp"

#include <cstdint>
#include <type_traits>

namespace windtunnel {

/// One request of a workload, as a trace reader or a generator makes it. 32 bytes, plain, sorted by
/// arrival; a workload of N requests is an array of N of these and nothing else.
struct Request {
    Tick arrival;                     ///< since the start of the workload (t = 0); never negative
    std::uint32_t prompt_tokens = 0;  ///< at least 1
    std::uint32_t output_tokens = 0;  ///< what the model will really say; at least 1. No decision may read it
    std::uint32_t max_tokens = 0;     ///< the client's limit; 0 = not given (then output_tokens is used)
    std::uint32_t prefix = 0;         ///< 1 + index of its first prefix hash in the trace's hash array; 0 = none
    std::uint16_t prefix_count = 0;   ///< how many prefix hashes
    std::uint16_t tenant = 0;         ///< index into the trace's tenant names
    std::uint16_t model = 0;          ///< index into the trace's model names
    std::int16_t priority = 0;        ///< lower runs first (vLLM's convention)

    /// The most tokens that it may be answered with.
    [[nodiscard]] WT_HD constexpr std::uint32_t asked() const { return max_tokens > 0 ? max_tokens : output_tokens; }
    /// How many a sound server answers with.
    [[nodiscard]] WT_HD constexpr std::uint32_t answered() const {
        return asked() < output_tokens ? asked() : output_tokens;
    }
};
static_assert(sizeof(Request) == 32 && std::is_trivially_copyable_v<Request>);

/// What prompts have in common: the workload's prefix hashes as nodes of a tree, in which equal nodes stand for equal
/// tokens up to and including theirs. A request's nodes start at `prefix` - 1.
struct PrefixView {
    const std::uint32_t* nodes = nullptr;
    std::uint64_t count = 0;  ///< of nodes, all requests' together
    std::uint32_t tokens_per_node = 512;  ///< prompt tokens that a node stands for
};

/// Requests in order of arrival, not owned.
struct WorkloadView {
    const Request* requests = nullptr;
    std::uint64_t count = 0;
    Tick span;  ///< the time that the workload covers; cost is counted over it. At least the last arrival
    PrefixView prefixes{};
};

}  // namespace windtunnel
