#include "reports/diff.hpp"

#include "reports/human.hpp"
#include "reports/json_values.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

const ComparedRow* row_named(const DiffReport& report, std::string_view name) {
    for (const ComparedRow& r : report.rows)
        if (name == r.metric->name) return &r;
    return nullptr;
}

/// +1: surely worse, -1: surely better, 0: nobody can say, or too small a change.
int direction_of(const DiffReport& report, std::string_view name) {
    const ComparedRow* r = row_named(report, name);
    if (r == nullptr || !r->difference.significant() || r->difference.value == 0) return 0;
    const double size = r->relative() ? std::fabs(*r->relative()) : 1;
    if (size < report.tolerance) return 0;
    const bool up = r->difference.value > 0;
    return up == (r->metric->better == Better::lower) ? 1 : -1;
}

/// Of several numbers that say the same thing: mixed (2) when they disagree.
int direction_of_all(const DiffReport& report, std::initializer_list<std::string_view> names) {
    bool worse = false, better = false;
    for (const std::string_view name : names) {
        worse = worse || direction_of(report, name) > 0;
        better = better || direction_of(report, name) < 0;
    }
    return worse && better ? 2 : worse ? 1 : better ? -1 : 0;
}

std::string dollars(double usd) {
    return std::fabs(usd) < 100 ? fmt::format("${}", short_usd(usd)) : fmt::format("${}", thousands(std::llround(usd)));
}
std::string signed_dollars(double usd) { return (usd < 0 ? "−" : "+") + dollars(std::fabs(usd)); }

std::string shown(const ComparedMetric& m, const std::optional<double>& v) { return v ? in_unit_of(m.unit, *v) : "–"; }

std::string change(const ComparedRow& r) {
    std::string out = change_in_unit_of(r.metric->unit, r.difference.value);
    const bool share = r.metric->unit == ThresholdMetric::goodput || r.metric->unit == ThresholdMetric::availability ||
                       r.metric->unit == ThresholdMetric::gpu_busy_ratio;
    if (const auto relative = r.relative(); relative && !share && r.difference.value != 0)
        out += fmt::format(" ({}{}%)", *relative < 0 ? "−" : "+", short_number(std::fabs(*relative) * 100));
    return out;
}

std::string shortened(const std::string& text) {
    constexpr std::size_t most = 60;
    if (display_width(text) <= most) return text;
    std::string out;
    for (const char c : text) {
        if (display_width(out) + 1 >= most && (static_cast<unsigned char>(c) & 0xc0u) != 0x80u) break;
        out += c;
    }
    return out + "…";
}

std::string field_text(const FieldChange& f) {
    if (f.path.empty()) return "";
    if (f.sign == '+') return f.path + " " + shortened(f.after);
    if (f.sign == '-') return f.path + " (was " + shortened(f.before) + ")";
    return fmt::format("{} {} → {}", f.path, shortened(f.before), shortened(f.after));
}

/// Rows worth a line: numbers that are there and not zero on both sides.
std::vector<const ComparedRow*> shown_rows(const DiffReport& report) {
    std::vector<const ComparedRow*> out;
    for (const ComparedRow& r : report.rows)
        if (r.base && r.candidate && (*r.base != 0 || *r.candidate != 0)) out.push_back(&r);
    return out;
}

}  // namespace

bool DiffReport::differs() const {
    return !fields.empty() || std::any_of(rows.begin(), rows.end(), [](const ComparedRow& r) {
        return r.difference.significant() && r.difference.value != 0;
    });
}

