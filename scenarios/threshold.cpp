#include "scenarios/threshold.hpp"

#include <cmath>
#include <vector>

#include "scenarios/documents/document.hpp"
#include "scenarios/documents/suggest.hpp"

namespace windtunnel {
namespace {

enum class Unit : std::uint8_t { milliseconds, share, usd, minutes, plain };

struct MetricRow {
    ThresholdMetric metric;
    const char* name;
    Unit unit;
};

constexpr MetricRow metrics[] = {
    {ThresholdMetric::ttft_ms, "ttft_ms", Unit::milliseconds},
    {ThresholdMetric::tpot_ms, "tpot_ms", Unit::milliseconds},
    {ThresholdMetric::itl_ms, "itl_ms", Unit::milliseconds},
    {ThresholdMetric::e2el_ms, "e2el_ms", Unit::milliseconds},
    {ThresholdMetric::goodput, "goodput", Unit::share},
    {ThresholdMetric::availability, "availability", Unit::share},
    {ThresholdMetric::request_goodput, "request_goodput", Unit::plain},
    {ThresholdMetric::request_throughput, "request_throughput", Unit::plain},
    {ThresholdMetric::output_throughput, "output_throughput", Unit::plain},
    {ThresholdMetric::total_token_throughput, "total_token_throughput", Unit::plain},
    {ThresholdMetric::cost_per_hour, "cost_per_hour", Unit::usd},
    {ThresholdMetric::cost_per_month, "cost_per_month", Unit::usd},
    {ThresholdMetric::cost_total, "cost_total", Unit::usd},
    {ThresholdMetric::usd_per_million_output_tokens, "usd_per_million_output_tokens", Unit::usd},
    {ThresholdMetric::rejected, "rejected", Unit::plain},
    {ThresholdMetric::timed_out, "timed_out", Unit::plain},
    {ThresholdMetric::failed, "failed", Unit::plain},
    {ThresholdMetric::unfinished, "unfinished", Unit::plain},
    {ThresholdMetric::completed, "completed", Unit::plain},
    {ThresholdMetric::replicas_mean, "replicas_mean", Unit::plain},
    {ThresholdMetric::replicas_max, "replicas_max", Unit::plain},
    {ThresholdMetric::nodes_mean, "nodes_mean", Unit::plain},
    {ThresholdMetric::nodes_max, "nodes_max", Unit::plain},
    {ThresholdMetric::cold_starts, "cold_starts", Unit::plain},
    {ThresholdMetric::spot_evictions, "spot_evictions", Unit::plain},
    {ThresholdMetric::kv_preemptions, "kv_preemptions", Unit::plain},
    {ThresholdMetric::gpu_busy_ratio, "gpu_busy_ratio", Unit::share},
    {ThresholdMetric::alerts, "alerts", Unit::plain},
    {ThresholdMetric::alert_minutes, "alert_minutes", Unit::minutes},
    {ThresholdMetric::degraded_minutes, "degraded_minutes", Unit::minutes},
};

const MetricRow* find_metric(const std::string& name) {
    for (const MetricRow& r : metrics)
        if (name == r.name || (r.unit == Unit::milliseconds && name + "_ms" == r.name)) return &r;
    return nullptr;
}

/// "cold starts" is cold_starts: joins the words that together are a metric's name.
void join_name(std::vector<std::string>& words, std::size_t at) {
    std::string name = words[at];
    for (std::size_t end = at + 1; end < words.size() && end < at + 6; ++end) {
        name += '_' + words[end];
        if (find_metric(name) == nullptr) continue;
        words.erase(words.begin() + static_cast<std::ptrdiff_t>(at + 1),
                    words.begin() + static_cast<std::ptrdiff_t>(end + 1));
        words[at] = name;
        return;
    }
}

/// "alert NAME" is alerts, and "alert NAME minutes" alert_minutes, of one rule; takes the name away.
std::string take_alert(std::vector<std::string>& words, std::size_t at) {
    if (words.size() >= at + 3 && words[at] == "alerts" && words[at + 1] == "minutes") words[at] = "alert";
    if (words.size() < at + 3 || words[at] != "alert" || words[at + 1] == "minutes" || words[at + 1].find_first_of("<>=") == 0) return "";
    std::string name = words[at + 1];
    const bool minutes = words[at + 2] == "minutes";
    words[at] = minutes ? "alert_minutes" : "alerts";
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(at + 1), words.begin() + static_cast<std::ptrdiff_t>(at + (minutes ? 3 : 2)));
    return name;
}

/// Splits into words, numbers with their unit attached, and comparison signs.
std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words(1);
    const auto is_sign = [](char c) { return c == '<' || c == '>' || c == '='; };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool space = c == ' ' || c == '\t';
        if (space || (i > 0 && is_sign(c) != is_sign(text[i - 1]))) words.emplace_back();
        if (!space) words.back() += c;
    }
    std::erase(words, "");
    return words;
}

/// "mean", "median", "p99.9". False when it is no statistic.
bool read_statistic(const std::string& word, Threshold& out) {
    out.statistic = Statistic::quantile;
    if (word == "mean" || word == "avg" || word == "average") out.statistic = Statistic::mean;
    else if (word == "median") out.quantile = 0.5;
    else if (word.size() > 1 && (word[0] == 'p' || word[0] == 'P') && word.find_first_not_of("0123456789.", 1) == std::string::npos) {
        const Node number = resolve_plain_scalar(word.substr(1).find_first_not_of('0') == 0 ? word.substr(1) : "bad");
        if (number.kind != Node::Kind::integer && number.kind != Node::Kind::number) return false;
        // 99.9 / 100 rounds differently from 0.999; both compare equal after rounding to 1e-9.
        out.quantile = std::round(number.number * 1e7) / 1e9;
        return out.quantile > 0 && out.quantile < 1;
    } else return false;
    return true;
}

}  // namespace

