#pragma once
#include "models/shared_links.hpp"
#include "sim/observer.hpp"
#include "sim/router.hpp"

namespace windtunnel {

/// Where a request is whose prompt another server computes than the one that answers.
enum class PrefillStage : std::uint8_t {
    none,                ///< its prompt is computed where it is answered, or the KV is there
    computed_elsewhere,  ///< a prefill server has it; the answering server knows of it
    handed_over,         ///< it is with the answering server, which has no blocks for it yet
    received,            ///< these blocks are being written to
};

/// Beside each job. Such a request is two jobs: its own, and another of the same request that asks a prefill server for
/// one token and whose blocks stay there until they have been read.
struct PrefillPair {
    JobIndex other = no_job;
    std::uint32_t pod = no_index;  ///< of the job at the prefill server: where it is
    PrefillStage stage = PrefillStage::none;
    bool prefill = false;      ///< this is the job at the prefill server
    bool unread = false;       ///< it has ended, and its blocks wait
    bool without_kv = false;   ///< the KV was lost, and that ends the attempt
    Tick read_until = never;   ///< its blocks are freed then
    PrefillStory story;
};

/// The jobs whose prompts are computed elsewhere, and the links over which their KV moves; nothing where no workload has
/// its prompts computed by another.
///
/// Each node has a link out and one in, and one within; transfers share them (models/shared_links.hpp).
template <class Layout>
class PrefillPairs {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_enabled = false;
        for (const WorkloadPlan& plan : b.workloads) m_enabled = m_enabled || plan.prefill.workload >= 0;
        m_capacity = m_enabled ? b.job_capacity : 0;
        m_node_slots = b.node_slots;
        m_pod_slots = m_enabled ? b.pod_slots : 0;
        m_pairs = arena.template take<PrefillPair>(m_capacity);
        m_away = arena.template take<JobQueue<Layout>>(m_pod_slots);
        m_holds.take_memory(arena, m_capacity);
        m_links.take_memory(arena, m_enabled ? 3 * std::size_t{b.node_slots} : 0, m_capacity);
    }
    WT_HD_COLD void start() {
        if (!m_enabled) return;
        for (std::uint32_t p = 0; p < m_pod_slots; ++p) m_away[p] = {};
        m_holds.clear();
        m_links.start();
        dying = no_index;
    }
    [[nodiscard]] WT_HD bool enabled() const { return m_enabled; }
    [[nodiscard]] WT_HD PrefillPair& operator[](JobIndex i) const { return m_pairs[i]; }
    [[nodiscard]] WT_HD bool is_prefill(JobIndex i) const { return m_enabled && m_pairs[i].prefill; }
    [[nodiscard]] WT_HD bool is_without_kv(JobIndex i) const { return m_enabled && m_pairs[i].without_kv; }
    WT_HD void forget(JobIndex i) {
        if (m_enabled) m_pairs[i] = {};
    }

    /// Requests of a replica whose prompts are being computed elsewhere.
    [[nodiscard]] WT_HD std::uint32_t away(std::uint32_t pod) const { return m_enabled ? m_away[pod].size : 0; }
    [[nodiscard]] WT_HD JobQueue<Layout>& away_of(std::uint32_t pod) const { return m_away[pod]; }

    /// When transfers or unread blocks are to be looked at.
    [[nodiscard]] WT_HD Tick due() const {
        return m_holds.empty() ? m_links.next_change() : min(m_links.next_change(), m_holds.first().at);
    }
    [[nodiscard]] WT_HD SharedLinks<Layout>& links() { return m_links; }
    [[nodiscard]] WT_HD DeadlineRing<Layout>& holds() { return m_holds; }
    /// What a deadline of unread blocks was for is over.
    [[nodiscard]] WT_HD bool is_stale(const RequestDeadline& d) const {
        const PrefillPair& pair = m_pairs[d.index];
        return !pair.prefill || !pair.unread || pair.read_until != d.at;
    }

    /// The way from one node to another, whose bandwidths are these; 0 = no bound. Gives the narrowest.
    WT_HD_COLD std::int64_t set_route(Route& route, std::uint32_t from, std::uint32_t to, std::int64_t out_rate,
                                      std::int64_t in_rate, std::int64_t within, Tick now) {
        if (from == to) {
            route.links[0] = 2 * m_node_slots + from;
            return set_rate(route.links[0], within, now);
        }
        route.links[0] = from;
        route.links[1] = m_node_slots + to;
        const std::int64_t out = set_rate(route.links[0], out_rate, now), in = set_rate(route.links[1], in_rate, now);
        return out < in ? out : in;
    }

    std::uint32_t dying = no_index;  ///< a server that is losing its requests: it has no time to say that it will not read

private:
    WT_HD_COLD std::int64_t set_rate(std::uint32_t link, std::int64_t bytes_per_s, Tick now) {
        const std::int64_t rate = bytes_per_s > 0 ? bytes_per_s : fastest_link;
        if (m_links.capacity(link) != rate) m_links.set_capacity(link, rate, now);
        return rate;
    }

    ArenaArray<PrefillPair, Layout> m_pairs;
    ArenaArray<JobQueue<Layout>, Layout> m_away;
    DeadlineRing<Layout> m_holds;  ///< of unread blocks
    SharedLinks<Layout> m_links;   ///< a transfer has the number of its job
    std::uint32_t m_capacity = 0, m_node_slots = 0, m_pod_slots = 0;
    bool m_enabled = false;
};

}  // namespace windtunnel
