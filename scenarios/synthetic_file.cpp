// Decodes `synthetic:`, the description of a made-up workload.
#include <algorithm>
#include <cmath>

#include "scenarios/scenario.hpp"
#include "scenarios/scenario_parts.hpp"
#include "scenarios/traces/synthetic.hpp"

namespace windtunnel {
namespace {

const std::vector<std::pair<std::string, ArrivalProcess>> processes = {{"poisson", ArrivalProcess::poisson},
                                                                       {"gamma", ArrivalProcess::gamma},
                                                                       {"weibull", ArrivalProcess::weibull},
                                                                       {"constant", ArrivalProcess::constant}};
constexpr double most_tokens = 1e7;
constexpr double largest_factor = 1e6;

double required_number(Decoder& map, const char* key, double least, double most) {
    if (!map.has(key)) map.missing(key, "a number");
    return map.number(key, least, most).value_or(least);
}

LengthSpec fixed_length(std::int64_t tokens) {
    LengthSpec out;
    out.kind = LengthKind::fixed;
    out.tokens = tokens;
    return out;
}

void decode_bounds(Decoder& map, LengthSpec& out) {
    out.smallest = map.integer("min", 1, static_cast<std::int64_t>(most_tokens)).value_or(out.smallest);
    out.largest = map.integer("max", 1, static_cast<std::int64_t>(most_tokens)).value_or(out.largest);
    if (out.smallest > out.largest) map.error("min", "is above max, allowed: at most max");
}

/// `{median: 200, p99: 1500}` or `{median: 200, sigma: 0.9}`.
void decode_lognormal(Decoder lognormal, LengthSpec& out) {
    out.kind = LengthKind::lognormal;
    out.median = required_number(lognormal, "median", 1, most_tokens);
    const auto p99 = lognormal.number("p99", 1, most_tokens);
    const auto sigma = lognormal.number("sigma", 0, 10);
    if (lognormal.has("p99") == lognormal.has("sigma"))
        lognormal.error("", std::string("has ") + (lognormal.has("p99") ? "both p99 and sigma" : "neither p99 nor sigma") + ", allowed: exactly one");
    if (p99 && *p99 < out.median) lognormal.error("p99", "is below the median, allowed: at least the median");
    constexpr double normal_p99 = 2.3263478740408408;  // the standard normal distribution's 0.99 quantile
    out.sigma = p99 ? std::max(0.0, std::log(*p99 / out.median)) / normal_p99 : sigma.value_or(0);
    decode_bounds(lognormal, out);
    lognormal.finish();
}

/// `{p0: 1, p50: 200, p99: 4000, p100: 8000}`.
void decode_quantiles(Decoder& length, LengthSpec& out) {
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

/// `512`, or a map with exactly one of fixed, uniform, lognormal, quantiles, preset.
std::optional<LengthSpec> decode_length(Decoder& synthetic, const std::string& key) {
    const Node* node = synthetic.take(key);
    if (!node) return std::nullopt;
    if (!node->is_map()) {
        const auto tokens = synthetic.integer(key, 1, static_cast<std::int64_t>(most_tokens));
        return tokens ? std::optional(fixed_length(*tokens)) : std::nullopt;
    }
    Decoder length = synthetic.child(key);
    int given = 0;
    for (const char* kind : {"fixed", "uniform", "lognormal", "quantiles", "preset"}) given += length.has(kind) ? 1 : 0;
    if (given != 1) length.error("", "describes the length " + std::to_string(given) + " times, allowed: exactly one of fixed, uniform, lognormal, quantiles, preset");
    LengthSpec out;
    if (const auto tokens = length.integer("fixed", 1, static_cast<std::int64_t>(most_tokens))) out = fixed_length(*tokens);
    out.preset = length.text("preset").value_or("");
    if (length.has("uniform")) {
        out.kind = LengthKind::uniform;
        Decoder uniform = length.child("uniform");
        for (const char* bound : {"min", "max"})
            if (!uniform.has(bound)) uniform.missing(bound, "a number of tokens");
        decode_bounds(uniform, out);
        uniform.finish();
    }
    if (length.has("lognormal")) decode_lognormal(length.child("lognormal"), out);
    if (length.has("quantiles")) decode_quantiles(length, out);
    length.quiet({"uniform", "lognormal", "quantiles"});
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
        const double at_s = required_number(item, "at_s", 0, longest_scenario_s);
        const double factor = required_number(item, "factor", 0, largest_factor);
        item.finish();
        if (!out.points.empty() && at_s <= out.points.back().at_s) item.error("at_s", "is not after the point before, allowed: rising times");
        out.points.push_back({at_s, factor});
    }
    if (out.profile == RateProfile::custom && !synthetic.has("points")) synthetic.missing("points", "a list of {at_s, factor}");
    if (out.profile != RateProfile::custom && synthetic.has("points")) synthetic.error("points", "stands beside another profile, allowed: only with profile custom");
    for (Decoder& item : synthetic.children("bursts")) {
        const double at_s = required_number(item, "at_s", 0, longest_scenario_s);
        const double duration_s = required_number(item, "duration_s", 0, longest_scenario_s);
        out.bursts.push_back({at_s, duration_s, required_number(item, "factor", 0, largest_factor)});
        item.finish();
    }
    for (Decoder& item : synthetic.children("ramps")) {
        const double at_s = required_number(item, "at_s", 0, longest_scenario_s);
        const double duration_s = required_number(item, "duration_s", 0, longest_scenario_s);
        out.ramps.push_back({at_s, duration_s, required_number(item, "factor", 0, largest_factor)});
        item.finish();
    }
}

}  // namespace

SyntheticSpec decode_synthetic(Decoder& synthetic) {
    const std::size_t errors_before = synthetic.findings().errors.size();
    SyntheticSpec out;
    out.preset = synthetic.text("preset").value_or("");
    out.rate_rps = synthetic.number("rate_rps", 1e-9, 1e6);
    out.duration_s = synthetic.number("duration_s", 1e-3, longest_scenario_s);
    if (const auto count = synthetic.integer("requests", 1, 2'000'000'000)) out.requests = static_cast<std::uint64_t>(*count);
    out.process = synthetic.choice("arrival", processes);
    out.cv = synthetic.number("cv", 1e-3, 1000);
    if (out.cv && (out.process == ArrivalProcess::poisson || out.process == ArrivalProcess::constant))
        synthetic.error("cv", "stands beside arrival " + std::string(out.process == ArrivalProcess::poisson ? "poisson" : "constant") + ", allowed: with gamma or weibull");
    decode_profile(synthetic, out);
    if (synthetic.has("input_tokens")) synthetic.error("input_tokens", "is no known key; did you mean prompt_tokens?");
    synthetic.quiet({"input_tokens"});
    out.prompt = decode_length(synthetic, "prompt_tokens");
    out.output = decode_length(synthetic, "output_tokens");
    if (synthetic.has("shared_prefix")) {
        Decoder shared = synthetic.child("shared_prefix");
        SharedPrefixSpec& prefix = out.shared_prefix.emplace();
        if (!shared.has("tokens")) shared.missing("tokens", "a number of tokens");
        prefix.tokens = shared.integer("tokens", 1, 1'000'000).value_or(1);
        prefix.groups = shared.integer("groups", 1, 1'000'000).value_or(1);
        prefix.share = shared.number("share", 0, 1).value_or(1);
        shared.finish();
    }
    synthetic.finish();
    // What the parts say together is the generator's to judge; it knows the presets.
    if (synthetic.findings().errors.size() == errors_before)
        for (Problem& p : problems_of(out, synthetic.path())) {
            if (p.where.line == 0) p.where = synthetic.where();
            synthetic.findings().errors.push_back(std::move(p));
        }
    return out;
}

}  // namespace windtunnel
