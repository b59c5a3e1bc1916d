#pragma once
#include "models/kv_capacity.hpp"
#include "models/problem.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// One stage of a cold start: log-normal, `median_s * exp(sigma * z)`.
struct ColdStartStage {
    std::string name;  ///< "node_provisioning", "image_pull", "weights_load", ...
    double median_s = 0;
    double sigma = 0;  ///< standard deviation of the logarithm; 0 = always the median
    std::string source;
};

/// Where the weights are when the pod starts.
enum class WeightStorage { hub, object_store, network_disk, network_disk_streamed, local_nvme, page_cache };
[[nodiscard]] std::string_view to_string(WeightStorage storage);  ///< the enumerator's name
[[nodiscard]] Result<WeightStorage> read_weight_storage(std::string_view name);

/// What a start has to go through.
struct ColdStartOptions {
    std::string cloud = "aws";
    bool new_node = true;                     ///< a node has to be provisioned and its GPU driver to come up
    bool image_cached = false;                ///< on the node already; else it is pulled
    bool image_streamed = false;              ///< lazily, by the registry's streaming
    std::optional<std::int64_t> image_bytes;  ///< compressed; default in models/data/cold_start.json
    WeightStorage storage = WeightStorage::network_disk;
    bool compile_cached = false;  ///< torch.compile's cache is on the volume
    bool enforce_eager = false;   ///< neither compiled nor captured
    std::optional<int> max_cudagraph_capture_size;
};

/// From the request for a node to its GPUs being visible: the first stages of a cold start on a new node.
[[nodiscard]] Result<std::vector<ColdStartStage>> node_start(std::string_view cloud_name);

/// The stages from "no node" to "serving", in order, for the replica that `capacity` describes. From the hub
/// the weights are first downloaded to disk, then loaded as from local NVMe. Weights are read once per
/// replica from shared storage, by every rank its own share from the page cache. Stages that do not happen
/// are left out. An unknown cloud is a problem.
[[nodiscard]] Result<std::vector<ColdStartStage>> default_cold_start(const KvCapacity& capacity,
                                                                     const ColdStartOptions& options);

}  // namespace windtunnel