std::string DiffReport::verdict() const {
    if (!differs()) return "no difference";
    const int latency = direction_of_all(*this, {"mean_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "p99_tpot_ms", "p99_e2el_ms"});
    const int risk = direction_of_all(*this, {"availability", "goodput", "degraded_minutes", "spot_evictions"});
    const int cost = direction_of(*this, "cost_per_month");
    std::vector<std::string> words;
    if (latency != 0) words.emplace_back(latency == 2 ? "latency better in part, worse in part" : latency > 0 ? "worse latency" : "better latency");
    if (risk != 0) words.emplace_back(risk == 2 ? "risk mixed" : risk > 0 ? "riskier" : "safer");
    if (cost != 0) words.emplace_back(cost > 0 ? "dearer" : "cheaper");
    std::string out = words.empty() ? "no significant effect" : fmt::format("{}", fmt::join(words, ", "));
    if (const ComparedRow* r = row_named(*this, "cost_per_month"); r != nullptr && r->base && r->candidate)
        out += fmt::format(". Monthly cost {} ({} → {})", r->difference.value == 0 ? "unchanged" : signed_dollars(r->difference.value),
                           dollars(*r->base), dollars(*r->candidate));
    return out;
}

std::string diff_text(const DiffReport& report, bool coloured) {
    const Style style(coloured);
    std::string out = style.dim(fmt::format("Key: ~ changed  + added  - removed   * significant ({}95%)",
                                            report.rows.empty() || !report.rows.front().difference.paired ? "" : "paired, ")) + '\n';
    std::size_t widest = 0;
    for (const FieldChange& f : report.fields) widest = std::max(widest, display_width(f.object));
    for (const FieldChange& f : report.fields) {
        const std::string line = fmt::format("{} {}  {}", f.sign, padded_right(f.object, widest), field_text(f));
        const std::string plain = line.substr(0, line.find_last_not_of(' ') + 1);
        out += (f.sign == '+' ? style.green(plain) : f.sign == '-' ? style.red(plain) : plain) + '\n';
    }
    if (!report.has_fields) out += style.dim("The base is a finished run: its files are not compared.") + '\n';
    else if (report.fields.empty()) out += "No field differs.\n";
    out += '\n' + std::string(30, ' ') + style.dim(padded_left("base", 14) + padded_left("new", 14) + "   Δ") + '\n';
    for (const ComparedRow* r : shown_rows(report)) {
        const bool sure = r->difference.significant() && r->difference.value != 0;
        std::string line = ' ' + padded_right(r->metric->name, 29) + padded_left(shown(*r->metric, r->base), 14) +
                           padded_left(shown(*r->metric, r->candidate), 14) + "   " + change(*r) + (sure ? " *" : "");
        if (sure && r->metric->better != Better::neither)
            line = (r->difference.value > 0) == (r->metric->better == Better::lower) ? style.red(line) : style.green(line);
        out += line + '\n';
    }
    out += fmt::format("\nVerdict: {}\n", report.verdict());
    out += style.dim(fmt::format("{} trials each, seed {}, {}{}", report.trials, report.seed, report.pairing,
                                 report.complete ? "" : ", interrupted")) + '\n';
    return out;
}

std::string diff_json(const DiffReport& report) {
    Json out;
    out["schema"] = "windtunnel.diff/v1";
    out["base"] = report.base;
    out["candidate"] = report.candidate;
    out["seed"] = report.seed;
    out["trials"] = report.trials;
    out["complete"] = report.complete;
    out["pairing"] = report.pairing;
    out["differs"] = report.differs();
    out["verdict"] = report.verdict();
    out["fields"] = Json::array();
    for (const FieldChange& f : report.fields)
        out["fields"].push_back(Json{{"change", f.sign == '+' ? "added" : f.sign == '-' ? "removed" : "changed"},
                                     {"object", f.object},
                                     {"path", f.path},
                                     {"before", f.sign == '+' ? Json(nullptr) : Json(f.before)},
                                     {"after", f.sign == '-' ? Json(nullptr) : Json(f.after)}});
    out["metrics"] = Json::array();
    for (const ComparedRow& r : report.rows) {
        const auto& ci = r.difference.ci95;
        out["metrics"].push_back(Json{{"name", r.metric->name},
                                      {"base", number(r.base)},
                                      {"candidate", number(r.candidate)},
                                      {"difference", r.base && r.candidate ? Json(r.difference.value) : Json(nullptr)},
                                      {"ci95", ci ? Json::array({ci->first, ci->second}) : Json(nullptr)},
                                      {"p", number(r.difference.p)},
                                      {"significant", r.difference.significant() && r.difference.value != 0}});
    }
    return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string diff_markdown(const DiffReport& report) {
    std::string out = "<!-- windtunnel-diff -->\n### windtunnel: " + report.verdict() + "\n\n";
    out += "| | base | new | Δ |\n|---|---:|---:|---:|\n";
    for (const ComparedRow* r : shown_rows(report)) {
        const bool sure = r->difference.significant() && r->difference.value != 0;
        out += fmt::format("| {} | {} | {} | {}{} |\n", r->metric->name, shown(*r->metric, r->base),
                           shown(*r->metric, r->candidate), change(*r), sure ? " **\\***" : "");
    }
    out += fmt::format("\n\\* significant at 95 %; {} trials each, seed {}, {}{}\n", report.trials, report.seed, report.pairing,
                       report.complete ? "" : ", interrupted");
    if (report.fields.empty()) return out;
    constexpr std::size_t most = 60'000;  // GitHub refuses comments of more than 65,536 characters
    out += fmt::format("\n<details><summary>{} fields differ</summary>\n\n```diff\n", report.fields.size());
    for (const FieldChange& f : report.fields) {
        std::string line = fmt::format("{} {} {}\n", f.sign == '~' ? '!' : f.sign, f.object, field_text(f));
        if (out.size() + line.size() > most) {
            out += "… the rest is left out\n";
            break;
        }
        out += line;
    }
    return out + "```\n\n</details>\n";
}

}  // namespace windtunnel
