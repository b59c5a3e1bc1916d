#pragma once
#include "sim/cluster_state.hpp"
#include "sim/layer_pull.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// How far a pod's start has come; a bit for each stage of its template.
struct PodStages {
    std::uint32_t over = 0, running = 0;
    std::uint32_t waiting = 0;  ///< for another pod that is at the same thing, or for its turn
    std::uint32_t kept = 0;     ///< made, and in a volume of the pod
    std::uint32_t ticket = 0;   ///< its place in the node's queue of pulls; 0 = in none
    bool looks = false;         ///< what it waited for may be over
    bool queues = false;        ///< it found others in front of its pull when it last looked
};

/// The start of pods as a graph of stages. A stage begins when those that it needs are over, beside others where
/// the graph lets it; one whose result is there already (an image on the node, weights on a volume) is shorter
/// or left out. Stages that move bytes share links (models/shared_links.hpp): the source's, and their node's
/// network and disk. Images come to a node one after the other, or so many at once, in the order in which they were
/// asked for (kubernetes.md 4.12), each as a whole or by its layers. What a node keeps is gone with it.
template <class Layout, class Owner>
class StartStages {
public:
    using State = ClusterState<Layout, Owner>;
    using Parts = Fleet<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_pods = arena.template take<PodStages>(b.pod_slots);
        m_ends = arena.template take<Tick>(std::size_t{b.pod_slots} * b.most_stages);
        m_waiting.take_memory(arena, b.pod_slots);
        m_nodes = arena.template take<NodeCache>(b.node_slots);
        m_on_nodes = arena.template take<std::uint32_t>(std::size_t{b.node_slots} * b.artefacts);
        m_shared = arena.template take<std::uint32_t>(b.artefacts);
        m_pulls = arena.template take<LayerPull>(b.layers.size() > 0 ? b.pod_slots : 0);
        if (b.most_transfers == 0 && b.prefetches.size() == 0) return;
        m_links.take_memory(arena, b.sources.size() + 2 * std::size_t{b.node_slots},
                            std::size_t{b.pod_slots} * b.most_transfers +
                                std::size_t{b.node_slots} * b.prefetches.size());
    }
    WT_HD_COLD void start(const Blueprint& b) {
        for (std::uint32_t p = 0; p < b.pod_slots; ++p) m_pods[p] = PodStages{};
        for (std::uint32_t n = 0; n < b.node_slots; ++n) m_nodes[n] = NodeCache{};
        for (std::uint32_t a = 0; a < b.artefacts; ++a) m_shared[a] = absent;
        for (std::uint32_t p = 0; b.layers.size() > 0 && p < b.pod_slots; ++p) m_pulls[p] = LayerPull{};
        m_waiting.clear();
        m_moves = b.most_transfers > 0 || b.prefetches.size() > 0;
        if (!m_moves) return;
        m_links.start();
        for (std::uint32_t l = 0; l < b.sources.size(); ++l)
            m_links.set_capacity(l, b.sources[l].bytes_per_second, Tick{});
    }

    // ---- a pod -----------------------------------------------------------------------------------------

    [[nodiscard]] WT_HD const PodStages& pod(std::uint32_t p) const { return m_pods[p]; }
    /// The pod has been bound: nothing of its start is done.
    WT_HD_COLD void begin(std::uint32_t p) { m_pods[p] = PodStages{}; }

    /// Begins what may begin; with `running` also the stages of its container. True when all stages are over.
    WT_HD_COLD bool go_on(State& s, std::uint32_t p, bool running, Tick now) {
        PodStages& me = m_pods[p];
        const TemplatePlan& plan = s.template_of(s.pod(p));
        me.looks = false;
        me.waiting = 0;
        m_waiting.remove(p);
        me.queues = false;
        touch(s, s.pod(p).node, now);
        for (bool more = true; more;) {
            more = false;
            for (std::uint32_t i = 0; i < plan.stage_count; ++i) {
                const std::uint32_t bit = 1u << i;
                if (((me.over | me.running | me.waiting) & bit) != 0) continue;
                std::uint32_t needs = stage_of(s, plan, i).after;
                if (i >= plan.container_stage && stage_of(s, plan, i).early == 0) {
                    if (!running) continue;
                    needs |= (1u << plan.container_stage) - 1;
                }
                if ((needs & ~me.over) == 0 && begin_stage(s, p, plan, i, now)) more = true;
            }
        }
        if (!me.queues) leave_queue(s, p, now);
        s.wake_transfers(next_transfer());
        return me.over == (1u << plan.stage_count) - 1;
    }
    /// How many stages are over without one missing before them.
    [[nodiscard]] WT_HD std::uint32_t stage_reached(std::uint32_t p) const {
        return lowest_bit(~std::uint64_t{m_pods[p].over});
    }
    /// When the pod wants to be looked at for its start.
    [[nodiscard]] WT_HD Tick due(const State& s, std::uint32_t p) const {
        const PodStages& me = m_pods[p];
        if (me.looks) return Tick{};
        Tick next = never;
        for (std::uint32_t rest = me.running; rest != 0; rest &= rest - 1)
            next = min(next, m_ends[end_index(s, p, lowest_bit(rest))]);
        return next;
    }
    /// Takes note of the stages that have ended.
    WT_HD_COLD void end_stages(State& s, std::uint32_t p, Tick now) {
        for (std::uint32_t rest = m_pods[p].running; rest != 0; rest &= rest - 1) {
            const std::uint32_t i = lowest_bit(rest);
            if (m_ends[end_index(s, p, i)] <= now) end_stage(s, p, i, now);
        }
    }
    /// Its container has ended: what was in it is lost, what runs for it stops.
    WT_HD_COLD void container_ended(State& s, std::uint32_t p, Tick now) {
        const TemplatePlan& plan = s.template_of(s.pod(p));
        PodStages& me = m_pods[p];
        std::uint32_t remains = (1u << plan.container_stage) - 1;
        for (std::uint32_t i = plan.container_stage; i < plan.stage_count; ++i)
            if (stage_of(s, plan, i).early != 0) remains |= 1u << i;
        stop_running(s, p, now);
        me.over &= remains;
        me.looks = false;
        me.waiting = 0;
        m_waiting.remove(p);
    }
    /// The pod is gone, or its node is.
    WT_HD_COLD void abandon(State& s, std::uint32_t p, Tick now) {
        if (s.pod(p).node != no_index) {
            stop_running(s, p, now);
            leave_queue(s, p, now);
        }
        m_waiting.remove(p);
        m_pods[p] = PodStages{};
    }
    /// t = 0: everything is in place, and what stays is where it stays.
    WT_HD_COLD void finish(State& s, std::uint32_t p, Tick now) {
        const TemplatePlan& plan = s.template_of(s.pod(p));
        PodStages& me = m_pods[p];
        touch(s, s.pod(p).node, now);
        stop_running(s, p, now);
        leave_queue(s, p, now);
        me.looks = false;
        me.waiting = 0;
        m_waiting.remove(p);
        me.over = (1u << plan.stage_count) - 1;
        for (std::uint32_t i = 0; i < plan.stage_count; ++i)
            if (stage_of(s, plan, i).kept != Kept::nowhere) keep(s, p, plan, i);
    }
    /// Its node pulls one of its images.
    [[nodiscard]] WT_HD bool is_pulling(const State& s, std::uint32_t p) const {
        const TemplatePlan& plan = s.template_of(s.pod(p));
        for (std::uint32_t rest = m_pods[p].running; rest != 0; rest &= rest - 1)
            if (stage_of(s, plan, lowest_bit(rest)).once_per_node) return true;
        return false;
    }
    /// The images of the pod's first stages are on its node, or it has none to pull.
    [[nodiscard]] WT_HD bool has_images(const State& s, std::uint32_t p) const {
        const Pod& pod = s.pod(p);
        const TemplatePlan& plan = s.template_of(pod);
        const bool known = m_nodes[pod.node].incarnation == s.node(pod.node).incarnation;
        for (std::uint32_t i = 0; i < plan.container_stage; ++i) {
            const StagePlan& stage = stage_of(s, plan, i);
            if (stage.once_per_node == 0) continue;
            if (!known || m_on_nodes[cell(s, pod.node, stage)] != present) return false;
        }
        return true;
    }
    /// It waits for nothing for now: its image cannot be had, and others may pull theirs.
    WT_HD_COLD void step_aside(State& s, std::uint32_t p, Tick now) {
        PodStages& me = m_pods[p];
        me.looks = false;
        me.waiting = 0;
        m_waiting.remove(p);
        leave_queue(s, p, now);
    }

    // ---- links -----------------------------------------------------------------------------------------

    /// Transfers that are through: their stages end now.
    WT_HD_COLD void end_transfers(State& s, Tick now) {
        const Blueprint& b = s.blueprint();
        for (std::uint32_t t = m_links.first_through(now); t != m_links.none; t = m_links.first_through(now)) {
            m_links.end(t, now);
            const std::uint32_t of_pods = b.pod_slots * b.most_transfers;
            if (t >= of_pods) {
                prefetched(s, t - of_pods, now);
                continue;
            }
            const std::uint32_t p = t / b.most_transfers;
            std::uint32_t place = t % b.most_transfers;
            const std::uint32_t i = stage_of_transfer(s, p, place);
            if (stage_of(s, s.template_of(s.pod(p)), i).layer_count > 0) {
                layer_through(s, p, i, place, now);
                continue;
            }
            m_ends[end_index(s, p, i)] = now;
            m_pods[p].looks = true;
            s.wake_pod(p, now);
        }
        s.wake_transfers(next_transfer());
    }
    /// A source gives another bandwidth from now on.
    WT_HD_COLD void set_source(State& s, std::uint32_t source, std::int64_t bytes_per_second, Tick now) {
        if (!m_moves) return;
        m_links.set_capacity(source, bytes_per_second, now);
        s.wake_transfers(next_transfer());
    }
    /// A node has come up: it begins to fill its cache; at t = 0 that is done (`at_once`).
    WT_HD_COLD void node_ready(State& s, std::uint32_t n, bool at_once, Tick now) {
        const Blueprint& b = s.blueprint();
        for (std::uint32_t k = 0; k < b.prefetches.size(); ++k) {
            const PrefetchPlan& plan = b.prefetches[k];
            if (plan.pool != s.node(n).pool) continue;
            touch(s, n, now);
            std::uint32_t& there = m_on_nodes[cell(s, n, plan.stage)];
            if (at_once) {
                there = present;
                keep_on_node(s, n, plan.stage);
            }
            if (there != absent) continue;
            there = by_node;
            Tick alone = plan.stage.fixed;
            if (plan.stage.table >= 0)
                alone = {b.tables[static_cast<std::size_t>(plan.stage.table)].sample(
                    s.node_draw(StreamPurpose::image_pull, n))};
            m_links.begin(b.pod_slots * b.most_transfers + n * static_cast<std::uint32_t>(b.prefetches.size()) + k,
                          plan.stage.bytes, max(alone, Tick{1}), route_of(b, plan.stage, n), now);
        }
        s.wake_transfers(next_transfer());
    }
    /// A node has died or left: nothing goes on there.
    WT_HD_COLD void node_gone(State& s, std::uint32_t n, Tick now) {
        const Blueprint& b = s.blueprint();
        for (std::uint32_t k = 0; k < b.prefetches.size(); ++k)
            m_links.end(b.pod_slots * b.most_transfers + n * static_cast<std::uint32_t>(b.prefetches.size()) + k, now);
        if (b.prefetches.size() > 0) s.wake_transfers(next_transfer());
    }

