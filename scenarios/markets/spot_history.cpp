#include "scenarios/markets/spot_history.hpp"

#include "models/time.hpp"
#include "scenarios/documents/text_input.hpp"
#include "scenarios/markets/spot_history_json.hpp"
#include "scenarios/traces/trace_formats.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>

namespace windtunnel {
namespace {

constexpr const char* known_formats =
    "ms,add|remove,node; date, time, nodes; a table timestamp,nodes or of spot prices; a log of created instances; JSON arrays of "
    "availability; SpotPriceHistory; a GCP preemption study";

/// What rows of nodes that come and go call it: 1 came, -1 taken by the cloud, -2 stopped by its owner; 0 = none of them.
int change_named(std::string_view word) {
    std::string name;
    for (const char c : word) name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    for (const char* came : {"add", "added", "create", "created", "start", "started", "launch", "launched"})
        if (name == came) return 1;
    for (const char* taken : {"remove", "removed", "preempt", "preempted", "interrupt", "interrupted", "evict", "evicted", "reclaim", "reclaimed"})
        if (name == taken) return -1;
    for (const char* stopped : {"stop", "stopped", "delete", "deleted", "terminate", "terminated"})
        if (name == stopped) return -2;
    return 0;
}

bool read_integer(std::string_view text, std::int64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

/// The line formats, row by row.
class LineReader {
public:
    LineReader(TextInput& text, std::string name) : m_text(text), m_name(std::move(name)) {}

    Result<SpotHistory> read() {
        std::string_view line;
        while (m_text.next_line(line)) {
            line = trimmed(line);
            if (line.empty() || line.front() == '#') continue;
            if (m_rows == 0 && !recognise(line)) {
                // A header of words stands before the first row at most once.
                if (!m_header && line.find_first_of("0123456789") == std::string_view::npos) {
                    m_header = true;
                    m_time_column = normalised_column(fields_of(line).front());
                    m_clock.column = m_time_column;
                    continue;
                }
                wrong(fmt::format("found \"{}\", allowed: {}", line.substr(0, 60), known_formats));
                return m_problem;
            }
            ++m_rows;
            const bool good = m_out.format == SpotFormat::node_events   ? node_event(line)
                              : m_out.format == SpotFormat::node_counts ? node_count(line)
                                                                        : log_line(line);
            if (!good) return m_problem;
        }
        if (!m_text.source().error().empty()) return Problem{{m_name, 0, 0}, "", m_text.source().error()};
        if (m_rows == 0)
            return Problem{{m_name, 0, 0}, "", fmt::format("found no rows, allowed: {}", known_formats)};
        return finish();
    }

private:
    bool wrong(const std::string& message) {
        m_problem = {{m_name, static_cast<std::int32_t>(m_text.line()), 0}, "", message};
        return false;
    }

    bool recognise(std::string_view line) {
        if (line.front() == '[') {
            m_out.format = SpotFormat::creation_log;
            return line.find("nstance") != std::string_view::npos;
        }
        const auto fields = fields_of(line);
        std::int64_t number = 0;
        if (fields.size() == 3 && change_named(fields[1]) != 0) {
            m_out.format = SpotFormat::node_events;
            return true;
        }
        m_out.format = SpotFormat::node_counts;
        return fields.size() == 3 && fields[0].size() == 10 && fields[0][4] == '-' &&
               read_integer(fields[2], number);
    }

    /// Takes the row's time on. Rows come by time: where one goes back, no clock can be told.
    bool advance(std::int64_t ms) {
        if (m_has_time && ms < m_now)
            return wrong(
                fmt::format("goes back in time by {:.3f} s, allowed: rows by ascending time (sort the file "
                            "if its order is lost)",
                            static_cast<double>(m_now - ms) / 1000));
        if (!m_has_time) m_start = ms;
        m_has_time = true;
        m_now = ms;
        return true;
    }

    SpotMarketRecord& market(const std::string& type, const std::string& zone) {
        const auto [at, added] = m_markets.try_emplace({type, zone}, m_out.markets.size());
        if (added) {
            m_out.markets.emplace_back();
            m_out.markets.back().instance_type = type;
            m_out.markets.back().zone = zone;
        }
        return m_out.markets[at->second];
    }
    void come(SpotMarketRecord& at, std::uint32_t& number) {
        number = at.nodes++;
        at.changes.push_back({m_now - m_start, 1, number, true});
    }

    bool node_event(std::string_view line) {
        const auto fields = fields_of(line);
        const int change = fields.size() == 3 ? change_named(fields[1]) : 0;
        std::int64_t ms = 0;
        if (change == 0 || fields[2].empty() || !event_time(fields[0], ms))
            return wrong(
                fmt::format("found \"{}\", allowed: milliseconds of at least 0 (or a date with a time of day), add or remove (or "
                            "created, preempted, deleted), a node's name",
                            line.substr(0, 60)));
        if (m_rows == 1 && m_time_column.empty() && ms >= 1'000'000'000 && ms < 4'102'444'800)
            return wrong(fmt::format("begins at {}, which may be milliseconds from a start or seconds since 1970, allowed: a header "
                                     "that says which, \"ms,event,node\" or \"time_s,event,node\"", fields[0]));
        if (!advance(ms)) return false;
        m_out.names_nodes = true;
        SpotMarketRecord& m = market("", "");
        const std::string node(fields[2]);
        if (change > 0) {
            const auto [at, added] = m_live.try_emplace(node, 0);
            if (!added)
                return wrong(
                    fmt::format("adds {}, which is there already, allowed: add after it was removed", node));
            come(m, at->second);
            return true;
        }
        const auto at = m_live.find(node);
        if (at == m_live.end())
            return wrong(fmt::format("removes {}, which is not there, allowed: remove after add", node));
        m.changes.push_back({m_now - m_start, -1, at->second, change == -1});
        m_live.erase(at);
        return true;
    }
    /// Without a header, and under "ms", numbers are milliseconds.
    bool event_time(std::string_view text, std::int64_t& ms) {
        if (m_time_column.empty() && read_integer(text, ms)) return ms >= 0;
        const auto at = m_clock.ms_of(text);
        ms = at.value_or(-1);
        return at && *at >= 0;
    }

    bool node_count(std::string_view line) {
        const auto fields = fields_of(line);
        Instant at;
        std::int64_t count = 0;
        std::string time(fields.size() == 3 ? fields[1] : "");
        if (std::count(time.begin(), time.end(), ':') == 1) time += ":00";  // minutes are enough
        if (fields.size() != 3 || !m_parser.parse(std::string(fields[0]) + " " + time, at) ||
            !read_integer(fields[2], count) || count < 0 || count > 1'000'000)
            return wrong(fmt::format("found \"{}\", allowed: a date, a time of day, a number of nodes (2025-10-01, 08:30:00, 4)",
                                     line.substr(0, 60)));
        if (!advance(milliseconds_of(at))) return false;
        set_count(market("", ""), m_stack, count, m_now - m_start);
        return true;
    }

    bool log_line(std::string_view line) {
        const std::size_t end = line.find(']');
        Instant at;
        if (line.front() != '[' || end == std::string_view::npos ||
            !m_parser.parse(line.substr(1, end - 1), at))
            return wrong(fmt::format("found \"{}\", allowed: [2020-03-01T10:11:21.000Z] and what happened",
                                     line.substr(0, 60)));
        if (!advance(milliseconds_of(at))) return false;
        m_out.names_nodes = true;
        std::vector<std::string> words;
        for (std::string_view rest = trimmed(line.substr(end + 1)); !rest.empty();) {
            const std::size_t space = rest.find(' ');
            words.emplace_back(rest.substr(0, space));
            rest = space == std::string_view::npos ? std::string_view{} : trimmed(rest.substr(space));
        }
        const auto after = [&](const char* word) {
            const auto found = std::find(words.begin(), words.end(), word);
            return found == words.end() || found + 1 == words.end() ? std::string() : *(found + 1);
        };
        const auto says = [&](const char* word) {
            return std::find(words.begin(), words.end(), word) != words.end();
        };
        const std::string node = says("Instance") ? after("Instance") : after("instance");
        if (says("Created")) {
            if (m_live.contains(node))
                return wrong(fmt::format("creates {}, which runs already, allowed: after it has gone", node));
            SpotMarketRecord& m = market(after("type"), after("zone"));
            std::uint32_t number = 0;
            come(m, number);
            m_live[node] = number;
            m_home[node] = m_markets.at({m.instance_type, m.zone});
        } else if (says("not") && says("running")) {
            // Also follows a creation that failed, and instances that are gone already.
            const auto live = m_live.find(node);
            if (live == m_live.end()) return true;
            m_out.markets[m_home.at(node)].changes.push_back({m_now - m_start, -1, live->second, true});
            m_live.erase(live);
        } else if (says("deleted")) {
            // Who deletes what still runs has stopped it himself.
            const auto live = m_live.find(node);
            if (live == m_live.end()) return true;
            m_out.markets[m_home.at(node)].changes.push_back({m_now - m_start, -1, live->second, false});
            m_live.erase(live);
        } else if (!says("running") && !says("failed")) {
            return wrong(fmt::format(
                "found \"{}\", allowed: Created instance, running, not running, creation failed, deleted",
                line.substr(0, 60)));
        }
        return true;
    }

    static std::int64_t milliseconds_of(const Instant& at) {
        return at.seconds * 1000 + at.ticks / ticks_per_millisecond;
    }

    Result<SpotHistory> finish() {
        m_out.span_ms = m_now - m_start;
        // Numbers of so many milliseconds are a date.
        if (m_out.format != SpotFormat::node_events || m_start > 100'000'000'000) m_out.start_unix_ms = m_start;
        for (SpotMarketRecord& m : m_out.markets) m.to_ms = m_out.span_ms;
        return std::move(m_out);
    }

    TextInput& m_text;
    std::string m_name;
    SpotHistory m_out;
    Problem m_problem;
    std::map<std::pair<std::string, std::string>, std::size_t> m_markets;
    std::map<std::string, std::uint32_t> m_live;  ///< name -> number of the nodes that are there
    std::map<std::string, std::size_t> m_home;    ///< name -> its market
    std::vector<std::uint32_t> m_stack;
    TimestampParser m_parser;
    std::int64_t m_rows = 0, m_now = 0, m_start = 0;
    bool m_has_time = false, m_header = false;
    std::string m_time_column;
    SpotClock m_clock;
};

}  // namespace

std::string_view to_string(SpotFormat format) {
    switch (format) {
        case SpotFormat::node_events:
            return "node-events";
        case SpotFormat::node_counts:
            return "node-counts";
        case SpotFormat::creation_log:
            return "creation-log";
        case SpotFormat::availability:
            return "availability";
        case SpotFormat::price_history:
            return "price-history";
        case SpotFormat::lifetimes:
            return "lifetimes";
    }
    return "";
}

std::vector<std::string_view> fields_of(std::string_view line, char separator) {
    std::vector<std::string_view> out;
    for (std::size_t from = 0;;) {
        const std::size_t end = line.find(separator, from);
        out.push_back(trimmed(line.substr(from, end - from)));
        if (end == std::string_view::npos) return out;
        from = end + 1;
    }
}

void set_count(SpotMarketRecord& market, std::vector<std::uint32_t>& there, std::int64_t count,
               std::int64_t at_ms) {
    while (static_cast<std::int64_t>(there.size()) < count) {
        there.push_back(market.nodes++);
        market.changes.push_back({at_ms, 1, there.back(), true});
    }
    while (static_cast<std::int64_t>(there.size()) > count) {
        market.changes.push_back({at_ms, -1, there.back(), true});
        there.pop_back();
    }
}

namespace {

/// The clock of a trial ends after 1.46 years.
Result<SpotHistory> within_reach(Result<SpotHistory> history, const std::string& name) {
    constexpr std::int64_t longest_ms = 40'000'000'000;
    if (history && history->span_ms > longest_ms)
        return Problem{{name, 0, 0},
                       "",
                       fmt::format("spans {:.0f} days, allowed: at most 462",
                                   static_cast<double>(history->span_ms) / 8.64e7)};
    return history;
}

}  // namespace

Result<SpotHistory> read_spot_history(std::istream& in, const std::string& name,
                                      const SpotReadOptions& options) {
    ByteSource bytes(in);
    TextInput text(bytes);
    if (text.at_end()) {
        const std::string& damage = bytes.error();
        return Problem{
            {name, 0, 0}, "", damage.empty() ? fmt::format("is empty, allowed: {}", known_formats) : damage};
    }
    std::string_view start = text.buffered();
    start.remove_prefix(std::min(start.find_first_not_of(" \t\r\n"), start.size()));
    // A log's line begins with a bracket, as JSON may: what follows tells them apart.
    const bool log = start.starts_with('[') &&
                     start.substr(0, start.find('\n')).find("] ") != std::string_view::npos &&
                     start.substr(0, start.find('\n')).find("nstance") != std::string_view::npos;
    if (!log && (start.starts_with('{') || start.starts_with('['))) {
        std::string document = text.rest();
        if (!bytes.error().empty()) return Problem{{name, 0, 0}, "", bytes.error()};
        return within_reach(read_spot_json(std::move(document), name, options), name);
    }
    if (is_spot_table(start.substr(0, start.find('\n')))) return within_reach(read_spot_table(text, name, options), name);
    return within_reach(LineReader(text, name).read(), name);
}

Result<SpotHistory> read_spot_history(const std::filesystem::path& file, const SpotReadOptions& options) {
    std::ifstream in(file, std::ios::binary);
    if (!in || std::filesystem::is_directory(file))
        return Problem{{file.string(), 0, 0}, "", "cannot be read, allowed: a file with a spot history"};
    return read_spot_history(in, file.string(), options);
}

std::vector<SpotLifetime> lifetimes_of(const SpotMarketRecord& market) {
    std::vector<std::int64_t> came(market.nodes, 0);
    std::vector<SpotLifetime> out(market.nodes);
    for (SpotLifetime& life : out) life.hours = -1;
    for (const SpotNodeChange& c : market.changes) {
        if (c.by > 0)
            came[c.node] = c.at_ms;
        else
            out[c.node] = {static_cast<double>(c.at_ms - came[c.node]) / 3.6e6, c.taken};
    }
    for (std::uint32_t n = 0; n < market.nodes; ++n)
        if (out[n].hours < 0) out[n] = {static_cast<double>(market.to_ms - came[n]) / 3.6e6, false};
    return out;
}

}  // namespace windtunnel
