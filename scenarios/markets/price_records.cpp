#include "scenarios/markets/price_records.hpp"

#include "models/gpu_catalog.hpp"
#include "models/nearest_name.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <set>

namespace windtunnel {
namespace {

using Names = std::vector<const char*>;

// What people call the columns, lower case letters and digits alone; the first that a row fills holds.
const Names type_names = {"instancetype", "apiname", "machinetype", "vmsize", "shape", "instance", "instancename", "machine", "vm", "vmname", "flavor"};
const Names perhaps_type_names = {"name", "type", "sku"};  // where they name a machine
const Names on_demand_names = {"price", "priceusdperhour", "ondemandusdperhour", "ondemandprice", "ondemandpriceusdperhour", "ondemand", "usdperhour", "priceperhour", "hourlyprice", "pricehourly", "linuxondemandcost"};
const Names spot_names = {"spotprice", "spotusdperhour", "spotpriceusdperhour", "spot", "linuxspotminimumcost"};
const Names committed_names = {"committedusdperhour", "committedprice", "linuxreservedcost"};

/// A month as the clouds' own price pages count it.
constexpr double hours_a_month = 730, hours_a_year = 8760;

std::string text_of(const PriceCells& cells, const Names& names) {
    for (const char* name : names)
        if (const auto found = cells.find(name); found != cells.end() && !found->second.empty()) return found->second;
    return "";
}

/// The machine that a row is about.
std::string type_of(const PriceCells& cells) {
    if (const std::string type = text_of(cells, type_names); !type.empty()) return type;
    for (const char* name : perhaps_type_names)
        if (const std::string type = at(cells, name); !machine_in(type).empty()) return type;
    return text_of(cells, perhaps_type_names);
}

bool is_one_of(const Names& names, const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); }

/// "4", "4.0", "16 GiB", "4 vCPUs", "1/8"; nothing where it is not said.
double amount(const PriceCells& cells, const Names& names, PriceGatherer& out) {
    const std::string text = text_of(cells, names);
    if (!read_money(text).offered) return 0;  // empty, nan, N/A
    if (const auto whole = read_amount(text)) return *whole;
    if (const std::size_t slash = text.find('/'); slash != std::string::npos) {
        const auto part = read_amount(text.substr(0, slash)), of = read_amount(text.substr(slash + 1));
        if (part && of && *of > 0) return *part / *of;
    }
    const double number = leading_number(text);
    if (number == 0) out.refuse(names.front(), fmt::format("found \"{}\", allowed: a number of at least 0", text));
    return number;
}

/// The words of a header in lower case: "SpotPrice (USD/hr)" has spot, price, usd, hr.
std::vector<std::string> words_of(std::string_view header) {
    std::vector<std::string> out;
    char before = ' ';
    for (const char c : header) {
        const bool upper = c >= 'A' && c <= 'Z', letter = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        const bool starts = letter && (out.empty() || !((before >= 'a' && before <= 'z') || (before >= 'A' && before <= 'Z') || (before >= '0' && before <= '9')) || (upper && before >= 'a' && before <= 'z'));
        if (starts) out.emplace_back();
        if (letter) out.back() += upper ? static_cast<char>(c - 'A' + 'a') : c;
        before = c;
    }
    return out;
}

/// ISO 4217's code of a currency that people write prices in, other than USD, or its sign; "" = none.
std::string foreign_currency(std::string_view header, const std::vector<std::string>& words) {
    for (const auto& [sign, code] : {std::pair("€", "EUR"), {"£", "GBP"}, {"¥", "JPY"}, {"₹", "INR"}})
        if (header.find(sign) != std::string_view::npos) return code;
    static const std::set<std::string> codes = {"eur", "gbp", "jpy", "inr", "cny", "chf", "aud", "cad", "brl", "krw", "sek", "nok", "dkk", "pln", "sgd", "nzd", "twd"};
    for (const std::string& word : words)
        if (codes.contains(word)) {
            std::string code;
            for (const char c : word) code += static_cast<char>(c - 'a' + 'A');
            return code;
        }
    return words.end() != std::find(words.begin(), words.end(), "euro") ? "EUR" : "";
}

/// How many hours a word of time is; 0 = none.
double hours_of_word(const std::string& word) {
    if (is_one_of({"hour", "hours", "hourly", "hr", "hrs", "h", "usdperhour", "instancehours"}, word)) return 1;
    if (is_one_of({"day", "days", "daily"}, word)) return 24;
    if (is_one_of({"month", "months", "monthly", "mo"}, word)) return hours_a_month;
    if (is_one_of({"year", "years", "yearly", "annual", "annually", "yr"}, word)) return hours_a_year;
    if (is_one_of({"second", "seconds", "sec", "s"}, word)) return 1.0 / 3600;
    if (is_one_of({"minute", "minutes", "min"}, word)) return 1.0 / 60;
    return 0;
}

/// Reads a header whose words are all about a price.
std::optional<MoneyColumn> money_in_words(const std::vector<std::string>& words) {
    MoneyColumn out;
    bool says_price = false, says_money = false;
    for (const std::string& word : words) {
        says_money = says_money || word == "usd" || word == "dollars" || !foreign_currency("", {word}).empty();
        if (is_one_of({"spot", "spotprice", "preemptible"}, word)) {
            out.way = PriceWay::spot;
            says_price = true;
        } else if (is_one_of({"committed", "reserved"}, word)) {
            out.way = PriceWay::committed;
            says_price = true;
        } else if (is_one_of({"price", "prices", "cost", "rate", "ondemand", "demand"}, word)) {
            says_price = true;
        } else if (is_one_of({"cent", "cents"}, word)) {
            out.usd = 0.01;
        } else if (word == "gpu" || word == "accelerator") {
            out.per_gpu = true;
        } else if (const double hours = hours_of_word(word); hours > 0 && word != "s" && word != "min") {
            out.hours = hours;
            says_price = says_price || word.ends_with("ly");
        } else if (!is_one_of({"on", "per", "usd", "us", "dollar", "dollars", "linux", "a", "in", "euro"}, word) && foreign_currency("", {word}).empty()) {
            return std::nullopt;
        }
    }
    return says_price || (says_money && out.hours > 0) ? std::optional(out) : std::nullopt;  // "USD/h"
}

}  // namespace

