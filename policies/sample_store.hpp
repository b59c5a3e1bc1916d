#pragma once
#include "models/arena.hpp"
#include "models/time.hpp"
#include "policies/stream_activity.hpp"

#include <cstdint>

namespace windtunnel {

/// What one entry of a series' history is.
enum class SampleKind : std::uint8_t {
    value,
    stale,  ///< the target answered without this series, or did not answer: the series has no value from here
            ///< on
    gone,   ///< the pod vanished: stale, and what follows in the slot belongs to another pod (another series)
};

/// One scraped sample, or several in a row: of one value, each the series' `step_ms` after the one before, as
/// a target gives them that nothing happens to. Prometheus keeps time in milliseconds, so do we; the stamp
/// holds the first one's time, how many more follow (12 bits) and the kind (2 bits). A marker stands alone.
struct SampleRun {
    static constexpr std::uint32_t most_repeats = 0xfffu;

    std::int64_t stamp = 0;
    double value = 0;

    WT_HD static SampleRun of(std::int64_t time_ms, double value, SampleKind kind) {
        return {time_ms * (std::int64_t{1} << 14) + static_cast<std::int64_t>(kind), value};
    }
    WT_HD std::int64_t first_ms() const { return stamp >> 14; }
    WT_HD std::uint32_t repeats() const { return static_cast<std::uint32_t>(stamp >> 2) & most_repeats; }
    WT_HD SampleKind kind() const { return static_cast<SampleKind>(stamp & 3); }
    WT_HD void repeat(std::uint32_t times = 1) { stamp += std::int64_t{4} * times; }
};

/// One series: `count` runs, the newest of them here, those before it in a ring that ends before `next`.
struct SeriesState {
    std::uint32_t next = 0;
    std::uint32_t count = 0;
    std::uint32_t generation = 0;  ///< how many pods have left this slot
    std::uint32_t steady = 0;  ///< the newest so many runs are values of one pod, each `step_ms` after the
                               ///< one before it and none below it
    SampleRun newest;
    std::int64_t newest_ms = 0;   ///< when its last sample was taken
    std::uint32_t step_ms = 0;    ///< of all runs with repeats; without any the last distance of two samples
    std::uint32_t repeating = 0;  ///< how many runs have repeats
    std::int32_t slots_in_use = 0;  ///< in a stream's first series: all slots with samples lie below
    bool lost = false;              ///< the ring has overwritten runs: older ones than it holds are not known
    std::uint16_t clock = no_clock;  ///< whose turns repeat the newest value without being told (`let_sleep`)
    std::uint32_t turn = 0;          ///< up to which of these the samples are here
    std::uint32_t window_begin = no_place;  ///< where in the ring, of steady runs, the window asked for last began
    static constexpr std::uint16_t no_clock = 0xffffu;
    static constexpr std::uint32_t no_place = 0xffffffffu;
};
static_assert(sizeof(SeriesState) == 64);  // a line of memory

/// Of a series with a `window_begin`: the run there, and when the last sample before it was taken.
struct WindowBegin {
    SampleRun run;
    std::int64_t before_ms = 0;
};

/// The value of a marker tells how many runs before it were steady, and in which step.
struct SteadyBefore {
    std::uint32_t runs = 0, step_ms = 0;

    WT_HD static SteadyBefore of(double marker) {
        union {
            double value;
            std::uint64_t bits;
        } x{marker};
        return {static_cast<std::uint32_t>(x.bits >> 32), static_cast<std::uint32_t>(x.bits)};
    }
    WT_HD double as_value() const {
        union {
            std::uint64_t bits;
            double value;
        } x{std::uint64_t{runs} << 32 | step_ms};
        return x.value;
    }
};

/// When the targets of one offset were scraped last, and how often they have been.
struct ScrapeClock {
    std::int64_t last_ms = 0;
    std::uint32_t turns = 0;
};

/// A stream is one metric family of one workload with one value of the family's own dimension (a bucket's
/// `le`, a `reason`): `slots` series, one per pod slot, or a single one when the metric is not per pod.
/// Series of stream s are [first_series, first_series + slots), their rings lie one after another from
/// first_sample on, `capacity` runs each.
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
    const SampleRun* samples = nullptr;
    std::int32_t stream_count = 0;
    std::int64_t epoch_ms = 0;
};

