#include "reports/observed_trial.hpp"

#include "models/problem.hpp"
#include "scenarios/trace_time.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {

namespace {

struct Interrupted {};

/// Passes what it sees on to what is wanted.
class Watcher : public NullObserver {
public:
    static constexpr bool enabled = true;

    Watcher(const Blueprint& blueprint, const ObservationPlan& plan) : m_plan(plan) {
        if (plan.slices > 0) m_timeline.emplace(blueprint, plan.slices);
    }

    void request_ended(const RequestRecord& r) {
        if (m_plan.requests) m_records.push_back(r);
        if (m_timeline) m_timeline->request_ended(r);
        if (r.end == RequestEnd::failed)
            ++(r.finish == r.arrival ? m_losses.no_replica : m_losses.replica_gone);
        if (r.end == RequestEnd::rejected)
            m_losses.longest_rejected =
                std::max(m_losses.longest_rejected, r.prompt_tokens + r.output_tokens);
        if (++m_ended % 4096 != 0) return;
        if (m_plan.interrupted != nullptr && *static_cast<const volatile bool*>(m_plan.interrupted))
            throw Interrupted{};
        if (m_plan.progress) m_plan.progress(m_ended);
    }
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now) {
        if (m_timeline) m_timeline->pod_changed(p, pod, now);
        if (m_plan.starts && pod.state == PodState::ready) note_start(p, pod, now);
    }
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick now) {
        if (m_timeline) m_timeline->node_changed(n, node, now);
    }
    void scaled(const ScaleRecord& s) {
        if (m_timeline) m_timeline->scaled(s);
    }

    void finish(ObservedTrial& out) {
        std::sort(m_records.begin(), m_records.end(),
                  [](const RequestRecord& a, const RequestRecord& b) { return a.request < b.request; });
        out.requests = std::move(m_records);
        if (m_timeline) out.timeline = m_timeline->finish();
        out.losses = m_losses;
        out.starts = std::move(m_starts);
    }

private:
    /// The first time that a pod is Ready; later times are its probes'.
    void note_start(std::uint32_t p, const Pod& pod, Tick now) {
        if (p >= m_started.size()) m_started.resize(p + std::size_t{1});
        if (m_started[p] == pod.incarnation) return;
        m_started[p] = pod.incarnation;
        if (now > Tick{}) m_starts.push_back({pod.workload, pod.created, pod.bound, now});
    }

    const ObservationPlan& m_plan;
    std::optional<TimelineObserver> m_timeline;
    std::vector<RequestRecord> m_records;
    std::vector<std::uint32_t> m_started;  ///< per pod slot: the incarnation that was Ready
    std::vector<PodStart> m_starts;
    LossCounts m_losses;
    std::uint64_t m_ended = 0;
};

TrialOutcome run_watched(const Blueprint& blueprint, WorkloadView workload, TrialKey key, ServerKind server,
                         Watcher& watcher) {
    TrialArena arena;
    if (server == ServerKind::stepwise)
        return run_trial<ContiguousLayout, StepwiseBank>(blueprint, workload, key, arena, watcher);
    return run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(blueprint, workload, key, arena, watcher);
}

}  // namespace

ObservedTrial observe_trial(const std::function<BlueprintBlock(std::uint32_t growth)>& blueprint,
                            WorkloadView workload, TrialKey key, ServerKind server,
                            const ObservationPlan& plan) {
    ObservedTrial out;
    for (std::uint32_t growth = 1; growth <= 1u << 20; growth *= 4) {
        const BlueprintBlock block = blueprint(growth);
        Watcher watcher(block.blueprint(), plan);
        try {
            out.outcome = run_watched(block.blueprint(), workload, key, server, watcher);
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
    std::string out = "id,arrival_s,prompt_tokens,output_tokens,first_token_s,finish_s,status\n";
    out.reserve(out.size() + records.size() * 72);
    for (const RequestRecord& r : records)
        fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{},{}\n", r.request,
                       format_seconds(r.arrival), r.prompt_tokens, r.output_tokens,
                       r.first_token == never ? std::string() : format_seconds(r.first_token),
                       format_seconds(r.finish), to_string(r.end));
    return out;
}

}  // namespace windtunnel
