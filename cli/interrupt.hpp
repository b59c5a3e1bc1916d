#pragma once

namespace windtunnel {

/// While one lives, the first SIGINT (Ctrl-C) or SIGTERM sets a flag that a run looks at; a second ends the
/// program as usual, unless it comes within half a second: then it is the same stop, sent to the program and
/// to its process group.
class InterruptGuard {
public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    [[nodiscard]] const bool* flag() const;
    [[nodiscard]] bool raised() const;
    /// 130 after SIGINT, 143 after SIGTERM.
    [[nodiscard]] int exit_code() const;
};

}  // namespace windtunnel
