#include "reports/sweep.hpp"

#include "models/version.hpp"
#include "models/expects.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

/// Those with numbers: run to the end, or as far as a race let them.
std::vector<const Configuration*> measured(const SweepReport& report) {
    std::vector<const Configuration*> out;
    for (const Configuration& c : report.configurations)
        if (c.trials.count() > 0 && c.state != ConfigurationState::refused) out.push_back(&c);
    return out;
}

std::optional<double> mean_of(const Measure& m, const Configuration& c) {
    return m.estimate_of(c.trials).value;
}

/// The group of a dimension that a configuration is in: its value, or the fifth of an interval.
struct Groups {
    std::vector<std::string> names;
    std::vector<std::size_t> of;  ///< [measured]
};
Groups groups_of(const SweepReport& report, const std::vector<const Configuration*>& rows,
                 std::size_t dimension) {
    const Dimension& d = report.dimensions[dimension];
    Groups out;
    if (!d.interval) {
        for (const Choice& c : d.choices) out.names.push_back(c.label);
        for (const Configuration* c : rows) {
            const auto at = std::find(out.names.begin(), out.names.end(), c->point.choices[dimension].label);
            out.of.push_back(static_cast<std::size_t>(at - out.names.begin()));
        }
        return out;
    }
    constexpr int parts = 5;
    const ValueRange& r = *d.interval;
    const auto edge = [&](int i) {
        const double u = static_cast<double>(i) / parts;
        return r.logarithmic ? r.low * std::pow(r.high / r.low, u) : r.low + (r.high - r.low) * u;
    };
    for (int i = 0; i < parts; ++i)
        out.names.push_back(fmt::format("{:.3g}..{:.3g}{}", edge(i), edge(i + 1), r.unit));
    for (const Configuration* c : rows) {
        int i = 0;
        while (i + 1 < parts && *c->point.choices[dimension].number >= edge(i + 1)) ++i;
        out.of.push_back(static_cast<std::size_t>(i));
    }
    return out;
}

Effect effect_of(const SweepReport& report, std::size_t dimension, const Measure& measure) {
    const std::vector<const Configuration*> rows = measured(report);
    const Groups groups = groups_of(report, rows, dimension);
    std::vector<double> sums(groups.names.size()), counts(groups.names.size());
    double sum = 0, squares = 0, count = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto v = mean_of(measure, *rows[i]);
        if (!v) continue;
        sums[groups.of[i]] += *v;
        ++counts[groups.of[i]];
        sum += *v;
        squares += *v * *v;
        ++count;
    }
    Effect out{dimension, &measure, 0, {}};
    if (count < 2) return out;
    const double mean = sum / count, total = squares - count * mean * mean;
    double between = 0;
    for (std::size_t g = 0; g < sums.size(); ++g) {
        if (counts[g] == 0) continue;
        const double own = sums[g] / counts[g];
        between += counts[g] * (own - mean) * (own - mean);
        out.means.emplace_back(groups.names[g], own);
    }
    if (total > 1e-12 * squares) out.share = std::clamp(between / total, 0.0, 1.0);
    return out;
}

Heatmap heatmap_of(const SweepReport& report, std::size_t x, std::size_t y, const Measure& measure) {
    const std::vector<const Configuration*> rows = measured(report);
    const Groups across = groups_of(report, rows, x), down = groups_of(report, rows, y);
    Heatmap out{x, y, &measure, across.names, down.names, {}, {}};
    std::map<std::pair<std::size_t, std::size_t>, std::vector<const Configuration*>> cells;
    for (std::size_t i = 0; i < rows.size(); ++i) cells[{down.of[i], across.of[i]}].push_back(rows[i]);
    out.means.assign(down.names.size(), std::vector<std::optional<double>>(across.names.size()));
    out.marks.assign(down.names.size(), std::vector<std::string>(across.names.size()));
    for (const auto& [at, members] : cells) {
        std::vector<std::optional<double>> values;
        for (const Configuration* c : members) values.push_back(mean_of(measure, *c));
        out.means[at.first][at.second] = estimate(values).value;
        if (members.size() == 1 && !report.thresholds.empty()) {
            const Verdict v = standing_of(members.front()->trials, report.thresholds).verdict;
            out.marks[at.first][at.second] = v == Verdict::pass ? "✓" : v == Verdict::fail ? "✗" : "?";
        }
    }
    return out;
}

/// The dimensions by how much they explain of both measures, the most first.
std::vector<std::size_t> dimensions_that_matter(const SweepReport& report) {
    std::vector<std::size_t> order(report.dimensions.size());
    std::vector<double> weight(order.size());
    for (std::size_t d = 0; d < order.size(); ++d) {
        order[d] = d;
        weight[d] = effect_of(report, d, report.cost()).share + effect_of(report, d, report.weighed()).share;
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return weight[a] > weight[b]; });
    return order;
}

