#include "reports/spot_summary.hpp"

#include "reports/human.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

bool is_spot(const PoolLabel& p) { return p.capacity_type == "spot"; }

template <class Get>
Estimate over_trials(const RunResults& results, Get get) {
    std::vector<std::optional<double>> values;
    for (const TrialNumbers& t : results.trials) values.push_back(get(t));
    return estimate(values);
}

/// The spot pools' part of a trial's sum over all pools.
std::optional<double> spot_share(const RunResults& results, const TrialNumbers& t, double PoolNumbers::*of) {
    double spot = 0, all = 0;
    for (std::size_t p = 0; p < results.pools.size(); ++p) {
        all += t.pools[p].*of;
        if (is_spot(results.pools[p])) spot += t.pools[p].*of;
    }
    if (all <= 0) return std::nullopt;
    return spot / all;
}

Json shown(const Estimate& e, bool interval) {
    if (!interval) return e.value ? Json(*e.value) : Json(nullptr);
    return e.ci95 ? Json::array({e.ci95->first, e.ci95->second}) : Json(nullptr);
}

}  // namespace

SpotSummary spot_summary(const RunResults& results) {
    SpotSummary out;
    for (std::size_t p = 0; p < results.pools.size(); ++p) {
        if (!is_spot(results.pools[p])) continue;
        SpotSummary::Pool pool;
        pool.row = p;
        for (const TrialNumbers& t : results.trials) {
            pool.launched += t.pools[p].launched;
            pool.notices += t.pools[p].noticed;
            pool.taken += t.pools[p].taken;
        }
        out.notices += pool.notices;
        out.taken += pool.taken;
        pool.node_hours = over_trials(results, [&](const TrialNumbers& t) { return std::optional(t.pools[p].node_hours); });
        pool.noticed_gpu_s = over_trials(results, [&](const TrialNumbers& t) { return std::optional(t.pools[p].noticed_gpu_s); });
        out.pools.push_back(std::move(pool));
    }
    out.node_hours_share = over_trials(results, [&](const TrialNumbers& t) { return spot_share(results, t, &PoolNumbers::node_hours); });
    out.gpu_hours_share = over_trials(results, [&](const TrialNumbers& t) { return spot_share(results, t, &PoolNumbers::gpu_hours); });
    out.noticed_gpu_s = over_trials(results, [&](const TrialNumbers& t) {
        double sum = 0;
        for (const PoolNumbers& p : t.pools) sum += p.noticed_gpu_s;
        return std::optional(sum);
    });
    out.fallback_minutes = over_trials(results, [&](const TrialNumbers& t) {
        double longest = 0;  // of pools at the same time one minute counts once: the pool with the most is shown
        for (const PoolNumbers& p : t.pools) longest = std::max(longest, p.fallback_s / 60);
        return std::optional(longest);
    });
    return out;
}

nlohmann::ordered_json spot_json(const RunResults& results, bool intervals) {
    const SpotSummary s = spot_summary(results);
    if (s.pools.empty()) return nullptr;
    Json out = Json::object();
    if (!intervals) {
        out["notices"] = s.notices;
        out["machines_taken"] = s.taken;
    }
    out["node_hours_share"] = shown(s.node_hours_share, intervals);
    out["gpu_hours_share"] = shown(s.gpu_hours_share, intervals);
    out["noticed_gpu_s"] = shown(s.noticed_gpu_s, intervals);
    out["fallback_minutes"] = shown(s.fallback_minutes, intervals);
    Json& pools = out["by_pool"] = Json::array();
    for (const SpotSummary::Pool& p : s.pools) {
        Json row{{"pool", results.pools[p.row].pool}};
        if (!intervals) {
            row["launched"] = p.launched;
            row["notices"] = p.notices;
            row["machines_taken"] = p.taken;
        }
        row["node_hours"] = shown(p.node_hours, intervals);
        row["noticed_gpu_s"] = shown(p.noticed_gpu_s, intervals);
        pools.push_back(std::move(row));
    }
    return out;
}

std::string spot_line(const RunResults& results) {
    const SpotSummary s = spot_summary(results);
    if (s.pools.empty() || !s.node_hours_share.value) return "";
    std::string out = fmt::format("{} of node-hours · {} notice{}, {} machine{} taken", short_percent(*s.node_hours_share.value),
                                  s.notices, s.notices == 1 ? "" : "s", s.taken, s.taken == 1 ? "" : "s");
    if (*s.noticed_gpu_s.value > 0) out += fmt::format(" · {:.0f} GPU-s after notices", *s.noticed_gpu_s.value);
    if (*s.fallback_minutes.value > 0) out += fmt::format(" · {:.0f} min on demand for want of spot", *s.fallback_minutes.value);
    return out;
}

}  // namespace windtunnel
