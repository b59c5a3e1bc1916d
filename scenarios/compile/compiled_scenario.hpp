#pragma once
#include "models/kv_capacity.hpp"
#include "policies/scheduler_message.hpp"
#include "scenarios/compile/extended_resources.hpp"
#include "scenarios/compile/start_graph.hpp"
#include "sim/blueprint_builder.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// Names and prices of a row of Tally::pools: a node pool, or its nodes of one capacity type.
struct CompiledPool {
    std::string name;
    std::string instance_type;           ///< "g6.xlarge", "g6.xlarge|g5.xlarge", "12 types"
    std::string capacity_type;           ///< "on-demand", "reserved" or "spot"
    std::int64_t nano_usd_per_hour = 0;  ///< of one node, the cheapest
    std::int64_t gpus_per_node = 0;
    std::int64_t minimum = 0, maximum = 0;  ///< nodes
    std::string price_source;               ///< where the price is from, and its date
    /// Paid for, used or not, at this price of one: all the time, or what of it a reservation lasts.
    std::int64_t committed_nodes = 0, committed_nano_usd_per_hour = 0;
    bool reserved = false;                  ///< its nodes are a reservation's
    std::string zone;                       ///< of a reservation; "" = not said
    std::optional<Tick> paid_from, paid_until;  ///< of a reservation, within the span; empty: the span's begin, its end
    bool by_karpenter = false;              ///< its maximum is the engine's room for it, no one's limit
};

/// By what a cost that is no node's price is shared out.
enum class CostShares : std::uint8_t {
    nobody,         ///< it is there for all
    nodes,          ///< by what their time went into
    output_tokens,  ///< of completed requests
    tokens,         ///< the same, with their prompts
};
/// Something that is billed besides node time. It costs the sum of its terms.
struct CompiledCost {
    std::string name;                              ///< "volumes", "egress", a name of the scenario's
    std::int64_t nano_usd_per_hour = 0;            ///< of the span
    double nano_usd_per_node_hour = 0;             ///< of every node
    double nano_usd_per_output_token = 0, nano_usd_per_prompt_token = 0;
    CostShares shares = CostShares::nobody;
};

/// What bounds a pool, at the index it has in the blueprint.
struct CompiledNodePool {
    std::string name;
    std::optional<std::int64_t> maximum;  ///< nodes; none where only resources are limited
    SourcePosition where;                 ///< of the pool, or of what bounds it
    std::string path;
};

/// Names and facts of a workload, at the index it has in the blueprint.
struct CompiledWorkload {
    std::string name;    ///< "chat"
    std::string target;  ///< "Deployment/chat"
    std::string name_space;
    std::string container;   ///< that serves
    std::string autoscaler;  ///< "ScaledObject/chat", "HorizontalPodAutoscaler/chat" or ""
    std::int32_t minimum_replicas = 0, maximum_replicas = 0;
    std::string model, gpu;  ///< catalogue names; "" = its pods serve nothing
    KvCapacity capacity;
    std::string step_time_source;  ///< which coefficients
    StartGraph start;              ///< of its pods, on a node that is there
    std::string tenant;            ///< whose its pods are, by their label; "" = not said
    SourcePosition where;
};

/// Whose requests a workload worked for, at the index it has in the blueprint.
struct CompiledAccount {
    std::uint32_t workload = 0;
    std::string tenant;  ///< "" = requests that say nobody's name
};

/// Names of a quota, at the index it has in the blueprint.
struct CompiledQuota {
    std::string title;  ///< "ResourceQuota/gpus"
    std::string name_space;
    bool over_limits = false;
};

/// Names of an autoscaler, at the index it has in the blueprint.
struct CompiledAutoscaler {
    std::string name;  ///< "ScaledObject/chat" or "HorizontalPodAutoscaler/chat"
    std::string hpa;   ///< "chat", or what KEDA calls the HPA that it makes
    std::string target, name_space;
    std::vector<std::string> metrics;   ///< by index into HpaSpec::metrics: 'external metric s0-prometheus'
    std::vector<std::string> triggers;  ///< by index into AutoscalerPlan::triggers: "prometheus", "cpu"
    SourcePosition maximum_where;       ///< of maxReplicas
    std::string maximum_path;
};

/// Names of an alerting rule.
struct CompiledAlert {
    std::string name, group, severity;
    std::int32_t index = -1;    ///< in the blueprint; -1 = it is not evaluated
    std::string not_evaluated;  ///< why not
    SourcePosition where;
};

/// A run's wall clock: what t = 0 is, for people.
struct StartClock {
    std::int64_t start_unix_s = 0;
    std::string time_zone = "Etc/UTC";
};

/// A scenario as the engine runs it, with everything that turns indices back into names.
struct CompiledScenario {
    std::string name;
    BlueprintParts parts;
    std::uint64_t hash = 0;  ///< of scenario, manifests, tables and the requests of trial 0
    std::vector<CompiledPool> pools;
    std::vector<CompiledCost> other_costs;
    std::vector<CompiledNodePool> node_pools;
    std::vector<CompiledWorkload> workloads;
    std::vector<CompiledAccount> accounts;  ///< empty: no request says whose it is
    std::vector<CompiledQuota> quotas;
    std::vector<std::string> spot_markets;  ///< "g6.xlarge in us-east-1a", at the index they have in the blueprint
    std::vector<std::string> cloud_quotas;  ///< their names, at the index they have in the blueprint
    std::vector<CompiledAutoscaler> autoscalers;
    std::vector<CompiledAlert> alerts;  ///< in the manifests' order
    StartClock clock;
    ExtendedResources extended;      ///< which stand in which place
    SchedulerWords scheduler_words;  ///< of the reasons why pods are pending
    Problems warnings;         ///< shown in every result
    Problems unscaled;         ///< those of them that unscaled_targets finds
    bool has_goodput = false;  ///< the scenario says what a good request is
};

}  // namespace windtunnel
