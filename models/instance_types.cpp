#include "models/instance_types.hpp"

#include "models/embedded_model_data.hpp"
#include "models/expects.hpp"
#include "models/gpu_catalog.hpp"
#include "models/nearest_name.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <tuple>

namespace windtunnel {
namespace {

using nlohmann::json;

struct MachineCatalog {
    std::vector<Cloud> clouds;
    std::vector<InstanceType> types;
};

InstanceType read_type(const json& entry) {
    InstanceType type;
    type.cloud = entry.at("cloud");
    type.name = entry.at("name");
    type.gpu = entry.at("gpu");
    type.gpu_count = entry.at("gpu_count");
    if (entry.contains("arch")) type.arch = entry.at("arch");
    type.vcpus = entry.at("vcpus");
    type.memory_gib = entry.at("memory_gib");
    type.local_nvme_gb = entry.at("local_nvme_gb");
    type.network_gbits_per_s = entry.at("network_gbits_per_s");
    for (const auto& [region, pair] : entry.at("prices").items()) {
        InstancePrice price;
        price.on_demand = pair.at(0);
        if (!pair.at(1).is_null()) price.spot = pair.at(1).get<std::int64_t>();
        type.prices.emplace(region, price);
    }
    if (entry.contains("zones"))
        for (const auto& [region, suffixes] : entry.at("zones").items())
            type.zones.emplace(region, suffixes.get<std::vector<std::string>>());
    WT_EXPECTS(type.gpu_count == 0 ? type.gpu.empty() : get_gpu(type.gpu).ok());
    return type;
}

const MachineCatalog& machine_catalog() {
    static const MachineCatalog the_catalog = [] {
        MachineCatalog c;
        const json file = json::parse(embedded_model_data("instance_types.json"));
        for (const json& entry : file.at("clouds")) {
            Cloud cloud;
            cloud.name = entry.at("name");
            cloud.spot_notice_s = entry.at("spot_notice_s");
            cloud.minimum_billing_s = entry.at("minimum_billing_s");
            cloud.regions = entry.at("regions").get<std::vector<std::string>>();
            cloud.price_source = entry.at("prices");
            c.clouds.push_back(std::move(cloud));
        }
        for (const json& entry : file.at("types")) c.types.push_back(read_type(entry));
        return c;
    }();
    return the_catalog;
}

std::vector<std::string> regions_with_price(const InstanceType& type, CapacityType capacity) {
    std::vector<std::string> out;
    for (const auto& [region, price] : type.prices)
        if (capacity == CapacityType::on_demand || price.spot) out.push_back(region);
    return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string_view to_string(CapacityType type) { return type == CapacityType::spot ? "spot" : "on-demand"; }

std::optional<CapacityType> find_capacity_type(std::string_view name) {
    const std::string folded = folded_name(name);
    if (folded == "spot" || folded == "preemptible") return CapacityType::spot;
    if (folded == "on-demand" || folded == "ondemand") return CapacityType::on_demand;
    return std::nullopt;
}

const std::vector<Cloud>& all_clouds() { return machine_catalog().clouds; }
const std::vector<InstanceType>& all_instance_types() { return machine_catalog().types; }

Result<const Cloud*> get_cloud(std::string_view name) {
    std::string folded = folded_name(name);
    if (folded == "eks") folded = "aws";
    if (folded == "gke") folded = "gcp";
    if (folded == "aks") folded = "azure";
    if (folded == "oke") folded = "oci";
    std::vector<std::string> known;
    for (const Cloud& cloud : all_clouds()) {
        if (cloud.name == folded) return &cloud;
        known.push_back(cloud.name);
    }
    return Problem{{}, "cloud", fmt::format("found '{}', allowed: {}", name, spoken_list(known))};
}

Result<const InstanceType*> get_instance_type(std::string_view cloud, std::string_view name) {
    const Result<const Cloud*> found = get_cloud(cloud);
    if (!found) return found.problems();
    const std::string folded = folded_name(name);
    std::vector<std::string> known;
    for (const InstanceType& type : all_instance_types()) {
        if (type.cloud != (*found)->name) continue;
        if (folded_name(type.name) == folded) return &type;
        known.push_back(type.name);
    }
    return Problem{
        {},
        "instance_type",
        fmt::format("found '{}', which is no instance type of {} in the catalogue; did you mean {}?",
                    name, (*found)->name, spoken_list(nearest_names(name, known)))};
}

std::string region_of_zone(std::string_view cloud, std::string_view zone) {
    const std::string folded = folded_name(cloud);
    const std::size_t dash = zone.rfind('-');
    if (folded == "oci" || folded == "oke") {  // "ap-tokyo-1-AD-1"; older regions by their keys, "Uocm:PHX-AD-1"
        std::string ad = folded_name(zone.substr(zone.find(':') == std::string_view::npos ? 0 : zone.find(':') + 1));
        const std::size_t at = ad.find("-ad-");
        if (at == std::string::npos) return std::string(zone);
        ad.resize(at);
        for (const auto& [key, region] : {std::pair{"phx", "us-phoenix-1"}, {"iad", "us-ashburn-1"}, {"fra", "eu-frankfurt-1"}, {"lhr", "uk-london-1"}})
            if (ad == key) return region;
        return ad;
    }
    if (folded == "aws" || folded == "eks") {
        const bool lettered =
            zone.size() >= 2 && zone.back() >= 'a' && zone.back() <= 'z' && is_digit(zone[zone.size() - 2]);
        if (lettered) return std::string(zone.substr(0, zone.size() - 1));
    } else if (dash != std::string_view::npos && dash + 2 == zone.size()) {
        const char last = zone.back();
        const bool azure = folded == "azure" || folded == "aks";
        if (azure ? is_digit(last) : last >= 'a' && last <= 'z') return std::string(zone.substr(0, dash));
    }
    return std::string(zone);
}

Result<std::int64_t> instance_price(const InstanceType& type, std::string_view place, CapacityType capacity) {
    const std::string region = region_of_zone(type.cloud, place);
    const auto price = type.prices.find(region);
    if (price == type.prices.end())
        return Problem{{},
                       "region",
                       fmt::format("found no {} price of {} in '{}', allowed: {}", to_string(capacity),
                                   type.name, region, spoken_list(regions_with_price(type, capacity)))};
    const auto zones = type.zones.find(region);
    if (region != place && zones != type.zones.end()) {
        const std::string suffix(place.substr(region.size() + 1));
        if (std::find(zones->second.begin(), zones->second.end(), suffix) == zones->second.end()) {
            std::vector<std::string> offered;
            for (const std::string& each : zones->second) offered.push_back(region + "-" + each);
            return Problem{{},
                           "zone",
                           fmt::format("found '{}', where {} is not offered, allowed: {}", place, type.name,
                                       spoken_list(offered))};
        }
    }
    if (capacity == CapacityType::on_demand) return price->second.on_demand;
    if (!price->second.spot)
        return Problem{
            {},
            "capacity_type",
            fmt::format(
                "found no spot price of {} in '{}', allowed: on-demand there, or spot in {}; or give a price",
                type.name, region, spoken_list(regions_with_price(type, capacity)))};
    return *price->second.spot;
}

std::vector<const InstanceType*> instance_types_with(std::string_view cloud, std::string_view gpu,
                                                     int gpu_count, std::string_view region) {
    std::vector<const InstanceType*> out;
    const Result<const Cloud*> found = get_cloud(cloud);
    if (!found) return out;
    for (const InstanceType& type : all_instance_types())
        if (type.cloud == (*found)->name && type.gpu == gpu && type.gpu_count >= gpu_count)
            out.push_back(&type);
    const auto rank = [&](const InstanceType* type) {
        const auto price = type->prices.find(std::string(region));
        return std::tuple(type->gpu_count, price == type->prices.end() ? INT64_MAX : price->second.on_demand);
    };
    std::stable_sort(out.begin(), out.end(),
                     [&](const InstanceType* a, const InstanceType* b) { return rank(a) < rank(b); });
    return out;
}

}  // namespace windtunnel
