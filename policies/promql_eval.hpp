#pragma once
#include "policies/promql_functions.hpp"
#include "policies/promql_program.hpp"
#include "policies/promql_vectors.hpp"
#include "policies/promql_windows.hpp"

#include <cstdint>

namespace windtunnel {

/// The stack machine that runs a compiled query inside a trial: no allocation, no recursion, no strings. A
/// query that does not fit its workspace, or looks at samples that a ring no longer holds, says so.
class PromqlMachine {
public:
    WT_HD PromqlMachine(const PromqlProgramView& program, SampleStore& store, std::int64_t now_ms,
                        PromqlWorkspace& workspace)
        : m_program(program), m_store(store), m_workspace(workspace), m_start_ms(now_ms), m_now_ms(now_ms) {}

    WT_HD PromqlResult run() {
        for (std::int32_t pc = 0; pc < m_program.instruction_count && m_status == PromqlStatus::ok; ++pc)
            pc = step(m_program.instructions[pc], pc);
        PromqlResult result;
        result.status = m_status;
        result.is_scalar = m_program.is_scalar;
        if (m_status != PromqlStatus::ok) return result;
        const PromqlStackValue top = m_workspace.stack[0];
        result.scalar = top.scalar;
        result.elements = m_workspace.elements + top.first;
        result.count = m_program.is_scalar ? 1 : top.count;
        return result;
    }

private:
    const PromqlProgramView& m_program;
    SampleStore& m_store;  ///< sleeping series that are looked at write down what they owe
    PromqlWorkspace& m_workspace;
    const std::int64_t m_start_ms;  ///< when the query is evaluated
    std::int64_t m_now_ms;
    std::int32_t m_depth = 0;     ///< values on the stack
    std::int32_t m_elements = 0;  ///< elements in use
    std::int32_t m_frames = 0;    ///< subqueries under way
    PromqlStatus m_status = PromqlStatus::ok;

    WT_HD void fail(PromqlStatus status) { m_status = m_status == PromqlStatus::ok ? status : m_status; }

    WT_HD void push_scalar(double v) {
        if (m_depth >= promql_stack_limit) return fail(PromqlStatus::workspace_overflow);
        m_workspace.stack[m_depth++] = {v, m_elements, 0};
    }
    WT_HD double pop_scalar() { return m_workspace.stack[--m_depth].scalar; }
    /// Makes the elements from `first` to the end of those in use one vector.
    WT_HD void push_vector(std::int32_t first) {
        if (m_depth >= promql_stack_limit) return fail(PromqlStatus::workspace_overflow);
        m_workspace.stack[m_depth++] = {0, first, m_elements - first};
    }
    WT_HD PromqlStackValue& top() { return m_workspace.stack[m_depth - 1]; }
    WT_HD PromqlElement* elements_of(const PromqlStackValue& v) { return m_workspace.elements + v.first; }
    WT_HD void resize(PromqlStackValue& v, std::int32_t count) {
        v.count = count;
        m_elements = v.first + count;
    }
    WT_HD void add_element(const PromqlElement& e) {
        if (m_elements >= m_workspace.element_capacity) return fail(PromqlStatus::workspace_overflow);
        m_workspace.elements[m_elements++] = e;
    }
    WT_HD bool fits(std::int32_t points) {
        if (points > m_workspace.point_capacity) fail(PromqlStatus::workspace_overflow);
        return m_status == PromqlStatus::ok;
    }
    /// Where a selector's window ends, or a subquery's last step lies at the latest.
    WT_HD std::int64_t end_of(const PromqlInstruction& op) const {
        const std::int64_t at = op.at == PromqlAt::now          ? m_now_ms
                                : op.at == PromqlAt::evaluation ? m_start_ms
                                                                : op.at_ms;
        return at - op.offset_ms;
    }
    WT_HD bool is_before_start(std::int64_t time_ms, std::int64_t start_ms) const {
        return is_before_window(m_program.semantics, time_ms, start_ms);
    }

