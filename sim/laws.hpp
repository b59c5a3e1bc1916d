#pragma once
#include "sim/observer.hpp"
#include "sim/run_trial.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// Checks the laws of sim/LAWS.md that a finished trial's sums must keep. Gives one line per broken law,
/// with its number. Tests call it for every scenario, policy and seed; `run` calls it after every trial.
[[nodiscard]] std::vector<std::string> broken_laws(const Blueprint& blueprint, const TrialOutcome& outcome);

/// Sees every change of a trial and keeps count of what a law forbids.
class LawObserver : public HostObserver {
public:
    explicit LawObserver(const Blueprint& blueprint);

    void request_ended(const RequestRecord& r) override;
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now) override;
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick now) override;
    void scaled(const ScaleRecord& r) override;
    using HostObserver::occurred;
    void occurred(const OccurrenceRecord& r) override;

    std::vector<std::string> broken;  ///< at most 20 lines
    std::vector<std::uint8_t> ends;   ///< per request: how often it ended

private:
    /// What stands in a NodePool of Karpenter's.
    struct PoolUse {
        ResourceAmounts capacity;
        std::int64_t nodes = 0;
        std::int64_t leaving = 0;  ///< of these, how many are on their way out
    };
    void expect(bool holds, const char* law, Tick now);
    void count_devices(const Pod& pod, std::int32_t by, Tick now);
    void count_in_pool(std::uint32_t n, const ClusterNode& node, int by);
    void note_replacements(std::uint32_t n, const ClusterNode& node);
    void check_limits(Tick now);
    const Blueprint& m_blueprint;
    std::vector<Pod> m_pods;
    std::vector<ResourceAmounts> m_used;  ///< per node
    std::vector<NodeState> m_nodes;
    std::vector<std::uint16_t> m_shapes;  ///< per node
    std::vector<ResourceAmounts> m_charged;  ///< per quota
    std::vector<std::int32_t> m_clients;     ///< [node x 64 + device]
    std::vector<std::uint32_t> m_desired;    ///< per workload: spec.replicas
    std::vector<PoolUse> m_pools;            ///< per NodePool of Karpenter's
    std::vector<std::uint32_t> m_replaces;   ///< per node: one of those it was launched to replace, as long as that stands
    std::vector<std::uint32_t> m_launched;   ///< nodes launched in this instant
    Tick m_nodes_changed;
    Tick m_last;
};

}  // namespace windtunnel
