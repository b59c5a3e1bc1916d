#pragma once
#include "models/instance_types.hpp"
#include "models/problem.hpp"

#include <cstdint>
#include <filesystem>
#include <istream>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// What one instance type costs in one place.
struct PriceRow {
    std::string cloud, instance_type, region, zone;  ///< "" = not said; without a zone: of all of the region's
    std::string gpu;                                 ///< a name of the GPU catalogue where it has one, else as the list has it
    double gpu_count = 0;                            ///< a part of a card is less than one
    double gpu_memory_gib = 0;                       ///< of one card, as the list says it; 0 = not said
    double vcpus = 0, memory_gib = 0;                ///< 0 = not said
    std::optional<std::int64_t> on_demand, spot, committed;  ///< nano-USD per hour; none = not offered
    std::string date;                                ///< "" = not said
};

struct PriceList {
    std::string source;  ///< a file's name and format, or what the catalogue says
    std::vector<PriceRow> rows;
    bool offers_commitments = false;  ///< its committed prices are what could be had, not what is paid
    Problems warnings;   ///< parts of GPUs, spot dearer than on demand, memories that cannot be
};

/// The catalogue that travels in the program.
[[nodiscard]] PriceList catalogue_prices();

/// Reads a price list; formats are recognised by content (price_readers.hpp): SkyPilot's catalogues, Karpenter's initial prices
/// (JSON, Go), AWS's price list (bulk JSON and CSV, GetProducts) and spot price history, Azure's retail prices, FOCUS exports,
/// ec2instances.info, Lambda's API, Google's and Oracle's lists of parts (price_skus.hpp), and a list of one's own: CSV, or JSON records, with instance_type, region,
/// price_usd_per_hour and by choice cloud, zone, spot_usd_per_hour, committed_usd_per_hour, gpu, gpus, vcpus, memory_gib, date.
/// Also .gz and .zst.
[[nodiscard]] Result<PriceList> read_price_list(const std::filesystem::path& file);
[[nodiscard]] Result<PriceList> read_price_list(std::istream& in, const std::string& name);

/// What to show of a list. Empty and absent = everything.
struct PriceFilter {
    std::string cloud, region, instance_type, gpu;
    std::optional<double> gpus;
    std::optional<CapacityType> capacity;
    bool per_gpu = false;  ///< cheapest first by the price of one GPU, not of the instance
};
/// The rows that pass, cheapest first. A cloud, region, type or GPU that no row has is a problem with the nearest names.
[[nodiscard]] Result<std::vector<PriceRow>> filtered(const PriceList& list, const PriceFilter& filter);

/// Prices of a list by type and place, for pools.
class PriceBook {
public:
    PriceBook() = default;
    explicit PriceBook(const PriceList& list);
    [[nodiscard]] bool empty() const { return m_prices.empty(); }
    /// Nano-USD per hour; `place` is a region or zone. The zone's own price wins over its region's; of a region whose zones alone
    /// have prices it is the cheapest one's.
    [[nodiscard]] std::optional<std::int64_t> find(const std::string& cloud, const std::string& instance_type, const std::string& place,
                                                   CapacityType capacity) const;
    /// A row that says what the machine is: whole GPUs of a known kind (or none), CPU and memory. nullptr without one.
    [[nodiscard]] const PriceRow* described(const std::string& instance_type) const;
    /// Whether the list has prices of machines bought so: one of on-demand prices alone says nothing of spot.
    [[nodiscard]] bool speaks_of(CapacityType capacity) const { return capacity == CapacityType::spot ? m_has_spot : m_has_on_demand; }
    /// Whether the list has the type at all, and where.
    [[nodiscard]] std::vector<std::string> places_of(const std::string& instance_type) const;

private:
    std::map<std::pair<std::string, std::string>, PriceRow> m_prices;  ///< folded type, place
    bool m_has_spot = false, m_has_on_demand = false;
};

[[nodiscard]] std::string price_table(const std::vector<PriceRow>& rows, const PriceList& list, std::size_t limit);
[[nodiscard]] nlohmann::ordered_json price_json(const std::vector<PriceRow>& rows, const PriceList& list);
/// As read_price_list reads a list of one's own, and as SkyPilot's catalogue.
[[nodiscard]] std::string price_csv(const std::vector<PriceRow>& rows);
[[nodiscard]] std::string skypilot_csv(const std::vector<PriceRow>& rows);

}  // namespace windtunnel
