#pragma once
#include "models/problem.hpp"
#include "models/request.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// A point of civil time: seconds since 1970-01-01T00:00:00Z and nanoseconds within the second.
struct WallClock {
    std::int64_t seconds = 0;
    std::int32_t nanoseconds = 0;

    bool operator==(const WallClock&) const = default;
};

/// A workload in memory, whatever it was read or drawn from. Requests are sorted by arrival.
struct Trace {
    std::vector<Request> requests;
    Tick span;  ///< at least the last arrival; longer where the source says so (a clip, a synthetic duration)
    std::vector<std::uint64_t> prefix_hashes;  ///< of all requests, back to back; see Request::prefix
    std::uint32_t tokens_per_hash = 512;       ///< prompt tokens that one prefix hash stands for
    std::vector<std::uint32_t> prefix_nodes;   ///< [prefix_hashes] as prefix_tree() makes them; empty = not made
    std::vector<std::string> tenants{""};      ///< never empty; "" = unnamed
    std::vector<std::string> models{""};       ///< never empty; "" = unnamed
    std::optional<WallClock> start;            ///< the civil time of t = 0, where the source knows it
    std::string format;                        ///< what it was recognised as: "azure-2023", "plain-csv", ...
    Problems notes;                            ///< what was left out or assumed, with counts; never an error

    /// What the engine reads; valid while this trace lives and does not change.
    [[nodiscard]] WorkloadView view() const {
        return {requests.data(), requests.size(), span, {prefix_nodes.data(), prefix_nodes.size(), tokens_per_hash}};
    }
};

/// The prefix hashes as nodes of a tree, so that equal nodes stand for equal tokens up to and including theirs,
/// whether the source's hashes are chained or not. [prefix_hashes]; numbered from `first` on.
[[nodiscard]] std::vector<std::uint32_t> prefix_tree(const Trace& trace, std::uint32_t first = 0);

}  // namespace windtunnel