    WT_HD std::int32_t step(const PromqlInstruction& op, std::int32_t pc) {
        switch (op.op) {
            case PromqlOp::number:
                push_scalar(op.number);
                break;
            case PromqlOp::time:
                push_scalar(static_cast<double>(m_now_ms) / 1000);
                break;
            case PromqlOp::empty:
                push_vector(m_elements);
                break;
            case PromqlOp::select:
                select(op, sum_after(pc));
                break;
            case PromqlOp::range_select:
                range_select(op, op.check_duplicates ? nullptr : sum_after(pc));
                break;
            case PromqlOp::subquery_begin:
                return subquery_begin(op, pc);
            case PromqlOp::subquery_end:
                return subquery_end(op, pc);
            case PromqlOp::shift_time:
                m_now_ms -= op.offset_ms;
                break;
            case PromqlOp::scalar_negate:
                top().scalar = -top().scalar;
                break;
            case PromqlOp::scalar_binary: {
                const double b = pop_scalar();
                top().scalar = apply_binary(static_cast<PromqlBinary>(op.function), top().scalar, b);
                break;
            }
            case PromqlOp::vector_scalar:
                vector_scalar(op);
                break;
            case PromqlOp::vector_vector: {
                const PromqlStackValue right = m_workspace.stack[--m_depth];
                std::int32_t count = 0;
                const PromqlStatus status =
                    join(op, m_program, elements_of(top()), top().count, right.count, count);
                if (status != PromqlStatus::ok) fail(status);
                resize(top(), count);
                break;
            }
            case PromqlOp::set_binary: {
                const PromqlStackValue right = m_workspace.stack[--m_depth];
                resize(top(), set_operation(static_cast<PromqlBinary>(op.function), elements_of(top()),
                                            top().count, right.count, label_map(m_program, op.left_match),
                                            label_map(m_program, op.right_match)));
                break;
            }
            case PromqlOp::aggregate:
                aggregate_top(op);
                break;
            case PromqlOp::map_values:
                map_values(op);
                break;
            case PromqlOp::relabel:
                relabel(op);
                break;
            case PromqlOp::histogram_quantile: {
                const PromqlStackValue buckets = m_workspace.stack[--m_depth];
                const double q = pop_scalar();
                if (!fits(buckets.count)) break;
                m_elements =
                    buckets.first + histogram_quantiles(q, elements_of(buckets), buckets.count,
                                                        label_map(m_program, op.table),
                                                        m_program.numbers + op.target, m_workspace.points);
                push_vector(buckets.first);
                break;
            }
            case PromqlOp::scalar_of_vector: {
                const PromqlStackValue v = m_workspace.stack[--m_depth];
                m_elements = v.first;
                push_scalar(v.count == 1 ? m_workspace.elements[v.first].value : promql_nan);
                break;
            }
            case PromqlOp::vector_of_scalar: {
                PromqlElement e;
                e.labels = op.target;
                e.value = pop_scalar();
                e.time_ms = m_now_ms;
                const std::int32_t first = m_elements;
                add_element(e);
                push_vector(first);
                break;
            }
            case PromqlOp::absent: {
                const PromqlStackValue v = m_workspace.stack[--m_depth];
                m_elements = v.first;
                if (v.count == 0) {
                    PromqlElement e;
                    e.labels = op.target;
                    e.value = 1;
                    e.time_ms = m_now_ms;
                    add_element(e);
                }
                push_vector(v.first);
                break;
            }
            case PromqlOp::sort:
                sort_elements(elements_of(top()), top().count, op.swap);
                break;
        }
        return pc;
    }

    /// The sum() that takes what a selector at `pc` gives; null where something else does.
    WT_HD const PromqlInstruction* sum_after(std::int32_t pc) const {
        if (pc + 1 >= m_program.instruction_count) return nullptr;
        const PromqlInstruction& next = m_program.instructions[pc + 1];
        const bool sums = static_cast<PromqlAggregate>(next.function) == PromqlAggregate::sum;
        return next.op == PromqlOp::aggregate && sums && next.table >= 0 ? &next : nullptr;
    }
    /// Whether all pods of a stream go into one group of a sum: elements of +0 beside another change nothing in it.
    WT_HD bool adds_zeros(const PromqlInstruction* sum, std::int32_t labels) const {
        if (sum == nullptr) return false;
        const std::int32_t word = m_program.words[sum->table + labels];
        return word >= 0 && (word & 1) == 0;
    }