std::string price_column_name(std::string_view header) {
    std::string name = normalised_column(header);
    if (const std::string currency = foreign_currency(header, {}); !currency.empty()) name += normalised_column(currency);
    return name;
}

std::optional<MoneyColumn> money_column(std::string_view header) {
    const std::string name = normalised_column(header);
    const std::vector<std::string> words = words_of(header);
    std::optional<MoneyColumn> out = money_in_words(words);
    for (const auto& [names, way] : {std::pair(&on_demand_names, PriceWay::on_demand), {&spot_names, PriceWay::spot}, {&committed_names, PriceWay::committed}})
        if (const auto found = std::find(names->begin(), names->end(), name); found != names->end()) {
            if (!out) {
                out.emplace();
                out->hours = says(name, "hour") ? 1 : 0;
            }
            out->way = way;
            out->rank = static_cast<int>(found - names->begin());
        }
    if (out) out->currency = foreign_currency(header, words);
    return out;
}

bool has_price_columns(const std::vector<std::string>& headers) {
    return std::any_of(headers.begin(), headers.end(), [](const std::string& h) { return is_one_of(type_names, normalised_column(h)) || is_one_of(perhaps_type_names, normalised_column(h)); }) &&
           std::any_of(headers.begin(), headers.end(), [](const std::string& h) { return money_column(h).has_value(); });
}

void PriceRecords::know(const std::string& header) {
    if (!m_known.insert(header).second) return;
    const auto column = money_column(header);
    if (!column) return;
    m_money.emplace_back(price_column_name(header), *column);
    // Of several columns of one price: in dollars before others, by the hour before other times, the usual names before others.
    std::stable_sort(m_money.begin(), m_money.end(), [](const auto& a, const auto& b) {
        const auto rank = [](const MoneyColumn& c) { return std::tuple(!c.currency.empty(), c.per_gpu, std::max(c.hours, 1.0), c.rank); };
        return rank(a.second) < rank(b.second);
    });
}

/// How many hours a row's prices are for, where a column of its own says it; 0 = not said.
double PriceRecords::hours_of_row(const PriceCells& cells, PriceGatherer& out) const {
    const std::string unit = text_of(cells, {"unit", "priceunit", "pricingunit", "unitofmeasure", "billingperiod", "period", "per"});
    double hours = 0, times = 1;
    for (const std::string& word : words_of(unit)) {
        if (const double of = hours_of_word(word); of > 0)
            hours = of;
        else if (const auto number = read_amount(word))
            times = *number;
        else if (!is_one_of({"usd", "per", "instance", "instances", "vm", "us", "dollar", "dollars", "a"}, word)) {
            out.refuse("unit", fmt::format("found \"{}\", allowed: hour, day, month or year", unit));
            return 0;
        }
    }
    return times > 0 ? hours * times : 0;
}

