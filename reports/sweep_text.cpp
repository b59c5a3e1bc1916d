// A sweep for people: the table, a heatmap, what matters, the cheapest.
#include "reports/human.hpp"
#include "reports/sweep.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {

namespace {

constexpr std::size_t most_rows = 24;
constexpr std::size_t widest_map = 12;

/// As in_unit_of, but no cents of hundreds of dollars.
std::string shown(const Measure& m, double value) {
    const bool money = m.unit == ThresholdMetric::cost_per_month || m.unit == ThresholdMetric::cost_total ||
                       m.unit == ThresholdMetric::cost_per_hour;
    return money && value >= 100 ? thousands(std::llround(value)) + " USD" : in_unit_of(m.unit, value);
}

std::string shortened(const std::string& text, std::size_t most) {
    if (display_width(text) <= most) return text;
    std::string out;
    for (const char c : text) {
        if (display_width(out) + 1 >= most && (static_cast<unsigned char>(c) & 0xc0u) != 0x80u) break;
        out += c;
    }
    return out + "…";
}

struct Row {
    const Configuration* configuration;
    Standing standing;
    int group;  ///< how far from good: 0 meets all, 1 undecided, 2 fails, 3 dropped, 4 refused, 5 waits
    double cost;
};

int group_of(const Configuration& c, const Standing& s, bool judged) {
    if (c.state == ConfigurationState::refused) return 4;
    if (c.trials.count() == 0) return 5;
    if (c.state == ConfigurationState::dropped) return 3;
    if (!judged) return 0;
    return s.verdict == Verdict::pass ? 0 : s.verdict == Verdict::inconclusive ? 1 : 2;
}

std::vector<Row> rows_of(const SweepReport& report) {
    std::vector<Row> out;
    for (const Configuration& c : report.configurations) {
        Row r{&c, {}, 0, HUGE_VAL};
        if (c.trials.count() > 0) {
            r.standing = standing_of(c.trials, report.thresholds);
            r.cost = report.cost().estimate_of(c.trials).value.value_or(HUGE_VAL);
        }
        r.group = group_of(c, r.standing, !report.thresholds.empty());
        out.push_back(std::move(r));
    }
    std::stable_sort(out.begin(), out.end(), [](const Row& a, const Row& b) {
        return a.group != b.group ? a.group < b.group : a.cost < b.cost;
    });
    return out;
}

/// Thresholds' numbers, then what else everybody wants to see.
std::vector<const Measure*> columns_of(const SweepReport& report) {
    std::vector<const Measure*> out;
    const auto add = [&](const Measure* m) {
        if (m == nullptr || std::find(out.begin(), out.end(), m) != out.end()) return;
        for (const Configuration& c : report.configurations)
            if (c.trials.count() > 0 && m->estimate_of(c.trials).value) return out.push_back(m);
    };
    for (const Measure& m : report.measures)
        if (m.threshold) add(&m);
    add(&report.weighed());
    if (out.size() < 3) add(find_measure(report.measures, "goodput"));
    if (out.size() < 3) add(find_measure(report.measures, "mean_tpot_ms"));
    add(find_measure(report.measures, "replicas_mean"));
    add(&report.cost());
    return out;
}

std::string cell_of(const Measure& m, const Configuration& c) {
    const auto v = c.trials.count() > 0 ? m.estimate_of(c.trials).value : std::nullopt;
    return v ? shown(m, *v) : "–";
}

std::string mark_of(const Row& r, bool judged, const Style& style) {
    switch (r.group) {
        case 0:
            return judged ? style.green("✓") : " ";
        case 1:
            return style.yellow("?");
        case 2:
            return style.red("✗");
        case 3:
            return style.dim("×");
        case 4:
            return style.red("!");
        default:
            return " ";
    }
}

std::string table_of(const SweepReport& report, const Style& style) {
    const std::vector<Row> rows = rows_of(report);
    const std::vector<const Measure*> columns = columns_of(report);
    const std::vector<const Configuration*> front = pareto_front(report);
    std::vector<std::vector<std::string>> cells;
    std::vector<std::string> head{"#"};
    for (const Dimension& d : report.dimensions) head.push_back(d.name);
    for (const Measure* m : columns) head.push_back(m->name);
    head.emplace_back("");
    for (std::size_t i = 0; i < rows.size() && i < most_rows; ++i) {
        const Configuration& c = *rows[i].configuration;
        std::vector<std::string> line{std::to_string(c.index)};
        for (const Choice& choice : c.point.choices) line.push_back(choice.label);
        for (const Measure* m : columns) line.push_back(cell_of(*m, c));
        const bool on_front = std::find(front.begin(), front.end(), &c) != front.end();
        line.push_back(!c.reason.empty() ? shortened(c.reason, 96) : on_front ? "Pareto" : "");
        cells.push_back(std::move(line));
    }
    std::vector<std::size_t> widths;
    for (const std::string& h : head) widths.push_back(display_width(h));
    for (const auto& line : cells)
        for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], display_width(line[i]));
    const auto line_text = [&](const std::vector<std::string>& line) {
        std::string out;
        for (std::size_t i = 0; i + 1 < line.size(); ++i) out += padded_left(line[i], widths[i]) + "   ";
        out += line.back();
        return out.substr(0, out.find_last_not_of(' ') + 1);
    };
    std::string out = "   " + style.bold(line_text(head)) + '\n';
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string text = line_text(cells[i]);
        out += ' ' + mark_of(rows[i], !report.thresholds.empty(), style) + ' ' +
               (rows[i].group >= 3 ? style.dim(text) : text) + '\n';
    }
    if (rows.size() > most_rows)
        out += fmt::format("   and {} more: --csv FILE or -o json has them all\n", rows.size() - most_rows);
    return out;
}

