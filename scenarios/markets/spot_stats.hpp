#pragma once
#include "scenarios/markets/spot_history.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// How nodes came and went in one market, or in all of a history.
struct SpotCounts {
    std::string instance_type, zone;
    std::uint64_t adds = 0;
    std::uint64_t removes = 0;  ///< taken by the cloud or stopped
    std::uint64_t taken = 0;    ///< by the cloud
    std::int64_t nodes_start = 0, nodes_end = 0, nodes_min = 0, nodes_max = 0;
    std::int64_t node_ms = 0;  ///< the sum of the nodes' times
    std::int64_t span_ms = 0;
};
/// Counts what happened; several markets are added up as if they were one.
[[nodiscard]] SpotCounts count_nodes(const std::vector<const SpotMarketRecord*>& markets,
                                     std::int64_t span_ms);

/// What a price was over a history.
struct SpotPriceSummary {
    std::string instance_type, zone;
    std::size_t changes = 0;  ///< after the first
    double mean = 0;          ///< USD per hour, weighted with the time that each price held
    double least = 0, most = 0, last = 0;
};
/// From the series' first point to the history's end.
[[nodiscard]] SpotPriceSummary summarise_prices(const SpotPriceRecord& prices, std::int64_t span_ms);

/// What one node costs from `from_ms` to `to_ms` at the prices in force: nano-USD, rounded once, halves to
/// even. Before the first point that point's price holds.
[[nodiscard]] std::int64_t nano_usd_between(const SpotPriceRecord& prices, std::int64_t from_ms,
                                            std::int64_t to_ms);

[[nodiscard]] nlohmann::ordered_json spot_stats_json(const SpotHistory& history);
[[nodiscard]] std::string spot_stats_table(const SpotHistory& history);

}  // namespace windtunnel
