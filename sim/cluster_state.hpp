#pragma once
#include "models/arena.hpp"
#include "models/fault.hpp"
#include "models/index_set.hpp"
#include "models/random.hpp"
#include "policies/karpenter_lifecycle.hpp"
#include "sim/blueprint.hpp"
#include "sim/calendar.hpp"
#include "sim/cluster_objects.hpp"
#include "sim/control_slots.hpp"
#include "sim/node_bill.hpp"
#include "sim/node_images.hpp"
#include "sim/occurrence.hpp"
#include "sim/reservation_seats.hpp"
#include "sim/spot_seats.hpp"
#include "sim/tally.hpp"

namespace windtunnel {

/// What the parts of the fleet share: pods, nodes, workloads, and the changes that keep their lists and
/// counters consistent. It decides nothing.
///
/// `Owner` hears of every change (sim/fleet.hpp).
template <class Layout, class Owner>
class ClusterState {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_pods = arena.template take<Pod>(b.pod_slots);
        m_existing.take_memory(arena, b.pod_slots);
        m_serving.take_memory(arena, b.pod_slots);
        for (IndexSet<Layout>& set : m_nodes_in) set.take_memory(arena, b.node_slots);
        for (IndexSet<Layout>& set : m_changed_nodes) set.take_memory(arena, b.node_slots);
        m_nodes = arena.template take<ClusterNode>(b.node_slots);
        m_workloads = arena.template take<WorkloadState>(b.workloads.size());
        m_revisions = arena.template take<RevisionState>(b.templates.size());
        m_free_nodes = arena.template take<std::uint32_t>(b.pools.size());
        m_shape_nodes = arena.template take<std::uint32_t>(b.shapes.size());
        m_reservations.take_memory(arena, b);
        m_topology.cells = arena.template take<TopologyCell>(b.topology_cells);
        m_spot.take_memory(arena, b);
        m_images.take_memory(arena, b);
    }

