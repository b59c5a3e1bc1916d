#pragma once
#include "sim/cluster_state.hpp"

namespace windtunnel {

/// Node-time by bill (ShapePlan::bill), workload and use, each node-tick multiplied by its price and divided into `whole` shares.
/// A pod takes the share of its node that its GPUs, slices or shares of GPUs are of the node's (of CPU where a node has no GPUs); what no
/// pod takes is counted under the row after the last workload. Integers throughout: the cells of a bill add up
/// to whole x its price integral, to the last unit (law L8).
///
/// Behind these cells: the work of the requests of each account (models/request_work.hpp), by which what their workload's
/// busy time costs is shared out. Behind these, of each payer (payer_of), the prompt and the output tokens of
/// completed requests, by which traffic is.
template <class Layout, class Owner>
class NodeTimeUse {
public:
    using State = ClusterState<Layout, Owner>;

    static constexpr std::uint64_t whole = node_shares;

    [[nodiscard]] WT_HD static std::uint32_t cell_count(const Blueprint& b) {
        return first_payer(b) + 2 * payer_count(b);
    }
    [[nodiscard]] WT_HD static std::uint32_t first_payer(const Blueprint& b) { return bill_cells(b) + account_count(b); }
    [[nodiscard]] WT_HD static std::uint32_t bill_cells(const Blueprint& b) {
        return static_cast<std::uint32_t>(b.bills * (b.workloads.size() + 1)) * node_uses;
    }

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        const bool counted = b.pools.size() > 0;
        m_pods = arena.template take<PodShare>(counted ? b.pod_slots : 0);
        m_nodes = arena.template take<NodeShare>(counted ? b.node_slots : 0);
        m_cells = arena.template take<WideSum>(cell_count(b));
    }
    WT_HD_COLD void start(const Blueprint& b) {
        m_workloads = static_cast<std::uint32_t>(b.workloads.size());
        m_span = b.span;
        m_counted = b.pools.size() > 0;
        for (std::uint32_t i = 0; i < cell_count(b); ++i) m_cells[i] = WideSum{};
        if (!m_counted) return;
        for (std::uint32_t p = 0; p < b.pod_slots; ++p) m_pods[p] = PodShare{};
        for (std::uint32_t n = 0; n < b.node_slots; ++n) m_nodes[n] = NodeShare{};
    }

    /// The pod's state or place changed. `busy`: what its engine has been busy since it started; of a pod
    /// whose engine does not run, whatever it was told last.
    WT_HD_COLD void pod_changed(const State& s, std::uint32_t p, Tick busy, Tick now) {
        if (!m_counted) return;
        PodShare& share = m_pods[p];
        const Pod& pod = s.pod(p);
        settle_pod(s, p, busy, now);
        const std::uint32_t node = pod.exists() ? pod.node : no_index;
        if (share.node != node) {
            if (share.node != no_index) release(s, p, now);
            if (node != no_index) occupy(s, p, node, now);
        }
        share.use = use_of(s, pod, pod.serving);
    }
    /// Its engine is about to start, or has just ended (after which its pod does not serve).
    WT_HD_COLD void engine_starts(const State& s, std::uint32_t p, Tick now) {
        if (!m_counted) return;
        settle_pod(s, p, m_pods[p].busy, now);
        m_pods[p].busy = Tick{};
        m_pods[p].use = use_of(s, s.pod(p), true);
    }
    WT_HD_COLD void engine_ended(const State& s, std::uint32_t p, Tick busy, Tick now) {
        if (!m_counted) return;
        settle_pod(s, p, busy, now);
        m_pods[p].use = use_of(s, s.pod(p), false);
    }
    [[nodiscard]] WT_HD Tick last_busy(std::uint32_t p) const { return m_counted ? m_pods[p].busy : Tick{}; }

    /// A node came, changed or is about to go. Its pods' uses are settled by the caller where its death ends them.
    WT_HD_COLD void node_changed(const State& s, std::uint32_t n, Tick now) {
        if (!m_counted) return;
        settle_node(s, n, now);
        NodeShare& share = m_nodes[n];
        switch (s.node(n).state) {
            case NodeState::none:
                share = NodeShare{};
                return;
            case NodeState::provisioning:
                share.use = NodeUse::starting;
                break;
            case NodeState::ready:
            case NodeState::cordoned:
                share.use = NodeUse::idle;
                break;
            case NodeState::draining:
                share.use = NodeUse::draining;
                break;
            case NodeState::lost:
                share.use = NodeUse::lost;
                break;
        }
        share.billed = 1;
        share.shape = s.node(n).shape;
    }

    /// The machine costs nothing any more. Requires that node and pods are settled.
    WT_HD void bill_ends(std::uint32_t n) {
        if (m_counted) m_nodes[n].billed = 0;
    }

    /// A server is done with a request, or with what it did of one. Requires that accounts are kept.
    WT_HD void count_work(const Blueprint& b, const Request& request, const WideSum& work) {
        m_cells[bill_cells(b) + account_of(b, request)].merge(work);
    }