/// What the scraper writes. The memory is the trial's: `series` holds the layout's series_count states,
/// `samples` its sample_count runs; value-initialised states are an empty store. So are value-initialised `activity`,
/// one of each stream, `marks`, as many as marks_needed() says, and `begins`, one of each series: all of them or none.
/// Without them every query looks at every series.
struct SampleStore {
    const StreamPlan* streams = nullptr;
    SeriesState* series = nullptr;
    SampleRun* samples = nullptr;
    std::int32_t stream_count = 0;
    std::int64_t epoch_ms = 0;
    const ScrapeClock* clocks = nullptr;
    StreamActivity* activity = nullptr;
    SlotMarks* marks = nullptr;
    WindowBegin* begins = nullptr;
    std::int64_t newest_ms = StreamActivity::always;  ///< no sample is newer, nor a clock's turn

    WT_HD SampleStoreView view() const { return {streams, series, samples, stream_count, epoch_ms}; }
};

/// How many marks a store of so many series and streams has, and where those of a stream begin.
WT_HD constexpr std::int32_t marks_needed(std::int32_t series, std::int32_t streams) {
    return streams == 0 ? 0 : series / 64 + streams + 1;
}
WT_HD inline SlotMarks* marks_of(const SampleStore& store, std::int32_t stream_index) {
    return store.marks + store.streams[stream_index].first_series / 64 + stream_index;
}

/// Unix milliseconds of a simulated time, cut off as Prometheus does.
WT_HD constexpr std::int64_t to_unix_ms(std::int64_t epoch_ms, Tick at) {
    return epoch_ms + at.count / ticks_per_millisecond;
}

/// The runs of one series, counted back from its newest.
struct SeriesRuns {
    const SeriesState& state;
    const SampleRun* ring = nullptr;
    std::uint32_t capacity = 0;

    /// Requires back < state.count.
    WT_HD SampleRun at(std::uint32_t back) const { return back == 0 ? state.newest : ring[place_of(back)]; }
    /// Where in the ring a run stands; and the other way round, 0 < back <= capacity.
    WT_HD std::uint32_t place_of(std::uint32_t back) const {
        return state.next >= back ? state.next - back : state.next + capacity - back;
    }
    WT_HD std::uint32_t back_of(std::uint32_t place) const {
        return place < state.next ? state.next - place : state.next + capacity - place;
    }
};
WT_HD inline SeriesRuns runs_of(const SampleStoreView& store, const StreamPlan& stream, std::int32_t slot) {
    return {store.series[stream.first_series + slot],
            store.samples + stream.first_sample + std::int64_t{slot} * stream.capacity,
            static_cast<std::uint32_t>(stream.capacity)};
}
/// The run `back` runs before the newest (0 = newest). Requires back < state.count.
WT_HD inline SampleRun run_from_newest(const SampleStoreView& store, const StreamPlan& stream,
                                       std::int32_t slot, std::uint32_t back) {
    return runs_of(store, stream, slot).at(back);
}

/// When a run's last sample was taken.
WT_HD inline std::int64_t last_ms(const SeriesState& state, const SampleRun& run) {
    return run.first_ms() + std::int64_t{run.repeats()} * state.step_ms;
}

/// Tells the memory that a window of a series is asked for soon.
WT_HD inline void expect_window(const SampleStoreView& store, const StreamPlan& stream, std::int32_t slot) {
    const SeriesRuns runs = runs_of(store, stream, slot);
    if (runs.state.window_begin != SeriesState::no_place) expect_memory(runs.ring + runs.state.window_begin);
}

/// ... that it gets a sample.
WT_HD inline void expect_append(const SampleStore& store, std::int32_t stream_index, std::int32_t slot) {
    const SeriesRuns runs = runs_of(store.view(), store.streams[stream_index], slot);
    expect_memory(runs.ring + runs.state.next);
}

