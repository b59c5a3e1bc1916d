#include "models/nearest_name.hpp"
#include "scenarios/markets/price_records.hpp"
#include "scenarios/markets/spot_history_json.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <cmath>

namespace windtunnel {
namespace {

constexpr std::string_view aws_text = "SPOTPRICEHISTORY\t";

std::vector<std::string> columns_of(std::string_view line) {
    std::vector<std::string> out;
    for (const std::string_view name : fields_of(line, separator_of(line))) out.push_back(normalised_column(name));
    return out;
}

bool is_clock(const std::string& column) {
    for (const char* name : {"timestamp", "time", "datetime", "date", "ms", "timems", "timestampms", "times", "timestamps", "seconds", "timeseconds", "unix", "epoch"})
        if (column == name) return true;
    return false;
}
bool is_change(const std::string& column) { return column == "event" || column == "action" || column == "change" || column == "op" || column == "operation" || column == "type" || column == "kind" || column == "state" || column == "status"; }

std::optional<std::size_t> place_of(const std::vector<std::string>& columns, std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (const auto found = std::find(columns.begin(), columns.end(), name); found != columns.end()) return static_cast<std::size_t>(found - columns.begin());
    return std::nullopt;
}
/// The column of spot prices; of counts of nodes "spot" alone would be one.
std::optional<std::size_t> price_column(const std::vector<std::string>& columns) {
    if (const auto usual = place_of(columns, {"spotprice", "priceusdperhour", "price"})) return usual;
    for (std::size_t i = 0; i < columns.size(); ++i)
        for (const char* word : {"price", "cost", "usd"})
            if (says(columns[i], word)) return i;
    return std::nullopt;
}

class SpotTableReader {
public:
    SpotTableReader(TextInput& text, std::string name, const SpotReadOptions& options) : m_text(text), m_name(std::move(name)), m_ones(options.ones_are_available) {}

    Result<SpotHistory> read() {
        std::string_view line;
        std::string error;
        std::vector<std::string> fields;
        while (m_text.next_line(line)) {
            if (trimmed(line).empty() || line.front() == '#') continue;
            if (m_columns.empty()) {
                const bool plain = line.starts_with(aws_text);
                m_separator = separator_of(line);
                m_columns = plain ? std::vector<std::string>{"", "availabilityzone", "instancetype", "productdescription", "spotprice", "timestamp"} : columns_of(line);
                if (!plain) {
                    for (const std::string_view name : fields_of(line, m_separator)) m_names.emplace_back(name);
                    continue;
                }
            }
            if (!split_csv_record(m_text, line, fields, error, m_separator)) return wrong("", "found " + error + ", allowed: RFC 4180 quoting");
            if (fields.size() != m_columns.size()) return wrong("", fmt::format("found {} fields, allowed: the header's {}", fields.size(), m_columns.size()));
            const bool good = price_column(m_columns) ? add_price(fields) : add_counts(fields);
            if (!good) return m_problem;
        }
        if (!m_text.source().error().empty()) return Problem{{m_name, 0, 0}, "", m_text.source().error()};
        if (price_column(m_columns)) return m_prices.finish(m_name);
        return finish_counts();
    }

private:
    Problem wrong(const std::string& path, const std::string& message) {
        m_problem = {{m_name, static_cast<std::int32_t>(m_text.line()), 0}, path, message};
        return m_problem;
    }
    bool refuse(const std::string& path, const std::string& found, const std::string& allowed) {
        wrong(path, fmt::format("found \"{}\", allowed: {}", found, allowed));
        return false;
    }
    std::optional<std::int64_t> time_of(std::size_t column, const std::string& text) {
        m_clock.column = m_columns[column];
        const auto ms = m_clock.ms_of(text);
        if (!ms) refuse(m_names.empty() ? "timestamp" : m_names[column], text, spot_clock_allowed);
        return ms;
    }

    bool add_price(const std::vector<std::string>& fields) {
        const auto at = place_of(m_columns, {"timestamp", "time", "datetime", "date", "timestampms", "timestamps"});
        const auto type = place_of(m_columns, {"instancetype", "type"}), zone = place_of(m_columns, {"availabilityzone", "zone", "az"}), product = place_of(m_columns, {"productdescription", "product", "os"});
        const std::size_t price = price_column(m_columns).value_or(0);
        if (!at) return refuse("timestamp", "no such column", "timestamp, instance_type, availability_zone, spot_price");
        const auto ms = time_of(*at, fields[*at]);
        if (!ms) return false;
        const std::string name = m_names.empty() ? "SpotPrice" : m_names[price];
        const auto header = money_column(name);
        if (header && !header->currency.empty()) return refuse(name, header->currency, "USD (convert them)");
        if (const auto currency = place_of(m_columns, {"currency", "currencycode"}); currency && !fields[*currency].empty() && folded_name(fields[*currency]) != "usd")
            return refuse(m_names[*currency], fields[*currency], "USD (convert them)");
        const MoneyText money = read_money(fields[price]);
        if (!money.nano_usd || (header && header->per_gpu)) return refuse(name, fields[price], "USD per hour");
        const double hours = header && header->hours > 0 ? header->hours : 1;
        m_prices.add(type ? fields[*type] : "", zone ? fields[*zone] : "", product ? fields[*product] : "", *ms, std::llround(static_cast<double>(*money.nano_usd) * (header ? header->usd : 1) / hours));
        return true;
    }

