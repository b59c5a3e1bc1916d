#include "scenarios/traces/trace_builder.hpp"

#include "models/quantile_table.hpp"
#include "models/random.hpp"

#include <fmt/format.h>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <unordered_map>
#include <utility>

namespace windtunnel {

std::string shown(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (out.size() > 60) {
            out += "...";
            break;
        }
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out + '"';
}

std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
}

Problem problem_at(std::string file, std::int64_t line, std::string path, std::string message) {
    Problem problem;
    problem.where.file = std::move(file);
    problem.where.line =
        static_cast<std::int32_t>(std::min<std::int64_t>(line, std::numeric_limits<std::int32_t>::max()));
    problem.path = std::move(path);
    problem.message = std::move(message);
    return problem;
}

void TraceBuilder::note(std::string message) {
    m_trace.notes.push_back(problem_at(m_file, 0, {}, std::move(message)));
}

TraceBuilder::TraceBuilder(std::string file, const TraceReadOptions& options, bool rebase)
    : m_options(options), m_file(std::move(file)), m_rebase(rebase) {
    if (options.tokens_per_hash != 0) m_trace.tokens_per_hash = options.tokens_per_hash;
}

bool TraceBuilder::fail(std::int64_t line, const char* column, std::string_view found,
                        const std::string& allowed) {
    m_problem =
        problem_at(m_file, line, column, fmt::format("row {}: found {}, allowed: {}", m_row, found, allowed));
    return false;
}

bool TraceBuilder::add(Instant arrival, Request request, std::int64_t line) {
    if (m_without_arrivals) return fail(line, "arrival", "an arrival time", "none, as in the rows above it");
    if (m_trace.requests.empty()) {
        if (m_rebase) {
            m_zero = {arrival.seconds, arrival.ticks - arrival.ticks % 100};  // a whole nanosecond: 100 ticks
            m_trace.start = WallClock{m_zero.seconds, static_cast<std::int32_t>(m_zero.ticks / 100)};
        }
    } else if (m_trace.requests.size() >= std::numeric_limits<std::uint32_t>::max()) {
        return fail(line, "", "more than 4294967295 requests", "at most 4294967295");
    }
    const std::int64_t whole = arrival.seconds - m_zero.seconds;
    if (whole < -1)  // so far back that it need not fit into a tick
        return fail(line, "arrival", fmt::format("{} s before the first row", -whole),
                    "times that never go backward");
    if (whole >= longest_span_s)
        return fail(line, "arrival", fmt::format("{} s after the start", whole),
                    fmt::format("less than {} s (1.46 years) after it", longest_span_s));
    const Tick at{whole * ticks_per_second + (arrival.ticks - m_zero.ticks)};
    if (at < m_last) {
        return fail(line, "arrival",
                    format_seconds(at) + " s after the start, before the row above it at " +
                        format_seconds(m_last) + " s",
                    "times that never go backward");
    }
    m_last = at;
    request.arrival = at;
    if (request.prefix_count > 0) narrow_blocks(request);
    m_trace.requests.push_back(request);
    return true;
}

namespace {
/// Tokens that servers hash at a time (vLLM's and SGLang's block sizes, Mooncake's 512), the likeliest first.
constexpr std::uint32_t block_sizes[] = {512, 16, 32, 64, 128, 256, 1024};
}  // namespace

void TraceBuilder::narrow_blocks(const Request& request) {
    const std::uint32_t tokens = request.prompt_tokens, hashes = request.prefix_count;
    for (std::size_t i = 0; i < std::size(block_sizes); ++i) {
        if (tokens / block_sizes[i] != hashes) m_whole_blocks &= ~(1u << i);
        if ((tokens + block_sizes[i] - 1) / block_sizes[i] != hashes) m_part_blocks &= ~(1u << i);
    }
    m_too_many_hashes |= hashes > tokens / m_trace.tokens_per_hash + 1;
}

