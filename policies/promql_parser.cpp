#include "policies/promql_parser.hpp"

#include "models/lower_case.hpp"
#include "policies/promql_lexer.hpp"

#include <algorithm>
#include <array>

namespace windtunnel {
namespace {

using NodePointer = std::unique_ptr<PromqlNode>;

struct BinaryOperator {
    std::string_view text;
    PromqlBinary op;
    int precedence;
};

// Prometheus' table: or < and, unless < comparisons < + - < * / % < ^. All from the left but ^.
constexpr std::array<BinaryOperator, 15> binary_operators = {{
    {"or", PromqlBinary::set_or, 1},
    {"and", PromqlBinary::set_and, 2},
    {"unless", PromqlBinary::set_unless, 2},
    {"==", PromqlBinary::equal, 3},
    {"!=", PromqlBinary::not_equal, 3},
    {"<", PromqlBinary::less, 3},
    {"<=", PromqlBinary::less_equal, 3},
    {">", PromqlBinary::greater, 3},
    {">=", PromqlBinary::greater_equal, 3},
    {"+", PromqlBinary::add, 4},
    {"-", PromqlBinary::subtract, 4},
    {"*", PromqlBinary::multiply, 5},
    {"/", PromqlBinary::divide, 5},
    {"%", PromqlBinary::modulo, 5},
    {"^", PromqlBinary::power, 6},
}};
constexpr int power_precedence = 6;

constexpr std::array<std::string_view, 14> aggregations = {
    "sum",    "avg",  "min",     "max",      "count",        "group",  "stddev",
    "stdvar", "topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio"};

bool is_aggregation(std::string_view name) {
    return std::find(aggregations.begin(), aggregations.end(), name) != aggregations.end();
}

/// Thrown inside this file only, caught in parse_promql.
struct SyntaxError {
    std::int32_t column;
    std::string message;
};

class Parser {
public:
    explicit Parser(std::vector<PromqlToken> tokens) : m_tokens(std::move(tokens)) {}

    NodePointer parse() {
        NodePointer node = expression(1);
        if (peek().kind != PromqlTokenKind::end) fail("an operator or the end of the query");
        return node;
    }

private:
    std::vector<PromqlToken> m_tokens;
    std::size_t m_at = 0;
    int m_depth = 0;
    int m_nodes = 0;  // bounds the height of the tree, which is walked by recursion

    const PromqlToken& peek(std::size_t ahead = 0) const {
        return m_tokens[std::min(m_at + ahead, m_tokens.size() - 1)];
    }
    const PromqlToken& take() { return m_tokens[m_at < m_tokens.size() - 1 ? m_at++ : m_at]; }

    [[noreturn]] void fail(const std::string& allowed) const {
        const PromqlToken& t = peek();
        const std::string found = t.kind == PromqlTokenKind::end      ? "the end of the query"
                                  : t.kind == PromqlTokenKind::string ? "the string \"" + t.text + "\""
                                                                      : "'" + t.text + "'";
        throw SyntaxError{t.column, "found " + found + ", allowed: " + allowed};
    }

    bool is_symbol(std::string_view text) const {
        return peek().kind == PromqlTokenKind::symbol && peek().text == text;
    }
    bool is_word(std::string_view text) const {
        return peek().kind == PromqlTokenKind::identifier && lower_case(peek().text) == text;
    }
    bool accept(std::string_view symbol) {
        if (!is_symbol(symbol)) return false;
        take();
        return true;
    }
    void require(std::string_view symbol) {
        if (!accept(symbol)) fail("'" + std::string(symbol) + "'");
    }

    NodePointer make(PromqlNodeKind kind, std::int32_t column) {
        if (++m_nodes > 1000) throw SyntaxError{column, "found more than 1000 parts, allowed: 1000"};
        auto node = std::make_unique<PromqlNode>();
        node->kind = kind;
        node->column = column;
        return node;
    }

    const BinaryOperator* binary_here() const {
        const bool word = peek().kind == PromqlTokenKind::identifier;
        if (!word && peek().kind != PromqlTokenKind::symbol) return nullptr;
        for (const BinaryOperator& op : binary_operators)
            if (word ? lower_case(peek().text) == op.text : peek().text == op.text) return &op;
        return nullptr;
    }

    /// Operators of at least `least` precedence.
    NodePointer expression(int least) {
        if (++m_depth > 100) fail("at most 100 nested expressions");
        NodePointer left = unary();
        while (const BinaryOperator* op = binary_here()) {
            if (op->precedence < least) break;
            NodePointer node = make(PromqlNodeKind::binary, take().column);
            node->op = op->op;
            modifiers(*node, *op);
            NodePointer right =
                expression(op->op == PromqlBinary::power ? op->precedence : op->precedence + 1);
            node->children.push_back(std::move(left));
            node->children.push_back(std::move(right));
            left = std::move(node);
        }
        if (is_word("atan2")) fail("an operator other than atan2, which needs a transcendental function");
        --m_depth;
        return left;
    }

