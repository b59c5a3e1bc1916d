#pragma once
#include "scenarios/markets/price_readers.hpp"

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <tuple>

namespace windtunnel {

/// Price lists of parts: an hour of a core, of a GiB, of a GPU. The price of a machine of the catalogue is the sum of its own.
///
/// Google's Cloud Billing catalogue (services.skus.list), its export to BigQuery as JSON, the price table of its console as
/// CSV; Oracle's list (apexapps.oracle.com, cetools/api/v1/products). A machine of which the list has some parts and lacks
/// others has no price, and the first that it lacks is named.
class SkuPrices {
public:
    /// An SKU of the Cloud Billing catalogue or of its export.
    void add_google(const nlohmann::ordered_json& sku, const std::string& path, PriceGatherer& out);
    /// A row of the console's table.
    void add(const PriceCells& cells, PriceGatherer& out);
    /// A product of Oracle's list.
    void add_oracle(const nlohmann::ordered_json& product, const std::string& path, PriceGatherer& out);

    /// Hands on the prices of the catalogue's machines.
    void compose(PriceGatherer& out) const;

private:
    struct Part {
        std::int64_t nano_usd = 0;  ///< an hour of one
        std::string since;
    };
    using Key = std::tuple<std::string, PriceWay, std::string>;  ///< region, way of buying, what ("a2 core", "gpu h100 80gb", "ssd")

    void add_sku(const std::string& description, const std::string& usage, const std::vector<std::string>& regions, const std::string& unit, double usd, const std::string& since,
                 PriceGatherer& out);
    void set(const Key& key, double usd, const std::string& since);
    [[nodiscard]] const Part* find(const std::string& region, PriceWay way, const std::vector<std::string>& names) const;
    void compose_google(const InstanceType& type, const std::string& region, PriceWay way, PriceGatherer& out) const;
    void compose_oracle(PriceGatherer& out) const;

    std::map<Key, Part> m_parts;
    std::map<std::string, Part> m_oracle;  ///< an hour of one GPU, by what the product is called, in upper case
};

}  // namespace windtunnel
