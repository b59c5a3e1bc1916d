#pragma once
#include "models/problem.hpp"
#include "policies/promql_program.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

enum class PromqlNodeKind : std::uint8_t {
    number,
    string,
    selector,
    subquery,
    call,
    aggregation,
    unary_minus,
    binary,
};

enum class PromqlMatch : std::uint8_t { equal, not_equal, regex, not_regex };

struct PromqlMatcher {
    std::string label;
    PromqlMatch type = PromqlMatch::equal;
    std::string value;
    std::int32_t column = 0;
};

/// One node of a parsed query. Which members count depends on the kind.
struct PromqlNode {
    PromqlNodeKind kind = PromqlNodeKind::number;
    std::int32_t column = 1;  ///< where it starts in the query, from 1

    double number = 0;  ///< number
    std::string name;   ///< metric ("" = none given), function or aggregation name, string text
    std::vector<PromqlMatcher> matchers;  ///< selector, without the one for the name
    bool is_range = false;                ///< selector with [range]
    bool in_parentheses = false;          ///< takes no [range] or offset
    std::int64_t range_ms = 0;            ///< range selector, subquery
    std::int64_t step_ms = 0;             ///< subquery; 0 = default
    std::int64_t offset_ms = 0;           ///< selector, subquery
    PromqlAt at = PromqlAt::now;          ///< selector, subquery
    std::int64_t at_ms = 0;

    PromqlBinary op = PromqlBinary::add;  ///< binary
    bool returns_bool = false;
    bool has_matching = false;  ///< on() or ignoring() is given
    bool matches_on = false;    ///< on(): match on `labels` only
    PromqlCardinality cardinality = PromqlCardinality::one_to_one;
    std::vector<std::string> include;  ///< labels in group_left() or group_right()

    bool groups_without = false;      ///< aggregation: without()
    std::vector<std::string> labels;  ///< aggregation: by/without; binary: on/ignoring

    std::vector<std::unique_ptr<PromqlNode>> children;  ///< operands or arguments
};

/// Parses a query with Prometheus' grammar and precedences. A problem's message starts with "query column N".
/// `where` and `path` say where the query stands and go into the problem unchanged.
[[nodiscard]] Result<std::unique_ptr<PromqlNode>> parse_promql(std::string_view query,
                                                               const SourcePosition& where = {},
                                                               const std::string& path = {});

}  // namespace windtunnel
