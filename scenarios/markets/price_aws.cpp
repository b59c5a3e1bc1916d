#include "models/nearest_name.hpp"
#include "scenarios/markets/price_readers.hpp"

#include <cmath>

namespace windtunnel {
namespace {

/// Whether an attribute is not said, or is what is wanted.
bool is_or_silent(const PriceCells& cells, const char* name, const char* wanted) {
    const std::string found = folded_name(at(cells, name));
    return found.empty() || found == folded_name(wanted);
}

}  // namespace

/// AWS Price List (Amazon EC2 offer file, AWS documentation, 2025): a line for each product and term.
void add_aws_price(const PriceCells& cells, PriceGatherer& out) {
    out.commitments_are_offers();
    const std::string unit = folded_name(at(cells, "unit"));
    if (unit != "hrs" && unit != "hours" && unit != "hour") return;
    if (!is_or_silent(cells, "operatingsystem", "Linux") || !is_or_silent(cells, "tenancy", "Shared") || !is_or_silent(cells, "preinstalledsw", "NA") ||
        !is_or_silent(cells, "capacitystatus", "Used") || !is_or_silent(cells, "marketoption", "OnDemand"))
        return;
    const std::string family = folded_name(at(cells, "productfamily"));
    if (!family.empty() && family.find("compute-instance") == std::string::npos) return;
    PriceRow facts;
    facts.cloud = "aws";
    facts.instance_type = at(cells, "instancetype");
    facts.region = at(cells, "regioncode");
    if (facts.instance_type.empty() || facts.instance_type.find('.') == std::string::npos) return;
    if (facts.region.empty()) return out.leave_out("no region", "regionCode", "has a price of " + facts.instance_type + " and no region code: left out");
    if (out.is_foreign(at(cells, "currency"))) return;
    PriceWay way = PriceWay::on_demand;
    if (folded_name(at(cells, "termtype")) == "reserved") {
        way = PriceWay::committed;
        if (!is_or_silent(cells, "leasecontractlength", "1yr") || !is_or_silent(cells, "purchaseoption", "No Upfront") || !is_or_silent(cells, "offeringclass", "standard")) return;
    }
    const auto price = out.money("pricePerUnit", at(cells, "priceperunit"));
    if (!price || (*price == 0 && way == PriceWay::on_demand)) return;  // lines of 0 are of other billing
    facts.vcpus = leading_number(at(cells, "vcpu"));
    facts.memory_gib = leading_number(at(cells, "memory"));
    facts.gpu_count = leading_number(at(cells, "gpu"));
    out.set(facts, way, *price, at(cells, "effectivedate"));
}

/// Columns as both versions of the report have them (AWS Data Exports and Cost and Usage Reports, documentation, 2025), in
/// lower case letters and digits.
void add_aws_usage(const PriceCells& cells, PriceGatherer& out) {
    const std::string kind = at(cells, "lineitemlineitemtype"), usage = at(cells, "lineitemusagetype"), operation = at(cells, "lineitemoperation");
    const std::string unit = folded_name(at(cells, "pricingunit"));
    if (!unit.empty() && unit != "hrs" && unit != "hours") return;
    if (runs_other_software(operation)) return;
    if (usage.find("BoxUsage") == std::string::npos && usage.find("SpotUsage") == std::string::npos) return;
    PriceRow facts;
    facts.cloud = "aws";
    facts.instance_type = at(cells, "productinstancetype");
    if (facts.instance_type.empty()) facts.instance_type = machine_in(usage);
    facts.zone = at(cells, "lineitemavailabilityzone");
    facts.region = !at(cells, "productregioncode").empty() ? at(cells, "productregioncode") : at(cells, "productregion");
    if (facts.region.empty()) facts.region = region_of_zone("aws", facts.zone);
    if (facts.instance_type.empty() || facts.region.empty() || out.is_foreign(at(cells, "lineitemcurrencycode"))) return;
    const char* covered = kind == "DiscountedUsage" ? "reservationeffectivecost" : kind == "SavingsPlanCoveredUsage" ? "savingsplansavingsplaneffectivecost" : nullptr;
    const std::string since = at(cells, "lineitemusagestartdate");
    if (covered != nullptr) {
        const auto cost = read_amount(at(cells, covered)), hours = read_amount(at(cells, "lineitemusageamount"));
        if (cost && hours && *hours > 0) out.set(facts, PriceWay::committed, std::llround(*cost / *hours * 1e9), since);
        return;
    }
    if (kind != "Usage") return;
    const bool spot = usage.find("SpotUsage") != std::string::npos;
    // A zone's own price is of spot machines alone: others cost the same in all of a region.
    if (!spot) facts.zone.clear();
    const auto rate = out.billed_money("lineItem/UnblendedRate", at(cells, "lineitemunblendedrate"));
    const auto list = rate || spot ? rate : out.billed_money("pricing/publicOnDemandRate", at(cells, "pricingpublicondemandrate"));
    if (list && *list > 0) out.set(facts, spot ? PriceWay::spot : PriceWay::on_demand, *list, since);
}

/// Azure's retail prices API (prices.azure.com/api/retail/prices; documentation, 2025): Linux machines by the hour, on demand
/// and spot; a reservation's price is that of its whole term. Of equal ones the latest holds.
void add_azure_price(const PriceCells& cells, const std::string& path, PriceGatherer& out) {
    out.commitments_are_offers();
    const auto text = [&](const char* name) { return at(cells, name); };
    const std::string type = text("armskuname"), region = text("armregionname"), kind = text("type"), sku = text("skuname") + " " + text("metername");
    if (type.empty() || region.empty() || kind == "DevTestConsumption" || says(text("productname"), "Windows") || says(sku, "Low Priority")) return;
    if (const std::string service = text("servicename"); !service.empty() && service != "Virtual Machines") return;
    if (says(text("productname"), "Dedicated Host") || says(text("productname"), "Cloud Services")) return;
    if (out.is_foreign(text("currencycode"))) return;
    const bool unit_price = cells.contains("unitprice");
    if (!unit_price && !cells.contains("retailprice")) return out.refuse(path + "retailPrice", "found no price, allowed: USD of at least 0");
    const auto price = out.money(path + (unit_price ? "unitPrice" : "retailPrice"), text(unit_price ? "unitprice" : "retailprice"));
    if (!price) return;
    PriceRow facts;
    facts.cloud = "azure";
    facts.instance_type = type;
    facts.region = region;
    const std::string term = text("reservationterm"), since = text("effectivestartdate");
    if (kind == "Reservation" || !term.empty()) {
        if (term.starts_with('3') || term.starts_with('5')) return;  // a year's holds
        return out.set(facts, PriceWay::committed, std::llround(static_cast<double>(*price) / 8760), since);
    }
    if (text("unitofmeasure") != "1 Hour" && !text("unitofmeasure").empty()) return;
    if (*price == 0) return;
    out.set(facts, says(sku, "Spot") ? PriceWay::spot : PriceWay::on_demand, *price, since);
}

}  // namespace windtunnel
