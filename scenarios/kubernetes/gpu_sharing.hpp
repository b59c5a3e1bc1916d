#pragma once
#include "models/gpu_catalog.hpp"
#include "models/problem.hpp"
#include "scenarios/documents/decoder.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

// How NVIDIA's device plugin and mig-parted divide a node's GPUs (kubernetes.md 8.2 and 8.3): what the node
// advertises as extended resources.

/// An entry of sharing.timeSlicing.resources or sharing.mps.resources.
struct SharedResource {
    std::string name;              ///< "nvidia.com/gpu" or "nvidia.com/mig-1g.10gb"
    std::string rename;            ///< "" = see `rename_by_default`
    std::int32_t replicas = 2;
};

enum class MigStrategy : std::uint8_t { none, single, mixed };

/// The device plugin's configuration file (version: v1).
struct DevicePluginConfig {
    MigStrategy mig_strategy = MigStrategy::none;
    bool mps = false;                        ///< the resources are shared by MPS; else by time
    bool rename_by_default = false;          ///< nvidia.com/gpu.shared
    bool fail_requests_greater_than_one = false;
    std::vector<SharedResource> resources;
};
[[nodiscard]] DevicePluginConfig decode_device_plugin_config(Decoder& config);

/// One entry of a mig-parted layout: which GPUs get which instances.
struct MigLayoutEntry {
    std::vector<std::string> device_filter;  ///< PCI ids; empty: any model
    bool all_devices = true;
    std::vector<std::int32_t> devices;       ///< by index, unless `all_devices`
    bool mig_enabled = false;
    std::map<std::string, std::int32_t> instances;  ///< profile -> count on each of these GPUs
    SourcePosition where;
    std::string path;
};
/// mig-parted's file (version: v1): layouts by name, as the label nvidia.com/mig.config names them.
[[nodiscard]] std::map<std::string, std::vector<MigLayoutEntry>> decode_mig_parted_config(Decoder& config);

/// Where an instance stands on a card: [start, start + length) of its 8 memory slices.
struct MigPlacement {
    std::string profile;
    int start = 0;
    int length = 0;
};

/// Places the instances of one card so that they do not overlap, whatever their order; an unknown profile (the
/// nearest is named), more than fit (with what does), or two media-extension instances are a problem.
[[nodiscard]] Result<std::vector<MigPlacement>> place_mig_instances(const Gpu& gpu, const std::map<std::string, std::int32_t>& instances);

/// The devices of a node that it advertises under one name.
struct DeviceUnits {
    std::string resource;      ///< "nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared", "amd.com/gpu"
    std::string device;        ///< what a pod on it has, for get_gpu: "h100-sxm-80gb/1g.10gb"
    std::int32_t devices = 0;  ///< GPUs or slices
    std::int32_t clients = 1;  ///< pods that one of them is given to
    bool takes_turns = false;  ///< ... by time; or each has a fixed part
    std::int32_t num = 1, den = 1;  ///< a unit is so much of a GPU, by compute

    [[nodiscard]] std::int64_t units() const { return std::int64_t{devices} * clients; }
};

/// What a node of `gpu_count` GPUs advertises. `layout` may be empty. An entry of it with a device filter, of which the
/// card has no profile, is about another model.
[[nodiscard]] Result<std::vector<DeviceUnits>> node_devices(const Gpu& gpu, std::int32_t gpu_count, const DevicePluginConfig& plugin,
                                                            const std::vector<MigLayoutEntry>& layout);

/// The same as name -> units.
[[nodiscard]] Result<std::map<std::string, std::int64_t>> advertised_resources(const Gpu& gpu, std::int32_t gpu_count, const DevicePluginConfig& plugin,
                                                                               const std::vector<MigLayoutEntry>& layout);

/// How a pool's own description divides its nodes' GPUs (cluster.pools' gpu_sharing; GKE's and AKS' node pools).
struct GpuDivision {
    std::string mig_profile;   ///< "1g.10gb": every GPU is cut into as many as it gives; "" = whole
    bool mixed = false;        ///< slices have names of their own (nvidia.com/mig-1g.10gb); else nvidia.com/gpu
    std::int32_t clients = 1;  ///< pods on each GPU or slice
    bool mps = false;          ///< ... with fixed parts; else they take turns

    [[nodiscard]] bool whole() const { return mig_profile.empty() && clients == 1; }
};

/// What the manifests say of dividing GPUs: the operator's ClusterPolicy, the device plugin and mig-parted, with their
/// configuration files in ConfigMaps.
struct GpuSharing {
    std::map<std::string, DevicePluginConfig> plugin_configs;  ///< by the key of their ConfigMap
    std::string default_plugin_config;                         ///< "" = the only one, or the one named default
    std::optional<MigStrategy> mig_strategy;                   ///< over what the configuration says
    std::map<std::string, std::vector<MigLayoutEntry>> mig_layouts;  ///< by name
    std::string default_mig_layout;
};
/// Reads the texts of a ConfigMap that are configurations of either tool.
void decode_gpu_config(const Node& config_map, const std::string& file, GpuSharing& out, Findings& findings);
void decode_cluster_policy(Decoder& object, GpuSharing& out);
/// The device plugin's own settings, where a container is it.
void decode_device_plugin_container(const Container& container, GpuSharing& out);

/// What the nodes of a pool advertise, from its own division, or from their labels (nvidia.com/mig.config,
/// nvidia.com/device-plugin.config, GKE's partition and sharing labels) and what the manifests say. Adds the labels that
/// GPU feature discovery then puts on them.
[[nodiscard]] Result<std::vector<DeviceUnits>> pool_devices(const Gpu& gpu, std::int32_t gpu_count, const GpuDivision& own, const GpuSharing& sharing,
                                                            Labels& labels);

/// A division as GKE's node pool writes it, or cluster.pools' `gpu_sharing`.
[[nodiscard]] GpuDivision decode_gpu_division(Decoder& map);

}  // namespace windtunnel
