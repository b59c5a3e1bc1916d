#pragma once
#include "models/cold_start_facts.hpp"
#include "models/instance_types.hpp"
#include "models/problem.hpp"
#include "models/time.hpp"
#include "scenarios/cost_spec.hpp"
#include "scenarios/image_spec.hpp"
#include "scenarios/kubernetes/kubernetes.hpp"
#include "scenarios/markets/price_list.hpp"
#include "scenarios/markets/spot_spec.hpp"
#include "scenarios/servers/model_server.hpp"
#include "scenarios/servers/own_step_times.hpp"
#include "scenarios/threshold.hpp"
#include "scenarios/traces/resampling.hpp"
#include "scenarios/traces/synthetic_spec.hpp"
#include "sim/start_plan.hpp"

#include <cstdint>
#include <istream>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// How the router in front of a workload picks a replica.
enum class RoutingSpec : std::uint8_t { random, least_requests, round_robin, queue };

/// What the router does with a request when no replica is ready.
enum class OnNoEndpoints : std::uint8_t { fail, hold };

/// A queue in front of the replicas (`routing: queue`).
struct QueueSpec {
    std::int32_t per_replica_concurrency = 1;    ///< requests that one replica works on at a time
    std::optional<std::int64_t> hold;            ///< requests the queue holds; more are rejected. Empty: no bound
    std::optional<Tick> visibility_timeout;      ///< a request unfinished after this is handed out again
    std::int32_t attempts = 1;                   ///< hand-outs before a request counts as failed
    std::optional<bool> returns;                 ///< a lost worker's requests come back at once, not at the time-out
};

/// What a client does with an attempt that failed.
struct RetrySpec {
    std::int32_t attempts = 1;                   ///< tries in all; 1 = no retry
    Tick backoff{0};                             ///< before the second try; doubles after each
    Tick max_backoff = seconds(86400);
    double jitter = 0;                           ///< share of the back-off that is drawn anew each time
    std::optional<Tick> attempt_timeout;         ///< an attempt is given up after this
};

/// A stage of a cold start whose duration is drawn from a lognormal distribution.
struct ColdStartStageSpec {
    std::string name;                            ///< image_pull, weights_download, weights_load, ... : see README.md
    Tick median;                                 ///< of one that moves bytes: alone
    double sigma = 0;                            ///< of the logarithm; 0 = always the median
    std::optional<std::vector<std::string>> after;  ///< stages that have to be over; empty: the one before in the list
    std::int64_t bytes = 0;                      ///< that it moves; 0 = none
    std::string from;                            ///< a source of the cluster; "" = from no one that is shared
    Kept kept = Kept::nowhere;                   ///< where what it makes stays
    Tick again{0};                               ///< it takes where that is there already
};

/// A bucket, registry or file server whose bandwidth all who load from it share.
struct SourceSpec {
    std::string name;
    std::int64_t bytes_per_second = 0;
    SourcePosition where;
    std::string path;
};

/// What manifests do not say of a start: `cold_start` as a map. What is left out follows from the manifests.
struct StartSpec {
    std::optional<std::int64_t> image_bytes;     ///< compressed
    std::optional<ImageDelivery> image;
    std::string registry;                        ///< a source of the cluster
    std::optional<WeightStorage> weights;
    std::string from;                            ///< a source of the cluster, that the weights come from
    std::optional<Kept> kept;                    ///< downloaded weights
    std::optional<Kept> compile_cache;           ///< nowhere: each container compiles
    std::optional<std::int32_t> concurrency;     ///< of a streaming loader
    double host_factor = 1;                      ///< the host's work on the CPU takes so many times as long
    std::optional<double> dynamo_trace_s;        ///< of this model, in a log of such a host: tells the factor
    SourcePosition where;
    std::string path;
};

/// How the prompts of a workload come to be computed by another: what the manifests do not say.
struct PrefillSpec {
    std::int32_t threshold_tokens = 0;           ///< a prompt with fewer that are not cached is not sent there
    Tick latency = milliseconds(2);              ///< of a transfer [estimate: NIXL's posting and notice, a proxy's hop, 2025]
    std::int64_t link_bytes_per_s = 0;           ///< of a node, each way; 0 = its network's
    std::int64_t local_bytes_per_s = 0;          ///< within a node; 0 = the GPU's links
    Tick hold = seconds(480);                    ///< VLLM_NIXL_ABORT_REQUEST_TIMEOUT's default (general knowledge, vLLM 0.10 to 0.13)
    std::optional<bool> fails;                   ///< on_kv_loss: the attempt fails; empty: as the decode server's flag says
};

