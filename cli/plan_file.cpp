#include "cli/plan_file.hpp"

#include "cli/trial_executor.hpp"
#include "reports/atomic_file.hpp"

#include <filesystem>
#include <fstream>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

std::string key_of(const std::string& stage, const Configuration& c) {
    return stage + Json(c.point.assignments()).dump();
}
std::string key_of(const Json& line) {
    return line.at("stage").get<std::string>() + line.at("assignments").dump();
}

bool is_line(const Json& line) {
    return line.is_object() && line.contains("stage") && line.at("stage").is_string() &&
           line.contains("assignments") && line.contains("configuration");
}

}  // namespace

Problems PlanFile::open(const std::string& file, const Json& header) {
    m_file = file;
    if (m_file.empty()) return {};
    const auto other = [&](int line, const std::string& found) -> Problems {
        return {
            {{m_file, line, 0}, "", "found " + found + ", allowed: another file, or the plan that it is of"}};
    };
    std::string whole = header.dump() + '\n';
    std::ifstream in(m_file, std::ios::binary);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        const Json json = Json::parse(line, nullptr, false);
        if (json.is_discarded() && in.eof()) break;  // was being written when the program was ended
        if (++number == 1) {
            if (json.is_discarded() || !json.is_object() ||
                json.value("schema", "") != header.at("schema").get<std::string>())
                return other(1, "a file that no plan keeps");
            for (const auto& [key, value] : header.items())
                if (!json.contains(key) || json.at(key) != value)
                    return other(1, "a plan with another " + key);
            continue;
        }
        if (json.is_discarded() || !is_line(json))
            return other(number, "a line that is no configuration of a plan");
        m_lines[key_of(json)] = json;
        whole += line + '\n';
    }
    m_taken_up = m_lines.size();
    in.close();
    if (!trial_executor().speaks()) return {};  // of many processes, one writes
    return write_file(m_file, whole);
}

std::uint64_t PlanFile::take_up(const std::string& stage, std::uint32_t trials,
                                const std::vector<Threshold>& thresholds,
                                Configuration& configuration) const {
    const auto at = m_lines.find(key_of(stage, configuration));
    if (at == m_lines.end()) return 0;
    Configuration known = configuration;
    if (!take_configuration(at->second.at("configuration"), thresholds.size(), known)) return 0;
    if (known.state == ConfigurationState::refused) {
        configuration.state = known.state, configuration.reason = known.reason;
        return 0;
    }
    const std::size_t before = configuration.trials.count();
    if (known.trials.count() <= before) return 0;
    configuration.trials = known.trials.count() > trials ? known.trials.first(trials) : known.trials;
    return configuration.trials.count() - before;
}

Problems PlanFile::keep(const std::string& stage, const std::vector<Dimension>& dimensions,
                        const std::vector<Threshold>& thresholds, const Configuration& configuration) {
    if (m_file.empty() || !trial_executor().speaks()) return {};
    const Json line = {{"stage", stage},
                       {"assignments", configuration.point.assignments()},
                       {"configuration", configuration_json(configuration, dimensions, thresholds)}};
    std::ofstream out(m_file, std::ios::binary | std::ios::app);
    out << line.dump() + '\n' << std::flush;
    if (out) return {};
    return {{{m_file, 0, 0}, "", "could not be written"}};
}

}  // namespace windtunnel