    WT_HD_COLD void start(const Blueprint& b, TrialKey key, Owner& owner, Calendar<Layout>& calendar,
                          Tally& tally, ControlSlots slots) {
        m_blueprint = &b;
        m_key = key;
        m_owner = &owner;
        m_calendar = &calendar;
        m_tally = &tally;
        m_slots = slots;
        m_nominated = 0;
        m_existing.clear();
        m_serving.clear();
        for (IndexSet<Layout>& set : m_nodes_in) set.clear();
        for (IndexSet<Layout>& set : m_changed_nodes) set.clear();
        m_launches = 0;
        m_sold_out = m_withheld = ShapeSet{};
        m_spot.start(b, key.seed, key.trial);
        m_images.start(b);
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) m_shape_nodes[i] = 0;
        m_reservations.start(b, m_sold_out);
        m_topology.plans = b.counters.data();
        for (std::uint32_t i = 0; i < b.topology_cells; ++i) m_topology.cells[i] = TopologyCell{};
        for (std::uint32_t p = 0; p < b.pools.size(); ++p) {
            m_free_nodes[p] = no_index;
            for (std::uint32_t i = b.pools[p].node_slots; i-- > 0;) {
                const std::uint32_t n = b.pools[p].first_node + i;
                m_nodes[n] = ClusterNode{};
                m_nodes[n].pool = static_cast<std::uint16_t>(p);
                m_nodes[n].shape = static_cast<std::uint16_t>(b.pools[p].first_shape);
                m_nodes[n].next = m_free_nodes[p];
                m_free_nodes[p] = n;
            }
        }
        for (std::uint32_t t = 0; t < b.templates.size(); ++t) m_revisions[t] = RevisionState{};
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
            const WorkloadPlan& plan = b.workloads[w];
            m_workloads[w] = WorkloadState{};
            m_workloads[w].revision = m_workloads[w].old_revision = plan.first_template;
            for (std::uint32_t i = plan.pod_slots; i-- > 0;) {
                Pod& pod = m_pods[plan.first_pod + i];
                pod = Pod{};
                pod.workload = static_cast<std::uint16_t>(w);
                pod.revision = plan.first_template;
                pod.next = m_workloads[w].free_pods;
                m_workloads[w].free_pods = plan.first_pod + i;
            }
        }
    }

    [[nodiscard]] WT_HD const Blueprint& blueprint() const { return *m_blueprint; }
    [[nodiscard]] WT_HD Pod& pod(std::uint32_t i) const { return m_pods[i]; }
    [[nodiscard]] WT_HD ClusterNode& node(std::uint32_t i) const { return m_nodes[i]; }
    /// The pod slots in use, and those whose engine runs.
    [[nodiscard]] WT_HD const IndexSet<Layout>& existing() const { return m_existing; }
    [[nodiscard]] WT_HD const IndexSet<Layout>& serving() const { return m_serving; }
    /// The node slots in a state; there is none for `none`.
    [[nodiscard]] WT_HD const IndexSet<Layout>& nodes_in(NodeState state) const {
        return m_nodes_in[static_cast<int>(state)];
    }
    [[nodiscard]] WT_HD WorkloadState& workload(std::uint32_t i) const { return m_workloads[i]; }
    [[nodiscard]] WT_HD RevisionState& revision(std::uint32_t t) const { return m_revisions[t]; }
    [[nodiscard]] WT_HD const TemplatePlan& template_of(const Pod& pod) const {
        return m_blueprint->templates[pod.revision];
    }
    /// What new pods of a workload are made from.
    [[nodiscard]] WT_HD const TemplatePlan& current_template(std::uint32_t w) const {
        return m_blueprint->templates[m_workloads[w].revision];
    }
    [[nodiscard]] WT_HD const ShapePlan& shape_of(const ClusterNode& node) const {
        return m_blueprint->shapes[node.shape];
    }
    /// What a pod's engine is, on the GPUs of its node: index into Blueprint::servers, -1 = none, no_fit_server.
    [[nodiscard]] WT_HD std::int32_t server_of(const Pod& pod) const {
        const TemplatePlan& plan = template_of(pod);
        if (plan.first_kind < 0 || pod.node == no_index) return plan.server;
        const std::uint32_t kind = shape_of(m_nodes[pod.node]).gpu_kind;
        return m_blueprint->kind_servers[static_cast<std::uint32_t>(plan.first_kind) + kind];
    }
    [[nodiscard]] WT_HD Owner& owner() const { return *m_owner; }
    [[nodiscard]] WT_HD Tally& tally() const { return *m_tally; }

    /// Nodes whose state or room has changed since the watcher last looked; it takes out what it has seen.
    [[nodiscard]] WT_HD IndexSet<Layout>& changed_nodes(NodeWatcher who) {
        return m_changed_nodes[static_cast<int>(who)];
    }

    // ---- the calendar ----------------------------------------------------------------------------------

    WT_HD void wake_pod(std::uint32_t p, Tick at) { m_calendar->set(m_slots.pods + p, at); }
    /// The workload's controller looks at it at `at`, or earlier if something else wants that.
    WT_HD void wake_workload(std::uint32_t w, Tick at) {
        m_calendar->set(m_slots.workloads + w, min(m_calendar->time(m_slots.workloads + w), at));
    }
    WT_HD void clear_workload(std::uint32_t w) { m_calendar->set(m_slots.workloads + w, never); }
    WT_HD void wake_quota(Tick at) { m_calendar->set(m_slots.quota, at); }
    WT_HD void wake_cron(std::uint32_t c, Tick at) { m_calendar->set(m_slots.crons + c, at); }
    WT_HD void wake_transfers(Tick at) { m_calendar->set(m_slots.transfers, at); }
    WT_HD void wake_autoscaler(Tick at) { m_calendar->set(m_slots.node_scaling, at); }
    WT_HD void wake_batch(Tick at) { m_calendar->set(m_slots.karpenter_batch, at); }
    WT_HD void wake_disruption(Tick at) { m_calendar->set(m_slots.karpenter_disruption, at); }
    /// Changes with every pod that comes to or leaves a node and every node that comes or leaves.
    [[nodiscard]] WT_HD std::uint64_t version() const { return m_version; }
    /// Changes with everything that disrupting nodes depends on, a pod's Ready condition included.
    [[nodiscard]] WT_HD std::uint64_t changes() const { return m_changes; }
    [[nodiscard]] WT_HD Tick autoscaler_due() const { return m_calendar->time(m_slots.node_scaling); }
    WT_HD void wake_node(std::uint32_t n, Tick at) { m_calendar->set(m_slots.nodes + n, at); }
    // Of spot nodes, spot markets and pools with spot nodes; only where the scenario has a market.
    WT_HD void wake_spot(std::uint32_t n, Tick at) { m_calendar->set(m_slots.spot_nodes + n, at); }
    WT_HD void wake_market(std::uint32_t m, Tick at) { m_calendar->set(m_slots.spot_markets + m, at); }
    WT_HD void wake_pool(std::uint32_t p, Tick at) { m_calendar->set(m_slots.spot_pools + p, at); }
    [[nodiscard]] WT_HD Tick pool_due(std::uint32_t p) const { return m_calendar->time(m_slots.spot_pools + p); }

    // ---- pods ------------------------------------------------------------------------------------------

    /// A new pod of a workload's revision, without a node; `no_index` when all slots are taken.
    WT_HD_COLD std::uint32_t create_pod(std::uint32_t w, std::uint32_t revision, Tick now) {
        WorkloadState& state = m_workloads[w];
        const std::uint32_t p = state.free_pods;
        if (p == no_index) return no_index;
        state.free_pods = m_pods[p].next;
        create_pod_at(p, revision, now);
        return p;
    }
    /// The same in the slot of an ordinal. Requires that the slot is free.
    WT_HD_COLD void create_pod_at(std::uint32_t p, std::uint32_t revision, Tick now) {
        Pod& pod = m_pods[p];
        const std::uint32_t w = pod.workload;
        const std::uint32_t incarnation = pod.incarnation + 1;
        pod = Pod{};
        pod.workload = static_cast<std::uint16_t>(w);
        pod.revision = revision;
        pod.incarnation = incarnation;
        pod.state = PodState::pending;
        pod.created = now;
        m_existing.add(p);
        m_workloads[w].active += is_replica(p) ? 1 : 0;
        ++m_revisions[revision].active;
        ++m_revisions[revision].existing;
        m_owner->pod_changed(p, now);
    }
    /// The pod got its deletion time, or ended by itself.
    WT_HD void leave_active(std::uint32_t p) {
        m_workloads[m_pods[p].workload].active -= is_replica(p) ? 1 : 0;
        --m_revisions[m_pods[p].revision].active;
        leave_spread(p);
        if (m_pods[p].node != no_index) note_node_change(m_pods[p].node);
    }
    /// What autoscalers and budgets count: not the workers of a group.
    [[nodiscard]] WT_HD bool is_replica(std::uint32_t p) const {
        const WorkloadPlan& plan = m_blueprint->workloads[m_pods[p].workload];
        return plan.is_replica(p - plan.first_pod);
    }

    /// Gives the pod its place on a node.
    WT_HD_CALL void bind(std::uint32_t p, std::uint32_t n, Tick now) {
        Pod& pod = m_pods[p];
        ClusterNode& node = m_nodes[n];
        charge(pod, n, 1);
        stop_or_start_spread(p, n, 1);
        note_pod_change(node, now);
        ++node.pods;
        pod.next_on_node = node.first_pod;
        pod.previous_on_node = no_index;
        if (node.first_pod != no_index) m_pods[node.first_pod].previous_on_node = p;
        node.first_pod = p;
        pod.node = n;
        pod.bound = now;
        pod.state = PodState::starting;
        pod.stage = 0;
        m_owner->pod_changed(p, now);
    }

    /// Takes the pod off its node; what it held there is free.
    WT_HD_CALL void unbind(std::uint32_t p, Tick now) {
        Pod& pod = m_pods[p];
        ClusterNode& node = m_nodes[pod.node];
        if (pod.spread_counted) stop_or_start_spread(p, pod.node, -1);
        charge(pod, pod.node, -1);
        note_pod_change(node, now);
        if (--node.pods == 0) node.empty_since = now;
        if (pod.previous_on_node != no_index)
            m_pods[pod.previous_on_node].next_on_node = pod.next_on_node;
        else
            node.first_pod = pod.next_on_node;
        if (pod.next_on_node != no_index) m_pods[pod.next_on_node].previous_on_node = pod.previous_on_node;
        pod.next_on_node = pod.previous_on_node = no_index;
        pod.node = no_index;
    }

    /// The pod got its deletion time: topology spreading no longer counts it.
    WT_HD void leave_spread(std::uint32_t p) {
        if (m_pods[p].spread_counted) stop_or_start_spread(p, m_pods[p].node, -1);
    }

    // ---- what the scheduler counts ---------------------------------------------------------------------

    [[nodiscard]] WT_HD const TopologyCounts<ArenaArray<TopologyCell, Layout>>& topology() const {
        return m_topology;
    }
    [[nodiscard]] WT_HD std::int32_t domain(std::int32_t key, std::uint32_t n) const {
        if (key == topology_hostname) return static_cast<std::int32_t>(n);
        const std::size_t row = static_cast<std::size_t>(key - 1) * m_blueprint->shapes.size();
        return m_blueprint->shape_domains[row + m_nodes[n].shape];
    }
    /// Room, scores and affinity counters of a node with (by = 1) or without (by = -1) a pod. Also for a dry run.
    WT_HD_CALL void charge(const Pod& pod, std::uint32_t n, std::int32_t by) {
        account(pod, n, by);
        note_node_change(n);
    }
    /// The counters of topology spreading, likewise.
    WT_HD void charge_spread(const Pod& pod, std::uint32_t n, std::int32_t by) {
        count_pod(template_of(pod), n, by, false);
    }
    /// Both, in mind: it is taken back before anybody else looks at the node.
    WT_HD_CALL void suppose(const Pod& pod, std::uint32_t n, std::int32_t by) {
        account(pod, n, by);
        charge_spread(pod, n, by);
    }
    /// The node is known to the scheduler, or no longer.
    WT_HD void count_node_domains(std::uint32_t n, bool present) {
        m_nodes[n].in_topology = present;
        for (std::uint32_t c = 0; c < m_blueprint->counters.size(); ++c)
            if (m_blueprint->counters[c].shapes.has(m_nodes[n].shape))
                m_topology.change_nodes(static_cast<std::int32_t>(c),
                                        domain(static_cast<std::int32_t>(m_blueprint->counters[c].key), n),
                                        present ? 1 : -1);
    }

    WT_HD void count_nominated(std::int32_t by) { m_nominated += by; }
    [[nodiscard]] WT_HD bool has_nominated() const { return m_nominated > 0; }

    /// The object is deleted. Requires that the pod is on no node and no longer active.
    WT_HD void forget_pod(std::uint32_t p, Tick now) {
        Pod& pod = m_pods[p];
        --m_revisions[pod.revision].existing;
        pod.state = PodState::none;
        m_existing.remove(p);
        if (m_blueprint->workloads[pod.workload].controller != WorkloadController::ordinals) {
            pod.next = m_workloads[pod.workload].free_pods;
            m_workloads[pod.workload].free_pods = p;
        }
        m_owner->pod_changed(p, now);
        tell_controller(pod.workload, now);
    }

    WT_HD void become_ready(std::uint32_t p, Tick now) {
        Pod& pod = m_pods[p];
        pod.state = PodState::ready;
        pod.ready_since = now;
        count_ready(p, now, 1);
        m_owner->pod_changed(p, now);
        tell_controller(pod.workload, now);
    }
    WT_HD void leave_ready(std::uint32_t p, Tick now) {
        count_ready(p, now, -1);
        tell_controller(m_pods[p].workload, now);
    }
    /// A pod of the workload has changed: its controller looks, in the workload's own slot, if that can matter to it.
    WT_HD void tell_controller(std::uint32_t w, Tick now) {
        const WorkloadState& state = m_workloads[w];
        const WorkloadController kind = m_blueprint->workloads[w].controller;
        if (state.rolling || state.failures > 0 || kind == WorkloadController::ordinals ||
            kind == WorkloadController::batch_job)
            wake_workload(w, now);
    }

    /// Its engine runs, or no longer.
    WT_HD void set_serving(std::uint32_t p, bool serving) {
        m_pods[p].serving = serving;
        m_serving.set(p, serving);
    }

    // ---- nodes -----------------------------------------------------------------------------------------

    /// Every change of a node's state goes through here.
    WT_HD_CALL void set_node_state(std::uint32_t n, NodeState to, Tick now) {
        NodeState& state = m_nodes[n].state;
        if (state != NodeState::none) m_nodes_in[static_cast<int>(state)].remove(n);
        if (to != NodeState::none) m_nodes_in[static_cast<int>(to)].add(n);
        state = to;
        note_node_change(n);
        m_owner->node_changed(n, now);
    }
    [[nodiscard]] WT_HD bool has_free_node(std::uint32_t pool) const {
        return m_free_nodes[pool] != no_index;
    }
    /// Nodes that there are for the scheduler, Ready or not: all but those that are still coming.
    [[nodiscard]] WT_HD std::uint32_t registered_nodes() const {
        std::uint32_t sum = 0;
        for (int state = static_cast<int>(NodeState::ready); state < node_states; ++state) sum += m_nodes_in[state].size();
        return sum;
    }
    /// Nodes of a shape, coming ones included; of all shapes in [first, first + count).
    [[nodiscard]] WT_HD std::uint32_t nodes_of(std::uint32_t first, std::uint32_t count = 1) const {
        std::uint32_t sum = 0;
        for (std::uint32_t i = first; i < first + count; ++i) sum += m_shape_nodes[i];
        return sum;
    }
    /// The first free slot of a pool; ClusterNode::next leads on.
    [[nodiscard]] WT_HD std::uint32_t first_free_node(std::uint32_t pool) const { return m_free_nodes[pool]; }
    /// Shapes that the cloud has none of just now.
    [[nodiscard]] WT_HD const ShapeSet& sold_out() const { return m_sold_out; }
    /// Whether the next node of a shape is a reserved one.
    [[nodiscard]] WT_HD bool has_reservation_left(std::uint32_t shape) const { return m_reservations.has_left(shape); }
    /// A reservation gives nodes from now on, or gives none any more.
    WT_HD_COLD void open_reservation(std::uint32_t shape, bool open, Tick now) {
        m_reservations.open(m_blueprint->shapes[shape], shape, open);
        fill_reservation(shape, now);
        find_sold_out();
    }
    /// A node goes on on demand, or in its shape's reservation; it is billed so from now on.
    WT_HD_COLD void rebook(std::uint32_t n, bool reserved, Tick now) {
        m_owner->node_price_ends(n, now);
        count_node(n, now, -1);
        m_nodes[n].reserved = reserved;
        count_node(n, now, 1);
    }
    /// The row of Tally::pools that a node is billed in.
    [[nodiscard]] WT_HD std::uint32_t bill_of(const ClusterNode& node) const { return node.reserved ? shape_of(node).reserved_bill : shape_of(node).bill; }
    /// What the scenario says there is none of.
    WT_HD_COLD void withhold(const ShapeSet& shapes) {
        m_withheld = shapes;
        find_sold_out();
    }
    [[nodiscard]] WT_HD const SpotSeats<Layout>& spot() const { return m_spot; }
    [[nodiscard]] WT_HD SpotSeats<Layout>& spot() { return m_spot; }
    [[nodiscard]] WT_HD NodeImages<Layout>& images() { return m_images; }
    [[nodiscard]] WT_HD const NodeImages<Layout>& images() const { return m_images; }
    /// The market's capacity, or the number of its nodes, has changed.
    WT_HD_COLD void note_market(std::uint32_t m) {
        if (m_spot.plan(m).has_capacity_process()) find_sold_out();
    }
    /// The machine of a node that has been lost is gone: it costs nothing any more, though its object is there.
    WT_HD_COLD void end_bill(std::uint32_t n, Tick now) {
        if (m_nodes[n].unbilled) return;
        m_owner->node_bill_ends(n, now);
        count_node(n, now, -1);
        bill_rest(*m_blueprint, m_nodes[n], m_spot, now, m_tally->pools[bill_of(m_nodes[n])]);
        m_nodes[n].unbilled = 1;
        fill_reservation(m_nodes[n].shape, now);
    }
    /// Whether a shape is among the spot markets that are deep just now, which is not known from outside: a fair
    /// coin for each at every launch.
    [[nodiscard]] WT_HD bool is_deep(std::uint32_t shape) const {
        return (controller_draw(StreamPurpose::spot_depth, m_launches, shape) & 1) != 0;
    }
    WT_HD void next_launch() { ++m_launches; }
    /// A node slot of the pool, as a node of the shape that is being provisioned; it is billed from here on.
    /// Requires has_free_node(the shape's pool).
    WT_HD_COLD std::uint32_t add_node(std::uint32_t shape, Tick now, Fault& fault) {
        const ShapePlan& plan = m_blueprint->shapes[shape];
        std::uint32_t n = m_free_nodes[plan.pool];
        if (!WT_CHECK(fault, n != no_index)) return m_blueprint->pools[plan.pool].first_node;
        ClusterNode& node = m_nodes[n];
        m_free_nodes[plan.pool] = node.next;
        const std::uint32_t incarnation = node.incarnation + 1;
        node = ClusterNode{};
        node.pool = static_cast<std::uint16_t>(plan.pool);
        node.shape = static_cast<std::uint16_t>(shape);
        node.incarnation = incarnation;
        node.free = plan.room();
        node.used = {plan.daemon_scoring_cpu_milli, plan.daemon_scoring_memory};
        node.launched = now;
        node.reserved = has_reservation_left(shape);
        ++m_tally->pools[bill_of(node)].launched;
        count_node(n, now, 1);
        if (plan.market >= 0) take_seat(n, static_cast<std::uint32_t>(plan.market), now);
        set_node_state(n, NodeState::provisioning, now);
        return n;
    }
    WT_HD_CALL void drop_node(std::uint32_t n, Tick now) {
        ClusterNode& node = m_nodes[n];
        const ShapePlan& plan = shape_of(node);
        const bool billed = !node.unbilled;
        if (billed) {
            count_node(n, now, -1);
            bill_rest(*m_blueprint, node, m_spot, now, m_tally->pools[bill_of(node)]);
        }
        if (plan.market >= 0) {
            m_spot.release(static_cast<std::uint32_t>(plan.market), node.seat);
            node.spot = SpotStage::none;
            wake_spot(n, never);
            note_market(static_cast<std::uint32_t>(plan.market));
        }
        if (node.in_topology) count_node_domains(n, false);
        m_images.node_gone(n);
        node.next = m_free_nodes[node.pool];
        m_free_nodes[node.pool] = n;
        set_node_state(n, NodeState::none, now);
        if (billed) fill_reservation(node.shape, now);
    }

    // ---- random draws ----------------------------------------------------------------------------------

    // Streams are named by workload or pool and place in it, and by incarnation: independent of how many
    // slots other workloads have.
    [[nodiscard]] WT_HD_CALL std::uint64_t pod_draw(StreamPurpose purpose, std::uint32_t p,
                                                    std::uint32_t number) const {
        const Pod& pod = m_pods[p];
        const std::uint32_t local = p - m_blueprint->workloads[pod.workload].first_pod;
        return RandomStream(m_key.seed, m_key.trial, purpose, (std::uint32_t{pod.workload} << 24) | local,
                            pod.incarnation * 64 + number)
            .next_u64();
    }
    /// Draws about something that is no pod.
    [[nodiscard]] WT_HD RandomStream stream(StreamPurpose purpose, std::uint32_t entity) const {
        return {m_key.seed, m_key.trial, purpose, entity};
    }
    /// A draw of a controller of which there is one, by a number that it counts up.
    [[nodiscard]] WT_HD std::uint64_t controller_draw(StreamPurpose purpose, std::uint32_t number,
                                                      std::uint32_t entity = 0) const {
        return RandomStream(m_key.seed, m_key.trial, purpose, entity, number).next_u64();
    }
    [[nodiscard]] WT_HD std::uint64_t node_draw(StreamPurpose purpose, std::uint32_t n) const {
        const ClusterNode& node = m_nodes[n];
        const std::uint32_t local = n - m_blueprint->pools[node.pool].first_node;
        return RandomStream(m_key.seed, m_key.trial, purpose, (std::uint32_t{node.pool} << 24) | local,
                            node.incarnation)
            .next_u64();
    }

    /// A node's room has changed by itself.
    WT_HD void changed_room(std::uint32_t n) { note_node_change(n); }

