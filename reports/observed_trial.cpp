#include "reports/observed_trial.hpp"

#include "models/problem.hpp"
#include "reports/cluster_watch.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {

namespace {

struct Interrupted {};

/// Passes what it sees on to what is wanted.
class Watcher : public HostObserver {
public:
    Watcher(const Blueprint& blueprint, TrialKey key, const ObservationPlan& plan) : m_plan(plan) {
        if (plan.slices > 0) m_timeline.emplace(blueprint, plan.slices);
        if (plan.cluster != nullptr) m_cluster.emplace(*plan.cluster, blueprint, key, plan.most_events);
        if (plan.csv_slices > 0) m_fine.emplace(blueprint, plan.csv_slices);
    }

    void request_ended(const RequestRecord& r) override {
        if (m_plan.requests) m_records.push_back(r);
        if (m_timeline) m_timeline->request_ended(r);
        if (m_fine) m_fine->request_ended(r);
        if (m_cluster) m_cluster->request_ended(r);
        if (r.end == RequestEnd::failed)
            ++(r.finish > r.arrival   ? m_losses.replica_gone
               : r.pod == no_index    ? m_losses.no_replica
                                      : m_losses.refused);
        if (r.end == RequestEnd::rejected)
            m_losses.longest_rejected =
                std::max(m_losses.longest_rejected, r.prompt_tokens + r.output_tokens);
        if (++m_ended % 4096 != 0) return;
        if (m_plan.interrupted != nullptr && *static_cast<const volatile bool*>(m_plan.interrupted))
            throw Interrupted{};
        if (m_plan.progress) m_plan.progress(m_ended);
    }
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now) override {
        if (m_timeline) m_timeline->pod_changed(p, pod, now);
        if (m_plan.starts && pod.state == PodState::ready) note_start(p, pod, now);
        if (m_fine) m_fine->pod_changed(p, pod, now);
        if (m_cluster) m_cluster->pod_changed(p, pod, now);
    }
    void pod_unschedulable(std::uint32_t p, const Pod& pod, const RejectionCounts& why,
                           const PreemptionResult& tried, Tick now) override {
        if (m_cluster) m_cluster->pod_unschedulable(p, pod, why, tried, now);
    }
    void occurred(const OccurrenceRecord& r) override { pass_on(r); }
    void occurred(const HpaSyncRecord& r) override { pass_on(r); }
    void occurred(const KedaPollRecord& r) override { pass_on(r); }
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick now) override {
        if (m_timeline) m_timeline->node_changed(n, node, now);
        if (m_fine) m_fine->node_changed(n, node, now);
        if (m_cluster) m_cluster->node_changed(n, node, now);
    }
    void scaled(const ScaleRecord& s) override {
        if (m_timeline) m_timeline->scaled(s);
        if (m_cluster) m_cluster->scaled(s);
    }

    void finish(ObservedTrial& out) {
        std::sort(m_records.begin(), m_records.end(),
                  [](const RequestRecord& a, const RequestRecord& b) { return a.request < b.request; });
        out.requests = std::move(m_records);
        if (m_timeline) out.timeline = m_timeline->finish();
        if (m_fine) out.fine_timeline = m_fine->finish();
        if (m_cluster) out.cluster = m_cluster->finish();
        out.losses = m_losses;
        out.starts = std::move(m_starts);
    }

private:
    template <class Record>
    void pass_on(const Record& r) {
        if (m_cluster) m_cluster->occurred(r);
    }
    /// The first time that a pod is Ready; later times are its probes'.
    void note_start(std::uint32_t p, const Pod& pod, Tick now) {
        if (p >= m_started.size()) m_started.resize(p + std::size_t{1});
        if (m_started[p] == pod.incarnation) return;
        m_started[p] = pod.incarnation;
        if (now > Tick{}) m_starts.push_back({pod.workload, pod.created, pod.bound, now});
    }

    const ObservationPlan& m_plan;
    std::optional<TimelineObserver> m_timeline, m_fine;
    std::optional<ClusterWatch> m_cluster;
    std::vector<RequestRecord> m_records;
    std::vector<std::uint32_t> m_started;  ///< per pod slot: the incarnation that was Ready
    std::vector<PodStart> m_starts;
    LossCounts m_losses;
    std::uint64_t m_ended = 0;
};

}  // namespace

