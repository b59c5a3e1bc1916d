#include "models/spot_facts.hpp"

#include "models/embedded_model_data.hpp"
#include "models/instance_types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

using nlohmann::json;

constexpr double hours_of_month = 730;

const json& bands() {
    static const json file = json::parse(embedded_model_data("spot_interruption_bands.json"));
    return file;
}

/// The band of the Spot Instance Advisor; -1 = it has none for the type there.
int band_of(std::string_view type, std::string_view region) {
    const auto found = bands().at("bands").find(std::string(type));
    if (found == bands().at("bands").end()) return -1;
    const auto& regions = bands().at("regions");
    for (std::size_t i = 0; i < regions.size(); ++i)
        if (regions[i] == region && !(*found)[i].is_null()) return (*found)[i];
    return -1;
}

/// A share of nodes that are interrupted within a month, as a rate. The band's middle; of the open one 30%.
double rate_of_band(int band) {
    constexpr double middles[] = {0.025, 0.075, 0.125, 0.175, 0.30};
    return -std::log1p(-middles[band]) / hours_of_month;
}

SpotFacts aws(std::string_view type, std::string_view place) {
    SpotFacts out;
    const std::string region = region_of_zone("aws", place);
    int band = band_of(type, region);
    const bool known = band >= 0;
    if (!known) band = 1;  // the advisor's average over all types was below 10% (2025-06)
    const char* names[] = {"below 5%", "5 to 10%", "10 to 15%", "15 to 20%", "above 20%"};
    out.interruptions_per_hour = rate_of_band(band);
    out.says = fmt::format("EC2 Spot Instance Advisor, 2025-06: {} of nodes interrupted in a month{}", names[band],
                           known ? "" : ", the average of all types");
    out.notice_s = 120;
    // EC2 user guide, billing for interrupted Spot Instances: no charge when EC2 interrupts in the first hour
    // (Windows and Linux without RHEL and SUSE) [from general knowledge, not re-read, 2026-11].
    out.free_before_s = 3600;
    out.handler_says = "pods are evicted at the notice, as EKS managed groups and Karpenter with an interruption queue do";
    return out;
}

SpotFacts gcp() {
    SpotFacts out;
    // Compute Engine, preemptible VMs: between 5% and 15% a day, a seven-day average per project [from general
    // knowledge, not re-read, 2026-11].
    out.interruptions_per_hour = -std::log1p(-0.10) / 24;
    out.says = "Compute Engine documentation: 5 to 15% of preemptible VMs a day; GPUs have been measured to be taken far more often";
    out.notice_s = 30;
    // Compute Engine, Spot VM pricing: no charge for a VM that is preempted within its first minute [likewise].
    out.free_before_s = 60;
    out.handler = SpotHandler::shutdown;
    out.handler_says = "the kubelet ends the pods at the notice (graceful node shutdown, without disruption budgets)";
    return out;
}

SpotFacts azure() {
    SpotFacts out;
    // Azure Spot VMs: eviction rates are quoted per hour, in bands of 5% [from general knowledge, not re-read,
    // 2026-11]; the middle of the lowest one.
    out.interruptions_per_hour = -std::log1p(-0.025);
    out.says = "Azure's lowest eviction band, 0 to 5% an hour; a type's own band is in the portal";
    out.notice_s = 30;
    out.handler_says = "pods are evicted at the notice, as AKS' node auto-drain does";
    out.refills = false;  // the scale set shrinks by what was evicted; its autoscaler asks again
    return out;
}

}  // namespace

SpotFacts spot_facts(std::string_view cloud, std::string_view instance_type, std::string_view place) {
    SpotFacts out = cloud == "gcp" ? gcp() : cloud == "azure" ? azure() : aws(instance_type, place);
    if (const auto known = get_cloud(cloud)) out.notice_s = (*known)->spot_notice_s;
    return out;
}

}  // namespace windtunnel
