#include "scenarios/traces/request_log.hpp"
#include "scenarios/traces/trace_builder.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <csv.h>
#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace windtunnel {
namespace {

enum class Column { ignored, arrival, prompt, output, max_tokens, model, tenant, priority, prefix_hashes };
enum class Clock { none, seconds, milliseconds, unix_time, civil, log };

constexpr std::size_t most_columns = 256;

/// How one CSV format is laid out: which column holds what.
struct Layout {
    std::string format;
    Clock clock = Clock::none;
    bool failures = false;  ///< 0 output tokens mean a failed request
    std::optional<int> exponent;  ///< of a log's arrivals, where their name says their unit
    std::vector<Column> columns;
};

struct ColumnName {
    const char* normalised;
    Column column;
};

/// Names of plain CSV. The second names are those of other simulators' and benchmarks' files.
constexpr ColumnName plain_names[] = {
    {"arrivals", Column::arrival},
    {"arrivalms", Column::arrival},
    {"arrivaltimes", Column::arrival},
    {"arrivaltime", Column::arrival},
    {"arrivedat", Column::arrival},
    {"timestamp", Column::arrival},
    {"prompttokens", Column::prompt},
    {"inputtokens", Column::prompt},
    {"numprefilltokens", Column::prompt},
    {"inputlength", Column::prompt},
    {"inputlen", Column::prompt},
    {"promptlen", Column::prompt},
    {"outputtokens", Column::output},
    {"completiontokens", Column::output},
    {"numdecodetokens", Column::output},
    {"outputlength", Column::output},
    {"outputlen", Column::output},
    {"maxtokens", Column::max_tokens},
    {"model", Column::model},
    {"tenant", Column::tenant},
    {"tenantid", Column::tenant},
    {"user", Column::tenant},
    {"userid", Column::tenant},
    {"customer", Column::tenant},
    {"priority", Column::priority},
    {"prefixhashes", Column::prefix_hashes},
    {"prefix", Column::prefix_hashes},
    {"hashids", Column::prefix_hashes},
};

Column plain_column(const std::string& normalised) {
    for (const ColumnName& name : plain_names)
        if (normalised == name.normalised) return name.column;
    return Column::ignored;
}

bool contains(const std::vector<std::string>& names, const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// The columns of a log of requests: of each meaning the name that says it best. Empty: it is none.
std::optional<Layout> log_layout(const std::vector<std::string>& header) {
    constexpr std::pair<LogMeaning, Column> meanings[] = {
        {LogMeaning::arrival, Column::arrival},       {LogMeaning::prompt, Column::prompt}, {LogMeaning::output, Column::output},
        {LogMeaning::max_tokens, Column::max_tokens}, {LogMeaning::model, Column::model},   {LogMeaning::tenant, Column::tenant}};
    Layout layout;
    layout.format = "request-log";
    layout.clock = Clock::log;
    layout.failures = true;
    layout.columns.resize(header.size());
    for (const auto& [meaning, column] : meanings) {
        int best = -1, rank = 0;
        for (std::size_t i = 0; i < header.size(); ++i) {
            const LogName name = find_log_name(header[i]);
            if (name.meaning != meaning || (best >= 0 && name.rank >= rank)) continue;
            best = static_cast<int>(i);
            rank = name.rank;
            if (column == Column::arrival) layout.exponent = name.exponent;
        }
        if (best >= 0) layout.columns[static_cast<std::size_t>(best)] = column;
        else if (column == Column::arrival || column == Column::prompt || column == Column::output) return std::nullopt;
    }
    return layout;
}

/// Azure and BurstGPT by their headers; everything else by the plain names, or those of logs.
Layout recognise(const std::vector<std::string>& names, const std::vector<std::string>& header) {
    Layout layout;
    layout.columns.resize(names.size());
    const auto assign = [&](const char* name, Column column) {
        const auto at = std::find(names.begin(), names.end(), name);
        if (at != names.end()) layout.columns[static_cast<std::size_t>(at - names.begin())] = column;
    };
    if (contains(names, "timestamp") && contains(names, "contexttokens") &&
        contains(names, "generatedtokens")) {
        layout.format = "azure";
        layout.clock = Clock::civil;
        assign("timestamp", Column::arrival);
        assign("contexttokens", Column::prompt);
        assign("generatedtokens", Column::output);
    } else if (contains(names, "timestamp") && contains(names, "requesttokens") &&
               contains(names, "responsetokens")) {
        layout.format = "burstgpt";
        layout.clock = Clock::seconds;
        layout.failures = true;
        assign("timestamp", Column::arrival);
        assign("requesttokens", Column::prompt);
        assign("responsetokens", Column::output);
        assign("model", Column::model);
        assign("logtype", Column::tenant);
    } else {
        layout.format = "plain-csv";
        for (std::size_t i = 0; i < names.size(); ++i) {
            layout.columns[i] = plain_column(names[i]);
            if (layout.columns[i] != Column::arrival) continue;
            layout.clock = names[i] == "arrivalms"   ? Clock::milliseconds
                           : names[i] == "timestamp" ? Clock::civil
                                                     : Clock::seconds;
        }
        const auto has = [&](Column column) { return std::find(layout.columns.begin(), layout.columns.end(), column) != layout.columns.end(); };
        const bool has_prefixes = has(Column::prefix_hashes);
        if (layout.clock == Clock::none || !has(Column::prompt) || !has(Column::output))
            if (auto log = has_prefixes ? std::nullopt : log_layout(header)) return *log;
        if (layout.clock == Clock::none) layout.format = "lengths-csv";
    }
    return layout;
}

/// Edit distance, for "did you mean".
std::size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

class CsvReader {
public:
    CsvReader(TextInput& text, std::string name, std::filesystem::path file, const TraceReadOptions& options)
        : m_text(text), m_name(std::move(name)), m_file(std::move(file)), m_options(options) {}

    Result<Trace> read() {
        if (!read_header()) {
            if (m_problem.message.empty())
                m_problem =
                    problem_at(m_name, 0, {}, "found no rows, allowed: a header and at least one request");
            return m_problem;
        }
        if (contains(m_names, "client") && contains(m_names, "raterps") && contains(m_names, "pattern"))
            return read_servegen_trace(m_text, m_names, m_name, m_file, m_options);
        m_layout = recognise(m_names, m_header);
        if (!check_columns()) return m_problem;
        TraceBuilder builder(m_name, m_options, m_layout.clock == Clock::civil || m_layout.clock == Clock::log);
        reserve(builder);
        note_ignored(builder);
        if (!read_rows(builder) || !add_log_rows(builder)) return builder.failed() ? builder.problem() : m_problem;
        if (m_span) builder.set_span(*m_span);
        if (m_start) builder.trace().start = m_start;
        if (m_tokens_per_hash != 0) builder.say_tokens_per_hash(m_tokens_per_hash);
        builder.trace().format =
            m_layout.format == "azure" ? (m_zoned ? "azure-2024" : "azure-2023") : m_layout.format;
        return builder.finish();
    }

private:
    bool fail_here(const char* path, const std::string& message) {
        m_problem = problem_at(m_name, m_text.line(), path, message);
        return false;
    }

    /// A blank line or a comment; "# key: value" comments of the plain format are kept.
    bool skipped(std::string_view line) {
        line = trimmed(line);
        if (line.empty()) return true;
        if (line.front() != '#') return false;
        line.remove_prefix(1);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) return true;
        const std::string_view key = trimmed(line.substr(0, colon)), value = trimmed(line.substr(colon + 1));
        Instant at;
        if (key == "start" && m_parser.parse(value, at))
            m_start = WallClock{at.seconds, static_cast<std::int32_t>(at.ticks / 100)};
        if (key == "span_s" && parse_decimal_time(value, 0, at) == DecimalError::none &&
            at.seconds < longest_span_s)
            m_span = Tick{at.seconds * ticks_per_second + at.ticks};
        if (key == "tokens_per_hash")
            std::from_chars(value.data(), value.data() + value.size(), m_tokens_per_hash);
        return true;
    }

    bool read_header() {
        std::string_view line;
        do {
            if (!m_text.next_line(line)) return false;
        } while (skipped(line));
        std::string error;
        m_separator = separator_of(line);
        if (!split_csv_record(m_text, line, m_header, error, m_separator)) return fail_here("", error);
        if (m_header.size() > most_columns)
            return fail_here(
                "", fmt::format("found {} columns, allowed: at most {}", m_header.size(), most_columns));
        for (const std::string& name : m_header) m_names.push_back(normalised_column(name));
        return true;
    }

    bool check_columns() {
        const auto count = [&](Column column) {
            return std::count(m_layout.columns.begin(), m_layout.columns.end(), column);
        };
        const struct {
            Column column;
            const char* name;
            const char* normalised;
        } wanted[] = {{Column::prompt, "prompt_tokens", "prompttokens"},
                      {Column::output, "output_tokens", "outputtokens"}};
        for (const auto& want : wanted) {
            if (count(want.column) > 0) continue;
            std::string hint;
            for (std::size_t i = 0; i < m_names.size(); ++i)
                if (m_layout.columns[i] == Column::ignored && distance(m_names[i], want.normalised) <= 3)
                    hint = fmt::format("; did you mean {} by {}?", want.name, shown(m_header[i]));
            return fail_here(want.name, fmt::format("found no such column among {}, allowed: a header with "
                                                    "arrival_s, prompt_tokens and output_tokens (or that of "
                                                    "an Azure, BurstGPT or ServeGen file){}",
                                                    shown(joined(m_header)), hint));
        }
        for (std::size_t i = 0; i < m_names.size(); ++i)
            if (m_layout.columns[i] != Column::ignored && count(m_layout.columns[i]) > 1)
                return fail_here("header",
                                 fmt::format("found {} and another column of the same meaning, allowed: one",
                                             shown(m_header[i])));
        if (m_layout.clock == Clock::none) {
            for (std::size_t i = 0; i < m_names.size(); ++i)
                if (distance(m_names[i], "arrivals") <= 2)
                    return fail_here("arrival_s",
                                     fmt::format("found no such column; did you mean arrival_s by {}?",
                                                 shown(m_header[i])));
        }
        return true;
    }

    void note_ignored(TraceBuilder& builder) const {
        std::vector<std::string> ignored;
        for (std::size_t i = 0; i < m_names.size(); ++i)
            if (m_layout.columns[i] == Column::ignored) ignored.push_back(m_header[i]);
        if (!ignored.empty())
            builder.note(fmt::format("columns without meaning here, ignored: {}", joined(ignored)));
    }

    /// Room for as many rows as the file's size and the rows in the buffer suggest.
    void reserve(TraceBuilder& builder) const {
        std::error_code error;
        const auto bytes = m_file.empty() ? 0 : std::filesystem::file_size(m_file, error);
        const std::string_view ahead = m_text.buffered();
        if (error || ahead.empty() || m_text.source().encoding() != "plain") return;
        const auto lines = static_cast<std::uint64_t>(std::count(ahead.begin(), ahead.end(), '\n')) + 1;
        const double rows =
            static_cast<double>(bytes) / static_cast<double>(ahead.size()) * static_cast<double>(lines);
        if (rows < 4e9) builder.trace().requests.reserve(static_cast<std::size_t>(rows * 1.01) + 16);
    }

    bool read_rows(TraceBuilder& builder) {
        std::string_view line;
        std::array<std::string_view, most_columns> fields;
        std::vector<std::string> unquoted;
        const std::size_t columns = m_layout.columns.size();
        const bool open_ended = m_layout.columns.back() == Column::prefix_hashes;
        while (m_text.next_line(line)) {
            if (line.empty() || line.front() == '#' || line.front() == ' ') {
                if (skipped(line)) continue;
            }
            builder.next_row();
            std::size_t count = 0;
            if (std::memchr(line.data(), '"', line.size()) != nullptr) {
                std::string error;
                if (!split_csv_record(m_text, line, unquoted, error, m_separator))
                    return builder.fail(m_text.line(), "", error, "RFC 4180 quoting");
                count = unquoted.size();
                for (std::size_t i = 0; i < std::min(count, columns); ++i) fields[i] = unquoted[i];
                for (std::size_t i = columns; open_ended && i < count; ++i)
                    unquoted[columns - 1] += ' ' + unquoted[i];
                if (open_ended && count > columns) fields[columns - 1] = unquoted[columns - 1];
            } else {
                const char *from = line.data(), *const end = from + line.size();
                for (const char* p = from;; ++p) {
                    if (p != end && *p != m_separator) continue;
                    if (count + 1 == columns && open_ended) p = end;
                    if (count < columns) fields[count] = {from, static_cast<std::size_t>(p - from)};
                    ++count;
                    if (p == end) break;
                    from = p + 1;
                }
            }
            if (count != columns && !(open_ended && count > columns))
                return builder.fail(m_text.line(), "", fmt::format("{} fields", count),
                                    fmt::format("the header's {}", columns));
            if (!read_row(builder, fields.data())) return false;
        }
        return true;
    }

    bool read_row(TraceBuilder& builder, const std::string_view* fields) {
        const std::int64_t line = m_text.line();
        Request request;
        Instant arrival;
        for (std::size_t i = 0; i < m_layout.columns.size(); ++i) {
            const Column column = m_layout.columns[i];
            if (column == Column::ignored) continue;
            std::string_view text = fields[i];
            if (!text.empty() && (text.front() <= ' ' || text.back() <= ' ')) text = trimmed(text);
            bool good = true;
            switch (column) {
                case Column::arrival:
                    good = read_arrival(builder, text, line, arrival);
                    break;
                case Column::prompt:
                    good = builder.tokens(text, m_header[i].c_str(), line, m_layout.failures,
                                          request.prompt_tokens);
                    break;
                case Column::output:
                    good = builder.tokens(text, m_header[i].c_str(), line, m_layout.failures,
                                          request.output_tokens);
                    break;
                case Column::max_tokens:
                    good = text.empty() || builder.tokens(text, "max_tokens", line, true, request.max_tokens);
                    break;
                case Column::model:
                    good = builder.model(text, line, request.model);
                    break;
                case Column::tenant:
                    good = builder.tenant(text, line, request.tenant);
                    break;
                case Column::priority:
                    good = text.empty() || builder.priority(text, line, request.priority);
                    break;
                case Column::prefix_hashes:
                    good = read_hashes(builder, text, line, request);
                    break;
                case Column::ignored:
                    break;
            }
            if (!good) return false;
        }
        if (m_layout.failures && builder.drops_failed(request)) return true;
        if (m_layout.clock == Clock::log) {
            m_log_rows.push_back({arrival, request, line});
            return true;
        }
        return m_layout.clock == Clock::none ? builder.add_without_arrival(request, line)
                                             : builder.add(arrival, request, line);
    }

    /// A log's rows, which stand in the order in which they were written, by arrival.
    bool add_log_rows(TraceBuilder& builder) {
        builder.sort_by_arrival(m_log_rows);
        for (const LogRow& row : m_log_rows)
            if (!builder.add(row.at, row.request, row.line)) return false;
        return true;
    }

    bool read_log_arrival(TraceBuilder& builder, std::string_view text, std::int64_t line, Instant& out) {
        if (!m_clock.parse(text, m_layout.exponent, out))
            return builder.fail(line, "arrival", text.empty() ? "nothing" : shown(text),
                                "an ISO 8601 date and time such as 2024-05-10T00:00:00Z, or a number of seconds, "
                                "milliseconds or nanoseconds since 1970");
        if (m_first_arrival && m_clock.counts_from_start()) builder.count_from_start();
        m_first_arrival = false;
        return true;
    }

    bool read_arrival(TraceBuilder& builder, std::string_view text, std::int64_t line, Instant& out) {
        if (m_layout.clock == Clock::log) return read_log_arrival(builder, text, line, out);
        if (m_layout.clock == Clock::seconds) return builder.time(text, 0, "arrival", line, out);
        if (m_layout.clock == Clock::milliseconds) return builder.time(text, -3, "arrival", line, out);
        if (m_layout.clock == Clock::unix_time) return builder.time(text, m_unix_exponent, "arrival", line, out);
        if (!m_parser.parse(text, out)) {
            if (m_first_arrival && is_number(builder, text)) return read_arrival(builder, text, line, out);
            return builder.fail(line, "arrival", text.empty() ? "nothing" : shown(text),
                                std::string("an ISO 8601 date and time such as 2023-11-16 18:15:46.68 or "
                                            "2024-05-10T00:00:00+00:00") +
                                    (m_layout.format == "plain-csv" ? ", or in every row a number of seconds" : ""));
        }
        m_first_arrival = false;
        m_zoned = m_zoned || (text.size() > 19 && text.find_first_of("+-Z", 19) != std::string_view::npos);
        return true;
    }

    /// Whether a column `timestamp` counts in numbers, as its first row tells: seconds from the start, or since 1970 in the
    /// unit that puts them into this century.
    bool is_number(TraceBuilder& builder, std::string_view text) {
        constexpr std::int64_t year_2000 = 946'684'800, year_2100 = 4'102'444'800;  // seconds since 1970
        Instant at;
        if (m_layout.format != "plain-csv") return false;
        while (parse_decimal_time(text, m_unix_exponent, at) != DecimalError::none || at.seconds >= year_2100)
            if ((m_unix_exponent -= 3) < -9) return false;
        m_first_arrival = false;
        m_layout.clock = Clock::unix_time;
        if (m_unix_exponent == 0 && at.seconds < year_2000) {
            m_layout.clock = Clock::seconds;
            builder.count_from_start();
            builder.note("timestamp is in numbers: seconds from the start");
            return true;
        }
        builder.note(fmt::format("timestamp is in numbers: {} since 1970",
                                 m_unix_exponent == 0    ? "seconds"
                                 : m_unix_exponent == -3 ? "milliseconds"
                                 : m_unix_exponent == -6 ? "microseconds"
                                                         : "nanoseconds"));
        return true;
    }

    static bool read_hashes(TraceBuilder& builder, std::string_view text, std::int64_t line,
                            Request& request) {
        while (true) {
            const std::size_t at = text.find_first_not_of(" ,;|\t");
            if (at == std::string_view::npos) return true;
            text.remove_prefix(at);
            std::uint64_t hash = 0;
            const bool hex = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
            const char* from = text.data() + (hex ? 2 : 0);
            const auto [stop, status] = std::from_chars(from, text.data() + text.size(), hash, hex ? 16 : 10);
            text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
            if (status != std::errc{} ||
                (!text.empty() && std::string_view(" ,;|\t").find(text.front()) == std::string_view::npos))
                return builder.fail(line, "prefix_hashes", shown(text),
                                    "unsigned 64-bit numbers with spaces between");
            if (!builder.prefix_hash(hash, line, request)) return false;
        }
    }

    struct LogRow {
        Instant at;
        Request request;
        std::int64_t line = 0;
    };

    TextInput& m_text;
    std::string m_name;
    std::filesystem::path m_file;
    TraceReadOptions m_options;
    std::vector<std::string> m_header, m_names;
    Layout m_layout;
    Problem m_problem;
    TimestampParser m_parser;
    LogClock m_clock;
    std::vector<LogRow> m_log_rows;
    char m_separator = ',';
    bool m_zoned = false;
    std::optional<Tick> m_span;
    std::optional<WallClock> m_start;
    int m_unix_exponent = 0;      ///< 10 to this many seconds are the unit of Clock::unix_time
    bool m_first_arrival = true;  ///< no row has told yet what `timestamp` holds
    std::uint32_t m_tokens_per_hash = 0;
};

}  // namespace

