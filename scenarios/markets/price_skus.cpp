#include "scenarios/markets/price_skus.hpp"

#include "models/lower_case.hpp"
#include "models/nearest_name.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

namespace windtunnel {
namespace {

using Json = nlohmann::ordered_json;

/// What machines are made of, by the names of Google's SKUs (Cloud Billing catalogue, Compute Engine [from general knowledge,
/// not re-read, 2026-11]). `disks`: their local SSDs come with them and are part of what they cost; others' are chosen.
struct MachineFamily {
    const char* begins;  ///< the types' names
    std::vector<std::string> cores;
    std::vector<std::string> gpus;
    bool disks = false;
};
const std::vector<MachineFamily>& families() {
    static const std::vector<MachineFamily> all = {
        {"a2-ultragpu-", {"a2"}, {"a100 80gb"}, true},
        {"a2-", {"a2"}, {"a100", "a100 40gb"}},
        {"a3-megagpu-", {"a3plus", "a3 plus", "a3 mega", "a3mega"}, {"h100 80gb plus", "h100 80gb mega", "h100 mega 80gb", "h100 plus"}, true},
        {"a3-ultragpu-", {"a3ultra", "a3 ultra"}, {"h200 141gb", "h200"}, true},
        {"a3-", {"a3"}, {"h100 80gb", "h100"}, true},
        {"a4-", {"a4"}, {"b200"}, true},
        {"g2-", {"g2"}, {"l4"}},
        {"g4-", {"g4"}, {"rtx pro 6000", "rtx 6000 pro", "rtx pro 6000 96gb"}, true},
        {"n1-", {"n1"}, {"t4"}},
        {"n2d-", {"n2d"}, {}},
        {"n2-", {"n2"}, {}},
        {"e2-", {"e2"}, {}},
        {"c3-", {"c3"}, {}}};
    return all;
}

/// Places as descriptions name them, for lists that have no column of regions (same source).
std::vector<std::string> regions_of_place(const std::string& place) {
    static const std::map<std::string, std::vector<std::string>> known = {
        {"americas", {"us-central1", "us-east1", "us-west1"}}, {"iowa", {"us-central1"}}, {"south carolina", {"us-east1"}}, {"virginia", {"us-east4"}},
        {"northern virginia", {"us-east4"}}, {"columbus", {"us-east5"}}, {"dallas", {"us-south1"}}, {"oregon", {"us-west1"}}, {"los angeles", {"us-west2"}},
        {"salt lake city", {"us-west3"}}, {"las vegas", {"us-west4"}}, {"montreal", {"northamerica-northeast1"}}, {"toronto", {"northamerica-northeast2"}},
        {"sao paulo", {"southamerica-east1"}}, {"santiago", {"southamerica-west1"}}, {"emea", {"europe-west1"}}, {"belgium", {"europe-west1"}}, {"london", {"europe-west2"}},
        {"frankfurt", {"europe-west3"}}, {"netherlands", {"europe-west4"}}, {"zurich", {"europe-west6"}}, {"milan", {"europe-west8"}}, {"paris", {"europe-west9"}},
        {"finland", {"europe-north1"}}, {"warsaw", {"europe-central2"}}, {"madrid", {"europe-southwest1"}}, {"apac", {"asia-east1"}}, {"taiwan", {"asia-east1"}},
        {"hong kong", {"asia-east2"}}, {"japan", {"asia-northeast1"}}, {"tokyo", {"asia-northeast1"}}, {"osaka", {"asia-northeast2"}}, {"seoul", {"asia-northeast3"}},
        {"mumbai", {"asia-south1"}}, {"delhi", {"asia-south2"}}, {"singapore", {"asia-southeast1"}}, {"jakarta", {"asia-southeast2"}}, {"sydney", {"australia-southeast1"}},
        {"melbourne", {"australia-southeast2"}}, {"tel aviv", {"me-west1"}}};
    const auto found = known.find(place);
    return found == known.end() ? std::vector<std::string>() : found->second;
}

std::string text_in(const Json& item, const char* key) { return item.is_object() && item.contains(key) && item[key].is_string() ? item[key].get<std::string>() : std::string(); }
const Json& inner(const Json& item, const char* key) {
    static const Json none;
    return item.is_object() && item.contains(key) ? item[key] : none;
}
double number_in(const Json& item, const char* key) {
    const Json& value = inner(item, key);
    return value.is_number() ? value.get<double>() : value.is_string() ? read_amount(value.get<std::string>()).value_or(0) : 0;
}

/// What an SKU is of, by its description, and where; `what` is empty for what no machine is made of.
struct SkuSubject {
    std::string what, place, unit;  ///< "h" or "GiB h" or "GiB month"
};
SkuSubject subject_of(const std::string& description) {
    static const std::regex core_or_ram(R"(^(?:commitment(?: v1)?: |spot preemptible |preemptible )?(.+?) (?:predefined )?(?:instance )?(core|cpu|ram)(?: running)? in (.+?)(?: for (?:1|3) years?)?$)");
    static const std::regex gpu(R"(^(?:commitment(?: v1)?:? ?-? ?)?nvidia (?:tesla )?(.+?) gpu(?: attached to (?:spot )?preemptible vms)?(?: running)? in (.+?)(?: for (?:1|3) years?)?$)");
    static const std::regex disk(R"(^ssd backed local storage(?: attached to (?:spot )?preemptible vms)?(?: in (.+))?$)");
    for (const char* other : {"custom", "sole tenancy", "dws", "defined duration", "calendar", "flex start", "reserved", "suspended", "confidential", "extended", "premium", "upgrade", "licens"})
        if (says(description, other)) return {};
    std::smatch found;
    if (std::regex_match(description, found, gpu)) return {"gpu " + found[1].str(), found[2], "h"};
    if (std::regex_match(description, found, core_or_ram)) {
        std::string family = found[1];
        for (const char* word : {" amd", " arm", " predefined", " intel"})
            if (family.ends_with(word)) family.erase(family.size() - std::string_view(word).size());
        const bool ram = found[2] == "ram";
        return {family + (ram ? " ram" : " core"), found[3], ram ? "GiB h" : "h"};
    }
    if (std::regex_match(description, found, disk)) return {"ssd", found[1], "GiB month"};
    return {};
}

/// "h", "GiBy.h", "GiBy.mo", and the words that tables have for them; "" = another.
std::string unit_of(const std::string& text) {
    std::string unit = lower_case(text);
    const bool gibibytes = says(unit, "giby") || says(unit, "gibibyte") || says(unit, "gib");
    const bool month = says(unit, "mo");
    const bool hour = !month && (unit == "h" || says(unit, ".h") || says(unit, "hour") || unit == "hrs" || unit.ends_with(" h"));
    return gibibytes && month ? "GiB month" : gibibytes && hour ? "GiB h" : hour ? "h" : "";
}

const char* bought(PriceWay way) { return way == PriceWay::spot ? "on spot" : way == PriceWay::committed ? "committed for a year" : "on demand"; }

/// Oracle's name of an hour of the GPU of a shape; those of older ones are the generations' (Oracle's price list [from general
/// knowledge, not re-read, 2026-11]).
bool is_oracle_gpu(const std::string& product, const InstanceType& type) {
    std::set<std::string> words;
    std::string word;
    for (const char c : product + " ") {
        if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
            word += c;
        } else {
            words.insert(word);
            word.clear();
        }
    }
    if (type.name.find("GPU3") != std::string::npos) return words.contains("V100") || (words.contains("V2") && !words.contains("A100"));
    std::string card = type.gpu.substr(0, type.gpu.find('-'));
    for (char& c : card) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (!words.contains(card)) return false;
    return card != "A100" || words.contains("V2") == (type.gpu == "a100-sxm-80gb");
}

}  // namespace

