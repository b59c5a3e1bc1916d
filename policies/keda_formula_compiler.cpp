#include "policies/keda_formula_compiler.hpp"

#include "policies/promql_labels.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

namespace windtunnel {
namespace {

using Op = KedaFormulaOp;

/// Thrown inside this file only, caught in compile_keda_formula.
struct FormulaError {
    std::size_t column;
    std::string message;
};

struct Token {
    enum class Kind : std::uint8_t { end, number, name, symbol } kind = Kind::end;
    std::string text;
    double number = 0;
    bool integer = false;
    std::size_t column = 1;
};

std::vector<Token> tokens_of(std::string_view text) {
    std::vector<Token> out;
    std::size_t at = 0;
    const auto is = [&](std::size_t i, int (*test)(int)) {
        return i < text.size() && test(static_cast<unsigned char>(text[i])) != 0;
    };
    while (at < text.size()) {
        if (is(at, std::isspace)) {
            ++at;
            continue;
        }
        Token token;
        token.column = at + 1;
        const std::size_t start = at;
        if (is(at, std::isdigit) || (text[at] == '.' && is(at + 1, std::isdigit))) {
            token.kind = Token::Kind::number;
            std::string digits;
            while (at < text.size() && (is(at, std::isdigit) || text[at] == '_' || text[at] == '.' || text[at] == 'e' || text[at] == 'E' ||
                                        ((text[at] == '-' || text[at] == '+') && (text[at - 1] == 'e' || text[at - 1] == 'E')))) {
                if (text[at] != '_') digits += text[at];
                ++at;
            }
            token.integer = digits.find_first_of(".eE") == std::string::npos;
            const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), token.number);
            if (error != std::errc{} || end != digits.data() + digits.size())
                throw FormulaError{token.column, "found '" + std::string(text.substr(start, at - start)) + "', allowed: a number"};
        } else if (is(at, std::isalpha) || text[at] == '_') {
            token.kind = Token::Kind::name;
            while (is(at, std::isalnum) || (at < text.size() && text[at] == '_')) ++at;
        } else {
            token.kind = Token::Kind::symbol;
            const std::string_view two = text.substr(at, 2);
            static constexpr std::string_view doubles[] = {"==", "!=", "<=", ">=", "&&", "||", "??", "**"};
            at += std::find(std::begin(doubles), std::end(doubles), two) != std::end(doubles) ? 2 : 1;
            if (at == start + 1 && std::string_view("+-*/%^<>!?:()[]{},#").find(text[start]) == std::string_view::npos)
                throw FormulaError{token.column, "found '" + std::string(1, text[start]) +
                                                     "', allowed: numbers, trigger names, operators and functions"};
        }
        token.text = std::string(text.substr(start, at - start));
        out.push_back(token);
    }
    Token end;
    end.column = text.size() + 1;
    out.push_back(end);
    return out;
}

struct BinaryRow {
    int precedence;
    Op op;
};
// As in expr [from general knowledge, not re-read, 2026-11].
const std::map<std::string, BinaryRow>& binaries() {
    static const std::map<std::string, BinaryRow> table = {
        {"or", {10, Op::keep_if_true}}, {"||", {10, Op::keep_if_true}}, {"and", {15, Op::keep_if_false}}, {"&&", {15, Op::keep_if_false}},
        {"==", {20, Op::equal}}, {"!=", {20, Op::not_equal}}, {"<", {20, Op::less}}, {"<=", {20, Op::less_equal}},
        {">", {20, Op::greater}}, {">=", {20, Op::greater_equal}}, {"+", {30, Op::add}}, {"-", {30, Op::subtract}},
        {"*", {60, Op::multiply}}, {"/", {60, Op::divide}}, {"%", {60, Op::modulo}}, {"**", {100, Op::power}},
        {"^", {100, Op::power}}, {"??", {500, Op::jump_if_set}}};
    return table;
}
constexpr int not_precedence = 50, sign_precedence = 90;

const std::map<std::string, Op> unary_functions = {{"abs", Op::absolute}, {"ceil", Op::ceiling}, {"floor", Op::floor},
                                                   {"round", Op::round}, {"int", Op::to_integer}, {"float", Op::to_number}};
const std::map<std::string, Op> fold_functions = {
    {"min", Op::minimum}, {"max", Op::maximum}, {"sum", Op::sum}, {"mean", Op::mean}, {"median", Op::median}};
