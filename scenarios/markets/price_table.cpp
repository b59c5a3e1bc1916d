#include "scenarios/markets/price_readers.hpp"
#include "scenarios/markets/price_records.hpp"
#include "scenarios/markets/price_skus.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {
namespace {

enum class TableKind : std::uint8_t { none, own, focus, aws, aws_usage, azure, skus };

/// Titles and notes that stand before a header.
constexpr int most_lines_before_header = 20;

class TableReader {
public:
    TableReader(TextInput& text, const std::string& name) : m_text(text), m_out(name) {}

    Result<PriceList> read() {
        std::string_view line;
        std::vector<std::string> fields;
        std::string error;
        while (m_out.problems().size() < most_price_problems && m_text.next_line(line)) {
            m_out.stand_at(m_text.line());
            if (line.find_first_not_of(" \t,;") == std::string_view::npos || line.front() == '#') continue;
            if (m_kind == TableKind::none) m_separator = separator_of(line);
            if (m_begin.empty()) m_begin = line.substr(0, 80), m_first = m_text.line();
            if (!split_csv_record(m_text, line, fields, error, m_separator)) return m_out.problem("", "found " + error + ", allowed: RFC 4180 quoting");
            if (m_kind != TableKind::none)
                add(fields);
            else if (!take_header(fields) && ++m_passed > most_lines_before_header)
                break;
        }
        if (!m_text.source().error().empty()) return m_out.problem("", m_text.source().error());
        if (m_kind == TableKind::none && !m_begin.empty()) {
            m_out.stand_at(m_first);
            return m_out.problem("", fmt::format("found the columns {}, allowed: {}", m_begin, price_list_formats()));
        }
        m_out.stand_at(0);
        if (m_kind == TableKind::skus) m_skus.compose(m_out);
        return m_out.finish("", price_list_formats());
    }

private:
    /// False where a line is no header of any list. Lines that AWS's bulk list has before its header are passed over.
    bool take_header(const std::vector<std::string>& fields) {
        if (!fields.empty() && normalised_column(fields[0]) == "formatversion") m_preamble = true;
        std::vector<std::string> names;
        names.reserve(fields.size());
        for (const std::string& field : fields) names.push_back(normalised_column(field));
        const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
        if (has("pricingcategory") && (has("listunitprice") || has("contractedunitprice") || (has("effectivecost") && has("pricingquantity"))))
            m_kind = TableKind::focus;
        else if (has("sku") && has("priceperunit") && has("termtype"))
            m_kind = TableKind::aws;
        else if (has("lineitemusagetype") && has("lineitemlineitemtype"))
            m_kind = TableKind::aws_usage;
        else if (has("armskuname") && (has("retailprice") || has("unitprice")))
            m_kind = TableKind::azure;
        else if (has("skudescription") || (has("skuid") && has("description")))
            m_kind = TableKind::skus;
        else if (has_price_columns(fields))
            m_kind = TableKind::own;
        else
            return m_preamble;
        if (m_kind == TableKind::own)
            for (std::size_t i = 0; i < fields.size(); ++i) {
                m_records.know(fields[i]);
                names[i] = price_column_name(fields[i]);
            }
        m_columns = std::move(names);
        return true;
    }
    void add(const std::vector<std::string>& fields) {
        // Fields that the header has no name for would be read as another column's.
        if (fields.size() < m_columns.size() || std::any_of(fields.begin() + static_cast<std::ptrdiff_t>(m_columns.size()), fields.end(), [](const std::string& f) { return !f.empty(); }))
            return m_out.refuse("", fmt::format("found {} fields, allowed: the header's {}", fields.size(), m_columns.size()));
        PriceCells cells;
        for (std::size_t i = 0; i < m_columns.size(); ++i)
            if (!fields[i].empty()) cells.emplace(m_columns[i], fields[i]);
        switch (m_kind) {
            case TableKind::focus:
                return add_focus_charge(cells, m_out);
            case TableKind::aws:
                return add_aws_price(cells, m_out);
            case TableKind::aws_usage:
                return add_aws_usage(cells, m_out);
            case TableKind::azure:
                return add_azure_price(cells, "", m_out);
            case TableKind::skus:
                return m_skus.add(cells, m_out);
            case TableKind::own:
            case TableKind::none:
                return m_records.add(cells, m_out);
        }
    }

    TextInput& m_text;
    PriceGatherer m_out;
    PriceRecords m_records;
    SkuPrices m_skus;
    std::string m_begin;        ///< of the first line that is not blank
    std::int64_t m_first = 0;   ///< its number
    int m_passed = 0;           ///< lines before the header
    std::vector<std::string> m_columns;
    TableKind m_kind = TableKind::none;
    char m_separator = ',';
    bool m_preamble = false;
};

}  // namespace

Result<PriceList> read_price_table(TextInput& text, const std::string& name) { return TableReader(text, name).read(); }

}  // namespace windtunnel
