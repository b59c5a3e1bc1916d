#include "conformance/conformance.hpp"
#include "policies/ca_estimator.hpp"
#include "policies/ca_scale_down.hpp"

#include <map>
#include <vector>

namespace windtunnel::conformance {
namespace {

/// Small numbers for names, in order of appearance.
struct Names {
    std::map<std::string, std::int32_t> known;
    std::int32_t of(const std::string& name) {
        return known.try_emplace(name, static_cast<std::int32_t>(known.size())).first->second;
    }
};

CaNode read_node(const Json& json, Names& zones) {
    CaNode node;
    skip(json, {"name"});
    node.free[resource_cpu_milli] = value_or<std::int64_t>(json, "cpu_milli", 0);
    node.free[resource_memory_bytes] = value_or<std::int64_t>(json, "memory", 0);
    node.free[resource_pods] = value_or<std::int64_t>(json, "max_pods", 110);
    node.zone = zones.of(value_or<std::string>(json, "zone", ""));
    return node;
}

CaPodGroup read_group(const Json& json, Names& ports, std::int32_t label) {
    CaPodGroup group;
    group.request[resource_cpu_milli] = value_or<std::int64_t>(json, "cpu_milli", 0);
    group.request[resource_memory_bytes] = value_or<std::int64_t>(json, "memory", 0);
    group.request[resource_pods] = 1;
    group.count = required<std::int32_t>(json, "count");
    group.label = label;
    if (given(json, "host_port"))
        group.host_ports = std::uint64_t{1} << ports.of(field(json, "host_port").dump());
    if (given(json, "topology_spread")) {
        const Json& spread = field(json, "topology_spread");
        const SpreadConstraint constraint{
            required<std::string>(spread, "topology_key") == "kubernetes.io/hostname" ? SpreadKey::hostname
                                                                                      : SpreadKey::zone,
            value_or(spread, "max_skew", 1), value_or(spread, "min_domains", 1)};
        // ScheduleAnyway is a wish, which the estimator's filters do not ask.
        if (value_or<std::string>(spread, "when_unsatisfiable", "DoNotSchedule") == "DoNotSchedule")
            group.spread = constraint;
    }
    return group;
}

Json run_estimate(const Json& input) {
    Names zones, ports;
    const CaNode template_node = read_node(field(input, "template"), zones);
    std::vector<CaNode> nodes;
    for (const Json& node : list(input, "existing_nodes")) nodes.push_back(read_node(node, zones));
    const auto existing = static_cast<std::int32_t>(nodes.size());
    std::vector<CaPodGroup> groups;
    std::size_t pods = 0;
    for (const Json& json : list(input, "pod_groups")) {
        if (groups.size() == ca_spread_labels)
            throw std::runtime_error("more pod groups than the program can tell apart");
        groups.push_back(read_group(json, ports, static_cast<std::int32_t>(groups.size())));
        pods += static_cast<std::size_t>(groups.back().count);
    }
    nodes.resize(nodes.size() + pods + 1);
    const CaEstimate estimate =
        estimate_nodes(groups.data(), static_cast<std::int32_t>(groups.size()), template_node, nodes.data(),
                       existing, static_cast<std::int32_t>(nodes.size()), value_or(input, "max_nodes", 0));
    Json only;  // the label is the group's place in the input
    for (const CaPodGroup& group : groups)
        if (group.scheduled > 0 && group.scheduled == estimate.scheduled_pods) only = group.label;
    return {{"nodes", estimate.nodes},
            {"scheduled_pods", estimate.scheduled_pods},
            {"scheduled_only_from_group", only}};
}

Json run_least_waste(const Json& input) {
    std::vector<CaOption> options;
    Json groups = Json::array();
    for (const Json& json : list(input, "options")) {
        CaOption option;
        option.node[resource_cpu_milli] = required<std::int64_t>(json, "node_cpu_milli");
        option.node[resource_memory_bytes] = required<std::int64_t>(json, "node_memory");
        option.node_count = required<std::int32_t>(json, "node_count");
        option.pods[resource_cpu_milli] = required<std::int64_t>(json, "pods_cpu_milli");
        option.pods[resource_memory_bytes] = required<std::int64_t>(json, "pods_memory");
        options.push_back(option);
        groups.push_back(required<std::string>(json, "group"));
    }
    const std::uint64_t best = expand(CaExpander::least_waste, options.data(),
                                      static_cast<std::int32_t>(options.size()), ~std::uint64_t{0});
    Json names = Json::array();
    for (std::size_t i = 0; i < options.size(); ++i)
        if ((best >> i & 1) != 0) names.push_back(groups[i]);
    return {{"best", names}};
}

struct NodeScene {
    std::vector<CaPod> pods;
    CaNodeView node;
    CaScaleDownRules rules;
};

NodeScene read_node_scene(const Json& input) {
    NodeScene scene;
    for (const Json& json : list(input, "pods")) {
        CaPod pod;
        skip(json, {"note"});
        pod.request[resource_cpu_milli] = value_or<std::int64_t>(json, "cpu_milli", 0);
        pod.request[resource_memory_bytes] = value_or<std::int64_t>(json, "memory", 0);
        pod.request[resource_extended] = value_or<std::int64_t>(json, "gpu", 0);
        pod.daemonset = value_or(json, "daemonset", false);
        pod.mirror = value_or(json, "mirror", false);
        pod.deleting = given(json, "deleted_s_ago");
        pod.deletion_timestamp = ticks(-value_or(json, "deleted_s_ago", 0.0));
        scene.pods.push_back(pod);
    }
    const Json& json = field(input, "node");
    CaNodeView& node = scene.node;
    node.allocatable[resource_cpu_milli] = value_or<std::int64_t>(json, "cpu_milli", 0);
    node.allocatable[resource_memory_bytes] = value_or<std::int64_t>(json, "memory", 0);
    const bool only_label = value_or(json, "gpu_label_only", false);
    node.allocatable[resource_extended] = only_label ? 0 : value_or<std::int64_t>(json, "gpu", 0);
    node.gpu = given(json, "gpu") || only_label ? resource_extended : -1;
    node.ready = value_or(json, "ready", true);
    node.scale_down_disabled = value_or(json, "no_scale_down_annotation", false);
    node.marked_for_deletion = given(json, "to_be_deleted_taint_age_s");
    node.marked_at = ticks(-value_or(json, "to_be_deleted_taint_age_s", 0.0));
    scene.rules.utilization_threshold = value_or(input, "threshold", 0.5);
    scene.rules.ignore_daemonsets = value_or(input, "ignore_daemonsets", false);
    scene.rules.ignore_mirror_pods = value_or(input, "ignore_mirror_pods", false);
    scene.rules.unready_enabled = value_or(input, "scale_down_unready_enabled", true);
    return scene;
}

Json unremovable_reason(const Json& input) {
    NodeScene scene = read_node_scene(input);
    scene.node.pods = scene.pods.data();
    scene.node.pod_count = static_cast<std::int32_t>(scene.pods.size());
    switch (scale_down_eligibility(scene.node, scene.rules, Tick{0})) {
        case CaUnremovable::no_reason:
            return nullptr;
        case CaUnremovable::currently_being_deleted:
            return "CurrentlyBeingDeleted";
        case CaUnremovable::scale_down_disabled_annotation:
            return "ScaleDownDisabledAnnotation";
        case CaUnremovable::not_autoscaled:
            return "NotAutoscaled";
        case CaUnremovable::scale_down_unready_disabled:
            return "ScaleDownUnreadyDisabled";
        case CaUnremovable::unexpected_error:
            return "UnexpectedError";
        case CaUnremovable::not_underutilized:
            return "NotUnderutilized";
    }
    return nullptr;
}

Json run_utilization(const Json& input) {
    NodeScene scene = read_node_scene(input);
    scene.node.pods = scene.pods.data();
    scene.node.pod_count = static_cast<std::int32_t>(scene.pods.size());
    const CaUtilization got = node_utilization(scene.node, scene.rules, Tick{0});
    if (got.error) return {{"error", true}};
    return {{"error", false}, {"utilization", got.utilization}, {"cpu", got.cpu}};
}

/// The operations stand among the expectations, each with its result where it has one.
Json run_backoff(const Case& c) {
    const CaBackoffRules rules{ticks(required<double>(c.input, "initial_s")),
                               ticks(required<double>(c.input, "max_s")),
                               ticks(required<double>(c.input, "reset_timeout_s"))};
    std::map<std::string, CaBackoff> groups;
    Json steps = Json::array();
    for (const Json& given_step : list(c.expected, "steps")) {
        Json step = given_step;
        for (const auto& [key, value] : step.items())
            if (key != "at_s" && key != "op" && key != "group" && key != "backed_off" &&
                key != "entries_left")
                throw std::runtime_error("found step key '" + key + "', which no operation answers");
        const Tick at = ticks_or(step, "at_s", 0.0);
        const auto op = required<std::string>(step, "op");
        const std::string group = value_or<std::string>(step, "group", "");
        if (op == "backoff")
            back_off(rules, groups[group], at);
        else if (op == "status")
            step["backed_off"] = is_backed_off(groups.count(group) > 0 ? groups[group] : CaBackoff{}, at);
        else if (op == "remove")
            groups.erase(group);
        else if (op == "purge_stale")
            std::erase_if(groups, [&](const auto& entry) { return is_stale(rules, entry.second, at); });
        else
            throw std::runtime_error("found op '" + op + "', allowed: backoff, status, remove, purge_stale");
        // No operation but status says whether a group rests, and none but it may be asked.
        if (given(step, "backed_off") && op != "status")
            throw std::runtime_error("found backed_off at op '" + op + "', allowed: status");
        if (step.contains("entries_left")) step["entries_left"] = groups.size();
        steps.push_back(step);
    }
    return {{"steps", steps}};
}

}  // namespace

std::optional<Json> run_ca_binpacking(const Case& c) {
    if (c.kind == "estimate") return run_estimate(c.input);
    if (c.kind == "least_waste") return run_least_waste(c.input);
    return std::nullopt;
}

std::optional<Json> run_ca_scaledown_backoff(const Case& c) {
    if (c.kind == "backoff_sequence") return run_backoff(c);
    if (c.kind == "node_utilization") return run_utilization(c.input);
    if (c.kind == "scale_down_eligibility") return Json{{"unremovable_reason", unremovable_reason(c.input)}};
    return std::nullopt;
}

}  // namespace windtunnel::conformance
