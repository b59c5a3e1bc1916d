#pragma once
#include "models/problem.hpp"
#include "policies/metric_catalog.hpp"
#include "policies/promql_program.hpp"
#include "policies/sample_store.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// One of the expressions that together make a metric, and labels that all its elements have: where a matcher refuses
/// these, the expression is left out.
struct PromqlMetricPart {
    LabelSet labels;
    std::string expression;
    std::string refused;  ///< why it cannot be used; "" = it can
};

struct PromqlOptions {
    PromqlSemantics semantics = PromqlSemantics::prometheus_2;
    std::int64_t lookback_ms = 300'000;              ///< Prometheus' query.lookback-delta
    std::int64_t default_subquery_step_ms = 60'000;  ///< [5m:]: Prometheus' global evaluation_interval
    std::int64_t longest_history_ms = INT64_MAX;  ///< of a trial: no window holds more samples than this gives
    std::int64_t delay_ms = 0;  ///< queries may be evaluated so long after the fact
    std::int32_t pods_per_slot = 3;  ///< pods that may follow one another in a slot within one query's window
    /// Further metrics, as recording rules make them: name -> expression. A use of the name is replaced by
    /// the expression, evaluated when the query is; a range of it is a subquery with the default step.
    std::map<std::string, std::string> metrics;
    /// The same of metrics in parts (ALERTS).
    std::map<std::string, std::vector<PromqlMetricPart>> parts;

    [[nodiscard]] bool is_recorded(const std::string& name) const { return metrics.contains(name) || parts.contains(name); }
};

/// A compiled query on the host. What a trial needs of it is in `view()`, whose arrays it owns.
struct PromqlProgram {
    std::vector<PromqlInstruction> instructions;
    std::vector<std::int32_t> words;
    std::vector<double> numbers;
    PromqlSemantics semantics = PromqlSemantics::prometheus_2;
    bool is_scalar = false;
    PromqlWorkspaceSize workspace;
    std::vector<LabelSet> label_sets;  ///< by PromqlElement::labels; pod labels hold pod_label_placeholder
    std::int64_t cardinality = 0;      ///< the most elements that an answer has
    std::vector<std::string> unknown_metrics;  ///< names that nothing exposes
    bool absent_of_nothing = false;    ///< absent() of a selector that no series passes
    Problems warnings;                 ///< a metric that nobody exposes, a selector that selects nothing

    [[nodiscard]] PromqlProgramView view() const;
};

/// Where every series that any compiled query reads lies in a trial's sample store.
struct SampleLayout {
    std::vector<StreamPlan> streams;
    std::int32_t series_count = 0;  ///< how many SeriesState a store has
    std::int64_t sample_count = 0;  ///< how many SampleRun
    /// By workload: PromqlElement::pod of its slot 0; slot s is first_pod + s.
    std::vector<std::int32_t> first_pod;
};

/// Compiles the queries of a scenario against what its cluster exposes.
///
/// All queries of a scenario go through one compiler, because they share the sample store: it holds just the
/// series that some query selects, each with the history that the longest query needs. Ask for the layout
/// after the last one.
///
/// The language is PromQL as Prometheus 2.42 evaluates it in an instant query, checked against its engine.
/// - *Refused*, because labels and numbers are fixed before a trial or must be the same on every processor:
///   count_values, label_replace() that tells pods of one workload apart, transcendental functions, ^ with anything but a constant
///   integer (-64 to 64) or 0.5, native histograms.
/// - *Matchers* are resolved here. A label with a value for each pod takes patterns that accept all or none
/// of a
///   workload's pods (`pod=~"chat-.*"`); what would tell pods apart is refused. Regular expressions are the
///   standard library's ECMAScript ones, anchored, with an optional leading (?i).
/// - *Staleness*: a selector finds the latest sample of the lookback, and nothing once the series has ended.
/// A
///   pod that takes over the slot of another is a new series.
/// - *Rounding*: sum() adds and avg() averages plainly in the order of the series (family, workload, own
///   dimension, slot), which Prometheus 2.x leaves to chance; functions over time compensate
///   (Kahan-Neumaier), as do sum() and avg() under the semantics of Prometheus 3.
/// - *Equal values* in topk(), bottomk() and sort(): the order of the series decides.
class PromqlCompiler {
public:
    explicit PromqlCompiler(MetricCatalog catalog, PromqlOptions options = {});

    /// A program, or all that is wrong with the query. Messages start with "query column N"; `where` and
    /// `path` go into the problems as they are.
    [[nodiscard]] Result<PromqlProgram> compile(std::string_view query, const SourcePosition& where = {},
                                                const std::string& path = {});

    [[nodiscard]] SampleLayout layout() const;
    [[nodiscard]] const MetricCatalog& catalog() const { return m_catalog; }
    [[nodiscard]] const PromqlOptions& options() const { return m_options; }
    /// Index of a stream, made when it is not there yet, with at least this much history.
    std::int32_t require_stream(std::int32_t family, std::int32_t workload, std::int32_t extra,
                                std::int64_t history_ms);

private:
    struct Stream {
        StreamPlan plan;
        std::int64_t history_ms = 0;
    };
    MetricCatalog m_catalog;
    PromqlOptions m_options;
    std::vector<Stream> m_streams;
    std::vector<std::int32_t> m_first_pod;  ///< by workload
};

}  // namespace windtunnel
