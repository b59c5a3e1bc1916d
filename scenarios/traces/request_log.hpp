#pragma once
#include "scenarios/documents/text_input.hpp"
#include "scenarios/traces/trace_reader.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace windtunnel {

// Logs of requests as gateways, observability tools and benchmarks keep them: one record a request, with the moment at
// which it began and its numbers of tokens, under names that differ from tool to tool.

/// What a member of a record, or a column, says of a request.
enum class LogMeaning : std::uint8_t { none, arrival, prompt, output, max_tokens, model, tenant };

struct LogName {
    LogMeaning meaning = LogMeaning::none;
    int rank = 0;  ///< of two names of one meaning the lower one holds
    std::optional<int> exponent;  ///< of an arrival whose name says its unit (start_time_ms: -3)
};

/// What `path` (names with '.' between, as `usage.prompt_tokens` or `gen_ai.usage.input_tokens`) means, told by its last
/// one or two names.
[[nodiscard]] LogName find_log_name(std::string_view path);

/// Reads a moment of a log: a date and time, or a number since 1970, in the unit that its name says or else that puts it
/// into this century; smaller numbers count from the start, in that unit or else in seconds.
class LogClock {
public:
    [[nodiscard]] bool parse(std::string_view text, std::optional<int> exponent, Instant& out);
    /// Whether what was read last counts from the start of the log, not from 1970.
    [[nodiscard]] bool counts_from_start() const { return m_from_start; }

private:
    TimestampParser m_parser;
    bool m_from_start = false;
};

/// What a file that begins with `head` holds instead of requests, as an error's text, where that can be told: a range query's
/// result, conversations as text, an access log. Empty: nothing of that kind.
[[nodiscard]] std::string found_instead(std::string_view head);

/// Whether JSON that begins with `head` is such a log.
[[nodiscard]] bool is_json_log(std::string_view head);

/// JSON of any nesting: every object with a moment and token counts is a request; they come in order of arrival, whatever
/// their order in the file. Records that lack the counts are left out with a note.
[[nodiscard]] Result<Trace> read_json_log(TextInput& text, const std::string& name, const TraceReadOptions& options);

}  // namespace windtunnel
