#pragma once
#include "reports/part_file.hpp"

#include <memory>
#include <mutex>
#include <string>

namespace windtunnel {

/// Keeps a run's trials in a file as they finish, so that the same command goes on from there when it is stopped,
/// killed or moved to another machine. Safe to add to from any thread.
class TrialLog {
public:
    /// Opens `file`, or makes it. One of the same run is gone on with, a line that was cut off is dropped; one
    /// of another run, or that another process writes, is a problem.
    [[nodiscard]] static Result<std::unique_ptr<TrialLog>> open(const std::string& file, const PartHead& head);
    ~TrialLog();
    TrialLog(const TrialLog&) = delete;
    TrialLog& operator=(const TrialLog&) = delete;

    /// What is in the file.
    [[nodiscard]] const TrialNumbers* find(std::uint32_t place) const;
    [[nodiscard]] std::size_t size() const { return m_part.trials.size(); }
    [[nodiscard]] bool complete() const { return m_part.complete; }
    [[nodiscard]] const std::string& file() const { return m_part.file; }

    /// Throws std::runtime_error when the file cannot be written.
    void add(std::uint32_t place, const TrialNumbers& numbers);
    /// All trials are there: gives the file its final form.
    [[nodiscard]] Problems finish(const std::string& sections);

private:
    TrialLog() = default;
    void append(const std::string& line);

    Part m_part;
    int m_descriptor = -1;
    std::uint64_t m_appended = 0;  ///< lines, by this process
    std::mutex m_guard;
};

}  // namespace windtunnel
