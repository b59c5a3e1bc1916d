#include "reports/cluster_json.hpp"
#include "reports/comparison.hpp"
#include "reports/cost.hpp"
#include "reports/json_values.hpp"
#include "reports/money.hpp"
#include "reports/over_trials.hpp"
#include "reports/results.hpp"
#include "reports/spot_summary.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

Json whole(double value) { return static_cast<std::int64_t>(std::llround(value)); }
Json interval(const Estimate& e) {
    return e.ci95 ? Json::array({e.ci95->first, e.ci95->second}) : Json(nullptr);
}
Json usd_interval(const Estimate& e) {
    return e.ci95 ? Json::array({decimal_usd(e.ci95->first), decimal_usd(e.ci95->second)}) : Json(nullptr);
}

/// The largest number of replicas or nodes: whole in one trial, a mean in several.
bool is_whole(const SummaryRow& row, std::size_t trials) {
    const std::string_view key = row.key;
    return row.is_count || (trials == 1 && (key == "replicas_max" || key == "nodes_max"));
}

Json threshold_rows(const RunResults& results, const Summary& summary) {
    Json out = Json::array();
    for (std::size_t i = 0; i < results.thresholds.size(); ++i) {
        const ThresholdResult& r = summary.thresholds[i];
        out.push_back(Json{{"expr", results.thresholds[i].expression},
                           {"value", number(r.estimate.value)},
                           {"ci95", interval(r.estimate)},
                           {"verdict", to_string(r.verdict)}});
    }
    return out;
}

Json alert_rows(const RunResults& results) {
    Json out = Json::array();
    for (const AlertLabel& alert : results.alerts) {
        Json row{{"alert", alert.name}, {"group", alert.group}};
        if (!alert.severity.empty()) row["severity"] = alert.severity;
        row["evaluated"] = alert.index >= 0;
        if (alert.index < 0) {
            row["reason"] = alert.not_evaluated;
            out.push_back(std::move(row));
            continue;
        }
        const AlertSummary s = summarise_alert(results, alert);
        row["fired"] = s.fired;
        row["trials_fired"] = s.trials_fired;
        row["series_fired"] = s.series_fired;
        row["first_fired_s"] = number(s.first_fired_s.value);
        row["firing_s"] = number(s.firing_s.value);
        if (s.failed_evaluations > 0) row["failed_evaluations"] = s.failed_evaluations;
        if (results.trials.size() == 1) {
            Json& episodes = row["episodes"] = Json::array();
            const AlertTally& tally = results.trials[0].alerts[static_cast<std::size_t>(alert.index)];
            for (std::uint64_t i = 0; i < std::min<std::uint64_t>(tally.episodes, alert_episodes_kept); ++i)
                episodes.push_back(Json{{"from_s", to_seconds(tally.kept[i].from)}, {"to_s", to_seconds(tally.kept[i].to)}});
        } else {
            row["ci95"] = Json{{"first_fired_s", interval(s.first_fired_s)}, {"firing_s", interval(s.firing_s)}};
        }
        out.push_back(std::move(row));
    }
    return out;
}

Json cost(const RunResults& results, const Summary& summary) {
    Json pools = Json::array();
    for (std::size_t p = 0; p < results.pools.size(); ++p)
        pools.push_back(Json{{"pool", results.pools[p].pool},
                             {"capacity_type", results.pools[p].capacity_type},
                             {"node_hours", number(summary.pools[p].node_hours.value)},
                             {"usd", decimal_usd(summary.pools[p].micro_usd)}});
    const auto& per_million = summary.micro_usd_per_million_output_tokens;
    return Json{
        {"total_usd", decimal_usd(summary.total_micro_usd)},
        {"gpu_hours", number(summary.gpu_hours.value)},
        {"usd_per_million_output_tokens", per_million ? Json(decimal_usd(*per_million)) : Json(nullptr)},
        {"by_pool", std::move(pools)}};
}