    /// bool, on/ignoring and group_left/group_right after an operator.
    void modifiers(PromqlNode& node, const BinaryOperator& op) {
        const bool set_operator = op.precedence <= 2;
        if (is_word("bool")) {
            if (op.precedence != 3) fail("bool only after a comparison (==, !=, <, <=, >, >=)");
            take();
            node.returns_bool = true;
        }
        if (!is_word("on") && !is_word("ignoring")) return;
        node.has_matching = true;
        node.matches_on = lower_case(take().text) == "on";
        node.labels = label_list();
        if (!is_word("group_left") && !is_word("group_right")) return;
        if (set_operator) fail("and, or, unless without group_left or group_right");
        node.cardinality = lower_case(take().text) == "group_left" ? PromqlCardinality::many_to_one
                                                                   : PromqlCardinality::one_to_many;
        if (is_symbol("(")) node.include = label_list();
        for (const std::string& label : node.include)
            if (node.matches_on &&
                std::find(node.labels.begin(), node.labels.end(), label) != node.labels.end())
                fail("in group_left/group_right only labels that on() does not name ('" + label +
                     "' is in both)");
    }

    /// A sign binds as * does: -2^2 is -(2^2).
    NodePointer unary() {
        if (!is_symbol("+") && !is_symbol("-")) return postfix();
        const PromqlToken& sign = take();
        const bool negative = sign.text == "-";
        const std::int32_t column = sign.column;
        NodePointer operand = expression(power_precedence);
        if (!negative) return operand;
        NodePointer node = make(PromqlNodeKind::unary_minus, column);
        node->children.push_back(std::move(operand));
        return node;
    }

    NodePointer postfix() {
        NodePointer node = primary();
        bool has_offset = false, has_modifier = false;
        while (true) {
            if (is_symbol("[")) {
                if (has_modifier && node->kind == PromqlNodeKind::selector && !is_subquery_here())
                    fail("the offset after the range: metric[5m] offset 1h");
                node = brackets(std::move(node));
                has_offset = has_modifier = false;
            } else if (is_word("offset")) {
                const bool fits =
                    node->kind == PromqlNodeKind::selector || node->kind == PromqlNodeKind::subquery;
                if (!fits || node->in_parentheses) fail("offset only after a selector or a subquery");
                if (has_offset) fail("one offset");
                take();
                const bool negative = accept("-");
                node->offset_ms = duration() * (negative ? -1 : 1);
                has_offset = has_modifier = true;
            } else if (is_symbol("@")) {
                const bool fits = node->kind == PromqlNodeKind::selector || node->kind == PromqlNodeKind::subquery;
                if (!fits || node->in_parentheses) fail("@ only after a selector or a subquery");
                if (node->at != PromqlAt::now) fail("one @");
                take();
                at_time(*node);
                has_modifier = true;
            } else {
                return node;
            }
        }
    }

    /// What stands behind @: a Unix time in seconds, start() or end().
    void at_time(PromqlNode& node) {
        if (is_word("start") || is_word("end")) {
            take();
            require("(");
            require(")");
            node.at = PromqlAt::evaluation;
            return;
        }
        const bool negative = accept("-");
        if (peek().kind != PromqlTokenKind::number || !(peek().number < 1e14)) fail("a Unix time in seconds, start() or end()");
        node.at = PromqlAt::fixed;
        const double ms = take().number * 1000;  // to the nearest millisecond, as Prometheus reads it
        node.at_ms = static_cast<std::int64_t>(ms + 0.5) * (negative ? -1 : 1);
    }

    std::int64_t duration() {
        if (peek().kind != PromqlTokenKind::duration) fail("a duration such as 30s, 5m or 1h30m");
        return take().duration_ms;
    }

    bool is_subquery_here() const { return peek(2).kind == PromqlTokenKind::symbol && peek(2).text == ":"; }

    /// [5m] or [5m:30s] behind `inner`.
    NodePointer brackets(NodePointer inner) {
        const std::int32_t column = inner->column;
        require("[");
        const std::int64_t range = duration();
        if (range <= 0) {
            --m_at;
            fail("a range longer than 0");
        }
        if (!is_symbol(":")) {
            if (inner->kind != PromqlNodeKind::selector || inner->is_range || inner->in_parentheses)
                fail(
                    "':' and a step (a subquery such as [5m:30s]); [5m] stands only behind a metric "
                    "selector");
            require("]");
            inner->is_range = true;
            inner->range_ms = range;
            return inner;
        }
        require(":");
        NodePointer node = make(PromqlNodeKind::subquery, column);
        node->range_ms = range;
        if (!is_symbol("]")) {
            node->step_ms = duration();
            if (node->step_ms <= 0) {
                --m_at;
                fail("a step longer than 0");
            }
        }
        require("]");
        node->children.push_back(std::move(inner));
        return node;
    }