    /// The latest sample of each series, unless it is older than the lookback or the series has ended.
    WT_HD_CALL void select(const PromqlInstruction& op, const PromqlInstruction* sum) {
        const std::int32_t first = m_elements;
        const std::int64_t at_ms = end_of(op), start_ms = at_ms - op.range_ms;
        for (std::int32_t k = 0; k < op.count; ++k) {
            const std::int32_t s = m_program.words[op.table + 2 * k];
            const std::int32_t labels = m_program.words[op.table + 2 * k + 1];
            const StreamPlan& stream = m_store.streams[s];
            const std::int32_t slots = m_store.series[stream.first_series].slots_in_use;
            if (knows_newest(m_store, s, start_ms, at_ms)) {
                select_live(s, slots, labels, adds_zeros(sum, labels));
                continue;
            }
            for (std::int32_t slot = 0; slot < slots; ++slot) {
                const SeriesState& state = m_store.series[stream.first_series + slot];
                if (state.count == 0) continue;
                const std::int64_t newest_ms = time_of_newest(m_store, state);
                if (newest_ms > at_ms) {
                    select_past(op, s, slot, labels, at_ms);
                } else if (state.newest.kind() == SampleKind::value && !is_before_start(newest_ms, start_ms)) {
                    add_sample(stream, slot, labels, state.generation, state.newest.value, newest_ms);
                }
            }
        }
        push_vector(first);
    }
    /// The same of a stream whose live slots are all in the lookback; without those of +0 behind the first.
    WT_HD void select_live(std::int32_t s, std::int32_t slots, std::int32_t labels, bool skips_zeros) {
        const StreamPlan& stream = m_store.streams[s];
        const std::int32_t first = m_elements;
        const auto add = [&](std::int32_t slot) {
            const SeriesState& state = m_store.series[stream.first_series + slot];
            add_sample(stream, slot, labels, state.generation, state.newest.value, time_of_newest(m_store, state));
            return !skips_zeros;
        };
        const SlotMarks* marks = marks_of(m_store, s);
        for_slots(marks, slots, [](const SlotMarks& m) { return m.live; }, add);
        if (!skips_zeros || m_elements == first) return;
        const std::int64_t begun_at = m_workspace.elements[first].pod - stream.first_pod;
        for_slots(marks, slots, [](const SlotMarks& m) { return m.live & m.nonzero; }, [&](std::int32_t slot) {
            if (slot != begun_at) (void)add(slot);
            return true;
        });
    }
    WT_HD void add_sample(const StreamPlan& stream, std::int32_t slot, std::int32_t labels, std::uint32_t generation,
                          double value, std::int64_t time_ms) {
        if (stream.first_pod < 0)
            add_element({labels, -1, 0, 0, value, time_ms});
        else
            add_element({labels, stream.first_pod + slot, generation, 0, value, time_ms});
    }
    /// The same of one series that has newer samples.
    WT_HD_CALL void select_past(const PromqlInstruction& op, std::int32_t s, std::int32_t slot, std::int32_t labels,
                                std::int64_t at_ms) {
        catch_up(m_store, s, slot);
        const StreamPlan& stream = m_store.streams[s];
        const SeriesState& state = m_store.series[stream.first_series + slot];
        std::uint32_t generation = state.generation;
        for (std::uint32_t back = 0; back < state.count; ++back) {
            const SampleRun run = run_from_newest(m_store.view(), stream, slot, back);
            if (run.first_ms() > at_ms) {
                if (run.kind() == SampleKind::gone) --generation;
                continue;
            }
            if (run.kind() != SampleKind::value) return;
            const std::int64_t time_ms = run.first_ms() + samples_until(state, run, at_ms) * state.step_ms;
            if (is_before_start(time_ms, at_ms - op.range_ms)) return;
            return add_sample(stream, slot, labels, generation, run.value, time_ms);
        }
        if (state.lost) fail(PromqlStatus::history_too_short);
    }

