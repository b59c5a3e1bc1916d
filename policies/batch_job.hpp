#pragma once
#include "models/time.hpp"
#include "policies/cron_job.hpp"

#include <cstdint>

/// A batch Job's sync: pods that run to completion. The back-off is kubernetes.md 3.4; how many pods are made
/// and when the Job has failed are as the Job API documents them [from general knowledge, not re-read,
/// 2026-11].
namespace windtunnel {

struct BatchJobSpec {
    std::int32_t parallelism = 1;
    std::int32_t completions = 1;    ///< -1 = absent: one success ends it, no pod is added after
    std::int32_t backoff_limit = 6;  ///< failed pods allowed; one more fails the Job
    Tick active_deadline = never;    ///< activeDeadlineSeconds, from the Job's start
    bool counts_restarts = false;    ///< restartPolicy OnFailure: restarts of its pods' containers fail it, too
};

struct BatchJobCounts {
    std::int32_t active = 0;  ///< pods neither ended nor being deleted
    std::int32_t succeeded = 0;
    std::int32_t failed = 0;
    std::int32_t failed_in_a_row = 0;  ///< since the last success
    Tick last_failure;                 ///< when the last failed pod ended
    Tick started;
    std::int32_t restarts = 0;         ///< of the containers of the active pods
};

enum class BatchJobOutcome : std::uint8_t { running, complete, failed, deadline_exceeded };

struct BatchJobDecision {
    BatchJobOutcome outcome = BatchJobOutcome::running;
    std::int32_t create = 0;
    std::int32_t remove = 0;
    Tick look_again = never;  ///< when a back-off or the deadline ends
};

/// Whether the Job has failed: more failed pods than its limit, or, where containers are restarted in place, as many
/// restarts (pastBackoffLimitOnFailure; with a limit of 0 one) [job_controller.go, read in v1.20.2, 2026-11].
WT_HD constexpr bool exceeds_backoff_limit(const BatchJobSpec& spec, const BatchJobCounts& counts) {
    if (counts.failed > spec.backoff_limit) return true;
    return spec.counts_restarts && counts.restarts >= (spec.backoff_limit > 0 ? spec.backoff_limit : 1);
}

/// One sync. A Job that has ended deletes what is still active.
WT_HD constexpr BatchJobDecision sync_batch_job(const BatchJobSpec& spec, const BatchJobCounts& counts,
                                                Tick now) {
    BatchJobDecision decision;
    const bool counted = spec.completions >= 0;
    const Tick ends = spec.active_deadline == never ? Tick{INT64_MAX} : counts.started + spec.active_deadline;
    if (exceeds_backoff_limit(spec, counts))
        decision.outcome = BatchJobOutcome::failed;
    else if (now >= ends)
        decision.outcome = BatchJobOutcome::deadline_exceeded;
    else if (counted ? counts.succeeded >= spec.completions : counts.succeeded > 0 && counts.active == 0)
        decision.outcome = BatchJobOutcome::complete;
    if (decision.outcome != BatchJobOutcome::running) {
        decision.remove = counts.active;
        return decision;
    }
    decision.look_again = ends;
    std::int32_t wanted = spec.parallelism;
    if (counted) {
        const std::int32_t left = spec.completions - counts.succeeded;
        wanted = left < wanted ? left : wanted;
    } else if (counts.succeeded > 0) {
        wanted = counts.active < wanted ? counts.active : wanted;
    }
    if (counts.active > wanted) decision.remove = counts.active - wanted;
    if (counts.active >= wanted) return decision;
    if (counts.failed_in_a_row > 0) {
        const Tick ready = counts.last_failure + job_retry_delay(counts.failed_in_a_row);
        if (now < ready) {
            decision.look_again = ready < ends ? ready : ends;
            return decision;
        }
    }
    decision.create = wanted - counts.active;
    return decision;
}

}  // namespace windtunnel
