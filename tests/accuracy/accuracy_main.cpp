#include "reports/atomic_file.hpp"
#include "tests/accuracy/evaluation.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace windtunnel::accuracy {
namespace {

constexpr const char* begin_mark = "<!-- measured: begin -->";
constexpr const char* end_mark = "<!-- measured: end -->";

void write(const std::string& path, const std::string& text) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder);
    for (const Problem& p : write_file(path, text)) throw std::runtime_error(to_string(p));
}

/// Puts the tables between the marks of a page that people wrote.
void fill(const std::string& path, const std::string& tables) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    std::string page = text.str();
    const std::size_t begin = page.find(begin_mark), end = page.find(end_mark);
    if (begin == std::string::npos || end == std::string::npos)
        throw std::runtime_error(path + " lacks the marks between which the tables stand");
    page.replace(begin, end - begin, std::string(begin_mark) + "\n" + tables + "\n");
    write(path, page);
}

int run(int argc, char** argv) {
    CLI::App app("Compares predictions with everything that was measured");
    std::string data = "../shared/data", html, markdown;
    bool rows = false, only_starts = false;
    app.add_option("--data", data, "folder with measured/ and coldstart/");
    app.add_option("--html", html, "the page to write");
    app.add_option("--markdown", markdown, "a page whose tables are replaced");
    app.add_flag("--rows", rows, "prints every number");
    app.add_flag("--cold-starts", only_starts, "the starts of servers alone");
    CLI11_PARSE(app, argc, argv);
    const bool runs = std::filesystem::exists(data + "/measured"), starts = std::filesystem::exists(data + "/coldstart");
    if (!runs && !starts) {
        fmt::print(stderr, "skipped: no measurements under {}\n", data);
        return 0;
    }
    std::vector<std::string> problems;
    std::vector<Comparison> all;
    if (runs && !only_starts) {
        std::vector<MeasuredCase> cases = closed_loop_cases(data);
        for (auto& c : open_loop_cases(data)) cases.push_back(std::move(c));
        for (auto& c : per_request_cases(data)) cases.push_back(std::move(c));
        all = compare(cases, problems);
        for (Comparison& c : compare_kv_capacity(data, problems)) all.push_back(std::move(c));
    }
    std::vector<std::string> unknown;
    for (Comparison& c : compare_cold_starts(data, unknown)) all.push_back(std::move(c));
    if (rows)
        for (const Comparison& c : all)
            fmt::print("{} | {} | {} {:.2f} {:.2f} {:+.1f}% {}\n", c.group, c.id, c.metric, c.measured,
                       c.predicted, c.percent(), c.not_counted.empty() ? "" : "(not counted)");
    for (const GroupBy by : {GroupBy::group, GroupBy::family})
        for (const ErrorSummary& s : summaries(all, by))
            fmt::print("{:40} {:10} {:4} runs, median error {:5.1f} % ({:+.1f}), 90th percentile {:.1f} %\n",
                       s.name, s.metric, s.count, s.median_absolute, s.median, s.p90_absolute);
    for (const std::vector<std::string>* left : {&problems, &unknown})
        for (const std::string& p : *left) fmt::print(stderr, "not predicted: {}\n", p);
    if (!html.empty()) {
        write(html, accuracy_page(all, problems));
        fmt::print("The page, for a browser: {}\n", html);
    }
    if (!markdown.empty()) fill(markdown, accuracy_markdown(all, problems));
    return 0;
}

}  // namespace
}  // namespace windtunnel::accuracy

int main(int argc, char** argv) {
    try {
        return windtunnel::accuracy::run(argc, argv);
    } catch (const std::exception& e) {
        fmt::print(stderr, "error: {}\n", e.what());
        return 2;
    }
}
