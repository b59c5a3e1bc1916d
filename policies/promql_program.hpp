#pragma once
#include "models/host_device.hpp"

#include <cstdint>
#include <type_traits>

namespace windtunnel {

/// Operations of the PromQL machine. Each pops its operands from a stack of values and pushes one value.
/// A vector's elements lie in the workspace's element stack, in the order of the value stack. Scalar
/// parameters lie below the vector they belong to, in the order in which the function takes them.
enum class PromqlOp : std::uint8_t {
    number,          ///< push `number`
    time,            ///< push the evaluation time in seconds
    empty,           ///< push an empty vector
    select,          ///< latest sample of each series within the lookback (`range_ms`)
    range_select,    ///< PromqlRangeFunction over the samples of each series within `range_ms`
    subquery_begin,  ///< run the body at each `step_ms` of `range_ms`; the body ends at subquery_end
    subquery_end,    ///< `target` = the matching begin; PromqlRangeFunction over what the body gave
    shift_time,      ///< evaluate what follows `offset_ms` earlier (undone by the opposite shift)
    scalar_negate,
    scalar_binary,  ///< PromqlBinary on two scalars
    vector_scalar,  ///< PromqlBinary on a vector and a scalar; flag `swap`: the scalar is on the left
    vector_vector,  ///< PromqlBinary with vector matching
    set_binary,     ///< and, or, unless
    aggregate,      ///< PromqlAggregate over groups
    map_values,     ///< PromqlMap element by element
    relabel,        ///< new labels by `table`; elements mapped to -1 are dropped
    histogram_quantile,
    scalar_of_vector,
    vector_of_scalar,
    absent,  ///< `target`: the labels of the answer
    sort,    ///< flag `swap`: descending
};

enum class PromqlRangeFunction : std::uint8_t {
    rate,
    increase,
    delta,
    irate,
    idelta,
    deriv,
    predict_linear,
    avg,
    min,
    max,
    sum,
    count,
    last,
    present,
    stddev,
    stdvar,
    quantile,
    changes,
    resets,
};
enum class PromqlBinary : std::uint8_t {
    add,
    subtract,
    multiply,
    divide,
    modulo,
    power,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    set_and,
    set_or,
    set_unless,
};
enum class PromqlAggregate : std::uint8_t {
    sum,
    avg,
    min,
    max,
    count,
    group,
    stddev,
    stdvar,
    quantile,
    topk,
    bottomk,
    count_values,
};
enum class PromqlMap : std::uint8_t {
    negate,
    abs,
    ceil,
    floor,
    round,
    sqrt,
    sgn,
    clamp,
    clamp_min,
    clamp_max,
    timestamp,
    evaluation_time,
    minute,
    hour,
    day_of_week,
    day_of_month,
    days_in_month,
    month,
    year,
    day_of_year,
};

/// Which Prometheus is imitated. They differ in whether a sample exactly at the start of a range (or of
/// the lookback) counts (2.x: yes, 3.x: no), in how rate() stops its extrapolation at zero, and in how sums
/// are rounded (2.x adds in order; 3.x with Kahan-Neumaier compensation).
enum class PromqlSemantics : std::uint8_t { prometheus_2, prometheus_3 };

/// The @ modifier: at which time a selector or subquery looks, before its offset.
enum class PromqlAt : std::uint8_t {
    now,         ///< none given
    evaluation,  ///< @ start() or @ end(): when the query is evaluated, in subqueries too
    fixed,       ///< @ 1704067200: a Unix time
};

/// How a vector_vector operation pairs its sides.
enum class PromqlCardinality : std::uint8_t { one_to_one, many_to_one, one_to_many };

/// One instruction. Label sets are small integers, made when the query is compiled; a *label map* is a run of
/// `words`, indexed by label set: -1 (drop the element), or 2 * new label set + (1 if the pod stays part of
/// the identity).
struct PromqlInstruction {
    PromqlOp op = PromqlOp::empty;
    std::uint8_t function = 0;  ///< PromqlRangeFunction, PromqlBinary, PromqlAggregate or PromqlMap
    bool returns_bool = false;
    bool swap = false;
    bool check_duplicates = false;  ///< the label map may make two elements equal: an error, as in Prometheus
    PromqlCardinality cardinality = PromqlCardinality::one_to_one;
    PromqlAt at = PromqlAt::now;  ///< select, range_select, subquery_begin
    std::int32_t table = -1;  ///< select: pairs (stream, label set); else the label map; -1 = keep labels
    std::int32_t count = 0;   ///< select: number of pairs
    std::int32_t left_match = -1;   ///< label map to match groups, left side
    std::int32_t right_match = -1;  ///< the same, right side
    std::int32_t include = -1;      ///< group_left(labels): result by [many * include_width + one]
    std::int32_t include_width = 0;
    std::int32_t target = -1;  ///< jump target, label set or index of bucket bounds, by operation
    std::int64_t range_ms = 0;
    std::int64_t offset_ms = 0;
    std::int64_t step_ms = 0;
    std::int64_t at_ms = 0;  ///< of PromqlAt::fixed
    double number = 0;
};
static_assert(std::is_trivially_copyable_v<PromqlInstruction>);

/// What one evaluation needs of the caller's memory.
struct PromqlWorkspaceSize {
    std::int32_t elements = 0;
    std::int32_t points = 0;
};

/// A compiled query as a trial sees it. The three arrays are the blueprint's.
struct PromqlProgramView {
    const PromqlInstruction* instructions = nullptr;
    const std::int32_t* words = nullptr;
    const double* numbers = nullptr;
    std::int32_t instruction_count = 0;
    PromqlSemantics semantics = PromqlSemantics::prometheus_2;
    bool is_scalar = false;
    PromqlWorkspaceSize workspace;
};
static_assert(std::is_trivially_copyable_v<PromqlProgramView>);

/// One element of an instant vector: a label set, a pod (when the labels name one), a value.
struct PromqlElement {
    std::int32_t labels = 0;
    std::int32_t pod = -1;         ///< StreamPlan::first_pod + slot; -1 = the labels name no pod; below: value_key
    std::uint32_t generation = 0;  ///< tells the pods apart that had the same slot one after another
    std::int32_t mark = 0;         ///< the evaluator's own
    double value = 0;
    std::int64_t time_ms = 0;
};

/// A sample of a range, or whatever else needs a number with a tag while it is sorted.
struct PromqlPoint {
    std::int64_t time_ms = 0;
    double value = 0;
};

struct PromqlStackValue {
    double scalar = 0;
    std::int32_t first = 0;  ///< of a vector: its first element
    std::int32_t count = 0;
};

struct PromqlFrame {
    std::int64_t outer_now_ms = 0;
    std::int64_t end_ms = 0;
    std::int32_t first = 0;
    std::int32_t collected = 0;
};

inline constexpr std::int32_t promql_stack_limit = 24;  ///< values; deeper nesting is refused by the compiler
inline constexpr std::int32_t promql_subquery_limit = 4;  ///< subqueries inside subqueries

/// Memory of one evaluation, lent by the caller; nothing in it outlives the use of the result.
struct PromqlWorkspace {
    PromqlElement* elements = nullptr;
    PromqlPoint* points = nullptr;
    std::int32_t element_capacity = 0;
    std::int32_t point_capacity = 0;
    PromqlStackValue stack[promql_stack_limit];
    PromqlFrame frames[promql_subquery_limit];
};

enum class PromqlStatus : std::uint8_t {
    ok,
    // What Prometheus answers with an error:
    duplicate_series,  ///< the result would hold two elements with the same labels
    many_to_many,      ///< a match group has several elements on a side that must have one
    bad_parameter,     ///< topk() of a number that is no integer
    unavailable,       ///< Prometheus does not answer
    // What would make our answer wrong, and is therefore none:
    workspace_overflow,
    history_too_short,  ///< a ring has lost samples that the query looks at
};

/// True for the errors that a real Prometheus would return to its client; the others end the trial.
WT_HD constexpr bool is_query_error(PromqlStatus s) {
    return s == PromqlStatus::duplicate_series || s == PromqlStatus::many_to_many ||
           s == PromqlStatus::bad_parameter || s == PromqlStatus::unavailable;
}

/// The answer: a scalar (`is_scalar`, count = 1), or `count` elements in the workspace; count = 0 is the
/// empty vector. With any status but ok there is no value.
struct PromqlResult {
    PromqlStatus status = PromqlStatus::ok;
    bool is_scalar = false;
    double scalar = 0;
    const PromqlElement* elements = nullptr;
    std::int32_t count = 0;
};

}  // namespace windtunnel