/// From the lowest to the highest value of a map, by ratio where all are above 0.
class Shades {
public:
    explicit Shades(const Heatmap& map) {
        for (const auto& row : map.means)
            for (const auto& v : row)
                if (v) {
                    m_low = std::min(m_low, *v);
                    m_high = std::max(m_high, *v);
                }
        m_ratio = m_low > 0;
    }
    [[nodiscard]] const char* of(const std::optional<double>& v) const {
        static const char* const shades[] = {" ", "░", "▒", "▓", "█"};
        if (!v || !(m_high > m_low)) return " ";
        const double place =
            m_ratio ? std::log(*v / m_low) / std::log(m_high / m_low) : (*v - m_low) / (m_high - m_low);
        return shades[std::clamp(static_cast<int>(place * 5), 0, 4)];
    }

private:
    double m_low = HUGE_VAL, m_high = -HUGE_VAL;
    bool m_ratio = false;
};

std::string map_text(const SweepReport& report, const Heatmap& h, const Style& style) {
    const std::string across = report.dimensions[h.x].name, down = report.dimensions[h.y].name;
    std::vector<std::vector<std::string>> cells;
    std::size_t width = 0, side = display_width(down + " \\ " + across);
    const Shades shades(h);
    for (std::size_t y = 0; y < h.ys.size(); ++y) {
        std::vector<std::string> row;
        for (std::size_t x = 0; x < h.xs.size(); ++x) {
            const auto& v = h.means[y][x];
            row.push_back((v ? shown(*h.measure, *v) : std::string("–")) + ' ' + shades.of(v) +
                          (h.marks[y][x].empty() ? "" : ' ' + h.marks[y][x]));
            width = std::max(width, display_width(row.back()));
        }
        cells.push_back(std::move(row));
        side = std::max(side, display_width(h.ys[y]));
    }
    for (const std::string& x : h.xs) width = std::max(width, display_width(x));
    std::string out = ' ' + style.bold(h.measure->name) +
                      (report.dimensions.size() > 2 ? style.dim(" (mean over the other dimensions)") : "") +
                      '\n';
    out += ' ' + padded_left(down + " \\ " + across, side);
    for (const std::string& x : h.xs) out += "   " + padded_left(x, width);
    out += '\n';
    for (std::size_t y = 0; y < h.ys.size(); ++y) {
        out += ' ' + padded_left(h.ys[y], side);
        for (const std::string& cell : cells[y]) out += "   " + padded_left(cell, width);
        out += '\n';
    }
    return out;
}

std::string effects_text(const SweepReport& report, const Style& style) {
    std::string out;
    std::vector<std::string> idle;
    const std::vector<Effect> all = effects(report);
    for (std::size_t d = 0; d < report.dimensions.size(); ++d) {
        std::vector<std::string> words;
        bool varies = false;
        for (const Effect& e : all) {
            if (e.dimension != d) continue;
            const auto [low, high] =
                std::minmax_element(e.means.begin(), e.means.end(),
                                    [](const auto& a, const auto& b) { return a.second < b.second; });
            if (e.means.size() < 2 || e.share < 0.005) continue;
            varies = true;
            words.push_back(fmt::format("{:.0f}% of {} ({} at {} to {} at {})", e.share * 100,
                                        e.measure->name, shown(*e.measure, low->second), low->first,
                                        shown(*e.measure, high->second), high->first));
        }
        if (!varies)
            idle.push_back(report.dimensions[d].name);
        else
            out += fmt::format("            {} explains {}\n", report.dimensions[d].name,
                               fmt::join(words, ", "));
    }
    if (!idle.empty() && !all.empty())
        out += fmt::format("            {} {} next to nothing here\n", fmt::join(idle, ", "),
                           idle.size() == 1 ? "changes" : "change");
    if (!out.empty()) out.replace(0, 12, style.bold(" Matters    ").substr(0));
    return out;
}

std::string counted(std::size_t n, const char* one, const char* many) {
    return fmt::format("{} {}", thousands(static_cast<std::int64_t>(n)), n == 1 ? one : many);
}

