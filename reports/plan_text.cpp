// A plan for people: the answer, what changes, what binds, what each step away does, what perfection would
// cost.
#include "reports/human.hpp"
#include "reports/plan.hpp"
#include "reports/sweep.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {

namespace {

std::string money(const Measure& m, double value) {
    if (m.unit != ThresholdMetric::cost_per_month)
        return fmt::format("{} replicas on average", short_number(value));
    return thousands(std::llround(value)) + " USD/month";
}

std::string shown(const Measure& m, const std::optional<double>& v) {
    if (!v) return "–";
    if (m.unit == ThresholdMetric::cost_per_month && *v >= 100) return thousands(std::llround(*v)) + " USD";
    return in_unit_of(m.unit, *v);
}

std::string met_text(const PlanReport& r, const Finalist& f) {
    const std::size_t n = f.configuration.trials.count();
    const auto interval = probability_interval(f.standing.met, n);
    std::string out =
        fmt::format("all {} objectives met in {} of {} futures", r.objectives.size(), f.standing.met, n);
    if (r.objectives.size() == 1)
        out = fmt::format("{} in {} of {} futures", r.objectives.front().expression, f.standing.met, n);
    if (interval)
        out += fmt::format(" ({:.0f}% to {:.0f}% of all, with 95% confidence)",
                           std::floor(interval->first * 100), std::ceil(interval->second * 100));
    return out;
}

std::string head_text(const PlanReport& r, const Style& style) {
    std::string out =
        fmt::format("{}{} · the cheapest configuration that meets {} in at least {} of futures, seed {}\n",
                    style.bold(" Plan       "), r.scenario,
                    r.objectives.size() == 1 ? r.objectives.front().expression
                                             : fmt::format("{} objectives", r.objectives.size()),
                    short_percent(r.probability), r.seed);
    std::size_t named = 0;
    for (const Dimension& d : r.dimensions) named = std::max(named, display_width(d.name));
    for (const Dimension& d : r.dimensions) {
        std::vector<std::string> values;
        for (const Choice& c : d.choices) values.push_back(c.label);
        if (values.size() > 10)
            values.erase(values.begin() + 8, values.end() - 1), values.insert(values.end() - 1, "…");
        out += fmt::format("            {}  {}{}\n", padded_right(d.name, named), fmt::join(values, ", "),
                           d.paths.empty() ? "" : style.dim(fmt::format("   {}", fmt::join(d.paths, " & "))));
    }
    out += fmt::format("{}{} of {} configurations, {} trials each{}\n", style.bold(" Searched   "),
                       r.tried.size(), thousands(static_cast<std::int64_t>(r.size)), r.search_trials,
                       !r.complete                ? "; interrupted"
                       : r.tried.size() == r.size ? ""
                       : r.settled                ? "; nothing better is to be expected among the others"
                                                  : "; more may be found with a larger --budget");
    return out;
}

std::string verdict_text(const PlanReport& r, const Style& style) {
    if (r.answer) {
        const Finalist& f = r.finalists[*r.answer];
        std::string out = style.green(" ✓ ") + style.bold(money(r.cost(), r.mean_cost(f.configuration)));
        if (r.now && r.now->configuration.trials.count() > 0) {
            const double now = r.mean_cost(r.now->configuration),
                         change = now - r.mean_cost(f.configuration);
            if (r.changes.empty())
                out += ": what there is now is the cheapest";
            else if (now > 0)
                out += fmt::format(", {} ({:.0f}%) {} than now", money(r.cost(), std::fabs(change)),
                                   std::fabs(change) / now * 100, change >= 0 ? "less" : "more");
        }
        out += "\n   " + met_text(r, f) + '\n';
        if (r.now && r.now->configuration.trials.count() > 0 && !r.changes.empty())
            out += "   " + style.dim("now: " + met_text(r, *r.now)) + '\n';
        return out;
    }
    std::string out =
        style.red(" ✗ ") +
        (r.complete ? fmt::format("none of the {} meets the objectives in {} of futures{}\n",
                                  r.size == r.tried.size() ? "configurations" : "configurations tried",
                                  short_percent(r.probability),
                                  r.settled ? "" : "; the search was not exhaustive (--budget)")
                    : std::string("no answer yet\n"));
    if (const Configuration* near = r.nearest(); near != nullptr) {
        const Standing s = standing_of(near->trials, r.objectives);
        out += fmt::format("   nearest: {}, {} of {} futures met all\n", money(r.cost(), r.mean_cost(*near)),
                           s.met, near->trials.count());
        for (std::size_t d = 0; d < r.dimensions.size(); ++d)
            out += fmt::format("     {} = {}\n", r.dimensions[d].name, near->point.choices[d].label);
        for (std::size_t i = 0; i < r.objectives.size(); ++i) {
            const auto& v = s.thresholds[i].estimate.value;
            const bool holds = v && r.objectives[i].holds(*v);
            out += fmt::format("     {} {}   {}\n", holds ? style.green("✓") : style.red("✗"),
                               r.objectives[i].expression, v ? in_unit_of(r.objectives[i].metric, *v) : "–");
        }
    }
    return out;
}

std::string table_text(const PlanReport& r, const Style& style) {
    const Finalist& f = r.finalists[*r.answer];
    std::vector<const Measure*> rows;
    for (const Measure& m : r.measures)
        if (m.threshold) rows.push_back(&m);
    for (const char* name : {"p99_ttft_ms", "goodput", "replicas_mean", "gpu_busy_ratio", "cost_per_month"}) {
        const Measure* m = find_measure(r.measures, name);
        if (!m->threshold && m->estimate_of(f.configuration.trials).value) rows.push_back(m);
    }
    const bool has_now = r.now && r.now->configuration.trials.count() > 0;
    std::size_t widths[4] = {9, 3, 4, 5};
    std::vector<std::vector<std::string>> cells;
    for (const Measure* m : rows) {
        const auto plan = m->estimate_of(f.configuration.trials).value;
        std::string limit = m->threshold ? r.objectives[*m->threshold].expression.substr(
                                               r.objectives[*m->threshold].expression.find_first_of("<>"))
                                         : "";
        cells.push_back({m->name, has_now ? shown(*m, m->estimate_of(r.now->configuration.trials).value) : "",
                         shown(*m, plan), limit});
        for (std::size_t i = 0; i < 4; ++i) widths[i] = std::max(widths[i], display_width(cells.back()[i]));
    }
    std::string out =
        fmt::format("   {}   {}   {}   {}\n", padded_right("", widths[0]),
                    padded_left(has_now ? "now" : "", widths[1]), padded_left("plan", widths[2]), "limit");
    for (std::size_t i = 0; i < cells.size(); ++i) {
        std::string mark = " ";
        if (rows[i]->threshold) {
            const Verdict v = f.standing.thresholds[*rows[i]->threshold].verdict;
            mark = v == Verdict::pass   ? style.green("✓")
                   : v == Verdict::fail ? style.red("✗")
                                        : style.yellow("?");
        }
        const std::string line = fmt::format("   {}   {}   {}   {}", padded_right(cells[i][0], widths[0]),
                                             padded_left(cells[i][1], widths[1]),
                                             padded_left(cells[i][2], widths[2]), cells[i][3]);
        out += rows[i]->threshold ? line + ' ' + mark + '\n'
                                  : line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
    }
    return out;
}

std::string changes_text(const PlanReport& r, const Style& style) {
    std::string out;
    std::size_t widest = 0;
    for (const FieldChange& c : r.changes) widest = std::max(widest, display_width(c.object));
    for (const FieldChange& c : r.changes) {
        const std::string what = c.sign == '+'   ? c.path + " " + c.after
                                 : c.sign == '-' ? c.path + " (was " + c.before + ")"
                                                 : fmt::format("{} {} → {}", c.path, c.before, c.after);
        const std::string line = fmt::format("   {} {}  {}", c.sign, padded_right(c.object, widest), what);
        out += (c.sign == '+' ? style.green(line) : c.sign == '-' ? style.red(line) : line) + '\n';
    }
    return out;
}

std::string binding_text(const PlanReport& r, const Style& style) {
    const Finalist& f = r.finalists[*r.answer];
    const PlaceResult p = place_result(f.configuration, r.objectives, r.cost(), r.probability);
    const auto tightest =
        static_cast<std::size_t>(std::max_element(p.excess.begin(), p.excess.end()) - p.excess.begin());
    const Threshold& t = r.objectives[tightest];
    const auto value = f.standing.thresholds[tightest].estimate.value;
    std::string out =
        style.bold(" Binds      ") + fmt::format("{}: {} on average, the nearest to its limit\n",
                                                 t.expression, value ? in_unit_of(t.metric, *value) : "–");
    std::vector<std::string> edges;
    for (std::size_t d = 0; d < r.dimensions.size(); ++d) {
        const Dimension& dimension = r.dimensions[d];
        if (!dimension.ordered() || dimension.choices.size() < 3) continue;
        const std::string& label = f.configuration.point.choices[d].label;
        if (label == dimension.choices.front().label)
            edges.push_back(
                fmt::format("{} stands at the lowest value that was allowed ({})", dimension.name, label));
        if (label == dimension.choices.back().label)
            edges.push_back(
                fmt::format("{} stands at the highest value that was allowed ({})", dimension.name, label));
    }
    for (const std::string& e : edges) out += "            " + e + '\n';
    return out;
}

std::string steps_text(const PlanReport& r, const Style& style) {
    std::string out;
    for (const PlanStep& s : r.steps) {
        std::string what;
        if (s.configuration.state == ConfigurationState::refused) {
            what = "cannot be run";
        } else {
            const double change = r.change_of(s);
            what = fmt::format("{}{}", change < 0 ? "−" : "+", money(r.cost(), std::fabs(change)));
            const PlaceResult p = place_result(s.configuration, r.objectives, r.cost(), r.probability);
            if (p.feasible) {
                what += ", still meets all";
            } else {
                const auto worst = static_cast<std::size_t>(
                    std::max_element(p.excess.begin(), p.excess.end()) - p.excess.begin());
                const Estimate e = estimate(s.configuration.trials.thresholds[worst]);
                what +=
                    fmt::format(", misses {} ({})", r.objectives[worst].expression,
                                e.value ? in_unit_of(r.objectives[worst].metric, *e.value) : "–");
            }
        }
        out +=
            fmt::format("            {} {} → {}: {}\n", r.dimensions[s.dimension].name, s.from, s.to, what);
    }
    if (!out.empty()) out.replace(0, 12, style.bold(" Sensitive  "));
    return out;
}

/// What each objective costs: the cheapest of those tried that meet all others.
std::string prices_text(const PlanReport& r, const Style& style) {
    std::string out;
    const double own = r.mean_cost(r.sought);
    for (std::size_t i = 0; i < r.objectives.size(); ++i) {
        double least = own;
        for (const Configuration& c : r.tried) {
            const PlaceResult p = place_result(c, r.objectives, r.cost(), r.probability);
            if (!p.runs || p.cost >= least) continue;
            bool others = true;
            for (std::size_t o = 0; o < p.excess.size(); ++o) others = others && (o == i || p.excess[o] <= 0);
            if (others) least = p.cost;
        }
        if (least < own * 0.995)
            out += fmt::format("            without {} it could be {} (−{}%)\n", r.objectives[i].expression,
                               money(r.cost(), least), short_number((own - least) / own * 100));
    }
    if (!out.empty()) out.replace(0, 12, style.bold(" Objectives "));
    return out;
}

/// How far a cost lies from another: "12% more", "30% less" (spot machines may undercut the price of the perfect's).
std::string beside(double cost, double other) {
    return fmt::format("{:.0f}% {}", std::fabs(cost / other - 1) * 100, cost < other ? "less" : "more");
}

std::string perfect_text(const PlanReport& r, const Style& style) {
    if (!r.perfect || !r.perfect->complete) return "";
    const PerfectAutoscaler& p = *r.perfect;
    if (!p.reachable)
        return style.bold(" Perfect    ") +
               fmt::format("no number of replicas meets {}: it is the server, not the scaling\n",
                           p.objective);
    std::string out = style.bold(" Perfect    ") +
                      fmt::format(
                          "an autoscaler that knows the future needs at least {} GPU-hours for {}: {} GPUs "
                          "on average, about {} at most\n",
                          short_number(p.gpu_hours), p.objective, short_number(p.gpus_mean), p.gpus_most);
    const double hours = p.gpus_mean > 0 ? p.gpu_hours / p.gpus_mean : 0;
    if (p.usd && hours > 0 && r.cost().unit == ThresholdMetric::cost_per_month) {
        const double monthly = *p.usd / hours * 730;
        out += fmt::format("            {} USD/month", thousands(std::llround(monthly)));
        if (r.answer && monthly > 0)
            out += "; this plan pays " + beside(r.mean_cost(r.finalists[*r.answer].configuration), monthly);
        if (r.now && r.now->configuration.trials.count() > 0 && monthly > 0)
            out += ", the manifests as they are " + beside(r.mean_cost(r.now->configuration), monthly);
        out += '\n';
    }
    return out;
}

}  // namespace

std::string plan_text(const PlanReport& r, bool coloured, const std::string& command) {
    const Style style(coloured);
    std::string out = head_text(r, style) + '\n' + verdict_text(r, style);
    if (r.answer) {
        if (!r.changes.empty()) out += '\n' + changes_text(r, style);
        out += '\n' + table_text(r, style) + '\n' + binding_text(r, style) + steps_text(r, style) +
               prices_text(r, style);
    } else {
        out += '\n';
    }
    out += perfect_text(r, style);
    for (const Problem& w : r.warnings) out += style.bold(" Warning    ") + to_string(w) + '\n';
    if (r.answer && !command.empty() && !r.changes.empty())
        out += "\n   as a patch: " + command + " -o patch > kustomization.yaml\n   as flags:  " +
               set_flags(r.finalists[*r.answer].configuration.point) + '\n';
    return out;
}

}  // namespace windtunnel