std::string metric_name(ThresholdMetric metric) {
    for (const MetricRow& row : metrics)
        if (row.metric == metric) return row.name;
    return "";
}

bool Threshold::holds(double value) const {
    switch (comparison) {
        case Comparison::less: return value < limit;
        case Comparison::less_or_equal: return value <= limit;
        case Comparison::greater: return value > limit;
        case Comparison::greater_or_equal: return value >= limit;
    }
    return false;
}

bool Threshold::asks_same(const Threshold& other) const {
    return metric == other.metric && statistic == other.statistic && alert == other.alert &&
           quantile == other.quantile && comparison == other.comparison && limit == other.limit;
}

bool Threshold::looks_at_goodput() const {
    return metric == ThresholdMetric::goodput || metric == ThresholdMetric::request_goodput ||
           metric == ThresholdMetric::degraded_minutes;
}

Result<Threshold> parse_threshold(std::string_view expression) {
    const auto bad = [&](const std::string& why) {
        return Problem{{}, "", "found \"" + std::string(expression) + "\": " + why};
    };
    Threshold out;
    out.expression = std::string(expression);
    std::vector<std::string> words = words_of(expression);
    if (words.size() < 3)
        return bad("allowed: [STATISTIC] METRIC COMPARISON NUMBER [UNIT], such as \"p99 ttft_ms < 2000\" or \"goodput > 99%\"");

    std::size_t at = 0;
    if (const std::size_t bar = words[0].find('_'); bar != std::string::npos && read_statistic(words[0].substr(0, bar), out)) {
        words.insert(words.begin() + 1, words[0].substr(bar + 1));  // p99_ttft_ms
        at = 1;
    } else if (read_statistic(words[0], out)) {
        at = 1;
    } else {
        out.statistic = Statistic::none;
    }

    out.alert = take_alert(words, at);
    join_name(words, at);
    const std::string& name = words[at];
    const MetricRow* row = find_metric(name);
    std::vector<std::string> names;
    for (const MetricRow& r : metrics) names.emplace_back(r.name);
    if (!row) {
        const std::string hint = did_you_mean(name, names);
        return bad((at == 0 ? "\"" + name + "\" is no statistic and no metric" : "\"" + name + "\" is no metric") + hint +
                   (hint.empty() ? ", allowed: " + join(names) : ""));
    }
    out.metric = row->metric;
    if (row->unit == Unit::milliseconds && out.statistic == Statistic::none)
        return bad(name + " needs a statistic before it, allowed: mean, median, p50, p90, p99, p99.9, ...");
    if (row->unit != Unit::milliseconds && out.statistic != Statistic::none)
        return bad(name + " takes no statistic, allowed: \"" + name + " ...\" alone");

    if (words.size() < at + 3) return bad("ends too early, allowed: METRIC COMPARISON NUMBER [UNIT]");
    const std::string& sign = words[at + 1];
    if (sign == "<") out.comparison = Comparison::less;
    else if (sign == "<=") out.comparison = Comparison::less_or_equal;
    else if (sign == ">") out.comparison = Comparison::greater;
    else if (sign == ">=") out.comparison = Comparison::greater_or_equal;
    else return bad("found \"" + sign + "\" after " + name + ", allowed: < <= > >=");

    std::string number = words[at + 2];
    std::string unit;
    if (!number.empty() && number[0] == '$') number = number.substr(1), unit = "USD";
    if (const std::size_t end = number.find_first_not_of("0123456789.+-eE"); end != std::string::npos) {
        unit = number.substr(end);
        number = number.substr(0, end);
    }
    for (std::size_t i = at + 3; i < words.size(); ++i) unit += (unit.empty() ? "" : " ") + words[i];
    const Node value = resolve_plain_scalar(number.find_first_not_of("+-0") == std::string::npos && !number.empty() ? "0" : number);
    if ((value.kind != Node::Kind::integer && value.kind != Node::Kind::number) || !std::isfinite(value.number))
        return bad("\"" + words[at + 2] + "\" is no number");
    out.limit = value.number;
    switch (row->unit) {
        case Unit::milliseconds:
            if (unit == "s") out.limit *= 1000;
            else if (!unit.empty() && unit != "ms") return bad("found the unit \"" + unit + "\", allowed: ms, s or none (ms)");
            break;
        case Unit::share:
            if (unit == "%") out.limit /= 100;
            else if (!unit.empty()) return bad("found the unit \"" + unit + "\", allowed: % or none (a share from 0 to 1)");
            if (out.limit < 0 || out.limit > 1)
                return bad("found the limit " + words[at + 2] + ", allowed: a share from 0 to 1, or a percentage such as 99%");
            break;
        case Unit::usd:
            if (!unit.empty() && unit != "USD" && unit != "usd" && unit != "$") return bad("found the unit \"" + unit + "\", allowed: USD or none");
            break;
        case Unit::minutes:
            if (!unit.empty() && unit != "min" && unit != "minutes") return bad("found the unit \"" + unit + "\", allowed: minutes or none");
            break;
        case Unit::plain:
            if (!unit.empty() && unit != "/s") return bad("found the unit \"" + unit + "\", allowed: none");
            break;
    }
    if (out.limit < 0) return bad("found a negative limit, allowed: at least 0");
    return out;
}

}  // namespace windtunnel
