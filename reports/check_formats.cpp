#include "reports/check.hpp"

#include "models/version.hpp"
#include "reports/json_values.hpp"

#include <xxhash.h>

#include <fmt/format.h>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

constexpr auto replace_bad = nlohmann::json::error_handler_t::replace;

const char* kind_of(const CheckRow& r) { return r.kind == CheckRow::Kind::threshold ? "threshold" : "regression"; }

/// Everything that is to be said of a row in one sentence.
std::string sentence(const CheckRow& r) {
    std::string out = r.kind == CheckRow::Kind::threshold ? fmt::format("{}: {}", r.expr, r.value)
                                                          : fmt::format("{}: {}", r.id, r.value);
    if (!r.note.empty()) out += " (" + r.note + ")";
    if (r.verdict == Verdict::inconclusive) out += ", inconclusive";
    if (!r.cause.empty()) out += "; " + r.cause;
    return out;
}

std::string place(const CheckRow& r) {
    if (r.where.file.empty()) return "";
    return r.where.line > 0 ? fmt::format("{}:{}", r.where.file, r.where.line) : r.where.file;
}

/// A path as code hosts want it: relative, without "./".
std::string host_path(std::string file) {
    while (file.rfind("./", 0) == 0) file.erase(0, 2);
    return file;
}

/// The same finding keeps its fingerprint while its number changes.
std::string fingerprint(const CheckReport& report, const CheckRow& r) {
    const std::string text = report.scenario + '\n' + r.id + '\n' + host_path(r.where.file);
    return fmt::format("{:016x}", XXH64(text.data(), text.size(), 0));
}

std::string xml(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '&': out += "&amp;"; break;
            case '"': out += "&quot;"; break;
            default:
                // Control characters are not allowed in XML 1.0, not even escaped.
                out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
        }
    }
    return out;
}

/// A workflow command's value and property (GitHub's escaping of commands, from general knowledge).
std::string github_value(std::string_view text, bool property) {
    std::string out;
    for (const char c : text) {
        if (c == '%') out += "%25";
        else if (c == '\r') out += "%0D";
        else if (c == '\n') out += "%0A";
        else if (property && c == ':') out += "%3A";
        else if (property && c == ',') out += "%2C";
        else out += c;
    }
    return out;
}

std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) out += c == '|' ? std::string("\\|") : c == '\n' ? std::string(" ") : std::string(1, c);
    return out;
}

const char* sign_of(Verdict v) { return v == Verdict::pass ? "✓" : v == Verdict::fail ? "✗" : "≈"; }

}  // namespace

std::string check_json(const CheckReport& report) {
    Json out;
    out["schema"] = "windtunnel.check/v1";
    out["scenario"] = Json{{"name", report.scenario}, {"hash", report.hash}};
    out["seed"] = report.seed;
    out["trials"] = report.trials;
    out["complete"] = report.complete;
    out["verdict"] = to_string(report.verdict());
    out["against"] = report.against.empty() ? Json(nullptr) : Json(report.against);
    out["pairing"] = report.pairing.empty() ? Json(nullptr) : Json(report.pairing);
    out["checks"] = Json::array();
    for (const CheckRow& r : report.rows) {
        Json row{{"id", r.id},
                 {"kind", kind_of(r)},
                 {"expr", r.expr},
                 {"verdict", to_string(r.verdict)},
                 {"value", number(r.number)}};
        if (r.kind == CheckRow::Kind::threshold) {
            row["ci95"] = bounds(r.ci95);
            row["limit"] = number(r.limit);
            row["probability"] = number(r.probability);
        } else {
            row["base"] = number(r.base);
            row["difference_ci95"] = bounds(r.ci95);
            row["allowed"] = number(r.limit);
            row["p"] = number(r.p);
        }
        row["file"] = r.where.file.empty() ? Json(nullptr) : Json(r.where.file);
        row["line"] = r.where.line > 0 ? Json(r.where.line) : Json(nullptr);
        row["message"] = sentence(r);
        out["checks"].push_back(std::move(row));
    }
    out["warnings"] = Json::array();
    for (const Problem& w : report.warnings)
        out["warnings"].push_back(Json{{"file", w.where.file},
                                       {"line", w.where.line > 0 ? Json(w.where.line) : Json(nullptr)},
                                       {"path", w.path},
                                       {"message", w.message}});
    return out.dump(2, ' ', false, replace_bad) + "\n";
}

std::string check_junit(const CheckReport& report) {
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    const std::string totals =
        fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"0\"", report.rows.size(),
                    report.count(Verdict::fail), report.count(Verdict::inconclusive));
    out += fmt::format("<testsuites name=\"windtunnel\" tests=\"{}\" failures=\"{}\" errors=\"0\" time=\"0\">\n",
                       report.rows.size(), report.count(Verdict::fail));
    out += fmt::format("  <testsuite name=\"{}\" {}>\n", xml(report.scenario), totals);
    for (const CheckRow& r : report.rows) {
        out += fmt::format("    <testcase classname=\"windtunnel.{}\" name=\"{}\" time=\"0\"", xml(report.scenario),
                           xml(r.kind == CheckRow::Kind::threshold ? r.expr : r.id));
        if (!r.where.file.empty()) out += fmt::format(" file=\"{}\"", xml(host_path(r.where.file)));
        if (!r.where.file.empty() && r.where.line > 0) out += fmt::format(" line=\"{}\"", r.where.line);
        out += ">\n";
        const std::string text = xml(sentence(r)), where = xml(place(r));
        if (r.verdict == Verdict::fail)
            out += fmt::format("      <failure message=\"{}\" type=\"{}\">{}{}</failure>\n", text, kind_of(r), text,
                               where.empty() ? "" : "\n" + where);
        if (r.verdict == Verdict::inconclusive) out += fmt::format("      <skipped message=\"{}\"/>\n", text);
        if (r.verdict == Verdict::pass) out += fmt::format("      <system-out>{}</system-out>\n", text);
        out += "    </testcase>\n";
    }
    return out + "  </testsuite>\n</testsuites>\n";
}

