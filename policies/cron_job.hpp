#pragma once
#include "models/time.hpp"

#include <cstdint>

/// CronJobs, as used to scale ahead of known load (kubernetes.md 3.3). The
/// schedule's hits come from cron_hits (cron_schedule.hpp) as an ascending array of ticks.
namespace windtunnel {

enum class CronConcurrency : std::uint8_t { allow, forbid, replace };

struct CronJobSpec {
    const Tick* hits = nullptr;  ///< [hit_count], ascending
    std::int32_t hit_count = 0;
    CronConcurrency concurrency = CronConcurrency::allow;
    bool has_starting_deadline = false;
    Tick starting_deadline;  ///< startingDeadlineSeconds
};

struct CronJobState {
    Tick last_schedule{-1};  ///< nominal time of the last started run, or creation
};

struct CronJobDecision {
    bool start = false;
    bool delete_active = false;  ///< Replace: the running Job goes first, in the same sync
    Tick nominal;                ///< the hit that is started
    Tick next_sync = never;      ///< when to look again by itself
};

/// A Job starts this long after its nominal time at the earliest (nextScheduleDelta).
inline constexpr Tick cron_job_delay = milliseconds(100);

/// One sync: at a hit, at a Job's end, or after an edit. Only the most recent missed hit is started. A hit
/// that Forbid holds back stays due, so the end of the running Job starts it.
WT_HD constexpr CronJobDecision sync_cron_job(const CronJobSpec& spec, CronJobState& state, bool job_active,
                                              Tick now) {
    CronJobDecision decision;
    std::int32_t after = 0;  // the first hit later than now
    for (std::int32_t end = spec.hit_count; after < end;) {
        const std::int32_t middle = after + (end - after) / 2;
        if (spec.hits[middle] > now)
            end = middle;
        else
            after = middle + 1;
    }
    if (after < spec.hit_count) decision.next_sync = spec.hits[after] + cron_job_delay;
    const std::int32_t due = after - 1;
    if (due < 0 || spec.hits[due] <= state.last_schedule) return decision;
    if (spec.has_starting_deadline && spec.hits[due] + spec.starting_deadline < now) return decision;
    if (job_active && spec.concurrency == CronConcurrency::forbid) return decision;
    decision.start = true;
    decision.delete_active = job_active && spec.concurrency == CronConcurrency::replace;
    decision.nominal = spec.hits[due];
    state.last_schedule = spec.hits[due];
    return decision;
}

/// Delay before a Job's next pod after `failures` >= 1 in a row, from the end of the last failed one
/// (kubernetes.md 3.4): 10 s doubling up to 10 min.
WT_HD constexpr Tick job_retry_delay(std::int32_t failures) {
    Tick delay = seconds(10);
    for (std::int32_t i = 1; i < failures && delay < seconds(600); ++i) delay = 2 * delay;
    return min(delay, seconds(600));
}

}  // namespace windtunnel
