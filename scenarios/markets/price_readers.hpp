#pragma once
#include "scenarios/documents/text_input.hpp"
#include "scenarios/markets/price_list.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

namespace windtunnel {

/// How a machine is bought.
enum class PriceWay : std::uint8_t { on_demand, spot, committed };

/// What a list's cell of money says: "0.8048", "$0.8048 hourly". Empty, "nan", "N/A", "unavailable" and the like: not offered.
struct MoneyText {
    bool offered = false;
    std::optional<std::int64_t> nano_usd;  ///< nothing, though offered: no amount, or a negative one
    bool negative = false;
};
[[nodiscard]] MoneyText read_money(std::string_view text);
/// A plain number of at least 0, with thousands' commas or a decimal comma.
[[nodiscard]] std::optional<double> read_amount(std::string_view text);
/// The first number of a text such as "1,952 GiB"; 0 without one.
[[nodiscard]] double leading_number(std::string_view text);

/// The word of a text that is an instance type: one of the catalogue's, or formed as the clouds form theirs ("USW2-BoxUsage:g6.xlarge").
[[nodiscard]] std::string machine_in(std::string_view text);

/// Gathers the prices of one list, with what is wrong with them.
class PriceGatherer {
public:
    explicit PriceGatherer(std::string name) : m_name(std::move(name)) {}

    /// Where in the file it reads just now, for messages.
    void stand_at(std::int64_t line) { m_line = line; }
    [[nodiscard]] Problem problem(const std::string& path, const std::string& message) const {
        return {{m_name, static_cast<std::int32_t>(m_line), 0}, path, message};
    }
    void refuse(const std::string& path, const std::string& message) { m_problems.push_back(problem(path, message)); }
    void warn(const std::string& path, const std::string& message) { m_list.warnings.push_back(problem(path, message)); }
    /// Says it of the first, and counts all: "(12 such)".
    void leave_out(const std::string& kind, const std::string& path, const std::string& message);
    [[nodiscard]] const Problems& problems() const { return m_problems; }

    /// A price in another currency than USD is left out, which is said once of each.
    [[nodiscard]] bool is_foreign(const std::string& currency);
    /// The cell's price. What is no amount is a problem.
    [[nodiscard]] std::optional<std::int64_t> money(const std::string& path, const std::string& text);
    /// The same in a bill, whose negative lines are corrections: those are left out.
    [[nodiscard]] std::optional<std::int64_t> billed_money(const std::string& path, const std::string& text);

    /// Committed prices of this list are what its cloud offers to everybody.
    void commitments_are_offers() { m_list.offers_commitments = true; }
    /// The same of several columns or rows is said of the first alone.
    void say_once(const std::string& kind, const std::string& path, const std::string& message);
    /// A row as a list has it; its cloud is found out, what it leaves unsaid is the catalogue's, what cannot be is said.
    void add(PriceRow row);
    /// A row without a machine: accelerators that are sold apart, whose price belongs to that of a machine's row.
    void add_apart(PriceRow row);
    /// How many GPUs a row's machine has, by the row or the catalogue; 0 = not known.
    [[nodiscard]] double gpus_of(PriceRow row) const;
    /// One price of a machine in a place, out of many in any order: the latest holds. `facts` describe a machine that the
    /// catalogue lacks.
    void set(const PriceRow& facts, PriceWay way, std::int64_t nano_usd, const std::string& since);

    /// The list, or what is wrong with it. `wanted`: where prices ought to be.
    [[nodiscard]] Result<PriceList> finish(const std::string& path, const std::string& wanted);

private:
    void settle(PriceRow& row);
    void fill(PriceRow& row);
    void join_apart();
    void keep_one_of_each();

    struct Apart {
        PriceRow row;
        std::int64_t line = 0;
    };
    struct LeftOut {
        std::size_t warning = 0, count = 0;
        std::string message;
    };
    using Place = std::tuple<std::string, std::string, std::string>;  ///< type, zone, region
    std::string m_name;
    std::int64_t m_line = 0;
    PriceList m_list;
    Problems m_problems;
    std::map<std::string, LeftOut> m_left_out;
    std::map<Place, PriceRow> m_rows;
    std::map<std::pair<Place, PriceWay>, std::string> m_latest;  ///< since when it holds
    std::set<std::string> m_said, m_foreign;
    std::vector<std::size_t> m_bare;    ///< rows that say nothing of GPUs
    std::vector<std::int64_t> m_lines;  ///< of the rows
    std::vector<Apart> m_apart;
    std::map<std::pair<std::string, std::string>, std::size_t> m_of_zone_ids;  ///< rows by type and region
    std::map<std::string, std::set<std::string>> m_filled;  ///< types by what of them is the catalogue's
};

inline constexpr std::size_t most_price_problems = 20;  ///< that are said of a list
/// What a price list may be, for messages.
[[nodiscard]] const std::string& price_list_formats();

/// CSV (also with semicolons or tabs): SkyPilot's catalogues, lists of one's own, FOCUS exports, AWS's bulk price list.
[[nodiscard]] Result<PriceList> read_price_table(TextInput& text, const std::string& name);
/// JSON: Karpenter's initial prices, Azure's and AWS's price APIs, spot price histories, ec2instances.info, Lambda's API, what
/// `windtunnel prices -o json` writes, arrays of records with the columns of a list of one's own.
[[nodiscard]] Result<PriceList> read_price_json(TextInput& text, const std::string& name);
/// Go: the tables of Karpenter's providers (zz_generated.pricing_aws.go).
[[nodiscard]] Result<PriceList> read_price_go(TextInput& text, const std::string& name);

/// A record's cells by the names of its columns, in lower case letters and digits.
using PriceCells = std::map<std::string, std::string>;
/// What a column says; empty where the list has no such column.
inline std::string at(const PriceCells& cells, const char* name) {
    const auto found = cells.find(name);
    return found == cells.end() ? std::string() : found->second;
}
inline bool says(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }
/// AWS says the software of a machine by its operation: "RunInstances:0002" is Windows, ":SV…" spot (AWS documentation,
/// billing of AMIs, 2025).
inline bool runs_other_software(const std::string& operation) {
    return operation.starts_with("RunInstances:") && !operation.starts_with("RunInstances:SV");
}

/// A charge of a FOCUS export (FinOps Open Cost and Usage Specification 1.0 to 1.2).
void add_focus_charge(const PriceCells& cells, PriceGatherer& out);

/// A line of AWS's price list (EC2, bulk JSON and CSV, GetProducts), with its product's attributes, by the same names. Machines
/// on Linux, shared tenancy, without software; on demand, and reserved for a year without upfront.
void add_aws_price(const PriceCells& cells, PriceGatherer& out);
/// An item of Azure's retail prices, as the API has it (`path`: where it stands, with a point) or as a table of its fields.
void add_azure_price(const PriceCells& cells, const std::string& path, PriceGatherer& out);
/// A line item of AWS's Cost and Usage Report: hours of Linux machines at what was effectively paid for them.
void add_aws_usage(const PriceCells& cells, PriceGatherer& out);

}  // namespace windtunnel
