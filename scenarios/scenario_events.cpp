// Decodes `events` of a scenario: what happens at fixed times.
#include "scenarios/documents/suggest.hpp"
#include "scenarios/scenario_parts.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

/// How servers are ill.
void decode_illness(Decoder& item, DegradeSpec& out) {
    out.slowdown = item.number("slowdown", 0.1, 10'000).value_or(1);
    out.error_share = item.number("error_share", 0, 1).value_or(0);
    out.wrong_share = item.number("wrong_share", 0, 1).value_or(0);
    out.output_factor = item.number("output_factor", 0.01, 100).value_or(1);
}
[[nodiscard]] bool is_ill(const DegradeSpec& d) {
    return d.slowdown != 1 || d.error_share != 0 || d.wrong_share != 0 || d.output_factor != 1;
}

DegradeSpec decode_degrade(Decoder& item, Tick at) {
    DegradeSpec out;
    if (item.has("count") == item.has("share")) item.error("", std::string("has ") + (item.has("count") ? "both count and share" : "neither count nor share") + ", allowed: exactly one, of the serving pods");
    out.count = item.int32("count", 1, 100'000).value_or(0);
    out.share = item.number("share", 1e-6, 1).value_or(0);
    decode_illness(item, out);
    out.until = item.duration("until_s", 0, longest_scenario_s);
    if (out.until && *out.until <= at) item.error("until_s", "is not after at_s, allowed: a later time");
    if (!is_ill(out))
        item.error("", "degrades nothing, allowed: at least one of slowdown, error_share, wrong_share, output_factor");
    return out;
}

}  // namespace

/// `{at_s: 60, rollout: Deployment/chat}`: exactly one of the kinds, with what it is about.
std::vector<ClockTime> decode_events(Decoder& root, Scenario& out) {
    std::vector<ClockTime> clock_times;
    const std::vector<std::pair<std::string, EventKind>> kinds = {{"rollout", EventKind::rollout},       {"scale", EventKind::scale},
                                                                  {"lose_node", EventKind::lose_node},   {"drain_node", EventKind::drain_node},
                                                                  {"interrupt_node", EventKind::interrupt_node},
                                                                  {"add_node", EventKind::add_node},     {"no_capacity", EventKind::no_capacity},
                                                                  {"no_metrics", EventKind::no_metrics}, {"degrade", EventKind::degrade},
                                                                  {"no_image", EventKind::no_image},     {"slow_source", EventKind::slow_source},
                                                                  {"lose_zone", EventKind::lose_zone},   {"lose_gpu", EventKind::lose_gpu},
                                                                  {"driver_fault", EventKind::driver_fault}, {"load_test", EventKind::load_test}};
    std::vector<std::string> names;
    for (const auto& [name, kind] : kinds) names.push_back(name);
    for (Decoder& item : root.children("events")) {
        ScenarioEvent event;
        event.where = item.where();
        event.path = item.path();
        if (item.has("at") && item.has("at_s")) item.error("at", "stands beside at_s, allowed: one of them");
        if (!item.has("at_s") && !item.has("at")) item.missing("at_s", "a number of seconds (or at: a time of day)");
        if (const auto clock = item.text("at")) clock_times.push_back({out.events.size(), *clock});
        event.at = item.duration("at_s", 0, longest_scenario_s).value_or(Tick{0});
        int given = 0;
        for (const auto& [name, kind] : kinds) {
            if (!item.has(name)) continue;
            ++given;
            event.kind = kind;
            if (kind == EventKind::no_metrics && item.node().find(name)->kind == Node::Kind::boolean)
                event.target = item.boolean(name).value_or(true) ? "prometheus" : "";
            else event.target = item.text(name).value_or("");
        }
        item.quiet(names);
        if (given != 1) item.error("", "says " + std::to_string(given) + " things that happen, allowed: exactly one of " + join(names));
        const bool lasts = event.kind == EventKind::no_capacity || event.kind == EventKind::no_metrics || event.kind == EventKind::no_image || event.kind == EventKind::slow_source || event.kind == EventKind::driver_fault;
        if (lasts && !item.has("duration_s")) item.missing("duration_s", "a number of seconds");
        if (lasts) event.duration = item.duration("duration_s", 0, longest_scenario_s).value_or(Tick{0});
        if (event.kind == EventKind::no_capacity) {
            if (item.has("capacity_type"))
                event.capacity = item.choice<CapacityType>("capacity_type", {{"on-demand", CapacityType::on_demand}, {"spot", CapacityType::spot}});
            event.zone = item.text("zone").value_or("");
            event.instance_type = item.text("instance_type").value_or("");
        }
        if (event.kind == EventKind::scale && !item.has("replicas")) item.missing("replicas", "an integer of at least 0");
        if (event.kind == EventKind::scale) event.count = item.int32("replicas", 0).value_or(0);
        if (event.kind == EventKind::rollout && item.has("server")) {
            Decoder server = item.child("server");
            event.server = decode_model_server(server, ModelServer{});
            item.quiet({"server"});
        }
        if (event.kind == EventKind::rollout) event.pullable = item.boolean("pullable").value_or(true);
        if (event.kind == EventKind::rollout) {
            decode_illness(item, event.degrade);
            event.ill = is_ill(event.degrade);
        }
        if (event.kind == EventKind::slow_source) {
            if (!item.has("factor")) item.missing("factor", "the part of its bandwidth that is left, 0 to 1");
            event.factor = item.number("factor", 0, 1).value_or(1);
        }
        if (event.kind == EventKind::lose_zone) event.duration = item.duration("duration_s", 0, longest_scenario_s).value_or(Tick{0});
        if (event.kind == EventKind::driver_fault) {
            event.ill = item.choice<bool>("servers", {{"end", false}, {"run_on_cpu", true}}).value_or(false);
            if (item.has("slowdown") && !event.ill) item.error("slowdown", "stands where servers end, allowed only with: servers: run_on_cpu");
            // [estimate] A decode step on a CPU of 50 GB/s in place of a GPU of some TB/s; the guides say 100 times slower.
            event.degrade.slowdown = item.number("slowdown", 1, 10'000).value_or(100);
        }
        if (event.kind == EventKind::load_test) {
            WorkloadSpec test;
            test.where = event.where;
            test.path = event.path;
            if (!item.has("synthetic")) item.missing("synthetic", "what is sent: rate_rps, duration_s, lengths");
            Decoder synthetic = item.child("synthetic");
            test.synthetic = decode_synthetic(synthetic);
            item.quiet({"synthetic"});
            event.load_test = out.load_tests.size();
            out.load_tests.push_back(std::move(test));
        }
        if (event.kind == EventKind::degrade) event.degrade = decode_degrade(item, event.at);
        if (event.kind == EventKind::lose_node || event.kind == EventKind::interrupt_node || event.kind == EventKind::drain_node || event.kind == EventKind::add_node || event.kind == EventKind::lose_gpu)
            event.count = item.int32("count", 1, 100'000).value_or(1);
        item.finish();
        out.events.push_back(std::move(event));
    }
    return clock_times;
}

void set_clock_times(Decoder& root, const std::vector<ClockTime>& times, Scenario& out) {
    const Node* start = root.node().find("start_time");
    for (const ClockTime& time : times) {
        ScenarioEvent& event = out.events[time.event];
        const auto refuse = [&](const std::string& message) {
            root.findings().errors.push_back({event.where, event.path + ".at", message});
        };
        if (start == nullptr || !out.start_unix_s || start->text.size() < 10) {
            refuse("is a time of day, but the scenario does not say when it starts, allowed with: start_time");
            continue;
        }
        const auto at = parse_wall_clock(start->text.substr(0, 10) + "T" + time.text, out.time_zone);
        if (!at) {
            refuse("found \"" + time.text + "\", allowed: a time of day such as \"10:00\"");
            continue;
        }
        // The first such time after the start: today's, or tomorrow's.
        event.at = seconds((*at - *out.start_unix_s + 86400) % 86400);
    }
    for (const ScenarioEvent& event : out.events)
        if (event.kind == EventKind::load_test) out.load_tests[event.load_test].offset = event.at;
}

}  // namespace windtunnel
