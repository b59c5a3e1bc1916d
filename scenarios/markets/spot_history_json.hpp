#pragma once
#include "scenarios/documents/text_input.hpp"
#include "scenarios/markets/spot_history.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

// Behind read_spot_history().

/// The JSON formats: arrays of availability, AWS price histories, the GCP preemption study.
[[nodiscard]] Result<SpotHistory> read_spot_json(std::string document, const std::string& name,
                                                 const SpotReadOptions& options);

/// Whether a first line is the header of a table of spot prices, or of numbers of nodes by time, or a line of
/// `aws ec2 describe-spot-price-history --output text`.
[[nodiscard]] bool is_spot_table(std::string_view first_line);
[[nodiscard]] Result<SpotHistory> read_spot_table(TextInput& text, const std::string& name, const SpotReadOptions& options);

/// A moment as files write it: ISO 8601, or a number since 1970 (or since any start) in the unit that `column` says or that its
/// size tells (a number of this century's milliseconds cannot be one of its seconds). Nothing where it cannot be told.
struct SpotClock {
    std::string_view column;  ///< normalised: "ms", "times", "timestamp"; "" = no header

    [[nodiscard]] std::optional<std::int64_t> ms_of(std::string_view text);
    TimestampParser parser{};
};
inline constexpr const char* spot_clock_allowed =
    "a time such as 2020-02-20T22:06:16Z, milliseconds since 1970, or numbers under a column time_s or ms";

/// What stands between the separators of a line without quotes, blanks at the ends aside.
[[nodiscard]] std::vector<std::string_view> fields_of(std::string_view line, char separator = ',');

/// Entries of a price history, in any order.
class SpotPriceSeries {
public:
    void add(const std::string& type, const std::string& zone, const std::string& product, std::int64_t at_ms, std::int64_t nano_usd_per_hour);
    [[nodiscard]] Result<SpotHistory> finish(const std::string& name);

private:
    std::map<std::pair<std::string, std::string>, std::vector<SpotPricePoint>> m_series;
    std::set<std::string> m_products;
    std::int64_t m_first = INT64_MAX, m_last = INT64_MIN;
};

/// The market has `count` nodes from `at_ms` on; `there` are the numbers of those it had. The latest go
/// first.
void set_count(SpotMarketRecord& market, std::vector<std::uint32_t>& there, std::int64_t count,
               std::int64_t at_ms);

}  // namespace windtunnel