/// Where the source does not say how many tokens a hash stands for and prompts have more hashes than blocks of 512 tokens,
/// the size that fits every prompt.
void TraceBuilder::infer_blocks() {
    if (!m_too_many_hashes || m_options.tokens_per_hash != 0) return;
    for (const std::uint32_t fits : {m_part_blocks, m_whole_blocks})
        for (std::size_t i = 0; i < std::size(block_sizes); ++i) {
            if ((fits >> i & 1u) == 0) continue;
            m_trace.tokens_per_hash = block_sizes[i];
            return note(fmt::format("a prefix hash stands for {} prompt tokens, as the numbers of hashes and tokens say", block_sizes[i]));
        }
    note(fmt::format("prompts have more prefix hashes than blocks of {} tokens; say how many tokens a hash stands for: windtunnel trace convert --tokens-per-hash, or a line \"# tokens_per_hash: N\" in CSV",
                     m_trace.tokens_per_hash));
}

bool TraceBuilder::add_without_arrival(Request request, std::int64_t line) {
    if (!m_without_arrivals && !m_trace.requests.empty())
        return fail(line, "arrival", "no arrival time", "one in every row, as in the rows above it");
    m_without_arrivals = true;
    if (!m_options.arrival_rate_rps) {
        m_problem = problem_at(
            m_file, line, "arrival",
            "found token counts without arrival times, allowed: a source with arrival times, or an arrival "
            "rate given beside it (arrival_rate_rps) at which Poisson arrivals are drawn");
        return false;
    }
    const double rate = *m_options.arrival_rate_rps;
    if (!(rate > 0) || !std::isfinite(rate)) {
        m_problem = problem_at(m_file, 0, "arrival_rate_rps",
                               fmt::format("found {}, allowed: a number above 0", rate));
        return false;
    }
    m_trace.requests.push_back(request);
    return true;
}

bool TraceBuilder::tokens(std::string_view text, const char* column, std::int64_t line, bool zero_allowed,
                          std::uint32_t& out) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data(), end, value);
    const char* rest = stop;
    if (status == std::errc{} && rest != end &&
        *rest == '.') {  // "374.0", as spreadsheets and pandas write it
        ++rest;
        while (rest != end && *rest == '0') ++rest;
    }
    const bool number = status == std::errc{} && rest == end;
    if (!number || value > most_tokens || (value == 0 && !zero_allowed)) {
        return fail(line, column, text.empty() ? "nothing" : shown(text),
                    fmt::format("an integer from {} to {}", zero_allowed ? 0 : 1, most_tokens));
    }
    out = static_cast<std::uint32_t>(value);
    return true;
}

bool TraceBuilder::time(std::string_view text, int unit_exponent, const char* column, std::int64_t line,
                        Instant& out) {
    const DecimalError error = parse_decimal_time(text, unit_exponent, out);
    if (error == DecimalError::none) return true;
    const char* unit = unit_exponent == 0 ? "seconds" : unit_exponent == -3 ? "milliseconds" : "time units";
    return fail(line, column, text.empty() ? "nothing" : shown(text),
                fmt::format("a decimal number of {}, at least 0 and less than {} s", unit, longest_span_s));
}

bool TraceBuilder::priority(std::string_view text, std::int64_t line, std::int16_t& out) {
    const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (status == std::errc{} && stop == text.data() + text.size()) return true;
    return fail(line, "priority", shown(text), "an integer from -32768 to 32767 (lower runs first)");
}

