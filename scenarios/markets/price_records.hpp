#pragma once
#include "scenarios/markets/price_readers.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// Whether columns, by their normalised names, have an instance type and a price.
[[nodiscard]] bool has_price_columns(const std::vector<std::string>& names);

/// Reads records of SkyPilot's catalogues and of lists of one's own: one machine in one place, with its prices.
class PriceRecords {
public:
    void add(const PriceCells& cells, PriceGatherer& out);

private:
    bool m_placeless = false;  ///< said that a row has no region
};

}  // namespace windtunnel
