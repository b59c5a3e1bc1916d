#include "policies/hpa_behavior.hpp"

#include "conformance/hpa_case.hpp"

namespace windtunnel::conformance {
namespace {

Json to_json(const HpaLimited& limited) {
    return {{"replicas", limited.replicas}, {"reason", to_text(limited.reason)}};
}

Json run_limit(const Case& c, bool up) {
    auto ups = read_events(c.input, "scale_up_events");
    auto downs = read_events(c.input, "scale_down_events");
    const auto rules = read_rules(field(c.input, "rules"),
                                  up ? default_scale_up_rules() : default_scale_down_rules(seconds(300)));
    const auto current = required<std::int32_t>(c.input, "current");
    const auto up_view = ups.view();
    const auto down_view = downs.view();
    return {{"limit", up ? scale_up_limit(current, up_view, down_view, rules, Tick{0})
                         : scale_down_limit(current, up_view, down_view, rules, Tick{0})}};
}

Json run_rate(const Case& c) {
    auto ups = read_events(c.input, "scale_up_events");
    auto downs = read_events(c.input, "scale_down_events");
    HpaSpec spec;
    spec.min_replicas = required<std::int32_t>(c.input, "min");
    spec.max_replicas = required<std::int32_t>(c.input, "max");
    spec.has_behavior = true;
    spec.scale_up = read_rules(field(c.input, "scale_up_rules"), default_scale_up_rules());
    spec.scale_down = read_rules(field(c.input, "scale_down_rules"), default_scale_down_rules(seconds(300)));
    HpaState state;
    state.scale_ups = ups.view();
    state.scale_downs = downs.view();
    return to_json(limit_with_behavior(spec, state, required<std::int32_t>(c.input, "current"),
                                       required<std::int32_t>(c.input, "desired"), Tick{0}));
}

Json run_stabilize(const Case& c, bool behavior) {
    auto owned = read_recommendations(c.input, "recommendations");
    auto log = owned.view();
    const auto desired = required<std::int32_t>(c.input, "desired");
    const HpaStabilized result =
        behavior ? stabilize_with_behavior(log, required<std::int32_t>(c.input, "current"), desired,
                                           ticks_or(c.input, "scale_up_window_s", 0.0),
                                           ticks_or(c.input, "scale_down_window_s", 300.0), Tick{0})
                 : stabilize_without_behavior(
                       log, desired, ticks_or(c.input, "downscale_stabilization_window_s", 300.0), Tick{0});
    Json after = Json::array();
    for (std::int32_t i = 0; i < log.count; ++i) after.push_back(log.entries[i].replicas);
    return {{"replicas", result.replicas}, {"log_length_after", log.count}, {"recommendations_after", after}};
}

Json run_store(const Case& c) {
    auto owned = read_events(c.input, "previous_events");
    auto log = owned.view();
    const std::int64_t before =
        change_within(log, ticks(required<double>(c.input, "query_period_s")), Tick{0});
    // Without behavior nothing is stored, as reconcile_hpa does.
    const auto change = required<std::int32_t>(c.input, "replica_change");
    if (given(c.input, "rules") &&
        !store_scale_event(log, read_rules(field(c.input, "rules"), {}), change, Tick{0}))
        return {{"error", true}};
    Json after = Json::array();
    for (std::int32_t i = 0; i < log.count; ++i)
        after.push_back({{"change", log.entries[i].change}, {"outdated", log.entries[i].outdated}});
    return {{"change_in_query_period_before_store", before}, {"events_after", after}};
}

}  // namespace

std::optional<Json> run_hpa_behavior(const Case& c) {
    if (c.kind == "clamp_without_behavior")
        return to_json(clamp_without_behavior(
            required<std::int32_t>(c.input, "current"), required<std::int32_t>(c.input, "desired"),
            required<std::int32_t>(c.input, "min"), required<std::int32_t>(c.input, "max")));
    if (c.kind == "scale_up_limit") return run_limit(c, true);
    if (c.kind == "scale_down_limit") return run_limit(c, false);
    if (c.kind == "rate_limit_with_behavior") return run_rate(c);
    if (c.kind == "stabilize_without_behavior") return run_stabilize(c, false);
    if (c.kind == "stabilize_with_behavior") return run_stabilize(c, true);
    if (c.kind == "store_scale_event") return run_store(c);
    return std::nullopt;
}

}  // namespace windtunnel::conformance
