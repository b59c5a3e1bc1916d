#include "policies/rollout.hpp"

#include "conformance/conformance.hpp"
#include "policies/disruption_budget.hpp"

#include <charconv>
#include <vector>

namespace windtunnel::conformance {
namespace {

/// An integer, "NN%" or null; nothing for any other text.
std::optional<CountOrPercent> read_count_or_percent(const Json& object, const char* key) {
    const Json& value = field(object, key);
    if (value.is_null()) return CountOrPercent{};
    if (value.is_number()) return integer(value.get<std::int32_t>());
    const std::string text = value.get<std::string>();
    std::int32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || std::string_view(end, text.data() + text.size() - end) != "%")
        return std::nullopt;
    return percent(number);
}

struct Sets {
    std::vector<ReplicaSetState> old;
    std::optional<ReplicaSetState> newest;

    RolloutSets view() {
        return {newest ? &*newest : nullptr, old.data(), static_cast<std::int32_t>(old.size())};
    }
    [[nodiscard]] Json old_sizes() const {
        Json sizes = Json::array();
        for (const ReplicaSetState& set : old) sizes.push_back(set.replicas);
        return sizes;
    }
    [[nodiscard]] Json new_size() const { return newest ? Json(newest->replicas) : Json(); }
};

/// A set as an object, or as its size alone.
ReplicaSetState read_set(const Json& set) {
    if (set.is_number()) return {set.get<std::int32_t>(), set.get<std::int32_t>(), 0, 0, 0};
    skip(set, {"name"});
    return {value_or(set, "replicas", 0), value_or(set, "available", 0),
            value_or<std::int64_t>(set, "created", 0), value_or(set, "annotated_desired", 0),
            value_or(set, "annotated_max", 0)};
}

Sets read_sets(const Json& input) {
    Sets sets;
    if (field(input, "old_rs").is_array())
        for (const Json& set : list(input, "old_rs")) sets.old.push_back(read_set(set));
    else if (given(input, "old_rs"))
        sets.old.push_back(read_set(field(input, "old_rs")));
    if (given(input, "new_rs")) sets.newest = read_set(field(input, "new_rs"));
    return sets;
}

}  // namespace

std::optional<Json> run_deployment_rolling(const Case& c) {
    const Json& input = c.input;
    const auto surge = read_count_or_percent(input, "max_surge");
    const auto unavailable = read_count_or_percent(input, "max_unavailable");
    const auto replicas = value_or(input, "replicas", 0);
    const auto strategy = value_or<std::string>(input, "strategy", "RollingUpdate");
    if (!surge || !unavailable) return Json{{"error", true}};
    const RolloutSpec spec{
        replicas, strategy == "Recreate" ? RolloutStrategy::recreate : RolloutStrategy::rolling_update,
        *surge, *unavailable};
    if (c.kind == "resolve_fenceposts") {
        const Fenceposts posts = resolve_fenceposts(*surge, *unavailable, spec.replicas);
        return Json{{"surge", posts.surge}, {"unavailable", posts.unavailable}};
    }
    if (c.kind == "max_unavailable") return Json{{"max_unavailable", effective_max_unavailable(spec)}};
    if (c.kind == "new_rs_new_replicas")
        return Json{{"new_rs", new_set_replicas(spec, required<std::int32_t>(input, "new_rs"),
                                                required<std::int32_t>(input, "all_rs_total"))}};
    Sets sets = read_sets(input);
    if (c.kind == "reconcile_new_rs") {
        const bool scaled = reconcile_new_set(spec, sets.view());
        return Json{{"scaled", scaled}, {"new_rs", sets.new_size()}};
    }
    if (c.kind == "reconcile_old_rs") {
        const bool scaled = reconcile_old_sets(spec, sets.view());
        return Json{{"scaled", scaled}, {"old_rs", sets.old_sizes()}};
    }
    if (c.kind == "cleanup_unhealthy")
        return Json{
            {"cleaned", cleanup_unhealthy(sets.view(), required<std::int32_t>(input, "max_cleanup"))}};
    if (c.kind == "scale_down_old") {
        const bool scaled = scale_down_old(spec, sets.view(), total_available(sets.view())) > 0;
        return Json{{"scaled", scaled}, {"old_rs", sets.old_sizes()}};
    }
    if (c.kind == "proportional_scale") {
        scale_proportionally(spec, sets.view());
        return Json{{"new_rs", sets.new_size()}, {"old_rs", sets.old_sizes()}};
    }
    return std::nullopt;
}

std::optional<Json> run_pdb_status(const Case& c) {
    if (c.kind != "pdb_status") return std::nullopt;
    const auto least = read_count_or_percent(c.input, "min_available");
    const auto most = read_count_or_percent(c.input, "max_unavailable");
    DisruptionBudgetInput input{required<std::int32_t>(c.input, "matching_pods"),
                                required<std::int32_t>(c.input, "healthy_pods"), 0,
                                value_or(c.input, "has_unowned_pod", false)};
    skip(c.input, {"pods_in_disrupted_map"});  // healthy_pods leaves them out already
    for (const Json& scale : list(c.input, "owner_scales"))
        input.controller_scale += read<std::int32_t>(scale);
    if (!least || !most) return Json{{"error", true}};
    // The cases come from a release in which a pod without controller still blocks the budget.
    const DisruptionBudgetStatus status = budget_status({*least, *most, true}, input);
    return Json{{"disruptions_allowed", status.disruptions_allowed},
                {"current_healthy", status.current_healthy},
                {"desired_healthy", status.desired_healthy},
                {"expected_pods", status.expected_pods}};
}

}  // namespace windtunnel::conformance
