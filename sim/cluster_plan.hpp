#pragma once
#include "models/index_set.hpp"
#include "models/quantile_table.hpp"
#include "models/time.hpp"
#include "policies/batch_job.hpp"
#include "policies/ca_loop.hpp"
#include "policies/ca_estimator.hpp"
#include "policies/ca_scale_down.hpp"
#include "policies/karpenter_budget.hpp"
#include "policies/karpenter_disruption.hpp"
#include "policies/container_probes.hpp"
#include "policies/disruption_budget.hpp"
#include "policies/karpenter_provisioning.hpp"
#include "policies/node_lifecycle.hpp"
#include "policies/resources.hpp"
#include "policies/restart_backoff.hpp"
#include "policies/retry.hpp"
#include "policies/rollout.hpp"
#include "policies/scheduler_rules.hpp"
#include "policies/scheduler_topology.hpp"
#include "policies/stateful_set.hpp"
#include "policies/worker_group.hpp"
#include "sim/start_plan.hpp"

#include <cstdint>

namespace windtunnel {

inline constexpr std::uint32_t max_pools = 64;
inline constexpr std::uint32_t max_workloads = 256;
inline constexpr std::uint32_t max_shapes = karpenter_max_offerings;

/// GPUs that are asked for whole (nvidia.com/gpu and its like): the first extended resource.
inline constexpr std::int32_t resource_gpus = resource_extended;

/// Kinds of nodes, by index into Blueprint::shapes.
using ShapeSet = OfferingSet;

/// What a pod asks for, or what a node has, of the resources that every cluster has.
WT_HD constexpr ResourceAmounts resource_amounts(std::int64_t gpus, std::int64_t cpu_milli,
                                                 std::int64_t memory_bytes, std::int64_t pods) {
    ResourceAmounts r;
    r[resource_gpus] = gpus;
    r[resource_cpu_milli] = cpu_milli;
    r[resource_memory_bytes] = memory_bytes;
    r[resource_pods] = pods;
    return r;
}

// ---- nodes ---------------------------------------------------------------------------------------------

/// What the units of an extended resource are on a node: its devices [first, first + count), each of which
/// `clients` pods may have at once.
struct DeviceRange {
    std::uint8_t first = 0, count = 0;  ///< 0 = not known one by one
    std::uint8_t clients = 1;
    std::uint8_t takes_turns = 0;  ///< its clients share its time and its memory; or have fixed parts of it
    /// A unit is num / den of a GPU: 1/1, 1/4 of one that four share, 2/7 of one whose slice has 2 of 7.
    std::uint16_t num = 1, den = 1;
};
inline constexpr std::int32_t extended_kinds = resource_kinds - resource_extended;

/// One kind of node that a pool can give: an instance type in a zone, bought in one way. Labels and taints
/// are resolved when the scenario is compiled: a pod template names the shapes that it may run on.
struct ShapePlan {
    std::uint32_t pool = 0;
    std::uint32_t zone = 0;                ///< index into the scenario's zones
    ResourceAmounts capacity;              ///< of the whole instance; limits count this
    ResourceAmounts allocatable;           ///< less what the kubelet and the system keep
    ResourceAmounts daemons;               ///< what the pods of DaemonSets take of each node, for as long as it is there
    std::int64_t daemon_scoring_cpu_milli = 0;  ///< of these pods, as the scheduler scores them
    std::int64_t daemon_scoring_memory = 0;
    std::int64_t gpus = 0;                 ///< physical GPUs, for utilisation
    std::int64_t nano_usd_per_hour = 0;          ///< as billed
    std::int64_t overlay_nano_usd_per_hour = 0;  ///< what a NodeOverlay adds to it where Karpenter compares prices
    std::int32_t provisioning_table = -1;  ///< request to node ready; -1 = `provisioning`
    std::uint8_t spot = 0;
    std::uint8_t taint = 0;  ///< index of its first hard taint among the scenario's (for messages)
    OfferingKind kind = OfferingKind::on_demand;  ///< how Karpenter buys it
    std::uint8_t has_priority = 0;  ///< some regular expression of the priority expander matched
    std::int32_t type = 0;      ///< instance type, numbered in the order of names
    std::int32_t family = 0;    ///< instance family (minValues)
    std::int32_t priority = 0;  ///< of cluster-autoscaler's priority expander
    std::uint32_t gpu_kind = 0;  ///< which kind of GPU, of the scenario's; picks the server of a pod here
    std::uint32_t bill = 0;      ///< row of Tally::pools that its nodes are counted and billed in
    std::uint32_t gpu_labelled = 0;  ///< cluster-autoscaler knows it for a node of GPUs by its label
    std::int32_t market = -1;    ///< of a spot shape: index into Blueprint::spot_markets
    std::uint32_t committed = 0;  ///< so many nodes of its bill are paid for in another way
    /// So many nodes of it are reserved: they are there whatever the cloud has left for others, are used first, and are
    /// counted and billed apart, as they are paid for used or not.
    std::uint32_t reserved = 0;
    std::uint32_t reserved_bill = 0;    ///< row of Tally::pools of these
    std::uint8_t reserved_only = 0;     ///< it is bought within its reservation and not beyond
    std::uint8_t reserved_late = 0;     ///< its reservation is not there at the start: an event opens it
    std::uint8_t reserved_absorbs = 0;  ///< a place that is free takes in a node that is there
    std::uint8_t bought_padding = 0;
    std::uint32_t parallel_pulls = 1;  ///< images that its kubelet pulls at once (serializeImagePulls, maxParallelImagePulls)
    DeviceRange devices[extended_kinds];  ///< of each extended resource
    Tick provisioning;
    Tick minimum_billing;
    Tick billing_unit;  ///< a node's life is rounded up to a multiple; 0 = to the second, as good as exactly
    std::int64_t network_bytes_per_s = 0;  ///< of a node; 0 = it never binds
    std::int64_t disk_bytes_per_s = 0;     ///< the same of its disk

