#include "scenarios/markets/price_list.hpp"

#include "models/gpu_catalog.hpp"
#include "models/nearest_name.hpp"
#include "scenarios/markets/price_readers.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace windtunnel {
namespace {

using Json = nlohmann::ordered_json;

std::string usd(const std::optional<std::int64_t>& nano) { return nano ? fmt::format("{:.9g}", static_cast<double>(*nano) / 1e9) : ""; }
std::string shown(const std::optional<std::int64_t>& nano) { return nano ? fmt::format("{:.4f}", static_cast<double>(*nano) / 1e9) : "–"; }

std::optional<std::int64_t> price_of(const PriceRow& row, const PriceFilter& filter) {
    if (filter.capacity) return *filter.capacity == CapacityType::spot ? row.spot : row.on_demand;
    return row.on_demand ? row.on_demand : row.spot ? row.spot : row.committed;
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
    if (start.starts_with("PAR1") || start.starts_with("PK\x03\x04"))
        return Problem{{name, 0, 0}, "", fmt::format("is {}, allowed: the same as CSV or JSON (.gz and .zst too)", start.front() == 'P' && start[1] == 'A' ? "a Parquet file" : "a zip archive or a spreadsheet's own file")};
    if (start.starts_with('{') || start.starts_with('[')) return read_price_json(text, name);
    const bool go = start.starts_with("package ") || start.starts_with("//") || start.starts_with("/*") || start.starts_with("var ");
    return go ? read_price_go(text, name) : read_price_table(text, name);
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
    for (const PriceRow& row : list.rows) {
        PriceRow& held = m_prices[{folded_name(row.instance_type), row.zone.empty() ? row.region : row.zone}];
        held = row;
        if (list.offers_commitments) held.committed = std::nullopt;
        m_has_spot = m_has_spot || held.spot;
        m_has_on_demand = m_has_on_demand || held.on_demand || held.committed;
    }
}

std::optional<std::int64_t> PriceBook::find(const std::string& cloud, const std::string& instance_type, const std::string& place, CapacityType capacity) const {
    const auto price_in = [&](const PriceRow& row) { return capacity == CapacityType::spot ? row.spot : row.committed ? row.committed : row.on_demand; };
    const std::string type = folded_name(instance_type), region = region_of_zone(cloud, place);
    for (const std::string& at : {place, region}) {
        const auto row = m_prices.find({type, at});
        if (row == m_prices.end()) continue;
        if (const auto price = price_in(row->second)) return price;
    }
    // A list of zones alone. On demand a machine costs the same in all of a region; where no zone is asked for, the cheapest is.
    std::optional<std::int64_t> least, most;
    for (auto row = m_prices.lower_bound({type, ""}); row != m_prices.end() && row->first.first == type; ++row) {
        const auto price = row->second.region == region ? price_in(row->second) : std::nullopt;
        if (!price) continue;
        least = std::min(least.value_or(*price), *price);
        most = std::max(most.value_or(*price), *price);
    }
    const bool same_everywhere = capacity == CapacityType::on_demand && least == most;
    return place == region || same_everywhere ? least : std::nullopt;
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
    const bool committed = std::any_of(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count), [](const PriceRow& r) { return r.committed.has_value(); });
    std::string out = fmt::format(" {:<5} {:<{}}  {:<{}}  {:>5} {:<{}} {:>6} {:>8}  {:>10} {:>10} {:>8}{}\n", "cloud", "instance type", type, "region", region, "GPUs", "", gpu, "vCPUs", "GiB", "USD/h", "spot", "saving",
                                  committed ? fmt::format(" {:>10}", "committed") : "");
    for (std::size_t i = 0; i < count; ++i) {
        const PriceRow& r = rows[i];
        const std::string saving = r.spot && r.on_demand && *r.on_demand > 0 ? fmt::format("{:.0f}%", 100 * (1 - static_cast<double>(*r.spot) / static_cast<double>(*r.on_demand))) : "";
        out += fmt::format(" {:<5} {:<{}}  {:<{}}  {:>5g} {:<{}} {:>6g} {:>8g}  {:>10} {:>10} {:>8}{}\n", r.cloud, r.instance_type, type, r.zone.empty() ? r.region : r.zone, region, r.gpu_count, r.gpu, gpu, r.vcpus,
                           r.memory_gib, shown(r.on_demand), shown(r.spot), saving, committed ? fmt::format(" {:>10}", shown(r.committed)) : "");
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
