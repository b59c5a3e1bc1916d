#pragma once

namespace windtunnel {

/// While one lives, the first SIGINT (Ctrl-C) or SIGTERM sets a flag that a run looks at; the second ends the
/// program as usual.
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