    NodePointer primary() {
        const PromqlToken& token = peek();
        if (token.kind == PromqlTokenKind::number) {
            NodePointer node = make(PromqlNodeKind::number, token.column);
            node->number = take().number;
            return node;
        }
        if (token.kind == PromqlTokenKind::string) {
            NodePointer node = make(PromqlNodeKind::string, token.column);
            node->name = take().text;
            return node;
        }
        if (accept("(")) {
            NodePointer node = expression(1);
            require(")");
            node->in_parentheses = true;
            return node;
        }
        if (is_symbol("{")) return selector(token.column, "");
        if (token.kind != PromqlTokenKind::identifier) fail("a metric, a number, a function or '('");
        const std::int32_t column = token.column;
        const std::string name = take().text;
        const bool grouping = is_word("by") || is_word("without");
        if (is_aggregation(lower_case(name)) && (is_symbol("(") || grouping))
            return aggregation(column, lower_case(name));
        if (is_symbol("(")) return call(column, name);
        return selector(column, name);
    }

    NodePointer selector(std::int32_t column, std::string name) {
        NodePointer node = make(PromqlNodeKind::selector, column);
        node->name = std::move(name);
        if (!accept("{")) return node;
        while (!accept("}")) {
            PromqlMatcher matcher;
            matcher.column = peek().column;
            if (peek().kind != PromqlTokenKind::identifier) fail("a label name or '}'");
            matcher.label = take().text;
            if (matcher.label.find(':') != std::string::npos) {
                --m_at;
                fail("a label name (letters, digits and _)");
            }
            static constexpr std::array<std::string_view, 4> types = {"=", "!=", "=~", "!~"};
            const auto type = std::find(types.begin(), types.end(), peek().text);
            if (peek().kind != PromqlTokenKind::symbol || type == types.end()) fail("=, !=, =~ or !~");
            matcher.type = static_cast<PromqlMatch>(type - types.begin());
            take();
            if (peek().kind != PromqlTokenKind::string) fail("a quoted string");
            matcher.value = take().text;
            node->matchers.push_back(std::move(matcher));
            if (!is_symbol("}") && !accept(",")) fail("',' or '}'");
        }
        return node;
    }

    std::vector<std::string> label_list() {
        std::vector<std::string> labels;
        require("(");
        while (!accept(")")) {
            if (peek().kind != PromqlTokenKind::identifier || peek().text.find(':') != std::string::npos)
                fail("a label name or ')'");
            labels.push_back(take().text);
            if (!is_symbol(")") && !accept(",")) fail("',' or ')'");
        }
        return labels;
    }

    bool grouping(PromqlNode& node) {
        if (!is_word("by") && !is_word("without")) return false;
        node.groups_without = lower_case(take().text) == "without";
        node.labels = label_list();
        return true;
    }

    NodePointer aggregation(std::int32_t column, std::string name) {
        NodePointer node = make(PromqlNodeKind::aggregation, column);
        node->name = std::move(name);
        const bool before = grouping(*node);
        arguments(*node);
        if (!before) (void)grouping(*node);
        return node;
    }

    NodePointer call(std::int32_t column, std::string name) {
        NodePointer node = make(PromqlNodeKind::call, column);
        node->name = std::move(name);
        arguments(*node);
        return node;
    }

    void arguments(PromqlNode& node) {
        require("(");
        if (accept(")")) return;
        while (true) {
            node.children.push_back(expression(1));
            if (accept(")")) return;
            if (!accept(",")) fail("',' or ')'");
        }
    }
};

}  // namespace

Result<std::unique_ptr<PromqlNode>> parse_promql(std::string_view query, const SourcePosition& where,
                                                 const std::string& path) {
    auto problem = [&](std::int32_t column, const std::string& message) {
        return Problem{where, path, "query column " + std::to_string(column) + ": " + message};
    };
    PromqlLexerError error;
    std::vector<PromqlToken> tokens = lex_promql(query, error);
    if (!error.message.empty()) return problem(error.column, error.message);
    try {
        return Parser(std::move(tokens)).parse();
    } catch (const SyntaxError& e) {
        return problem(e.column, e.message);
    }
}

}  // namespace windtunnel