std::string csv_word(const std::string& text) {
    if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + '"';
}

std::string csv_number(const std::optional<double>& v) { return v ? fmt::format("{}", *v) : ""; }

/// Names as columns are named: "p99_ttft_ms".
std::string column(std::string name) {
    std::replace(name.begin(), name.end(), ' ', '_');
    return name;
}

bool complete_state(ConfigurationState s) { return s != ConfigurationState::waiting; }

}  // namespace

const Measure& SweepReport::cost() const {
    const Measure* monthly = find_measure(measures, "cost_per_month");
    for (const Configuration& c : configurations)
        if (c.trials.count() > 0 && mean_of(*monthly, c)) return *monthly;
    return configurations.empty() ? *monthly : *find_measure(measures, "replicas_mean");
}

const Measure& SweepReport::weighed() const {
    const Measure* m = find_measure(measures, against);
    WT_EXPECTS(m != nullptr);
    return *m;
}

std::vector<const Configuration*> pareto_front(const SweepReport& report) {
    const Measure &cost = report.cost(), &other = report.weighed();
    struct Point {
        double cost, other;  ///< both better when lower
        const Configuration* configuration;
    };
    std::vector<Point> points;
    for (const Configuration* c : measured(report)) {
        const auto x = mean_of(cost, *c), y = mean_of(other, *c);
        if (c->state == ConfigurationState::finished && x && y)
            points.push_back({*x, other.better == Better::higher ? -*y : *y, c});
    }
    std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
        return a.cost != b.cost ? a.cost < b.cost : a.other < b.other;
    });
    std::vector<const Configuration*> out;
    double best = HUGE_VAL;
    for (const Point& p : points) {
        if (p.other >= best) continue;
        best = p.other;
        out.push_back(p.configuration);
    }
    return out;
}

const Configuration* cheapest_that_meets(const SweepReport& report) {
    if (report.thresholds.empty()) return nullptr;
    const Configuration *sure = nullptr, *likely = nullptr;
    const auto cheaper = [&](const Configuration& a, const Configuration* b) {
        return b == nullptr ||
               mean_of(report.cost(), a).value_or(HUGE_VAL) < mean_of(report.cost(), *b).value_or(HUGE_VAL);
    };
    for (const Configuration& c : report.configurations) {
        if (c.state != ConfigurationState::finished || c.trials.count() == 0) continue;
        const Standing s = standing_of(c.trials, report.thresholds);
        bool by_mean = true;
        for (std::size_t i = 0; i < s.thresholds.size(); ++i)
            by_mean = by_mean && s.thresholds[i].estimate.value &&
                      report.thresholds[i].holds(*s.thresholds[i].estimate.value);
        if (s.verdict == Verdict::pass && cheaper(c, sure)) sure = &c;
        if (by_mean && cheaper(c, likely)) likely = &c;
    }
    return sure != nullptr ? sure : likely;
}

std::vector<Heatmap> heatmaps(const SweepReport& report) {
    std::vector<Heatmap> out;
    if (measured(report).empty()) return out;
    std::vector<std::size_t> order = dimensions_that_matter(report);
    if (order.size() > 3) order.resize(3);
    for (std::size_t a = 0; a < order.size(); ++a)
        for (std::size_t b = a + 1; b < order.size(); ++b) {
            const std::size_t y = std::min(order[a], order[b]), x = std::max(order[a], order[b]);
            out.push_back(heatmap_of(report, x, y, report.weighed()));
            if (&report.cost() != &report.weighed()) out.push_back(heatmap_of(report, x, y, report.cost()));
        }
    return out;
}

std::vector<Effect> effects(const SweepReport& report) {
    std::vector<Effect> out;
    if (measured(report).size() < 2) return out;
    for (const std::size_t d : dimensions_that_matter(report)) {
        out.push_back(effect_of(report, d, report.weighed()));
        if (&report.cost() != &report.weighed()) out.push_back(effect_of(report, d, report.cost()));
    }
    return out;
}

Json sweep_header(const SweepReport& report) {
    Json dimensions = Json::array(), thresholds = Json::array();
    for (const Dimension& d : report.dimensions) {
        Json one{{"name", d.name}, {"paths", d.paths}};
        if (d.interval) {
            one["interval"] = Json{{"low", d.interval->low},
                                   {"high", d.interval->high},
                                   {"log", d.interval->logarithmic},
                                   {"unit", d.interval->unit}};
        } else {
            Json values = Json::array();
            for (const Choice& c : d.choices) values.push_back(c.label);
            one["values"] = std::move(values);
        }
        dimensions.push_back(std::move(one));
    }
    for (const Threshold& t : report.thresholds) thresholds.push_back(t.expression);
    Json out{{"schema", "windtunnel.sweep/v1"},
             {"scenario", Json{{"name", report.scenario}, {"hash", report.hash}}},
             {"seed", report.seed},
             {"first_trial", report.first_trial},
             {"trials", report.trials},
             {"design", report.design},
             {"samples", report.samples},
             {"race", report.race.empty() ? Json(nullptr) : Json(report.race)},
             {"configurations", report.configurations.size()},
             {"dimensions", std::move(dimensions)},
             {"thresholds", std::move(thresholds)}};
    if (!report.shard.empty()) {  // parts are put together by the program that made them
        out["shard"] = report.shard;
        out["version"] = version;
    }
    return out;
}

