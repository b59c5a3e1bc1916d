#pragma once
#include "models/host_device.hpp"
#include "models/time.hpp"

#include <cstdint>

namespace windtunnel {

/// How many of an alert's times a trial keeps one by one; what comes later is only counted.
inline constexpr std::uint32_t alert_episodes_kept = 16;

/// One time that an alert fired: from the first of its series to the last.
struct AlertEpisode {
    Tick from, to;
    bool operator==(const AlertEpisode&) const = default;
};

/// What became of an alerting rule within the span of a trial.
struct AlertTally {
    std::uint64_t episodes = 0;      ///< times that it fired
    std::uint64_t series_fired = 0;  ///< the same of each of its series
    std::uint64_t failed_evaluations = 0;
    Tick firing;               ///< how long in all
    Tick fires_since = never;  ///< `never` while it does not
    AlertEpisode kept[alert_episodes_kept];

    bool operator==(const AlertTally&) const = default;

    /// It fires from now on, or no more.
    WT_HD void change(bool fires, Tick now) {
        if (fires == (fires_since != never)) return;
        if (!fires) return settle(now);
        fires_since = now;
        if (episodes < alert_episodes_kept) kept[episodes] = {now, now};
        ++episodes;
    }
    /// Ends a time that is under way.
    WT_HD void settle(Tick now) {
        if (fires_since == never) return;
        firing = firing + (now - fires_since);
        if (episodes <= alert_episodes_kept) kept[episodes - 1].to = now;
        fires_since = never;
    }
};

}  // namespace windtunnel
