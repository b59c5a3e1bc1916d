#pragma once
#include "models/problem.hpp"
#include "reports/configurations.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace windtunnel {

/// What a plan keeps of the configurations that it ran, as JSON lines: a header that says which plan, then a
/// line whenever a configuration got trials. A plan that is asked again takes the same steps and finds their
/// results here.
class PlanFile {
public:
    /// "" = no file. What stands there is taken up if it is of the same plan; another's is a problem.
    [[nodiscard]] Problems open(const std::string& file, const nlohmann::ordered_json& header);
    /// Gives a configuration the trials that the file has of it, at most `trials`; `stage` tells the search's
    /// futures from the finalists'. Returns how many it got.
    std::uint64_t take_up(const std::string& stage, std::uint32_t trials,
                          const std::vector<Threshold>& thresholds, Configuration& configuration) const;
    /// Keeps what a configuration has now.
    [[nodiscard]] Problems keep(const std::string& stage, const std::vector<Dimension>& dimensions,
                                const std::vector<Threshold>& thresholds, const Configuration& configuration);
    [[nodiscard]] std::size_t taken_up() const { return m_taken_up; }

private:
    std::string m_file;
    std::map<std::string, nlohmann::ordered_json> m_lines;  ///< by stage and assignments
    std::size_t m_taken_up = 0;
};

}  // namespace windtunnel