/// Which part of a pair a workload is.
enum class PairSide : std::uint8_t { none, prefill, decode };

/// One stream of requests and the Kubernetes object that answers it.
struct WorkloadSpec {
    std::string name;                            ///< default: the target's name
    std::string trace;                           ///< file, resolved beside the scenario; "" = synthetic
    std::optional<SyntheticSpec> synthetic;
    double rate_scale = 1;                       ///< arrivals of a trace come this much faster
    std::optional<ResamplingSpec> resample;      ///< every trial gets its own future of the trace
    std::string tenant;                          ///< whose requests those are that name nobody; "" = nobody's
    std::optional<std::int32_t> max_tokens;      ///< the clients' limit, for requests whose trace gives none
    std::string target_kind;                     ///< "Deployment", "StatefulSet", "ReplicaSet"; "" = left out
    std::string target_name;                     ///< "" = left out: the only workload with a model server
    RoutingSpec routing = RoutingSpec::random;           ///< kube-proxy's choice
    std::optional<Tick> timeout;                 ///< the client gives up this long after arrival
    RetrySpec retry;
    QueueSpec queue;
    OnNoEndpoints on_no_endpoints = OnNoEndpoints::fail;
    std::int32_t connections = 0;                ///< kept alive, each to one replica; 0 = one per request
    std::optional<std::int64_t> hold_limit;      ///< requests held without endpoints; empty: no bound
    std::optional<std::int32_t> initial_replicas;///< Ready at t = 0; empty: the manifest's, else the autoscaler's minimum
    Tick endpoint_delay = seconds(1);            ///< readiness to router
    std::optional<ModelServer> server;           ///< declared by the scenario, over what the manifest says
    Tick offset{0};                              ///< of a load test: when it begins
    std::vector<ColdStartStageSpec> cold_start;  ///< empty: the model's own
    StartSpec start;
    PairSide side = PairSide::none;
    PrefillSpec prefill;                         ///< of side decode
    std::vector<WorkloadSpec> prefilled_by;      ///< the workload that computes its prompts; one, or none
    SourcePosition where;
    std::string path;                            ///< `workload` or `workload[1]`
};


/// Nodes that come and go together. From the scenario, or made from a manifest's node group.
struct PoolSpec {
    std::string name;
    std::vector<std::string> instance_types;     ///< at least one
    CapacityType capacity = CapacityType::on_demand;
    std::int32_t min_nodes = 0;
    std::int32_t max_nodes = 0;
    std::int32_t initial_nodes = 0;              ///< at t = 0 at least this many
    std::int32_t protected_nodes = 0;            ///< of these, those that a dump shows annotated scale-down-disabled
    std::optional<std::int64_t> price_nano_usd_per_hour;  ///< of one node, in place of the price list's
    std::optional<Tick> provisioning;            ///< median from request to Ready node
    double provisioning_sigma = 0;               ///< of the logarithm; 0 = always the median
    std::optional<SpotSpec> spot;                ///< its market, in place of cluster.spot and the cloud's default
    std::string gpu;                             ///< GPU type for instance types that the catalogue lacks
    std::int32_t gpus_per_node = 0;              ///< 0 = the catalogue's
    std::int64_t cpu_milli = 0;                  ///< 0 = the catalogue's
    std::int64_t memory_bytes = 0;               ///< 0 = the catalogue's
    GpuDivision division;                        ///< of its GPUs; whole: see labels and manifests
    std::vector<std::string> zones;              ///< empty: the cluster's
    Labels labels;
    std::vector<Taint> taints;
    std::int64_t network_bytes_per_s = 0;        ///< of a node; 0 = the catalogue's
    std::int64_t disk_bytes_per_s = 0;           ///< of a node; 0 = it never binds
    std::int32_t parallel_image_pulls = 1;       ///< of a node's kubelet
    std::vector<std::string> prefetch;           ///< stages whose files a new node loads into its cache by itself
    // What manifests of node groups say besides.
    AllocationSpec allocation = AllocationSpec::listed;   ///< which of its types the cloud gives
    bool only_reserved = false;                  ///< nothing beyond its reservations
    bool never_reserved = false;                 ///< takes no node of a reservation
    std::optional<Tick> longest_run;             ///< after which the cloud ends a node
    bool buys_both = false;                      ///< on demand and spot, shared out by the next two
    std::int32_t on_demand_base = 0;
    std::int32_t on_demand_percent = 100;
    bool zone_groups = false;                    ///< every zone is a node group of its own
    bool balances = false;                       ///< with zone_groups: new nodes are spread over the zones
    std::int32_t zone_min = 0;                   ///< with zone_groups: of each
    std::optional<std::int32_t> zone_max;
    std::optional<bool> autoscaled;              ///< empty: as the cluster is
    std::int64_t max_pods = 0;                   ///< of a node; 0 = 110
    std::optional<std::int32_t> priority;        ///< of cluster-autoscaler's priority expander
    SourcePosition where;
    std::string path;
};

