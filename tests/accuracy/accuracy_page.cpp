#include "tests/accuracy/evaluation.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>

namespace windtunnel::accuracy {

namespace {

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else
            out += c;
    }
    return out;
}

/// "mean_ttft" as people write it, with its unit.
std::string spoken(const std::string& metric) {
    static const std::map<std::string, std::string> names = {
        {"mean_ttft", "mean TTFT, ms"}, {"p99_ttft", "p99 TTFT, ms"},   {"mean_tpot", "mean TPOT, ms"},
        {"p99_tpot", "p99 TPOT, ms"},   {"mean_e2el", "mean E2EL, ms"}, {"p99_e2el", "p99 E2EL, ms"},
        {"kv_blocks", "KV blocks"}};
    const auto found = names.find(metric);
    return found == names.end() ? metric : found->second;
}

constexpr const char* colours[] = {"#0969da", "#cf222e", "#1a7f37", "#9a6700",
                                   "#8250df", "#bf3989", "#0a7ea4", "#57606a"};

/// Predicted over measured, both logarithmic, a point per run; the diagonal and 10 % on both sides of it.
std::string scatter(const std::vector<const Comparison*>& points) {
    double low = 1e300, high = 0;
    for (const Comparison* c : points) {
        low = std::min({low, c->measured, c->predicted});
        high = std::max({high, c->measured, c->predicted});
    }
    low /= 1.3;
    high *= 1.3;
    constexpr double size = 400, margin = 48;
    const auto place = [&](double v) {
        return (std::log(v) - std::log(low)) / (std::log(high) - std::log(low)) * size;
    };
    const auto x = [&](double v) { return margin + place(v); };
    const auto y = [&](double v) { return 12 + size - place(v); };
    std::string out =
        fmt::format("<svg viewBox=\"0 0 {0} {1}\" role=\"img\">", margin + size + 16, size + 56);
    const auto line = [&](double factor, const char* style) {
        out += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>",
                           x(low * std::max(1.0, 1 / factor)), y(low * std::max(1.0, factor)),
                           x(high / std::max(1.0, factor)), y(high * std::min(1.0, factor)), style);
    };
    line(1, "class=\"axis\"");
    line(1.1, "class=\"band\"");
    line(1 / 1.1, "class=\"band\"");
    for (double decade = std::pow(10, std::ceil(std::log10(low))); decade <= high; decade *= 10) {
        out += fmt::format("<line x1=\"{0:.1f}\" y1=\"12\" x2=\"{0:.1f}\" y2=\"{1}\" class=\"grid\"/>",
                           x(decade), 12 + size);
        out += fmt::format("<line x1=\"{1}\" y1=\"{0:.1f}\" x2=\"{2}\" y2=\"{0:.1f}\" class=\"grid\"/>",
                           y(decade), margin, margin + size);
        out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>", x(decade),
                           size + 28, decade);
        out += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:g}</text>", margin - 5,
                           y(decade) + 4, decade);
    }
    std::map<std::string, std::size_t> colour;
    for (const Comparison* c : points) colour.emplace(c->model, 0);
    std::size_t next = 0;
    for (auto& [model, number] : colour) number = next++;
    for (const Comparison* c : points)
        out += fmt::format(
            "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"{}><title>{}: measured {:.4g}, predicted "
            "{:.4g} ({:+.1f} %)</title></circle>",
            x(c->measured), y(c->predicted), colours[colour[c->model] % std::size(colours)],
            c->not_counted.empty() ? "" : " opacity=\"0.25\"", escaped(c->id), c->measured, c->predicted,
            c->percent());
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">measured</text>", margin + size / 2,
                       size + 48);
    out += "</svg><p class=\"dim\">";
    for (const auto& [model, number] : colour)
        out += fmt::format("<span style=\"color:{}\">&#9679;</span> {} &nbsp;",
                           colours[number % std::size(colours)], escaped(model));
    return out + "</p>";
}

std::string summary_table(const std::vector<ErrorSummary>& rows, const char* head) {
    std::string out = fmt::format(
        "<div class=\"scroll\"><table><tr><th class=\"text\">{}</th><th "
        "class=\"text\">metric</th><th>runs</th>"
        "<th>median error</th><th>median, signed</th><th>90th percentile</th><th>worst</th></tr>",
        head);
    for (const ErrorSummary& s : rows)
        out += fmt::format(
            "<tr><td class=\"text\">{}</td><td class=\"text\">{}</td><td>{}</td><td>{:.1f} %</td><td>{:+.1f} "
            "%</td><td>{:.1f} %</td><td>{:.1f} %</td></tr>",
            escaped(s.name), spoken(s.metric), s.count, s.median_absolute, s.median, s.p90_absolute, s.worst);
    return out + "</table></div>";
}