private:
    static constexpr std::uint32_t absent = artefact_absent, present = artefact_present, by_node = artefact_by_node;

    /// What a node has belongs to one life of its slot.
    struct NodeCache {
        std::uint32_t incarnation = 0;
        std::uint32_t tickets = 0;
    };

    [[nodiscard]] WT_HD static const StagePlan& stage_of(const State& s, const TemplatePlan& plan, std::uint32_t i) {
        return s.blueprint().stages[plan.first_stage + i];
    }
    [[nodiscard]] WT_HD static std::size_t end_index(const State& s, std::uint32_t p, std::uint32_t i) {
        return std::size_t{p} * s.blueprint().most_stages + i;
    }
    [[nodiscard]] WT_HD static std::size_t cell(const State& s, std::uint32_t n, std::int32_t artefact) {
        return std::size_t{n} * s.blueprint().artefacts + static_cast<std::size_t>(artefact);
    }
    [[nodiscard]] WT_HD static std::size_t cell(const State& s, std::uint32_t n, const StagePlan& stage) {
        return cell(s, n, stage.artefact);
    }
    [[nodiscard]] WT_HD Tick next_transfer() const { return m_moves ? m_links.next_change() : Tick{never}; }

    /// The first look at a node in this life: it has nothing, and its links are its own.
    WT_HD_COLD void touch(State& s, std::uint32_t n, Tick now) {
        const ClusterNode& node = s.node(n);
        if (m_nodes[n].incarnation == node.incarnation) return;
        const Blueprint& b = s.blueprint();
        m_nodes[n] = NodeCache{};
        m_nodes[n].incarnation = node.incarnation;
        for (std::uint32_t a = 0; a < b.artefacts; ++a) m_on_nodes[std::size_t{n} * b.artefacts + a] = absent;
        if (!m_moves) return;
        const auto first = static_cast<std::uint32_t>(b.sources.size()) + 2 * n;
        const auto known = [](std::int64_t given) { return given > 0 ? given : fastest_link; };
        m_links.set_capacity(first, known(s.shape_of(node).network_bytes_per_s), now);
        m_links.set_capacity(first + 1, known(s.shape_of(node).disk_bytes_per_s), now);
    }
    [[nodiscard]] WT_HD static Route route_over(const Blueprint& b, std::uint32_t source, bool network, bool disk, std::uint32_t n) {
        Route route;
        route.links[0] = source;
        const auto first = static_cast<std::uint32_t>(b.sources.size()) + 2 * n;
        if (network) route.links[1] = first;
        if (disk) route.links[2] = first + 1;
        return route;
    }
    [[nodiscard]] WT_HD static Route route_of(const Blueprint& b, const StagePlan& stage, std::uint32_t n) {
        return route_over(b, stage.source, stage.over_network != 0, stage.over_disk != 0, n);
    }

    /// Where it is noted who is at what the stage makes; requires that it is kept on the node or for all.
    [[nodiscard]] WT_HD std::uint32_t& place_of(const State& s, std::uint32_t p, const StagePlan& stage) const {
        return stage.kept == Kept::cluster ? m_shared[static_cast<std::size_t>(stage.artefact)]
                                           : m_on_nodes[cell(s, s.pod(p).node, stage)];
    }

    /// The stage may begin. True when it is over at once, because what it makes is there.
    WT_HD_COLD bool begin_stage(State& s, std::uint32_t p, const TemplatePlan& plan, std::uint32_t i, Tick now) {
        const StagePlan& stage = stage_of(s, plan, i);
        PodStages& me = m_pods[p];
        const std::uint32_t bit = 1u << i;
        const bool noted = stage.kept == Kept::node || stage.kept == Kept::cluster;
        const std::uint32_t there = noted ? place_of(s, p, stage) : absent;
        if (there == present || (stage.kept == Kept::pod && (me.kept & bit) != 0)) {
            if (stage.again.count == 0 && stage.again_table < 0) {
                me.over |= bit;
                return true;
            }
            run(s, p, i, duration(s, stage.again_table, stage.again, p, i), now);
            return false;
        }
        if (noted && there != absent && there != p && stage.one_at_a_time) return wait(p, bit);
        if (stage.once_per_node) {
            if (!may_pull(s, p)) {
                if (me.ticket == 0) me.ticket = ++m_nodes[s.pod(p).node].tickets;
                me.queues = true;
                return wait(p, bit);
            }
            me.ticket = 0;
        }
        if (noted && there == absent) place_of(s, p, stage) = p;
        const Tick alone = duration(s, stage.table, stage.fixed, p, i);
        if (stage.layer_count > 0) {
            run(s, p, i, never, now);
            m_pulls[p] = LayerPull{};
            m_pulls[p].takes = alone;
            pull_on(s, p, i, now);
            return false;
        }
        if (stage.bytes == 0 || alone.count == 0) {
            run(s, p, i, alone, now);
            return false;
        }
        run(s, p, i, never, now);
        m_links.begin(transfer_of(s, p, i), stage.bytes, alone, route_of(s.blueprint(), stage, s.pod(p).node), now);
        return false;
    }
    WT_HD void run(const State& s, std::uint32_t p, std::uint32_t i, Tick takes, Tick now) {
        m_pods[p].running |= 1u << i;
        m_ends[end_index(s, p, i)] = takes == never ? Tick{never} : now + takes;
        s.owner().note(OccurrenceRecord{Occurrence::stage_began, p, i, 0, now});
    }
    WT_HD bool wait(std::uint32_t p, std::uint32_t bit) {
        m_pods[p].waiting |= bit;
        m_waiting.add(p);
        return false;
    }
    WT_HD_COLD void end_stage(State& s, std::uint32_t p, std::uint32_t i, Tick now) {
        const TemplatePlan& plan = s.template_of(s.pod(p));
        PodStages& me = m_pods[p];
        me.running &= ~(1u << i);
        me.over |= 1u << i;
        s.owner().note(OccurrenceRecord{Occurrence::stage_ended, p, i, 0, now});
        if (stage_of(s, plan, i).once_per_node) offer_turns(s, s.pod(p).node, now);
        if (stage_of(s, plan, i).kept == Kept::nowhere) return;
        keep(s, p, plan, i);
        rouse(s, s.pod(p).node, stage_of(s, plan, i).kept, now);
    }
    WT_HD void keep(State& s, std::uint32_t p, const TemplatePlan& plan, std::uint32_t i) {
        const StagePlan& stage = stage_of(s, plan, i);
        if (stage.kept == Kept::pod)
            m_pods[p].kept |= 1u << i;
        else
            place_of(s, p, stage) = present;
        keep_on_node(s, s.pod(p).node, stage);
    }
    WT_HD void keep_on_node(State& s, std::uint32_t n, const StagePlan& stage) {
        s.images().note(stage, n);
        for (std::uint32_t l = 0; l < stage.layer_count; ++l) {
            const LayerPlan& layer = s.blueprint().layers[stage.first_layer + l];
            m_on_nodes[cell(s, n, layer.blob)] = m_on_nodes[cell(s, n, layer.chain)] = present;
        }
    }
    /// What the pod is at stops half-way, and somebody else may do it.
    WT_HD_COLD void stop_running(State& s, std::uint32_t p, Tick now) {
        PodStages& me = m_pods[p];
        const TemplatePlan& plan = s.template_of(s.pod(p));
        const bool any = me.running != 0, pulled = is_pulling(s, p);
        Kept widest = Kept::nowhere;  // of those that others may wait for
        for (; me.running != 0; me.running &= me.running - 1) {
            const std::uint32_t i = lowest_bit(me.running);
            const StagePlan& stage = stage_of(s, plan, i);
            if (stage.layer_count > 0)
                stop_layers(s, p, i, now);
            else if (stage.bytes > 0)
                m_links.end(transfer_of(s, p, i), now);
            if (stage.kept < Kept::node || place_of(s, p, stage) != p) continue;
            place_of(s, p, stage) = absent;
            widest = widest < stage.kept ? stage.kept : widest;
        }
        if (!any) return;
        rouse(s, s.pod(p).node, widest, now);
        if (pulled) {
            pulls_on(s, s.pod(p).node, now);
            offer_turns(s, s.pod(p).node, now);
        }
        s.wake_transfers(next_transfer());
    }
    /// Who waits for something that is kept there looks again: on the node, or everywhere.
    WT_HD_COLD void rouse(State& s, std::uint32_t n, Kept kept, Tick now) {
        if (kept == Kept::node)
            for (std::uint32_t p = s.node(n).first_pod; p != no_index; p = s.pod(p).next_on_node) look(s, p, now);
        if (kept == Kept::cluster)
            for (std::uint32_t p = m_waiting.first(); p != m_waiting.none; p = m_waiting.next(p + 1)) look(s, p, now);
    }
    WT_HD void look(State& s, std::uint32_t p, Tick now) {
        if (!m_waiting.has(p)) return;
        m_pods[p].looks = true;
        s.wake_pod(p, now);
    }
    // ---- turns to pull ------------------------------------------------------------------------------------

    /// Fewer pods than its kubelet lets pull at once are at it or in front of this one.
    [[nodiscard]] WT_HD_COLD bool may_pull(const State& s, std::uint32_t p) const {
        const std::uint32_t n = s.pod(p).node, mine = m_pods[p].ticket;
        std::uint32_t others = 0;
        for (std::uint32_t q = s.node(n).first_pod; q != no_index; q = s.pod(q).next_on_node) {
            const std::uint32_t ticket = m_pods[q].ticket;
            if (q != p && (is_pulling(s, q) || (ticket > 0 && (mine == 0 || ticket < mine)))) ++others;
        }
        return others < s.shape_of(s.node(n)).parallel_pulls;
    }
    WT_HD_COLD void leave_queue(State& s, std::uint32_t p, Tick now) {
        if (m_pods[p].ticket == 0) return;
        m_pods[p].ticket = 0;
        offer_turns(s, s.pod(p).node, now);
    }
    /// It is the turn of those who have waited longest on that node, as far as there is room.
    WT_HD_COLD void offer_turns(State& s, std::uint32_t n, Tick now) {
        std::uint32_t busy = 0, after = 0;
        for (std::uint32_t q = s.node(n).first_pod; q != no_index; q = s.pod(q).next_on_node)
            if (is_pulling(s, q)) ++busy;
        for (; busy < s.shape_of(s.node(n)).parallel_pulls; ++busy) {
            std::uint32_t next = no_index;
            for (std::uint32_t q = s.node(n).first_pod; q != no_index; q = s.pod(q).next_on_node)
                if (m_pods[q].ticket > after && (next == no_index || m_pods[q].ticket < m_pods[next].ticket)) next = q;
            if (next == no_index) return;
            after = m_pods[next].ticket;
            m_pods[next].looks = true;
            s.wake_pod(next, now);
        }
    }

    // ---- images by layers ---------------------------------------------------------------------------------

    /// A pod's node as its pull sees it.
    struct PullNode {
        StartStages& stages;
        State& s;
        std::uint32_t p, n, first_transfer;
        const StagePlan& stage;
        Tick now;

        [[nodiscard]] WT_HD const LayerPlan& layer(std::uint32_t l) const { return s.blueprint().layers[stage.first_layer + l]; }
        [[nodiscard]] WT_HD std::uint32_t& at(std::int32_t artefact) const { return stages.m_on_nodes[cell(s, n, artefact)]; }
        WT_HD void found(std::uint32_t l) const {
            s.owner().note(OccurrenceRecord{Occurrence::layer_downloaded, p, stage.first_layer + l, 0, now});
        }
        WT_HD void download(std::uint32_t slot, std::uint32_t l) const {
            begin(slot, layer(l).bytes, layer(l).download, route_over(s.blueprint(), stage.source, true, true, n));
        }
        WT_HD void unpack(std::uint32_t l) const {
            begin(stage.downloads, layer(l).unpacked, layer(l).unpack, route_over(s.blueprint(), no_link, false, true, n));
        }
        WT_HD void begin(std::uint32_t place, std::int64_t bytes, Tick alone, const Route& route) const {
            stages.m_links.begin(first_transfer + place, bytes, stages.m_pulls[p].scaled(alone, stage.fixed), route, now);
        }
    };
    [[nodiscard]] WT_HD PullNode node_of_pull(State& s, std::uint32_t p, std::uint32_t i, Tick now) {
        return {*this, s, p, s.pod(p).node, transfer_of(s, p, i), stage_of(s, s.template_of(s.pod(p)), i), now};
    }
    WT_HD_COLD void pull_on(State& s, std::uint32_t p, std::uint32_t i, Tick now) {
        PullNode node = node_of_pull(s, p, i, now);
        if (!go_on_pulling(m_pulls[p], node.stage, p, node)) return;
        stop_layers(s, p, i, now);  // those that another pull has unpacked meanwhile
        m_ends[end_index(s, p, i)] = now;
        m_pods[p].looks = true;
        s.wake_pod(p, now);
    }
    /// A layer has come, or has been unpacked: all pulls on the node look what they may do now.
    WT_HD_COLD void layer_through(State& s, std::uint32_t p, std::uint32_t i, std::uint32_t place, Tick now) {
        PullNode node = node_of_pull(s, p, i, now);
        LayerPull& pull = m_pulls[p];
        const bool download = place < node.stage.downloads;
        const std::uint32_t l = download ? pull.at[place] : pull.unpacked;
        const LayerPlan& layer = node.layer(l);
        node.at(download ? layer.blob : layer.chain) = present;
        if (download) {
            pull.note(l);
            pull.at[place] = LayerPull::no_layer;
        } else {
            pull.unpacking = 0;
            ++pull.unpacked;
        }
        s.owner().note(OccurrenceRecord{download ? Occurrence::layer_downloaded : Occurrence::layer_unpacked, p,
                                        node.stage.first_layer + l,
                                        (now - m_links.began(node.first_transfer + place)).count, now});
        pulls_on(s, node.n, now);
    }
    WT_HD_COLD void pulls_on(State& s, std::uint32_t n, Tick now) {
        for (std::uint32_t q = s.node(n).first_pod; q != no_index; q = s.pod(q).next_on_node) {
            const TemplatePlan& plan = s.template_of(s.pod(q));
            for (std::uint32_t rest = m_pods[q].running; rest != 0; rest &= rest - 1) {
                const std::uint32_t i = lowest_bit(rest);
                if (stage_of(s, plan, i).layer_count > 0 && m_ends[end_index(s, q, i)] == never) pull_on(s, q, i, now);
            }
        }
    }
    WT_HD static void give_up(const PullNode& node, std::int32_t artefact) {
        if (node.at(artefact) == node.p) node.at(artefact) = absent;
    }
    /// The pull stops: layers that are whole stay, parts of one do not.
    WT_HD_COLD void stop_layers(State& s, std::uint32_t p, std::uint32_t i, Tick now) {
        PullNode node = node_of_pull(s, p, i, now);
        LayerPull& pull = m_pulls[p];
        for (std::uint32_t slot = 0; slot < node.stage.downloads; ++slot) {
            m_links.end(node.first_transfer + slot, now);
            const std::uint8_t l = pull.at[slot];
            if (l != LayerPull::no_layer) give_up(node, node.layer(l).blob);
        }
        m_links.end(node.first_transfer + node.stage.downloads, now);
        if (pull.unpacking != 0) give_up(node, node.layer(pull.unpacked).chain);
        pull = LayerPull{};
    }

    WT_HD_COLD void prefetched(State& s, std::uint32_t which, Tick now) {
        const Blueprint& b = s.blueprint();
        const auto count = static_cast<std::uint32_t>(b.prefetches.size());
        m_on_nodes[cell(s, which / count, b.prefetches[which % count].stage)] = present;
        keep_on_node(s, which / count, b.prefetches[which % count].stage);
        rouse(s, which / count, Kept::node, now);
        pulls_on(s, which / count, now);
    }

    /// The pod's transfers are numbered among themselves.
    [[nodiscard]] WT_HD std::uint32_t transfer_of(const State& s, std::uint32_t p, std::uint32_t i) const {
        const TemplatePlan& plan = s.template_of(s.pod(p));
        std::uint32_t before = 0;
        for (std::uint32_t k = 0; k < i; ++k) before += stage_of(s, plan, k).transfers();
        return p * s.blueprint().most_transfers + before;
    }
    /// Which stage a place is of; the place is then the one among that stage's.
    [[nodiscard]] WT_HD std::uint32_t stage_of_transfer(const State& s, std::uint32_t p, std::uint32_t& place) const {
        const TemplatePlan& plan = s.template_of(s.pod(p));
        std::uint32_t i = 0;
        for (; place >= stage_of(s, plan, i).transfers(); ++i) place -= stage_of(s, plan, i).transfers();
        return i;
    }
    [[nodiscard]] WT_HD static Tick duration(const State& s, std::int32_t table, Tick fixed, std::uint32_t p,
                                             std::uint32_t number) {
        if (table < 0) return fixed;
        return {s.blueprint().tables[static_cast<std::size_t>(table)].sample(
            s.pod_draw(StreamPurpose::cold_start, p, number))};
    }

    ArenaArray<PodStages, Layout> m_pods;
    ArenaArray<Tick, Layout> m_ends;  ///< [pod][stage] of those that run; `never` = with its transfer
    IndexSet<Layout> m_waiting;       ///< pods with a stage that waits
    ArenaArray<NodeCache, Layout> m_nodes;
    ArenaArray<std::uint32_t, Layout> m_on_nodes;  ///< [node][artefact]
    ArenaArray<std::uint32_t, Layout> m_shared;    ///< [artefact]
    ArenaArray<LayerPull, Layout> m_pulls;         ///< [pod], where images come by layers
    SharedLinks<Layout> m_links;
    bool m_moves = false;  ///< somebody moves bytes
};

}  // namespace windtunnel