namespace sample_store_detail {

WT_HD inline bool same_bits(double a, double b) {
    union {
        double value;
        std::uint64_t bits;
    } x{a}, y{b};
    return x.bits == y.bits;
}

/// The newest run goes into the ring, to make place for another.
WT_HD inline void push_newest(SampleStore& store, const StreamPlan& stream, std::int32_t slot, SeriesState& state) {
    SampleRun& place = store.samples[stream.first_sample + std::int64_t{slot} * stream.capacity + state.next];
    if (state.count == static_cast<std::uint32_t>(stream.capacity) + 1) {
        state.lost = true;
        if (place.repeats() > 0) --state.repeating;
    } else {
        ++state.count;
    }
    place = state.newest;
    state.next = state.next + 1 == static_cast<std::uint32_t>(stream.capacity) ? 0 : state.next + 1;
}

/// A sample at `time_ms`, after a sample: whether it comes `step_ms` later, which is set where nothing hangs on it. A
/// single distance that another one follows, as of a target's first scrapes, is not kept for that a value was the same.
WT_HD inline bool comes_in_step(SampleStore& store, const StreamPlan& stream, std::int32_t slot, SeriesState& state,
                                std::int64_t time_ms) {
    const std::int64_t distance = time_ms - state.newest_ms;
    if (distance == state.step_ms) return true;
    if (distance > 0xffffffff) return false;
    if (state.repeating == 1 && state.newest.repeats() == 1) {
        state.newest = SampleRun::of(state.newest.first_ms(), state.newest.value, SampleKind::value);
        push_newest(store, stream, slot, state);
        state.newest = SampleRun::of(state.newest_ms, state.newest.value, SampleKind::value);
        state.repeating = 0;
        state.steady = 1;
    }
    if (state.repeating > 0) return false;
    state.step_ms = static_cast<std::uint32_t>(distance);
    state.steady = state.steady > 1 ? 1 : state.steady;
    state.window_begin = SeriesState::no_place;
    return true;
}

WT_HD inline bool is_finite(double v) { return v - v == 0; }

/// Marks a run that begins after one of kind `before` (gone: it is a pod's first).
WT_HD inline void mark_run(SampleStore& store, std::int32_t stream_index, std::int32_t slot, const SeriesState& state,
                           SampleKind before) {
    SlotMarks& marks = marks_of(store, stream_index)[slot / 64];
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    const bool live = state.newest.kind() == SampleKind::value;
    marks.live = live ? marks.live | bit : marks.live & ~bit;
    marks.nonzero = live && !same_bits(state.newest.value, 0) ? marks.nonzero | bit : marks.nonzero & ~bit;
    marks.stirred |= bit;
    if (!live) return;
    if (before != SampleKind::gone || state.lost || !is_finite(state.newest.value)) marks.varied |= bit;
    StreamActivity& activity = store.activity[stream_index];
    if (state.newest_ms < activity.live_ms) activity.live_ms = state.newest_ms;
}

}  // namespace sample_store_detail

/// Appends one entry. False, and nothing changed, when it is older than the newest entry or would be a
/// second value at the same millisecond (Prometheus drops such samples too). `time_ms` is Unix time.
[[nodiscard]] WT_HD inline bool try_append_at(SampleStore& store, std::int32_t stream_index,
                                              std::int32_t slot, std::int64_t time_ms, double value,
                                              SampleKind kind) {
    const StreamPlan& stream = store.streams[stream_index];
    SeriesState& state = store.series[stream.first_series + slot];
    bool goes_on = false;
    SampleKind before = SampleKind::gone;
    if (state.count > 0) {
        before = state.newest.kind();
        if (time_ms < state.newest_ms) return false;
        if (time_ms == state.newest_ms && before != SampleKind::gone && kind == SampleKind::value)
            return false;
        if (before == SampleKind::value && kind == SampleKind::value &&
            sample_store_detail::comes_in_step(store, stream, slot, state, time_ms)) {
            const std::uint32_t repeats = state.newest.repeats();
            if (sample_store_detail::same_bits(value, state.newest.value) &&
                repeats < SampleRun::most_repeats) {
                if (repeats == 0) ++state.repeating;
                state.newest.repeat();
                state.newest_ms = time_ms;
                if (store.newest_ms < time_ms) store.newest_ms = time_ms;
                return true;
            }
            goes_on = !(value < state.newest.value);
        }
        sample_store_detail::push_newest(store, stream, slot, state);
    } else {
        state.count = 1;
        SeriesState& first = store.series[stream.first_series];
        if (first.slots_in_use <= slot) first.slots_in_use = slot + 1;
    }
    if (kind != SampleKind::value) value = SteadyBefore{state.steady, state.step_ms}.as_value();
    if (!goes_on) state.window_begin = SeriesState::no_place;
    state.newest = SampleRun::of(time_ms, value, kind);
    state.newest_ms = time_ms;
    state.steady = kind != SampleKind::value ? 0 : goes_on ? state.steady + 1 : 1;
    if (kind == SampleKind::gone) ++state.generation;
    if (store.newest_ms < time_ms) store.newest_ms = time_ms;
    if (store.activity != nullptr) sample_store_detail::mark_run(store, stream_index, slot, state, before);
    return true;
}