constexpr const char* style = R"(
:root { --back:#fff; --line:#d0d7de; --text:#1f2328; --dim:#59636e; font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { :root { --back:#0d1117; --line:#30363d; --text:#e6edf3; --dim:#8d96a0; } }
body { margin:0; background:var(--back); color:var(--text); } main { max-width:1180px; margin:0 auto; padding:24px 20px 60px; }
h2 { margin:36px 0 6px; font-size:18px; } .dim { color:var(--dim); font-size:13px; }
.plots { display:grid; grid-template-columns:repeat(auto-fill,minmax(380px,1fr)); gap:24px; } svg { width:100%; }
svg text { font-size:11px; fill:var(--dim); } .axis { stroke:var(--text); } .band { stroke:var(--dim); stroke-dasharray:4 4; } .grid { stroke:var(--line); }
table { border-collapse:collapse; font-size:13px; font-variant-numeric:tabular-nums; } th,td { border-bottom:1px solid var(--line); padding:3px 10px 3px 0; text-align:right; }
th { color:var(--dim); font-weight:500; } .text { text-align:left; } .scroll { overflow-x:auto; max-height:560px; }
)";

}  // namespace

std::string accuracy_page(const std::vector<Comparison>& all, const std::vector<std::string>& problems) {
    std::string out = fmt::format(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\">"
        "<title>windtunnel: predicted and measured</title><style>{}</style></head><body><main><h1>Predicted "
        "and measured</h1>"
        "<p>Every measured run that is at hand, predicted by the code behind <code>windtunnel bench</code> "
        "and <code>windtunnel kv</code>. "
        "Errors are predicted over measured, less one. Pale points are shown and not counted; the list at "
        "the end says why.</p>",
        style);
    out += summary_table(summaries(all, GroupBy::family), "kind of measurement");
    std::map<std::pair<std::string, std::string>, std::vector<const Comparison*>> plots;
    for (const Comparison& c : all) plots[{c.family, c.metric}].push_back(&c);
    out += "<h2>Predicted over measured</h2><p class=\"dim\">Dashed: 10 % off.</p><div class=\"plots\">";
    for (const auto& [key, points] : plots)
        if (points.size() > 1)
            out += fmt::format("<div><strong>{}: {}</strong>{}</div>", escaped(key.first), spoken(key.second),
                               scatter(points));
    out += "</div>";
    const std::pair<GroupBy, const char*> tables[] = {{GroupBy::group, "model, weights, GPU"},
                                                      {GroupBy::gpu, "GPU"},
                                                      {GroupBy::model, "model"},
                                                      {GroupBy::load, "load"}};
    for (const auto& [by, head] : tables)
        out += fmt::format("<h2>By {}</h2>{}", head, summary_table(summaries(all, by), head));
    out +=
        "<h2>Every number</h2><div class=\"scroll\"><table><tr><th class=\"text\">run</th><th "
        "class=\"text\">GPU</th><th "
        "class=\"text\">metric</th><th>measured</th><th>predicted</th><th>error</th><th class=\"text\">not "
        "counted because</th></tr>";
    for (const Comparison& c : all)
        out += fmt::format(
            "<tr><td class=\"text\">{}</td><td class=\"text\">{}</td><td "
            "class=\"text\">{}</td><td>{:.4g}</td><td>{:.4g}</td><td>{:+.1f} %</td><td "
            "class=\"text\">{}</td></tr>",
            escaped(c.id), c.gpu, spoken(c.metric), c.measured, c.predicted, c.percent(),
            escaped(c.not_counted));
    out += "</table></div>";
    if (!problems.empty()) {
        out += "<h2>Not predicted</h2><ul>";
        for (const std::string& p : problems) out += "<li>" + escaped(p) + "</li>";
        out += "</ul>";
    }
    return out + "</main></body></html>\n";
}

std::string accuracy_markdown(const std::vector<Comparison>& all, const std::vector<std::string>& problems) {
    std::string out;
    const std::pair<GroupBy, const char*> tables[] = {{GroupBy::family, "kind of measurement"},
                                                      {GroupBy::group, "model, weights, GPU"},
                                                      {GroupBy::gpu, "GPU"},
                                                      {GroupBy::load, "load"}};
    for (const auto& [by, head] : tables) {
        out += fmt::format(
            "\n| {} | metric | runs | median error | signed | 90th percentile |\n|---|---|--:|--:|--:|--:|\n",
            head);
        for (const ErrorSummary& s : summaries(all, by))
            out += fmt::format("| {} | {} | {} | {:.1f} % | {:+.1f} % | {:.1f} % |\n", s.name,
                               spoken(s.metric), s.count, s.median_absolute, s.median, s.p90_absolute);
    }
    out += "\n| start | group | stage | predicted | measured | error |\n|---|---|---|--:|--:|--:|\n";
    for (const Comparison& c : all)
        if (c.family == "cold start")
            out += fmt::format("| {} | {} | {} | {:.1f} | {:.1f} | {:+.0f} % |\n", c.model + ", " + c.id, c.group.substr(12), c.metric, c.predicted, c.measured, c.percent());
    std::map<std::string, std::size_t> left_out;
    for (const Comparison& c : all)
        if (!c.not_counted.empty()) ++left_out[c.not_counted];
    out += "\nShown on the page and not counted:\n\n";
    for (const auto& [why, numbers] : left_out) out += fmt::format("- {} numbers: {}\n", numbers, why);
    if (!problems.empty())
        out += fmt::format("- {} runs that no server could have started as they are recorded\n",
                           problems.size());
    return out;
}

}  // namespace windtunnel::accuracy
