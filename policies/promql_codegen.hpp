#pragma once
#include "policies/promql_compiler.hpp"
#include "policies/promql_labels.hpp"
#include "policies/promql_parser.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace windtunnel {

/// A node that stands for a range of samples of each series.
inline bool is_range(const PromqlNode& node) {
    return node.kind == PromqlNodeKind::subquery || (node.kind == PromqlNodeKind::selector && node.is_range);
}

inline std::optional<LabelSet> without_name(const LabelSet& labels) {
    LabelSet out = labels;
    out.erase("__name__");
    return out;
}

/// Letters, digits and _, not beginning with a digit.
[[nodiscard]] bool is_label_name(const std::string& name);

/// The union of two ascending runs of label sets.
inline std::vector<std::int32_t> merged(const std::vector<std::int32_t>& a,
                                        const std::vector<std::int32_t>& b) {
    std::set<std::int32_t> all(a.begin(), a.end());
    all.insert(b.begin(), b.end());
    return {all.begin(), all.end()};
}

inline bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// What the compiler knows of an expression's value: the label sets that its elements may have and how many
/// elements there can be. A scalar has none.
struct PromqlFlow {
    bool is_scalar = false;
    std::vector<std::int32_t> labels;  ///< ascending
    std::int64_t cardinality = 0;
};

/// Turns one parsed query into a program: checks types, resolves matchers to streams, turns every change of
/// labels into a table, and adds up the memory that an evaluation needs.
class PromqlCodeGenerator {
public:
    PromqlCodeGenerator(PromqlCompiler& compiler, SourcePosition where, std::string path)
        : m_compiler(compiler), m_where(std::move(where)), m_path(std::move(path)) {}

    Result<PromqlProgram> run(std::string_view query);

private:
    using Transform = std::function<std::optional<LabelSet>(const LabelSet&)>;
    struct LabelMapping {
        std::int32_t table = -1;
        std::vector<std::int32_t> labels;  ///< what it gives, ascending
        bool is_injective = true;
        bool keeps_pods = false;
    };
    struct SelectedStream {
        std::int32_t family, workload, extra;
        LabelSet labels;
    };

    PromqlCompiler& m_compiler;
    SourcePosition m_where;
    std::string m_path;
    PromqlProgram m_program;
    LabelSetTable m_table;
    Problems m_problems;
    std::vector<std::string> m_metrics_open;  ///< recorded metrics being expanded, outermost first
    std::int64_t m_history_ms = 0;  ///< how much further back than `now` the current expression may look
    std::int64_t m_elements = 0, m_peak_elements = 0, m_points = 1;
    std::int32_t m_stack = 0, m_peak_stack = 0, m_subqueries = 0;

    void problem(std::int32_t column, const std::string& message);
    void warning(std::int32_t column, const std::string& message);
    [[nodiscard]] std::string located(std::int32_t column, const std::string& message) const;

    PromqlInstruction& emit(PromqlOp op);
    void pop(const PromqlFlow& flow);
    PromqlFlow push(PromqlFlow flow);

    LabelMapping map_labels(const std::vector<std::int32_t>& labels, const Transform& transform);
    LabelMapping drop_name(const std::vector<std::int32_t>& labels);
    void warn_of_unknown_labels(const PromqlNode& node, const std::vector<std::int32_t>& labels);

    PromqlFlow expression(const PromqlNode& node);
    PromqlFlow vector(const PromqlNode& node, const std::string& user);
    void scalar(const PromqlNode& node, const std::string& user);

    [[nodiscard]] std::int64_t history_before(const PromqlNode& node) const;
    std::vector<SelectedStream> resolve(const PromqlNode& node);
    void warn_of_empty_selection(const PromqlNode& node, const std::vector<std::int32_t>& families);
    std::int32_t require_stream(const PromqlNode& node, const SelectedStream& s, std::int64_t history_ms);
    PromqlFlow selector(const PromqlNode& node);
    PromqlFlow recorded_metric(const PromqlNode& node);
    [[nodiscard]] std::string recorded_text(const PromqlNode& node);
    PromqlFlow range(const PromqlNode& node, const std::string& user, PromqlRangeFunction function);
    PromqlFlow subquery(const PromqlNode& node, PromqlRangeFunction function, std::int64_t step_ms,
                        const std::function<PromqlFlow()>& body);

    PromqlFlow call(const PromqlNode& node);
    PromqlFlow range_call(const PromqlNode& node, PromqlRangeFunction function);
    PromqlFlow map_call(const PromqlNode& node, PromqlMap function);
    PromqlFlow map_top(PromqlFlow flow, PromqlMap function, bool on_selector = false);
    PromqlFlow absent(const PromqlNode& node, bool over_time);
    PromqlFlow histogram_quantile(const PromqlNode& node);
    PromqlFlow label_replace(const PromqlNode& node);
    PromqlFlow label_join(const PromqlNode& node);
    PromqlFlow relabelled(PromqlFlow flow, const Transform& transform);
    PromqlFlow aggregation(const PromqlNode& node);
    PromqlFlow binary(const PromqlNode& node);
    PromqlFlow set_binary(const PromqlNode& node, const PromqlFlow& left, const PromqlFlow& right);
    PromqlFlow joined(const PromqlNode& node, const PromqlFlow& left, const PromqlFlow& right);
    bool argument_count(const PromqlNode& node, std::size_t least, std::size_t most);
    [[nodiscard]] Transform matching(const PromqlNode& node) const;
};

}  // namespace windtunnel
