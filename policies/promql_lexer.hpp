#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

enum class PromqlTokenKind : std::uint8_t { end, identifier, number, duration, string, symbol };

struct PromqlToken {
    PromqlTokenKind kind = PromqlTokenKind::end;
    std::string text;  ///< as written; a string's contents
    std::int32_t column = 1;
    double number = 0;
    std::int64_t duration_ms = 0;
};

/// What stopped the lexer.
struct PromqlLexerError {
    std::int32_t column = 0;
    std::string message;
};

/// Cuts a query into tokens, the last of which is `end`. On an error returns what came before it.
std::vector<PromqlToken> lex_promql(std::string_view query, PromqlLexerError& error);

/// "1h30m" and the like: units ms s m h d w y, each at most once, from large to small. False when `text` is
/// no duration.
[[nodiscard]] bool read_promql_duration(std::string_view text, std::int64_t& ms);

}  // namespace windtunnel
