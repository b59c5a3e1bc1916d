#include "scenarios/markets/price_records.hpp"

#include "models/gpu_catalog.hpp"
#include "models/nearest_name.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {
namespace {

using Names = std::vector<const char*>;

// What people call the columns, lower case letters and digits alone; the first that a row fills holds.
const Names type_names = {"instancetype", "apiname", "machinetype", "vmsize", "shape"};
const Names on_demand_names = {"price", "priceusdperhour", "ondemandusdperhour", "ondemandprice", "ondemandpriceusdperhour", "ondemand", "usdperhour", "priceperhour", "hourlyprice", "pricehourly", "linuxondemandcost"};
const Names spot_names = {"spotprice", "spotusdperhour", "spotpriceusdperhour", "spot", "linuxspotminimumcost"};
const Names committed_names = {"committedusdperhour", "committedprice", "linuxreservedcost"};

std::string text_of(const PriceCells& cells, const Names& names) {
    for (const char* name : names)
        if (const auto found = cells.find(name); found != cells.end() && !found->second.empty()) return found->second;
    return "";
}

/// "4", "4.0", "16 GiB", "4 vCPUs"; nothing where it is not said.
double amount(const PriceCells& cells, const Names& names, PriceGatherer& out) {
    const std::string text = text_of(cells, names);
    if (!read_money(text).offered) return 0;  // empty, nan, N/A
    if (const auto whole = read_amount(text)) return *whole;
    const double number = leading_number(text);
    if (number == 0) out.refuse(names.front(), fmt::format("found \"{}\", allowed: a number of at least 0", text));
    return number;
}

}  // namespace

bool has_price_columns(const std::vector<std::string>& names) {
    const auto has = [&](const Names& wanted) {
        return std::any_of(wanted.begin(), wanted.end(), [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); });
    };
    return has(type_names) && (has(on_demand_names) || has(spot_names));
}

void PriceRecords::add(const PriceCells& cells, PriceGatherer& out) {
    if (out.is_foreign(text_of(cells, {"pricingcurrency", "billingcurrency", "currency"}))) return;
    PriceRow row;
    row.instance_type = text_of(cells, type_names);
    if (row.instance_type.empty())
        return out.leave_out("no machine", "instancetype", "stands without an instance type, as accelerators that are sold apart do: left out");
    row.cloud = folded_name(text_of(cells, {"cloud", "provider"}));
    row.region = text_of(cells, {"region", "regioncode", "armregionname"});
    row.zone = text_of(cells, {"availabilityzone", "zone", "az"});
    row.gpu = text_of(cells, {"acceleratorname", "gpu", "gpuname", "gpumodel"});
    row.gpu_count = amount(cells, {"acceleratorcount", "gpus", "gpucount"}, out);
    if (const auto number = read_amount(row.gpu); number && row.gpu_count == 0) {  // a column "gpu" that counts them
        row.gpu_count = *number;
        row.gpu.clear();
    }
    row.gpu_memory_gib = amount(cells, {"gpumemgib", "gpumemorygib", "gpumemory"}, out);
    row.vcpus = amount(cells, {"vcpus", "vcpu", "cpus"}, out);
    row.memory_gib = amount(cells, {"memorygib", "memory", "instancememory"}, out);
    if (row.memory_gib == 0) row.memory_gib = amount(cells, {"memorymib"}, out) / 1024;
    const auto money = [&](const Names& names) { return out.money(names.front(), text_of(cells, names)); };
    row.on_demand = money(on_demand_names);
    row.spot = money(spot_names);
    row.committed = money(committed_names);
    row.date = text_of(cells, {"asof", "date", "effectivedate"});
    if (row.region.empty() && row.zone.empty()) {
        if (!m_placeless) out.refuse("region", fmt::format("found none for {}, allowed: a region or zone, in a column that says where the price holds", row.instance_type));
        m_placeless = true;
        return;
    }
    if (!row.on_demand && !row.spot && !row.committed) return out.leave_out("no price", row.instance_type, "has no price: left out");
    out.add(std::move(row));
}

}  // namespace windtunnel