std::string head_text(const SweepReport& report, const Style& style) {
    std::string how = report.design == "grid"  ? ""
                      : report.design == "lhs" ? " of a Latin hypercube"
                                               : " of the Sobol sequence";
    if (report.design == "grid" && report.dimensions.size() > 1) {
        for (std::size_t d = 0; d < report.dimensions.size(); ++d)
            how += fmt::format("{}{}", d == 0 ? " = " : " × ", report.dimensions[d].choices.size());
    }
    std::string out =
        fmt::format("{}{} · {}{} · {} each, seed {}{}\n", style.bold(" Sweep      "), report.scenario,
                    counted(report.configurations.size(), "configuration", "configurations"), how,
                    counted(report.trials, "trial", "trials"), report.seed,
                    report.race.empty() ? "" : fmt::format(" · race by {}", report.race));
    std::size_t named = 0;
    for (const Dimension& d : report.dimensions) named = std::max(named, display_width(d.name));
    for (const Dimension& d : report.dimensions) {
        std::string values;
        if (d.interval)
            values = fmt::format("{:g}{} to {:g}{}", d.interval->low, d.interval->unit, d.interval->high,
                                 d.interval->unit);
        for (std::size_t i = 0; i < d.choices.size(); ++i) {
            if (i == 8 && d.choices.size() > 10) {
                values += ", … " + d.choices.back().label;
                break;
            }
            values += (i > 0 ? ", " : "") + d.choices[i].label;
        }
        out += fmt::format(
            "            {}  {}{}\n", padded_right(d.name, named), values,
            d.paths.empty() ? "" : style.dim("   " + fmt::format("{}", fmt::join(d.paths, " & "))));
    }
    return out;
}

std::string tally_text(const SweepReport& report, const Style& style) {
    std::size_t counts[6] = {};
    for (const Row& r : rows_of(report)) ++counts[r.group];
    std::vector<std::string> words;
    const bool judged = !report.thresholds.empty();
    if (judged)
        words.push_back(fmt::format("{} meet{} all {}", counts[0], counts[0] == 1 ? "s" : "",
                                    counted(report.thresholds.size(), "threshold", "thresholds")));
    if (counts[1] > 0) words.push_back(fmt::format("{} undecided", counts[1]));
    if (judged) words.push_back(fmt::format("{} fail{}", counts[2], counts[2] == 1 ? "s" : ""));
    if (counts[3] > 0) words.push_back(fmt::format("{} dropped early", counts[3]));
    if (counts[4] > 0) words.push_back(fmt::format("{} cannot be run", counts[4]));
    if (counts[5] > 0) words.push_back(fmt::format("{} not run yet", counts[5]));
    return words.empty() ? "" : style.bold(" Verdict    ") + fmt::format("{}\n", fmt::join(words, " · "));
}

}  // namespace

std::string set_flags(const SpacePoint& point) {
    std::string out;
    for (const std::string& a : point.assignments()) {
        std::string quoted = "'";
        for (const char c : a) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
        out += " --set " + quoted + "'";
    }
    return out;
}

std::string sweep_text(const SweepReport& report, bool coloured, const std::string& command) {
    const Style style(coloured);
    std::string out = head_text(report, style) + '\n' + table_of(report, style) + '\n';
    const std::vector<Heatmap> maps = heatmaps(report);
    for (std::size_t i = 0; i < maps.size() && i < 2; ++i)
        if (maps[i].xs.size() > 1 && maps[i].ys.size() > 1 && maps[i].xs.size() <= widest_map)
            out += map_text(report, maps[i], style) + '\n';
    out += effects_text(report, style);
    if (const auto front = pareto_front(report); front.size() > 1) {
        std::vector<std::string> words;
        for (const Configuration* c : front)
            words.push_back(fmt::format("#{} ({}, {})", c->index, cell_of(report.cost(), *c),
                                        cell_of(report.weighed(), *c)));
        if (words.size() > 8) words.erase(words.begin() + 8, words.end());
        out += style.bold(" Pareto     ") + fmt::format("{} against {}: {}{}\n", report.cost().name,
                                                        report.weighed().name, fmt::join(words, ", "),
                                                        front.size() > 8 ? ", …" : "");
    }
    out += tally_text(report, style);
    for (const Problem& w : report.warnings) out += style.bold(" Warning    ") + to_string(w) + '\n';
    if (const Configuration* best = cheapest_that_meets(report); best != nullptr) {
        const bool sure = standing_of(best->trials, report.thresholds).verdict == Verdict::pass;
        out += '\n' + (sure ? style.green(" ✓") : style.yellow(" ?")) +
               fmt::format(" #{} is the cheapest that {} every threshold: {}\n", best->index,
                           sure ? "meets" : "meets on average, not surely,", cell_of(report.cost(), *best));
        if (!command.empty()) out += "   " + command + set_flags(best->point) + '\n';
    } else if (!report.thresholds.empty() && report.complete) {
        out += '\n' + style.red(" ✗") + " no configuration meets every threshold\n";
    }
    return out;
}

}  // namespace windtunnel