/// The same at a simulated time.
[[nodiscard]] WT_HD inline bool try_append(SampleStore& store, std::int32_t stream_index, std::int32_t slot,
                                           Tick at, double value, SampleKind kind = SampleKind::value) {
    return try_append_at(store, stream_index, slot, to_unix_ms(store.epoch_ms, at), value, kind);
}

/// Appends the newest value once more, as an unchanged target gives it. Requires that the series has not
/// ended.
WT_HD inline void repeat_newest(SampleStore& store, std::int32_t stream_index, std::int32_t slot, Tick at) {
    SeriesState& state = store.series[store.streams[stream_index].first_series + slot];
    const std::int64_t time_ms = to_unix_ms(store.epoch_ms, at);
    const std::uint32_t repeats = state.newest.repeats();
    if (repeats == 0 || repeats == SampleRun::most_repeats || time_ms != state.newest_ms + state.step_ms) {
        (void)try_append(store, stream_index, slot, at, state.newest.value);
        return;
    }
    state.newest.repeat();
    state.newest_ms = time_ms;
    if (store.newest_ms < time_ms) store.newest_ms = time_ms;
}

/// Whether a target's series could do without being visited: it repeats its value, `step_ms` after `step_ms`.
WT_HD inline bool repeats_in_step(const SampleStore& store, std::int32_t stream_index, std::int32_t slot,
                                  std::int64_t step_ms) {
    const SeriesState& state = store.series[store.streams[stream_index].first_series + slot];
    return state.newest.kind() == SampleKind::value && state.newest.repeats() > 0 && state.step_ms == step_ms;
}
/// From here on each turn of the clock is one more sample of the newest value. Requires that it
/// `repeats_in_step`, that the clock's turns come in this step, and that its last one is the newest sample.
WT_HD inline void let_sleep(SampleStore& store, std::int32_t stream_index, std::int32_t slot,
                            std::uint16_t clock) {
    SeriesState& state = store.series[store.streams[stream_index].first_series + slot];
    state.clock = clock;
    state.turn = store.clocks[clock].turns;
}
/// When a series' newest sample was taken, those that it owes included: they have the newest value.
WT_HD inline std::int64_t time_of_newest(const SampleStore& store, const SeriesState& state) {
    return state.clock == SeriesState::no_clock ? state.newest_ms : store.clocks[state.clock].last_ms;
}
/// Writes down the samples that a sleeping series owes. Whoever reads more than its newest value and its time, or
/// wakes it, does this first.
WT_HD inline void catch_up(SampleStore& store, std::int32_t stream_index, std::int32_t slot) {
    SeriesState& state = store.series[store.streams[stream_index].first_series + slot];
    if (state.clock == SeriesState::no_clock) return;
    const ScrapeClock clock = store.clocks[state.clock];
    const std::uint32_t owed = clock.turns - state.turn;
    if (owed == 0) return;
    state.turn = clock.turns;
    if (owed <= SampleRun::most_repeats - state.newest.repeats()) {
        if (state.newest.repeats() == 0) ++state.repeating;  // the run before it is full
        state.newest.repeat(owed);
        state.newest_ms = clock.last_ms;
        return;
    }
    for (std::uint32_t i = owed; i-- > 0;)
        (void)try_append_at(store, stream_index, slot, clock.last_ms - std::int64_t{i} * state.step_ms,
                            state.newest.value, SampleKind::value);
}
WT_HD inline void wake_up(SampleStore& store, std::int32_t stream_index, std::int32_t slot) {
    catch_up(store, stream_index, slot);
    store.series[store.streams[stream_index].first_series + slot].clock = SeriesState::no_clock;
}

