#pragma once
#include "models/kv_capacity.hpp"
#include "models/problem.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// What carries a stage's bytes.
enum class Carrier { none, registry, remote, disk };

/// What a stage leaves behind for later starts.
enum class Makes {
    nothing,
    image,
    downloaded_weights,  ///< files on a disk
    page_cache,          ///< files in the host's memory
    compile_cache,       ///< torch.compile's
    read_libraries,      ///< the image's Python and CUDA libraries in the host's memory
};

/// One stage of a cold start: log-normal, `median_s * exp(sigma * z)`.
struct ColdStartStage {
    std::string name;  ///< "node_provisioning", "image_pull", "weights_load", ...
    double median_s = 0;
    double sigma = 0;  ///< standard deviation of the logarithm; 0 = always the median
    std::string source;
    double bytes = 0;  ///< that it moves; `median_s` is then how long they take alone. 0 = none
    Carrier carrier = Carrier::none;
    Makes makes = Makes::nothing;
    double again_s = 0;  ///< where what it makes is there already; 0 = it is left out
};

/// Where the weights are when the pod starts.
enum class WeightStorage {
    hub,                    ///< Hugging Face, downloaded to the node's disk first
    object_store,           ///< a bucket; the default loader downloads first, a streaming one does not
    network_disk,           ///< a block device of one node: EBS, persistent disk
    network_disk_streamed,  ///< the same through a streaming loader
    file_server,            ///< one for all: EFS, Filestore, NFS
    local_nvme,
    page_cache,
    in_image,               ///< baked into the container image
};
[[nodiscard]] std::string_view to_string(WeightStorage storage);  ///< the enumerator's name
[[nodiscard]] Result<WeightStorage> read_weight_storage(std::string_view name);

/// How the weights come into GPU memory.
enum class WeightLoader {
    safetensors,  ///< vLLM's default: memory-mapped files
    streamer,     ///< Run:ai's: many concurrent reads
    tensorizer,
    serverless_llm,
};
/// vLLM's --load-format; formats without a loader of their own are the default's.
[[nodiscard]] WeightLoader weight_loader_of(std::string_view load_format);

enum class ImageDelivery { pulled, streamed, on_node };

/// What a start has to go through.
struct ColdStartOptions {
    std::string cloud = "aws";
    bool new_node = true;                     ///< a node has to be provisioned and its GPU driver to come up
    bool image_cached = false;                ///< on the node already; else it is pulled
    bool image_streamed = false;              ///< lazily, by the registry's streaming
    std::optional<std::int64_t> image_bytes;  ///< compressed; default in models/data/cold_start.json
    WeightStorage storage = WeightStorage::network_disk;
    WeightStorage downloaded_to = WeightStorage::local_nvme;  ///< from the hub or a bucket
    bool compile_cached = false;  ///< torch.compile's cache is on the volume
    bool libraries_read = false;  ///< another container of the image has been started on the node
    WeightLoader loader = WeightLoader::safetensors;
    std::optional<int> concurrency;             ///< of a streaming loader; default 16
    std::optional<double> volume_bytes_per_s;   ///< what the volume, and the instance's way to it, give at most
    double host_factor = 1;                     ///< the host's own work takes so many times as long
    std::optional<double> dynamo_trace_s;       ///< what one of the host's logs says of it for this model: tells the factor
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
