#pragma once
#include "scenarios/documents/decoder.hpp"
#include "scenarios/kubernetes/kubernetes_workloads.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

enum class QuotaScope : std::uint8_t {
    terminating, not_terminating, best_effort, not_best_effort, cross_namespace_pod_affinity, priority_class, volume_attributes_class
};

/// One condition of a quota: it counts only objects for which it holds.
struct QuotaScopeRule {
    QuotaScope scope = QuotaScope::not_terminating;
    SelectorOperator op = SelectorOperator::exists;  ///< for priority_class also In and NotIn
    std::vector<std::string> values;                 ///< names of PriorityClasses
};

/// A ResourceQuota (policies/ has the arithmetic). Keys are canonical: "cpu" is requests.cpu, "memory"
/// requests.memory, "ephemeral-storage" requests.ephemeral-storage.
struct ResourceQuotaObject {
    ObjectMeta meta;
    /// Amounts: cpu in thousandths, everything else in its unit (bytes, devices, objects). Keys: pods,
    /// requests.cpu, limits.cpu, requests.memory, limits.memory, requests.nvidia.com/gpu, count/pods, ...
    std::map<std::string, std::int64_t> hard;
    std::map<std::string, std::int64_t> used;  ///< a dump's status.used
    std::vector<QuotaScopeRule> scopes;        ///< all must hold
};

/// The rules of a LimitRange for one type of object.
struct LimitRangeItem {
    enum class Type : std::uint8_t { container, pod, claim };

    Type type = Type::container;
    std::map<std::string, std::int64_t> min, max;                           ///< cpu in thousandths, else units
    std::map<std::string, std::int64_t> default_limit, default_request;    ///< of containers
    std::map<std::string, std::int64_t> max_ratio_milli;                   ///< maxLimitRequestRatio
};

struct LimitRangeObject {
    ObjectMeta meta;
    std::vector<LimitRangeItem> items;
};

struct StorageClassObject {
    ObjectMeta meta;
    std::string provisioner;
    bool waits_for_consumer = false;           ///< volumeBindingMode WaitForFirstConsumer: bound where the pod goes
    bool is_default = false;
    std::map<std::string, std::string> parameters;
    std::vector<NodeAffinityTerm> allowed_topologies;  ///< terms OR-ed
};

struct PersistentVolumeObject {
    ObjectMeta meta;
    std::int64_t capacity_bytes = 0;
    std::string storage_class;
    std::vector<std::string> access_modes;
    std::vector<NodeAffinityTerm> node_affinity;  ///< from which nodes it can be reached; empty = all
    std::string claim;                            ///< claimRef "namespace/name"; "" = free
};

[[nodiscard]] ResourceQuotaObject decode_resource_quota(Decoder& object, ObjectMeta meta);
[[nodiscard]] LimitRangeObject decode_limit_range(Decoder& object, ObjectMeta meta);
[[nodiscard]] StorageClassObject decode_storage_class(Decoder& object, ObjectMeta meta);
[[nodiscard]] PersistentVolumeObject decode_persistent_volume(Decoder& object, ObjectMeta meta);

/// Refuses a claim that the rules about claims forbid.
void check_claim(const LimitRangeObject& range, const VolumeClaim& claim, Findings& findings);
/// Gives the containers of a pod that say nothing the range's defaults, as admission does, and reports
/// what the range would refuse. `place` names the pod's owner.
void apply_limit_range(const LimitRangeObject& range, PodTemplate& pod, const std::string& place, Findings& findings);

}  // namespace windtunnel
