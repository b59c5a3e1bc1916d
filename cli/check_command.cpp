#include "cli/base_source.hpp"
#include "cli/command_line.hpp"
#include "cli/engine_flags.hpp"
#include "cli/run_flags.hpp"
#include "cli/trial_grid.hpp"
#include "reports/atomic_file.hpp"
#include "reports/check.hpp"
#include "reports/precision.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <memory>

namespace windtunnel {

namespace {

/// Trials a check starts with, and how many times as many it may spend where a verdict is close.
constexpr std::uint32_t first_look = 8, most_times = 8;

struct CheckFlags {
    RunFlags run;
    std::string baseline, base;
    std::vector<std::string> reports, tolerances;
    std::string on_inconclusive = "exit4";
    RegressionRule rule;                                           ///< made from `tolerances`
    std::vector<std::pair<std::string, std::string>> report_files;  ///< made from `reports`: kind, file
};

using Writer = std::string (*)(const CheckReport&);
struct Kind {
    const char* name;
    Writer write;
};
constexpr Kind kinds[] = {
    {"junit", &check_junit},   {"markdown", &check_markdown}, {"json", &check_json},
    {"sarif", &check_sarif},   {"github", &check_github},     {"gitlab", &check_gitlab},
};
const Kind* kind_named(const std::string& name) {
    for (const Kind& k : kinds)
        if (name == k.name) return &k;
    return nullptr;
}

/// "2%", "goodput=1%", "degraded_minutes=0.1".
std::optional<Problem> read_tolerance(const std::string& text, RegressionRule& rule) {
    const std::size_t equals = text.find('=');
    const std::string name = equals == std::string::npos ? "" : text.substr(0, equals);
    std::string_view number = std::string_view(text).substr(equals == std::string::npos ? 0 : equals + 1);
    const bool percent = number.ends_with('%');
    if (percent) number.remove_suffix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    const Problem bad{{}, "--tolerance", "found \"" + text + "\", allowed: a share such as 5%, or METRIC=SHARE"};
    if (error != std::errc{} || end != number.data() + number.size() || number.empty() || !(value >= 0 && value < 1e6)) return bad;
    if (percent) value /= 100;
    if (name.empty()) {
        rule.tolerance = rule.share_tolerance = value;
        return std::nullopt;
    }
    std::string names;
    for (const ComparedMetric& m : compared_metrics()) {
        if (!m.judged) continue;
        if (name == m.name) {
            rule.metric[name] = value;
            return std::nullopt;
        }
        names += (names.empty() ? "" : ", ") + std::string(m.name);
    }
    return Problem{{}, "--tolerance", "found \"" + name + "\", allowed: " + names};
}

Problems read_flags(CheckFlags& flags) {
    Problems problems = problems_of_flags(flags.run);
    if (!flags.baseline.empty() && !flags.base.empty())
        problems.push_back({{}, "--base", "found beside --baseline, allowed: one of them"});
    for (const std::string& t : flags.tolerances)
        if (const auto bad = read_tolerance(t, flags.rule)) problems.push_back(*bad);
    for (const std::string& r : flags.reports) {
        const std::size_t equals = r.find('=');
        const std::string name = r.substr(0, equals), file = equals == std::string::npos ? "" : r.substr(equals + 1);
        if (kind_named(name) == nullptr || (file.empty() && name != "github")) {
            problems.push_back({{}, "--report", "found \"" + r + "\", allowed: junit=FILE, markdown=FILE, json=FILE, sarif=FILE, "
                                                "gitlab=FILE, github or github=FILE"});
            continue;
        }
        if (!file.empty())
            for (Problem& p : problems_of_output(flags.run, file)) problems.push_back(std::move(p));
        flags.report_files.emplace_back(name, file);
    }
    return problems;
}

/// What the candidate is compared with: a file's trials, or another run's that grow with it.
struct Base {
    std::string name;
    std::optional<TrialSeries> file;
    std::shared_ptr<BaseSource> source;
    std::optional<LoadedRun> run;
};

/// A file's trials are read before the candidate, which takes its seed from them; a configuration is loaded after
/// it, under its seed.
Result<Base> read_base(const CheckFlags& flags) {
    Base out;
    out.name = flags.baseline.empty() ? flags.base : flags.baseline;
    if (out.name.empty()) return out;
    std::string file = flags.baseline;
    if (file.empty()) {
        Result<BaseSource> source = BaseSource::open(out.name, flags.run);
        if (!source) return source.take_problems();
        if (!source->is_results()) {
            out.source = std::make_shared<BaseSource>(std::move(*source));
            return out;
        }
        file = source->results_file();
    }
    Result<TrialSeries> series = read_results_file(file);
    if (!series) return series.take_problems();
    out.file = std::move(*series);
    return out;
}

Problems load_base(Base& base, std::uint64_t seed) {
    if (!base.source) return {};
    RunFlags flags = base.source->flags();
    flags.thresholds.clear();
    flags.seed = seed;
    Result<LoadedRun> run = load_run(flags);
    if (!run) return run.take_problems();
    base.run = std::move(*run);
    return {};
}

/// Asks the grid for trials until every verdict is clear or the bound is reached.
class Judge {
public:
    Judge(const CheckFlags& flags, const LoadedRun& run, const Base& base, const InterruptGuard& interrupt)
        : m_flags(flags), m_run(run), m_base(base), m_grid(runs_of(run, base), flags.run, interrupt) {}

