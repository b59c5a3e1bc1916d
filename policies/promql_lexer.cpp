#include "policies/promql_lexer.hpp"

#include "models/lower_case.hpp"

#include <array>
#include <cctype>
#include <cstdlib>
#include <limits>

namespace windtunnel {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool read_number(const std::string& text, double& value) {
    const std::string name = lower_case(text);
    if (name == "inf" || name == "nan") {
        value = name == "inf" ? std::numeric_limits<double>::infinity()
                              : std::numeric_limits<double>::quiet_NaN();
        return true;
    }
    if (text.empty() || (!is_digit(text[0]) && text[0] != '.')) return false;
    char* end = nullptr;
    value = std::strtod(text.c_str(), &end);
    return end == text.c_str() + text.size();
}

class Lexer {
public:
    Lexer(std::string_view query, PromqlLexerError& error) : m_query(query), m_error(error) {}

    std::vector<PromqlToken> run() {
        while (m_error.message.empty()) {
            skip_blanks();
            if (m_at >= m_query.size()) break;
            next();
        }
        PromqlToken end;
        end.column = static_cast<std::int32_t>(m_query.size()) + 1;
        m_tokens.push_back(end);
        return std::move(m_tokens);
    }

private:
    std::string_view m_query;
    PromqlLexerError& m_error;
    std::vector<PromqlToken> m_tokens;
    std::size_t m_at = 0;
    bool m_in_brackets = false;  // between [ and ] a colon separates, elsewhere it is part of a metric name

    char peek(std::size_t ahead = 0) const {
        return m_at + ahead < m_query.size() ? m_query[m_at + ahead] : '\0';
    }

    void fail(std::size_t at, std::string message) {
        m_error = {static_cast<std::int32_t>(at) + 1, std::move(message)};
    }

    PromqlToken& add(PromqlTokenKind kind, std::size_t start) {
        PromqlToken token;
        token.kind = kind;
        token.column = static_cast<std::int32_t>(start) + 1;
        token.text = m_query.substr(start, m_at - start);
        m_tokens.push_back(std::move(token));
        return m_tokens.back();
    }

    void skip_blanks() {
        while (m_at < m_query.size()) {
            if (std::isspace(static_cast<unsigned char>(peek()))) {
                ++m_at;
            } else if (peek() == '#') {
                while (m_at < m_query.size() && peek() != '\n') ++m_at;
            } else {
                return;
            }
        }
    }

    void next() {
        const char c = peek();
        if (c == '"' || c == '\'' || c == '`') return text(c);
        if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number_or_duration();
        if (is_letter(c) || (c == ':' && !m_in_brackets)) {
            const std::size_t start = m_at;
            while (is_letter(peek()) || is_digit(peek()) || (peek() == ':' && !m_in_brackets)) ++m_at;
            PromqlToken& token = add(PromqlTokenKind::identifier, start);
            if (read_number(token.text, token.number)) token.kind = PromqlTokenKind::number;
            return;
        }
        const std::size_t start = m_at;
        for (const char* symbol : {"==", "!=", "=~", "!~", "<=", ">="}) {
            if (m_query.substr(m_at, 2) != symbol) continue;
            m_at += 2;
            add(PromqlTokenKind::symbol, start);
            return;
        }
        static constexpr std::string_view symbols = "(){}[],:+-*/%^<>=@";
        if (symbols.find(c) == std::string_view::npos)
            return fail(m_at, std::string("found '") + c + "', allowed: a PromQL expression");
        m_in_brackets = c == '[' || (m_in_brackets && c != ']');
        ++m_at;
        add(PromqlTokenKind::symbol, start);
    }

    void number_or_duration() {
        const std::size_t start = m_at;
        const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
        while (is_letter(peek()) || is_digit(peek()) || peek() == '.') {
            const bool exponent = !hex && (peek() == 'e' || peek() == 'E') &&
                                  (peek(1) == '+' || peek(1) == '-') && is_digit(peek(2));
            m_at += exponent ? 2 : 1;
        }
        PromqlToken& token = add(PromqlTokenKind::number, start);
        if (read_number(token.text, token.number)) return;
        if (!read_promql_duration(token.text, token.duration_ms))
            return fail(start, "found " + token.text +
                                   ", allowed: a number (1, 0.5, 1e3, 0x1f) or a duration (30s, 5m, 1h30m)");
        token.kind = PromqlTokenKind::duration;
    }

    void text(char quote) {
        const std::size_t start = m_at++;
        std::string out;
        while (m_at < m_query.size() && peek() != quote) {
            char c = peek();
            ++m_at;
            if (c == '\n' && quote != '`') break;
            if (c != '\\' || quote == '`') {
                out += c;
                continue;
            }
            c = peek();
            ++m_at;
            static constexpr std::string_view escapes = "abfnrtv\\\"'";
            static constexpr std::string_view meanings = "\a\b\f\n\r\t\v\\\"'";
            const std::size_t which = escapes.find(c);
            const bool wrong_quote = (c == '"' || c == '\'') && c != quote;
            if (which == std::string_view::npos || wrong_quote)
                return fail(m_at - 2,
                            std::string("found the escape \\") + c +
                                R"( in a string, allowed: \a \b \f \n \r \t \v \\ and the quote itself)" +
                                (c == '.' || c == 'd' ? "; write \\\\ for a backslash, or use `...`" : ""));
            out += meanings[which];
        }
        if (peek() != quote) return fail(start, std::string("found a string without its closing ") + quote);
        ++m_at;
        add(PromqlTokenKind::string, start).text = out;
    }
};

}  // namespace

bool read_promql_duration(std::string_view text, std::int64_t& ms) {
    struct Unit {
        std::string_view name;
        std::int64_t ms;
    };
    static constexpr std::array<Unit, 7> units = {{{"y", 365LL * 86'400'000},
                                                   {"w", 7LL * 86'400'000},
                                                   {"d", 86'400'000},
                                                   {"h", 3'600'000},
                                                   {"m", 60'000},
                                                   {"s", 1000},
                                                   {"ms", 1}}};
    ms = 0;
    std::size_t at = 0, next_unit = 0;
    while (at < text.size()) {
        std::int64_t value = 0;
        const std::size_t digits = at;
        while (at < text.size() && is_digit(text[at]) && value < 1'000'000'000)
            value = value * 10 + (text[at++] - '0');
        if (at == digits) return false;
        const std::size_t letters = at;
        while (at < text.size() && !is_digit(text[at])) ++at;
        const std::string_view name = text.substr(letters, at - letters);
        while (next_unit < units.size() && units[next_unit].name != name) ++next_unit;
        if (next_unit == units.size() || value >= 1'000'000'000) return false;
        ms += value * units[next_unit++].ms;
        if (ms > std::int64_t{1} << 45) return false;  // a thousand years
    }
    return !text.empty();
}

std::vector<PromqlToken> lex_promql(std::string_view query, PromqlLexerError& error) {
    return Lexer(query, error).run();
}

}  // namespace windtunnel
