#pragma once
#include "policies/promql_functions.hpp"
#include "policies/promql_program.hpp"
#include "policies/sample_store.hpp"

#include <cstdint>

namespace windtunnel {

/// Whether a sample comes before a window that begins at `start_ms`: 2.x counts one exactly there, 3.x does not.
WT_HD inline bool is_before_window(PromqlSemantics semantics, std::int64_t time_ms, std::int64_t start_ms) {
    return semantics == PromqlSemantics::prometheus_2 ? time_ms < start_ms : time_ms <= start_ms;
}
/// How many samples of a run, without the first, are not after `at_ms`; the first is not.
WT_HD inline std::int64_t samples_until(const SeriesState& state, const SampleRun& run, std::int64_t at_ms) {
    if (run.repeats() == 0) return 0;
    const std::int64_t steps = (at_ms - run.first_ms()) / state.step_ms;
    return steps < run.repeats() ? steps : run.repeats();
}

/// The window of a range selector, and the function that is asked of the samples in it.
///
/// rate(), increase() and delta() need the window's first and last sample, their number and where a counter began
/// anew, which runs of equal samples tell as their samples would. A series to which nothing has happened for as long as
/// the window is answered from its state alone, sleeping or not.
class PromqlWindow {
public:
    WT_HD PromqlWindow(SampleStore& store, PromqlWorkspace& workspace, PromqlSemantics semantics,
                       PromqlRangeFunction function, double parameter, std::int64_t start_ms, std::int64_t end_ms,
                       std::int64_t now_ms)
        : m_store(store), m_points(workspace.points), m_point_capacity(workspace.point_capacity),
          m_semantics(semantics), m_function(function), m_parameter(parameter), m_start_ms(start_ms),
          m_end_ms(end_ms), m_now_ms(now_ms),
          m_extrapolates(function == PromqlRangeFunction::rate || function == PromqlRangeFunction::increase ||
                         function == PromqlRangeFunction::delta) {}

    /// Tells the memory what `read` is about to look at.
    WT_HD void expect(const StreamPlan& stream, std::int32_t slot) const {
        if (!is_before(m_store.series[stream.first_series + slot].newest.first_ms()))
            expect_window(m_store.view(), stream, slot);
    }

    /// One slot's window, cut into one series for each pod that lived in it, oldest first: `found(generation, value)`
    /// of each that has a value.
    template <class Found>
    WT_HD PromqlStatus read(std::int32_t stream_index, std::int32_t slot, const Found& found) {
        const SeriesState& state = m_store.series[m_store.streams[stream_index].first_series + slot];
        if (state.count == 0) return PromqlStatus::ok;
        const std::int64_t newest_ms = time_of_newest(m_store, state);
        if (is_before(newest_ms)) return PromqlStatus::ok;  // it ended before
        if (m_extrapolates && newest_ms <= m_end_ms && is_before(state.newest.first_ms()) &&
            state.newest.kind() == SampleKind::value && state.newest.value - state.newest.value == 0) {
            // It has kept a finite value; a single sample has no rate.
            if (!is_before(newest_ms - state.step_ms)) found(state.generation, 0.0);
            return PromqlStatus::ok;
        }
        return read_samples(stream_index, slot, found);
    }

private:
    SampleStore& m_store;
    PromqlPoint* m_points;
    std::int32_t m_point_capacity;
    PromqlSemantics m_semantics;
    PromqlRangeFunction m_function;
    double m_parameter;
    std::int64_t m_start_ms, m_end_ms, m_now_ms;
    bool m_extrapolates;  ///< rate() and its like

    WT_HD bool is_before(std::int64_t time_ms) const { return is_before_window(m_semantics, time_ms, m_start_ms); }
    WT_HD bool is_counter() const { return m_function != PromqlRangeFunction::delta; }