/// Of a stirred slot: it rests, or is dead, once its newest run began before `until_ms`.
WT_HD inline void settle(SampleStore& store, std::int32_t stream_index, std::int32_t slot, std::int64_t until_ms) {
    const SeriesState& state = store.series[store.streams[stream_index].first_series + slot];
    const bool live = state.newest.kind() == SampleKind::value;
    if (state.newest.first_ms() >= until_ms || (live && !sample_store_detail::is_finite(state.newest.value))) return;
    SlotMarks& marks = marks_of(store, stream_index)[slot / 64];
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    marks.stirred &= ~bit;
    marks.varied &= ~bit;
    if (!live) return;
    StreamActivity& activity = store.activity[stream_index];
    const std::int64_t before_newest_ms = time_of_newest(store, state) - state.step_ms;
    if (before_newest_ms < activity.rests_ms) activity.rests_ms = before_newest_ms;
}
/// Finds a stream's bounds anew and settles what can be. `end_ms`: of the window that is asked for.
WT_HD_CALL inline void survey(SampleStore& store, std::int32_t stream_index, std::int64_t end_ms) {
    StreamActivity& activity = store.activity[stream_index];
    const std::int32_t first = store.streams[stream_index].first_series;
    activity.surveyed_ms = end_ms;
    activity.live_ms = activity.rests_ms = StreamActivity::no_time;
    const std::int32_t slots = store.series[first].slots_in_use;
    for_slots(marks_of(store, stream_index), slots, [](const SlotMarks& m) { return m.live | m.stirred; },
              [&](std::int32_t slot) {
                  const SeriesState& state = store.series[first + slot];
                  const std::int64_t newest_ms = time_of_newest(store, state);
                  if (state.newest.kind() == SampleKind::value) {
                      if (newest_ms < activity.live_ms) activity.live_ms = newest_ms;
                      const bool rests = (marks_of(store, stream_index)[slot / 64].stirred >> (slot % 64) & 1) == 0;
                      if (rests && newest_ms - state.step_ms < activity.rests_ms)
                          activity.rests_ms = newest_ms - state.step_ms;
                  }
                  settle(store, stream_index, slot, activity.settled_ms);
                  return true;
              });
}
/// Whether a stream's marks tell of a window what they say: it reaches up to the newest sample, begins no earlier than
/// what is settled, and holds two samples of every resting slot. Settles nothing by itself.
WT_HD inline bool knows_window(SampleStore& store, std::int32_t stream_index, std::int64_t start_ms,
                               std::int64_t end_ms) {
    if (store.activity == nullptr || end_ms < store.newest_ms) return false;
    StreamActivity& activity = store.activity[stream_index];
    if (end_ms - start_ms > activity.span_ms) activity.span_ms = end_ms - start_ms;
    if (start_ms < activity.settled_ms) return false;
    const std::int64_t until_ms = end_ms - activity.span_ms;
    if (until_ms > activity.settled_ms) activity.settled_ms = until_ms;
    if (activity.rests_ms <= start_ms && end_ms - activity.surveyed_ms >= (end_ms - start_ms) / 4)
        survey(store, stream_index, end_ms);
    return activity.rests_ms > start_ms;
}
/// Whether every live slot has a sample after `start_ms` and none after `end_ms`.
WT_HD inline bool knows_newest(SampleStore& store, std::int32_t stream_index, std::int64_t start_ms,
                               std::int64_t end_ms) {
    if (store.activity == nullptr || end_ms < store.newest_ms) return false;
    StreamActivity& activity = store.activity[stream_index];
    if (activity.live_ms <= start_ms && end_ms - activity.surveyed_ms >= (end_ms - start_ms) / 4)
        survey(store, stream_index, end_ms);
    return activity.live_ms > start_ms;
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