    /// What other pods find on an empty node.
    [[nodiscard]] WT_HD ResourceAmounts room() const { return allocatable - daemons; }
    /// The same as Karpenter plans a node that is not there yet: it knows instance types by their whole GPUs, and nothing
    /// of how a device plugin divides them.
    [[nodiscard]] WT_HD ResourceAmounts planned_room() const {
        ResourceAmounts out = room();
        for (std::int32_t i = 0; i < extended_kinds; ++i)
            if (devices[i].num != devices[i].den) out[resource_extended + i] = i == 0 ? gpus : 0;
        return out;
    }
};

/// A limit of the cloud on an account: so many vCPUs, or GPUs, of nodes of these shapes at once. Beyond it launches fail as
/// those that meet no capacity do (Karpenter's list of unfulfillable capacity errors has VcpuLimitExceeded;
/// aws/karpenter-provider-aws, 2025).
struct CloudQuotaPlan {
    ShapeSet shapes;
    std::int64_t limit = 0;
    std::uint8_t of_gpus = 0;
    std::uint8_t padding[7] = {};

    [[nodiscard]] WT_HD std::int64_t units(const ShapePlan& shape) const {
        return of_gpus ? shape.gpus : shape.capacity[resource_cpu_milli] / 1000;
    }
};

/// Who adds and removes the nodes of a pool.
enum class Provisioner : std::uint8_t { fixed, cluster_autoscaler, karpenter };

/// Which of a node group's shapes the cloud gives for the next node, in the emptiest zone that has capacity.
enum class ShapeChoice : std::uint8_t {
    listed,    ///< the first of the list (prioritized)
    cheapest,  ///< lowest-price
    deep,      ///< the cheapest of those with spare capacity just now (price-capacity-optimized)
};

/// Nodes that one provisioner adds and removes. Its shapes are sorted by zone; in a zone, as the pool lists its
/// instance types.
struct PoolPlan {
    std::uint32_t first_node = 0;   ///< its node slots are [first_node, first_node + node_slots)
    std::uint32_t node_slots = 0;
    std::uint32_t first_shape = 0;  ///< its shapes are [first_shape, first_shape + shape_count)
    std::uint32_t shape_count = 0;
    std::uint32_t minimum = 0;
    std::uint32_t initial = 0;      ///< nodes that are Ready at t = 0
    Provisioner provisioner = Provisioner::cluster_autoscaler;
    ShapeChoice choice = ShapeChoice::listed;
    std::uint8_t zone_groups = 0;   ///< every zone is a node group of its own (1) or all zones are one (0)
    std::uint8_t refills = 0;       ///< the cloud's group replaces by itself what a spot market took
    std::uint8_t padding[3] = {};
    std::uint8_t balances = 0;      ///< new nodes are spread over its zone groups (location policy BALANCED)
    std::int32_t similar = -1;      ///< ... and over those of pools of one number (--balance-similar-node-groups); -1 = none
    std::int32_t karpenter = -1;    ///< index into Blueprint::karpenter_pools
    std::uint32_t group_minimum = 0;  ///< of every zone group, besides the pool's own
    std::uint32_t group_maximum = 0xffffffffu;
    /// Where it buys both ways: so many nodes on demand first, then this share of the others.
    std::uint32_t on_demand_base = 0;
    std::uint32_t on_demand_percent = 100;
    std::uint32_t protected_nodes = 0;  ///< so many of its first nodes are not taken (ClusterNode::protected_node)

