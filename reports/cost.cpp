#include "reports/cost.hpp"

#include "models/expects.hpp"
#include "reports/human.hpp"
#include "reports/money.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* use_names[node_uses] = {"busy", "idle", "starting", "draining", "lost"};
constexpr const char* unused_use = "unused";  ///< reserved or committed, and no node of the run's
constexpr const char* nobody = "(no pod)";
constexpr const char* everybody = "(shared)";  ///< what is no tenant's own

struct CostDimension {
    const char* name;
    std::string CostRow::*of;
};
constexpr CostDimension dimensions[] = {
    {"pool", &CostRow::pool},           {"capacity_type", &CostRow::capacity_type},
    {"instance_type", &CostRow::instance_type}, {"workload", &CostRow::workload},
    {"namespace", &CostRow::name_space}, {"model", &CostRow::model},
    {"tenant", &CostRow::tenant},       {"use", &CostRow::use},
};
std::string CostRow::*dimension_named(const std::string& name) {
    for (const CostDimension& d : dimensions)
        if (name == d.name) return d.of;
    throw InternalError("no such dimension of cost: " + name);
}
std::string label_of(const CostRow& row, const std::string& dimension) {
    const std::string& text = row.*dimension_named(dimension);
    return !text.empty() ? text : dimension == "tenant" ? everybody : nobody;
}
bool is_named(const std::string& label) { return label != nobody && label != everybody; }

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
        Json node{{by[0], is_named(g.label) ? Json(g.label) : Json(nullptr)},
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
        const std::string line = before + csv_field(is_named(g.label) ? g.label : "") + ',';
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

namespace {

/// Who pays for traffic: accounts, or where none are kept workloads (payer_of).
std::size_t payers_of(const RunResults& results) { return results.accounts.empty() ? results.workloads.size() : results.accounts.size(); }

/// Parts of a cost, and what they are to each other.
struct CostParts {
    std::vector<CostRow> rows;
    std::vector<double> weights;

    void add(const PoolLabel& pool, const WorkloadLabel& w, const std::string& tenant, const char* use, double weight = 0) {
        rows.push_back({pool.pool, pool.capacity_type, pool.instance_type, w.target, w.name_space, w.model, tenant, use, 0, 0});
        weights.push_back(weight);
    }
    [[nodiscard]] double sum() const { return std::accumulate(weights.begin(), weights.end(), 0.0); }
    void divide(std::int64_t micro_usd, std::vector<CostRow>& out) {
        const std::vector<std::int64_t> parts = apportioned(micro_usd, weights);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            rows[i].micro_usd = parts[i];
            if (parts[i] > 0) out.push_back(std::move(rows[i]));
        }
    }
};

/// The tenants of each workload, and the place among them of each account.
class TenantShares {
public:
    explicit TenantShares(const RunResults& results)
        : m_results(results), m_names(results.workloads.size()), m_place(results.accounts.size()) {
        std::vector<std::vector<double>> work(results.workloads.size());
        for (std::size_t a = 0; a < results.accounts.size(); ++a) {
            const AccountLabel& account = results.accounts[a];
            std::vector<std::string>& names = m_names[account.workload];
            m_place[a] = static_cast<std::size_t>(std::find(names.begin(), names.end(), account.tenant) - names.begin());
            if (m_place[a] == names.size()) names.push_back(account.tenant);
            work[account.workload].resize(names.size());
            for (const TrialNumbers& t : results.trials) work[account.workload][m_place[a]] += work_of(t, a);
        }
        for (std::size_t w = 0; w < m_names.size(); ++w) keep_largest(w, work[w]);
    }
    [[nodiscard]] const std::vector<std::string>& names(std::size_t workload) const { return m_names[workload]; }
    /// Of an account, among its workload's.
    [[nodiscard]] std::size_t place(std::size_t account) const { return m_place[account]; }

    /// Which part of the workload's work in a trial was each tenant's; all zero where there was none.
    [[nodiscard]] std::vector<double> of(const TrialNumbers& trial, std::size_t workload) const {
        std::vector<double> out(m_names[workload].size());
        double all = 0;
        for (std::size_t a = 0; a < m_place.size(); ++a) {
            if (m_results.accounts[a].workload != workload) continue;
            out[m_place[a]] += work_of(trial, a);
            all += work_of(trial, a);
        }
        for (double& share : out) share = all > 0 ? share / all : 0;
        return out;
    }

private:
    [[nodiscard]] double work_of(const TrialNumbers& t, std::size_t account) const {
        const std::size_t behind = m_place.size() - account + 2 * payers_of(m_results);  // who pays for traffic stands last
        return behind <= t.node_use.size() ? t.node_use[t.node_use.size() - behind].to_double() : 0;
    }
    /// Puts all but the tenants with the most work in one place.
    void keep_largest(std::size_t w, const std::vector<double>& work) {
        if (m_names[w].size() <= tenants_shown) return;
        std::vector<std::size_t> order(work.size()), place(work.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return work[a] > work[b]; });
        std::vector<std::string> names;
        for (std::size_t i = 0; i < order.size(); ++i) {
            place[order[i]] = std::min(i, tenants_shown);
            if (i < tenants_shown) names.push_back(m_names[w][order[i]]);
        }
        names.push_back(fmt::format("({} others)", order.size() - tenants_shown));
        m_names[w] = std::move(names);
        for (std::size_t a = 0; a < m_place.size(); ++a)
            if (m_results.accounts[a].workload == w) m_place[a] = place[m_place[a]];
    }

    const RunResults& m_results;
    std::vector<std::vector<std::string>> m_names;  ///< [workload]
    std::vector<std::size_t> m_place;               ///< [account]
};