    /// A row of how many nodes each zone has (or had room for) from its time on.
    bool add_counts(const std::vector<std::string>& fields) {
        const auto ms = time_of(0, fields[0]);
        if (!ms) return false;
        if (!m_times.empty() && *ms < m_times.back()) {
            wrong(m_names[0], fmt::format("goes back in time by {:.3f} s, allowed: rows by ascending time (sort the file if its order is lost)", static_cast<double>(m_times.back() - *ms) / 1000));
            return false;
        }
        m_times.push_back(*ms);
        for (std::size_t i = 1; i < fields.size(); ++i) {
            std::int64_t count = 0;
            const std::string& text = fields[i];
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
            if (error != std::errc{} || end != text.data() + text.size() || count < 0 || count > 1'000'000) return refuse(m_names[i], text, "a number of nodes");
            m_counts.push_back(count);
            m_most = std::max(m_most, count);
        }
        return true;
    }
    Result<SpotHistory> finish_counts() {
        if (m_times.empty()) return Problem{{m_name, 0, 0}, "", "found no rows, allowed: at least one"};
        const std::size_t zones = m_columns.size() - 1;
        for (const char* taken : {"preempted", "preemption", "preemptions", "interrupted"})
            if (zones == 1 && m_columns[1] == taken && !m_ones) m_ones = false;
        const bool names_nodes = zones == 1 && !m_columns[1].starts_with("preempt") && m_columns[1] != "interrupted" && place_of({m_columns[1]}, {"nodes", "count", "available", "availability", "capacity", "nodesavailable", "instances"});
        if (m_most <= 1 && !m_ones && !names_nodes)
            return Problem{{m_name, 1, 0}, "", "has samples of 0 and 1 and says not which of both is capacity, allowed: one column \"available\" or \"preempted\", or --ones available|preempted (in a scenario: ones)"};
        if (m_most > 1 && m_ones == false)
            return Problem{{m_name, 0, 0}, "", fmt::format("has a sample of {} among what is said to be preemptions, allowed: 0 and 1", m_most)};
        SpotHistory out;
        out.format = SpotFormat::node_counts;
        out.span_ms = m_times.back() - m_times.front();
        if (m_times.front() > 100'000'000'000) out.start_unix_ms = m_times.front();
        for (std::size_t z = 0; z < zones; ++z) {
            SpotMarketRecord market;
            if (zones > 1) market.zone = m_names[z + 1];
            std::vector<std::uint32_t> there;
            for (std::size_t i = 0; i < m_times.size(); ++i) {
                const std::int64_t count = m_counts[i * zones + z];
                set_count(market, there, m_ones == false ? 1 - count : count, m_times[i] - m_times.front());
            }
            market.to_ms = out.span_ms;
            out.markets.push_back(std::move(market));
        }
        return out;
    }

    TextInput& m_text;
    std::string m_name;
    std::optional<bool> m_ones;
    std::vector<std::string> m_columns, m_names;  ///< normalised, and as they stand
    std::vector<std::int64_t> m_times, m_counts;
    std::int64_t m_most = 0;
    char m_separator = ',';
    SpotPriceSeries m_prices;
    SpotClock m_clock;
    Problem m_problem;
};

}  // namespace

bool is_spot_table(std::string_view first_line) {
    if (first_line.starts_with(aws_text)) return true;
    const std::vector<std::string> columns = columns_of(trimmed(first_line.ends_with('\r') ? first_line.substr(0, first_line.size() - 1) : first_line));
    if (columns.size() < 2) return false;
    if (price_column(columns)) return true;
    return is_clock(columns[0]) && std::none_of(columns.begin() + 1, columns.end(), [](const std::string& c) { return is_change(c) || is_clock(c) || c.empty(); });
}

Result<SpotHistory> read_spot_table(TextInput& text, const std::string& name, const SpotReadOptions& options) { return SpotTableReader(text, name, options).read(); }

std::optional<std::int64_t> SpotClock::ms_of(std::string_view text) {
    Instant at;
    text = trimmed(text);
    std::string padded(text);
    if (std::count(padded.begin(), padded.end(), ':') == 1 && padded.size() == 16) padded += ":00";  // minutes are enough
    if (parser.parse(padded, at)) return at.seconds * 1000 + at.ticks / ticks_per_millisecond;
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || !(number >= 0) || number > 4.2e12) return std::nullopt;
    const bool ms = column == "ms" || column.ends_with("ms") || column.ends_with("milliseconds");
    const bool seconds = column == "times" || column == "timestamps" || column.ends_with("seconds") || column == "unix" || column == "epoch";
    if (ms || (!seconds && number >= 1e11)) return std::llround(number);
    if (seconds) return number < 4.2e9 ? std::optional(std::llround(number * 1000)) : std::optional(std::llround(number));
    // Without a unit, only what can be nothing but seconds since 1970 is told: from 2001 to 2099.
    if (!column.empty() && number >= 1e9 && number < 4'102'444'800) return std::llround(number * 1000);
    return std::nullopt;
}

}  // namespace windtunnel