    /// How many of so many nodes of a pool that buys both ways are on demand by this: a share is rounded up (EC2 Auto
    /// Scaling, instances distribution; docs, 2025). Karpenter has no base: it prefers spot for all.
    [[nodiscard]] WT_HD std::uint32_t on_demand_of(std::uint32_t nodes) const {
        if (karpenter >= 0) return 0;
        const std::uint32_t above = nodes > on_demand_base ? nodes - on_demand_base : 0;
        return on_demand_base + (above * on_demand_percent + 99) / 100;
    }
};

inline constexpr std::int32_t ca_longest_chain = 6;

/// Node groups of cluster-autoscaler: pools, and zones of pools with zone_groups.
inline constexpr std::int32_t ca_max_groups = 64;

/// cluster-autoscaler's flags (kubernetes.md 10.1).
struct ClusterAutoscalerPlan {
    CaLoopRules loop;
    CaScaleDownRules down;
    CaBackoffRules backoff;
    CaExpander expanders[ca_longest_chain] = {CaExpander::least_waste};  ///< --expander, in order
    std::int32_t expander_count = 1;  ///< 0 = random
    std::int32_t max_parallel = 10;   ///< --max-scale-down-parallelism
    std::int32_t max_drain = 1;       ///< --max-drain-parallelism
    std::uint8_t padding[4] = {};
    std::int32_t max_nodes_total = 0;  ///< --max-nodes-total; 0 = no bound
    Tick unremovable_recheck = seconds(300);  ///< --unremovable-node-recheck-timeout
    Tick max_graceful_termination = seconds(600);  ///< --max-graceful-termination-sec
    Tick max_pod_eviction = seconds(120);          ///< --max-pod-eviction-time
};

/// A budget of a NodePool; with a schedule it holds within its intervals only.
struct KarpenterBudgetPlan {
    KarpenterBudget budget;
    std::uint8_t scheduled = 0;
    std::uint8_t padding[3] = {};
    std::uint32_t first_interval = 0;  ///< in Blueprint::intervals
    std::uint32_t interval_count = 0;
};

/// A Karpenter NodePool; they come by weight descending, equal weights by name descending.
struct KarpenterPoolPlan {
    std::uint32_t pool = 0;     ///< index into Blueprint::pools
    std::uint32_t limited = 0;  ///< bit per ResourceKind that `limits` bounds
    ResourceAmounts limits;
    std::int64_t node_limit = -1;  ///< limits.nodes; -1 = none
    std::int32_t min_types = 0;    ///< minValues
    std::int32_t min_families = 0;
    Tick consolidate_after;  ///< `never` = Never
    Tick expire_after = seconds(720 * 3600);
    Tick termination_grace = never;
    std::uint8_t only_when_empty = 0;  ///< consolidationPolicy WhenEmpty
    std::uint8_t do_not_disrupt = 0;   ///< karpenter.sh/do-not-disrupt on its nodes, by its template
    std::uint8_t padding[2] = {};
    std::uint32_t first_budget = 0;  ///< in Blueprint::karpenter_budgets
    std::uint32_t budget_count = 0;
};

/// The topology key kubernetes.io/hostname: every node slot is a domain of its own. Other keys are 1, 2, ...
inline constexpr std::int32_t topology_hostname = 0;

// ---- pods ----------------------------------------------------------------------------------------------

/// The probes of the container that serves, and what they meet.
struct ProbePlan {
    ContainerProbeRules rules;
    std::uint8_t early[3] = {};  ///< startup, readiness, liveness: succeeds (1) before the model is loaded
    std::uint8_t infers[3] = {};  ///< it runs a known inference and looks at the answer
    std::uint8_t padding[2] = {};
    Tick takes = milliseconds(1);           ///< an answer, good or refused, without an inference
    Tick inference_takes = milliseconds(1); ///< one with, of a sound server
    std::int64_t inference_tokens = 1;      ///< that it asks for
    Tick kill_grace_startup{-1}, kill_grace_liveness{-1};  ///< the probe's own grace; -1 = the pod's
};

/// In place of a server: the model does not run on that kind of GPU, its containers end when they load it.
inline constexpr std::int32_t no_fit_server = -2;

/// How a pod's image is pulled, as bits.
inline constexpr std::uint8_t pull_always = 1;  ///< the registry is asked at every start of the container
inline constexpr std::uint8_t pull_fails = 2;   ///< there is no such image

/// What a template wishes of a shape: scores before they are normalised (kubernetes.md 7.3).
struct ShapeWish {
    std::int32_t preference = 0;   ///< sum of the weights of its preferred node-affinity terms that match
    std::int32_t soft_taints = 0;  ///< PreferNoSchedule taints that it does not tolerate
};

/// A pod template: one revision of a workload.
struct TemplatePlan {
    std::uint32_t workload = 0;
    std::int32_t server = -1;  ///< index into Blueprint::servers; -1 = its pods serve no requests
    std::int32_t first_kind = -1;  ///< its servers by kind of GPU: Blueprint::kind_servers; -1 = `server` on all
    ResourceAmounts needs;     ///< of one pod
    ResourceAmounts limits;    ///< of cpu and memory: what quotas over limits charge
    ShapeSet shapes;           ///< that its selectors, required node affinity and tolerations admit
    ShapeSet tainted;          ///< of the others: those whose taints it does not tolerate
    ShapeSet unmarked;         ///< with wishes: those without a PreferNoSchedule taint that it does not tolerate
    std::uint32_t first_node_term = 0;  ///< Blueprint::node_terms: what Karpenter holds its nodes to, one term at a time
    std::uint32_t required_terms = 0;   ///< its OR-ed required node-affinity terms, in their order; 0 = fewer than two
    std::uint32_t preferred_terms = 0;  ///< behind them the preferred ones, the heaviest first
    std::int32_t first_wish = -1;  ///< its wishes between nodes are Blueprint::shape_wishes [first + shape]; -1 = none
    std::uint32_t fit_class = 0;  ///< templates with the same needs, as they are scored too, and shapes have the same
    std::uint32_t first_stage = 0;
    std::uint32_t stage_count = 0;
    std::uint32_t container_stage = 0;  ///< from this stage on its containers run (phase Running)
    std::uint8_t drains = 0;            ///< on SIGTERM: finish what is in flight (1) or drop it (0)
    std::uint8_t ready_when_serving = 1;  ///< without probes: Ready when it serves (1) or when it runs (0)
    std::uint8_t pre_stop_drains = 0;     ///< its hook also waits for what is in flight
    std::uint8_t preempts = 1;          ///< preemptionPolicy is not Never
    std::uint8_t starts_affinity = 0;   ///< matches all its own required affinity terms
    std::uint8_t default_spread = 0;    ///< its spread rules are the cluster's defaults
    std::uint8_t do_not_disrupt = 0;    ///< karpenter.sh/do-not-disrupt
    std::uint8_t pull = 0;              ///< of its image: pull_always, pull_fails
    std::uint8_t degradation = 0;       ///< 1 + index into Blueprint::degradations: so are all its processes
    std::uint8_t blocks_removal = 0;    ///< cluster-autoscaler removes no node with such a pod (10.7.4)
    std::int32_t priority = 0;
    std::int32_t deletion_cost = 0;     ///< controller.kubernetes.io/pod-deletion-cost
    std::int32_t containers = 1;        ///< init containers included
    std::uint32_t first_spread = 0;     ///< its rules are Blueprint::spread_rules [first, first + count)
    std::uint32_t spread_count = 0;
    std::uint32_t first_affinity = 0;   ///< Blueprint::affinity_rules
    std::uint32_t affinity_count = 0;
    std::uint32_t first_counted = 0;    ///< Blueprint::counted_by: the counters that count its pods
    std::uint32_t counted_count = 0;
    std::int64_t scoring_cpu_milli = -1;  ///< as the scheduler scores it; below 0 = what it asks for, or the default
    std::int64_t scoring_memory = -1;
    Tick run_time = never;             ///< its containers end by themselves after that long: a job's pod
    std::int32_t failing_runs = 0;     ///< of a job: so many of its pods fail before one succeeds
    std::int32_t worker_template = -1; ///< of a group's leader: what its workers are made from
    std::uint32_t busy_pods = 1;       ///< pods whose GPUs a running engine step keeps busy: its group's
    std::int32_t device_memory_milli = 0;  ///< of a device that takes turns its process reserves so much; 0 = none
    ProbePlan probes;
    Tick endpoint_delay;                ///< from a change of Ready to the router's knowing it
    Tick exit_takes;                    ///< from SIGTERM to the process's end, with nothing to drain
    Tick pre_stop;                      ///< between deletion and SIGTERM
    Tick grace;                         ///< between deletion and SIGKILL
    Tick lost_toleration = default_lost_toleration;  ///< of its node's being unreachable; `never` = it stays for ever
    RestartPolicy restart_policy = RestartPolicy::always;
};

// ---- workloads -----------------------------------------------------------------------------------------

/// What a pod of a workload uses of its CPU: an idle share, and one while its engine runs steps.
struct CpuUsePlan {
    std::int64_t idle_milli = 0;
    std::int64_t busy_milli = 0;
    std::int64_t gpu_memory_used_mib = 0, gpu_memory_mib = 0;  ///< of each of its GPUs, while its engine runs
    std::int64_t memory_bytes = std::int64_t{6} << 30;  ///< all the time its containers run [estimate: vLLM's two processes with CUDA, 2025]
};

enum class Routing : std::uint8_t {
    random,  ///< kube-proxy: uniform over the ready endpoints, per request
    round_robin,
    least_requests,  ///< fewest in flight; among equals the one chosen longest ago
};

/// Which controller makes a workload's pods.
enum class WorkloadController : std::uint8_t {
    deployment,    ///< and ReplicaSet: any pods, as many as wanted (sim/workload_controllers.hpp)
    ordinals,      ///< StatefulSet, LeaderWorkerSet: slot i is the pod of ordinal i (sim/ordinal_controller.hpp)
    batch_job,     ///< pods that run to their end (sim/job_controller.hpp)
    bare_pod,      ///< made once, by nobody again
};

/// A StatefulSet's or LeaderWorkerSet's rules. A set of groups numbers its pods group by group, the leader first.
struct OrdinalPlan {
    PodManagement management = PodManagement::ordered_ready;
    std::uint8_t on_delete = 0;  ///< updateStrategy OnDelete
    GroupRestart group_restart = GroupRestart::recreate_group;
    GroupStartup group_startup = GroupStartup::leader_created;
    std::int32_t partition = 0;
    std::uint32_t group_size = 1;
};

/// Where the prompts of a workload's requests are computed: by another workload, whose servers hand over the KV.
struct PrefillPlan {
    std::int32_t workload = -1;   ///< that computes them; -1 = none, who answers does
    std::uint32_t threshold = 0;  ///< tokens; a prompt with fewer that the answering server has not cached stays with it
    Tick latency;                 ///< of a transfer, besides its bytes
    Tick hold = seconds(480);     ///< after so long blocks that nobody has read are freed
    std::int64_t link_bytes_per_s = 0;   ///< of a node, each way; 0 = its network's
    std::int64_t local_bytes_per_s = 0;  ///< within a node
    std::uint32_t nodes = 1;      ///< that move their parts side by side: of a group of pods
    std::uint8_t fails = 0;       ///< KV that is lost fails the attempt; otherwise the prompt is computed anew
    std::uint8_t padding[3] = {};
};

/// A set of replicas behind one router, and how requests reach them.
struct WorkloadPlan {
    std::uint32_t first_pod = 0;  ///< its pod slots are [first_pod, first_pod + pod_slots)
    std::uint32_t pod_slots = 0;
    std::uint32_t first_template = 0;  ///< its revisions are [first_template, first_template + template_count)
    std::uint32_t template_count = 1;
    std::uint32_t initial_replicas = 0;
    std::int32_t autoscaler = -1;         ///< index into Blueprint::autoscalers
    std::uint32_t per_replica_limit = 0;  ///< requests a replica takes at once; 0 = no limit
    std::uint32_t hold_limit =
        0;  ///< requests that may wait for a replica, more are rejected; 0 = any number
    CpuUsePlan cpu;
    std::uint32_t scrape_loop = 0;  ///< of its pods' own /metrics, by index into Blueprint::scrape_loops
    RolloutStrategy strategy = RolloutStrategy::rolling_update;
    CountOrPercent max_surge = percent(25), max_unavailable = percent(25);
    Tick min_ready;                           ///< minReadySeconds
    Tick progress_deadline = seconds(600);
    Tick request_timeout = never;  ///< the client gives up this long after arrival
    std::uint32_t late_replicas = 0;  ///< of the initial ones, how many are not Ready at t = 0 and start then
    RetryRules retry;              ///< of clients; not beside a queue that hands out
    /// A queue in front: a message that was handed out is hidden for so long; then another worker gets it.
    Tick visibility_timeout = never;
    std::uint32_t hand_outs = 1;    ///< of one message; then it is dead
    std::uint32_t connections = 0;  ///< kept-alive connections of the clients; 0 = one per request
    Routing routing = Routing::random;
    std::uint8_t hold = 0;  ///< requests without a replica to go to wait (1) or fail (0)
    WorkloadController controller = WorkloadController::deployment;
    std::uint8_t paused = 0;  ///< spec.paused of a Deployment: another template starts no rollout
    /// Who loses a worker's connection gives its messages back at once (1); or nobody does, and they stay hidden
    /// until their time-out (0). Without a time-out always at once.
    std::uint8_t returns = 0;
    std::uint8_t scaled_jobs = 0;  ///< of a ScaledJob: each pod is a Job, `desired` of them have not ended
    std::uint8_t padding[2] = {};
    PrefillPlan prefill;
    OrdinalPlan ordinals;
    BatchJobSpec job;
    std::int32_t cron = -1;  ///< of a job: the CronJob that starts it, by index into Blueprint::crons; -1 = at t = 0

