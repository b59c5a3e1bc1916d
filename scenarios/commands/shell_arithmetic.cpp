#include "scenarios/commands/shell_arithmetic.hpp"

#include <cctype>
#include <charconv>

namespace windtunnel {
namespace {

using Number = std::optional<std::int64_t>;

Number whole_number(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? Number(value) : std::nullopt;
}

/// A sum of products of signed values; each function moves past what it has read.
class Arithmetic {
public:
    Arithmetic(const std::string& text, const ShellVariable& variable) : m_text(text), m_variable(variable) {}

    Number value() {
        const Number out = sum();
        return out && next() == '\0' ? out : std::nullopt;
    }

private:
    static constexpr int deepest = 50;

    char next() {
        while (m_at < m_text.size() && std::isspace(static_cast<unsigned char>(m_text[m_at]))) ++m_at;
        return m_at < m_text.size() ? m_text[m_at] : '\0';
    }

    static Number applied(char operation, std::int64_t a, std::int64_t b) {
        std::int64_t out = 0;
        const bool divides = operation == '/' || operation == '%';
        if (divides && (b == 0 || (b == -1 && a == INT64_MIN))) return std::nullopt;
        if (divides) return operation == '/' ? a / b : a % b;
        const bool overflows = operation == '+'   ? __builtin_add_overflow(a, b, &out)
                               : operation == '-' ? __builtin_sub_overflow(a, b, &out)
                                                  : __builtin_mul_overflow(a, b, &out);
        return overflows ? std::nullopt : Number(out);
    }

    Number sum() {
        Number left = product();
        while (left && (next() == '+' || next() == '-')) {
            const char operation = m_text[m_at++];
            const Number right = product();
            left = right ? applied(operation, *left, *right) : std::nullopt;
        }
        return left;
    }

    Number product() {
        Number left = factor();
        while (left && (next() == '*' || next() == '/' || next() == '%')) {
            const char operation = m_text[m_at++];
            const Number right = factor();
            left = right ? applied(operation, *left, *right) : std::nullopt;
        }
        return left;
    }

    Number factor() {
        const char c = next();
        if (m_depth >= deepest) return std::nullopt;
        if (c == '-' || c == '+' || c == '(') {
            ++m_at;
            ++m_depth;
            const Number inner = c == '(' ? sum() : factor();
            --m_depth;
            if (!inner || c == '+') return inner;
            if (c == '-') return applied('-', 0, *inner);
            return next() == ')' ? (++m_at, inner) : std::nullopt;
        }
        const std::size_t begin = m_at;
        while (m_at < m_text.size() && (std::isalnum(static_cast<unsigned char>(m_text[m_at])) || m_text[m_at] == '_')) ++m_at;
        const std::string word = m_text.substr(begin, m_at - begin);
        if (word.empty()) return std::nullopt;
        if (std::isdigit(static_cast<unsigned char>(word[0]))) return whole_number(word);
        const auto given = m_variable(word);
        return given && !given->empty() ? whole_number(*given) : Number(0);
    }

    const std::string& m_text;
    const ShellVariable& m_variable;
    std::size_t m_at = 0;
    int m_depth = 0;
};

}  // namespace

std::optional<std::int64_t> shell_arithmetic(const std::string& text, const ShellVariable& variable) { return Arithmetic(text, variable).value(); }

}  // namespace windtunnel