    /// False when interrupted.
    bool decide() {
        const std::uint32_t asked = m_flags.run.trials.value_or(std::max(first_look, m_run.trials));
        const std::uint32_t most =
            std::max(asked, m_flags.run.max_trials.value_or(m_flags.run.precision ? default_max_trials
                                                            : asked == 1          ? 1
                                                                                  : most_times * asked));
        for (std::uint32_t wanted = asked;; wanted = std::min(most, wanted * 2)) {
            const bool finished = m_grid.extend_to(wanted);
            if (m_grid.trials() > 0) look();
            if (!finished) return false;
            if (!m_grid.broken().empty() || wanted == most || !close()) return true;
        }
    }
    [[nodiscard]] const RunResults& results() const { return m_grid.results(0); }
    [[nodiscard]] const std::vector<BrokenTrial>& broken() const { return m_grid.broken(); }
    [[nodiscard]] const std::vector<Regression>& regressions() const { return m_regressions; }
    [[nodiscard]] std::string pairing() const {
        if (m_regressions.empty()) return "";
        if (m_regressions.front().row.difference.paired) return "trial by trial, under the same seed";
        return m_base.file->trials < 2 ? "as independent samples (the file holds one trial)"
                                       : "as independent samples (not the same seed)";
    }

private:
    static std::vector<const LoadedRun*> runs_of(const LoadedRun& run, const Base& base) {
        if (base.run) return {&run, &*base.run};
        return {&run};
    }
    void look() {
        if (!m_base.run && !m_base.file) return;
        const TrialSeries base = m_base.file ? *m_base.file : series_of(m_grid.results(1));
        m_regressions = judge_regressions(compare(base, series_of(m_grid.results(0))), m_flags.rule);
    }
    /// Whether more trials could settle something.
    [[nodiscard]] bool close() const {
        if (m_flags.run.precision && least_precise(m_grid.results(0)).half_width > *m_flags.run.precision) return true;
        for (const ThresholdResult& r : summarise(m_grid.results(0)).thresholds)
            if (r.verdict == Verdict::inconclusive && r.estimate.ci95) return true;
        // A file's trials do not grow: with pairs, more of ours say nothing more.
        return std::any_of(m_regressions.begin(), m_regressions.end(), [&](const Regression& r) {
            return r.suspect && !(m_base.file && r.row.difference.paired);
        });
    }

