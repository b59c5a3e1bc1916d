#include "scenarios/markets/price_list.hpp"

#include "models/gpu_catalog.hpp"
#include "models/nearest_name.hpp"
#include "scenarios/documents/quantity.hpp"
#include "scenarios/documents/text_input.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace windtunnel {
namespace {

using Json = nlohmann::ordered_json;

const char* const formats = "SkyPilot's catalogue (InstanceType,Price,SpotPrice,Region), Karpenter's prices (JSON), Azure's retail prices (JSON), a FOCUS export, or CSV with instance_type, region, price_usd_per_hour";

/// The columns of a list, by their normalised names; the first that is there counts.
struct Columns {
    std::map<std::string, std::size_t> at;

    [[nodiscard]] bool has(const char* name) const { return at.contains(name); }
    [[nodiscard]] std::string text(const std::vector<std::string>& row, std::initializer_list<const char*> names) const {
        for (const char* name : names)
            if (const auto found = at.find(name); found != at.end() && found->second < row.size() && !row[found->second].empty()) return row[found->second];
        return "";
    }
};

/// What the catalogue knows of a machine whose list gives prices alone.
void describe(PriceRow& row) {
    const auto known = row.cloud.empty() ? Result<const InstanceType*>(Problem{}) : get_instance_type(row.cloud, row.instance_type);
    if (!known) return;
    row.gpu = (*known)->gpu;
    row.gpu_count = (*known)->gpu_count;
    row.vcpus = (*known)->vcpus;
    row.memory_gib = (*known)->memory_gib;
}

constexpr std::size_t most_problems = 20;  // that are said of a list

class RowReader {
public:
    RowReader(TextInput& text, std::string name) : m_text(text), m_name(std::move(name)) {}

