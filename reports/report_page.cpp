#include "reports/report_page.hpp"

#include "models/expects.hpp"
#include "models/version.hpp"
#include "reports/human.hpp"
#include "reports/statistics.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace windtunnel {

#if defined(WINDTUNNEL_HAS_PAGE)
std::string_view report_page_file(std::string_view file_name);
#endif

namespace {

using Json = nlohmann::ordered_json;

Json quantiles(const Distribution& d) {
    if (d.totals.count == 0) return nullptr;
    return Json{{"p50", to_milliseconds(d.quantile(0.5))},
                {"p90", to_milliseconds(d.quantile(0.9))},
                {"p99", to_milliseconds(d.quantile(0.99))}};
}

Json slice_json(const TimelineSlice& s, Tick width) {
    const auto mean = [&](Tick t) { return to_seconds(t) / to_seconds(width); };
    const auto pods = [&](PodState state) { return mean(s.pods[static_cast<int>(state)]); };
    const auto nodes = [&](NodeState state) { return mean(s.nodes[static_cast<int>(state)]); };
    const auto ended = [&](RequestEnd end) { return s.ended[static_cast<int>(end)]; };
    return Json{{"arrivals", s.arrivals},
                {"completed", ended(RequestEnd::completed)},
                {"rejected", ended(RequestEnd::rejected)},
                {"timed_out", ended(RequestEnd::timed_out)},
                {"failed", ended(RequestEnd::failed)},
                {"unfinished", ended(RequestEnd::unfinished)},
                {"good", s.good},
                {"ttft", quantiles(s.ttft)},
                {"tpot", quantiles(s.tpot)},
                {"e2el", quantiles(s.e2el)},
                {"pods", Json{{"pending", pods(PodState::pending)},
                              {"starting", pods(PodState::starting)},
                              {"ready", pods(PodState::ready)},
                              {"terminating", pods(PodState::terminating)},
                              {"draining", pods(PodState::draining)}}},
                {"nodes", Json{{"provisioning", nodes(NodeState::provisioning)},
                               {"ready", nodes(NodeState::ready)},
                               {"draining", nodes(NodeState::draining)},
                               {"cordoned", nodes(NodeState::cordoned)},
                               {"lost", nodes(NodeState::lost)}}}};
}

/// Stretches of slices in which too few of the arrivals were good: [first, one past the last].
Json bands_of(const Timeline& timeline, double objective) {
    Json out = Json::array();
    const std::vector<TimelineSlice>& slices = timeline.slices;
    for (std::size_t i = 0; i < slices.size(); ++i) {
        const auto missed = [&](std::size_t at) {
            return static_cast<double>(slices[at].good) < objective * static_cast<double>(slices[at].arrivals);
        };
        if (!missed(i)) continue;
        const std::size_t first = i;
        while (i + 1 < slices.size() && missed(i + 1)) ++i;
        out.push_back(Json::array({first, i + 1}));
    }
    return out;
}

Json timeline_json(const PageContent& c) {
    if (c.first == nullptr || !c.first->timeline || c.scenario == nullptr) return nullptr;
    const Timeline& timeline = *c.first->timeline;
    Json slices = Json::array();
    for (const TimelineSlice& s : timeline.slices) slices.push_back(slice_json(s, timeline.slice));
    const double objective = c.scenario->parts.goodput.good_per_million / 1e6;
    return Json{{"slice_s", to_seconds(timeline.slice)},
                {"start_unix_s", c.scenario->clock.start_unix_s},
                {"objective", c.scenario->has_goodput ? Json(objective) : Json(nullptr)},
                {"bands", c.scenario->has_goodput ? bands_of(timeline, objective) : Json::array()},
                {"slices", std::move(slices)}};
}

Json checks_json(const PageContent& c) {
    Json out = Json::array();
    if (c.results == nullptr || c.source == nullptr || c.scenario == nullptr || c.results->trials.empty()) return out;
    for (const CheckRow& r : threshold_rows(*c.source, *c.scenario, *c.results)) {
        const std::string place = r.where.file.empty() ? "" : r.where.line > 0 ? fmt::format("{}:{}", r.where.file, r.where.line) : r.where.file;
        out.push_back(Json{{"kind", "threshold"},
                           {"expr", r.expr},
                           {"verdict", to_string(r.verdict)},
                           {"shown", r.value},
                           {"limit", r.limit ? Json(*r.limit) : Json(nullptr)},
                           {"note", r.note},
                           {"cause", r.cause},
                           {"place", place}});
    }
    return out;
}

Json starts_json(const PageContent& c) {
    Json out = Json::array();
    if (c.first == nullptr || c.scenario == nullptr) return out;
    for (const PodStart& s : c.first->starts)
        out.push_back(Json{{"at_s", to_seconds(s.created)},
                           {"workload", c.scenario->workloads[s.workload].target},
                           {"pending_s", to_seconds(s.bound - s.created)},
                           {"starting_s", to_seconds(s.ready - s.bound)}});
    return out;
}

Json inputs_json(const PageContent& c) {
    Json out = Json::object();
    if (c.source != nullptr) {
        if (!c.source->file.empty()) out["scenario"] = c.source->file;
        if (!c.source->manifest_paths.empty()) out["manifests"] = fmt::format("{}", fmt::join(c.source->manifest_paths, ", "));
        for (const WorkloadSpec& w : c.source->workloads)
            out["requests for " + w.name] = w.trace.empty() ? std::string("synthetic (see the scenario)") : w.trace;
    }
    if (c.scenario != nullptr) {
        for (const CompiledWorkload& w : c.scenario->workloads)
            out[w.target] = fmt::format("{} on {}{}; step times: {}", w.model, w.gpu,
                                        w.autoscaler.empty() ? "" : ", scaled by " + w.autoscaler, w.step_time_source);
        for (const CompiledPool& p : c.scenario->pools)
            out[fmt::format("pool {}, {}", p.name, p.capacity_type)] = fmt::format("{} at {} USD/h, {} to {} nodes; price: {}", p.instance_type,
                                                short_usd(static_cast<double>(p.nano_usd_per_hour) / 1e9), p.minimum, p.maximum,
                                                p.price_source);
        out["span"] = spoken_duration(to_seconds(c.scenario->parts.span));
    }
    return out;
}

Json definitions() {
    return Json{{"TTFT", "from a request's arrival at the router to its first token"},
                {"TPOT", "(end to end - TTFT) / (output tokens - 1), per request"},
                {"ITL", "every gap between two tokens, of all requests together"},
                {"goodput", "share of the arrived requests that completed within all of the scenario's goodput objectives"},
                {"degraded minutes", "minutes whose arrivals met them in too small a share"},
                {"verdict", "a threshold holds when all of its 95 % interval over the trials does, fails when none of it does"},
                {"busy, idle, starting, draining, lost", "engine steps run; ready without work, or room that no pod took; nodes that come "
                 "up and pods that load; pods that end and nodes that leave; nodes that died and minimum billing"},
                {"a month", "730 hours of the same"}};
}

}  // namespace

