// Decodes `synthetic:`, the description of a made-up workload.
#include <algorithm>
#include <cmath>

#include "scenarios/scenario.hpp"

namespace windtunnel {
namespace {

const std::vector<std::pair<std::string, ArrivalProcess>> processes = {{"poisson", ArrivalProcess::poisson},
                                                                       {"gamma", ArrivalProcess::gamma},
                                                                       {"weibull", ArrivalProcess::weibull},
                                                                       {"constant", ArrivalProcess::constant}};
constexpr double longest_s = 4.5e7;  // the clock's range, models/time.hpp
constexpr double most_tokens = 1e7;
constexpr double largest_factor = 1e6;

double required_duration(Decoder& map, const char* key, double least, double most) {
    if (!map.has(key)) map.missing(key, "a number of seconds");
    return to_seconds(map.duration(key, least, most).value_or(Tick{0}));
}

double required_number(Decoder& map, const char* key, double least, double most) {
    if (!map.has(key)) map.missing(key, "a number");
    return map.number(key, least, most).value_or(least);
}

/// `prompt_tokens: 512`, or a map with exactly one of fixed, uniform, lognormal, quantiles.
std::optional<LengthSpec> decode_length(Decoder& synthetic, const std::string& key) {
    const Node* node = synthetic.take(key);
    if (!node) return std::nullopt;
    LengthSpec out;
    if (!node->is_map()) {
        if (const auto tokens = synthetic.integer(key, 1, static_cast<std::int64_t>(most_tokens))) {
            out.kind = LengthKind::fixed;
            out.tokens = *tokens;
        }
        return out;
    }
    Decoder length = synthetic.child(key);
    int given = 0;
    for (const char* kind : {"fixed", "uniform", "lognormal", "quantiles", "preset"}) given += length.has(kind) ? 1 : 0;
    if (given > 1) length.error("", "describes the length more than once, allowed: one of fixed, uniform, lognormal, quantiles");
    length.quiet({"uniform", "lognormal", "quantiles"});
    if (const auto preset = length.text("preset")) out.preset = *preset;
    if (const auto tokens = length.integer("fixed", 1, static_cast<std::int64_t>(most_tokens))) {
        out.kind = LengthKind::fixed;
        out.tokens = *tokens;
    }
    if (length.has("uniform")) {
        out.kind = LengthKind::uniform;
        Decoder uniform = length.child("uniform");
        if (!uniform.has("min") || !uniform.has("max")) uniform.missing(uniform.has("min") ? "max" : "min", "a number of tokens");
        out.smallest = uniform.integer("min", 1, static_cast<std::int64_t>(most_tokens)).value_or(1);
        out.largest = uniform.integer("max", 1, static_cast<std::int64_t>(most_tokens)).value_or(out.smallest);
        if (out.smallest > out.largest) uniform.error("min", "is above max, allowed: at most max");
        uniform.finish();
    }
    if (length.has("lognormal")) {
        out.kind = LengthKind::lognormal;
        Decoder lognormal = length.child("lognormal");
        out.median = required_number(lognormal, "median", 1, most_tokens);
        const double p99 = required_number(lognormal, "p99", 1, most_tokens);
        if (p99 < out.median) lognormal.error("p99", "is below the median, allowed: at least the median");
        else out.sigma = std::log(p99 / out.median) / 2.3263478740408408;  // the standard normal's 99% point
        lognormal.finish();
    }
    if (length.has("quantiles")) {
        // {p0: 1, p50: 200, p99: 4000, p100: 8000}
        out.kind = LengthKind::quantiles;
        Decoder table = length.child("quantiles");
        for (const Node& member : table.node().children) {
            const Node p = resolve_plain_scalar(member.key.size() > 1 && member.key[0] == 'p' ? member.key.substr(1) : "bad");
            const bool numeric = p.kind == Node::Kind::integer || p.kind == Node::Kind::number;
            const auto tokens = table.number(member.key, 1, most_tokens);
            if (!numeric || p.number < 0 || p.number > 100) table.error(member.key, "found " + member.key + ", allowed: p0 to p100, such as p50 or p99.9");
            else if (tokens) out.quantiles.push_back({p.number / 100, *tokens});
        }
        std::sort(out.quantiles.begin(), out.quantiles.end(), [](const auto& a, const auto& b) { return a.probability < b.probability; });
        if (out.quantiles.size() < 2) length.error("quantiles", "found " + std::to_string(out.quantiles.size()) + " points, allowed: at least two");
        for (std::size_t i = 1; i < out.quantiles.size(); ++i) {
            if (!(out.quantiles[i].probability > out.quantiles[i - 1].probability)) length.error("quantiles", "names a quantile twice, allowed: each once");
            if (out.quantiles[i].value < out.quantiles[i - 1].value) length.error("quantiles", "falls from one point to the next, allowed: rising token counts");
        }
    }
    if (out.kind == LengthKind::lognormal) {
        out.smallest = length.integer("min", 1, static_cast<std::int64_t>(most_tokens)).value_or(out.smallest);
        out.largest = length.integer("max", 1, static_cast<std::int64_t>(most_tokens)).value_or(out.largest);
        if (out.smallest > out.largest) length.error("min", "is above max, allowed: at most max");
    }
    length.finish();
    return out;
}

void decode_profile(Decoder& synthetic, SyntheticSpec& out) {
    out.profile = synthetic.choice<RateProfile>("profile", {{"flat", RateProfile::flat},
                                                            {"daily", RateProfile::daily},
                                                            {"weekly", RateProfile::weekly},
                                                            {"custom", RateProfile::custom}})
                      .value_or(synthetic.has("points") ? RateProfile::custom : RateProfile::flat);
    for (Decoder& item : synthetic.children("points")) {
        ProfilePoint point;
        point.at_s = required_duration(item, "at_s", 0, longest_s);
        point.factor = required_number(item, "factor", 0, largest_factor);
        item.finish();
        if (!out.points.empty() && point.at_s <= out.points.back().at_s) item.error("at_s", "is not after the point before, allowed: rising times");
        out.points.push_back(point);
    }
    if (out.profile == RateProfile::custom && !synthetic.has("points")) synthetic.missing("points", "a list of {at_s, factor}");
    if (out.profile != RateProfile::custom && synthetic.has("points")) synthetic.error("points", "stands beside another profile, allowed: only with profile custom");
    for (Decoder& item : synthetic.children("bursts")) {
        Burst burst;
        burst.at_s = required_duration(item, "at_s", 0, longest_s);
        burst.duration_s = required_duration(item, "duration_s", 0, longest_s);
        burst.factor = required_number(item, "factor", 0, largest_factor);
        item.finish();
        out.bursts.push_back(burst);
    }
    for (Decoder& item : synthetic.children("ramps")) {
        Ramp ramp;
        ramp.at_s = required_duration(item, "at_s", 0, longest_s);
        ramp.duration_s = required_duration(item, "duration_s", 0, longest_s);
        ramp.factor = required_number(item, "factor", 0, largest_factor);
        item.finish();
        out.ramps.push_back(ramp);
    }
}

}  // namespace

SyntheticSpec decode_synthetic(Decoder& synthetic) {
    SyntheticSpec out;
    out.preset = synthetic.text("preset").value_or("");
    out.rate_rps = synthetic.number("rate_rps", 1e-9, 1e6);
    if (const auto duration = synthetic.duration("duration_s", 1e-3, longest_s)) out.duration_s = to_seconds(*duration);
    if (const auto requests = synthetic.integer("requests", 1, 2'000'000'000)) out.requests = static_cast<std::uint64_t>(*requests);
    out.process = synthetic.choice("arrival", processes);
    if (const auto cv = synthetic.number("cv", 0.05, 20)) {
        out.cv = *cv;
        if (out.process == ArrivalProcess::poisson || out.process == ArrivalProcess::constant)
            synthetic.error("cv", "stands beside arrival " + std::string(out.process == ArrivalProcess::poisson ? "poisson" : "constant") + ", allowed: with gamma or weibull");
    }
    decode_profile(synthetic, out);
    out.prompt = decode_length(synthetic, "prompt_tokens");
    out.output = decode_length(synthetic, "output_tokens");
    for (Decoder& item : synthetic.children("tenants")) {
        TenantShare tenant;
        tenant.name = item.required_text("name");
        tenant.share = item.number("share", 1e-9, 1e9).value_or(1);
        tenant.priority = static_cast<std::int16_t>(item.int32("priority", -32768, 32767).value_or(0));
        item.finish();
        out.tenants.push_back(std::move(tenant));
    }
    if (out.preset.empty())
        for (const auto& [key, length] : {std::pair{"prompt_tokens", &out.prompt}, std::pair{"output_tokens", &out.output}})
            if (!*length) synthetic.missing(key, "a length (or a preset that brings one)");
    synthetic.finish();
    return out;
}

}  // namespace windtunnel
