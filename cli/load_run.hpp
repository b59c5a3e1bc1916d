#pragma once
#include "reports/part_file.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/threshold.hpp"
#include "scenarios/traces/trace.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// Trials that --precision spends at most unless told otherwise.
inline constexpr std::uint32_t default_max_trials = 10'000;

/// What `run` takes on its command line.
struct RunFlags {
    std::string scenario;                  ///< "" = none: manifests and trace say everything
    std::vector<std::string> manifests;    ///< -f, in place of the scenario's
    std::string trace;                     ///< -t, in place of the scenario's
    std::vector<std::string> profiles;     ///< step times of the user's own GPUs
    std::vector<std::string> assignments;  ///< --set
    std::vector<std::string> thresholds;   ///< expressions besides the scenario's
    std::optional<std::uint64_t> seed;     ///< in place of the scenario's, as the following
    std::optional<std::uint32_t> trials;
    std::optional<double> precision;          ///< relative half-width to reach; replaces a number of trials
    std::optional<std::uint32_t> max_trials;  ///< bounds what precision and close verdicts may spend
    std::optional<double> duration_s;
    std::string start;  ///< "warm", "cold" or "" = the scenario's
    std::uint32_t first_trial = 0;
    std::optional<Shard> shard;  ///< only these of the trials, into `out`
    std::string checkpoint;      ///< file that keeps trials as they finish; "" = none
    int threads = 0;             ///< 0 = all cores
    std::string backend = "auto";
    std::string server = "fast";
    std::string output = "table";
    std::string out, requests, timeline;  ///< files; "" = none
    bool events = false;                  ///< print the events of the first trial
    std::string color = "auto";
    bool quiet = false, verbose = false, no_progress = false;
};

/// Everything that a run needs, ready to be replayed.
struct LoadedRun {
    CompiledScenario scenario;
    std::shared_ptr<const Scenario> source;  ///< what it was compiled from
    std::function<std::shared_ptr<const Trace>(std::uint32_t trial)>
        workload;  ///< its requests; callable from any thread
    std::vector<Threshold> thresholds;
    std::uint64_t seed = 1;
    std::uint32_t trials = 1;
};

/// Reads and compiles what the flags name. All problems at once.
[[nodiscard]] Result<LoadedRun> load_run(const RunFlags& flags);

/// Loads many runs of the same inputs: standard input is read once, and the requests are shared by runs that
/// have the same, those of a trial by the runs that need them at about the same time.
class RunLoader {
public:
    RunLoader();
    ~RunLoader();
    RunLoader(const RunLoader&) = delete;
    RunLoader& operator=(const RunLoader&) = delete;

    [[nodiscard]] Result<LoadedRun> load(const RunFlags& flags);

private:
    struct Kept;
    std::unique_ptr<Kept> m_kept;
};

}  // namespace windtunnel
