#pragma once
#include "models/problem.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

enum class CapacityType { on_demand, spot };
[[nodiscard]] std::string_view to_string(
    CapacityType type);  ///< "on-demand", "spot" (Karpenter's label values)
[[nodiscard]] std::optional<CapacityType> find_capacity_type(std::string_view name);

/// Micro-USD per hour, whole instance.
struct InstancePrice {
    std::int64_t on_demand = 0;
    std::optional<std::int64_t> spot;  ///< nullopt: not published for that type and region
};

/// One instance type of one cloud. From models/data/instance_types.json, which names the sources and dates.
struct InstanceType {
    std::string cloud;  ///< "aws", "gcp", "azure", "oci"
    std::string name;   ///< "g5.xlarge", "g2-standard-8", "Standard_NC24ads_A100_v4"
    std::string arch = "amd64";  ///< as the node label kubernetes.io/arch says it
    std::string gpu;    ///< a name of the GPU catalogue; "" = none
    int gpu_count = 0;
    int vcpus = 0;
    double memory_gib = 0;
    int local_nvme_gb = 0;                        ///< 10^9 bytes; 0 = none
    double network_gbits_per_s = 0;               ///< the most the vendor states
    std::map<std::string, InstancePrice> prices;  ///< by region
    std::map<std::string, std::vector<std::string>>
        zones;  ///< region -> zone suffixes where offered; empty = not known
};

/// What holds for a whole cloud.
struct Cloud {
    std::string name;
    int spot_notice_s = 0;             ///< warning before a spot instance is taken away
    int minimum_billing_s = 0;         ///< an instance costs at least this much time, then by the second
    std::vector<std::string> regions;  ///< that the catalogue has prices for
    std::string price_source;
};

[[nodiscard]] const std::vector<Cloud>& all_clouds();
[[nodiscard]] const std::vector<InstanceType>& all_instance_types();

/// The cloud of that name ("aws", "gcp", "azure", "oci"); "eks", "gke", "aks" and "oke" are accepted.
[[nodiscard]] Result<const Cloud*> get_cloud(std::string_view name);
/// The type of that name in that cloud, case ignored; unknown names are answered with the nearest.
[[nodiscard]] Result<const InstanceType*> get_instance_type(std::string_view cloud, std::string_view name);

/// The region of a zone: "us-east-1a" -> "us-east-1", "us-central1-b" -> "us-central1", "eastus-2" ->
/// "eastus". A name that is no zone comes back as it is.
[[nodiscard]] std::string region_of_zone(std::string_view cloud, std::string_view zone);

/// Micro-USD per hour of one instance. `place` is a region or a zone. A region without a price, a zone
/// where the type is not offered or a capacity type that is not sold there is a problem that says where it
/// is to be had.
[[nodiscard]] Result<std::int64_t> instance_price(const InstanceType& type, std::string_view place,
                                                  CapacityType capacity);

/// Types of a cloud with at least `gpu_count` GPUs of kind `gpu`, fewest GPUs first, then cheapest on demand
/// in `region` (types without a price there last).
[[nodiscard]] std::vector<const InstanceType*> instance_types_with(std::string_view cloud,
                                                                   std::string_view gpu, int gpu_count,
                                                                   std::string_view region);

}  // namespace windtunnel
