#pragma once
#include "models/random.hpp"
#include "models/time.hpp"

#include <cstdint>

namespace windtunnel {

/// What a client does about an attempt that failed: it comes again after a back-off that doubles.
struct RetryRules {
    std::uint32_t attempts = 1;       ///< in all; 1 = it does not come again
    std::uint32_t jitter_milli = 0;   ///< this share of the back-off is drawn anew each time, in thousandths
    Tick backoff;                     ///< before the second attempt
    Tick max_backoff = seconds(86400);
    Tick attempt_timeout = never;     ///< an attempt is given up this long after it began

    [[nodiscard]] WT_HD bool tracked() const { return attempts > 1 || attempt_timeout != never; }
};

/// How long a client waits after its `failed`-th attempt (from 1): backoff * 2^(failed - 1), at most max_backoff,
/// and of that a drawn part of the jitter's share less. `draw` is 64 uniform bits.
[[nodiscard]] WT_HD inline Tick retry_delay(const RetryRules& rules, std::uint32_t failed, std::uint64_t draw) {
    Tick wait = min(rules.backoff, rules.max_backoff);
    for (std::uint32_t i = 1; i < failed && wait < rules.max_backoff && wait.count > 0; ++i)
        wait = min(wait + wait, rules.max_backoff);
    const std::int64_t drawn = wait.count / 1000 * rules.jitter_milli;
    wait.count -= static_cast<std::int64_t>(multiply_high(draw, static_cast<std::uint64_t>(drawn)));
    return wait;
}

}  // namespace windtunnel
