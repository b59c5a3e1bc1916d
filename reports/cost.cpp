#include "reports/cost.hpp"

#include "models/expects.hpp"
#include "reports/human.hpp"
#include "reports/money.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* use_names[node_uses] = {"busy", "idle", "starting", "draining", "lost"};
constexpr const char* nobody = "(no pod)";

struct Dimension {
    const char* name;
    std::string CostRow::*of;
};
constexpr Dimension dimensions[] = {
    {"pool", &CostRow::pool},           {"capacity_type", &CostRow::capacity_type},
    {"instance_type", &CostRow::instance_type}, {"workload", &CostRow::workload},
    {"namespace", &CostRow::name_space}, {"model", &CostRow::model},
    {"use", &CostRow::use},
};
std::string CostRow::*dimension_named(const std::string& name) {
    for (const Dimension& d : dimensions)
        if (name == d.name) return d.of;
    throw InternalError("no such dimension of cost: " + name);
}
std::string label_of(const CostRow& row, const std::string& dimension) {
    const std::string& text = row.*dimension_named(dimension);
    return text.empty() ? nobody : text;
}

/// Rows with equal labels of the first dimension, in the order in which they first come.
struct Group {
    std::string label;
    std::vector<CostRow> rows;
    std::int64_t micro_usd = 0, monthly = 0;
};
std::vector<Group> grouped(const std::vector<CostRow>& rows, const std::string& dimension) {
    std::vector<Group> out;
    for (const CostRow& row : rows) {
        const std::string label = label_of(row, dimension);
        auto at = std::find_if(out.begin(), out.end(), [&](const Group& g) { return g.label == label; });
        if (at == out.end()) at = out.insert(out.end(), Group{label, {}, 0, 0});
        at->rows.push_back(row);
        at->micro_usd += row.micro_usd;
        at->monthly += row.monthly_micro_usd;
    }
    return out;
}

std::vector<std::string> rest_of(const std::vector<std::string>& by) { return {by.begin() + 1, by.end()}; }

/// Monthly parts of rows whose parts over the span are known.
void project(CostBreakdown& out) {
    std::vector<double> weights;
    for (const CostRow& row : out.rows) weights.push_back(static_cast<double>(row.micro_usd));
    const double hours = out.span_s / 3600;
    const std::int64_t month =
        hours > 0 ? std::llround(static_cast<double>(out.micro_usd()) * hours_per_month / hours) : 0;
    const std::vector<std::int64_t> parts = apportioned(month, weights);
    for (std::size_t i = 0; i < out.rows.size(); ++i) out.rows[i].monthly_micro_usd = parts[i];
}

std::string usd_text(std::int64_t micro) { return decimal_usd(micro); }

class Table {
public:
    Table(const CostBreakdown& breakdown, bool coloured) : m_all(breakdown.micro_usd()), m_style(coloured) {}

    void add(const std::vector<Group>& groups, const std::vector<std::string>& by, const std::string& indent) {
        for (std::size_t i = 0; i < groups.size(); ++i) {
            const bool last = i + 1 == groups.size();
            line(indent + (last ? "└─ " : "├─ ") + groups[i].label, groups[i].micro_usd, groups[i].monthly);
            if (by.size() > 1)
                add(grouped(groups[i].rows, by[1]), rest_of(by), indent + (last ? "   " : "│  "));
        }
    }
    void line(const std::string& label, std::int64_t micro, std::int64_t monthly) {
        m_lines.push_back({label, usd_text(micro), usd_text(monthly),
                           m_all > 0 ? short_percent(static_cast<double>(micro) / static_cast<double>(m_all)) : "–"});
    }
    [[nodiscard]] std::string text(const std::string& span) const {
        std::size_t name = 0, usd = display_width("USD over " + span), month = display_width("USD per month");
        for (const Line& l : m_lines) {
            name = std::max(name, display_width(l.name));
            usd = std::max(usd, l.usd.size());
            month = std::max(month, l.month.size());
        }
        std::string out = ' ' + std::string(name, ' ') +
                          m_style.dim(padded_left("USD over " + span, usd + 3) + padded_left("USD per month", month + 3) +
                                      padded_left("share", 9)) + '\n';
        for (const Line& l : m_lines)
            out += ' ' + padded_right(l.name, name) + padded_left(l.usd, usd + 3) + padded_left(l.month, month + 3) +
                   padded_left(l.share, 9) + '\n';
        return out;
    }

private:
    struct Line {
        std::string name, usd, month, share;
    };
    const std::int64_t m_all;
    const Style m_style;
    std::vector<Line> m_lines;
};

Json tree_json(const std::vector<Group>& groups, const std::vector<std::string>& by) {
    Json out = Json::array();
    for (const Group& g : groups) {
        Json node{{by[0], g.label == nobody ? Json(nullptr) : Json(g.label)},
                  {"usd", decimal_usd(g.micro_usd)},
                  {"usd_per_month", decimal_usd(g.monthly)}};
        if (by.size() > 1) node["parts"] = tree_json(grouped(g.rows, by[1]), rest_of(by));
        out.push_back(std::move(node));
    }
    return out;
}

