#pragma once
#include "reports/autoscaler_watch.hpp"
#include "reports/fragmentation_watch.hpp"
#include "reports/object_names.hpp"
#include "reports/spot_watch.hpp"
#include "reports/start_watch.hpp"

#include <unordered_map>

namespace windtunnel {

/// Watches a trial and keeps what its cluster would have said (reports/cluster_log.hpp).
class ClusterWatch {
public:
    ClusterWatch(const CompiledScenario& scenario, const Blueprint& blueprint, TrialKey key, std::size_t most_events);

    void request_ended(const RequestRecord& r);
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now);
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick now);
    void pod_unschedulable(std::uint32_t p, const Pod& pod, const RejectionCounts& why,
                           const PreemptionResult& tried, Tick now);
    void scaled(const ScaleRecord& s);
    void occurred(const OccurrenceRecord& r);
    void occurred(const HpaSyncRecord& r) { m_autoscalers[r.autoscaler].synced(r, m_events); }
    void occurred(const KedaPollRecord& r) { m_autoscalers[r.autoscaler].polled(r, m_events); }

    /// Closes what is open at the end of the span. Call once, after the trial.
    [[nodiscard]] ClusterLog finish();

private:
    struct PodLife {
        PodState state = PodState::none;
        std::uint32_t revision = 0, incarnation = 0, node = no_index, node_incarnation = 0;
        Tick crash_looping_since = never;
        int message = -1;  ///< why it is pending: into m_messages
        Tick message_since;
        std::uint64_t last_message = ~std::uint64_t{0};  ///< it has been counted for
    };
    struct NodeLife {
        NodeState state = NodeState::none;
        std::uint32_t pool = 0, incarnation = 0;
    };
    struct Message {
        std::uint32_t workload = 0;
        std::string text;
        std::uint64_t pods = 0;
        Tick held, longest, first;
    };
    struct PoolLife {
        std::int64_t nodes = 0, coming = 0;
        std::int64_t waiting = 0;  ///< pods without a node that its shapes could take
        Tick full_since = never, full;
        std::optional<Tick> first_full;
    };

    [[nodiscard]] std::string title(std::uint32_t p) const;
    [[nodiscard]] std::string node_title(std::uint32_t n) const;
    [[nodiscard]] WorkloadLog& log_of(std::uint32_t p);
    [[nodiscard]] int message_of(std::uint32_t workload, const RejectionCounts& why, const PreemptionResult& tried,
                                 Tick now);
    void set_message(std::uint32_t p, int message, Tick now);
    void count_waiting(std::uint32_t revision, std::int64_t by, Tick now);
    void judge_pool(std::uint32_t pool, Tick now);
    void pod_created(std::uint32_t p, const Pod& pod, Tick now);
    void pod_bound(std::uint32_t p, const Pod& pod, Tick now);
    void end_crash_loop(std::uint32_t p, Tick now);
    void shape_occurred(const OccurrenceRecord& r);
    void workload_occurred(const OccurrenceRecord& r);
    void pod_occurred(const OccurrenceRecord& r);

    const CompiledScenario& m_scenario;
    const Blueprint& m_blueprint;
    const ObjectNames m_names;
    EventBook m_events;
    std::vector<AutoscalerWatch> m_autoscalers;
    std::vector<PodLife> m_pods;
    std::vector<NodeLife> m_nodes;
    std::vector<PoolLife> m_pools;
    std::vector<Message> m_messages;
    std::unordered_map<std::string, int> m_message_index;
    std::vector<std::vector<std::uint32_t>> m_waiting;  ///< by template: pods without a node
    std::vector<int> m_template_message;                ///< by template: the last reason
    std::vector<RevisionLog> m_revisions;               ///< by template
    StartWatch m_starts;
    FragmentationWatch m_fragmentation;
    SpotWatch m_spot;
    ClusterLog m_log;
};

}  // namespace windtunnel
