#pragma once
#include "models/problem.hpp"

#include <cstdint>
#include <filesystem>
#include <istream>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

enum class SpotFormat : std::uint8_t {
    node_events,    ///< `ms,add|remove,node` (Bamboo)
    node_counts,    ///< `date, time, nodes available` (Bamboo's GCP log)
    creation_log,   ///< `[time] Created instance ...`, `... not running in zone ...` (DIME)
    availability,   ///< JSON arrays of one sample every so many seconds (SkyPilot)
    price_history,  ///< `SpotPriceHistory` of the AWS command line
    lifetimes,      ///< JSON: VM name -> insert time and `time_in_sec` (GCP preemption study, 2019)
};
[[nodiscard]] std::string_view to_string(SpotFormat format);

/// A node comes (`by` = 1) or goes (-1).
struct SpotNodeChange {
    std::int64_t at_ms = 0;  ///< since the history's start
    std::int32_t by = 0;
    std::uint32_t node = 0;  ///< which one: every node that comes has a number of its own, within its market
    bool taken = true;       ///< of a node that goes: the cloud took it (and nobody stopped it)
};

/// What was recorded of one instance type in one zone.
struct SpotMarketRecord {
    std::string instance_type, zone;      ///< "" = the file does not say
    std::int64_t from_ms = 0, to_ms = 0;  ///< watched from and to
    std::vector<SpotNodeChange> changes;  ///< by time
    std::uint32_t nodes = 0;              ///< numbers given out
};

struct SpotPricePoint {
    std::int64_t at_ms = 0;
    std::int64_t nano_usd_per_hour = 0;
};

/// The price of one instance type in one zone: each point holds until the next one.
struct SpotPriceRecord {
    std::string instance_type, zone;
    std::vector<SpotPricePoint> points;  ///< by time
};

/// A recorded spot market.
struct SpotHistory {
    SpotFormat format = SpotFormat::node_events;
    bool names_nodes = false;                   ///< which node went is recorded, so that lifetimes are known
    std::optional<std::int64_t> start_unix_ms;  ///< wall clock of its start
    std::int64_t span_ms = 0;
    std::vector<SpotMarketRecord> markets;
    std::vector<SpotPriceRecord> prices;
    Problems warnings;
};

/// What a reader may assume where a file does not say.
struct SpotReadOptions {
    std::optional<bool> ones_are_available;  ///< arrays of 0 and 1: 1 = there was capacity, or 1 = preempted
    std::optional<double> step_s;            ///< arrays without `gap_seconds`: time between samples
};

/// Reads a recorded spot market, of any of the formats above, told apart by content; also .gz and .zst.
///
/// The history starts at its first row (arrays: at their first sample; a sample holds until the next). Nodes
/// that are there at the start come then. Counts and arrays do not say which node goes: there it is the
/// latest. Times that go backward, arrays of zeros and ones that do not say which of both is capacity, arrays
/// without a step, nodes that go before they came: one problem with row or path, and what to write. Arrays of
/// unequal lengths get a warning; each market counts over its own.
[[nodiscard]] Result<SpotHistory> read_spot_history(const std::filesystem::path& file,
                                                    const SpotReadOptions& options = {});
/// The same from a stream; `name` stands in messages.
[[nodiscard]] Result<SpotHistory> read_spot_history(std::istream& in, const std::string& name,
                                                    const SpotReadOptions& options = {});

/// How long one node lived.
struct SpotLifetime {
    double hours = 0;
    bool taken = false;  ///< the cloud took it then; else it lived at least so long
};
/// The lifetimes in a market of which nodes are known by name.
[[nodiscard]] std::vector<SpotLifetime> lifetimes_of(const SpotMarketRecord& market);

}  // namespace windtunnel