std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + '"';
}

void csv_lines(const std::vector<Group>& groups, const std::vector<std::string>& by, const std::string& before, std::string& out) {
    for (const Group& g : groups) {
        const std::string line = before + csv_field(g.label == nobody ? "" : g.label) + ',';
        if (by.size() > 1)
            csv_lines(grouped(g.rows, by[1]), rest_of(by), line, out);
        else
            out += line + decimal_usd(g.micro_usd) + ',' + decimal_usd(g.monthly) + '\n';
    }
}

/// "12.345678" -> micro-USD; nothing when it is no such text.
std::optional<std::int64_t> micro_of(const std::string& text) {
    const std::size_t dot = text.find('.');
    if (dot == std::string::npos || dot == 0 || text.size() != dot + 7 || text.size() > 19) return std::nullopt;
    std::int64_t value = 0;
    for (const char c : text) {
        if (c == '.') continue;
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    return value;
}

}  // namespace

std::int64_t CostBreakdown::micro_usd() const {
    return std::accumulate(rows.begin(), rows.end(), std::int64_t{0}, [](std::int64_t a, const CostRow& r) { return a + r.micro_usd; });
}
std::int64_t CostBreakdown::monthly_micro_usd() const {
    return std::accumulate(rows.begin(), rows.end(), std::int64_t{0},
                           [](std::int64_t a, const CostRow& r) { return a + r.monthly_micro_usd; });
}

std::vector<std::int64_t> apportioned(std::int64_t total, const std::vector<double>& weights) {
    WT_EXPECTS(total >= 0);
    const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
    std::vector<std::int64_t> parts(weights.size(), 0);
    if (weights.empty() || total == 0) return parts;
    std::vector<double> rest(weights.size());
    std::int64_t given = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const double exact = all > 0 ? static_cast<double>(total) * (weights[i] / all) : i == 0 ? static_cast<double>(total) : 0;
        parts[i] = std::min(static_cast<std::int64_t>(exact), total - given);
        rest[i] = exact - static_cast<double>(parts[i]);
        given += parts[i];
    }
    std::vector<std::size_t> order(weights.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
    for (std::size_t i = 0; given < total; i = (i + 1) % order.size()) {
        if (all > 0 && weights[order[i]] == 0) continue;
        ++parts[order[i]];
        ++given;
    }
    return parts;
}

CostBreakdown cost_breakdown(const RunResults& results) {
    CostBreakdown out;
    out.scenario = results.scenario;
    out.hash = fmt::format("{:016x}", results.hash);
    out.trials = results.trials.size();
    out.span_s = results.span_s;
    out.complete = results.complete;
    for (const TrialNumbers& t : results.trials) out.output_tokens += t.output_tokens;
    if (results.trials.empty()) return out;
    const Summary summary = summarise(results);
    const std::size_t workloads = results.workloads.size(), row = (workloads + 1) * node_uses;
    for (std::size_t p = 0; p < results.pools.size(); ++p) {
        if (results.pools[p].capacity_type == "other") {  // no node's time
            if (summary.pools[p].micro_usd > 0)
                out.rows.push_back({results.pools[p].pool, "other", "", "", "", "", "other", summary.pools[p].micro_usd, 0});
            continue;
        }
        std::vector<double> weights(row, 0);
        for (const TrialNumbers& t : results.trials) {
            if (t.node_use.empty()) continue;  // numbers that no trial gave
            for (std::size_t i = 0; i < row; ++i) weights[i] += t.node_use[p * row + i].to_double();
            // Time billed beyond a node's life is lost, and nobody's.
            weights[row - 1] += t.pools[p].minimum_extra.to_double() * static_cast<double>(node_shares);
        }
        // What is committed and never used is nobody's.
        if (std::all_of(weights.begin(), weights.end(), [](double w) { return w == 0; })) weights[row - 1] = 1;
        const std::vector<std::int64_t> parts = apportioned(summary.pools[p].micro_usd, weights);
        for (std::size_t i = 0; i < row; ++i) {
            if (parts[i] == 0) continue;
            const WorkloadLabel none;
            const WorkloadLabel& w = i / node_uses < workloads ? results.workloads[i / node_uses] : none;
            out.rows.push_back({results.pools[p].pool, results.pools[p].capacity_type, results.pools[p].instance_type,
                                w.target, w.name_space, w.model, use_names[i % node_uses], parts[i], 0});
        }
    }
    project(out);
    return out;
}

