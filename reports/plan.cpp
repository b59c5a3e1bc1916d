#include "reports/plan.hpp"

#include "reports/json_values.hpp"
#include "reports/statistics.hpp"
#include "reports/sweep.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

/// A trial without a value misses by this; nothing is held to miss or keep a threshold by more.
constexpr double most_excess = 5;

Json finalist_json(const PlanReport& r, const Finalist& f) {
    Json out = configuration_json(f.configuration, r.dimensions, r.objectives, false);
    out.erase("index");
    out.erase("state");
    out["holds"] = f.holds;
    return out;
}

double worst_excess(const PlanReport& r, const Configuration& c) {
    const PlaceResult p = place_result(c, r.objectives, r.cost(), r.probability);
    return p.excess.empty() ? -most_excess : *std::max_element(p.excess.begin(), p.excess.end());
}

}  // namespace

double excess_of(const Threshold& t, std::optional<double> value) {
    if (!value) return most_excess;
    const bool less = t.comparison == Comparison::less || t.comparison == Comparison::less_or_equal;
    const bool share = t.metric == ThresholdMetric::goodput || t.metric == ThresholdMetric::availability ||
                       t.metric == ThresholdMetric::gpu_busy_ratio;
    constexpr double tiny = 1e-6;
    double out = 0;
    if (share && !less)
        out = std::log(std::max(1 - *value, tiny) / std::max(1 - t.limit, tiny));
    else if (less)
        out = std::log(std::max(*value, tiny) / std::max(t.limit, tiny));
    else
        out = std::log(std::max(t.limit, tiny) / std::max(*value, tiny));
    out = std::clamp(out, -most_excess, most_excess);
    // The threshold has the last word on which side it is.
    return t.holds(*value) ? std::min(out, 0.0) : std::max(out, tiny);
}

bool enough(std::uint64_t met, std::size_t count, double probability) {
    return count > 0 && static_cast<double>(met) >= probability * static_cast<double>(count) - 1e-9;
}

PlaceResult place_result(const Configuration& c, const std::vector<Threshold>& objectives,
                         const Measure& cost, double probability) {
    PlaceResult out;
    out.runs = c.state != ConfigurationState::refused && c.trials.count() > 0;
    if (!out.runs) return out;
    out.cost = std::max(cost.estimate_of(c.trials).value.value_or(0), 1e-6);
    for (std::size_t i = 0; i < objectives.size(); ++i) {
        std::vector<double> each;
        for (const auto& v : c.trials.thresholds[i]) each.push_back(excess_of(objectives[i], v));
        // The rank that so many trials stay below: no interpolation between a trial that holds and one that
        // does not.
        std::sort(each.begin(), each.end());
        const auto rank =
            static_cast<std::size_t>(std::ceil(probability * static_cast<double>(each.size()) - 1e-9));
        out.excess.push_back(each[std::max<std::size_t>(rank, 1) - 1]);
    }
    out.feasible = enough(standing_of(c.trials, objectives).met, c.trials.count(), probability);
    return out;
}

const Measure& PlanReport::cost() const {
    const Measure* monthly = find_measure(measures, "cost_per_month");
    const auto priced = [&](const Configuration& c) {
        return c.trials.count() > 0 && monthly->estimate_of(c.trials).value;
    };
    if (std::any_of(tried.begin(), tried.end(), priced) || (now && priced(now->configuration)) ||
        tried.empty())
        return *monthly;
    return *find_measure(measures, "replicas_mean");
}

double PlanReport::mean_cost(const Configuration& c) const {
    return cost().estimate_of(c.trials).value.value_or(0);
}

double PlanReport::change_of(const PlanStep& step) const {
    const Configuration& own = step.is_finalist ? finalists[*answer].configuration : sought;
    // A finalist that failed early ran no more of them than that took.
    const ConfigurationTrials same = own.trials.first(step.configuration.trials.count());
    return mean_cost(step.configuration) - cost().estimate_of(same).value.value_or(0);
}