private:
    WT_HD_COLD void find_sold_out() {
        m_sold_out = m_withheld;
        add_beyond_quotas(*m_blueprint, m_shape_nodes, m_sold_out);
        for (std::uint32_t i = 0; i < m_blueprint->shapes.size(); ++i) {
            const std::int32_t m = m_blueprint->shapes[i].market;
            if (m >= 0 && !m_spot.has_room(static_cast<std::uint32_t>(m))) m_sold_out.add(static_cast<std::int32_t>(i));
            m_reservations.correct(m_blueprint->shapes[i], i, m_sold_out);
        }
    }
    WT_HD_COLD void take_seat(std::uint32_t n, std::uint32_t m, Tick now) {
        ClusterNode& node = m_nodes[n];
        const SpotMarketPlan& plan = m_spot.plan(m);
        node.seat = m_spot.take(m);
        node.spot = SpotStage::running;
        node.notice_at = interruption_of(plan, m_spot.data(), node.seat, now, m_blueprint->span + m_blueprint->drain_limit);
        Tick due = node.notice_at;
        if (due != never && plan.rebalance_lead != never) due = max(now, due - plan.rebalance_lead);
        wake_spot(n, due);
        note_market(m);
    }
    WT_HD_COLD void fill_reservation(std::uint32_t shape, Tick now) {
        if (m_blueprint->shapes[shape].reserved_absorbs && has_reservation_left(shape)) take_into_reservation(*this, shape, now);
    }
    WT_HD void note_node_change(std::uint32_t n) {
        ++m_changes;
        for (IndexSet<Layout>& set : m_changed_nodes) set.add(n);
    }
    WT_HD_CALL void account(const Pod& pod, std::uint32_t n, std::int32_t by) {
        const TemplatePlan& plan = template_of(pod);
        ClusterNode& node = m_nodes[n];
        if (by > 0)
            node.free -= plan.needs;
        else
            node.free += plan.needs;
        node.used.cpu_milli += by * plan.scoring_cpu_milli;
        node.used.memory_bytes += by * plan.scoring_memory;
        count_pod(plan, n, by, true);
    }
    WT_HD void count_ready(std::uint32_t p, Tick now, std::int32_t by) {
        const Pod& pod = m_pods[p];
        ++m_changes;
        if (is_replica(p)) m_workloads[pod.workload].ready += static_cast<std::uint32_t>(by);
        m_revisions[pod.revision].ready += static_cast<std::uint32_t>(by);
        if (template_of(pod).server >= 0) m_tally->ready_replicas.change(now, m_blueprint->span, by);
    }
    WT_HD void stop_or_start_spread(std::uint32_t p, std::uint32_t n, std::int32_t by) {
        m_pods[p].spread_counted = by > 0;
        charge_spread(m_pods[p], n, by);
    }
    WT_HD void count_pod(const TemplatePlan& plan, std::uint32_t n, std::int32_t by, bool terminating) {
        for (std::uint32_t i = 0; i < plan.counted_count; ++i) {
            const std::uint32_t c = m_blueprint->counted_by[plan.first_counted + i];
            const TopologyCounterPlan& counter = m_blueprint->counters[c];
            if (counter.counts_terminating == terminating && counter.shapes.has(m_nodes[n].shape))
                m_topology.change_pods(static_cast<std::int32_t>(c),
                                       domain(static_cast<std::int32_t>(counter.key), n), by);
        }
    }
    WT_HD void note_pod_change(ClusterNode& node, Tick now) {
        note_pod_event(node.last_pod_event, node.had_pod_event, now);
        ++m_version;
    }
    WT_HD_CALL void count_node(std::uint32_t n, Tick now, std::int32_t by) {
        const Tick span = m_blueprint->span;
        const ClusterNode& node = m_nodes[n];
        const std::uint32_t which = node.shape;
        const ShapePlan& shape = m_blueprint->shapes[which];
        ++m_version;
        PoolTally& bill = m_tally->pools[bill_of(node)];
        bill.count(now, span, by, m_spot.price(shape), shape.gpus, node.reserved ? 0 : newly_covered(shape, bill.nodes.value, by));
        m_shape_nodes[which] += static_cast<std::uint32_t>(by);
        if (node.reserved) m_reservations.count(which, by);
        if (shape.reserved > 0 || m_blueprint->cloud_quotas.size() > 0) find_sold_out();
        count_fallback(*m_blueprint, shape.pool, m_shape_nodes, now, *m_tally);
        m_tally->nodes.change(now, span, by);
        m_tally->gpus.change(now, span, by * shape.gpus);
    }

    const Blueprint* m_blueprint = nullptr;
    TrialKey m_key;
    Owner* m_owner = nullptr;
    Calendar<Layout>* m_calendar = nullptr;
    Tally* m_tally = nullptr;
    ControlSlots m_slots;
    std::uint64_t m_version = 0, m_changes = 0;
    ArenaArray<Pod, Layout> m_pods;
    IndexSet<Layout> m_existing, m_serving;
    ArenaArray<ClusterNode, Layout> m_nodes;
    IndexSet<Layout> m_nodes_in[node_states];  ///< [NodeState]
    IndexSet<Layout> m_changed_nodes[node_watchers];  ///< [NodeWatcher]
    ArenaArray<WorkloadState, Layout> m_workloads;
    ArenaArray<RevisionState, Layout> m_revisions;
    std::int32_t m_nominated = 0;  ///< pending pods with a nominated node
    TopologyCounts<ArenaArray<TopologyCell, Layout>> m_topology;
    ArenaArray<std::uint32_t, Layout> m_free_nodes;  ///< per pool: its first free slot
    ArenaArray<std::uint32_t, Layout> m_shape_nodes;
    ReservationSeats<Layout> m_reservations;
    ShapeSet m_sold_out, m_withheld;
    SpotSeats<Layout> m_spot;
    NodeImages<Layout> m_images;
    std::uint32_t m_launches = 0;  ///< numbers the draws of spot depth
};

}  // namespace windtunnel