std::string sweep_lines(const SweepReport& report) {
    std::string out = sweep_header(report).dump() + '\n';
    for (const Configuration& c : report.configurations)
        if (c.trials.count() > 0 || complete_state(c.state))
            out += configuration_json(c, report.dimensions, report.thresholds).dump() + '\n';
    return out;
}

std::string sweep_json(const SweepReport& report) {
    Json out = sweep_header(report);
    out["complete"] = report.complete;
    Json list = Json::array();
    for (const Configuration& c : report.configurations)
        list.push_back(configuration_json(c, report.dimensions, report.thresholds, false));
    out["configurations"] = list.size();
    out["results"] = std::move(list);
    const Measure &cost = report.cost(), &other = report.weighed();
    Json front = Json::array();
    for (const Configuration* c : pareto_front(report))
        front.push_back(Json{{"index", c->index},
                             {column(cost.name), *mean_of(cost, *c)},
                             {column(other.name), *mean_of(other, *c)}});
    out["pareto"] = Json{{"x", column(cost.name)}, {"y", column(other.name)}, {"front", std::move(front)}};
    Json maps = Json::array(), shares = Json::array();
    for (const Heatmap& h : heatmaps(report)) {
        Json rows = Json::array();
        for (const auto& row : h.means) {
            Json cells = Json::array();
            for (const auto& v : row) cells.push_back(v ? Json(*v) : Json(nullptr));
            rows.push_back(std::move(cells));
        }
        maps.push_back(Json{{"metric", column(h.measure->name)},
                            {"x", report.dimensions[h.x].name},
                            {"y", report.dimensions[h.y].name},
                            {"xs", h.xs},
                            {"ys", h.ys},
                            {"means", std::move(rows)}});
    }
    for (const Effect& e : effects(report)) {
        Json means = Json::object();
        for (const auto& [value, mean] : e.means) means[value] = mean;
        shares.push_back(Json{{"dimension", report.dimensions[e.dimension].name},
                              {"metric", column(e.measure->name)},
                              {"share_of_variance", e.share},
                              {"means", std::move(means)}});
    }
    out["heatmaps"] = std::move(maps);
    out["effects"] = std::move(shares);
    const Configuration* best = cheapest_that_meets(report);
    out["cheapest_that_meets_thresholds"] = best != nullptr ? Json(best->index) : Json(nullptr);
    Json warnings = Json::array();
    for (const Problem& w : report.warnings)
        warnings.push_back(
            Json{{"file", w.where.file}, {"line", w.where.line}, {"path", w.path}, {"message", w.message}});
    out["warnings"] = std::move(warnings);
    return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

std::string sweep_csv(const SweepReport& report) {
    std::string out = "index";
    for (const Dimension& d : report.dimensions) out += ',' + csv_word(d.name);
    out += ",state,trials,verdict,probability_of_meeting_all";
    std::vector<const Measure*> shown;
    const std::vector<const Configuration*> rows = measured(report);
    for (const Measure& m : report.measures)
        if (std::any_of(rows.begin(), rows.end(),
                        [&](const Configuration* c) { return mean_of(m, *c).has_value(); }))
            shown.push_back(&m);
    for (const Measure* m : shown) out += fmt::format(",{0},{0}_low,{0}_high", csv_word(column(m->name)));
    out += ",reason\n";
    for (const Configuration& c : report.configurations) {
        out += fmt::format("{}", c.index);
        for (const Choice& choice : c.point.choices) out += ',' + csv_word(choice.label);
        out += fmt::format(",{},{}", to_string(c.state), c.trials.count());
        if (c.trials.count() > 0 && !report.thresholds.empty()) {
            const Standing s = standing_of(c.trials, report.thresholds);
            out += fmt::format(",{},{}", to_string(s.verdict),
                               static_cast<double>(s.met) / static_cast<double>(c.trials.count()));
        } else {
            out += ",,";
        }
        for (const Measure* m : shown) {
            const Estimate e = c.trials.count() > 0 ? m->estimate_of(c.trials) : Estimate{};
            out += ',' + csv_number(e.value) + ',' +
                   csv_number(e.ci95 ? std::optional(e.ci95->first) : std::nullopt) + ',' +
                   csv_number(e.ci95 ? std::optional(e.ci95->second) : std::nullopt);
        }
        out += ',' + csv_word(c.reason) + '\n';
    }
    return out;
}

}  // namespace windtunnel