enum class NodeAutoscaling : std::uint8_t { cluster_autoscaler, none };

struct ClusterSpec {
    CloudKind cloud = CloudKind::none;
    std::string region;
    std::vector<std::string> zones;
    std::vector<PoolSpec> pools;                 ///< the scenario's, then those of the manifests' node groups
    std::string price_file;                      ///< a price list of the user's own; "" = none
    PriceBook prices;                            ///< what is in it
    std::vector<OwnStepTimes> profiles;          ///< each of another GPU
    CostSpec costs;
    std::vector<ReservationSpec> reservations;
    std::vector<CloudQuotaSpec> quotas;
    std::vector<SpotSpec> spot;                  ///< markets; the first that is about a node is its
    std::vector<SourceSpec> sources;
    ImageList images;                            ///< known by their layers
    NodeAutoscaling autoscaling = NodeAutoscaling::cluster_autoscaler;
    Tick scale_down_unneeded = seconds(600);     ///< cluster-autoscaler --scale-down-unneeded-time
    SourcePosition where;
};

/// `metrics`: what a name in the manifests' queries stands for.
struct MetricMapping {
    std::string name;
    std::string expression;                      ///< PromQL over exposed series
    SourcePosition where;
};

struct PrometheusSpec {
    Tick scrape_interval = seconds(15);          ///< a ServiceMonitor's or PodMonitor's own interval wins
    Tick evaluation_delay{0};                    ///< from scrape to query answer
    Tick evaluation_interval = seconds(30);      ///< of rule groups without their own
};

/// A request is good when it completed and met all that are given.
struct GoodputSpec {
    std::optional<Tick> ttft;
    std::optional<Tick> tpot;
    std::optional<Tick> e2el;
    SourcePosition where;

    [[nodiscard]] bool empty() const { return !ttft && !tpot && !e2el; }
};

enum class StartState : std::uint8_t { warm, cold };

/// Something that happens to the cluster at a fixed time.
enum class EventKind : std::uint8_t {
    rollout,      ///< a new revision of a workload starts to roll out
    scale,        ///< somebody sets a workload's replicas by hand
    interrupt_node, ///< spot nodes of a pool are taken back by the cloud, with its notice
    lose_node,    ///< nodes of a pool die without notice
    drain_node,   ///< nodes of a pool are drained and removed
    add_node,     ///< nodes are added to a pool by hand, beyond what autoscaling asks for
    no_capacity,  ///< for a while the cloud gives no nodes for a pool
    no_metrics,   ///< for a while Prometheus, metrics-server or the pods of a workload give no metrics
    no_image,     ///< for a while a workload's images cannot be pulled
    degrade,      ///< some pods of a workload fall ill, and their /health says that they are well
    slow_source,  ///< for a while a source of the cluster gives a part of its bandwidth
    lose_zone,    ///< all nodes of a zone die, and for a while the cloud gives none there
    lose_gpu,     ///< GPUs of a pool's nodes fall off the bus
    driver_fault, ///< nodes of a pool that come up in a while have no usable CUDA
    load_test,    ///< for a while somebody sends more requests
};

/// `degrade`: which pods, and what is wrong with them until they are restarted or the time is over.
struct DegradeSpec {
    std::int32_t count = 0;                      ///< of the serving pods; 0 = by `share`
    double share = 0;                            ///< of the serving pods, rounded up
    double slowdown = 1;                         ///< every step takes so many times as long
    double error_share = 0;                      ///< of requests get an error at once
    double wrong_share = 0;                      ///< of answers are wrong
    double output_factor = 1;                    ///< answers are so many times as long
    std::optional<Tick> until;
};