    WT_HD_CALL void range_select(const PromqlInstruction& op, const PromqlInstruction* sum) {
        const PromqlRangeFunction function = static_cast<PromqlRangeFunction>(op.function);
        const bool has_parameter =
            function == PromqlRangeFunction::quantile || function == PromqlRangeFunction::predict_linear;
        const double parameter = has_parameter ? pop_scalar() : 0;
        const std::int32_t first = m_elements;
        const std::int64_t end_ms = end_of(op);
        PromqlWindow window(m_store, m_workspace, m_program.semantics, function, parameter, end_ms - op.range_ms,
                            end_ms, m_now_ms);
        for (std::int32_t k = 0; k < op.count && m_status == PromqlStatus::ok; ++k) {
            const std::int32_t s = m_program.words[op.table + 2 * k];
            const std::int32_t labels = m_program.words[op.table + 2 * k + 1];
            const StreamPlan& stream = m_store.streams[s];
            const std::int32_t slots = m_store.series[stream.first_series].slots_in_use;
            if (window.extrapolates() && knows_window(m_store, s, end_ms - op.range_ms, end_ms)) {
                read_marked(window, s, slots, labels, adds_zeros(sum, labels));
                continue;
            }
            constexpr std::int32_t ahead = 8;  // so many series the memory has time for
            for (std::int32_t slot = 0; slot < ahead && slot < slots; ++slot) window.expect(stream, slot);
            for (std::int32_t slot = 0; slot < slots; ++slot) {
                if (slot + ahead < slots) window.expect(stream, slot + ahead);
                read_window(window, s, slot, labels);
            }
        }
        if (op.check_duplicates && has_duplicates(m_workspace.elements + first, m_elements - first))
            fail(PromqlStatus::duplicate_series);
        push_vector(first);
    }

    /// One slot of a range selector: the pods that lived in the window, oldest first.
    WT_HD void read_window(PromqlWindow& window, std::int32_t s, std::int32_t slot, std::int32_t labels) {
        const StreamPlan& stream = m_store.streams[s];
        const std::int32_t first = m_elements;
        const PromqlStatus status = window.read(s, slot, [&](std::uint32_t generation, double value) {
            add_sample(stream, slot, labels, generation, value, m_now_ms);
        });
        if (status != PromqlStatus::ok) return fail(status);
        for (std::int32_t i = first, j = m_elements - 1; window.extrapolates() && i < j; ++i, --j) {
            const PromqlElement kept = m_workspace.elements[i];
            m_workspace.elements[i] = m_workspace.elements[j];
            m_workspace.elements[j] = kept;
        }
    }

    /// One stream of a range selector by its marks: resting slots have not changed. Where zeros add nothing, one of them
    /// stands for all, and for those that were stirred and have not varied.
    WT_HD void read_marked(PromqlWindow& window, std::int32_t s, std::int32_t slots, std::int32_t labels,
                           bool skips_zeros) {
        const StreamPlan& stream = m_store.streams[s];
        SlotMarks* marks = marks_of(m_store, s);
        const std::int32_t first = m_elements;
        const auto rest = [&](std::int32_t slot) {
            add_sample(stream, slot, labels, m_store.series[stream.first_series + slot].generation, 0, m_now_ms);
            return !skips_zeros;
        };
        if (skips_zeros) for_slots(marks, slots, [](const SlotMarks& m) { return m.live & ~m.stirred; }, rest);
        const bool has_zero = m_elements > first;
        const auto matters = [&](const SlotMarks& m) { return has_zero ? m.stirred & m.varied : m.stirred | m.live; };
        for_slots(marks, slots, matters, [&](std::int32_t slot) {
            if ((marks[slot / 64].stirred >> (slot % 64) & 1) == 0) return rest(slot) || true;
            read_window(window, s, slot, labels);
            settle(m_store, s, slot, m_store.activity[s].settled_ms);
            return m_status == PromqlStatus::ok;
        });
    }