    template <class Found>
    WT_HD_CALL PromqlStatus read_samples(std::int32_t stream_index, std::int32_t slot, const Found& found) {
        catch_up(m_store, stream_index, slot);
        const SeriesRuns runs = runs_of(m_store.view(), m_store.streams[stream_index], slot);
        const SeriesState& state = runs.state;
        if (m_extrapolates && state.steady > 0 && state.newest_ms <= m_end_ms) {
            const std::uint32_t steady = state.steady < state.count ? state.steady : state.count;
            std::uint32_t back = 0;
            if (!is_before(state.newest.first_ms())) {
                std::uint32_t& begin = m_store.series[m_store.streams[stream_index].first_series + slot].window_begin;
                back = oldest_inside(runs, steady, begin);
                begin = runs.place_of(back);
            }
            const SampleRun oldest = runs.at(back);
            const Reach reach = reach_of(runs, oldest, back, steady);
            if (reach == Reach::lost) return PromqlStatus::history_too_short;
            if (reach == Reach::known) {
                double value = 0;
                if (rate_of_steady(state, oldest, value)) found(state.generation, value);
                return PromqlStatus::ok;
            }
        }
        return read_runs(runs, found);
    }

    // ---- a window in which one pod's counter only rose, scraped in step, as it nearly always is -----------------

    /// The oldest of the newest `steady` runs that has a sample in the window; the newest has. From where it was
    /// found last, in strides that double, then by bisection: a window moves on little by little.
    WT_HD std::uint32_t oldest_inside(const SeriesRuns& runs, std::uint32_t steady, std::uint32_t begin) const {
        const auto is_inside = [&](std::uint32_t back) { return !is_before(last_ms(runs.state, runs.at(back))); };
        std::uint32_t inside = 0, outside = steady, at = runs.back_of(begin);
        for (std::uint32_t stride = 1; at > inside && at < outside; stride *= 2) {
            if (is_inside(at)) {
                inside = at;
                at += stride;
            } else {
                outside = at;
                at -= at > stride ? stride : at;
            }
        }
        while (inside + 1 < outside) {
            const std::uint32_t middle = (inside + outside) / 2;
            (is_inside(middle) ? inside : outside) = middle;
        }
        return inside;
    }

    enum class Reach : std::uint8_t {
        known,     ///< the steady runs hold the whole window
        lost,      ///< the ring has overwritten its beginning
        unsteady,  ///< it holds older runs as well
    };
    /// `oldest` of the steady runs in the window is the one `back` before the newest.
    WT_HD Reach reach_of(const SeriesRuns& runs, const SampleRun& oldest, std::uint32_t back,
                         std::uint32_t steady) const {
        if (back + 1 < steady || is_before(oldest.first_ms())) return Reach::known;
        if (steady == runs.state.count) return runs.state.lost ? Reach::lost : Reach::known;
        return is_before(last_ms(runs.state, runs.at(steady))) ? Reach::known : Reach::unsteady;
    }

    /// The first and the last sample and their number are all that counts. False for a single sample.
    WT_HD bool rate_of_steady(const SeriesState& state, const SampleRun& oldest, double& value) const {
        const std::int64_t first_ms = oldest.first_ms() + samples_before(state, oldest) * state.step_ms;
        if (first_ms >= state.newest_ms) return false;
        const double change = state.newest.value - oldest.value;
        value = 0;
        if (change != 0)
            value = rate_of({first_ms, oldest.value}, {state.newest_ms, state.newest.value},
                            (state.newest_ms - first_ms) / state.step_ms + 1, change);
        return true;
    }
    WT_HD double rate_of(const PromqlPoint& first, const PromqlPoint& last, std::int64_t count, double change) const {
        return extrapolate(first, last, static_cast<std::int32_t>(count), change, m_start_ms, m_end_ms, is_counter(),
                           m_function == PromqlRangeFunction::rate, m_semantics);
    }

    // ---- any window -------------------------------------------------------------------------------------------

