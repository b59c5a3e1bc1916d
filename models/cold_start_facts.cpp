#include "models/cold_start_facts.hpp"

#include "models/bytes.hpp"
#include "models/embedded_model_data.hpp"
#include "models/instance_types.hpp"
#include "models/nearest_name.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace windtunnel {
namespace {

using nlohmann::json;

const json& facts() {
    static const json file = json::parse(embedded_model_data("cold_start.json"));
    return file;
}

constexpr std::array<std::string_view, 8> storage_names = {
    "hub", "object_store", "network_disk", "network_disk_streamed", "file_server", "local_nvme", "page_cache", "in_image"};

ColdStartStage stage(std::string name, const json& fact, double factor = 1) {
    return {std::move(name), fact.at("median_s").get<double>() * factor, fact.at("sigma"), fact.at("source")};
}

/// Moving `bytes` at the rate of a fact.
ColdStartStage transfer(std::string name, double bytes, const json& fact) {
    return {std::move(name), bytes / fact.at("bytes_per_s").get<double>(), fact.at("sigma"), fact.at("source"), bytes};
}

/// So much for the model, and so much for each of its layers.
ColdStartStage by_layers(std::string name, const json& fact, double layers, double factor) {
    return {std::move(name), factor * (fact.at("fixed_s").get<double>() + fact.at("per_layer_s").get<double>() * layers),
            fact.at("sigma"), fact.at("source")};
}

/// How many times as long as the facts' hosts this one takes for its own work.
double host_factor_of(const KvCapacity& c, const ColdStartOptions& options) {
    if (!options.dynamo_trace_s) return options.host_factor;
    const json& fact = facts().at("engine").at("dynamo_trace");
    return *options.dynamo_trace_s / by_layers("dynamo_trace", fact, c.shape.layers, 1).median_s;
}

double whole_weights(const KvCapacity& c) {
    return c.weights_gib * gib * c.tensor_parallel * c.pipeline_parallel;
}

void add_image(std::vector<ColdStartStage>& stages, const KvCapacity& c, const ColdStartOptions& options) {
    const json& image = facts().at("image");
    if (options.image_cached) return;
    double bytes = options.image_bytes ? static_cast<double>(*options.image_bytes) : image.at("bytes").get<double>();
    // Weights do not compress.
    if (options.storage == WeightStorage::in_image) bytes += whole_weights(c);
    if (options.image_streamed) {
        stages.push_back(
            {"image_pull", image.at("streamed_s"), image.at("streamed_sigma"), image.at("streamed_source")});
    } else {
        stages.push_back({"image_pull", bytes / image.at("pull_bytes_per_s").get<double>(), image.at("pull_sigma"),
                          image.at("pull_source"), bytes});
        stages.back().carrier = Carrier::registry;
    }
    stages.back().makes = Makes::image;
}

/// A streaming loader's rate: its reads one beside the other, until the storage, or the way to it, gives no more.
double streamed_rate(const json& fact, int concurrency) {
    return 1 / (1 / (fact.at("per_read_bytes_per_s").get<double>() * concurrency) +
                1 / fact.at("most_bytes_per_s").get<double>());
}

/// Where the loader finds the weights: what was downloaded lies on the local disk.
WeightStorage loaded_from(const ColdStartOptions& options) {
    const bool streams = options.loader == WeightLoader::streamer || options.loader == WeightLoader::tensorizer;
    if (options.storage == WeightStorage::hub || options.storage == WeightStorage::in_image ||
        (options.storage == WeightStorage::object_store && !streams))
        return options.storage == WeightStorage::in_image ? WeightStorage::local_nvme : options.downloaded_to;
    return options.storage;
}

ColdStartStage weights_load(const KvCapacity& c, const ColdStartOptions& options) {
    const json& weights = facts().at("weights");
    const WeightStorage from = loaded_from(options);
    const std::string name(to_string(from));
    const double bytes = whole_weights(c);
    const bool streamed = options.loader == WeightLoader::streamer;
    const json& fact = weights.at(name);
    double rate = fact.at("bytes_per_s");
    std::string source = fact.at("source");
    double sigma = fact.at("sigma");
    const auto loaders = weights.at("loaders");
    const std::string loader = options.loader == WeightLoader::streamer         ? "streamer"
                               : options.loader == WeightLoader::tensorizer     ? "tensorizer"
                               : options.loader == WeightLoader::serverless_llm ? "serverless_llm"
                                                                                : "";
    if (!loader.empty() && loaders.at(loader).contains(name)) {
        const json& own = loaders.at(loader).at(name);
        rate = streamed && own.contains("per_read_bytes_per_s") ? streamed_rate(own, options.concurrency.value_or(16))
                                                                : own.at("bytes_per_s").get<double>();
        source = own.at("source");
    }
    if (options.volume_bytes_per_s && from != WeightStorage::page_cache && from != WeightStorage::local_nvme)
        rate = std::min(rate, *options.volume_bytes_per_s);
    ColdStartStage out{"weights_load", bytes / rate, sigma, source, bytes};
    out.carrier = from == WeightStorage::local_nvme   ? Carrier::disk
                  : from == WeightStorage::page_cache ? Carrier::none
                                                      : Carrier::remote;
    if (from == WeightStorage::page_cache) out.bytes = 0;
    // Once read, memory-mapped files stay in the host's memory; a streaming loader goes past it.
    if (options.loader == WeightLoader::safetensors && from != WeightStorage::page_cache) {
        out.makes = Makes::page_cache;
        out.again_s = std::min(out.median_s, bytes / weights.at("page_cache").at("bytes_per_s").get<double>());
    }
    return out;
}

void add_weights(std::vector<ColdStartStage>& stages, const KvCapacity& c, const ColdStartOptions& options) {
    const WeightStorage from = options.storage;
    if (from == WeightStorage::hub || (from == WeightStorage::object_store && loaded_from(options) != from)) {
        const char* fact = from == WeightStorage::hub ? "hub" : "object_store_download";
        ColdStartStage download = transfer("weights_download", whole_weights(c), facts().at("weights").at(fact));
        download.carrier = Carrier::remote;
        download.makes = Makes::downloaded_weights;
        stages.push_back(std::move(download));
    }
}

void add_engine_init(std::vector<ColdStartStage>& stages, const KvCapacity& c,
                     const ColdStartOptions& options) {
    const json& engine = facts().at("engine");
    const double factor = host_factor_of(c, options);
    stages.push_back(stage("profile_run", engine.at("profile_run"), factor));
    if (options.enforce_eager) return;
    const bool v1 = c.profile.generation == EngineGeneration::v1;
    const double layers = c.shape.layers;
    if (v1) {
        stages.push_back(by_layers("dynamo_trace", engine.at("dynamo_trace"), layers, factor));
        const ColdStartStage cached = by_layers("compile", engine.at("compile_cached"), layers, factor);
        if (options.compile_cached) {
            stages.push_back(cached);
        } else {
            stages.push_back(by_layers("compile", engine.at("compile"), layers, factor));
            stages.back().makes = Makes::compile_cache;
            stages.back().again_s = cached.median_s;
        }
    }
    const json& capture = engine.at(!v1                            ? "graph_capture_v0"
                                    : c.profile.version.minor < 10 ? "graph_capture_before_0_10"
                                                                   : "graph_capture");
    const auto sizes = static_cast<double>(
        captured_batch_sizes(c.profile, c.limits, options.max_cudagraph_capture_size).size());
    const double modes = c.profile.full_graphs ? 2 : 1;
    const json slow_gpus = capture.value("gpu_factor", json::object());
    // A graph is launched by the host and run by the GPU, half and half: logs of V1 whose trace says how slow their hosts are
    // agree with it, and less with all or nothing.
    const double seconds = (1 + factor) / 2 * slow_gpus.value(std::string(c.gpu.name), 1.0) * sizes * modes *
                           (capture.at("per_size_s").get<double>() +
                            capture.at("per_size_and_layer_s").get<double>() * layers);
    stages.push_back({"graph_capture", seconds, capture.at("sigma"), capture.at("source")});
}

}  // namespace