    Result<PriceList> read() {
        std::string_view line;
        std::vector<std::string> fields;
        std::string error;
        while (m_problems.size() < most_problems && m_text.next_line(line)) {
            if (line.empty() || line.front() == '#') continue;
            if (!split_csv_record(m_text, line, fields, error)) return problem("", error);
            if (m_columns.at.empty()) {
                for (std::size_t i = 0; i < fields.size(); ++i) m_columns.at.emplace(normalised_column(fields[i]), i);
                if (!is_known()) return problem("", fmt::format("found the columns {}, allowed: {}", std::string(line.substr(0, 80)), formats));
                continue;
            }
            m_focus ? add_focus(fields) : add(fields);
        }
        if (!m_text.source().error().empty()) return problem("", m_text.source().error());
        if (!m_problems.empty()) return m_problems;
        for (auto& [key, row] : m_focus_rows) m_out.rows.push_back(std::move(row));
        if (m_out.rows.empty() && !m_foreign.empty())
            return problem("", fmt::format("has prices in {} alone, allowed: USD (convert them)", fmt::join(m_foreign, ", ")));
        if (m_out.rows.empty()) return problem("", fmt::format("found no prices, allowed: {}", formats));
        m_out.source = m_name;
        return std::move(m_out);
    }

private:
    Problem problem(const std::string& path, const std::string& message) const {
        return {{m_name, static_cast<std::int32_t>(m_text.line()), 0}, path, message};
    }
    bool is_known() {
        m_focus = m_columns.has("listunitprice") && m_columns.has("pricingcategory");
        return m_focus || (m_columns.has("instancetype") && (m_columns.has("price") || m_columns.has("priceusdperhour")));
    }
    std::optional<double> number(const std::vector<std::string>& row, std::initializer_list<const char*> names) {
        const std::string text = m_columns.text(row, names);
        if (text.empty()) return std::nullopt;
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0)) {
            m_problems.push_back(problem(*names.begin(), fmt::format("found \"{}\", allowed: a number of at least 0", text)));
            return std::nullopt;
        }
        return value;
    }
    std::optional<std::int64_t> money(const std::vector<std::string>& row, std::initializer_list<const char*> names) {
        const std::string text = m_columns.text(row, names);
        if (text.empty()) return std::nullopt;  // not offered
        const auto nano = nano_of(text);
        if (!nano) m_problems.push_back(problem(*names.begin(), fmt::format("found \"{}\", allowed: USD per hour of at least 0, or nothing", text)));
        return nano;
    }
    /// Prices in another currency are left out, which is said once of each.
    bool is_foreign(const std::vector<std::string>& row) {
        const std::string currency = m_columns.text(row, {"pricingcurrency", "billingcurrency", "currency"});
        if (currency.empty() || folded_name(currency) == "usd") return false;
        if (m_foreign.insert(currency).second) m_out.warnings.push_back(problem("", "has prices in " + currency + ", which are left out, allowed: USD (convert them)"));
        return true;
    }
    /// Lists write more digits than a billionth of a dollar: those are rounded.
    static std::optional<std::int64_t> nano_of(const std::string& text) {
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0 && value < 1e6)) return std::nullopt;
        return std::llround(value * 1e9);
    }

    void add(const std::vector<std::string>& f) {
        if (is_foreign(f)) return;
        PriceRow row;
        row.cloud = folded_name(m_columns.text(f, {"cloud", "provider"}));
        row.instance_type = m_columns.text(f, {"instancetype"});
        row.region = m_columns.text(f, {"region"});
        row.zone = m_columns.text(f, {"availabilityzone", "zone"});
        row.gpu = m_columns.text(f, {"acceleratorname", "gpu", "gpuname"});
        row.gpu_count = number(f, {"acceleratorcount", "gpus", "gpucount"}).value_or(0);
        row.gpu_memory_gib = number(f, {"gpumemgib", "gpumemorygib"}).value_or(0);
        row.vcpus = number(f, {"vcpus"}).value_or(0);
        row.memory_gib = number(f, {"memorygib"}).value_or(0);
        row.on_demand = money(f, {"price", "priceusdperhour"});
        row.spot = money(f, {"spotprice", "spotusdperhour"});
        row.committed = money(f, {"committedusdperhour", "committedprice"});
        row.date = m_columns.text(f, {"asof", "date"});
        if (row.instance_type.empty()) return;  // TPUs of SkyPilot's list stand without a machine
        if (row.region.empty() && row.zone.empty()) m_problems.push_back(problem("region", fmt::format("found none for {}, allowed: a region or zone", row.instance_type)));
        settle(row);
        m_out.rows.push_back(std::move(row));
    }

    /// A billing export has a line for each charge, in any order: the latest price of a type in a place, bought in one way,
    /// holds. Credits, taxes and the like are no prices.
    void add_focus(const std::vector<std::string>& f) {
        if (const std::string charge = folded_name(m_columns.text(f, {"chargecategory"})); !charge.empty() && charge != "usage") return;
        const std::string unit = folded_name(m_columns.text(f, {"pricingunit"}));
        if (!unit.empty() && unit.find("hour") == std::string::npos && unit.find("hrs") == std::string::npos) return;  // not a machine's time
        std::string type = m_columns.text(f, {"xinstancetype", "instancetype", "resourcetype"});
        if (type.find_first_of("0123456789") == std::string::npos) type = m_columns.text(f, {"skumeter", "skuid", "chargedescription"});
        if (const std::size_t colon = type.rfind(':'); colon != std::string::npos) type.erase(0, colon + 1);  // BoxUsage:g6.xlarge
        if (type.empty() || is_foreign(f)) return;
        const auto price = money(f, {"contractedunitprice", "listunitprice"});
        if (!price) return;
        const std::tuple key{type, m_columns.text(f, {"availabilityzone"}), m_columns.text(f, {"regionid"})};
        const std::string category = folded_name(m_columns.text(f, {"pricingcategory"})), from = m_columns.text(f, {"chargeperiodstart"});
        std::string& latest = m_focus_latest[{key, category}];
        if (from < latest) return;
        latest = from;
        PriceRow& row = m_focus_rows[key];
        const std::string provider = folded_name(m_columns.text(f, {"providername", "serviceprovidername"}));
        row.cloud = provider.find("amazon") != std::string::npos || provider == "aws"          ? "aws"
                    : provider.find("google") != std::string::npos || provider == "gcp"        ? "gcp"
                    : provider.find("microsoft") != std::string::npos || provider == "azure"   ? "azure"
                    : provider.find("oracle") != std::string::npos || provider == "oci"        ? "oci"
                                                                                              : provider;
        row.instance_type = type;
        row.region = m_columns.text(f, {"regionid"});
        row.zone = m_columns.text(f, {"availabilityzone"});
        row.date = std::max(row.date, from.substr(0, 10));
        describe(row);
        (category == "dynamic" ? row.spot : category == "committed" ? row.committed : row.on_demand) = price;
    }

    /// What lists get wrong is said, once for each kind and type.
    void settle(PriceRow& row) {
        const auto say = [&](const std::string& kind, const std::string& message) {
            if (m_said.insert(kind + row.instance_type).second) m_out.warnings.push_back(problem(row.instance_type, message));
        };
        std::string card = row.gpu;
        if (const auto known = get_gpu(card); known && !card.empty()) {
            const double gib = static_cast<double>(known->gpu.memory_bytes) / 1073741824.0;
            // Some lists give the memory of all cards together, or in MiB.
            if (row.gpu_memory_gib > 0 && (row.gpu_memory_gib > 1.5 * gib || row.gpu_memory_gib < gib / 1.5) && row.gpu_count >= 1) {
                say("memory", fmt::format("says {:g} GiB of GPU memory, but a {} has {:.0f} GiB{}: the GPU's own is taken", row.gpu_memory_gib, known->gpu.name, gib,
                                          std::abs(row.gpu_memory_gib / row.gpu_count / gib - 1) < 0.25 ? " (it is the sum over its GPUs)"
                                          : std::abs(row.gpu_memory_gib / 1024 / gib - 1) < 0.25       ? " (it is in MiB)"
                                                                                                       : ""));
                row.gpu_memory_gib = 0;
            }
            row.gpu = known->gpu.name;
        }
        const auto type = row.cloud.empty() ? Result<const InstanceType*>(Problem{}) : get_instance_type(row.cloud, row.instance_type);
        // Nothing that is rented has more (u-24tb1.112xlarge has 24 TiB; EC2 documentation, 2025).
        constexpr double most_gib = 32'768;
        const double own = type ? (*type)->memory_gib : 0;
        if (row.memory_gib > most_gib || (own > 0 && (row.memory_gib > 1.5 * own || row.memory_gib < own / 1.5) && row.memory_gib > 0)) {
            const bool mib = std::abs(row.memory_gib / 1024 / own - 1) < 0.25;
            say("RAM", fmt::format("says {:g} GiB of memory{}{}", row.memory_gib, own > 0 ? fmt::format(", but it has {:g}", own) : std::string(", which no machine has"),
                                   mib ? " (it is in MiB)" : "") + (own > 0 ? ": the catalogue's is taken" : ": it is taken as not said"));
            row.memory_gib = own;
        }
        if (row.gpu_count > 0 && row.gpu_count != std::floor(row.gpu_count))
            say("part", fmt::format("has {:g} of a GPU: a part of a card, which nodes of this simulator do not have", row.gpu_count));
        if (row.spot && row.on_demand && *row.spot > *row.on_demand)
            say("saving", fmt::format("costs more on spot ({:g} USD per hour) than on demand ({:g})", static_cast<double>(*row.spot) / 1e9, static_cast<double>(*row.on_demand) / 1e9));
    }

    TextInput& m_text;
    std::string m_name;
    PriceList m_out;
    Problems m_problems;
    Columns m_columns;
    bool m_focus = false;
    using Place = std::tuple<std::string, std::string, std::string>;  ///< type, zone, region
    std::map<Place, PriceRow> m_focus_rows;
    std::map<std::pair<Place, std::string>, std::string> m_focus_latest;  ///< of each way of buying: since when it holds
    std::set<std::string> m_said, m_foreign;
};

