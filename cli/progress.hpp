#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace windtunnel {

/// How far a long run has come, on standard error. On a terminal one line that is replaced in place, from the
/// first second on, at most ten times a second; elsewhere one line per tenth. Safe to call from any thread.
class Progress {
public:
    /// `what` is counted: "trials". `silent` prints nothing.
    Progress(std::string what, std::uint64_t total, bool silent);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void update(std::uint64_t done);
    /// Takes the line off the terminal.
    void clear();

private:
    void redraw(std::uint64_t done, double elapsed_s);

    const std::string m_what;
    const std::uint64_t m_total;
    const bool m_silent, m_terminal;
    const std::chrono::steady_clock::time_point m_start;
    std::mutex m_guard;
    double m_drawn_at_s = 0;
    std::uint64_t m_tenths = 0;
    bool m_visible = false;
};

}  // namespace windtunnel
