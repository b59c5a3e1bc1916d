#include "scenarios/markets/spot_spec.hpp"

#include <filesystem>

namespace windtunnel {
namespace {

constexpr double year_s = 4e7;

std::string file_of(Decoder& spot, const std::string& key, const std::string& scenario_file) {
    const auto path = spot.text(key);
    if (!path || path->empty()) return "";
    return (std::filesystem::path(scenario_file).parent_path() / *path).lexically_normal().string();
}

void decode_rates(Decoder& spot, SpotSpec& out) {
    out.interruptions_per_hour = spot.number("interruptions_per_hour", 0, 3600);
    if (const Node* factors = spot.take("hour_factors")) {
        for (const Node& n : factors->children) {
            char* end = nullptr;
            const double value = std::strtod(n.text.c_str(), &end);
            if (n.text.empty() || *end != 0 || !(value >= 0 && value <= 1000)) spot.error("hour_factors", "found " + describe(n) + ", allowed: 24 numbers from 0 to 1000");
            out.hour_factors.push_back(value);
        }
        if (out.hour_factors.size() != 24) spot.error("hour_factors", "found " + std::to_string(out.hour_factors.size()) + " factors, allowed: 24, one for each hour of the day");
    }
    if (spot.has("reclaims")) {
        Decoder reclaims = spot.child("reclaims");
        out.reclaims_per_day = reclaims.number("per_day", 0, 10'000);
        if (!out.reclaims_per_day) reclaims.missing("per_day", "how often a zone takes nodes back");
        out.reclaim_share = reclaims.number("share", 0, 1).value_or(1);
        reclaims.finish();
    }
    if (spot.has("droughts")) {
        Decoder droughts = spot.child("droughts");
        out.droughts_per_day = droughts.number("per_day", 0, 10'000);
        if (!out.droughts_per_day) droughts.missing("per_day", "how often there is no capacity for a while");
        out.drought_hours = droughts.number("mean_h", 1e-3, 10'000).value_or(1);
        out.drought_share = droughts.number("share", 0, 1).value_or(0);
        droughts.finish();
    }
    spot.quiet({"reclaims", "droughts"});
    if (!out.hour_factors.empty() && !out.interruptions_per_hour && out.fit.empty()) spot.error("hour_factors", "has nothing to multiply, allowed: beside interruptions_per_hour or fit");
}

}  // namespace

SpotSpec decode_spot(Decoder& spot, const std::string& scenario_file, bool selects) {
    SpotSpec out;
    out.where = spot.where();
    out.path = spot.path();
    if (selects) {
        out.pool = spot.text("pool").value_or("");
        out.instance_type = spot.text("instance_type").value_or("");
        out.zone = spot.text("zone").value_or("");
    }
    out.nodes = file_of(spot, "nodes", scenario_file);
    out.capacity = file_of(spot, "capacity", scenario_file);
    out.fit = file_of(spot, "fit", scenario_file);
    out.prices = file_of(spot, "prices", scenario_file);
    decode_rates(spot, out);
    if (const auto ones = spot.choice<bool>("ones", {{"available", true}, {"preempted", false}})) out.ones_are_available = *ones;
    out.step_s = spot.number("step_s", 1e-3, 1e6);
    out.from = spot.duration("from_s", 0, year_s);
    out.notice = spot.duration("notice_s", 0, 86400);
    out.rebalance_lead = spot.duration("rebalance_lead_s", 0, 86400);
    out.handler = spot.choice<SpotHandler>("handler", {{"none", SpotHandler::none}, {"drain", SpotHandler::evictions}, {"shutdown", SpotHandler::shutdown}});
    if (!out.nodes.empty() && (out.interruptions_per_hour || out.reclaims_per_day || out.droughts_per_day || !out.capacity.empty() || !out.fit.empty()))
        spot.error("nodes", "stands beside another market, allowed: recorded nodes alone (with prices)");
    if (!out.fit.empty() && (out.interruptions_per_hour || out.reclaims_per_day || out.droughts_per_day))
        spot.error("fit", "stands beside rates, allowed: a fitted market or rates of your own");
    if (!out.capacity.empty() && out.droughts_per_day) spot.error("capacity", "stands beside droughts, allowed: recorded capacity or droughts");
    spot.finish();
    return out;
}

}  // namespace windtunnel