Result<PriceList> read_karpenter(const Json& root, const std::string& name) {
    PriceList out;
    out.source = name;
    std::map<std::pair<std::string, std::string>, PriceRow> rows;
    for (const auto& [region, ways] : root["prices"].items())
        for (const auto& [way, types] : ways.items()) {
            if (way != "on_demand" && way != "spot") return Problem{{name, 0, 0}, "prices." + region + "." + way, "is no way of buying, allowed: on_demand and spot"};
            for (const auto& [type, price] : types.items()) {
                if (!price.is_number() || !(price.get<double>() >= 0)) return Problem{{name, 0, 0}, "prices." + region + "." + way + "." + type, fmt::format("found {}, allowed: USD per hour", price.dump())};
                PriceRow& row = rows[{type, region}];
                row.instance_type = type;
                row.region = region;
                (way == "spot" ? row.spot : row.on_demand) = std::llround(price.get<double>() * 1e9);
            }
        }
    for (auto& [key, row] : rows) {
        for (const Cloud& cloud : all_clouds())
            if (get_instance_type(cloud.name, row.instance_type)) {
                row.cloud = cloud.name;
                describe(row);
            }
        out.rows.push_back(std::move(row));
    }
    if (out.rows.empty()) return Problem{{name, 0, 0}, "prices", "found no prices, allowed: prices.REGION.on_demand.TYPE"};
    return out;
}