    /// A request has completed.
    WT_HD void count_tokens(const Blueprint& b, const Request& request, std::uint64_t prompt, std::uint64_t output) {
        const std::uint32_t cell = first_payer(b) + 2 * payer_of(b, request);
        m_cells[cell].add(prompt);
        m_cells[cell + 1].add(output);
    }

    /// Everything up to `now`, which is the span's end: pods first, then their nodes.
    WT_HD void settle_pod(const State& s, std::uint32_t p, Tick busy, Tick now) {
        if (!m_counted) return;
        PodShare& share = m_pods[p];
        const Tick until = min(now, m_span);
        if (share.node != no_index && until > share.since) {
            const Tick time = until - share.since;
            const Tick worked = max(Tick{}, min(busy - share.busy, time));
            const std::uint32_t w = s.pod(p).workload;
            add(s, share.node, w, NodeUse::busy, share.share, worked);
            add(s, share.node, w, share.use, share.share, time - worked);
        }
        share.since = until;
        share.busy = busy;
    }
    WT_HD void settle_node(const State& s, std::uint32_t n, Tick now) {
        if (!m_counted) return;
        NodeShare& share = m_nodes[n];
        const Tick until = min(now, m_span);
        if (share.billed && until > share.since)
            add(s, n, m_workloads, share.use, static_cast<std::uint32_t>(whole) - share.taken, until - share.since);
        share.since = until;
    }

    [[nodiscard]] WT_HD const ArenaArray<WideSum, Layout>& cells() const { return m_cells; }

private:
    struct PodShare {
        Tick since, busy;
        std::uint32_t node = no_index;
        std::uint32_t share = 0;
        NodeUse use = NodeUse::idle;
    };
    struct NodeShare {
        Tick since;
        std::uint32_t taken = 0;
        NodeUse use = NodeUse::idle;
        std::uint8_t billed = 0;
        std::uint16_t shape = 0;
    };

    WT_HD static NodeUse use_of(const State& s, const Pod& pod, bool serving) {
        if (pod.node != no_index && s.node(pod.node).state == NodeState::lost) return NodeUse::lost;
        if (pod.state >= PodState::terminating) return NodeUse::draining;
        if (pod.state != PodState::ready) return NodeUse::starting;
        if (s.template_of(pod).server < 0) return NodeUse::busy;  // what it does is not simulated
        return serving ? NodeUse::idle : NodeUse::starting;
    }
    WT_HD static std::uint32_t share_of(const ResourceAmounts& needs, const ShapePlan& shape) {
        const std::int64_t gpus = shape.gpus > 0 ? shape.gpus : shape.allocatable[resource_gpus];
        if (gpus <= 0) return part(needs[resource_cpu_milli], shape.allocatable[resource_cpu_milli]);
        std::uint32_t sum = 0;
        for (std::int32_t i = 0; i < extended_kinds; ++i) {
            const DeviceRange& unit = shape.devices[i];
            if (unit.clients > 0) sum += part(needs[resource_extended + i] * unit.num, gpus * unit.den);
        }
        return sum < whole ? sum : static_cast<std::uint32_t>(whole);
    }
    WT_HD static std::uint32_t part(std::int64_t of, std::int64_t all) {
        if (all <= 0 || of <= 0) return 0;
        if (of >= all) return static_cast<std::uint32_t>(whole);
        return static_cast<std::uint32_t>(whole * static_cast<std::uint64_t>(of) / static_cast<std::uint64_t>(all));
    }
    WT_HD void occupy(const State& s, std::uint32_t p, std::uint32_t n, Tick now) {
        settle_node(s, n, now);
        NodeShare& node = m_nodes[n];
        const std::uint32_t room = static_cast<std::uint32_t>(whole) - node.taken;
        const std::uint32_t wanted = share_of(s.template_of(s.pod(p)).needs, s.shape_of(s.node(n)));
        m_pods[p].node = n;
        m_pods[p].share = wanted < room ? wanted : room;
        node.taken += m_pods[p].share;
    }
    WT_HD void release(const State& s, std::uint32_t p, Tick now) {
        settle_node(s, m_pods[p].node, now);
        m_nodes[m_pods[p].node].taken -= m_pods[p].share;
        m_pods[p].node = no_index;
        m_pods[p].share = 0;
    }
    WT_HD_CALL void add(const State& s, std::uint32_t n, std::uint32_t w, NodeUse use, std::uint32_t share, Tick time) {
        if (share == 0 || time.count <= 0 || !m_nodes[n].billed) return;
        const ShapePlan& shape = s.blueprint().shapes[m_nodes[n].shape];
        const std::uint32_t cell =
            (s.bill_of(s.node(n)) * (m_workloads + 1) + w) * node_uses + static_cast<std::uint32_t>(use);
        m_cells[cell].add_product(static_cast<std::uint64_t>(time.count),
                                  static_cast<std::uint64_t>(s.spot().price(shape)) * share);
    }

    ArenaArray<PodShare, Layout> m_pods;
    ArenaArray<NodeShare, Layout> m_nodes;
    ArenaArray<WideSum, Layout> m_cells;
    std::uint32_t m_workloads = 0;
    Tick m_span;
    bool m_counted = false;
};

}  // namespace windtunnel
