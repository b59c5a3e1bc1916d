#pragma once
#include "scenarios/markets/price_readers.hpp"

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace windtunnel {

/// What a column of prices says by its header: "SpotPrice", "Price (USD/hour)", "monthly_price", "price_eur_per_hour".
struct MoneyColumn {
    PriceWay way = PriceWay::on_demand;
    double hours = 0;      ///< that a price is for; 0 = not said
    double usd = 1;        ///< of one unit: a cent is 0.01
    bool per_gpu = false;  ///< of one GPU of the machine
    std::string currency;  ///< "" = USD or not said
    int rank = 1000;       ///< of the usual names
};
/// Nothing where a header is about something else than a machine's price.
[[nodiscard]] std::optional<MoneyColumn> money_column(std::string_view header);
/// The name of a column of cells: normalised_column's, with a currency that a sign says ("Price (€)": priceeur).
[[nodiscard]] std::string price_column_name(std::string_view header);

/// Whether columns, by their headers, have an instance type and a price.
[[nodiscard]] bool has_price_columns(const std::vector<std::string>& headers);

/// Reads records of SkyPilot's catalogues and of lists of one's own: one machine in one place, with its prices.
class PriceRecords {
public:
    /// Columns whose cells are to come, by their headers; again as often as one likes.
    void know(const std::string& header);
    /// Cells by price_column_name of headers that are known.
    void add(const PriceCells& cells, PriceGatherer& out);

private:
    [[nodiscard]] double hours_of_row(const PriceCells& cells, PriceGatherer& out) const;
    [[nodiscard]] std::optional<std::int64_t> price(const PriceCells& cells, PriceWay way, double row_hours, double gpus, PriceGatherer& out) const;

    std::set<std::string> m_known;
    std::vector<std::pair<std::string, MoneyColumn>> m_money;  ///< by price_column_name, the ones to look at first before others
    bool m_placeless = false;                                  ///< said that a row has no region
};

}  // namespace windtunnel