/// Azure's retail prices API (prices.azure.com/api/retail/prices; documentation, 2025): Linux machines by the hour, on demand
/// and spot; a reservation's price is that of its whole term. Of equal ones the latest holds.
Result<PriceList> read_azure(const Json& root, const std::string& name) {
    PriceList out;
    out.source = name;
    std::map<std::pair<std::string, std::string>, PriceRow> rows;
    std::map<std::tuple<std::string, std::string, int>, std::string> latest;
    std::set<std::string> foreign;
    std::size_t number = 0;
    for (const Json& item : root["Items"]) {
        const std::string path = fmt::format("Items[{}]", number++);
        const auto text = [&](const char* key) { return item.is_object() && item.contains(key) && item[key].is_string() ? item[key].get<std::string>() : std::string(); };
        const auto says = [](const std::string& in, const char* what) { return in.find(what) != std::string::npos; };
        const std::string type = text("armSkuName"), region = text("armRegionName"), kind = text("type"), sku = text("skuName") + " " + text("meterName");
        if (type.empty() || region.empty() || kind == "DevTestConsumption" || says(text("productName"), "Windows") || says(sku, "Low Priority")) continue;
        if (const std::string service = text("serviceName"); !service.empty() && service != "Virtual Machines") continue;
        if (const std::string currency = text("currencyCode"); !currency.empty() && currency != "USD") {
            if (foreign.insert(currency).second) out.warnings.push_back({{name, 0, 0}, path, "has a price in " + currency + ", such are left out, allowed: USD (the API's currencyCode)"});
            continue;
        }
        const char* key = item.contains("unitPrice") ? "unitPrice" : "retailPrice";
        if (!item.contains(key) || !item[key].is_number() || !(item[key].get<double>() >= 0))
            return Problem{{name, 0, 0}, path + "." + key, "found no price, allowed: USD of at least 0"};
        double price = item[key].get<double>();
        const std::string term = text("reservationTerm");
        const bool reserved = kind == "Reservation" || !term.empty();
        if (reserved) price /= 8760.0 * (term.starts_with('5') ? 5 : term.starts_with('3') ? 3 : 1);
        if (!reserved && text("unitOfMeasure") != "1 Hour" && !text("unitOfMeasure").empty()) continue;
        const int way = reserved ? 2 : says(sku, "Spot") ? 1 : 0;
        std::string& since = latest[{type, region, way}];
        if (text("effectiveStartDate") < since) continue;
        since = text("effectiveStartDate");
        PriceRow& row = rows[{type, region}];
        row.cloud = "azure";
        row.instance_type = type;
        row.region = region;
        row.date = std::max(row.date, since.substr(0, 10));
        describe(row);
        (way == 2 ? row.committed : way == 1 ? row.spot : row.on_demand) = std::llround(price * 1e9);
    }
    for (auto& [key, row] : rows) out.rows.push_back(std::move(row));
    if (out.rows.empty())
        return Problem{{name, 0, 0}, "Items", foreign.empty() ? std::string("found no machine's price, allowed: items with armSkuName, armRegionName and unitPrice") : fmt::format("has prices in {} alone, allowed: USD (the API's currencyCode)", fmt::join(foreign, ", "))};
    return out;
}

std::string usd(const std::optional<std::int64_t>& nano) { return nano ? fmt::format("{:.9g}", static_cast<double>(*nano) / 1e9) : ""; }
std::string shown(const std::optional<std::int64_t>& nano) { return nano ? fmt::format("{:.4f}", static_cast<double>(*nano) / 1e9) : "–"; }

std::optional<std::int64_t> price_of(const PriceRow& row, const PriceFilter& filter) {
    if (filter.capacity) return *filter.capacity == CapacityType::spot ? row.spot : row.on_demand;
    return row.on_demand ? row.on_demand : row.spot;
}

}  // namespace

PriceList catalogue_prices() {
    PriceList out;
    std::vector<std::string> sources;
    for (const Cloud& cloud : all_clouds()) sources.push_back(cloud.name + ": " + cloud.price_source);
    out.source = fmt::format("{}", fmt::join(sources, "; "));
    for (const InstanceType& type : all_instance_types())
        for (const auto& [region, price] : type.prices) {
            PriceRow row;
            row.cloud = type.cloud;
            row.instance_type = type.name;
            row.region = region;
            row.gpu = type.gpu;
            row.gpu_count = type.gpu_count;
            row.vcpus = type.vcpus;
            row.memory_gib = type.memory_gib;
            row.on_demand = price.on_demand * 1000;
            if (price.spot) row.spot = *price.spot * 1000;
            out.rows.push_back(std::move(row));
        }
    return out;
}