ObservedTrial observe_trial(const std::function<BlueprintBlock(std::uint32_t growth)>& blueprint,
                            WorkloadView workload, TrialKey key, ServerKind server,
                            const ObservationPlan& plan) {
    ObservedTrial out;
    for (std::uint32_t growth = 1; growth <= 1u << 20; growth *= 4) {
        const BlueprintBlock block = blueprint(growth);
        Watcher watcher(block.blueprint(), key, plan);
        try {
            TrialArena arena;
            out.outcome = run_trial(block.blueprint(), workload, key, arena, watcher, server);
        } catch (const Interrupted&) {
            out.complete = false;
            return out;
        }
        if (out.outcome.tally.status == TrialStatus::outgrew_arena) continue;
        watcher.finish(out);
        return out;
    }
    throw InternalError("a trial outgrew every arena");
}

const char* to_string(RequestEnd end) {
    switch (end) {
        case RequestEnd::completed:
            return "completed";
        case RequestEnd::rejected:
            return "rejected";
        case RequestEnd::timed_out:
            return "timed_out";
        case RequestEnd::failed:
            return "failed";
        case RequestEnd::unfinished:
            return "unfinished";
    }
    return "";
}

std::string requests_csv(const std::vector<RequestRecord>& records) {
    const bool pairs = std::any_of(records.begin(), records.end(), [](const RequestRecord& r) { return r.prefill.pod != no_index; });
    std::string out = "id,arrival_s,prompt_tokens,output_tokens,first_token_s,finish_s,status";
    out += pairs ? ",prefilled_s,transfer_began_s,received_s,kv_bytes\n" : "\n";
    out.reserve(out.size() + records.size() * 72);
    const auto at = [](Tick t) { return t == never ? std::string() : format_seconds(t); };
    for (const RequestRecord& r : records) {
        fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{},{}", r.request,
                       format_seconds(r.arrival), r.prompt_tokens, r.output_tokens,
                       at(r.first_token), format_seconds(r.finish), to_string(r.end));
        if (pairs)
            fmt::format_to(std::back_inserter(out), ",{},{},{},{}", at(r.prefill.prefilled), at(r.prefill.transfer_began), at(r.prefill.received), r.prefill.bytes);
        out += '\n';
    }
    return out;
}

std::string timeline_csv(const Timeline& timeline, Tick span) {
    std::string out =
        "start_s,arrived,completed,failed,rejected,timed_out,requests_waiting,requests_running,pods_pending,"
        "pods_starting,pods_ready,pods_stopping,nodes_provisioning,nodes_ready,nodes_leaving\n";
    Tick from;
    for (const TimelineSlice& s : timeline.slices) {
        const double width = to_seconds(min(timeline.slice, span - from));
        if (width <= 0) break;
        const auto mean = [&](Tick t) { return to_seconds(t) / width; };
        const auto ended = [&](RequestEnd e) { return s.ended[static_cast<int>(e)]; };
        const auto pods = [&](PodState p) { return s.pods[static_cast<int>(p)]; };
        const auto nodes = [&](NodeState n) { return s.nodes[static_cast<int>(n)]; };
        fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},"
                                                "{:.6g},{:.6g},{:.6g}\n",
                       format_seconds(from), s.arrivals, ended(RequestEnd::completed), ended(RequestEnd::failed),
                       ended(RequestEnd::rejected), ended(RequestEnd::timed_out), mean(s.waiting), mean(s.running),
                       mean(pods(PodState::pending)), mean(pods(PodState::starting)), mean(pods(PodState::ready)),
                       mean(pods(PodState::terminating) + pods(PodState::draining)),
                       mean(nodes(NodeState::provisioning)), mean(nodes(NodeState::ready)),
                       mean(nodes(NodeState::draining) + nodes(NodeState::cordoned) + nodes(NodeState::lost)));
        from += timeline.slice;
    }
    return out;
}

}  // namespace windtunnel
