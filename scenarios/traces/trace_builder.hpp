#pragma once
#include "scenarios/traces/trace.hpp"
#include "scenarios/traces/trace_reader.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace windtunnel {

inline constexpr std::uint64_t most_tokens = 2'147'483'647;  // 2^31 - 1
/// The clock's bound (models/time.hpp) in whole seconds: 46,116,860 s, 1.46 years.
inline constexpr std::int64_t longest_span_s = end_of_time.count / ticks_per_second;

/// Collects requests into a trace and refuses what a trace must not hold. Shared by all readers.
///
/// Every function that returns bool returns false after it has set `problem()`; the reader then stops.
class TraceBuilder {
public:
    /// `rebase`: t = 0 is the first arrival (civil times); else the source's zero.
    TraceBuilder(std::string file, const TraceReadOptions& options, bool rebase);

    /// One request, in order of arrival. Fields of `request` other than arrival are taken as they are.
    [[nodiscard]] bool add(Instant arrival, Request request, std::int64_t line);
    /// One request whose arrival will be drawn at the end.
    [[nodiscard]] bool add_without_arrival(Request request, std::int64_t line);

    /// Reads a token count: an integer from 1 to most_tokens; "374.0" is one too. Zero is returned when
    /// `zero_allowed` (a failed request).
    [[nodiscard]] bool tokens(std::string_view text, const char* column, std::int64_t line, bool zero_allowed,
                              std::uint32_t& out);
    /// Reads a time; `unit_exponent` as in parse_decimal_time.
    [[nodiscard]] bool time(std::string_view text, int unit_exponent, const char* column, std::int64_t line,
                            Instant& out);
    [[nodiscard]] bool priority(std::string_view text, std::int64_t line, std::int16_t& out);
    [[nodiscard]] bool tenant(std::string_view name, std::int64_t line, std::uint16_t& out);
    [[nodiscard]] bool model(std::string_view name, std::int64_t line, std::uint16_t& out);
    /// Adds a prefix hash to `request`, which must be the one that is added next.
    [[nodiscard]] bool prefix_hash(std::uint64_t hash, std::int64_t line, Request& request);

    /// Sets the problem "row N: found X, allowed: Y" at `line`; always false.
    bool fail(std::int64_t line, const char* column, std::string_view found, const std::string& allowed);

    /// A request without tokens in or out has failed: true when it is to be left out, else it gets one of each.
    [[nodiscard]] bool drops_failed(Request& request) {
        if (request.output_tokens > 0 && request.prompt_tokens > 0) return false;
        ++m_failed;
        if (!m_options.keep_failed) return true;
        request.output_tokens = std::max(request.output_tokens, 1u);
        request.prompt_tokens = std::max(request.prompt_tokens, 1u);
        return false;
    }
    /// Puts rows of a log, which stand in the order in which they were written, in the order of their arrivals (Row::at), and
    /// notes it where they were in another.
    template <class Row>
    void sort_by_arrival(std::vector<Row>& rows) {
        const auto earlier = [](const Row& a, const Row& b) { return a.at < b.at; };
        if (!std::is_sorted(rows.begin(), rows.end(), earlier))
            note("requests do not stand in the order in which they began; they were sorted");
        std::stable_sort(rows.begin(), rows.end(), earlier);
    }
    void note(std::string message);
    /// Arrivals are offsets, not moments of which the first one is t = 0. To be said before the first row.
    void count_from_start() { m_rebase = false; }

    [[nodiscard]] Trace& trace() { return m_trace; }
    [[nodiscard]] const Problem& problem() const { return m_problem; }
    [[nodiscard]] bool failed() const { return !m_problem.message.empty(); }
    [[nodiscard]] const TraceReadOptions& options() const { return m_options; }
    /// What the source itself says that a prefix hash stands for; the options' number wins.
    void say_tokens_per_hash(std::uint32_t tokens) {
        if (m_options.tokens_per_hash == 0) m_options.tokens_per_hash = m_trace.tokens_per_hash = tokens;
    }
    void set_span(Tick span) { m_trace.span = span; }
    /// Counts a data row; messages name it.
    void next_row() { ++m_row; }

    /// The trace, with arrivals drawn where the source has none; or the problem.
    [[nodiscard]] Result<Trace> finish();

private:
    using Names = std::unordered_map<std::string, std::uint16_t>;
    [[nodiscard]] bool intern(std::string_view name, const char* column, std::int64_t line, Names& known,
                              std::vector<std::string>& names, std::uint16_t& out);
    void draw_arrivals();
    void narrow_blocks(const Request& request);
    void infer_blocks();

    TraceReadOptions m_options;
    std::string m_file;
    bool m_rebase;
    bool m_without_arrivals = false;
    /// Of `block_sizes`, one bit each: those of which every prompt so far has as many blocks, the last one in part or
    /// not, as it has prefix hashes.
    std::uint32_t m_whole_blocks = ~0u, m_part_blocks = ~0u;
    bool m_too_many_hashes = false;  ///< more than a prompt has blocks of tokens_per_hash tokens
    Trace m_trace;
    Problem m_problem;
    std::uint64_t m_row = 0;
    std::uint64_t m_failed = 0;
    Instant m_zero;
    Tick m_last;
    Names m_tenants{{"", 0}}, m_models{{"", 0}};
    std::string m_last_tenant, m_last_model;  // consecutive rows mostly repeat them
    std::uint16_t m_last_tenant_index = 0, m_last_model_index = 0;
};

/// A problem at `line` of `file` (0 = no line).
[[nodiscard]] Problem problem_at(std::string file, std::int64_t line, std::string path, std::string message);

/// What was found, fit for a message: quoted, unprintable bytes as \xNN, at most 60 characters.
[[nodiscard]] std::string shown(std::string_view text);
/// "a, b, c".
[[nodiscard]] std::string joined(const std::vector<std::string>& names);

}  // namespace windtunnel
