#include "cli/load_run.hpp"

#include "scenarios/compile/compile.hpp"
#include "scenarios/compile/workload_source.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <streambuf>

namespace windtunnel {

namespace {

/// Flags that stand in for the scenario's own values.
Problems apply_flags(const RunFlags& flags, Scenario& scenario) {
    Problems problems;
    if (flags.seed) scenario.seed = *flags.seed;
    if (flags.trials) {
        if (*flags.trials < 1 || *flags.trials > 100'000'000)
            problems.push_back(
                {{}, "--trials", fmt::format("found {}, allowed: 1 to 100000000", *flags.trials)});
        else
            scenario.trials = static_cast<std::int32_t>(*flags.trials);
    }
    if (std::uint64_t{flags.first_trial} + static_cast<std::uint64_t>(std::max(scenario.trials, 1)) >
        4'294'967'295U)
        problems.push_back(
            {{},
             "--first-trial",
             fmt::format("found {} with {} trials, allowed: numbers of trials below 4294967295",
                         flags.first_trial, scenario.trials)});
    if (flags.duration_s) {
        if (!(*flags.duration_s > 0 && *flags.duration_s < 4e7))
            problems.push_back(
                {{},
                 "--duration",
                 fmt::format("found {}, allowed: above 0, below 40000000 seconds", *flags.duration_s)});
        else
            scenario.duration = from_seconds(*flags.duration_s);
    }
    for (const std::string& file : flags.profiles) {
        Result<OwnStepTimes> profile = read_own_step_times(file);
        Problems wrong = profile ? Problems{} : profile.take_problems();
        if (profile) {
            profile->path = "--profile";
            wrong = add_own_step_times(std::move(*profile), scenario.cluster.profiles);
        }
        for (Problem& p : wrong) problems.push_back(std::move(p));
    }
    if (!flags.start.empty()) scenario.start = flags.start == "cold" ? StartState::cold : StartState::warm;
    for (const std::string& expression : flags.thresholds) {
        Result<Threshold> threshold = parse_threshold(expression);
        if (threshold && threshold->looks_at_goodput() && scenario.goodput.empty())
            problems.push_back({{},
                                "--threshold",
                                "found \"" + expression +
                                    "\", but the scenario says of no request when it is good, allowed with: "
                                    "goodput: {ttft_ms: ..., tpot_ms: ...}"});
        else if (threshold) {
            // Once is enough of what the scenario asks for already.
            const auto same = [&](const Threshold& t) { return t.asks_same(*threshold); };
            if (std::none_of(scenario.thresholds.begin(), scenario.thresholds.end(), same))
                scenario.thresholds.push_back(std::move(*threshold));
        } else {
            for (Problem& p : threshold.take_problems()) {
                p.path = "--threshold";
                problems.push_back(std::move(p));
            }
        }
    }
    return problems;
}

/// Standard input that is read by whoever wants it, and read again from what was kept of it.
class ReplayedInput : public std::streambuf {
public:
    explicit ReplayedInput(std::string& kept) : m_kept(kept) {}

protected:
    int_type underflow() override {
        const auto at = static_cast<std::size_t>(gptr() - eback());
        if (at == m_kept.size()) {
            char part[1 << 14];
            std::cin.read(part, sizeof part);
            m_kept.append(part, static_cast<std::size_t>(std::cin.gcount()));
        }
        if (at == m_kept.size()) return traits_type::eof();
        setg(m_kept.data(), m_kept.data() + at, m_kept.data() + m_kept.size());
        return traits_type::to_int_type(*gptr());
    }

private:
    std::string& m_kept;
};

/// The requests of the last few trials. Configurations that run side by side ask for the same ones.
class RecentTrials {
public:
    explicit RecentTrials(WorkloadSource source) : m_source(std::move(source)) {}

    [[nodiscard]] const WorkloadSource& source() const { return m_source; }

    std::shared_ptr<const Trace> trial(std::uint32_t number) {
        if (!m_source.is_random()) return m_source.trial(number);
        const std::shared_ptr<Slot> slot = slot_of(number);
        const std::lock_guard<std::mutex> lock(slot->guard);
        if (!slot->trace) slot->trace = m_source.trial(number);
        return slot->trace;
    }

private:
    struct Slot {
        std::uint32_t number = 0;
        std::mutex guard;
        std::shared_ptr<const Trace> trace;
    };
    /// Threads are at most a trial or two apart.
    static constexpr std::size_t most_kept = 4;

    std::shared_ptr<Slot> slot_of(std::uint32_t number) {
        const std::lock_guard<std::mutex> lock(m_guard);
        for (const std::shared_ptr<Slot>& s : m_slots)
            if (s->number == number) return s;
        if (m_slots.size() == most_kept) m_slots.erase(m_slots.begin());
        m_slots.push_back(std::make_shared<Slot>());
        m_slots.back()->number = number;
        return m_slots.back();
    }

    const WorkloadSource m_source;
    std::mutex m_guard;
    std::vector<std::shared_ptr<Slot>> m_slots;
};

/// What the requests are made from: equal texts, equal requests.
std::string workload_key(const Scenario& scenario) {
    std::string out = fmt::format("{}/{}", scenario.seed, scenario.duration ? scenario.duration->count : -1);
    const Node* workload = scenario.document.root.find("workload");
    const auto add = [&](const Node& item, std::size_t index) {
        out += '\n' + (index < scenario.workloads.size() ? scenario.workloads[index].trace : std::string());
        for (const char* key : {"synthetic", "rate_scale", "resample", "max_tokens"})
            if (const Node* value = item.find(key)) out += fmt::format(" {}={}", key, to_json(*value).dump());
    };
    if (workload != nullptr && workload->is_list())
        for (std::size_t i = 0; i < workload->children.size(); ++i) add(workload->children[i], i);
    else if (workload != nullptr)
        add(*workload, 0);
    return out;
}

}  // namespace

struct RunLoader::Kept {
    std::string standard_input;
    std::vector<std::pair<std::string, std::shared_ptr<RecentTrials>>> workloads;
};

RunLoader::RunLoader() : m_kept(std::make_unique<Kept>()) {}
RunLoader::~RunLoader() = default;

Result<LoadedRun> RunLoader::load(const RunFlags& flags) {
    ScenarioInputs inputs;
    inputs.scenario_file = flags.scenario;
    inputs.manifests = flags.manifests;
    inputs.trace = flags.trace;
    inputs.assignments = flags.assignments;
    ReplayedInput standard_input(m_kept->standard_input);
    std::istream in(&standard_input);
    Result<Scenario> scenario = read_scenario(inputs, in);
    if (!scenario) return scenario.take_problems();
    if (Problems problems = apply_flags(flags, *scenario); !problems.empty()) return problems;

    const std::string key = workload_key(*scenario);
    const auto known = std::find_if(m_kept->workloads.begin(), m_kept->workloads.end(), [&](const auto& w) { return w.first == key; });
    std::shared_ptr<RecentTrials> requests;
    if (known != m_kept->workloads.end()) {
        requests = known->second;
    } else {
        Result<WorkloadSource> made = WorkloadSource::make(*scenario, scenario->seed);
        if (!made) return made.take_problems();
        requests = std::make_shared<RecentTrials>(std::move(*made));
        if (m_kept->workloads.size() == 8) m_kept->workloads.erase(m_kept->workloads.begin());
        m_kept->workloads.emplace_back(key, requests);
    }
    Result<CompiledScenario> compiled = compile_scenario(*scenario, requests->source());
    if (!compiled) return compiled.take_problems();
    LoadedRun run;
    run.scenario = std::move(*compiled);
    run.workload = [requests](std::uint32_t trial) { return requests->trial(trial); };
    run.thresholds = scenario->thresholds;
    run.seed = scenario->seed;
    run.trials = static_cast<std::uint32_t>(scenario->trials);
    run.source = std::make_shared<const Scenario>(std::move(*scenario));
    return run;
}

Result<LoadedRun> load_run(const RunFlags& flags) {
    RunLoader once;
    return once.load(flags);
}

}  // namespace windtunnel
