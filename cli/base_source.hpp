#pragma once
#include "cli/load_run.hpp"

#include <filesystem>
#include <string>

namespace windtunnel {

/// The configuration that another one is compared with: what `--base` names.
///
///   git:REF         the same scenario and manifests as they stand at REF in the repository of the working folder
///   a folder        the same paths below it; where the scenario does not stand there, the folder's manifests
///                   under the candidate's scenario
///   a scenario file that scenario
///   results.json    a finished run (is_results)
///
/// Lives as long as the files are needed; what it took out of git it removes.
class BaseSource {
public:
    /// `candidate` is what the command line named; its seed, trials and the like hold for the base too.
    [[nodiscard]] static Result<BaseSource> open(const std::string& base, const RunFlags& candidate);

    BaseSource(BaseSource&& other) noexcept;
    BaseSource& operator=(BaseSource&&) = delete;
    BaseSource(const BaseSource&) = delete;
    BaseSource& operator=(const BaseSource&) = delete;
    ~BaseSource();

    /// What to load.
    [[nodiscard]] const RunFlags& flags() const { return m_flags; }
    [[nodiscard]] bool is_results() const { return !m_results.empty(); }
    [[nodiscard]] const std::string& results_file() const { return m_results; }

private:
    BaseSource() = default;

    RunFlags m_flags;
    std::string m_results;
    std::filesystem::path m_extracted;  ///< to be removed; "" = nothing
};

}  // namespace windtunnel