void SkuPrices::set(const Key& key, double usd, const std::string& since) {
    const auto [found, is_new] = m_parts.try_emplace(key);
    if (!is_new && since < found->second.since) return;
    found->second = {std::llround(usd * 1e9), since};
}

const SkuPrices::Part* SkuPrices::find(const std::string& region, PriceWay way, const std::vector<std::string>& names) const {
    for (const std::string& name : names)
        if (const auto found = m_parts.find({region, way, name}); found != m_parts.end()) return &found->second;
    return nullptr;
}

void SkuPrices::add_sku(const std::string& description, const std::string& usage, const std::vector<std::string>& regions, const std::string& unit, double usd, const std::string& since,
                        PriceGatherer& out) {
    const std::string words = lower_case(description), use = lower_case(usage);
    const SkuSubject subject = subject_of(words);
    if (subject.what.empty()) return;
    PriceWay way = PriceWay::on_demand;
    if (says(use, "preemptible") || says(use, "spot") || says(words, "preemptible")) way = PriceWay::spot;
    if (says(use, "commit") || words.starts_with("commitment")) {
        if (says(use, "3y") || says(words, "3 year")) return;  // a year's holds
        way = PriceWay::committed;
    }
    if (unit_of(unit) != subject.unit)
        return out.leave_out("unit " + unit, description, fmt::format("is priced by \"{}\", allowed: {}: left out", unit, subject.unit == "h" ? "h" : subject.unit == "GiB h" ? "GiBy.h" : "GiBy.mo"));
    const std::vector<std::string> where = regions.empty() ? regions_of_place(subject.place) : regions;
    if (where.empty()) return out.leave_out("place", description, "has no region, and none is known by its place: left out");
    constexpr double hours_a_month = 730;
    for (const std::string& region : where) set({region, way, subject.what}, subject.unit == "GiB month" ? usd / hours_a_month : usd, since);
}