Result<PriceList> read_price_list(std::istream& in, const std::string& name) {
    ByteSource bytes(in);
    TextInput text(bytes);
    std::string_view start = text.buffered();
    start.remove_prefix(std::min(start.find_first_not_of(" \t\r\n"), start.size()));
    if (!start.starts_with('{')) return RowReader(text, name).read();
    std::string document;
    for (; !text.at_end(); text.advance()) document += text.peek();
    const Json root = Json::parse(document, nullptr, false);
    if (!root.is_discarded() && root.contains("Items") && root["Items"].is_array()) return read_azure(root, name);
    if (!root.is_discarded() && root.contains("items") && document.find("currencyCodeLocalizations") != std::string::npos)
        return Problem{{name, 0, 0}, "items", "is Oracle's list of parts (an hour of a GPU, of an OCPU), not of shapes, allowed: CSV with cloud, instance_type, region, price_usd_per_hour (`windtunnel prices --cloud oci -o csv` is one to begin with)"};
    if (root.is_discarded() || !root.contains("prices") || !root["prices"].is_object()) return Problem{{name, 0, 0}, "", fmt::format("is no price list, allowed: {}", formats)};
    return read_karpenter(root, name);
}
Result<PriceList> read_price_list(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in || std::filesystem::is_directory(file)) return Problem{{file.string(), 0, 0}, "", "cannot be read, allowed: a price list"};
    return read_price_list(in, file.string());
}

Result<std::vector<PriceRow>> filtered(const PriceList& list, const PriceFilter& filter) {
    Problems problems;
    const auto known = [&](const char* what, const std::string& wanted, auto of) {
        if (wanted.empty()) return;
        std::set<std::string> all;
        for (const PriceRow& row : list.rows) all.insert(of(row));
        for (const std::string& name : all)
            if (folded_name(name) == folded_name(wanted)) return;
        problems.push_back({{}, what, fmt::format("found '{}', of which the list has no price; nearest: {}", wanted, spoken_list(nearest_names(wanted, {all.begin(), all.end()})))});
    };
    std::string gpu = filter.gpu;
    if (const auto card = get_gpu(gpu); card && !gpu.empty()) gpu = card->gpu.name;
    known("--cloud", filter.cloud, [](const PriceRow& r) { return r.cloud; });
    known("--region", filter.region, [](const PriceRow& r) { return r.region; });
    known("--gpu", gpu, [](const PriceRow& r) { return r.gpu; });
    known("--type", filter.instance_type, [](const PriceRow& r) { return r.instance_type; });
    if (!problems.empty()) return problems;
    const auto same = [](const std::string& wanted, const std::string& found) { return wanted.empty() || folded_name(wanted) == folded_name(found); };
    std::vector<PriceRow> out;
    for (const PriceRow& row : list.rows)
        if (same(filter.cloud, row.cloud) && same(filter.region, row.region) && same(gpu, row.gpu) && same(filter.instance_type, row.instance_type) &&
            (!filter.gpus || row.gpu_count == *filter.gpus) && price_of(row, filter))
            out.push_back(row);
    const auto rank = [&](const PriceRow& row) {
        const auto nano = static_cast<double>(*price_of(row, filter));
        return filter.per_gpu ? nano / (row.gpu_count > 0 ? row.gpu_count : 1e-9) : nano;
    };
    std::stable_sort(out.begin(), out.end(), [&](const PriceRow& a, const PriceRow& b) { return rank(a) < rank(b); });
    return out;
}

PriceBook::PriceBook(const PriceList& list) {
    for (const PriceRow& row : list.rows) m_prices[{folded_name(row.instance_type), row.zone.empty() ? row.region : row.zone}] = row;
}

std::optional<std::int64_t> PriceBook::find(const std::string& cloud, const std::string& instance_type, const std::string& place, CapacityType capacity) const {
    for (const std::string& at : {place, region_of_zone(cloud, place)}) {
        const auto row = m_prices.find({folded_name(instance_type), at});
        if (row == m_prices.end()) continue;
        const auto price = capacity == CapacityType::spot ? row->second.spot : row->second.committed ? row->second.committed : row->second.on_demand;
        if (price) return price;
    }
    return std::nullopt;
}