std::string_view to_string(WeightStorage storage) { return storage_names[static_cast<std::size_t>(storage)]; }

WeightLoader weight_loader_of(std::string_view load_format) {
    if (load_format == "runai_streamer" || load_format == "runai_streamer_sharded") return WeightLoader::streamer;
    if (load_format == "tensorizer") return WeightLoader::tensorizer;
    return load_format == "serverless_llm" ? WeightLoader::serverless_llm : WeightLoader::safetensors;
}

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
    add_image(stages, capacity, options);
    add_weights(stages, capacity, options);
    const json& engine = facts().at("engine");
    const double factor = host_factor_of(capacity, options);
    const json& again = engine.at("start_again");
    if (options.libraries_read) {
        stages.push_back(stage("engine_start", again, factor));
    } else {
        stages.push_back(stage("engine_start", engine.at("start"), factor));
        stages.back().makes = Makes::read_libraries;
        stages.back().again_s = again.at("median_s").get<double>() * factor;
    }
    if (capacity.tensor_parallel >= 8 && options.new_node)
        stages.push_back(stage("peer_access_check", engine.at("peer_access_check")));
    stages.push_back(weights_load(capacity, options));
    add_engine_init(stages, capacity, options);
    stages.push_back(stage("serve", engine.at("serve"), factor));
    return stages;
}

}  // namespace windtunnel