/// What the time of one pool's nodes went into: every workload by use, busy time by tenant.
CostParts uses_of(const RunResults& results, std::size_t p, const TenantShares& tenants) {
    const std::size_t workloads = results.workloads.size(), row = (workloads + 1) * node_uses;
    const PoolLabel& pool = results.pools[p];
    CostParts out;
    const WorkloadLabel none;
    std::vector<std::size_t> first(workloads);  // of the tenants' rows of each workload
    for (std::size_t i = 0; i < row; ++i) {
        const WorkloadLabel& w = i / node_uses < workloads ? results.workloads[i / node_uses] : none;
        out.add(pool, w, w.tenant, use_names[i % node_uses]);
    }
    for (std::size_t w = 0; w < workloads; ++w) {
        first[w] = out.rows.size();
        for (const std::string& tenant : tenants.names(w))
            out.add(pool, results.workloads[w], tenant.empty() ? results.workloads[w].tenant : tenant, use_names[0]);
    }
    for (const TrialNumbers& t : results.trials) {
        if (t.node_use.empty()) continue;  // numbers that no trial gave
        for (std::size_t i = 0; i < row; ++i) {
            const double cell = t.node_use[p * row + i].to_double();
            const std::size_t w = i / node_uses;
            if (cell == 0 || i % node_uses != 0 || w == workloads) {
                out.weights[i] += cell;
                continue;
            }
            const std::vector<double> shares = tenants.of(t, w);
            double rest = cell;
            for (std::size_t k = 0; k < shares.size(); ++k) {
                out.weights[first[w] + k] += cell * shares[k];
                rest = 0;
            }
            if (std::accumulate(shares.begin(), shares.end(), 0.0) == 0) rest = cell;
            out.weights[i] += rest;
        }
        // Time billed beyond a node's life is lost, and nobody's.
        out.weights[row - 1] += t.pools[p].minimum_extra.to_double() * static_cast<double>(node_shares);
    }
    return out;
}

/// The rows of one pool: what is committed and unused, then the uses.
void add_pool(const RunResults& results, std::size_t p, std::int64_t micro_usd, const TenantShares& tenants, CostBreakdown& out) {
    CostParts parts = uses_of(results, p, tenants);
    std::int64_t unused = 0;
    for (const TrialNumbers& t : results.trials) unused += t.pools[p].unused_micro_usd;
    unused = std::min(divided_half_even(unused, static_cast<std::int64_t>(results.trials.size())), micro_usd);
    if (parts.sum() == 0) unused = micro_usd;
    parts.divide(micro_usd - unused, out.rows);
    if (unused > 0)
        out.rows.push_back({results.pools[p].pool, results.pools[p].capacity_type, results.pools[p].instance_type, "", "",
                            "", "", unused_use, unused, 0});
}

/// What disks cost follows the nodes that they are on: by pool as many node-hours, in each what its time went into.
CostParts parts_by_nodes(const RunResults& results, const PoolLabel& label, const TenantShares& tenants) {
    CostParts out;
    for (std::size_t p = 0; p < results.pools.size(); ++p) {
        if (results.pools[p].capacity_type == "other") continue;
        double hours = 0;
        for (const TrialNumbers& t : results.trials) hours += t.pools[p].node_hours;
        const CostParts uses = uses_of(results, p, tenants);
        const double all = uses.sum();
        for (std::size_t i = 0; i < uses.rows.size(); ++i) {
            if (uses.weights[i] == 0) continue;
            CostRow row = uses.rows[i];
            row.pool = label.pool, row.capacity_type = label.capacity_type, row.instance_type = label.instance_type;
            const auto same = std::find_if(out.rows.begin(), out.rows.end(), [&](const CostRow& r) {
                return r.workload == row.workload && r.name_space == row.name_space && r.tenant == row.tenant && r.use == row.use;
            });
            const double weight = hours * uses.weights[i] / all;
            if (same != out.rows.end()) {
                out.weights[static_cast<std::size_t>(same - out.rows.begin())] += weight;
                continue;
            }
            out.rows.push_back(std::move(row));
            out.weights.push_back(weight);
        }
    }
    return out;
}

