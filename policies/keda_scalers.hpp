#pragma once
#include "models/host_device.hpp"

#include <cstdint>

/// What KEDA's scalers make of the numbers that an event source reports (kubernetes.md 2.5 to 2.7,
/// KEDA 8b4f083c, 2026-08-20). Every scaler answers with a metric value and with whether the trigger is
/// active; the threshold that the HPA divides by is separate from the activation threshold.
namespace windtunnel {

/// What a scaler reports at one look.
struct KedaScalerReading {
    bool error = false;
    bool active = false;
    double value = 0.0;
};

/// The milli-quantity that KEDA publishes: NaN, infinite and negative values become 0, the rest is cut
/// towards zero. Saturates at the largest int64.
WT_HD constexpr std::int64_t keda_metric_milli(double value) {
    if (!(value > 0.0) || value > 1.7976931348623157e308) return 0;
    const double milli = value * 1000.0;
    if (milli >= 9223372036854775807.0) return INT64_MAX;
    return static_cast<std::int64_t>(milli);
}

/// Activity is strictly above the activation threshold.
WT_HD constexpr KedaScalerReading keda_reading(double value, double activation_threshold) {
    return {false, value > activation_threshold, value};
}

/// prometheus: `count` elements in the result, the first of them `value`. No element or an infinite value
/// is 0 where nulls are ignored (the default) and an error otherwise; two elements are always an error.
WT_HD constexpr KedaScalerReading keda_prometheus(std::int32_t count, double value, bool ignore_null_values,
                                                  double activation_threshold) {
    if (count > 1) return {true, false, 0.0};
    const bool infinite = value > 1.7976931348623157e308 || value < -1.7976931348623157e308;
    if (count == 0 || infinite) {
        if (!ignore_null_values) return {true, false, 0.0};
        return keda_reading(0.0, activation_threshold);
    }
    return keda_reading(value, activation_threshold);
}

/// aws-sqs-queue; its defaults count in-flight but not delayed messages. Default target queueLength 5.
WT_HD constexpr KedaScalerReading keda_sqs(std::int64_t visible, std::int64_t in_flight, std::int64_t delayed,
                                           bool scale_on_in_flight, bool scale_on_delayed,
                                           std::int64_t activation_queue_length) {
    const std::int64_t length =
        visible + (scale_on_in_flight ? in_flight : 0) + (scale_on_delayed ? delayed : 0);
    return keda_reading(static_cast<double>(length), static_cast<double>(activation_queue_length));
}

/// redis (lists): default target listLength 5, activation 0.
WT_HD constexpr KedaScalerReading keda_redis_list(std::int64_t length, std::int64_t activation_list_length) {
    return keda_reading(static_cast<double>(length), static_cast<double>(activation_list_length));
}

/// redis-streams: which number of the stream counts.
enum class KedaStreamMeasure : std::uint8_t { consumer_group_lag, pending_entries, stream_length };
WT_HD constexpr KedaStreamMeasure keda_stream_measure(bool has_consumer_group, bool has_lag_count) {
    if (!has_consumer_group) return KedaStreamMeasure::stream_length;
    return has_lag_count ? KedaStreamMeasure::consumer_group_lag : KedaStreamMeasure::pending_entries;
}

/// One partition of a kafka topic as the scaler sees it.
struct KafkaPartition {
    std::int64_t latest = 0;             ///< the log's end offset
    std::int64_t committed = -1;         ///< the group's offset; negative = none committed
    std::int64_t committed_before = -1;  ///< at the scaler's last look; negative = never looked
};

struct KafkaTrigger {
    std::int64_t lag_threshold = 10;
    std::int64_t activation_lag_threshold = 0;
    bool reset_to_earliest = false;  ///< offsetResetPolicy; default latest
    bool allow_idle_consumers = false;
    bool exclude_persistent_lag = false;
    bool limit_to_partitions_with_lag = false;
    bool ensure_even_distribution = false;
    bool scale_to_zero_on_invalid_offset = false;
};

/// One partition's lag. Without a committed offset the group will start at the end (lag 1, so that a
/// consumer comes up at all) or at the beginning (the whole log).
WT_HD constexpr std::int64_t kafka_lag(const KafkaTrigger& trigger, const KafkaPartition& partition) {
    if (partition.committed >= 0) return partition.latest - partition.committed;
    if (trigger.scale_to_zero_on_invalid_offset) return 0;
    return trigger.reset_to_earliest ? partition.latest : 1;
}

/// The smallest divisor of `partitions` that leaves no consumer more than `lag_threshold`, so that each
/// consumer gets equally many partitions; all partitions where none does.
WT_HD constexpr std::int64_t even_consumers(std::int64_t lag, std::int64_t partitions,
                                            std::int64_t lag_threshold) {
    for (std::int64_t n = 1; n < partitions; ++n)
        if (partitions % n == 0 && n * lag_threshold >= lag) return n;
    return partitions;
}

/// kafka: the lag of all partitions, cut so that there are never more consumers than partitions (or than
/// partitions with lag), unless idle consumers are allowed. Lag of a partition whose offset stands still
/// can be excluded from scaling; it always counts as activity.
WT_HD constexpr KedaScalerReading keda_kafka(const KafkaTrigger& trigger, const KafkaPartition* partitions,
                                             std::int32_t count) {
    std::int64_t total = 0, total_with_persistent = 0, with_lag = 0;
    for (std::int32_t i = 0; i < count; ++i) {
        const std::int64_t lag = kafka_lag(trigger, partitions[i]);
        const bool stuck = trigger.exclude_persistent_lag && partitions[i].committed >= 0 &&
                           partitions[i].committed == partitions[i].committed_before;
        total_with_persistent += lag;
        if (stuck) continue;
        total += lag;
        if (lag > 0) ++with_lag;
    }
    if (!trigger.allow_idle_consumers || trigger.limit_to_partitions_with_lag ||
        trigger.ensure_even_distribution) {
        if (trigger.ensure_even_distribution)
            total = even_consumers(total, count, trigger.lag_threshold) * trigger.lag_threshold;
        const std::int64_t most = trigger.limit_to_partitions_with_lag ? with_lag : count;
        if (total / trigger.lag_threshold > most) total = most * trigger.lag_threshold;
    }
    return {false, total_with_persistent > trigger.activation_lag_threshold, static_cast<double>(total)};
}

}  // namespace windtunnel
