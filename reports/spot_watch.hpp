#pragma once
#include "reports/cluster_log.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "sim/observer.hpp"

#include <vector>

namespace windtunnel {

/// Watches the spot markets of a trial: nodes that come and are taken, how much of their notice they needed, launches that
/// met no capacity. Prices and capacity are the market's own, whatever the cluster does: they are replayed from its streams.
class SpotWatch {
public:
    SpotWatch(const CompiledScenario& scenario, const Blueprint& blueprint, TrialKey key);

    void pod_changed(std::uint32_t p, const Pod& pod, Tick now);
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick now);
    void noticed(std::uint32_t n, Tick until, Tick now);
    void taken(std::uint32_t n, std::int64_t pods, Tick now);
    void recommended(std::uint32_t n, Tick now);
    void launch_failed(std::uint32_t shape);

    /// One log for each market that a pool buys in.
    [[nodiscard]] std::vector<SpotMarketLog> finish() const;

private:
    struct NodeLife {
        NodeState state = NodeState::none;
        std::int32_t market = -1;
        std::int64_t pods = 0;
        Tick noticed = never, emptied = never;  ///< since the notice
    };
    [[nodiscard]] SpotMarketLog* market_of(std::uint32_t n);
    void end_notice(NodeLife& life, Tick now);
    void replay(std::uint32_t market, SpotMarketLog& out) const;

    const CompiledScenario& m_scenario;
    const Blueprint& m_blueprint;
    const TrialKey m_key;
    std::vector<NodeLife> m_nodes;
    std::vector<std::uint32_t> m_place;  ///< of a pod: its node
    std::vector<SpotMarketLog> m_logs;   ///< by market
    std::vector<double> m_used_s;        ///< by market: of the notices, until the last pod had left
    std::vector<std::uint64_t> m_used;   ///< how many notices that is of
};

}  // namespace windtunnel
