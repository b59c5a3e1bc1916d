#include "cli/progress.hpp"

#include "reports/human.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace windtunnel {

namespace {

constexpr double first_draw_s = 1.0, between_draws_s = 0.1;
constexpr std::uint64_t bar_cells = 20;

}  // namespace

Progress::Progress(std::string what, std::uint64_t total, bool silent)
    : m_what(std::move(what)),
      m_total(total),
      m_silent(silent || total == 0),
      m_terminal(::isatty(STDERR_FILENO) != 0),
      m_start(std::chrono::steady_clock::now()) {}

Progress::~Progress() { clear(); }

void Progress::update(std::uint64_t done) {
    if (m_silent) return;
    const std::lock_guard<std::mutex> lock(m_guard);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - m_start;
    if (elapsed.count() < first_draw_s) return;
    done = std::min(done, m_total);
    if (m_terminal) {
        if (elapsed.count() - m_drawn_at_s >= between_draws_s) redraw(done, elapsed.count());
        return;
    }
    const std::uint64_t tenths = done * 10 / m_total;
    if (tenths <= m_tenths) return;
    m_tenths = tenths;
    fmt::print(stderr, "{}% ({} of {} {})\n", tenths * 10, thousands(static_cast<std::int64_t>(done)),
               thousands(static_cast<std::int64_t>(m_total)), m_what);
}

void Progress::redraw(std::uint64_t done, double elapsed_s) {
    m_drawn_at_s = elapsed_s;
    m_visible = true;
    const std::uint64_t full = done * bar_cells / m_total;
    std::string bar;
    for (std::uint64_t i = 0; i < bar_cells; ++i) bar += i < full ? "█" : "░";
    std::string left;
    if (done > 0)
        left = "  " +
               spoken_duration(elapsed_s / static_cast<double>(done) * static_cast<double>(m_total - done)) +
               " left";
    fmt::print(stderr, "\r\x1b[K▕{}▏ {} of {} {}{}", bar, thousands(static_cast<std::int64_t>(done)),
               thousands(static_cast<std::int64_t>(m_total)), m_what, left);
    std::fflush(stderr);
}

void Progress::clear() {
    const std::lock_guard<std::mutex> lock(m_guard);
    if (!m_visible) return;
    m_visible = false;
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
}

}  // namespace windtunnel