Json cost_intervals(const RunResults& results, const Summary& summary) {
    Json pools = Json::array();
    for (std::size_t p = 0; p < results.pools.size(); ++p)
        pools.push_back(Json{{"pool", results.pools[p].pool},
                             {"capacity_type", results.pools[p].capacity_type},
                             {"node_hours", interval(summary.pools[p].node_hours)},
                             {"usd", usd_interval(summary.pools[p].usd)}});
    return Json{{"total_usd", usd_interval(summary.usd)},
                {"gpu_hours", interval(summary.gpu_hours)},
                {"usd_per_million_output_tokens", usd_interval(summary.usd_per_million_output_tokens)},
                {"by_pool", std::move(pools)}};
}

/// The rows of one section, or their intervals.
Json section(const Summary& summary, std::string_view name, std::size_t trials, bool intervals) {
    Json out = Json::object();
    for (const SummaryRow& row : summary.rows) {
        if (name != row.section) continue;
        if (intervals)
            out[row.key] = interval(row.estimate);
        else if (row.estimate.value && is_whole(row, trials))
            out[row.key] = whole(*row.estimate.value);
        else
            out[row.key] = number(row.estimate.value);
    }
    return out;
}

}  // namespace

std::string cluster_sections_json(const RunResults& results) {
    if (!results.cluster) return results.cluster_sections;
    Json out = Json::object();
    add_cluster_sections(*results.cluster, out);
    return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string results_json(const RunResults& results) {
    const Summary summary = summarise(results);
    const std::size_t trials = results.trials.size();
    Json out;
    out["schema"] = "windtunnel.results/v1";
    out["scenario"] = Json{{"name", results.scenario}, {"hash", fmt::format("{:016x}", results.hash)}};
    out["seed"] = results.seed;
    out["trials"] = trials;
    out["backend"] = results.backend;
    out["complete"] = results.complete;
    for (const char* name : {"requests", "tokens", "latency", "throughput"})
        out[name] = section(summary, name, trials, false);
    out["thresholds"] = threshold_rows(results, summary);
    out["capacity"] = section(summary, "capacity", trials, false);
    out["cost"] = cost(results, summary);
    out["warnings"] = Json::array();
    for (const Problem& w : results.warnings)
        out["warnings"].push_back(Json{{"file", w.where.file},
                                       {"line", w.where.line > 0 ? Json(w.where.line) : Json(nullptr)},
                                       {"path", w.path},
                                       {"message", w.message}});
    if (trials > 0 && !results.alerts.empty()) out["alerts"] = alert_rows(results);
    out["attempts"] = section(summary, "attempts", trials, false);
    out["prefix_cache"] = section(summary, "prefix_cache", trials, false);
    if (Json pairs = section(summary, "prefill_decode", trials, false); !pairs.empty()) out["prefill_decode"] = std::move(pairs);
    if (Json spot = trials > 0 ? spot_json(results, false) : Json(nullptr); !spot.is_null()) out["spot"] = std::move(spot);
    if (trials > 0 && !results.pools.empty())
        out["cost_breakdown"] =
            Json{{"span_s", results.span_s}, {"rows", cost_rows_json(cost_breakdown(results))}};
    if (trials >= 2) {
        Json& all = out["ci95"] = Json::object();
        for (const char* name : {"requests", "tokens", "latency", "throughput", "capacity", "attempts", "prefix_cache"})
            all[name] = section(summary, name, trials, true);
        all["cost"] = cost_intervals(results, summary);
        if (out.contains("spot")) all["spot"] = spot_json(results, true);
        out["over_trials"] = over_trials_json(results);
        out["per_trial"] = per_trial_json(results);
    }
    if (results.cluster) add_cluster_sections(*results.cluster, out);
    if (!results.cluster_sections.empty()) out.update(Json::parse(results.cluster_sections));
    return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace windtunnel
