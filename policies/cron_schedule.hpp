#pragma once
#include "models/problem.hpp"
#include "models/time.hpp"
#include "policies/active_interval.hpp"

#include <date/tz.h>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Cron expressions in a time zone, as robfig/cron v3 reads them (KEDA and Karpenter both use it; v3.0.1).
/// Host only: the engine gets the intervals that these functions compute.
namespace windtunnel {

/// Seconds since 1970 UTC.
using UtcSeconds = date::sys_seconds;

/// Whether `@daily` and its like are allowed (Karpenter: yes, KEDA's cron trigger: no).
enum class CronDescriptors { refused, allowed };

/// A five-field cron expression: minute, hour, day of month, month, day of week.
///
/// Lists, ranges, steps, `*`, `?`, names of months and week days. Days match when both day fields match if
/// either is `*`, and when either matches otherwise. A local time that does not exist (clocks go forward)
/// is skipped; one that exists twice matches twice.
class CronSchedule {
public:
    /// Every error of the text, with what is allowed. `where` and `path` go into the problems.
    [[nodiscard]] static Result<CronSchedule> parse(std::string_view text, CronDescriptors descriptors,
                                                    const SourcePosition& where = {},
                                                    const std::string& path = {});

    /// The first matching second strictly after `after` in `zone` (null = UTC); nothing where no match
    /// lies within five years, as for 30 February.
    [[nodiscard]] std::optional<UtcSeconds> next_after(UtcSeconds after, const date::time_zone* zone) const;

    bool operator==(const CronSchedule&) const = default;

private:
    std::uint64_t m_minutes = 0, m_hours = 0, m_days = 0, m_months = 0, m_weekdays = 0;
    bool m_any_day = false, m_any_weekday = false;
};

/// Every match within [0, span) of a simulation whose t = 0 is at `origin` plus `origin_fraction` (less than
/// a second), ascending: the hits of a CronJob.
[[nodiscard]] std::vector<Tick> cron_hits(const CronSchedule& schedule, const date::time_zone* zone,
                                          UtcSeconds origin, Tick origin_fraction, Tick span);

/// A time zone of the system's database by its IANA name, or a problem that names what was found.
[[nodiscard]] Result<const date::time_zone*> find_time_zone(std::string_view name,
                                                            const SourcePosition& where = {},
                                                            const std::string& path = {});

/// KEDA's cron trigger: a replica count that holds between start and end.
struct CronTrigger {
    std::string zone_name, start_text, end_text;
    const date::time_zone* zone = nullptr;
    CronSchedule start, end;
    std::int64_t desired_replicas = 0;
};

/// The trigger's metadata as written; absent = not given.
struct CronTriggerText {
    std::optional<std::string> timezone, start, end, desired_replicas;
};

/// All problems of a trigger: missing or empty fields, bad cron texts, equal start and end, an unknown
/// zone, a replica count that is no positive integer.
[[nodiscard]] Result<CronTrigger> parse_cron_trigger(const CronTriggerText& text,
                                                     const SourcePosition& where = {},
                                                     const std::string& path = {});

/// Whether the trigger is active: not (next start < next end), both strictly after `now`. So it is active
/// at the very second of the start and inactive at that of the end.
[[nodiscard]] bool is_active(const CronTrigger& trigger, UtcSeconds now);

/// The name under which KEDA publishes the metric: `s0-cron-Etc-UTC-00xxThu-5923xxThu`.
[[nodiscard]] std::string cron_metric_name(const CronTrigger& trigger, std::int32_t trigger_index);

/// What the HPA divides an active trigger's replica count by: the count is the answer.
inline constexpr std::int64_t cron_target_average = 1;
/// When the trigger is active within [0, span), for a simulation whose t = 0 is at `origin` plus
/// `origin_fraction` (less than a second). Sorted, disjoint and not touching.
[[nodiscard]] std::vector<ActiveInterval> active_intervals(const CronTrigger& trigger, UtcSeconds origin,
                                                           Tick origin_fraction, Tick span);

}  // namespace windtunnel
