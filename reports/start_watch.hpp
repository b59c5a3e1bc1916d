#pragma once
#include "reports/cluster_log.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "sim/observer.hpp"

#include <vector>

namespace windtunnel {

/// Watches how pods come to be Ready: their stages, what they waited for, and the longest path through both.
class StartWatch {
public:
    StartWatch(const CompiledScenario& scenario, const Blueprint& blueprint);

    void pod_changed(std::uint32_t p, const Pod& pod, Tick now);
    void stage_began(std::uint32_t p, std::uint32_t stage, Tick now);
    void stage_ended(std::uint32_t p, std::uint32_t stage, Tick now);

    /// A layer of an image came down (0 ticks: its node had it from another image), or was unpacked.
    void layer_came(std::uint32_t p, bool unpacked, std::uint32_t layer, std::int64_t ticks);

    /// By workload; those without a start and without stages of their own are left out.
    [[nodiscard]] std::vector<StartLog> finish() const;

private:
    struct Life {
        std::uint32_t incarnation = 0, revision = 0;
        bool was_ready = false;
        Tick created = never, bound = never;
        Tick began[max_stages], ended[max_stages];  ///< `never`: it was not run
    };
    struct LayerSum {
        std::uint64_t downloads = 0, found = 0, unpacks = 0;
        double download_s = 0, unpack_s = 0;
    };
    struct Sum {
        std::uint64_t starts = 0;
        double total_s = 0, longest_s = 0;
        std::vector<double> on_path;  ///< seconds on the longest path: pending, each stage's wait, each stage, probes
        std::vector<double> ran_s, ran_longest_s;
        std::vector<std::uint64_t> runs;
        std::vector<LayerSum> layers;  ///< of its image
    };
    void note(const Life& life, const Pod& pod, Tick ready);

    const CompiledScenario& m_scenario;
    const Blueprint& m_blueprint;
    std::vector<Life> m_pods;
    std::vector<Sum> m_sums;  ///< by workload
};

}  // namespace windtunnel
