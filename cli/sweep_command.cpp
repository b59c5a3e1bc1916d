#include "cli/command_line.hpp"
#include "cli/configuration_runner.hpp"
#include "cli/run_flags.hpp"
#include "cli/space_flags.hpp"
#include "cli/sweep_file.hpp"
#include "reports/atomic_file.hpp"
#include "reports/human.hpp"
#include "reports/race.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <memory>

namespace windtunnel {

namespace {

/// Trials of each configuration, and points of a design that is no grid, unless told otherwise.
constexpr std::uint32_t usual_trials = 8, usual_samples = 32;
constexpr std::uint64_t most_configurations = 100'000;

struct SweepFlags {
    RunFlags run;
    SpaceFlags space;
    std::string design = "grid", race, pareto, csv, output = "table";
    std::optional<std::uint32_t> samples;
    bool fresh = false;
};

Problems problems_of(const SweepFlags& flags) {
    Problems problems = problems_of_flags(flags.run);
    if (!flags.csv.empty())
        for (Problem& p : problems_of_output(flags.run, flags.csv)) problems.push_back(std::move(p));
    if (flags.run.precision)
        problems.push_back(
            {{}, "--precision", "found in a sweep, allowed: --trials N, the same for every configuration"});
    if (flags.run.shard && !flags.race.empty())
        problems.push_back({{}, "--race", "found beside --shard, allowed: one of them (a race looks at all configurations)"});
    if (flags.run.shard && !flags.csv.empty())
        problems.push_back({{}, "--csv", "found beside --shard, allowed: a sweep that is not divided"});
    if (flags.samples && flags.design == "grid")
        problems.push_back({{}, "--samples", "found with --design grid, allowed: --design lhs or sobol"});
    if (flags.samples && (*flags.samples < 1 || *flags.samples > most_configurations))
        problems.push_back({{},
                            "--samples",
                            fmt::format("found {}, allowed: 1 to {}", *flags.samples, most_configurations)});
    return problems;
}

/// The space's points as configurations.
Result<std::vector<Configuration>> configurations_of(const SweepFlags& flags, SweepReport& report) {
    if (flags.design == "grid") {
        if (Problems problems = make_discrete(report.dimensions, "--design grid"); !problems.empty())
            return problems;
        if (grid_size(report.dimensions) > most_configurations)
            return Problem{
                {},
                "--vary",
                fmt::format(
                    "found a grid of {} configurations, allowed: {}; --design lhs or sobol takes a sample",
                    grid_size(report.dimensions), most_configurations)};
    }
    const SpaceDesign kind = flags.design == "grid"  ? SpaceDesign::grid
                             : flags.design == "lhs" ? SpaceDesign::latin_hypercube
                                                     : SpaceDesign::sobol;
    report.samples = kind == SpaceDesign::grid ? 0 : flags.samples.value_or(usual_samples);
    std::vector<Configuration> out;
    for (SpacePoint& p : sample_space(report.dimensions, kind, report.samples, flags.run.seed.value_or(1))) {
        Configuration c;
        c.index = static_cast<std::uint32_t>(out.size());
        c.point = std::move(p);
        out.push_back(std::move(c));
    }
    return out;
}

/// Reads the first configuration that can be run: it names the sweep. Nothing of the input may be wrong in
/// all of them.
Result<LoadedRun> first_run(ConfigurationRunner& runner, const std::vector<Configuration>& configurations) {
    Problems first;
    for (const Configuration& c : configurations) {
        Result<LoadedRun> run = runner.load(c);
        if (run) return run;
        Problems problems = run.take_problems();
        const bool slip = std::any_of(problems.begin(), problems.end(),
                                      [](const Problem& p) { return p.where.file == "--set"; });
        if (slip) return problems;  // a path that leads nowhere leads nowhere in all of them
        if (first.empty()) first = std::move(problems);
    }
    return first;
}

/// The measure named on the command line, or the first of the usual ones that is judged.
Result<const Measure*> measure_named(const SweepReport& report, const std::string& name,
                                     const std::string& flag, const Measure* usual) {
    if (name.empty()) return usual;
    const Measure* m = find_measure(report.measures, name);
    if (m != nullptr && m->better != Better::neither) return m;
    std::vector<std::string> names;
    for (const Measure& known : report.measures)
        if (known.better != Better::neither) names.push_back(known.name);
    return Problem{{}, flag, fmt::format("found \"{}\", allowed: {}", name, fmt::join(names, ", "))};
}

const Measure* usual_weighed(const SweepReport& report) {
    for (const Measure& m : report.measures)
        if (m.threshold && m.unit != ThresholdMetric::cost_per_month &&
            m.unit != ThresholdMetric::cost_per_hour && m.unit != ThresholdMetric::cost_total)
            return &m;
    return find_measure(report.measures, "p99_ttft_ms");
}

class Sweep {
public:
    Sweep(const SweepFlags& flags, SweepReport& report, ConfigurationRunner& runner, SweepFile& file)
        : m_flags(flags), m_report(report), m_runner(runner), m_file(file) {
        m_runner.report_batches([this](const std::vector<Configuration*>& batch) { written(batch); });
    }