/// What traffic costs follows the tokens of completed requests.
CostParts parts_by_tokens(const RunResults& results, const PoolLabel& label, const TenantShares& tenants) {
    const std::size_t payers = payers_of(results);
    const auto tokens = [&](const TrialNumbers& t, std::size_t payer) {
        if (t.node_use.size() < 2 * payers) return 0.0;  // numbers that no trial gave
        const WideSum* cells = &t.node_use[t.node_use.size() - 2 * (payers - payer)];
        return (label.shares == CostShares::tokens ? cells[0].to_double() : 0) + cells[1].to_double();
    };
    CostParts out;
    std::vector<std::size_t> first;
    for (std::size_t w = 0; w < results.workloads.size(); ++w) {
        first.push_back(out.rows.size());
        const WorkloadLabel& workload = results.workloads[w];
        if (results.accounts.empty()) out.add(label, workload, workload.tenant, "other");
        for (const std::string& tenant : tenants.names(w)) out.add(label, workload, tenant.empty() ? workload.tenant : tenant, "other");
    }
    for (std::size_t i = 0; i < payers; ++i)
        for (const TrialNumbers& t : results.trials)
            out.weights[results.accounts.empty() ? first[i] : first[results.accounts[i].workload] + tenants.place(i)] += tokens(t, i);
    return out;
}

/// The rows of what is no node's price.
void add_other(const RunResults& results, std::size_t p, std::int64_t micro_usd, const TenantShares& tenants, CostBreakdown& out) {
    const PoolLabel& label = results.pools[p];
    CostParts parts;
    if (label.shares == CostShares::nodes) parts = parts_by_nodes(results, label, tenants);
    if (label.shares == CostShares::tokens || label.shares == CostShares::output_tokens) parts = parts_by_tokens(results, label, tenants);
    if (parts.sum() == 0) {
        parts = {};
        parts.add(label, {}, "", "other", 1);
    }
    parts.divide(micro_usd, out.rows);
}

}  // namespace

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
    const TenantShares tenants(results);
    for (std::size_t p = 0; p < results.pools.size(); ++p) {
        if (results.pools[p].capacity_type != "other")
            add_pool(results, p, summary.pools[p].micro_usd, tenants, out);
        else if (summary.pools[p].micro_usd > 0)
            add_other(results, p, summary.pools[p].micro_usd, tenants, out);
    }
    project(out);
    return out;
}

CostBreakdown with_idle_shared(CostBreakdown breakdown) {
    const auto tenants_in = [&](auto&& counts) {
        std::map<std::string, double> out;
        for (const CostRow& r : breakdown.rows)
            if (!r.tenant.empty() && counts(r)) out[r.tenant] += static_cast<double>(r.micro_usd);
        return out;
    };
    std::vector<CostRow> rows;
    for (const CostRow& r : breakdown.rows) {
        std::map<std::string, double> among;
        if (r.tenant.empty() && !r.workload.empty())
            among = tenants_in([&](const CostRow& o) { return o.workload == r.workload && o.name_space == r.name_space; });
        if (r.tenant.empty() && among.empty()) among = tenants_in([&](const CostRow& o) { return o.pool == r.pool; });
        if (r.tenant.empty() && among.empty()) among = tenants_in([](const CostRow&) { return true; });
        if (among.empty()) {
            rows.push_back(r);
            continue;
        }
        std::vector<double> weights;
        for (const auto& [tenant, weight] : among) weights.push_back(weight);
        const std::vector<std::int64_t> parts = apportioned(r.micro_usd, weights);
        std::size_t i = 0;
        for (const auto& [tenant, weight] : among) {
            CostRow part = r;
            part.tenant = tenant;
            part.micro_usd = parts[i++];
            if (part.micro_usd > 0) rows.push_back(std::move(part));
        }
    }
    breakdown.rows = std::move(rows);
    project(breakdown);
    return breakdown;
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
                           {"tenant", text(r.tenant)},
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
        for (const CostDimension& d : dimensions)
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
        for (const CostDimension& d : dimensions) out.emplace_back(d.name);
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
    for (const char* use : {use_names[0], use_names[1], use_names[2], use_names[3], use_names[4], unused_use, "other"}) {
        std::int64_t micro = 0, monthly = 0;
        for (const CostRow& r : breakdown.rows)
            if (r.use == use) {
                micro += r.micro_usd;
                monthly += r.monthly_micro_usd;
            }
        if (micro > 0) uses.line(use, micro, monthly);
    }
    out += '\n' + uses.text(spoken_duration(breakdown.span_s));
    for (const char* dimension : {"namespace", "tenant"}) {
        const std::vector<Group> groups = grouped(breakdown.rows, dimension);
        const auto named = std::count_if(groups.begin(), groups.end(), [](const Group& g) { return is_named(g.label); });
        if (named < (std::string(dimension) == "tenant" ? 1 : 2) || by == std::vector<std::string>{dimension}) continue;
        Table owners(breakdown, coloured);
        for (const Group& g : groups) owners.line(g.label, g.micro_usd, g.monthly);
        out += '\n' + owners.text(spoken_duration(breakdown.span_s));
    }
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
