#include "models/nearest_name.hpp"
#include "scenarios/documents/json_values.hpp"
#include "scenarios/markets/price_readers.hpp"
#include "scenarios/markets/price_records.hpp"
#include "scenarios/markets/price_skus.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {
namespace {

using Json = nlohmann::ordered_json;

std::string text_at(const Json& item, const char* key) {
    if (!item.is_object() || !item.contains(key)) return "";
    const Json& value = item[key];
    return value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : std::string();
}
const Json& child(const Json& item, const char* key) {
    static const Json none;
    return item.is_object() && item.contains(key) ? item[key] : none;
}

/// A price that is a number, or a text of one.
std::optional<std::int64_t> price_of(const Json& value, const std::string& path, PriceGatherer& out) {
    if (value.is_null()) return std::nullopt;
    if (value.is_number() || value.is_string()) return out.money(path, value.is_string() ? value.get<std::string>() : value.dump());
    out.refuse(path, fmt::format("found {}, allowed: USD per hour", value.dump().substr(0, 60)));
    return std::nullopt;
}

// ---- Karpenter's initial prices, and maps of regions and types -------------------------------------------------------

bool is_region(const std::string& name) {
    for (const Cloud& cloud : all_clouds())
        if (std::find(cloud.regions.begin(), cloud.regions.end(), name) != cloud.regions.end()) return true;
    return false;
}

/// region -> type -> price, region -> type -> {on_demand, spot}, or region -> on_demand|spot -> type -> price.
class PriceMap {
public:
    PriceMap(PriceGatherer& out, std::string path) : m_out(out), m_path(std::move(path)) {}

    void add_region(const std::string& region, const Json& inner) {
        const std::string path = m_path + region;
        if (!inner.is_object()) return m_out.refuse(path, fmt::format("found {}, allowed: prices by instance type", inner.dump().substr(0, 60)));
        for (const auto& [key, value] : inner.items()) {
            if (const auto way = way_of(key); way && value.is_object()) {
                for (const auto& [type, price] : value.items()) set(region, type, *way, price, path + "." + key + "." + type);
            } else if (value.is_object() && machine_in(key).empty() && !has_ways(value)) {
                m_out.refuse(path + "." + key, "is no way of buying and no instance type, allowed: on_demand and spot, or instance types");
            } else if (value.is_object()) {
                for (const auto& [name, price] : value.items())
                    if (const auto bought = way_of(name))
                        set(region, key, *bought, price, path + "." + key + "." + name);
                    else
                        m_out.refuse(path + "." + key + "." + name, "is no way of buying, allowed: on_demand and spot");
            } else {
                set(region, key, PriceWay::on_demand, value, path + "." + key);
            }
        }
    }

private:
    static std::optional<PriceWay> way_of(const std::string& name) {
        const std::string word = normalised_column(name);
        if (word == "ondemand" || word == "price") return PriceWay::on_demand;
        if (word == "spot" || word == "spotprice") return PriceWay::spot;
        if (word == "committed" || word == "reserved") return PriceWay::committed;
        return std::nullopt;
    }
    static bool has_ways(const Json& value) {
        const auto items = value.items();
        return std::any_of(items.begin(), items.end(), [](const auto& item) { return way_of(item.key()).has_value(); });
    }
    void set(const std::string& region, const std::string& type, PriceWay way, const Json& value, const std::string& path) {
        PriceRow facts;
        facts.instance_type = type;
        facts.region = region;
        if (const auto price = price_of(value, path, m_out)) m_out.set(facts, way, *price, "");
    }