    /// False when interrupted, or when something broke.
    bool run() {
        if (!m_report.race.empty()) {
            RaceRule rule{*find_measure(m_report.measures, m_report.race), 0.05, 0};
            const std::vector<std::uint32_t> looks = looks_of(m_report.trials);
            rule.looks = static_cast<std::uint32_t>(looks.size());
            for (const std::uint32_t n : looks)
                if (!m_runner.extend(running(), n) || !drop(n, rule)) return false;
        }
        return m_runner.extend(running(), m_report.trials) && m_failed.empty();
    }
    [[nodiscard]] const Problems& failed() const { return m_failed; }

private:
    std::vector<Configuration*> running() {
        std::vector<Configuration*> out;
        for (Configuration& c : m_report.configurations)
            if ((c.state == ConfigurationState::waiting || c.state == ConfigurationState::finished) &&
                (!m_flags.run.shard || m_flags.run.shard->holds(c.index)))
                out.push_back(&c);
        return out;
    }
    void written(const std::vector<Configuration*>& batch) {
        for (Configuration* c : batch)
            if (c->state == ConfigurationState::waiting && c->trials.count() >= m_report.trials)
                c->state = ConfigurationState::finished;
        if (Problems failed = m_file.append(m_report, batch); !failed.empty() && m_failed.empty())
            m_failed = std::move(failed);
    }
    bool drop(std::uint32_t look, const RaceRule& rule) {
        const std::vector<Configuration*> entries = running();
        // As they stood at this look: a sweep that was taken up again may know more of some.
        std::vector<Configuration> seen;
        for (const Configuration* c : entries) {
            seen.push_back(*c);
            seen.back().trials = c->trials.first(look);
        }
        std::vector<const Configuration*> pointers;
        for (const Configuration& c : seen) pointers.push_back(&c);
        std::vector<Configuration*> dropped;
        for (const Loser& l :
             losers_of(pointers, m_report.configurations.size(), m_report.thresholds, rule)) {
            entries[l.entry]->state = ConfigurationState::dropped;
            entries[l.entry]->reason = l.reason;
            dropped.push_back(entries[l.entry]);
        }
        written(dropped);
        return m_failed.empty();
    }