    /// First time of the body: the first multiple of the step (in Unix time) inside the range.
    WT_HD std::int32_t subquery_begin(const PromqlInstruction& op, std::int32_t pc) {
        if (m_frames >= promql_subquery_limit) {
            fail(PromqlStatus::workspace_overflow);
            return pc;
        }
        const std::int64_t end_ms = end_of(op), start_ms = end_ms - op.range_ms;
        m_workspace.frames[m_frames++] = {m_now_ms, end_ms, m_elements, 0};
        m_now_ms = start_ms / op.step_ms * op.step_ms;
        if (is_before_start(m_now_ms, start_ms)) m_now_ms += op.step_ms;
        if (m_now_ms <= end_ms) return pc;
        push_vector(m_elements);
        return op.target - 1;  // nothing to run: go on at the end
    }

    WT_HD std::int32_t subquery_end(const PromqlInstruction& op, std::int32_t pc) {
        PromqlFrame& frame = m_workspace.frames[m_frames - 1];
        const PromqlInstruction& begin = m_program.instructions[op.target];
        const PromqlStackValue body = m_workspace.stack[--m_depth];
        for (std::int32_t i = 0; i < body.count; ++i) m_workspace.elements[body.first + i].time_ms = m_now_ms;
        frame.collected += body.count;
        m_now_ms += begin.step_ms;
        if (m_now_ms <= frame.end_ms) return op.target;
        --m_frames;
        m_now_ms = frame.outer_now_ms;
        reduce_subquery(op, begin, frame);
        return pc;
    }

    /// Groups what the body gave into series and applies the range function to each.
    WT_HD_CALL void reduce_subquery(const PromqlInstruction& op, const PromqlInstruction& begin,
                                    const PromqlFrame& frame) {
        const PromqlRangeFunction function = static_cast<PromqlRangeFunction>(op.function);
        const bool has_parameter =
            function == PromqlRangeFunction::quantile || function == PromqlRangeFunction::predict_linear;
        const double parameter = has_parameter ? pop_scalar() : 0;
        PromqlElement* elements = m_workspace.elements + frame.first;
        const std::int32_t count = frame.collected;
        for (std::int32_t i = 0; i < count; ++i) elements[i].mark = 0;
        std::int32_t out = 0;
        for (std::int32_t i = 0; i < count; ++i) {
            if (elements[i].mark != 0) continue;
            PromqlElement series = elements[i];
            std::int32_t points = 0;
            for (std::int32_t j = i; j < count; ++j) {
                if (elements[j].mark != 0 || !same_labels(series, elements[j])) continue;
                elements[j].mark = 1;
                if (!fits(points + 1)) return;
                m_workspace.points[points++] = {elements[j].time_ms, elements[j].value};
            }
            if (!apply_range_function(function, m_workspace.points, points, frame.end_ms - begin.range_ms,
                                      frame.end_ms, m_now_ms, parameter, m_program.semantics, series.value))
                continue;
            (void)label_map(m_program, op.table).apply(series);
            series.time_ms = m_now_ms;
            elements[out++] = series;
        }
        m_elements = frame.first + out;
        if (op.check_duplicates && has_duplicates(elements, out)) fail(PromqlStatus::duplicate_series);
        push_vector(frame.first);
    }

    WT_HD_CALL void vector_scalar(const PromqlInstruction& op) {
        const PromqlBinary function = static_cast<PromqlBinary>(op.function);
        PromqlStackValue v;
        double scalar = 0;
        if (op.swap) {
            v = m_workspace.stack[--m_depth];
            scalar = pop_scalar();
        } else {
            scalar = pop_scalar();
            v = m_workspace.stack[--m_depth];
        }
        PromqlElement* elements = elements_of(v);
        std::int32_t out = 0;
        for (std::int32_t i = 0; i < v.count; ++i) {
            PromqlElement e = elements[i];
            const double result =
                op.swap ? apply_binary(function, scalar, e.value) : apply_binary(function, e.value, scalar);
            if (is_comparison(function) && !op.returns_bool) {
                if (result == 0) continue;  // a filter: the element keeps its own value
            } else {
                e.value = result;
            }
            (void)label_map(m_program, op.table).apply(e);
            elements[out++] = e;
        }
        m_elements = v.first + out;
        push_vector(v.first);
        check_duplicates(op);
    }

