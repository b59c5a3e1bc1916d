#pragma once
#include "models/host_device.hpp"
#include "models/time.hpp"

#include <cstdint>

namespace windtunnel {

/// What one entry of a series' history is.
enum class SampleKind : std::uint8_t {
    value,
    stale,  ///< the target answered without this series, or did not answer: the series has no value from here
            ///< on
    gone,   ///< the pod vanished: stale, and what follows in the slot belongs to another pod (another series)
};

/// One scraped sample. Prometheus keeps time in milliseconds, so do we; the kind sits in the low two bits.
struct MetricSample {
    std::int64_t stamp = 0;
    double value = 0;

    WT_HD std::int64_t time_ms() const { return stamp >> 2; }
    WT_HD SampleKind kind() const { return static_cast<SampleKind>(stamp & 3); }
};

/// The ring of one series: `count` samples end before `next` (both below the stream's capacity, cyclic).
struct SeriesState {
    std::uint32_t next = 0;
    std::uint32_t count = 0;
    std::uint32_t generation = 0;  ///< how many pods have left this slot
    std::uint32_t rising = 0;      ///< the newest so many entries are values of one pod, none below the one before
    MetricSample newest;           ///< of the ring: nearly every query asks for it
    std::int64_t distance_ms = 0;  ///< between it and the one before
    bool lost = false;             ///< the ring has overwritten entries: older ones than it holds are not known
};

/// A stream is one metric family of one workload with one value of the family's own dimension (a bucket's
/// `le`, a `reason`): `slots` series, one per pod slot, or a single one when the metric is not per pod.
/// Series of stream s are [first_series, first_series + slots), their rings lie one after another from
/// first_sample on, `capacity` samples each.
struct StreamPlan {
    std::int32_t family = 0;
    std::int32_t workload = -1;  ///< -1: of no workload
    std::int32_t extra = 0;      ///< index into the family's own dimension
    std::int32_t slots = 1;
    std::int32_t first_pod = -1;  ///< id of slot 0 among all pods of all workloads; -1: not per pod
    std::int32_t first_series = 0;
    std::int32_t capacity = 0;
    std::int64_t first_sample = 0;
};

/// What queries read. `epoch_ms` is the Unix time of t = 0.
struct SampleStoreView {
    const StreamPlan* streams = nullptr;
    const SeriesState* series = nullptr;
    const MetricSample* samples = nullptr;
    std::int32_t stream_count = 0;
    std::int64_t epoch_ms = 0;
};

/// What the scraper writes. The memory is the trial's: `series` holds the layout's series_count states,
/// `samples` its sample_count samples; value-initialised states are an empty store.
struct SampleStore {
    const StreamPlan* streams = nullptr;
    SeriesState* series = nullptr;
    MetricSample* samples = nullptr;
    std::int32_t stream_count = 0;
    std::int64_t epoch_ms = 0;

    WT_HD SampleStoreView view() const { return {streams, series, samples, stream_count, epoch_ms}; }
};

/// Unix milliseconds of a simulated time, cut off as Prometheus does.
WT_HD constexpr std::int64_t to_unix_ms(std::int64_t epoch_ms, Tick at) {
    return epoch_ms + at.count / ticks_per_millisecond;
}

/// The sample `back` entries before the newest (0 = newest). Requires back < state.count.
WT_HD inline const MetricSample& sample_from_newest(const SampleStoreView& store, const StreamPlan& stream,
                                                    std::int32_t slot, std::uint32_t back) {
    const SeriesState& state = store.series[stream.first_series + slot];
    const std::uint32_t capacity = static_cast<std::uint32_t>(stream.capacity);
    std::uint32_t at = state.next + capacity - 1 - back;
    if (at >= capacity) at -= capacity;
    return store.samples[stream.first_sample + std::int64_t{slot} * stream.capacity + at];
}

/// Appends one entry. False, and nothing changed, when it is older than the newest entry or would be a
/// second value at the same millisecond (Prometheus drops such samples too).
[[nodiscard]] WT_HD inline bool try_append(SampleStore& store, std::int32_t stream_index, std::int32_t slot,
                                           Tick at, double value, SampleKind kind = SampleKind::value) {
    const StreamPlan& stream = store.streams[stream_index];
    SeriesState& state = store.series[stream.first_series + slot];
    const std::int64_t time_ms = to_unix_ms(store.epoch_ms, at);
    bool goes_on = false;
    if (state.count > 0) {
        const MetricSample& newest = state.newest;
        if (time_ms < newest.time_ms()) return false;
        if (time_ms == newest.time_ms() && newest.kind() != SampleKind::gone && kind == SampleKind::value)
            return false;
        goes_on = newest.kind() == SampleKind::value && !(value < newest.value);
    }
    MetricSample& place =
        store.samples[stream.first_sample + std::int64_t{slot} * stream.capacity + state.next];
    if (state.count == static_cast<std::uint32_t>(stream.capacity)) {
        state.lost = true;  // not what it was: the place is cold, and most of an append is spent waiting for it
    } else {
        ++state.count;
    }
    place.stamp = time_ms * 4 + static_cast<std::int64_t>(kind);
    place.value = value;
    state.distance_ms = time_ms - state.newest.time_ms();
    state.newest = place;
    state.next = state.next + 1 == static_cast<std::uint32_t>(stream.capacity) ? 0 : state.next + 1;
    state.rising = kind != SampleKind::value ? 0 : goes_on ? state.rising + 1 : 1;
    if (kind == SampleKind::gone) ++state.generation;
    return true;
}

/// Ends a series until its next sample, as a scrape does that failed or did not show it.
WT_HD inline void mark_stale(SampleStore& store, std::int32_t stream_index, std::int32_t slot, Tick at) {
    const StreamPlan& stream = store.streams[stream_index];
    if (store.series[stream.first_series + slot].count == 0) return;
    if (store.series[stream.first_series + slot].newest.kind() != SampleKind::value) return;
    (void)try_append(store, stream_index, slot, at, 0, SampleKind::stale);
}

/// Ends a series at once, because its pod has left. The slot's next pod starts a new series, even in a window
/// that still holds samples of the old one. Call it once for every pod that leaves, scraped or not.
WT_HD inline void end_series(SampleStore& store, std::int32_t stream_index, std::int32_t slot, Tick at) {
    (void)try_append(store, stream_index, slot, at, 0, SampleKind::gone);
}

}  // namespace windtunnel