    /// Runs [newest, past_oldest) before the newest have samples in it; `generation`: whose the oldest are.
    struct Span {
        std::uint32_t newest = 0, past_oldest = 0, generation = 0;
        bool is_lost = false;  ///< older ones may have had
    };
    WT_HD Span span_of(const SeriesRuns& runs) const {
        const SeriesState& state = runs.state;
        Span span;
        span.generation = state.generation;
        for (; span.newest < state.count; ++span.newest) {
            const SampleRun run = runs.at(span.newest);
            if (run.first_ms() <= m_end_ms) break;
            if (run.kind() == SampleKind::gone) --span.generation;
        }
        for (span.past_oldest = span.newest; span.past_oldest < state.count; ++span.past_oldest) {
            const SampleRun run = runs.at(span.past_oldest);
            if (is_before(last_ms(state, run))) return span;
            if (run.kind() == SampleKind::gone) --span.generation;
        }
        span.is_lost = state.lost && !is_before(runs.at(state.count - 1).first_ms());
        return span;
    }

    template <class Found>
    WT_HD PromqlStatus read_runs(const SeriesRuns& runs, const Found& found) {
        Span span = span_of(runs);
        if (span.is_lost) return PromqlStatus::history_too_short;
        Gathered of_pod;
        for (std::uint32_t back = span.past_oldest; back-- > span.newest;) {
            const SampleRun run = runs.at(back);
            if (run.kind() == SampleKind::value && !gather(runs.state, run, of_pod))
                return PromqlStatus::workspace_overflow;
            const bool gone = run.kind() == SampleKind::gone;
            if (!gone && back > span.newest) continue;
            double value = 0;
            if (value_of(of_pod, value)) found(span.generation, value);
            of_pod = {};
            if (gone) ++span.generation;
        }
        return PromqlStatus::ok;
    }

    /// What the samples of one pod come to, oldest first; all of them stand in the workspace, unless
    /// rate() and its like are asked for.
    struct Gathered {
        PromqlPoint first, last;
        std::int64_t count = 0;
        std::int32_t resets = 0;  ///< values below the one before them, which stand in the workspace
    };
    WT_HD bool gather(const SeriesState& state, const SampleRun& run, Gathered& of_pod) {
        const std::int64_t begin = samples_before(state, run);
        const std::int64_t end = last_ms(state, run) <= m_end_ms ? run.repeats() : samples_until(state, run, m_end_ms);
        if (begin > end) return true;
        if (!m_extrapolates) {
            if (of_pod.count + end - begin >= m_point_capacity) return false;
            for (std::int64_t i = begin; i <= end; ++i)
                m_points[of_pod.count++] = {run.first_ms() + i * state.step_ms, run.value};
            return true;
        }
        if (of_pod.count > 0 && run.value < of_pod.last.value) {
            if (of_pod.resets >= m_point_capacity) return false;
            m_points[of_pod.resets++] = of_pod.last;
        }
        of_pod.last = {run.first_ms() + end * state.step_ms, run.value};
        if (of_pod.count == 0) of_pod.first = {run.first_ms() + begin * state.step_ms, run.value};
        of_pod.count += end - begin + 1;
        return true;
    }
    /// The function of them; false where it has no value.
    WT_HD bool value_of(const Gathered& of_pod, double& value) {
        if (!m_extrapolates)
            return of_pod.count > 0 &&
                   apply_range_function(m_function, m_points, static_cast<std::int32_t>(of_pod.count), m_start_ms,
                                        m_end_ms, m_now_ms, m_parameter, m_semantics, value);
        if (of_pod.count < 2) return false;
        double change = of_pod.last.value - of_pod.first.value;
        for (std::int32_t i = 0; is_counter() && i < of_pod.resets; ++i) change += m_points[i].value;
        value = rate_of(of_pod.first, of_pod.last, of_pod.count, change);
        return true;
    }

    /// How many samples of a run come before the window.
    WT_HD std::int64_t samples_before(const SeriesState& state, const SampleRun& run) const {
        if (!is_before(run.first_ms())) return 0;
        if (run.repeats() == 0) return 1;
        const bool counts_start = m_semantics == PromqlSemantics::prometheus_2;
        return (m_start_ms - run.first_ms() - (counts_start ? 1 : 0)) / state.step_ms + 1;
    }
};

}  // namespace windtunnel