    WT_HD_CALL void aggregate_top(const PromqlInstruction& op) {
        const PromqlAggregate function = static_cast<PromqlAggregate>(op.function);
        const bool selects = function == PromqlAggregate::topk || function == PromqlAggregate::bottomk;
        const PromqlStackValue v = m_workspace.stack[--m_depth];
        const double parameter = selects || function == PromqlAggregate::quantile ? pop_scalar() : 0;
        if (selects && !(absolute(parameter) < 9.2e18)) return fail(PromqlStatus::bad_parameter);
        if (!fits(v.count)) return;
        if (selects && v.first + 2 * v.count > m_workspace.element_capacity)
            return fail(PromqlStatus::workspace_overflow);
        PromqlLabelMap groups = label_map(m_program, op.table);
        for (std::int32_t i = 0; function == PromqlAggregate::count_values && i < v.count; ++i) {
            (void)groups.apply(elements_of(v)[i]);
            identify_by_value(elements_of(v)[i]);
        }
        if (function == PromqlAggregate::count_values) groups = {};  // the elements are in their groups
        m_elements =
            v.first + aggregate(function, elements_of(v), v.count, groups, parameter,
                                elements_of(v) + v.count, m_workspace.points, m_program.semantics);
        push_vector(v.first);
    }

    WT_HD_CALL void map_values(const PromqlInstruction& op) {
        const PromqlMap function = static_cast<PromqlMap>(op.function);
        const PromqlStackValue v = m_workspace.stack[--m_depth];
        double a = 0, b = 0;
        if (function == PromqlMap::clamp) b = pop_scalar();
        if (function >= PromqlMap::clamp && function <= PromqlMap::clamp_max) a = pop_scalar();
        if (function == PromqlMap::round) a = pop_scalar();
        PromqlElement* elements = elements_of(v);
        const std::int32_t count = function == PromqlMap::clamp && b < a ? 0 : v.count;
        for (std::int32_t i = 0; i < count; ++i) {
            PromqlElement& e = elements[i];
            if (function == PromqlMap::timestamp) e.value = static_cast<double>(e.time_ms) / 1000;
            if (function == PromqlMap::evaluation_time) e.value = static_cast<double>(m_now_ms) / 1000;
            e.value = apply_map(function, e.value, a, b);
            (void)label_map(m_program, op.table).apply(e);
        }
        m_elements = v.first + count;
        push_vector(v.first);
        check_duplicates(op);
    }

    WT_HD void relabel(const PromqlInstruction& op) {
        PromqlElement* elements = elements_of(top());
        std::int32_t out = 0;
        for (std::int32_t i = 0; i < top().count; ++i) {
            PromqlElement e = elements[i];
            if (label_map(m_program, op.table).apply(e)) elements[out++] = e;
        }
        resize(top(), out);
        check_duplicates(op);
    }

    WT_HD void check_duplicates(const PromqlInstruction& op) {
        if (m_status == PromqlStatus::ok && op.check_duplicates &&
            has_duplicates(elements_of(top()), top().count))
            fail(PromqlStatus::duplicate_series);
    }
};

/// The value of a query at one time, as an instant query at `now` would return it.
///
/// `workspace` has at least the program's `workspace` elements and points. The result's elements lie in it
/// until it is used again. Order of elements: that of the series (family, workload, own dimension, slot).
WT_HD inline PromqlResult evaluate(const PromqlProgramView& program, SampleStore& store, Tick now,
                                   PromqlWorkspace& workspace) {
    PromqlMachine machine(program, store, to_unix_ms(store.epoch_ms, now), workspace);
    return machine.run();
}

}  // namespace windtunnel