const std::vector<std::string> predicate_functions = {"count", "all", "any", "none", "one"};

/// A single pass from tokens to instructions.
class Compiler {
public:
    Compiler(std::vector<Token> tokens, const std::vector<std::string>& triggers)
        : m_tokens(std::move(tokens)), m_triggers(triggers) {}

    KedaFormulaProgram compile() {
        expression();
        if (peek().kind != Token::Kind::end) fail("an operator or the end of the formula");
        return m_program;
    }

private:
    const Token& peek() const { return m_tokens[m_at]; }
    const Token& take() { return m_tokens[m_at + 1 < m_tokens.size() ? m_at++ : m_at]; }
    bool is(std::string_view text) const { return peek().kind != Token::Kind::number && peek().text == text; }
    bool accept(std::string_view text) {
        if (!is(text)) return false;
        take();
        return true;
    }
    void require(std::string_view text) {
        if (!accept(text)) fail("'" + std::string(text) + "'");
    }
    [[noreturn]] void fail(const std::string& allowed) const {
        const std::string found = peek().kind == Token::Kind::end ? "the end of the formula" : "'" + peek().text + "'";
        throw FormulaError{peek().column, "found " + found + ", allowed: " + allowed};
    }

    std::int32_t emit(Op op, double number = 0, std::int32_t target = 0) {
        if (m_program.count == keda_formula_limit)
            throw FormulaError{peek().column, "found a formula of more than " + std::to_string(keda_formula_limit) + " operations, allowed: fewer"};
        m_program.instructions[m_program.count] = {op, {}, target, number};
        return m_program.count++;
    }
    void land(std::int32_t jump) { m_program.instructions[jump].target = m_program.count; }

    void expression() {
        if (++m_nesting > 50) fail("at most 50 nested expressions");
        operators(0);
        if (accept("?")) {
            const std::int32_t otherwise = emit(Op::jump_if_false);
            expression();
            require(":");
            const std::int32_t end = emit(Op::jump);
            land(otherwise);
            expression();
            land(end);
        }
        --m_nesting;
    }

    void operators(int least) {
        unary();
        std::string before;
        while (true) {
            const auto found = peek().kind == Token::Kind::number ? binaries().end() : binaries().find(peek().text);
            if (found == binaries().end() || found->second.precedence < least) return;
            if (before != "" && (before == "??") != (found->first == "??"))
                fail("?? and other operators with parentheses between them");
            before = found->first;
            binary(found->second);
        }
    }

    void binary(const BinaryRow& row) {
        take();
        if (row.op == Op::power) return emit_power();
        const bool short_circuit = row.op == Op::keep_if_true || row.op == Op::keep_if_false || row.op == Op::jump_if_set;
        const std::int32_t jump = short_circuit ? emit(row.op) : 0;
        operators(row.precedence + 1);
        if (short_circuit) land(jump);
        else emit(row.op);
    }

    /// No transcendental function runs in a trial, so the exponent is a constant.
    void emit_power() {
        const bool negative = accept("-");
        const Token& exponent = peek();
        const double value = negative ? -exponent.number : exponent.number;
        const bool small = value == 0.5 || (value == std::floor(value) && std::abs(value) <= 64);
        if (exponent.kind != Token::Kind::number || !small) fail("a constant power: an integer from -64 to 64, or 0.5");
        take();
        emit(Op::power, value);
        if (is("**") || is("^")) fail("one power, without another behind it");
    }

    void unary() {
        if (accept("not") || accept("!")) {
            operators(not_precedence);
            emit(Op::invert);
        } else if (is("-") || is("+")) {
            const bool negative = take().text == "-";
            operators(sign_precedence);
            if (negative) emit(Op::negate);
        } else {
            primary();
        }
    }

    void primary() {
        const Token token = peek();
        if (token.kind == Token::Kind::number) {
            take();
            emit(token.integer ? Op::integer : Op::number, token.number);
        } else if (accept("(")) {
            expression();
            require(")");
        } else if (accept("#")) {
            if (!m_in_predicate) throw FormulaError{token.column, "found # outside of a predicate, allowed: in {...} of count, all, any, none and one"};
            emit(Op::element);
        } else if (token.kind == Token::Kind::name) {
            take();
            if (is("(")) return call(token);
            if (token.text == "true" || token.text == "false") emit(Op::boolean, token.text == "true" ? 1 : 0);
            else if (token.text == "nil") emit(Op::nil);
            else trigger(token);
        } else {
            fail("a number, a trigger's name, a function or '('");
        }
    }

