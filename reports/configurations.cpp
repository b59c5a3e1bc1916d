#include "reports/configurations.hpp"

#include "reports/json_values.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;
using Values = std::vector<std::optional<double>>;

Json listed(const Values& values) {
    Json out = Json::array();
    for (const auto& v : values) out.push_back(number(v));
    return out;
}

/// A value as JSON would have written it: a number where its label is nothing else.
Json value_json(const Choice& choice) {
    Json number = Json::parse(choice.label, nullptr, false);
    return number.is_number() ? number : Json(choice.label);
}

std::optional<Values> read_values(const Json& list, std::size_t count) {
    if (!list.is_array() || list.size() != count) return std::nullopt;
    Values out;
    for (const Json& v : list) {
        if (!v.is_null() && !v.is_number()) return std::nullopt;
        out.push_back(v.is_null() ? std::nullopt : std::optional(v.get<double>()));
    }
    return out;
}

/// "p99_ttft_ms" and "p99 ttft_ms" are one name.
std::string plain_name(std::string name) {
    std::replace(name.begin(), name.end(), ' ', '_');
    return name;
}

std::string left_side(const std::string& expression) {
    const std::size_t end = expression.find_first_of("<>");
    const std::string left = expression.substr(0, end);
    return left.substr(0, left.find_last_not_of(' ') + 1);
}

}  // namespace

ConfigurationTrials ConfigurationTrials::first(std::size_t n) const {
    ConfigurationTrials out = *this;
    out.series.trials = std::min(n, count());
    for (auto& [name, values] : out.series.values) values.resize(out.series.trials);
    for (Values& values : out.thresholds) values.resize(out.series.trials);
    return out;
}

ConfigurationTrials trials_of(const RunResults& results) {
    ConfigurationTrials out;
    out.series = series_of(results);
    out.thresholds.resize(results.thresholds.size());
    for (std::size_t i = 0; i < out.thresholds.size(); ++i)
        for (const TrialNumbers& t : results.trials) out.thresholds[i].push_back(t.thresholds[i]);
    return out;
}

void append(ConfigurationTrials& trials, const ConfigurationTrials& more) {
    if (trials.count() == 0) {
        trials = more;
        return;
    }
    trials.series.trials += more.series.trials;
    for (auto& [name, values] : trials.series.values) {
        const Values& added = more.series.values.at(name);
        values.insert(values.end(), added.begin(), added.end());
    }
    for (std::size_t i = 0; i < trials.thresholds.size(); ++i)
        trials.thresholds[i].insert(trials.thresholds[i].end(), more.thresholds[i].begin(),
                                    more.thresholds[i].end());
}

const Values& Measure::of(const ConfigurationTrials& trials) const {
    static const Values none;
    if (threshold) return *threshold < trials.thresholds.size() ? trials.thresholds[*threshold] : none;
    const auto at = trials.series.values.find(metric->name);
    return at == trials.series.values.end() ? none : at->second;
}

Estimate Measure::estimate_of(const ConfigurationTrials& trials) const { return estimate(of(trials)); }

std::vector<Measure> measures_of(const std::vector<Threshold>& thresholds) {
    std::vector<Measure> out;
    for (std::size_t i = 0; i < thresholds.size(); ++i) {
        const Threshold& t = thresholds[i];
        const bool less = t.comparison == Comparison::less || t.comparison == Comparison::less_or_equal;
        Measure m{left_side(t.expression), t.metric, less ? Better::lower : Better::higher, i, nullptr};
        if (find_measure(out, m.name) == nullptr) out.push_back(std::move(m));
    }
    for (const ComparedMetric& m : compared_metrics())
        if (find_measure(out, m.name) == nullptr) out.push_back({m.name, m.unit, m.better, std::nullopt, &m});
    return out;
}

const Measure* find_measure(const std::vector<Measure>& measures, const std::string& name) {
    for (const Measure& m : measures)
        if (plain_name(m.name) == plain_name(name)) return &m;
    return nullptr;
}

Standing standing_of(const ConfigurationTrials& trials, const std::vector<Threshold>& thresholds) {
    Standing out;
    bool any_failed = false, all_passed = true;
    for (std::size_t i = 0; i < thresholds.size(); ++i) {
        const Values& values = trials.thresholds[i];
        const bool lacks =
            std::any_of(values.begin(), values.end(), [](const auto& v) { return !v.has_value(); });
        ThresholdResult r{estimate(values), {}};
        r.verdict = verdict_of(thresholds[i], r.estimate, lacks, true);
        any_failed = any_failed || r.verdict == Verdict::fail;
        all_passed = all_passed && r.verdict == Verdict::pass;
        out.thresholds.push_back(std::move(r));
    }
    out.verdict = any_failed ? Verdict::fail : all_passed ? Verdict::pass : Verdict::inconclusive;
    for (std::size_t t = 0; t < trials.count(); ++t) {
        bool all = true;
        for (std::size_t i = 0; i < thresholds.size(); ++i) {
            const auto& v = trials.thresholds[i][t];
            all = all && v && thresholds[i].holds(*v);
        }
        out.met += all ? 1 : 0;
    }
    return out;
}