void SkuPrices::add_google(const Json& sku, const std::string& path, PriceGatherer& out) {
    const auto texts = [](const Json& list) {
        std::vector<std::string> names;
        if (list.is_array())
            for (const Json& name : list)
                if (name.is_string() && name != "global") names.push_back(name.get<std::string>());
        return names;
    };
    if (inner(sku, "sku").is_object()) {  // the export to BigQuery
        const Json& rates = inner(inner(sku, "list_price"), "tiered_rates");
        if (!rates.is_array() || rates.empty()) return;
        return add_sku(text_in(inner(sku, "sku"), "description"), "", texts(inner(inner(sku, "geo_taxonomy"), "regions")), text_in(sku, "pricing_unit_description"), number_in(rates.back(), "usd_amount"),
                       text_in(sku, "export_time"), out);
    }
    const std::string description = text_in(sku, "description");
    if (subject_of(lower_case(description)).what.empty()) return;
    const Json& pricing = inner(sku, "pricingInfo");
    if (!pricing.is_array() || pricing.empty()) return out.refuse(path + ".pricingInfo", fmt::format("found none of \"{}\", allowed: as services.skus.list has it", description));
    const Json& expression = inner(pricing.back(), "pricingExpression");  // the last is the newest
    const Json& rates = inner(expression, "tieredRates");
    if (!rates.is_array() || rates.empty()) return out.refuse(path + ".pricingExpression.tieredRates", fmt::format("found none of \"{}\", allowed: at least one rate", description));
    const Json& price = inner(rates.back(), "unitPrice");  // of several, the one beyond what is free
    if (out.is_foreign(text_in(price, "currencyCode"))) return;
    const double usd = number_in(price, "units") + number_in(price, "nanos") * 1e-9;
    add_sku(description, text_in(inner(sku, "category"), "usageType"), texts(inner(sku, "serviceRegions")), text_in(expression, "usageUnit"), usd, text_in(pricing.back(), "effectiveTime"), out);
}

void SkuPrices::add(const PriceCells& cells, PriceGatherer& out) {
    const auto first = [&](std::initializer_list<const char*> names) {
        for (const char* name : names)
            if (const std::string text = at(cells, name); !text.empty()) return text;
        return std::string();
    };
    const std::string description = first({"skudescription", "description"});
    if (subject_of(lower_case(description)).what.empty()) return;
    if (out.is_foreign(first({"currency", "currencycode", "accountcurrencycode"}))) return;
    const auto usd = out.money(description, first({"listprice", "listpriceusd", "unitprice", "unitpriceusd", "priceusd", "price", "usdamount", "contractprice"}));
    if (!usd) return out.leave_out("no price", description, "has no price: left out");
    std::vector<std::string> regions;
    const std::string place = first({"serviceregions", "regions", "region", "geotaxonomyregions", "location"});
    for (std::size_t begin = 0; begin < place.size();) {
        const std::size_t from = place.find_first_not_of(" ,;[]\"'", begin);
        if (from == std::string::npos) break;
        begin = std::min(place.find_first_of(" ,;[]\"'", from), place.size());
        if (place.find('-', from) < begin) regions.push_back(place.substr(from, begin - from));
    }
    const double quantity = read_amount(first({"unitquantity", "perunitquantity", "pricingunitquantity"})).value_or(1);
    add_sku(description, first({"usagetype", "consumptionmodel", "consumptionmodeldescription"}), regions, first({"usageunit", "unit", "unitdescription", "pricingunit", "pricingunitdescription"}),
            static_cast<double>(*usd) * 1e-9 / (quantity > 0 ? quantity : 1), first({"effectivetime", "pricingasoftime"}), out);
}

void SkuPrices::add_oracle(const Json& product, const std::string& path, PriceGatherer& out) {
    const std::string unit = lower_case(text_in(product, "metricName"));
    if (!says(unit, "gpu")) return;
    std::string name = text_in(product, "displayName");
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    if (!says(unit, "hour")) return out.leave_out("unit " + unit, text_in(product, "displayName"), fmt::format("is priced by \"{}\", allowed: GPU Per Hour: left out", text_in(product, "metricName")));
    for (const Json& localised : inner(product, "currencyCodeLocalizations")) {
        if (out.is_foreign(text_in(localised, "currencyCode"))) continue;
        for (const Json& price : inner(localised, "prices"))
            if (const std::string model = text_in(price, "model"); model.empty() || model == "PAY_AS_YOU_GO") {
                if (!inner(price, "value").is_number()) return out.refuse(path + ".value", "found no number, allowed: USD per hour");
                m_oracle[name] = {std::llround(price["value"].get<double>() * 1e9), ""};
            }
    }
}

