#include "models/nearest_name.hpp"
#include "scenarios/markets/price_readers.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

/// How many hours a PricingUnit is: "Hours", "Hrs", "1 Hour", "100 Hours"; 0 = no machine's time ("GB-Hours", "vCPU-Hours").
double hours_of_unit(const std::string& unit) {
    const std::size_t letters = std::min(unit.find_first_not_of("0123456789., "), unit.size());
    const std::string word = folded_name(unit.substr(letters));
    if (word != "hour" && word != "hours" && word != "hrs" && word != "hr" && word != "h" && word != "instancehours" && word != "instance-hours") return 0;
    return letters == 0 ? 1 : leading_number(unit);
}

std::string cloud_of(const std::string& provider) {
    const std::string name = folded_name(provider);
    return says(name, "amazon") || name == "aws"        ? "aws"
           : says(name, "google") || name == "gcp"      ? "gcp"
           : says(name, "microsoft") || name == "azure" ? "azure"
           : says(name, "oracle") || name == "oci"      ? "oci"
                                                        : name;
}

/// The machine that a charge is for: what says so, or a word of what describes it.
std::string machine_of(const PriceCells& cells) {
    for (const char* name : {"skupricedetails", "xskudetails"}) {
        const auto details = nlohmann::json::parse(at(cells, name), nullptr, false);
        for (const char* key : {"InstanceType", "x_InstanceType", "ServiceType", "MachineType"})
            if (details.is_object() && details.contains(key) && details[key].is_string()) return details[key].get<std::string>();
    }
    for (const char* name : {"xinstancetype", "instancetype"})
        if (const std::string type = at(cells, name); !type.empty()) return type;
    for (const char* name : {"xusagetype", "skumeter", "resourcetype", "xskumetername", "skuid", "chargedescription"})
        if (const std::string type = machine_in(at(cells, name)); !type.empty()) return type;
    return "";
}

/// Windows, licensed software and dedicated hosts are other products.
bool is_other_product(const PriceCells& cells) {
    const std::string usage = at(cells, "xusagetype") + at(cells, "skumeter");
    if (runs_other_software(at(cells, "xoperation"))) return true;
    for (const char* name : {"xskumetersubcategory", "xskudescription", "chargedescription"})
        if (says(at(cells, name), "Windows")) return true;
    return says(usage, "DedicatedUsage") || says(usage, "HostUsage") || says(usage, "HostBoxUsage");
}

}  // namespace

/// An export has a line for each charge, in any order: the latest price of a machine in a place, bought in one way, holds.
/// Credits, taxes, purchases of commitments and corrections are no prices. What commitments and spot machines cost is the
/// effective cost of a unit: their contracted unit price is the one on demand that they are a discount from.
void add_focus_charge(const PriceCells& cells, PriceGatherer& out) {
    if (const std::string charge = folded_name(at(cells, "chargecategory")); !charge.empty() && charge != "usage") return;
    if (folded_name(at(cells, "chargeclass")) == "correction" || folded_name(at(cells, "commitmentdiscountstatus")) == "unused") return;
    const std::string unit = at(cells, "pricingunit");
    const double hours = unit.empty() ? 1 : hours_of_unit(unit);
    if (hours <= 0 || is_other_product(cells)) return;
    PriceRow facts;
    facts.instance_type = machine_of(cells);
    if (facts.instance_type.empty()) return;
    // From 1.2 on prices stand also in the currency of the price list, which need not be that of the bill.
    const std::string billing = at(cells, "billingcurrency"), pricing = at(cells, "pricingcurrency");
    const bool own = folded_name(billing) != "usd" && folded_name(pricing) == "usd" && !billing.empty();
    if (!own && out.is_foreign(billing.empty() ? pricing : billing)) return;
    const auto cell = [&](const char* name) {  // "ContractedUnitPrice", of a column by its normalised name
        const std::string full = std::string(own ? "PricingCurrency" : "") + name;
        return std::pair(full, at(cells, normalised_column(full).c_str()));
    };
    const std::string category = folded_name(at(cells, "pricingcategory"));
    if (category == "other") return;
    const PriceWay way = category == "dynamic" || says(at(cells, "xusagetype") + at(cells, "skumeter"), "SpotUsage") ? PriceWay::spot
                         : category == "committed"                                                                 ? PriceWay::committed
                                                                                                                   : PriceWay::on_demand;
    const auto paid = read_amount(cell("EffectiveCost").second);
    const auto amount = read_amount(at(cells, "pricingquantity"));
    std::optional<std::int64_t> price;
    if (way != PriceWay::on_demand && amount && *amount > 0 && paid) {
        price = std::llround(*paid / *amount / hours * 1e9);
        if (*paid == 0 && way == PriceWay::committed) return;  // paid for upfront, of which this line says nothing
    } else {
        auto [name, text] = cell("ContractedUnitPrice");
        if (!read_money(text).offered) std::tie(name, text) = cell("ListUnitPrice");
        price = out.billed_money(name, text);
        if (price) price = std::llround(static_cast<double>(*price) / hours);
        if (!price && !read_money(text).offered && amount && *amount > 0 && paid) price = std::llround(*paid / *amount / hours * 1e9);
    }
    if (!price) return;
    std::string provider = at(cells, "providername");
    for (const char* name : {"serviceprovidername", "publishername"})
        if (provider.empty()) provider = at(cells, name);
    facts.cloud = cloud_of(provider);
    facts.region = at(cells, "regionid");
    facts.zone = at(cells, "availabilityzone");
    if (facts.region.empty()) facts.region = facts.zone.empty() ? "" : region_of_zone(facts.cloud, facts.zone);
    if (way != PriceWay::spot) facts.zone.clear();  // others cost the same in all of a region
    if (facts.region.empty() && facts.zone.empty())
        return out.leave_out("no region", "RegionId", fmt::format("has a price of {} and no region: left out", facts.instance_type));
    out.set(facts, way, *price, at(cells, "chargeperiodstart"));
}

}  // namespace windtunnel