const Configuration* PlanReport::nearest() const {
    const Configuration* out = nullptr;
    double least = 0;
    for (const Configuration& c : tried) {
        if (c.state == ConfigurationState::refused || c.trials.count() == 0) continue;
        const double excess = worst_excess(*this, c);
        if (out != nullptr && excess >= least) continue;
        least = excess;
        out = &c;
    }
    return out;
}

std::string plan_json(const PlanReport& r) {
    Json dimensions = Json::array(), objectives = Json::array(), finalists = Json::array(),
         steps = Json::array(), changes = Json::array(), tried = Json::array();
    for (const Dimension& d : r.dimensions) {
        Json values = Json::array();
        for (const Choice& c : d.choices) values.push_back(c.label);
        dimensions.push_back(Json{{"name", d.name}, {"paths", d.paths}, {"values", std::move(values)}});
    }
    for (const Threshold& t : r.objectives) objectives.push_back(t.expression);
    for (const Finalist& f : r.finalists) finalists.push_back(finalist_json(r, f));
    for (const PlanStep& s : r.steps) {
        Json one{{"dimension", r.dimensions[s.dimension].name}, {"from", s.from}, {"to", s.to}};
        if (s.configuration.state == ConfigurationState::refused) {
            one["reason"] = s.configuration.reason;
        } else {
            const PlaceResult p = place_result(s.configuration, r.objectives, r.cost(), r.probability);
            one[r.cost().name] = p.cost;
            one["change"] = r.change_of(s);
            one["feasible"] = p.feasible;
        }
        steps.push_back(std::move(one));
    }
    for (const FieldChange& c : r.changes)
        changes.push_back(
            Json{{"object", c.object}, {"path", c.path}, {"before", c.before}, {"after", c.after}});
    for (const Configuration& c : r.tried) {
        Json one{{"set", c.point.assignments()}, {"state", to_string(c.state)}};
        if (c.state != ConfigurationState::refused && c.trials.count() > 0) {
            const PlaceResult p = place_result(c, r.objectives, r.cost(), r.probability);
            one[r.cost().name] = p.cost;
            one["feasible"] = p.feasible;
        }
        tried.push_back(std::move(one));
    }
    Json out{{"schema", "windtunnel.plan/v1"},
             {"scenario", Json{{"name", r.scenario}, {"hash", r.hash}}},
             {"seed", r.seed},
             {"complete", r.complete},
             {"objectives", std::move(objectives)},
             {"probability", r.probability},
             {"space", Json{{"configurations", r.size}, {"dimensions", std::move(dimensions)}}},
             {"search", Json{{"configurations", r.tried.size()},
                             {"trials_each", r.search_trials},
                             {"settled", r.settled},
                             {"trials_of_all_kinds", r.trials_run},
                             {"tried", std::move(tried)}}},
             {"feasible", r.answer.has_value()},
             {"answer", r.answer ? finalist_json(r, r.finalists[*r.answer]) : Json(nullptr)},
             {"changes", std::move(changes)},
             {"now", r.now ? finalist_json(r, *r.now) : Json(nullptr)},
             {"finalists", std::move(finalists)},
             {"sensitivity", std::move(steps)}};
    if (!r.answer) {
        const Configuration* near = r.nearest();
        out["nearest"] =
            near != nullptr ? configuration_json(*near, r.dimensions, r.objectives, false) : Json(nullptr);
    }
    if (r.perfect) {
        const PerfectAutoscaler& p = *r.perfect;
        out["perfect_autoscaler"] = Json{{"window_s", to_seconds(p.window)},
                                         {"reachable", p.reachable},
                                         {"objective", p.objective},
                                         {"gpu_hours", p.gpu_hours},
                                         {"gpus_mean", p.gpus_mean},
                                         {"gpus_max", p.gpus_most},
                                         {"usd", number(p.usd)},
                                         {"gpus", p.gpus}};
    } else {
        out["perfect_autoscaler"] = nullptr;
    }
    Json warnings = Json::array();
    for (const Problem& w : r.warnings)
        warnings.push_back(
            Json{{"file", w.where.file}, {"line", w.where.line}, {"path", w.path}, {"message", w.message}});
    out["warnings"] = std::move(warnings);
    return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace windtunnel