    PriceGatherer& m_out;
    const std::string m_path;
};

/// Whether a document is a map of regions, or of types, whose values are maps.
bool is_price_map(const Json& root) {
    if (!root.is_object() || root.empty()) return false;
    const auto items = root.items();
    return std::all_of(items.begin(), items.end(), [](const auto& item) { return item.value().is_object(); }) &&
           std::any_of(items.begin(), items.end(), [](const auto& item) { return is_region(item.key()) || !machine_in(item.key()).empty(); });
}

void add_price_map(const Json& root, const std::string& path, PriceGatherer& out) {
    const auto items = root.items();
    const bool by_type = std::none_of(items.begin(), items.end(), [](const auto& item) { return is_region(item.key()); }) &&
                         std::any_of(items.begin(), items.end(), [](const auto& item) { return !machine_in(item.key()).empty(); });
    Json by_region = Json::object();
    if (by_type) {  // type -> region -> price
        for (const auto& [type, regions] : root.items())
            for (const auto& [region, price] : regions.items()) by_region[region][type] = price;
    }
    PriceMap map(out, path);
    const Json& regions = by_type ? by_region : root;
    for (const auto& [region, prices] : regions.items()) map.add_region(region, prices);
}

// ---- Azure -----------------------------------------------------------------------------------------------------------

void add_azure(const Json& item, const std::string& path, PriceGatherer& out) {
    PriceCells cells;
    for (const auto& [key, value] : item.items())
        if (value.is_string() || value.is_number()) cells.emplace(normalised_column(key), value.is_string() ? value.get<std::string>() : value.dump());
    add_azure_price(cells, path + ".", out);
}

// ---- AWS -------------------------------------------------------------------------------------------------------------

/// A product of the EC2 offer file with one of its terms, as cells.
void add_aws_term(const Json& product, const std::string& term_type, const Json& term, PriceGatherer& out) {
    PriceCells cells{{"termtype", term_type}, {"productfamily", text_at(product, "productFamily")}, {"effectivedate", text_at(term, "effectiveDate")}};
    for (const char* part : {"attributes", "termAttributes"}) {
        const Json& attributes = part[0] == 'a' ? child(product, part) : child(term, part);
        if (!attributes.is_object()) continue;
        for (const auto& [key, value] : attributes.items())
            if (value.is_string()) cells.emplace(normalised_column(key), value.get<std::string>());
    }
    const Json& dimensions = child(term, "priceDimensions");
    if (!dimensions.is_object()) return;
    for (const auto& [code, dimension] : dimensions.items()) {
        cells["unit"] = text_at(dimension, "unit");
        const Json& per_unit = child(dimension, "pricePerUnit");
        if (!per_unit.is_object()) continue;
        for (const auto& [currency, price] : per_unit.items()) {
            cells["currency"] = currency;
            cells["priceperunit"] = price.is_string() ? price.get<std::string>() : price.dump();
            add_aws_price(cells, out);
        }
    }
}

void add_aws_product(const Json& product, const Json& terms_of_all, PriceGatherer& out, const std::string& sku) {
    for (const char* type : {"OnDemand", "Reserved"}) {
        const Json& of_type = child(terms_of_all, type);
        const Json& terms = sku.empty() ? of_type : child(of_type, sku.c_str());
        if (!terms.is_object()) continue;
        for (const auto& [code, term] : terms.items()) add_aws_term(product, type, term, out);
    }
}

void add_spot_history(const Json& entries, PriceGatherer& out) {
    std::size_t number = 0;
    for (const Json& e : entries) {
        const std::string path = fmt::format("SpotPriceHistory[{}]", number++);
        PriceRow facts;
        facts.cloud = "aws";
        facts.instance_type = text_at(e, "InstanceType");
        facts.zone = text_at(e, "AvailabilityZone");
        facts.region = region_of_zone("aws", facts.zone);
        if (facts.instance_type.empty() || facts.zone.empty()) {
            out.refuse(path, "found no InstanceType and AvailabilityZone, allowed: entries of `aws ec2 describe-spot-price-history`");
            return;
        }
        if (const std::string system = text_at(e, "ProductDescription"); !system.empty() && !says(system, "Linux/UNIX")) continue;
        if (const auto price = price_of(child(e, "SpotPrice"), path + ".SpotPrice", out)) out.set(facts, PriceWay::spot, *price, text_at(e, "Timestamp"));
        if (out.problems().size() >= most_price_problems) return;
    }
}

// ---- others ----------------------------------------------------------------------------------------------------------

/// ec2instances.info's instances.json (Vantage, 2025): pricing.REGION.linux, with reserved by term.
void add_ec2instances(const Json& item, PriceGatherer& out) {
    out.commitments_are_offers();
    PriceRow facts;
    facts.cloud = "aws";
    facts.instance_type = text_at(item, "instance_type");
    facts.vcpus = leading_number(text_at(item, "vCPU"));
    facts.memory_gib = leading_number(text_at(item, "memory"));
    facts.gpu_count = leading_number(text_at(item, "GPU"));
    facts.gpu = text_at(item, "GPU_model");
    const Json& regions = child(item, "pricing");
    if (!regions.is_object()) return;
    for (const auto& [region, systems] : regions.items()) {
        const Json& linux_prices = child(systems, "linux");
        facts.region = region;
        const std::string path = facts.instance_type + ".pricing." + region + ".linux";
        const auto set = [&](PriceWay way, const Json& value, const std::string& name) {
            const auto price = price_of(value, path + "." + name, out);
            if (price && *price > 0) out.set(facts, way, *price, "");
        };
        set(PriceWay::on_demand, child(linux_prices, "ondemand"), "ondemand");
        const bool mean = child(linux_prices, "spot_avg").is_string() || child(linux_prices, "spot_avg").is_number();
        set(PriceWay::spot, child(linux_prices, mean ? "spot_avg" : "spot_min"), mean ? "spot_avg" : "spot_min");
        set(PriceWay::committed, child(child(linux_prices, "reserved"), "yrTerm1Standard.noUpfront"), "reserved");
    }
}

/// Lambda's cloud API (/instance-types; documentation, 2025): a price for all regions, in cents.
void add_lambda(const std::string& type, const Json& entry, PriceGatherer& out) {
    const Json& facts_of = child(entry, "instance_type");
    const auto cents = price_of(child(facts_of, "price_cents_per_hour"), type + ".price_cents_per_hour", out);
    if (!cents) return;
    PriceRow row;
    row.cloud = "lambda";
    row.instance_type = type;
    const Json& specs = child(facts_of, "specs");
    row.vcpus = leading_number(text_at(specs, "vcpus"));
    row.memory_gib = leading_number(text_at(specs, "memory_gib"));
    row.gpu_count = leading_number(text_at(specs, "gpus"));
    const std::string described = text_at(facts_of, "gpu_description");
    row.gpu = described.substr(0, described.find(" ("));
    const Json& regions = child(entry, "regions_with_capacity_available");
    if (!regions.is_array() || regions.empty()) return out.leave_out("sold out", type, "has no region with capacity just now: left out");
    for (const Json& region : regions) {
        row.region = text_at(region, "name");
        out.set(row, PriceWay::on_demand, *cents / 100, "");
    }
}

/// Records by the columns of a list of one's own; others in between are refused.
void add_records(const Json& records, const std::string& path, PriceGatherer& out) {
    PriceRecords reader;
    std::size_t number = 0;
    for (const Json& record : records) {
        const std::string place = fmt::format("{}[{}]", path, number++);
        if (!record.is_object()) return out.refuse(place, fmt::format("found {}, allowed: records with instance_type, region, price_usd_per_hour", record.dump().substr(0, 60)));
        PriceCells cells;
        std::vector<std::string> names;
        for (const auto& [key, value] : record.items()) {
            names.push_back(key);
            reader.know(key);
            if (value.is_string() || value.is_number()) cells.emplace(price_column_name(key), value.is_string() ? value.get<std::string>() : value.dump());
        }
        if (!has_price_columns(names)) return out.refuse(place, fmt::format("found {}, allowed: records with instance_type, region, price_usd_per_hour", record.dump().substr(0, 60)));
        reader.add(cells, out);
        if (out.problems().size() >= most_price_problems) return;
    }
}

/// Prices of parts without what a machine is made of.
std::string parts_list_of(const Json& root) {
    return root.is_object() && root.contains("CPU") && root.contains("RAM") ? "OpenCost's prices of parts (CPU, RAM, GPU), not of machines" : "";
}

/// Google's Cloud Billing catalogue and its export, Oracle's list: whether a document or an item of one is of them.
bool is_google_sku(const Json& item) { return item.is_object() && ((item.contains("pricingInfo") && item.contains("description")) || (child(item, "sku").is_object() && item.contains("list_price"))); }
bool is_oracle_product(const Json& item) { return item.is_object() && item.contains("currencyCodeLocalizations"); }
bool is_of_parts(const Json& document) {
    const Json& items = child(document, "items");
    return child(document, "skus").is_array() || is_google_sku(document) || is_oracle_product(document) || (items.is_array() && !items.empty() && is_oracle_product(items[0]));
}

/// All pages together: the parts of a machine may stand on several.
void add_parts(const Json& document, const std::string& path, SkuPrices& skus, PriceGatherer& out) {
    if (is_google_sku(document)) return skus.add_google(document, path, out);
    if (is_oracle_product(document)) return skus.add_oracle(document, path, out);
    const bool google = child(document, "skus").is_array();
    const std::string before = document.is_array() ? path : path + (path.empty() ? "" : ".") + (google ? "skus" : "items");
    const Json& items = document.is_array() ? document : child(document, google ? "skus" : "items");
    if (!items.is_array()) return out.refuse(path, "is no page of SKUs, allowed: pages with skus or items");
    std::size_t number = 0;
    for (const Json& item : items) {
        if (out.problems().size() >= most_price_problems) return;
        const std::string place = fmt::format("{}[{}]", before, number++);
        if (google)
            skus.add_google(item, place, out);
        else
            add_parts(item, place, skus, out);
    }
}

void add_document(const Json& root, PriceGatherer& out, bool& known) {
    const auto each = [&](const Json& list, const char* name, auto&& add) {
        std::size_t number = 0;
        for (const Json& item : list) {
            add(item, fmt::format("{}[{}]", name, number++));
            if (out.problems().size() >= most_price_problems) return;
        }
    };
    known = true;
    if (is_of_parts(root.is_array() && !root.empty() ? root[0] : root)) {
        SkuPrices skus;
        add_parts(root, "", skus, out);
        return skus.compose(out);
    }
    if (root.is_array()) {
        if (root.empty()) return;
        if (root[0].is_array() || child(root[0], "Items").is_array() || child(root[0], "SpotPriceHistory").is_array() || child(root[0], "product").is_object())
            return each(root, "", [&](const Json& page, const std::string&) { add_document(page, out, known); });
        if (child(root[0], "pricing").is_object() && root[0].contains("instance_type"))
            return each(root, "", [&](const Json& item, const std::string&) { add_ec2instances(item, out); });
        if (root[0].is_object() && root[0].contains("armSkuName")) return each(root, "", [&](const Json& item, const std::string& path) { add_azure(item, path, out); });
        if (root[0].is_object() && root[0].contains("SpotPrice") && root[0].contains("AvailabilityZone")) return add_spot_history(root, out);
        if (root[0].is_string())  // GetProducts' PriceList: JSON in strings
            return each(root, "PriceList", [&](const Json& text, const std::string& path) {
                const Json product = text.is_string() ? Json::parse(text.get<std::string>(), nullptr, false) : Json();
                if (!product.is_object()) return out.refuse(path, "is no JSON, allowed: products with their terms");
                add_aws_product(child(product, "product"), child(product, "terms"), out, "");
            });
        return add_records(root, "", out);
    }
    if (child(root, "Items").is_array()) return each(root["Items"], "Items", [&](const Json& item, const std::string& path) { add_azure(item, path, out); });
    if (child(root, "SpotPriceHistory").is_array()) return add_spot_history(root["SpotPriceHistory"], out);
    if (child(root, "PriceList").is_array()) return add_document(root["PriceList"], out, known);
    if (child(root, "product").is_object() && child(root, "terms").is_object()) return add_aws_product(root["product"], root["terms"], out, "");
    if (child(root, "products").is_object() && child(root, "terms").is_object()) {
        for (const auto& [sku, product] : root["products"].items()) add_aws_product(product, root["terms"], out, sku);
        return;
    }
    const Json& data = child(root, "data");
    if (data.is_object() && !data.empty() && child(data.begin().value(), "instance_type").is_object()) {
        for (const auto& [type, entry] : data.items()) add_lambda(type, entry, out);
        return;
    }
    if (child(root, "prices").is_array()) return add_records(root["prices"], "prices", out);
    if (child(root, "prices").is_object()) return add_price_map(root["prices"], "prices.", out);
    if (is_price_map(root)) return add_price_map(root, "", out);
    known = false;
}

}  // namespace

Result<PriceList> read_price_json(TextInput& text, const std::string& name) {
    std::string document = text.rest();
    if (!text.source().error().empty()) return Problem{{name, 0, 0}, "", text.source().error()};
    Result<std::vector<JsonValue>> values = json_values(std::move(document), name, price_list_formats());
    if (!values) return values.take_problems();
    Json roots = Json::array();
    for (JsonValue& value : *values) roots.push_back(std::move(value.json));
    for (const Json& root : roots)
        if (const std::string parts = parts_list_of(root); !parts.empty())
            return Problem{{name, 0, 0}, "", "is " + parts + ", allowed: CSV with cloud, instance_type, region, price_usd_per_hour (`windtunnel prices --cloud oci -o csv`, or gcp, is one to begin with)"};
    PriceGatherer out(name);
    bool known = false;
    add_document(roots.size() == 1 ? roots[0] : roots, out, known);
    if (!known) return Problem{{name, 0, 0}, "", "is no price list, allowed: " + price_list_formats()};
    return out.finish("", price_list_formats());
}

}  // namespace windtunnel