    void trigger(const Token& name) {
        const auto found = std::find(m_triggers.begin(), m_triggers.end(), name.text);
        if (found == m_triggers.end()) {
            std::vector<std::string> names;
            std::string list;
            for (const std::string& t : m_triggers) {
                if (t.empty()) continue;
                names.push_back(t);
                list += (list.empty() ? "" : ", ") + t;
            }
            const std::string nearest = nearest_name(name.text, names);
            throw FormulaError{name.column, "found the name '" + name.text + "', which no trigger has, allowed: " + list +
                                                (nearest.empty() ? "" : "; did you mean " + nearest + "?")};
        }
        emit(Op::trigger, 0, static_cast<std::int32_t>(found - m_triggers.begin()));
    }

    /// The values of an array or of arguments, one after another; returns how many.
    std::int32_t values(std::string_view close) {
        std::int32_t count = 0;
        while (!accept(close)) {
            expression();
            ++count;
            if (!is(close)) require(",");
        }
        if (count == 0) throw FormulaError{peek().column, "found no value, allowed: at least one"};
        return count;
    }

    void call(const Token& name) {
        require("(");
        if (const auto unary = unary_functions.find(name.text); unary != unary_functions.end()) {
            expression();
            require(")");
            emit(unary->second);
        } else if (const auto fold = fold_functions.find(name.text); fold != fold_functions.end()) {
            std::int32_t count = 0;
            if (accept("[")) {
                count = values("]");
                require(")");
            } else {
                count = values(")");
            }
            emit(fold->second, 0, count);
        } else if (std::find(predicate_functions.begin(), predicate_functions.end(), name.text) != predicate_functions.end()) {
            predicate(name);
        } else {
            std::vector<std::string> names = predicate_functions;
            for (const auto& [function, op] : unary_functions) names.push_back(function);
            for (const auto& [function, op] : fold_functions) names.push_back(function);
            std::string list;
            for (const std::string& function : names) list += (list.empty() ? "" : ", ") + function;
            throw FormulaError{name.column, "found the function " + name.text + "(), allowed: " + list};
        }
    }

    /// count([a, b], {# > 1}): the predicate is compiled again for each element.
    void predicate(const Token& name) {
        if (m_in_predicate) throw FormulaError{name.column, "found a predicate inside a predicate, allowed: one"};
        require("[");
        emit(Op::integer, 0);
        // The elements are known, so their places in the text are found first, then the predicate's.
        std::vector<std::size_t> elements;
        int depth = 0;
        elements.push_back(m_at);
        while (!(depth == 0 && is("]"))) {
            if (peek().kind == Token::Kind::end) fail("']'");
            if (is("(") || is("[") || is("{")) ++depth;
            if (is(")") || is("]") || is("}")) --depth;
            const bool comma = depth == 0 && is(",");
            take();
            if (comma) elements.push_back(m_at);
        }
        take();
        require(",");
        const bool braces = accept("{");
        const std::size_t body = m_at;
        std::size_t end = body;
        for (const std::size_t element : elements) {
            m_at = element;
            expression();
            if (!is(",") && !is("]")) fail("',' or ']'");
            emit(Op::set_element);
            m_at = body;
            m_in_predicate = true;
            expression();
            m_in_predicate = false;
            emit(Op::count_if);
            end = m_at;
        }
        m_at = end;
        if (braces) require("}");
        require(")");
        if (name.text == "count") return;
        emit(Op::integer, name.text == "all" ? static_cast<double>(elements.size()) : name.text == "one" ? 1 : 0);
        emit(name.text == "any" ? Op::greater : Op::equal);
    }

    std::vector<Token> m_tokens;
    const std::vector<std::string>& m_triggers;
    std::size_t m_at = 0;
    int m_nesting = 0;
    bool m_in_predicate = false;
    KedaFormulaProgram m_program;
};

}  // namespace

Result<KedaFormulaProgram> compile_keda_formula(std::string_view formula, const std::vector<std::string>& triggers,
                                                const SourcePosition& where, const std::string& path) {
    try {
        return Compiler(tokens_of(formula), triggers).compile();
    } catch (const FormulaError& e) {
        return Problem{where, path, "formula column " + std::to_string(e.column) + ": " + e.message};
    }
}

}  // namespace windtunnel
