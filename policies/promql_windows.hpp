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
    if (last_ms(state, run) <= at_ms) return run.repeats();
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

    /// Whether a series that keeps one value comes to 0.
    [[nodiscard]] WT_HD bool extrapolates() const { return m_extrapolates; }

    /// Tells the memory what `read` is about to look at.
    WT_HD void expect(const StreamPlan& stream, std::int32_t slot) const {
        if (!is_before(m_store.series[stream.first_series + slot].newest.first_ms()))
            expect_window(m_store.view(), stream, slot);
    }

    /// One slot's window, cut into one series for each pod that lived in it: `found(generation, value)` of each that has
    /// a value, the oldest first, or the newest first where it `extrapolates`.
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

    /// What the samples of one pod come to, found newest first.
    struct Life {
        PromqlPoint first, last;
        std::int64_t count = 0;
        std::int32_t resets = 0;  ///< values above the one behind them, which stand in the workspace
    };

    template <class Found>
    WT_HD_CALL PromqlStatus read_samples(std::int32_t stream_index, std::int32_t slot, const Found& found) {
        const SeriesRuns runs = runs_of(m_store.view(), m_store.streams[stream_index], slot);
        const std::int32_t index = m_store.streams[stream_index].first_series + slot;
        const std::int64_t newest_ms = time_of_newest(m_store, runs.state);
        Life life;  // as far as the steady runs tell
        std::uint32_t told = 0;
        if (m_extrapolates && runs.state.steady > 0 && newest_ms <= m_end_ms) {
            SeriesState& state = m_store.series[index];
            double value = 0;
            const bool has_begin = m_store.begins != nullptr && state.window_begin != SeriesState::no_place;
            if (has_begin && begins_at(state, m_store.begins[index])) {
                if (rate_of_steady(state, m_store.begins[index].run, newest_ms, value)) found(state.generation, value);
                return PromqlStatus::ok;
            }
            const std::uint32_t steady = state.steady < state.count ? state.steady : state.count;
            const std::uint32_t back = is_before(state.newest.first_ms()) ? 0 : oldest_inside(runs, steady);
            const SampleRun oldest = runs.at(back);
            const Reach reach = reach_of(runs, oldest, back, steady);
            if (reach == Reach::lost) return PromqlStatus::history_too_short;
            if (reach == Reach::known) {
                state.window_begin = back == 0 ? SeriesState::no_place : runs.place_of(back);
                if (m_store.begins != nullptr && back > 0)
                    m_store.begins[index] = {oldest, back + 1 < state.count ? last_ms(state, runs.at(back + 1))
                                                                            : StreamActivity::always};
                if (rate_of_steady(state, oldest, newest_ms, value)) found(state.generation, value);
                return PromqlStatus::ok;
            }
            life = {{oldest.first_ms(), oldest.value}, {newest_ms, state.newest.value}, 1};
            if (newest_ms > oldest.first_ms()) life.count += (newest_ms - oldest.first_ms()) / state.step_ms;
            told = steady;
        }
        catch_up(m_store, stream_index, slot);
        return m_extrapolates ? read_lives(runs, told, life, found) : read_runs(runs, found);
    }

    // ---- a window in which one pod's counter only rose, scraped in step, as it nearly always is -----------------

    /// Whether the window begins in this run, as the one before did.
    WT_HD bool begins_at(const SeriesState& state, const WindowBegin& begin) const {
        return is_before(begin.before_ms) && !is_before(last_ms(state, begin.run));
    }
    /// The oldest of the newest `steady` runs that has a sample in the window; the newest has. From where it was
    /// found last, in strides that double, then by bisection: a window moves on little by little.
    WT_HD std::uint32_t oldest_inside(const SeriesRuns& runs, std::uint32_t steady) const {
        std::uint32_t inside = 0, outside = steady;
        const std::uint32_t begin = runs.state.window_begin;
        std::uint32_t at = begin == SeriesState::no_place ? 0 : runs.back_of(begin);
        for (std::uint32_t stride = 1; at > inside && at < outside; stride *= 2) {
            if (is_inside(runs, at)) {
                inside = at;
                at += stride;
            } else {
                outside = at;
                at -= at > stride ? stride : at;
            }
        }
        return bisect(runs, inside, outside);
    }
    WT_HD bool is_inside(const SeriesRuns& runs, std::uint32_t back) const {
        return !is_before(last_ms(runs.state, runs.at(back)));
    }
    /// The oldest run with a sample in the window: `inside` has one, `outside` has none or does not count.
    WT_HD std::uint32_t bisect(const SeriesRuns& runs, std::uint32_t inside, std::uint32_t outside) const {
        while (inside + 1 < outside) {
            const std::uint32_t middle = (inside + outside) / 2;
            (is_inside(runs, middle) ? inside : outside) = middle;
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
    WT_HD bool rate_of_steady(const SeriesState& state, const SampleRun& oldest, std::int64_t newest_ms,
                              double& value) const {
        const std::int64_t first_ms = oldest.first_ms() + samples_before(state, oldest) * state.step_ms;
        if (first_ms >= newest_ms) return false;
        const double change = state.newest.value - oldest.value;
        value = 0;
        if (change != 0)
            value = rate_of({first_ms, oldest.value}, {newest_ms, state.newest.value},
                            (newest_ms - first_ms) / state.step_ms + 1, change);
        return true;
    }
    WT_HD double rate_of(const PromqlPoint& first, const PromqlPoint& last, std::int64_t count, double change) const {
        return extrapolate(first, last, static_cast<std::int32_t>(count), change, m_start_ms, m_end_ms, is_counter(),
                           m_function == PromqlRangeFunction::rate, m_semantics);
    }

    // ---- rate() and its like of any window --------------------------------------------------------------------

    template <class Found>
    WT_HD PromqlStatus read_lives(const SeriesRuns& runs, std::uint32_t back, Life life, const Found& found) {
        const SeriesState& state = runs.state;
        std::uint32_t generation = state.generation;
        for (; back < state.count; ++back) {
            const SampleRun run = runs.at(back);
            if (run.first_ms() <= m_end_ms && is_before(last_ms(state, run))) break;
            if (run.kind() == SampleKind::gone) {
                end_life(life, generation--, found);
                life = {};
            }
            if (run.kind() != SampleKind::value) {
                if (life.count == 0) back = skip_steady(runs, run, back, life);
            } else if (!add_earlier(state, run, life)) {
                return PromqlStatus::workspace_overflow;
            }
        }
        if (back == state.count && state.lost && !is_before(runs.at(back - 1).first_ms()))
            return PromqlStatus::history_too_short;
        end_life(life, generation, found);
        return PromqlStatus::ok;
    }
    /// Before the end of a series: as many of its runs at once as are steady. Gives the place of the last it has added.
    WT_HD std::uint32_t skip_steady(const SeriesRuns& runs, const SampleRun& end, std::uint32_t back, Life& life) const {
        const SeriesState& state = runs.state;
        const SteadyBefore steady = SteadyBefore::of(end.value);
        if (steady.runs < 2 || steady.step_ms != state.step_ms || back + steady.runs >= state.count ||
            end.first_ms() > m_end_ms || !is_inside(runs, back + 1))
            return back;
        const SampleRun newest = runs.at(back + 1);
        back = bisect(runs, back + 1, back + 1 + steady.runs);
        const SampleRun oldest = runs.at(back);
        life.last = {last_ms(state, newest), newest.value};
        life.first = {oldest.first_ms() + samples_before(state, oldest) * state.step_ms, oldest.value};
        life.count = (life.last.time_ms - life.first.time_ms) / state.step_ms + 1;
        return back;
    }
    WT_HD bool add_earlier(const SeriesState& state, const SampleRun& run, Life& life) {
        if (run.first_ms() > m_end_ms) return true;
        const std::int64_t begin = samples_before(state, run), end = samples_until(state, run, m_end_ms);
        if (begin > end) return true;
        if (life.count == 0) {
            life.last = {run.first_ms() + end * state.step_ms, run.value};
        } else if (life.first.value < run.value) {
            if (life.resets >= m_point_capacity) return false;
            m_points[life.resets++].value = run.value;
        }
        life.first = {run.first_ms() + begin * state.step_ms, run.value};
        life.count += end - begin + 1;
        return true;
    }
    template <class Found>
    WT_HD void end_life(const Life& life, std::uint32_t generation, const Found& found) const {
        if (life.count < 2) return;
        double change = life.last.value - life.first.value;
        for (std::int32_t i = life.resets; is_counter() && i-- > 0;) change += m_points[i].value;
        found(generation, rate_of(life.first, life.last, life.count, change));
    }

    // ---- other functions, of all samples ------------------------------------------------------------------------

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
        std::int32_t points = 0;  // of one pod, oldest first
        for (std::uint32_t back = span.past_oldest; back-- > span.newest;) {
            const SampleRun run = runs.at(back);
            if (run.kind() == SampleKind::value && !gather(runs.state, run, points))
                return PromqlStatus::workspace_overflow;
            const bool gone = run.kind() == SampleKind::gone;
            if (!gone && back > span.newest) continue;
            double value = 0;
            if (points > 0 && apply_range_function(m_function, m_points, points, m_start_ms, m_end_ms, m_now_ms,
                                                   m_parameter, m_semantics, value))
                found(span.generation, value);
            points = 0;
            if (gone) ++span.generation;
        }
        return PromqlStatus::ok;
    }
    WT_HD bool gather(const SeriesState& state, const SampleRun& run, std::int32_t& points) {
        const std::int64_t begin = samples_before(state, run), end = samples_until(state, run, m_end_ms);
        if (points + end - begin >= m_point_capacity) return false;
        for (std::int64_t i = begin; i <= end; ++i) m_points[points++] = {run.first_ms() + i * state.step_ms, run.value};
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
