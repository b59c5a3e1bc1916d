#include "cli/sweep_file.hpp"

#include "cli/trial_executor.hpp"
#include "reports/atomic_file.hpp"

#include <fmt/format.h>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

Problem other_file(const std::string& file, int line, const std::string& message) {
    return {{file, line, 0}, "", message + ", allowed: another file, or --fresh to write over this one"};
}

/// What differs between two headers, for people.
std::string difference(const Json& found, const Json& wanted) {
    // The hash differs with the seed: what the user can see comes first.
    for (const bool last : {false, true})
        for (const auto& [key, value] : wanted.items())
            if ((key == "scenario") == last && (!found.contains(key) || found[key] != value))
                return fmt::format("another {}: {} there, {} here",
                                   key == "scenario" ? "scenario, or other requests or prices" : key,
                                   found.contains(key) ? found[key].dump() : "none", value.dump());
    return "other settings";
}

}  // namespace

Problems SweepFile::open(SweepReport& report) {
    if (m_file.empty()) return {};
    std::error_code none;
    const Json header = sweep_header(report);
    if (!m_fresh && std::filesystem::exists(m_file, none) && std::filesystem::file_size(m_file, none) > 0) {
        std::ifstream in(m_file, std::ios::binary);
        int number = 0;
        for (std::string line; std::getline(in, line);) {
            ++number;
            const bool whole =
                !in.eof();  // a line without its end was being written when the program was killed
            const Json json = Json::parse(line, nullptr, false);
            if (number == 1) {
                if (json.is_discarded() || !json.is_object() ||
                    json.value("schema", "") != "windtunnel.sweep/v1")
                    return {other_file(m_file, 1, "found a file that is no sweep's")};
                if (json != header)
                    return {other_file(m_file, 1, "found a sweep with " + difference(json, header))};
                continue;
            }
            if (json.is_discarded() && !whole) break;
            const auto index =
                json.is_object() ? json.value("index", std::size_t{0}) : report.configurations.size();
            if (json.is_discarded() || index >= report.configurations.size() ||
                !take_configuration(json, report.thresholds.size(), report.configurations[index]))
                return {
                    other_file(m_file, number, "found a line that is none of this sweep's configurations")};
        }
        for (const Configuration& c : report.configurations)
            if (c.trials.count() > 0 || c.state != ConfigurationState::waiting) ++m_taken_up;
    }
    // In order from here on, without what was half written.
    if (!trial_executor().speaks()) return {};  // of many processes, one writes
    if (Problems failed = write_file(m_file, sweep_lines(report)); !failed.empty()) return failed;
    m_out.open(m_file, std::ios::binary | std::ios::app);
    return {};
}

Problems SweepFile::append(const SweepReport& report, const std::vector<Configuration*>& configurations) {
    if (m_file.empty() || !trial_executor().speaks()) return {};
    for (const Configuration* c : configurations)
        if (c->trials.count() > 0 || c->state != ConfigurationState::waiting)
            m_out << configuration_json(*c, report.dimensions, report.thresholds).dump() + '\n';
    m_out.flush();
    if (m_out) return {};
    return {{{m_file, 0, 0}, "", "could not be written"}};
}

Problems SweepFile::finish(const SweepReport& report) {
    if (m_file.empty()) return {};
    m_out.close();
    return write_file(m_file, sweep_lines(report));
}

}  // namespace windtunnel
