#pragma once
#include "policies/cron_schedule.hpp"

namespace windtunnel {

/// When a disruption budget holds: for `duration` from each hit of a cron schedule in UTC. Neither given =
/// always. Host only: the engine gets intervals.
struct BudgetSchedule {
    bool always = true;
    CronSchedule hits;
    std::chrono::seconds duration{0};
};

/// Reads a budget's schedule and duration; descriptors such as @daily are allowed.
[[nodiscard]] Result<BudgetSchedule> parse_budget_schedule(const std::optional<std::string>& schedule,
                                                           std::optional<std::chrono::seconds> duration,
                                                           const SourcePosition& where = {},
                                                           const std::string& path = {});

/// Whether some hit lies in (now - duration, now].
[[nodiscard]] bool is_active(const BudgetSchedule& schedule, UtcSeconds now);

/// When the budget holds within [0, span) of a simulation that starts at `origin`; overlapping stretches
/// are joined.
[[nodiscard]] std::vector<ActiveInterval> active_intervals(const BudgetSchedule& schedule, UtcSeconds origin,
                                                           Tick origin_fraction, Tick span);

}  // namespace windtunnel
