#pragma once
#include "models/problem.hpp"
#include "models/request.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/traces/trace.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace windtunnel {

/// The requests of a scenario, trial by trial: traces are read once and shared by all trials, synthetic
/// and resampled workloads are drawn anew for each. Requests of several workloads are merged by arrival; Request::model
/// is the index of the workload. Thread-safe once made.
class WorkloadSource {
public:
    /// Reads the traces; draws trial 0. All problems of all workloads at once.
    [[nodiscard]] static Result<WorkloadSource> make(const Scenario& scenario, std::uint64_t seed);

    /// The requests of a trial. Shared where nothing is random.
    [[nodiscard]] std::shared_ptr<const Trace> trial(std::uint32_t trial) const;

    [[nodiscard]] Tick span() const { return m_span; }
    [[nodiscard]] const std::optional<WallClock>& start() const { return m_start; }
    [[nodiscard]] bool is_random() const { return m_random; }
    [[nodiscard]] bool has_prefixes() const { return m_tokens_per_hash > 0; }
    /// What the traces were recognised as, by workload.
    [[nodiscard]] const std::vector<std::string>& formats() const { return m_formats; }
    /// Whose requests there are, by workload and Request::tenant; empty where none says whose it is.
    [[nodiscard]] std::vector<std::vector<std::string>> tenants() const;
    [[nodiscard]] const Problems& notes() const { return m_notes; }

private:
    [[nodiscard]] Result<Trace> merged(std::uint32_t trial) const;

    struct Stream {
        WorkloadSpec spec;
        std::shared_ptr<const Trace> trace;  ///< null: synthetic
        std::vector<std::uint32_t> nodes;    ///< of its prefix tree
        std::uint32_t first_node = 0;        ///< of a synthetic one's
    };
    std::vector<Stream> m_streams;
    std::optional<Tick> m_duration;
    std::uint64_t m_seed = 1;
    Tick m_span;
    std::optional<WallClock> m_start;
    bool m_random = false;
    std::uint32_t m_tokens_per_hash = 0;  ///< 0 = no prompt has anything in common with another, as far as is known
    std::vector<std::string> m_formats;
    std::shared_ptr<const Trace> m_first;  ///< of trial 0
    Problems m_notes;
};

}  // namespace windtunnel