nlohmann::ordered_json cost_rows_json(const CostBreakdown& breakdown) {
    Json out = Json::array();
    for (const CostRow& r : breakdown.rows) {
        const auto text = [](const std::string& s) { return s.empty() ? Json(nullptr) : Json(s); };
        out.push_back(Json{{"pool", r.pool},
                           {"capacity_type", r.capacity_type},
                           {"instance_type", r.instance_type},
                           {"workload", text(r.workload)},
                           {"namespace", text(r.name_space)},
                           {"model", text(r.model)},
                           {"use", r.use},
                           {"usd", decimal_usd(r.micro_usd)},
                           {"usd_per_month", decimal_usd(r.monthly_micro_usd)}});
    }
    return out;
}

Result<CostBreakdown> read_cost_breakdown(const std::string& file) {
    const auto wrong = [&](const std::string& path, const std::string& message) { return Problem{{file, 0, 0}, path, message}; };
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const Json root = Json::parse(text, nullptr, false);
    if (!in || root.is_discarded() || !root.is_object() || root.value("schema", "") != "windtunnel.results/v1")
        return wrong("", "found no results, allowed: a results file (`windtunnel run --out FILE`) or a scenario");
    if (!root.contains("cost_breakdown") || !root["cost_breakdown"].contains("rows"))
        return wrong("cost_breakdown", "found none, allowed: results of a run on priced nodes");
    CostBreakdown out;
    out.scenario = root["scenario"].value("name", "");
    out.hash = root["scenario"].value("hash", "");
    out.trials = root.value("trials", std::size_t{0});
    out.complete = root.value("complete", true);
    const Json& breakdown = root["cost_breakdown"];
    out.span_s = breakdown.value("span_s", 0.0);
    if (root.contains("tokens") && root["tokens"].contains("output")) out.output_tokens = root["tokens"].value("output", std::uint64_t{0});
    for (const Json& r : breakdown["rows"]) {
        CostRow row;
        for (const Dimension& d : dimensions)
            if (r.contains(d.name) && r[d.name].is_string()) row.*(d.of) = r[d.name];
        const auto usd = micro_of(r.value("usd", ""));
        if (!usd) return wrong("cost_breakdown.rows", "found " + r.dump() + ", allowed: rows with usd as \"12.345678\"");
        row.micro_usd = *usd;
        out.rows.push_back(std::move(row));
    }
    project(out);
    return out;
}

const std::vector<std::string>& cost_dimensions() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> out;
        for (const Dimension& d : dimensions) out.emplace_back(d.name);
        return out;
    }();
    return names;
}

std::string cost_table(const CostBreakdown& breakdown, const std::vector<std::string>& by, bool coloured) {
    const Style style(coloured);
    std::string out = fmt::format(" {}   {} {}{}\n\n", style.bold(breakdown.scenario), breakdown.trials,
                                  breakdown.trials == 1 ? "trial" : "trials, means", breakdown.complete ? "" : ", interrupted");
    Table table(breakdown, coloured);
    table.add(grouped(breakdown.rows, by[0]), by, "");
    table.line("OVERALL TOTAL", breakdown.micro_usd(), breakdown.monthly_micro_usd());
    out += table.text(spoken_duration(breakdown.span_s));
    Table uses(breakdown, coloured);
    for (const char* use : {use_names[0], use_names[1], use_names[2], use_names[3], use_names[4], "other"}) {
        std::int64_t micro = 0, monthly = 0;
        for (const CostRow& r : breakdown.rows)
            if (r.use == use) {
                micro += r.micro_usd;
                monthly += r.monthly_micro_usd;
            }
        if (micro > 0) uses.line(use, micro, monthly);
    }
    out += '\n' + uses.text(spoken_duration(breakdown.span_s));
    if (breakdown.output_tokens > 0 && breakdown.trials > 0)
        out += fmt::format("\n {} USD per 1M output tokens\n",
                           short_usd(static_cast<double>(breakdown.micro_usd()) * static_cast<double>(breakdown.trials) /
                                     static_cast<double>(breakdown.output_tokens)));
    return out;
}

std::string cost_json(const CostBreakdown& breakdown, const std::vector<std::string>& by) {
    const Json out{{"schema", "windtunnel.cost/v1"},
                   {"scenario", Json{{"name", breakdown.scenario}, {"hash", breakdown.hash}}},
                   {"trials", breakdown.trials},
                   {"complete", breakdown.complete},
                   {"currency", "USD"},
                   {"span_s", breakdown.span_s},
                   {"total_usd", decimal_usd(breakdown.micro_usd())},
                   {"total_usd_per_month", decimal_usd(breakdown.monthly_micro_usd())},
                   {"by", by},
                   {"parts", tree_json(grouped(breakdown.rows, by[0]), by)},
                   {"rows", cost_rows_json(breakdown)}};
    return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string cost_csv(const CostBreakdown& breakdown, const std::vector<std::string>& by) {
    std::string out = fmt::format("{},usd,usd_per_month\n", fmt::join(by, ","));
    csv_lines(grouped(breakdown.rows, by[0]), by, "", out);
    return out;
}

}  // namespace windtunnel