struct ScenarioEvent {
    EventKind kind = EventKind::rollout;
    Tick at;
    Tick duration{0};                            ///< of no_capacity, no_metrics and no_image
    bool pullable = true;                        ///< of rollout: the new revision's image exists
    std::string target;                          ///< a workload ("Deployment/chat") or a pool's name; "*" = all pools; of no_metrics "prometheus", "metrics-server" or a workload
    std::optional<CapacityType> capacity;        ///< no_capacity: only of this; empty: both
    std::string zone, instance_type;             ///< no_capacity: only there, only of that; "" = all
    std::int32_t count = 1;                      ///< nodes, or replicas to scale to
    std::optional<ModelServer> server;           ///< of rollout: what the new revision serves; empty: the same
    DegradeSpec degrade;                         ///< of degrade; of rollout and driver_fault: how its servers are ill
    bool ill = false;                            ///< of rollout: the new version is; of driver_fault: servers go on without the GPU
    std::size_t load_test = 0;                   ///< index into Scenario::load_tests
    double factor = 1;                           ///< of slow_source: the part of its bandwidth that is left
    SourcePosition where;
    std::string path;                            ///< `events[0]`
};

/// Everything that one run is made from, typed and named; the compiler turns it into a blueprint.
struct Scenario {
    std::string name;
    std::string file;                            ///< as given; "" when made from flags alone
    std::vector<std::string> manifest_paths;     ///< as read, beside the scenario
    Manifests manifests;
    std::vector<WorkloadSpec> workloads;
    ClusterSpec cluster;
    std::vector<MetricMapping> metrics;
    PrometheusSpec prometheus;
    std::optional<Tick> metrics_server_resolution; ///< empty: its own flag's, else 15 s
    std::vector<Threshold> thresholds;
    GoodputSpec goodput;
    std::vector<ScenarioEvent> events;           ///< in the order of the file
    std::vector<WorkloadSpec> load_tests;        ///< of events; their requests come besides the workloads'
    StartState start = StartState::warm;
    std::optional<std::int64_t> start_unix_s;    ///< wall clock of t = 0; empty: the trace's first timestamp
    std::string time_zone = "Etc/UTC";
    std::optional<Tick> duration;                ///< cuts the workloads' span
    Tick drain_limit = seconds(600);             ///< after the span, for what is in flight
    std::int32_t trials = 1;
    std::uint64_t seed = 1;
    Document document;                           ///< the scenario file after --set, for hashing and diffs
    Problems warnings;                           ///< of reading: probably not what was meant
    Problems notes;                              ///< of reading: what was left aside and why

    /// The workload object a workload's requests go to, or nullptr.
    [[nodiscard]] const WorkloadObject* target_of(const WorkloadSpec& workload) const;
    /// Requests, or their prompts, go to that object.
    [[nodiscard]] bool is_target(const WorkloadObject& object) const;
    /// What a workload's replicas serve: the scenario's declaration, else the manifest's. Never nullptr in a
    /// scenario that was read without errors.
    [[nodiscard]] const ModelServer* server_of(const WorkloadSpec& workload) const;
    /// The ServiceMonitors and PodMonitors that select a workload's pods.
    [[nodiscard]] std::vector<const MetricsMonitor*> monitors_of(const WorkloadObject& object) const;
    /// How often a workload's pods are scraped: the shortest interval of the monitors that select them,
    /// else Prometheus' own.
    [[nodiscard]] Tick scrape_interval_of(const WorkloadObject& object) const;
};

/// What the command line adds to a scenario file.
struct ScenarioInputs {
    std::string scenario_file;                   ///< "" = none: defaults, with the manifests below
    std::vector<std::string> manifests;          ///< -f; they replace the scenario's own
    std::string trace;                           ///< -t; replaces the only workload's
    std::vector<std::string> assignments;        ///< --set PATH=VALUE, in order
    bool workload_required = true;               ///< false for `validate`
};

/// Reads scenario and manifests, applies the assignments, decodes and checks everything together.
[[nodiscard]] Result<Scenario> read_scenario(const ScenarioInputs& inputs, std::istream& standard_input);

/// For `validate`: the same without stopping at the first broken layer; what could be read is in
/// `scenario`, all errors and notes are in `findings`.
void read_scenario_into(const ScenarioInputs& inputs, std::istream& standard_input, Scenario& scenario, Findings& findings);

/// Scenario and manifests as they were decoded (after --set), without positions: what a hash or a
/// difference between two runs is made from.
[[nodiscard]] nlohmann::ordered_json canonical_json(const Scenario& scenario);

/// Decodes one scenario document; manifests are not read. The tests and read_scenario use it.
void decode_scenario(const Document& document, Scenario& out, Findings& findings);

/// Decodes `synthetic:` (scenarios/synthetic_spec.hpp). Calls `finish`.
[[nodiscard]] SyntheticSpec decode_synthetic(Decoder& synthetic);

}  // namespace windtunnel