/// The price of a machine, if the list has all its parts. Of a list that has none of them nothing is said.
void SkuPrices::compose_google(const InstanceType& type, const std::string& region, PriceWay way, PriceGatherer& out) const {
    const auto family = std::find_if(families().begin(), families().end(), [&](const MachineFamily& f) { return type.name.starts_with(f.begins); });
    if (family == families().end()) return;
    const auto named = [&](const char* part) {
        std::vector<std::string> names;
        for (const std::string& core : family->cores) names.push_back(core + part);
        return names;
    };
    std::vector<std::string> cards;
    for (const std::string& card : family->gpus) cards.push_back("gpu " + card);
    const Part *core = find(region, way, named(" core")), *ram = find(region, way, named(" ram")), *gpu = type.gpu_count > 0 ? find(region, way, cards) : nullptr;
    if (core == nullptr && ram == nullptr && gpu == nullptr) return;
    std::string name = family->cores.front();
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    std::vector<std::string> missing;
    if (core == nullptr) missing.push_back(fmt::format("\"{} Instance Core\"", name));
    if (ram == nullptr) missing.push_back(fmt::format("\"{} Instance Ram\"", name));
    if (type.gpu_count > 0 && gpu == nullptr) {
        std::string card = family->gpus.front();
        for (char& c : card) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        missing.push_back(fmt::format("\"Nvidia {} GPU\"", card));
    }
    if (!missing.empty()) {
        const std::string all = fmt::format("{}", fmt::join(missing, " and "));
        return out.leave_out(fmt::format("{} {}", static_cast<int>(way), all), type.name, fmt::format("lacks the SKU {} {} in {}: left out", all, bought(way), region));
    }
    std::int64_t nano = core->nano_usd * type.vcpus + std::llround(static_cast<double>(ram->nano_usd) * type.memory_gib);
    std::string since = std::max(core->since, ram->since);
    if (gpu != nullptr) {
        nano += gpu->nano_usd * type.gpu_count;
        since = std::max(since, gpu->since);
    }
    if (family->disks) {
        const Part* disk = find(region, way, {"ssd"});
        if (disk == nullptr) disk = find(region, PriceWay::on_demand, {"ssd"});
        if (disk != nullptr)
            nano += std::llround(static_cast<double>(disk->nano_usd) * type.local_nvme_gb);  // sold as 375 GiB each
        else
            out.leave_out("ssd", type.name, fmt::format("comes with local SSDs, of which the list has no SKU (\"SSD backed Local Storage\") in {}: its price is without them", region));
    }
    PriceRow facts;
    facts.cloud = "gcp";
    facts.instance_type = type.name;
    facts.region = region;
    out.say_once("summed", "", "is a list of parts: a machine's price is the sum of its SKUs (cores, RAM, GPUs, local SSDs that come with it)");
    out.set(facts, way, nano, since);
}

/// Bare metal and GPU shapes cost so much for each GPU, cores and memory with it, the same in all commercial regions (Oracle
/// documentation, 2025 [from general knowledge, not re-read, 2026-11]).
void SkuPrices::compose_oracle(PriceGatherer& out) const {
    const auto cloud = get_cloud("oci");
    for (const InstanceType& type : all_instance_types()) {
        if (m_oracle.empty() || !cloud || type.cloud != "oci" || type.gpu_count == 0) continue;
        const auto found = std::find_if(m_oracle.begin(), m_oracle.end(), [&](const auto& product) { return is_oracle_gpu(product.first, type); });
        if (found == m_oracle.end()) {
            out.leave_out("no GPU " + type.gpu, type.name, fmt::format("lacks the price of an hour of its {}: left out", type.gpu));
            continue;
        }
        out.say_once("summed", "", "is a list of parts: a shape's price is that of its GPUs, the same in all regions");
        for (const std::string& region : (*cloud)->regions) {
            PriceRow facts;
            facts.cloud = "oci";
            facts.instance_type = type.name;
            facts.region = region;
            out.set(facts, PriceWay::on_demand, found->second.nano_usd * type.gpu_count, "");
        }
    }
}

void SkuPrices::compose(PriceGatherer& out) const {
    if (!m_parts.empty()) out.commitments_are_offers();
    std::set<std::string> regions;
    for (const auto& [key, part] : m_parts) regions.insert(std::get<0>(key));
    for (const InstanceType& type : all_instance_types())
        if (type.cloud == "gcp")
            for (const std::string& region : regions)
                for (const PriceWay way : {PriceWay::on_demand, PriceWay::spot, PriceWay::committed}) compose_google(type, region, way, out);
    compose_oracle(out);
}

}  // namespace windtunnel