    /// Whether a pod slot, counted from `first_pod`, is a replica of its own: all are, but for the workers of a group.
    [[nodiscard]] WT_HD bool is_replica(std::uint32_t local) const { return local % ordinals.group_size == 0; }
    /// Messages come back to the queue.
    [[nodiscard]] WT_HD bool hands_out() const { return visibility_timeout != never || hand_outs > 1; }
    /// A request of it may be tried more than once.
    [[nodiscard]] WT_HD bool tracked() const { return hands_out() || retry.tracked(); }
};

/// A share in 2^-30.
inline constexpr std::uint32_t share_one = 1u << 30;

/// How a server is ill while its /health says that it is well. It ends with the process.
struct DegradationPlan {
    std::uint32_t count = 0;        ///< of the serving pods; 0 = by share
    std::uint32_t pod_share = 0;    ///< rounded up
    std::uint32_t error_share = 0;  ///< of requests that get an error at once
    std::uint32_t wrong_share = 0;  ///< of answers that are wrong
    std::int32_t output_milli = 1000;    ///< answers are so much longer or shorter
    std::int32_t slowdown_milli = 1000;  ///< a probe's inference takes so much longer; of steps: `slow_servers`
    std::int32_t first_slow = -1;        ///< its table in Blueprint::slow_servers; -1 = not slow
    std::uint32_t padding = 0;
};

/// What happens to the cluster at a fixed time.
enum class ClusterEventKind : std::uint8_t {
    rollout,     ///< a workload's pods are made from another template from now on
    interrupt_node,  ///< Ready spot nodes of a pool get their interruption notice
    lose_node,   ///< Ready nodes of a pool die without notice
    drain_node,  ///< Ready nodes of a pool are cordoned, their pods evicted, and they go
    add_node,    ///< nodes are added to a pool
    no_capacity,       ///< for a while the cloud has none of some shapes
    capacity_returns,  ///< such a while is over
    degrade,     ///< some of a workload's serving pods fall ill
    recover,     ///< those of a degradation that still are get well
    no_image,       ///< for a while a workload's images cannot be pulled
    source_changes, ///< a bucket, registry or file server gives another bandwidth from now on
    lose_zone,      ///< all nodes of a zone die without notice
    lose_gpu,       ///< a GPU falls off its bus on Ready nodes of a pool
    driver_breaks,  ///< nodes of a pool that are launched in a while have no usable CUDA
    image_returns,  ///< such a while is over
    reservation_opens,   ///< the reservation of a shape is there
    reservation_closes,  ///< it gives no more nodes; its nodes are drained, if anybody does that
    reservation_ends,    ///< its nodes go, or go on on demand
};

/// Sorted by time.
struct ClusterEventPlan {
    Tick at;
    ClusterEventKind kind = ClusterEventKind::rollout;
    std::uint8_t padding[3] = {};
    std::uint32_t target = 0;    ///< a workload, a pool, a zone, a source, a shape, or which of Blueprint::capacity_sets is not to be had
    std::uint32_t count = 1;     ///< nodes
    /// rollout: index into Blueprint::templates; degrade, recover: of degradations; driver_breaks: 1 + the same where
    /// servers go on without the GPU, 0 where they end; reservation_closes: 1 where its nodes are drained;
    /// reservation_ends: 1 where they go
    std::uint32_t revision = 0;
    Tick until{};                ///< no_capacity, driver_breaks
    std::int64_t value = 0;      ///< source_changes: bytes per second
};
[[nodiscard]] WT_HD constexpr bool is_of_workload(ClusterEventKind kind) {
    return kind == ClusterEventKind::rollout || kind == ClusterEventKind::degrade ||
           kind == ClusterEventKind::recover || kind == ClusterEventKind::no_image ||
           kind == ClusterEventKind::image_returns;
}

[[nodiscard]] WT_HD constexpr bool is_of_reservation(ClusterEventKind kind) {
    return kind == ClusterEventKind::reservation_opens || kind == ClusterEventKind::reservation_closes ||
           kind == ClusterEventKind::reservation_ends;
}

/// A PodDisruptionBudget. It covers all pods of the workloads that its selector matches.
struct DisruptionBudgetPlan {
    DisruptionBudgetSpec spec;
    UnhealthyEvictionPolicy unhealthy = UnhealthyEvictionPolicy::if_healthy_budget;
    std::uint8_t padding[7] = {};
    std::uint64_t workloads[max_workloads / 64] = {};  ///< bit per workload