    const CheckFlags& m_flags;
    const LoadedRun& m_run;
    const Base& m_base;
    TrialGrid m_grid;
    std::vector<Regression> m_regressions;
};

Problems write_reports(const CheckFlags& flags, const CheckReport& report) {
    Problems problems;
    for (const auto& [name, file] : flags.report_files) {
        const std::string text = kind_named(name)->write(report);
        if (file.empty()) {  // GitHub reads its commands from what a step prints
            if (!print_data(text)) problems.push_back({{}, "--report", "standard output could not be written"});
            continue;
        }
        for (Problem& p : write_file(file, text)) problems.push_back(std::move(p));
    }
    return problems;
}

int exit_code_of(Verdict verdict, const std::string& on_inconclusive) {
    if (verdict == Verdict::inconclusive && on_inconclusive != "exit4")
        return on_inconclusive == "fail" ? negative_verdict : answered;
    return verdict == Verdict::pass ? answered : verdict == Verdict::fail ? negative_verdict : inconclusive;
}

int run_check(CheckFlags& flags, const std::string& command) {
    const auto refuse = [](const Problems& problems) {
        print_errors(problems);
        return static_cast<int>(bad_input);
    };
    if (const Problems problems = read_flags(flags); !problems.empty()) return refuse(problems);
    // A baseline's seed is the one under which trials can be compared one by one.
    Result<Base> base = read_base(flags);
    if (!base) return refuse(base.problems());
    if (base->file && !flags.run.seed) flags.run.seed = base->file->seed;
    Result<LoadedRun> run = load_run(flags.run);
    if (!run) return refuse(run.problems());
    if (const Problems problems = load_base(*base, run->seed); !problems.empty()) return refuse(problems);
    if (run->thresholds.empty() && base->name.empty())
        return refuse({{{flags.run.scenario, 0, 0},
                        "thresholds",
                        "found nothing to check, allowed: thresholds in the scenario, --threshold EXPR, --baseline FILE or "
                        "--base DIR|git:REF"}});

    const InterruptGuard interrupt;
    Judge judge(flags, *run, *base, interrupt);
    const bool finished = judge.decide();
    if (!judge.broken().empty()) return report_broken(judge.broken(), run->seed, command);

    CheckReport report;
    report.scenario = run->scenario.name;
    report.hash = fmt::format("{:016x}", run->scenario.hash);
    report.seed = run->seed;
    report.trials = judge.results().trials.size();
    report.complete = finished;
    report.against = base->name;
    report.pairing = judge.pairing();
    report.warnings = run->scenario.warnings;
    if (report.trials > 0) {
        report.rows = threshold_rows(*run->source, run->scenario, judge.results());
        for (CheckRow& r : regression_rows(judge.regressions(), *run->source, run->scenario, judge.results()))
            report.rows.push_back(std::move(r));
    }
    if (!flags.run.out.empty()) {
        RunResults results = judge.results();
        results.complete = finished;
        if (const Problems failed = write_file(flags.run.out, results_json(results)); !failed.empty()) return refuse(failed);
    }
    const std::string text = flags.run.output == "json" ? check_json(report)
                                                        : check_text(report, wants_color(color_choice(flags.run.color)));
    if (!print_data(text)) return run_broke;
    if (const Problems failed = write_reports(flags, report); !failed.empty()) return refuse(failed);
    if (!finished) {
        print_line(fmt::format("interrupted: {} trials ran; the verdict is of these", report.trials));
        return interrupt.exit_code();
    }
    return exit_code_of(report.verdict(), flags.on_inconclusive);
}

}  // namespace

void add_check_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<CheckFlags>();
    CLI::App* command = app.add_subcommand("check", "Judges a configuration: thresholds, and regressions against another");
    add_input_flags(*command, flags->run);
    constexpr const char* verdict = "Verdict";
    add_list(*command, "--threshold", flags->run.thresholds,
             "EXPR besides the scenario's, such as \"p99 ttft_ms < 800\" or \"degraded minutes < 3\"; repeatable")
        ->group(verdict);
    command->add_option("--baseline", flags->baseline, "results.json of a former run (`run --out`) to compare with")
        ->group(verdict);
    command->add_option("--base", flags->base, "DIR, git:REF or a scenario file: a configuration to compare with, run beside this one")
        ->group(verdict);
    add_list(*command, "--tolerance", flags->tolerances,
             "how much worse is no regression: SHARE or METRIC=SHARE; default 5%, of shares half a point; repeatable")
        ->group(verdict);
    command->add_option("--on-inconclusive", flags->on_inconclusive, "exit4, fail (exit 1) or pass (exit 0)")
        ->check(CLI::IsMember({"exit4", "fail", "pass"}))
        ->group(verdict);
    add_trial_flags(*command, flags->run);
    add_output_flag(*command, flags->run.output)->group("Output");
    add_list(*command, "--report", flags->reports,
             "KIND=FILE: junit, markdown, json, sarif, gitlab, github (without FILE: standard output); repeatable")
        ->group("Output");
    command->add_option("--out", flags->run.out, "writes the run's results as JSON to this file: the next check's --baseline")
        ->group("Output");
    add_talk_flags(*command, flags->run);
    command->footer(
        "\nA threshold holds when all of its 95 % interval does, and fails when none of it does; in between more trials are\n"
        "run (8 times as many at most, or --max-trials), then it is inconclusive. A regression is a number that is worse\n"
        "than the tolerance with at most one chance in a thousand of a false alarm per check.\n\n"
        "Exit codes: 0 all hold; 1 a threshold failed or a number regressed; 2 usage or input error; 3 the run itself\n"
        "broke; 4 a threshold is inconclusive; 130 interrupted.\n\n"
        "Examples:\n"
        "  windtunnel check scenario.yaml --report junit=check.xml --report github\n"
        "  windtunnel check scenario.yaml --base git:origin/main --report markdown=comment.md\n"
        "  windtunnel check scenario.yaml --baseline results.json --tolerance cost_per_month=10%\n");
    command->callback([flags, &invocation] {
        invocation.action = [flags, &invocation] { return run_check(*flags, invocation.command); };
    });
}

}  // namespace windtunnel