bool TraceBuilder::intern(std::string_view name, const char* column, std::int64_t line, Names& known,
                          std::vector<std::string>& names, std::uint16_t& out) {
    const auto [found, inserted] =
        known.try_emplace(std::string(name), static_cast<std::uint16_t>(names.size()));
    if (inserted) {
        if (names.size() > 65'535)
            return fail(line, column, "more than 65535 different names", "at most 65535");
        names.emplace_back(name);
    }
    out = found->second;
    return true;
}

bool TraceBuilder::tenant(std::string_view name, std::int64_t line, std::uint16_t& out) {
    if (name != m_last_tenant) {
        if (!intern(name, "tenant", line, m_tenants, m_trace.tenants, m_last_tenant_index)) return false;
        m_last_tenant = name;
    }
    out = m_last_tenant_index;
    return true;
}

bool TraceBuilder::model(std::string_view name, std::int64_t line, std::uint16_t& out) {
    if (name != m_last_model) {
        if (!intern(name, "model", line, m_models, m_trace.models, m_last_model_index)) return false;
        m_last_model = name;
    }
    out = m_last_model_index;
    return true;
}

bool TraceBuilder::prefix_hash(std::uint64_t hash, std::int64_t line, Request& request) {
    auto& hashes = m_trace.prefix_hashes;
    if (request.prefix_count == 65'535)
        return fail(line, "prefix_hashes", "more than 65535 hashes", "at most 65535 a request");
    if (hashes.size() >= std::numeric_limits<std::uint32_t>::max() - 1)
        return fail(line, "prefix_hashes", "more than 4294967294 hashes in all", "at most 4294967294");
    hashes.push_back(hash);
    if (request.prefix_count++ == 0) request.prefix = static_cast<std::uint32_t>(hashes.size());
    return true;
}

void TraceBuilder::draw_arrivals() {
    const double mean_gap_s = 1.0 / *m_options.arrival_rate_rps;
    const double bound = static_cast<double>(longest_span_s);
    if (mean_gap_s * static_cast<double>(m_trace.requests.size()) > bound / 2) {
        m_problem = problem_at(
            m_file, 0, "arrival_rate_rps",
            fmt::format("found {}, at which {} requests last longer than {} s, allowed: a higher rate",
                        *m_options.arrival_rate_rps, m_trace.requests.size(), longest_span_s / 2));
        return;
    }
    const QuantileTable gaps = exponential_table(mean_gap_s * static_cast<double>(ticks_per_second));
    RandomStream stream(m_options.seed, 0, StreamPurpose::arrivals, 0);
    Tick at;
    for (Request& request : m_trace.requests) {
        at += Tick{gaps.sample(stream.next_u64())};
        request.arrival = at;
    }
    m_last = at;
    note(
        fmt::format("the source has no arrival times: Poisson arrivals at {} requests/s were drawn (seed {})",
                    *m_options.arrival_rate_rps, m_options.seed));
}

std::vector<std::uint32_t> prefix_tree(const Trace& trace, std::uint32_t first) {
    using Edge = std::pair<std::uint32_t, std::uint64_t>;  // from a parent by a hash
    constexpr std::uint32_t root = 0xffffffffu;
    const auto hash = [](const Edge& e) {
        return static_cast<std::size_t>((e.second ^ (std::uint64_t{e.first} << 32 | e.first)) * 0x9e3779b97f4a7c15u);
    };
    std::unordered_map<Edge, std::uint32_t, decltype(hash)> nodes(trace.prefix_hashes.size(), hash);
    std::vector<std::uint32_t> out(trace.prefix_hashes.size());
    for (const Request& r : trace.requests) {
        std::uint32_t parent = root;
        for (std::size_t i = 0; i < r.prefix_count; ++i) {
            const std::size_t at = r.prefix - 1 + i;
            const auto next = static_cast<std::uint32_t>(first + nodes.size());
            parent = out[at] = nodes.try_emplace({parent, trace.prefix_hashes[at]}, next).first->second;
        }
    }
    return out;
}

Result<Trace> TraceBuilder::finish() {
    if (failed()) return m_problem;
    if (m_trace.requests.empty()) {
        const std::string found =
            m_failed > 0 ? fmt::format("{} failed requests and no other", m_failed) : "a header and no rows";
        return problem_at(m_file, 0, {}, "found " + found + ", allowed: at least one request");
    }
    if (m_without_arrivals) draw_arrivals();
    if (failed()) return m_problem;
    infer_blocks();
    if (m_failed > 0) {
        note(m_options.keep_failed
                 ? fmt::format("{} failed requests (0 output tokens) are kept as requests of 1 output token",
                               m_failed)
                 : fmt::format(
                       "{} failed requests (0 output tokens) are left out: what they would have said is "
                       "unknown",
                       m_failed));
    }
    m_trace.span = max(m_trace.span, m_last);
    return std::move(m_trace);
}

}  // namespace windtunnel