std::string warm_up_sentence(const ObservedTrial& first) {
    std::vector<double> ttft;
    std::vector<Tick> arrivals;
    for (const RequestRecord& r : first.requests) {
        if (r.end != RequestEnd::completed) continue;
        ttft.push_back(to_milliseconds(r.first_token - r.arrival));
        arrivals.push_back(r.arrival);
    }
    if (ttft.size() < 100) return "";
    const WarmUp w = warm_up_of(ttft);
    if (!w.settled)
        return "The time to first token does not settle within the run (MSER-5): the load or the capacity keeps changing, and "
               "means over the run are of this run only.";
    if (w.cut == 0) return "No warm-up shows in the time to first token (MSER-5).";
    return fmt::format("Warm-up: the first {} requests ({}) differ from the rest in their time to first token (MSER-5); they are "
                       "counted like the others.",
                       thousands(static_cast<std::int64_t>(w.cut)), spoken_duration(to_seconds(arrivals[w.cut])));
}

std::string page_data(const PageContent& c) {
    const std::string warm_up = c.first == nullptr ? "" : warm_up_sentence(*c.first);
    const Json out{{"schema", "windtunnel.page/v1"},
                   {"version", version},
                   {"results", Json::parse(c.results_json)},
                   {"checks", checks_json(c)},
                   {"timeline", timeline_json(c)},
                   {"cold_starts", starts_json(c)},
                   {"warm_up", warm_up},
                   {"inputs", inputs_json(c)},
                   {"definitions", definitions()}};
    return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

#if defined(WINDTUNNEL_HAS_PAGE)

namespace {

/// What stands in a script element must not end it.
std::string inside_script(std::string json) {
    std::string out;
    out.reserve(json.size());
    for (const char c : json) {
        if (c == '<') out += "\\u003c";
        else out += c;
    }
    return out;
}

}  // namespace

bool has_report_page() { return true; }

std::string report_page(const PageContent& content) {
    std::string page(report_page_file("page.html"));
    const auto fill = [&](const char* mark, std::string_view text) {
        const std::size_t at = page.find(mark);
        WT_EXPECTS(at != std::string::npos);
        page.replace(at, std::char_traits<char>::length(mark), text);
    };
    fill("@SCRIPT@", report_page_file("page.bundle.js"));
    fill("@DATA@", inside_script(page_data(content)));
    return page;
}

#else

bool has_report_page() { return false; }

std::string report_page(const PageContent&) { throw InternalError("this program was built without the report page"); }

#endif

}  // namespace windtunnel