std::string check_markdown(const CheckReport& report) {
    // GitHub refuses comments of more than 65,536 characters.
    constexpr std::size_t most = 60'000;
    std::string out = fmt::format("<!-- windtunnel-check:{} -->\n", report.scenario);
    const std::size_t failed = report.count(Verdict::fail), open = report.count(Verdict::inconclusive);
    const Verdict v = report.verdict();
    out += fmt::format("### windtunnel: {} {}\n\n", sign_of(v),
                       v == Verdict::pass   ? fmt::format("{} checks passed", report.count(Verdict::pass))
                       : v == Verdict::fail ? fmt::format("{} of {} checks failed", failed, report.rows.size())
                                            : fmt::format("{} of {} checks inconclusive", open, report.rows.size()));
    out += "| | check | measured | | where |\n|---|---|---|---|---|\n";
    std::size_t left_out = 0;
    for (const CheckRow& r : report.rows) {
        std::string where = r.verdict == Verdict::pass || place(r).empty() ? "" : fmt::format("`{}` {}", place(r), cell(r.cause));
        std::string line = fmt::format("| {} | {} | {} | {} | {} |\n", sign_of(r.verdict), cell(r.expr), cell(r.value),
                                       cell(r.note), where);
        if (out.size() + line.size() > most)
            ++left_out;
        else
            out += line;
    }
    if (left_out > 0) out += fmt::format("\n… {} more rows, see the report\n", left_out);
    out += fmt::format("\n`{}`, {} trials, seed {}", report.scenario, report.trials, report.seed);
    if (!report.against.empty())
        out += fmt::format(", compared with `{}`{}", report.against, report.pairing.empty() ? "" : " " + report.pairing);
    if (!report.complete) out += ", interrupted";
    out += "\n";
    if (!report.warnings.empty()) {
        out += fmt::format("\n<details><summary>{} warnings</summary>\n\n", report.warnings.size());
        for (const Problem& w : report.warnings) {
            const std::string line = "- " + cell(to_string(w)) + "\n";
            if (out.size() + line.size() < most) out += line;
        }
        out += "\n</details>\n";
    }
    return out;
}

std::string check_sarif(const CheckReport& report) {
    Json rules = Json::array(), results = Json::array();
    for (const CheckRow& r : report.rows) {
        rules.push_back(Json{{"id", r.id}, {"shortDescription", Json{{"text", r.expr}}}});
        if (r.verdict == Verdict::pass) continue;
        Json result{{"ruleId", r.id},
                    {"level", r.verdict == Verdict::fail ? "error" : "warning"},
                    {"message", Json{{"text", sentence(r)}}},
                    {"partialFingerprints", Json{{"windtunnelCheck/v1", fingerprint(report, r)}}}};
        if (!r.where.file.empty()) {
            Json physical{{"artifactLocation", Json{{"uri", host_path(r.where.file)}}}};
            if (r.where.line > 0) physical["region"] = Json{{"startLine", r.where.line}};
            result["locations"] = Json::array({Json{{"physicalLocation", std::move(physical)}}});
        }
        results.push_back(std::move(result));
    }
    const Json out{
        {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
        {"version", "2.1.0"},
        {"runs", Json::array({Json{{"tool", Json{{"driver", Json{{"name", "windtunnel"},
                                                                {"version", version},
                                                                {"rules", std::move(rules)}}}}},
                                   {"results", std::move(results)}}})}};
    return out.dump(2, ' ', false, replace_bad) + "\n";
}

std::string check_github(const CheckReport& report) {
    std::string out;
    // GitHub shows ten annotations of a kind and step; the worst come first.
    for (const Verdict v : {Verdict::fail, Verdict::inconclusive}) {
        int shown = 0;
        for (const CheckRow& r : report.rows) {
            if (r.verdict != v || shown++ == 10) continue;
            std::string properties;
            if (!r.where.file.empty()) properties += "file=" + github_value(host_path(r.where.file), true) + ',';
            if (!r.where.file.empty() && r.where.line > 0) properties += fmt::format("line={},", r.where.line);
            properties += "title=" + github_value(r.id, true);
            out += fmt::format("::{} {}::{}\n", v == Verdict::fail ? "error" : "warning", properties,
                               github_value(sentence(r), false));
        }
    }
    return out.empty() ? "::notice title=windtunnel::all checks passed\n" : out;
}

std::string check_gitlab(const CheckReport& report) {
    Json out = Json::array();
    for (const CheckRow& r : report.rows) {
        if (r.verdict == Verdict::pass || r.where.file.empty()) continue;
        out.push_back(Json{{"description", sentence(r)},
                           {"check_name", r.id},
                           {"fingerprint", fingerprint(report, r)},
                           {"severity", r.verdict == Verdict::fail ? "major" : "minor"},
                           {"location", Json{{"path", host_path(r.where.file)},
                                             {"lines", Json{{"begin", std::max(1, r.where.line)}}}}}});
    }
    return out.dump(2, ' ', false, replace_bad) + "\n";
}

}  // namespace windtunnel