Result<Trace> read_csv_trace(TextInput& text, const std::string& name, const std::filesystem::path& file,
                             const TraceReadOptions& options) {
    return CsvReader(text, name, file, options).read();
}

std::string normalised_column(std::string_view name) {
    std::string out;
    for (const char c : name) {
        if (c >= 'A' && c <= 'Z')
            out += static_cast<char>(c - 'A' + 'a');
        else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            out += c;
    }
    return out;
}

char separator_of(std::string_view header) {
    char best = ',';
    for (const char c : {';', '\t'})
        if (std::count(header.begin(), header.end(), c) > std::count(header.begin(), header.end(), best))
            best = c;
    return best;
}

bool split_csv_record(TextInput& text, std::string_view line, std::vector<std::string>& fields,
                      std::string& error, char separator) {
    struct Record {
        std::vector<std::string>& fields;
        bool complete = false;
    } record{fields};
    fields.clear();
    csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) return false;
    csv_set_delim(&parser, static_cast<unsigned char>(separator));
    const auto on_field = [](void* bytes, std::size_t n, void* to) {
        static_cast<Record*>(to)->fields.emplace_back(static_cast<const char*>(bytes), n);
    };
    const auto on_record = [](int, void* to) { static_cast<Record*>(to)->complete = true; };
    const auto feed = [&](std::string_view bytes) {
        return csv_parse(&parser, bytes.data(), bytes.size(), on_field, on_record, &record) == bytes.size();
    };
    bool good = feed(line) && feed("\n");
    while (good && !record.complete) {
        if (!text.next_line(line)) {
            error = "a quote that is never closed";
            break;
        }
        good = feed(line) && feed("\n");
    }
    if (!good) error = std::string("a misplaced quote (") + csv_strerror(csv_error(&parser)) + ")";
    csv_free(&parser);
    return good && record.complete;
}

}  // namespace windtunnel