    const SweepFlags& m_flags;
    SweepReport& m_report;
    ConfigurationRunner& m_runner;
    SweepFile& m_file;
    Problems m_failed;
};

/// What is left of the command line without what the sweep varies: how to run one of its configurations.
std::string run_command_of(const SweepFlags& flags) {
    std::string out = "windtunnel run";
    if (!flags.run.scenario.empty()) out += ' ' + flags.run.scenario;
    for (const std::string& m : flags.run.manifests) out += " -f " + m;
    if (!flags.run.trace.empty()) out += " -t " + flags.run.trace;
    for (const std::string& p : flags.run.profiles) out += " --profile " + p;
    for (const std::string& a : flags.run.assignments) out += " --set '" + a + '\'';
    return out;
}

std::string written(const SweepFlags& flags, const SweepReport& report) {
    if (flags.output == "json") return sweep_json(report);
    if (flags.output == "csv") return sweep_csv(report);
    if (flags.output == "jsonl") return sweep_lines(report);
    return sweep_text(report, wants_color(color_choice(flags.run.color)),
                      flags.run.quiet ? "" : run_command_of(flags));
}

int run_sweep(SweepFlags& flags, const std::string& command) {
    if (const Problems problems = problems_of(flags); !problems.empty()) return refuse(problems);
    SweepReport report;
    Result<std::vector<Dimension>> space = read_space(flags.space);
    if (!space) return refuse(space.problems());
    report.dimensions = std::move(*space);
    report.design = flags.design;
    Result<std::vector<Configuration>> configurations = configurations_of(flags, report);
    if (!configurations) return refuse(configurations.problems());
    report.configurations = std::move(*configurations);

    const InterruptGuard interrupt;
    ConfigurationRunner runner(flags.run, interrupt);
    {
        const Result<LoadedRun> first = first_run(runner, report.configurations);
        if (!first) return refuse(first.problems());
        report.scenario = first->scenario.name;
        report.hash = fmt::format("{:016x}", first->scenario.hash);
        report.seed = first->seed;
        report.first_trial = flags.run.first_trial;
        report.trials = flags.run.trials.value_or(std::max(first->trials, usual_trials));
        report.thresholds = first->thresholds;
        report.warnings = first->scenario.warnings;
    }
    if (flags.run.shard) report.shard = fmt::format("{}/{}", flags.run.shard->index, flags.run.shard->count);
    report.measures = measures_of(report.thresholds);
    const Result<const Measure*> weighed =
        measure_named(report, flags.pareto, "--pareto", usual_weighed(report));
    if (!weighed) return refuse(weighed.problems());
    report.against = (*weighed)->name;
    if (!flags.race.empty()) {
        const Result<const Measure*> by = measure_named(report, flags.race, "--race", nullptr);
        if (!by) return refuse(by.problems());
        report.race = (*by)->name;
    }

    SweepFile file(flags.run.out, flags.fresh);
    if (const Problems problems = file.open(report); !problems.empty()) return refuse(problems);
    if (file.taken_up() > 0 && !flags.run.quiet)
        print_line(fmt::format("{} holds {} of {} configurations of this sweep: going on from there",
                               flags.run.out, file.taken_up(), report.configurations.size()));
    Sweep sweep(flags, report, runner, file);
    report.complete = sweep.run();
    if (!runner.broken().empty())
        return report_broken(runner.broken(), report.seed,
                             run_command_of(flags) + set_flags(runner.broken_at()->point));
    if (!sweep.failed().empty()) return refuse(sweep.failed());
    if (report.complete)
        if (const Problems failed = file.finish(report); !failed.empty()) return refuse(failed);
    if (!flags.csv.empty())
        if (const Problems failed = write_file(flags.csv, sweep_csv(report)); !failed.empty())
            return refuse(failed);
    if (!flags.run.shard && !print_data(written(flags, report))) return run_broke;
    if (report.complete && flags.run.shard && !flags.run.quiet)
        print_line(fmt::format("part {} is in {}; `windtunnel merge` puts the parts together", report.shard, flags.run.out));
    if (report.complete) return answered;
    const auto done =
        std::count_if(report.configurations.begin(), report.configurations.end(),
                      [](const Configuration& c) { return c.state != ConfigurationState::waiting; });
    std::size_t ran = 0;
    for (const Configuration& c : report.configurations) ran += c.trials.count();
    print_line(fmt::format("interrupted: {} of {} configurations are finished, {} trials ran{}", done,
                           report.configurations.size(), ran,
                           flags.run.out.empty()
                               ? "; with --out FILE they would have been kept"
                               : ", " + flags.run.out + " keeps all that ran; go on with: " + command));
    return interrupt.exit_code();
}

}  // namespace

void add_sweep_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<SweepFlags>();
    CLI::App* command =
        app.add_subcommand("sweep", "Runs many configurations: what each field does to latency and cost");
    add_input_flags(*command, flags->run);
    add_space_flags(*command, flags->space);
    constexpr const char* design = "Design";
    command->add_option("--design", flags->design, "grid (all combinations), lhs (Latin hypercube) or sobol")
        ->check(CLI::IsMember({"grid", "lhs", "sobol"}))
        ->capture_default_str()
        ->group(design);
    command
        ->add_option("--samples", flags->samples,
                     fmt::format("configurations of lhs and sobol; default {}", usual_samples))
        ->group(design);
    command
        ->add_option(
            "--race", flags->race,
            "METRIC: configurations that surely fail a threshold, or surely lose by this, get no more trials")
        ->group(design);
    add_list(*command, "--threshold", flags->run.thresholds,
             "EXPR besides the scenario's, such as \"p99 ttft_ms < 800\"; repeatable")
        ->group(design);
    add_trial_flags(*command, flags->run);
    add_shard_flag(*command, flags->run, "configurations");
    constexpr const char* output = "Output";
    command
        ->add_option("-o,--output", flags->output, "what goes to standard output: table, json, csv or jsonl")
        ->check(CLI::IsMember({"table", "json", "csv", "jsonl"}))
        ->capture_default_str()
        ->group(output);
    command
        ->add_option(
            "--out", flags->run.out,
            "JSON lines, one a configuration, written as they finish; an interrupted sweep goes on from it")
        ->group(output);
    command->add_flag("--fresh", flags->fresh, "begins anew, whatever --out holds")->group(output);
    command->add_option("--csv", flags->csv, "writes one row a configuration to this file")->group(output);
    command
        ->add_option("--pareto", flags->pareto,
                     "METRIC that cost is weighed against; default: the first threshold's")
        ->group(output);
    add_talk_flags(*command, flags->run);
    command->footer(
        "\nAll configurations meet the same weather, trial by trial. A race looks at them from a quarter of "
        "the trials on and\n"
        "drops only what is surely worse: over the whole sweep the best is lost with a chance of at most 5 "
        "%.\n\n"
        "Exit codes: 0 answered; 2 usage or input error; 3 a run broke; 130 interrupted: --out keeps what "
        "ran, and the same\n"
        "command goes on from there.\n\n"
        "Examples:\n"
        "  windtunnel sweep scenario.yaml --vary ScaledObject/chat:spec.minReplicaCount=2,4,6 \\\n"
        "      --vary 'ScaledObject/chat:spec.triggers[0].metadata.threshold=\"6\",\"12\",\"24\"' --out "
        "sweep.jsonl\n"
        "  windtunnel sweep scenario.yaml --vary Deployment/chat:--max-num-seqs=16:256:*2 --trials 16 --race "
        "cost_per_month\n"
        "  windtunnel sweep scenario.yaml --vary workload.synthetic.rate_rps=2..12 --design sobol --samples "
        "24 --csv rates.csv\n");
    command->callback([flags, &invocation] {
        invocation.action = [flags, &invocation] { return run_sweep(*flags, invocation.command); };
    });
}

}  // namespace windtunnel
