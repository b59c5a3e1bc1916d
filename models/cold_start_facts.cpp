#include "models/cold_start_facts.hpp"

#include "models/embedded_model_data.hpp"
#include "models/instance_types.hpp"
#include "models/nearest_name.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <array>

namespace windtunnel {
namespace {

using nlohmann::json;

const json& facts() {
    static const json file = json::parse(embedded_model_data("cold_start.json"));
    return file;
}

constexpr std::array<std::string_view, 6> storage_names = {
    "hub", "object_store", "network_disk", "network_disk_streamed", "local_nvme", "page_cache"};

ColdStartStage stage(std::string name, const json& fact) {
    return {std::move(name), fact.at("median_s"), fact.at("sigma"), fact.at("source")};
}

/// Moving `bytes` at the rate of a fact.
ColdStartStage transfer(std::string name, double bytes, const json& fact) {
    return {std::move(name), bytes / fact.at("bytes_per_s").get<double>(), fact.at("sigma"),
            fact.at("source")};
}

void add_image(std::vector<ColdStartStage>& stages, const ColdStartOptions& options) {
    const json& image = facts().at("image");
    if (options.image_cached) return;
    if (options.image_streamed) {
        stages.push_back(
            {"image_pull", image.at("streamed_s"), image.at("streamed_sigma"), image.at("streamed_source")});
        return;
    }
    const double bytes =
        options.image_bytes ? static_cast<double>(*options.image_bytes) : image.at("bytes").get<double>();
    stages.push_back({"image_pull", bytes / image.at("pull_bytes_per_s").get<double>(),
                      image.at("pull_sigma"), image.at("pull_source")});
}

void add_weights_load(std::vector<ColdStartStage>& stages, const KvCapacity& c, WeightStorage storage) {
    const json& weights = facts().at("weights");
    const double rank = c.weights_gib * 1073741824.0;
    const double whole = rank * c.tensor_parallel * c.pipeline_parallel;
    // What comes from the hub lies on the local disk by now.
    const WeightStorage source = storage == WeightStorage::hub ? WeightStorage::local_nvme : storage;
    const double bytes = source == WeightStorage::page_cache ? rank : whole;
    stages.push_back(transfer("weights_load", bytes, weights.at(std::string(to_string(source)))));
}

void add_engine_init(std::vector<ColdStartStage>& stages, const KvCapacity& c,
                     const ColdStartOptions& options) {
    const json& engine = facts().at("engine");
    stages.push_back(stage("profile_run", engine.at("profile_run")));
    if (options.enforce_eager) return;
    const bool v1 = c.profile.generation == EngineGeneration::v1;
    if (v1) {
        stages.push_back(stage("dynamo_trace", engine.at("dynamo_trace")));
        stages.push_back(stage("compile", engine.at(options.compile_cached ? "compile_cached" : "compile")));
    }
    const json& capture =
        engine.at(c.profile.version.minor >= 10 ? "graph_capture" : "graph_capture_before_0_10");
    const auto sizes = static_cast<double>(
        captured_batch_sizes(c.profile, c.limits, options.max_cudagraph_capture_size).size());
    const double modes = c.profile.full_graphs ? 2 : 1;
    const double seconds = sizes * modes *
                           (capture.at("per_size_s").get<double>() +
                            capture.at("per_size_and_layer_s").get<double>() * c.shape.layers);
    stages.push_back({"graph_capture", seconds, capture.at("sigma"), capture.at("source")});
}

}  // namespace

std::string_view to_string(WeightStorage storage) { return storage_names[static_cast<std::size_t>(storage)]; }

Result<WeightStorage> read_weight_storage(std::string_view name) {
    for (std::size_t i = 0; i < storage_names.size(); ++i)
        if (storage_names[i] == name) return static_cast<WeightStorage>(i);
    return Problem{{},
                   "storage",
                   fmt::format("found '{}', allowed: {}", name,
                               spoken_list({storage_names.begin(), storage_names.end()}))};
}

Result<std::vector<ColdStartStage>> node_start(std::string_view cloud_name) {
    const auto cloud = get_cloud(cloud_name);
    if (!cloud) return cloud.problems();
    return std::vector<ColdStartStage>{stage("node_provisioning", facts().at("node_provisioning").at((*cloud)->name)),
                                       stage("gpu_ready", facts().at("gpu_ready").at((*cloud)->name))};
}

Result<std::vector<ColdStartStage>> default_cold_start(const KvCapacity& capacity,
                                                       const ColdStartOptions& options) {
    const Result<const Cloud*> cloud = get_cloud(options.cloud);
    if (!cloud) return cloud.problems();
    std::vector<ColdStartStage> stages;
    if (options.new_node) {
        stages.push_back(stage("node_provisioning", facts().at("node_provisioning").at((*cloud)->name)));
        stages.push_back(stage("gpu_ready", facts().at("gpu_ready").at((*cloud)->name)));
    }
    add_image(stages, options);
    if (options.storage == WeightStorage::hub) {
        const double whole =
            capacity.weights_gib * 1073741824.0 * capacity.tensor_parallel * capacity.pipeline_parallel;
        stages.push_back(transfer("weights_download", whole, facts().at("weights").at("hub")));
    }
    const json& engine = facts().at("engine");
    stages.push_back(stage("engine_start", engine.at("start")));
    if (capacity.tensor_parallel >= 8 && options.new_node)
        stages.push_back(stage("peer_access_check", engine.at("peer_access_check")));
    add_weights_load(stages, capacity, options.storage);
    add_engine_init(stages, capacity, options);
    stages.push_back(stage("serve", engine.at("serve")));
    return stages;
}

}  // namespace windtunnel
