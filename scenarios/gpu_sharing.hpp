#pragma once
#include "models/gpu_catalog.hpp"
#include "models/problem.hpp"
#include "scenarios/decoder.hpp"

#include <cstdint>
#include <map>
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

/// The extended resources that a node of `gpu_count` GPUs advertises: name -> units. `layout` may be empty.
[[nodiscard]] Result<std::map<std::string, std::int64_t>> advertised_resources(const Gpu& gpu, std::int32_t gpu_count, const DevicePluginConfig& plugin,
                                                                               const std::vector<MigLayoutEntry>& layout);

}  // namespace windtunnel