const char* to_string(ConfigurationState state) {
    switch (state) {
        case ConfigurationState::waiting:
            return "waiting";
        case ConfigurationState::finished:
            return "finished";
        case ConfigurationState::dropped:
            return "dropped";
        case ConfigurationState::refused:
            return "refused";
    }
    return "";
}

Json configuration_json(const Configuration& c, const std::vector<Dimension>& dimensions,
                        const std::vector<Threshold>& thresholds, bool with_trials) {
    Json out{{"index", c.index},
             {"values", Json::object()},
             {"set", c.point.assignments()},
             {"state", to_string(c.state)}};
    for (std::size_t d = 0; d < c.point.choices.size(); ++d)  // none: the manifests as they are
        out["values"][dimensions[d].name] = value_json(c.point.choices[d]);
    if (!c.reason.empty()) out["reason"] = c.reason;
    if (c.state == ConfigurationState::refused) return out;
    out["hash"] = c.trials.series.hash;
    out["trials"] = c.trials.count();
    if (c.trials.count() == 0) return out;
    const Standing standing = standing_of(c.trials, thresholds);
    Json judged = Json::array();
    for (std::size_t i = 0; i < thresholds.size(); ++i) {
        const ThresholdResult& r = standing.thresholds[i];
        judged.push_back(Json{{"expr", thresholds[i].expression},
                              {"value", number(r.estimate.value)},
                              {"ci95", bounds(r.estimate.ci95)},
                              {"verdict", to_string(r.verdict)}});
    }
    out["thresholds"] = std::move(judged);
    if (!thresholds.empty())
        out["met_all"] =
            Json{{"probability", static_cast<double>(standing.met) / static_cast<double>(c.trials.count())},
                 {"ci95", bounds(probability_interval(standing.met, c.trials.count()))},
                 {"verdict", to_string(standing.verdict)}};
    Json metrics = Json::object();
    for (const ComparedMetric& m : compared_metrics()) {
        const Estimate e = estimate(c.trials.series.values.at(m.name));
        if (e.value) metrics[m.name] = Json{{"value", *e.value}, {"ci95", bounds(e.ci95)}};
    }
    out["metrics"] = std::move(metrics);
    if (!with_trials) return out;
    Json trials = Json::object();
    for (const ComparedMetric& m : compared_metrics())
        trials[m.name] = listed(c.trials.series.values.at(m.name));
    trials["thresholds"] = Json::array();
    for (const Values& values : c.trials.thresholds) trials["thresholds"].push_back(listed(values));
    out["per_trial"] = std::move(trials);
    return out;
}

bool take_configuration(const Json& line, std::size_t thresholds, Configuration& into) {
    Configuration c = into;
    const std::string state = line.value("state", "");
    if (line.value("set", std::vector<std::string>()) != c.point.assignments()) return false;
    c.reason = line.value("reason", "");
    c.trials = {};
    for (const ConfigurationState s : {ConfigurationState::waiting, ConfigurationState::finished,
                                       ConfigurationState::dropped, ConfigurationState::refused})
        if (state == to_string(s)) c.state = s;
    if (state != to_string(c.state)) return false;
    const std::size_t count = line.value("trials", std::size_t{0});
    if (count > 0) {
        const auto per_trial = line.find("per_trial");
        if (per_trial == line.end() || !per_trial->is_object() || !per_trial->contains("thresholds"))
            return false;
        c.trials.series.hash = line.value("hash", "");
        c.trials.series.trials = count;
        for (const ComparedMetric& m : compared_metrics()) {
            auto values =
                per_trial->contains(m.name) ? read_values((*per_trial)[m.name], count) : std::nullopt;
            if (!values) return false;
            c.trials.series.values[m.name] = std::move(*values);
        }
        const Json& judged = (*per_trial)["thresholds"];
        if (!judged.is_array() || judged.size() != thresholds) return false;
        for (const Json& list : judged) {
            auto values = read_values(list, count);
            if (!values) return false;
            c.trials.thresholds.push_back(std::move(*values));
        }
    }
    into = std::move(c);
    return true;
}

}  // namespace windtunnel
