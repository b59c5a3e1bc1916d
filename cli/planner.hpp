#pragma once
#include "cli/configuration_runner.hpp"
#include "cli/plan_file.hpp"
#include "reports/plan.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

struct PlanRules {
    double probability = 0.9;             ///< share of the futures that have to meet all objectives
    std::optional<std::uint32_t> budget;  ///< configurations that the search may try
    std::uint32_t search_trials = 4;      ///< of each of these
    std::uint32_t finalist_trials = 0;    ///< that the search has not seen
    double window_s = 300;                ///< of the autoscaler that knows the future
};

/// Searches, runs the finalists again, looks around the answer. Steps happen in one order, whatever the
/// threads.
class Planner {
public:
    Planner(const RunFlags& flags, const PlanRules& rules, const InterruptGuard& interrupt);

    /// Reads the configuration as it is now.
    [[nodiscard]] Problems load();
    [[nodiscard]] const LoadedRun& now() const { return *m_now; }

    /// All of it, or as far as it comes before an interruption. What `checkpoint` has of this plan need not
    /// run again;
    /// "" = no such file.
    [[nodiscard]] Problems plan(std::vector<Dimension> dimensions, const std::string& checkpoint);
    /// Configurations that the checkpoint had.
    [[nodiscard]] std::size_t taken_up() const { return m_file.taken_up(); }

    [[nodiscard]] const PlanReport& report() const { return m_report; }
    [[nodiscard]] const LoadedRun* answer() const { return m_answer ? &*m_answer : nullptr; }
    [[nodiscard]] const std::vector<BrokenTrial>& broken() const { return m_broken; }
    /// --set flags of the configuration that broke.
    [[nodiscard]] const std::string& broken_flags() const { return m_broken_flags; }

private:
    [[nodiscard]] nlohmann::ordered_json header() const;
    bool search();
    bool run_finalists();
    bool look_around();
    bool look_at(const Place& place, bool as_cheap);
    bool run(ConfigurationRunner& runner, Configuration& configuration, std::uint32_t trials);
    bool judge(Finalist& finalist);
    [[nodiscard]] Place present_place();
    [[nodiscard]] Configuration configuration_at(const Place& place) const;
    [[nodiscard]] Place place_of(const Configuration& configuration) const;
    [[nodiscard]] const Configuration* sought(const Place& place);
    [[nodiscard]] std::optional<std::size_t> judged(const Configuration& configuration) const;

    RunFlags m_flags, m_fresh_flags;
    const PlanRules& m_rules;
    const InterruptGuard& m_interrupt;
    ConfigurationRunner m_searching, m_fresh;
    std::optional<LoadedRun> m_now, m_answer;
    std::vector<LatticeDimension> m_lattice;
    std::vector<Place> m_places;              ///< [tried]
    std::map<Place, Configuration> m_around;  ///< what only the look around an answer ran, over the search's trials
    PlanReport m_report;
    PlanFile m_file;
    Problems m_unwritten;
    std::vector<BrokenTrial> m_broken;
    std::string m_broken_flags;
};

}  // namespace windtunnel