std::optional<std::int64_t> PriceRecords::price(const PriceCells& cells, PriceWay way, double row_hours, double gpus, PriceGatherer& out) const {
    for (const auto& [name, column] : m_money) {
        const auto cell = cells.find(name);
        if (column.way != way || cell == cells.end() || cell->second.empty()) continue;
        if (out.is_foreign(column.currency)) return std::nullopt;
        const auto money = out.money(name, cell->second);
        if (!money) return std::nullopt;
        const double hours = column.hours > 0 ? column.hours : row_hours > 0 ? row_hours : 1;
        if (hours == hours_a_month) out.say_once("month", name, "is by the month: a month has 730 hours");
        if (column.per_gpu && gpus <= 0) {
            out.refuse(name, "is the price of one GPU of a machine whose GPUs are not said, allowed: with a column gpus");
            return std::nullopt;
        }
        return std::llround(static_cast<double>(*money) * column.usd * (column.per_gpu ? gpus : 1) / hours);
    }
    return std::nullopt;
}

void PriceRecords::add(const PriceCells& cells, PriceGatherer& out) {
    if (out.is_foreign(text_of(cells, {"pricingcurrency", "billingcurrency", "currency", "currencycode"}))) return;
    for (const char* tier : {"tier", "tierminimumunits", "startingrange", "tieredusagestart"})
        if (read_amount(at(cells, tier)).value_or(0) > 0) return out.leave_out("tier", tier, "is the price beyond a first quantity: left out");
    for (const char* name : {"os", "operatingsystem", "platform", "operatingsystemsoftware"})
        for (const char* other : {"windows", "rhel", "suse", "red-hat"})
            if (says(folded_name(at(cells, name)), other)) return out.leave_out("software", name, fmt::format("is the price with {}: left out", at(cells, name)));
    if (says(folded_name(at(cells, "tenancy")), "dedicated")) return out.leave_out("tenancy", "tenancy", "is the price of dedicated machines: left out");
    PriceRow row;
    row.instance_type = type_of(cells);
    row.cloud = folded_name(text_of(cells, {"cloud", "provider"}));
    row.region = text_of(cells, {"region", "regioncode", "armregionname", "location"});
    row.zone = text_of(cells, {"availabilityzonename", "availabilityzone", "zone", "az"});
    row.gpu = text_of(cells, {"acceleratorname", "gpu", "gpuname", "gpumodel", "gputype", "accelerator"});
    row.gpu_count = amount(cells, {"acceleratorcount", "gpus", "gpucount"}, out);
    if (const auto number = read_amount(row.gpu); number && row.gpu_count == 0) {  // a column "gpu" that counts them
        row.gpu_count = *number;
        row.gpu.clear();
    }
    // "8x H100" says both.
    if (const std::size_t times = row.gpu.find_first_of("xX×"); times != std::string::npos && times > 0 && read_amount(row.gpu.substr(0, times))) {
        if (row.gpu_count == 0) row.gpu_count = *read_amount(row.gpu.substr(0, times));
        row.gpu = row.gpu.substr(std::min(row.gpu.find_first_not_of("xX× ", times), row.gpu.size()));
    }
    row.gpu_memory_gib = amount(cells, {"gpumemgib", "gpumemorygib", "gpumemory"}, out);
    row.vcpus = amount(cells, {"vcpus", "vcpu", "cpus"}, out);
    row.memory_gib = amount(cells, {"memorygib", "memory", "instancememory", "ramgib", "ram"}, out);
    if (row.memory_gib == 0) row.memory_gib = amount(cells, {"memorymib"}, out) / 1024;
    row.date = text_of(cells, {"asof", "date", "effectivedate"});
    const double hours = hours_of_row(cells, out), gpus = out.gpus_of(row);
    row.on_demand = price(cells, PriceWay::on_demand, hours, gpus, out);
    row.spot = price(cells, PriceWay::spot, hours, gpus, out);
    row.committed = price(cells, PriceWay::committed, hours, gpus, out);
    // A row of its own for each way of buying has one column of prices.
    const std::string way = folded_name(text_of(cells, {"capacitytype", "purchaseoption", "purchasingoption", "lifecycle", "pricingmodel", "pricingtype", "usagetype", "market", "model"}));
    if (row.on_demand && !row.spot && (says(way, "spot") || says(way, "preemptible") || says(way, "low-priority"))) std::swap(row.on_demand, row.spot);
    if (row.on_demand && !row.committed && (says(way, "commit") || says(way, "reserv") || says(way, "savings"))) std::swap(row.on_demand, row.committed);
    if (row.instance_type.empty()) return out.add_apart(std::move(row));
    if (row.region.empty() && row.zone.empty()) {
        if (!m_placeless) out.refuse("region", fmt::format("found none for {}, allowed: a region or zone, in a column that says where the price holds", row.instance_type));
        m_placeless = true;
        return;
    }
    if (!row.on_demand && !row.spot && !row.committed) return out.leave_out("no price", row.instance_type, "has no price: left out");
    out.add(std::move(row));
}

}  // namespace windtunnel