    [[nodiscard]] WT_HD bool covers(std::uint32_t w) const { return (workloads[w / 64] >> (w % 64) & 1) != 0; }
    /// The first workload from `w` on that it covers; max_workloads where there is none.
    [[nodiscard]] WT_HD std::uint32_t next_covered(std::uint32_t w) const {
        for (; w < max_workloads; w = (w / 64 + 1) * 64) {
            const std::uint64_t rest = workloads[w / 64] >> (w % 64);
            if (rest != 0) return w + lowest_bit(rest);
        }
        return max_workloads;
    }
};

/// A ResourceQuota, over requests or over limits (one that names both is two). It charges all pods of the
/// workloads that its namespace and scopes take in.
struct QuotaPlan {
    std::uint32_t limited = 0;  ///< bit per ResourceKind that `hard` limits
    std::uint8_t over_limits = 0;
    std::uint8_t padding[3] = {};
    ResourceAmounts hard;
    std::uint64_t workloads[max_workloads / 64] = {};  ///< bit per workload

    [[nodiscard]] WT_HD bool covers(std::uint32_t w) const { return (workloads[w / 64] >> (w % 64) & 1) != 0; }
    [[nodiscard]] WT_HD const ResourceAmounts& charge(const TemplatePlan& pod) const {
        return over_limits ? pod.limits : pod.needs;
    }
};

/// A CronJob: at each hit of its schedule it starts one of its jobs. With concurrencyPolicy Allow several may run at
/// once: each is a workload of its own, [first_workload, first_workload + workload_count).
struct CronPlan {
    std::uint32_t first_hit = 0;  ///< into Blueprint::cron_hits
    std::uint32_t hit_count = 0;
    std::uint32_t first_workload = 0, workload_count = 1;
    CronConcurrency concurrency = CronConcurrency::allow;
    std::uint8_t padding[7] = {};
    Tick starting_deadline = never;
};

/// What a fixed time sets.
enum class ScaleTargetKind : std::uint8_t {
    replicas,  ///< a workload's spec.replicas
    bounds,    ///< an autoscaler's minimum and maximum
};

/// Somebody scales at a fixed time: a CronJob, a Job, a person. Sorted by time.
struct ScheduledScale {
    Tick at;
    std::uint32_t workload = 0;
    std::uint32_t replicas = 0;
    ScaleTargetKind kind = ScaleTargetKind::replicas;
    std::uint8_t padding[7] = {};
    std::int32_t minimum = -1, maximum = -1;  ///< bounds: -1 = left as it is
};

}  // namespace windtunnel