const PriceRow* PriceBook::described(const std::string& instance_type) const {
    for (const auto& [key, row] : m_prices)
        if (key.first == folded_name(instance_type) && row.vcpus > 0 && row.memory_gib > 0 && row.gpu_count >= 1 && row.gpu_count == std::floor(row.gpu_count) && get_gpu(row.gpu)) return &row;
    return nullptr;
}

std::vector<std::string> PriceBook::places_of(const std::string& instance_type) const {
    std::vector<std::string> out;
    for (const auto& [key, row] : m_prices)
        if (key.first == folded_name(instance_type)) out.push_back(key.second);
    return out;
}

std::string price_table(const std::vector<PriceRow>& rows, const PriceList& list, std::size_t limit) {
    std::size_t type = 13, region = 6, gpu = 3;
    const std::size_t count = std::min(rows.size(), limit);
    for (std::size_t i = 0; i < count; ++i) {
        type = std::max(type, rows[i].instance_type.size());
        region = std::max(region, (rows[i].zone.empty() ? rows[i].region : rows[i].zone).size());
        gpu = std::max(gpu, rows[i].gpu.size());
    }
    std::string out = fmt::format(" {:<5} {:<{}}  {:<{}}  {:>5} {:<{}} {:>6} {:>8}  {:>10} {:>10} {:>8}\n", "cloud", "instance type", type, "region", region, "GPUs", "", gpu, "vCPUs", "GiB", "USD/h", "spot", "saving");
    for (std::size_t i = 0; i < count; ++i) {
        const PriceRow& r = rows[i];
        const std::string saving = r.spot && r.on_demand && *r.on_demand > 0 ? fmt::format("{:.0f}%", 100 * (1 - static_cast<double>(*r.spot) / static_cast<double>(*r.on_demand))) : "";
        out += fmt::format(" {:<5} {:<{}}  {:<{}}  {:>5g} {:<{}} {:>6g} {:>8g}  {:>10} {:>10} {:>8}\n", r.cloud, r.instance_type, type, r.zone.empty() ? r.region : r.zone, region, r.gpu_count, r.gpu, gpu, r.vcpus,
                           r.memory_gib, shown(r.on_demand), shown(r.spot), saving);
    }
    if (rows.size() > count) out += fmt::format(" … {} more: --limit\n", rows.size() - count);
    return out + fmt::format("\n from {}\n", list.source);
}

nlohmann::ordered_json price_json(const std::vector<PriceRow>& rows, const PriceList& list) {
    Json out{{"schema", "windtunnel.prices/v1"}, {"source", list.source}, {"currency", "USD"}, {"prices", Json::array()}};
    const auto text = [](const std::string& s) { return s.empty() ? Json(nullptr) : Json(s); };
    const auto money = [](const std::optional<std::int64_t>& nano) { return nano ? Json(usd(nano)) : Json(nullptr); };
    for (const PriceRow& r : rows)
        out["prices"].push_back({{"cloud", text(r.cloud)}, {"instance_type", r.instance_type}, {"region", text(r.region)}, {"zone", text(r.zone)}, {"gpu", text(r.gpu)}, {"gpus", r.gpu_count}, {"vcpus", r.vcpus},
                                 {"memory_gib", r.memory_gib}, {"on_demand_usd_per_hour", money(r.on_demand)}, {"spot_usd_per_hour", money(r.spot)}, {"committed_usd_per_hour", money(r.committed)}, {"date", text(r.date)}});
    return out;
}

std::string price_csv(const std::vector<PriceRow>& rows) {
    std::string out = "cloud,instance_type,region,zone,gpu,gpus,vcpus,memory_gib,price_usd_per_hour,spot_usd_per_hour,committed_usd_per_hour,date\n";
    for (const PriceRow& r : rows)
        out += fmt::format("{},{},{},{},{},{:g},{:g},{:g},{},{},{},{}\n", r.cloud, r.instance_type, r.region, r.zone, r.gpu, r.gpu_count, r.vcpus, r.memory_gib, usd(r.on_demand), usd(r.spot), usd(r.committed), r.date);
    return out;
}

std::string skypilot_csv(const std::vector<PriceRow>& rows) {
    std::string out = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,AvailabilityZone\n";
    for (const PriceRow& r : rows)
        out += fmt::format("{},{},{:g},{:g},{:g},,{},{},{},{}\n", r.instance_type, r.gpu, r.gpu_count, r.vcpus, r.memory_gib, usd(r.on_demand), usd(r.spot), r.region, r.zone);
    return out;
}

}  // namespace windtunnel
