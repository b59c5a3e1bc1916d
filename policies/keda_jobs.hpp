#pragma once
#include "models/host_device.hpp"

#include <cstdint>

/// KEDA's ScaledJob: how many Jobs a poll starts. The arithmetic is that of kedacore/keda,
/// pkg/scaling/executor/scale_jobs.go and pkg/scaling/scaledjob/metrics.go, of v2.16 [from general knowledge, not
/// re-read, 2026-11].
namespace windtunnel {

enum class KedaJobStrategy : std::uint8_t { normal, custom, accurate, eager };
/// multipleScalersCalculation.
enum class KedaJobCalculation : std::uint8_t { max, min, avg, sum };

struct KedaScaledJob {
    std::int64_t min_replicas = 0, max_replicas = 100;
    std::int64_t queue_length_deduction = 0;  ///< of custom
    double running_job_percentage = 0;        ///< of custom, a share
    KedaJobStrategy strategy = KedaJobStrategy::normal;
    KedaJobCalculation calculation = KedaJobCalculation::max;
    std::uint8_t padding[6] = {};
};

/// What one trigger says.
struct KedaJobMetric {
    bool active = false;
    double queue_length = 0;
    double target = 0;  ///< of waiting things for each Job
};

/// All triggers together.
struct KedaJobDemand {
    bool active = false;
    std::int64_t queue_length = 0;
    std::int64_t max_scale = 0;  ///< Jobs for them, at most maxReplicaCount
};

WT_HD constexpr std::int64_t keda_ceiling(double value) {
    const auto cut = static_cast<std::int64_t>(value);
    return static_cast<double>(cut) < value ? cut + 1 : cut;
}

/// Only active triggers count. A minimum keeps the object active.
WT_HD constexpr KedaJobDemand keda_job_demand(const KedaScaledJob& object, const KedaJobMetric* metrics,
                                              std::int32_t count) {
    const auto most = static_cast<double>(object.max_replicas);
    double length = 0, jobs = 0;
    std::int32_t active = 0;
    for (std::int32_t i = 0; i < count; ++i) {
        const KedaJobMetric& m = metrics[i];
        if (!m.active) continue;
        ++active;
        const double wanted = m.target != 0 ? m.queue_length / m.target : 0;
        const double own = wanted < most ? wanted : most;
        switch (object.calculation) {
            case KedaJobCalculation::avg:
            case KedaJobCalculation::sum:
                length += m.queue_length;
                jobs += own;
                break;
            case KedaJobCalculation::min:
                if (length == 0 || m.queue_length < length) {
                    length = m.queue_length;
                    jobs = own;
                }
                break;
            case KedaJobCalculation::max:
                if (m.queue_length > length) {
                    length = m.queue_length;
                    jobs = own;
                }
                break;
        }
    }
    if (object.calculation == KedaJobCalculation::avg && active > 0) {
        length /= active;
        jobs /= active;
    }
    return {active > 0 || object.min_replicas > 0, keda_ceiling(length), keda_ceiling(jobs < most ? jobs : most)};
}

/// How many Jobs to start. `running`: those that have not ended; `pending`: those of them whose pods do not run yet.
WT_HD constexpr std::int64_t keda_jobs_to_start(const KedaScaledJob& object, const KedaJobDemand& demand,
                                                std::int64_t running, std::int64_t pending) {
    if (!demand.active) return 0;
    std::int64_t wanted = demand.queue_length, room = 0;
    if (running < object.min_replicas) {
        wanted = room = object.min_replicas - running;
    } else {
        const std::int64_t counted = running - object.min_replicas;  // those beyond the minimum
        switch (object.strategy) {
            case KedaJobStrategy::normal:
                room = demand.max_scale - counted;
                break;
            case KedaJobStrategy::custom: {
                room = demand.max_scale - object.queue_length_deduction -
                       static_cast<std::int64_t>(static_cast<double>(counted) * object.running_job_percentage);
                if (room > object.max_replicas) room = object.max_replicas;
                break;
            }
            case KedaJobStrategy::accurate:
                room = demand.max_scale + counted > object.max_replicas ? object.max_replicas - counted
                                                                        : demand.max_scale - pending;
                break;
            case KedaJobStrategy::eager:
                room = object.max_replicas - counted - pending;
                if (room > demand.max_scale) room = demand.max_scale;
                wanted = object.max_replicas;
                break;
        }
    }
    if (room <= 0) return 0;
    return wanted < room ? wanted : room;
}

}  // namespace windtunnel
