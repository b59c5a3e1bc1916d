#pragma once
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// A kind of node that a pool can give, on its way into the blueprint.
struct ShapeDraft {
    ShapePlan plan;
    std::string instance_type;  ///< as the cloud calls it
    std::string zone;           ///< "" = not known
    CapacityType capacity = CapacityType::on_demand;
    std::string gpu;  ///< catalogue name; "" = nodes without GPUs
    std::vector<DeviceUnits> devices;  ///< how they advertise them
    Labels labels;    ///< of its nodes
    std::string price_source;
    std::int32_t reservation = -1;  ///< which of ClusterSpec::reservations it is, and nothing else; -1 = none
};

/// A pool on its way into the blueprint.
struct PoolDraft {
    PoolSpec spec;  ///< of a NodePool: name, labels and taints
    PoolPlan plan;
    std::vector<ShapeDraft> shapes;  ///< by zone, then in the order of the pool's instance types
    std::uint32_t first_shape = 0;   ///< the blueprint's index of its first shape
    bool by_karpenter = false;
    bool refused = false;            ///< its nodes could not be described or have no price, which is among the errors
};

/// Resolves the pools of the scenario and of its manifests: instance types x zones x ways of buying, with sizes,
/// labels, prices and provisioning; Karpenter's NodePools with their limits and budgets. Adds quantile tables and
/// Karpenter's plans to `out.parts`. Node slots of NodePools follow later (size_karpenter_pools).
[[nodiscard]] std::vector<PoolDraft> compile_pools(const Scenario& scenario, CompiledScenario& out, Problems& errors);

/// The same of the manifests' NodePools alone; compile_pools calls it.
void compile_node_pools(const Scenario& scenario, CompiledScenario& out, std::vector<PoolDraft>& drafts, Problems& errors);

/// NodePools get as many node slots as their limits, or the pods that may run there, can need. Call it when
/// `parts` has all templates.
void size_karpenter_pools(const BlueprintParts& parts, std::vector<PoolDraft>& drafts);

/// Adds pools and shapes to the blueprint and, to `out.pools`, the rows that they are counted and billed in: one
/// for each pool, or two where it buys spot and on demand.
void add_pools(std::vector<PoolDraft>& drafts, CompiledScenario& out, Problems& errors);

/// How many kinds of GPUs, and of dividing them, the nodes have: ShapePlan::gpu_kind counts them.
[[nodiscard]] std::size_t gpu_kinds_of(const std::vector<PoolDraft>& pools);

// ---- shared by the two compilers of pools ------------------------------------------------------------------

/// Divides a node's GPUs as the pool, its labels and the manifests say, and puts the units in their places.
[[nodiscard]] Problems describe_devices(const PoolSpec& spec, const Scenario& scenario, const ExtendedResources& extended, ShapeDraft& shape);

/// Fills in how long a node takes to come, for all shapes of a pool.
void describe_provisioning(const PoolSpec& spec, const std::string& cloud, PoolDraft& draft, BlueprintParts& parts,
                           Problems& errors);

}  // namespace windtunnel
