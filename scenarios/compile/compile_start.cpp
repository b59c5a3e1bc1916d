#include "scenarios/compile/compile_start.hpp"

#include "models/bytes.hpp"
#include "scenarios/commands/command_line.hpp"
#include "scenarios/documents/suggest.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <set>

namespace windtunnel {

namespace {

/// Containers that no model server is known in [estimate: a small image over a cloud's registry, and a process that
/// needs no weights, 2025].
constexpr double plain_image_pull_s = 5, plain_start_s = 1;

// ---- what the manifests say --------------------------------------------------------------------------------

/// The mount that a path lies on: the longest that it begins with.
const VolumeMount* mount_of(const Container& container, const std::string& path) {
    const VolumeMount* best = nullptr;
    for (const VolumeMount& mount : container.volume_mounts) {
        const std::string& at = mount.path;
        const bool under = path == at || path.starts_with(at.ends_with('/') ? at : at + "/");
        if (under && (best == nullptr || at.size() > best->path.size())) best = &mount;
    }
    return best;
}

std::vector<std::string> words_of(const Container& container) {
    std::vector<std::string> words;
    for (const std::vector<std::string>* list : {&container.command, &container.args})
        for (const std::string& text : *list)
            for (const std::string& word : split_words(text)) words.push_back(word);
    return words;
}

/// The value of --flag VALUE or --flag=VALUE anywhere in a container's words.
std::string flag_of(const Container& container, const std::string& flag) {
    const std::vector<std::string> words = words_of(container);
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i].starts_with(flag + "=")) return words[i].substr(flag.size() + 1);
        if (words[i] == flag && i + 1 < words.size()) return words[i + 1];
    }
    return "";
}

/// The model as the command line has it, a path or an address included (a ModelServer has the name that it stands for).
std::string model_word(const Container& container, const ModelServer& server) {
    if (const std::string given = flag_of(container, "--model"); !given.empty()) return given;
    const std::vector<std::string> words = words_of(container);
    const auto serve = std::find(words.begin(), words.end(), "serve");
    if (serve != words.end() && serve + 1 != words.end() && !(serve + 1)->starts_with("-")) return *(serve + 1);
    return server.model;
}

/// Where vLLM looks for the files of a model and where it puts what it downloads.
std::string weights_path(const Container& container, const std::string& model) {
    if (model.starts_with("/")) return model;
    if (const std::string given = flag_of(container, "--download-dir"); !given.empty()) return given;
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "TRANSFORMERS_CACHE"})
        if (const std::string given = container.variable(name); !given.empty()) return given;
    return "/root/.cache/huggingface";
}

struct VolumePlace {
    Kept kept = Kept::nowhere;
    WeightStorage storage = WeightStorage::local_nvme;
    std::string word;
};

/// What a volume is to those who keep files on it.
VolumePlace place_of(const Scenario& scenario, const WorkloadObject& object, const std::string& name) {
    for (const VolumeClaim& claim : object.volume_claims)
        if (claim.meta.name == name) return {Kept::pod, WeightStorage::network_disk, "a claim of each pod"};
    const auto volume = std::find_if(object.pod.volumes.begin(), object.pod.volumes.end(), [&](const Volume& v) { return v.name == name; });
    if (volume == object.pod.volumes.end()) return {};
    switch (volume->kind) {
        case VolumeKind::empty_dir:
            return {Kept::pod, WeightStorage::local_nvme, "an emptyDir"};
        case VolumeKind::memory:
            return {Kept::pod, WeightStorage::page_cache, "an emptyDir in memory"};
        case VolumeKind::host_path:
            return {Kept::node, WeightStorage::local_nvme, "a path of the node"};
        case VolumeKind::nfs:
            return {Kept::cluster, WeightStorage::file_server, "a file server"};
        case VolumeKind::ephemeral:
            return {Kept::pod, WeightStorage::network_disk, "a disk of the pod"};
        case VolumeKind::image:
            return {Kept::nowhere, WeightStorage::in_image, "an image volume"};
        case VolumeKind::claim: {
            for (const VolumeClaim& claim : scenario.manifests.volume_claims) {
                if (claim.meta.name != volume->claim || claim.meta.name_space != object.meta.name_space) continue;
                const bool shared = std::any_of(claim.access_modes.begin(), claim.access_modes.end(), [](const std::string& m) { return m.ends_with("Many"); });
                if (!shared) return {Kept::cluster, WeightStorage::network_disk, "a disk"};
            }
            return {Kept::cluster, WeightStorage::file_server, "a shared volume"};
        }
        case VolumeKind::csi:
        case VolumeKind::other:
            return {Kept::cluster, WeightStorage::file_server, "a volume of a CSI driver"};
        case VolumeKind::config_map:
        case VolumeKind::secret:
        case VolumeKind::projected:
        case VolumeKind::downward_api:
            break;
    }
    return {};
}

/// What an init container that fills a volume loads from; nothing when it loads nothing that is known.
std::optional<WeightStorage> downloads_from(const Container& container) {
    std::string all = container.image + " ";
    for (const std::vector<std::string>* list : {&container.command, &container.args})
        for (const std::string& text : *list) all += text + " ";
    for (const EnvironmentVariable& variable : container.environment) all += variable.value + " ";
    const auto says = [&](std::initializer_list<const char*> words) {
        return std::any_of(words.begin(), words.end(), [&](const char* word) { return all.find(word) != std::string::npos; });
    };
    if (says({"s3://", "gs://", "s5cmd", "gsutil", "azcopy", "rclone", "blob.core.windows.net", "storage.googleapis.com", ".s3.", "ossutil"}))
        return WeightStorage::object_store;
    if (says({"huggingface-cli", "hf download", "snapshot_download", "hf://", "huggingface.co", "git lfs", "git clone", "storage-initializer", "wget ", "curl "}))
        return WeightStorage::hub;
    return {};
}

}  // namespace

ManifestStart read_manifest_start(const Scenario& scenario, const WorkloadObject& object, const ModelServer& server) {
    ManifestStart out;
    if (object.server_container >= object.pod.containers.size()) return out;
    const Container& container = object.pod.containers[object.server_container];
    std::string cache = container.variable("VLLM_CACHE_ROOT");
    if (cache.empty()) cache = "/root/.cache/vllm";
    if (const VolumeMount* mount = mount_of(container, cache)) out.compile_cache = place_of(scenario, object, mount->volume).kept;

    const std::string model = model_word(container, server);
    for (const char* scheme : {"s3://", "gs://", "az://"})
        if (model.starts_with(scheme)) {
            out.storage = WeightStorage::object_store;
            out.why = "the model's address";
            return out;
        }
    const std::string path = weights_path(container, model);
    const VolumeMount* mount = mount_of(container, path);
    const bool local = path == model;
    if (mount == nullptr) {
        if (local) out.storage = WeightStorage::in_image;
        out.why = local ? "the model's path lies in the image" : "no volume holds downloads";
        return out;
    }
    const VolumePlace place = place_of(scenario, object, mount->volume);
    out.downloaded_to = place.storage;
    out.kept = place.kept;
    out.why = place.word;
    if (place.storage == WeightStorage::in_image) {
        out.storage = WeightStorage::in_image;
        return out;
    }
    for (const Container& init : object.pod.init_containers) {
        const bool fills = std::any_of(init.volume_mounts.begin(), init.volume_mounts.end(), [&](const VolumeMount& m) { return m.volume == mount->volume; });
        const std::optional<WeightStorage> from = fills ? downloads_from(init) : std::nullopt;
        if (!from) continue;
        out.storage = *from;
        out.in_init_container = true;
        out.why += ", filled by init container " + init.name;
        return out;
    }
    if (!local) return out;  // vLLM downloads into the volume
    out.storage = place.storage;
    out.downloads = false;
    return out;
}

namespace {

// ---- the graph ---------------------------------------------------------------------------------------------

std::vector<StartStage> own_stages(const WorkloadSpec& spec) {
    std::vector<StartStage> out;
    for (const ColdStartStageSpec& s : spec.cold_start) {
        StartStage stage;
        stage.name = s.name;
        stage.median_s = to_seconds(s.median);
        stage.sigma = s.sigma;
        stage.after = s.after;
        stage.bytes = static_cast<double>(s.bytes);
        stage.from = s.from;
        stage.over_network = s.bytes > 0;
        stage.kept = s.kept;
        stage.one_at_a_time = s.bytes > 0;
        stage.again_s = to_seconds(s.again);
        stage.source = "the scenario's cold_start";
        out.push_back(std::move(stage));
    }
    return out;
}

std::vector<StartStage> plain_stages() {
    StartStage image, start;
    image.name = "image_pull";
    image.median_s = plain_image_pull_s;
    start.name = "start";
    start.median_s = plain_start_s;
    return {image, start};
}

/// The weights stay in the memory of every node that the pods may come to.
bool memory_holds(const std::vector<PoolSpec>& pools, const ClusterSpec& cluster, double bytes) {
    for (const PoolSpec& pool : pools)
        for (const std::string& name : pool.instance_types) {
            const auto type = get_instance_type(cloud_name(cluster.cloud), name);
            if (type && (*type)->gpu_count > 0 && (*type)->memory_gib * gib < 1.2 * bytes) return false;
        }
    return true;
}

std::vector<StartStage> stages_of_facts(const Scenario& scenario, const WorkloadSpec& spec, const WorkloadObject& object, const ModelServer& server,
                                        const KvCapacity& capacity, Problems& problems) {
    const StartSpec& say = spec.start;
    const ManifestStart manifest = read_manifest_start(scenario, object, server);
    ColdStartOptions options;
    options.new_node = false;
    options.cloud = scenario.cluster.cloud == CloudKind::none ? "aws" : cloud_name(scenario.cluster.cloud);
    options.storage = say.weights.value_or(manifest.storage);
    options.downloaded_to = manifest.downloaded_to;
    options.enforce_eager = server.enforce_eager.value_or(false);
    options.max_cudagraph_capture_size = server.max_cudagraph_capture_size;
    options.loader = weight_loader_of(server.load_format);
    options.image_bytes = say.image_bytes;
    options.image_cached = say.image == ImageDelivery::on_node;
    options.image_streamed = say.image == ImageDelivery::streamed;
    options.concurrency = say.concurrency;
    options.host_factor = say.host_factor;
    options.dynamo_trace_s = say.dynamo_trace_s;
    if (say.dynamo_trace_s && (options.enforce_eager || capacity.profile.generation != EngineGeneration::v1))
        problems.push_back({say.where, say.path + ".dynamo_trace_s", "is of a compilation, which this server does not do (eager, or vLLM's V0), allowed: host_factor"});
    const auto facts = default_cold_start(capacity, options);
    if (!facts) {
        problems = facts.problems();
        return {};
    }
    const double weights = capacity.weights_gib * gib * capacity.tensor_parallel * capacity.pipeline_parallel;
    const bool cached_reads = memory_holds(scenario.cluster.pools, scenario.cluster, weights);
    const Kept downloaded = say.kept.value_or(manifest.kept), compiled = say.compile_cache.value_or(manifest.compile_cache);
    const std::string image = object.server_container < object.pod.containers.size() ? object.pod.containers[object.server_container].image : "";
    std::vector<StartStage> out;
    for (const ColdStartStage& f : *facts) {
        StartStage stage;
        stage.name = f.name;
        stage.median_s = f.median_s;
        stage.sigma = f.sigma;
        stage.source = f.source;
        stage.bytes = f.carrier == Carrier::none ? 0 : f.bytes;
        stage.over_network = f.carrier == Carrier::registry || f.carrier == Carrier::remote;
        stage.over_disk = f.carrier != Carrier::none;
        if (f.carrier == Carrier::registry) stage.from = say.registry;
        if (f.carrier == Carrier::remote && f.name == "weights_load") stage.over_disk = false;
        if (f.carrier == Carrier::remote) stage.from = say.from;
        switch (f.makes) {
            case Makes::image:
                stage.artefact = "image " + image;
                break;
            case Makes::downloaded_weights:
                stage.kept = downloaded;
                stage.one_at_a_time = true;  // huggingface_hub locks each file that it downloads
                stage.init = manifest.in_init_container && !say.weights;
                stage.artefact = "weights " + server.model + " " + manifest.why;
                break;
            case Makes::page_cache:
                if (!cached_reads) break;
                stage.kept = Kept::node;
                stage.again_s = f.again_s;
                stage.artefact = "pages " + server.model;
                break;
            case Makes::compile_cache:
                stage.kept = compiled;
                stage.again_s = f.again_s;
                stage.artefact = fmt::format("compiled {} tp {}", server.model, server.tensor_parallel);
                break;
            case Makes::read_libraries:
                stage.kept = Kept::node;
                stage.again_s = f.again_s;
                stage.artefact = "libraries " + image;
                break;
            case Makes::nothing:
                break;
        }
        out.push_back(std::move(stage));
    }
    return out;
}

/// An image whose layers are known is pulled by them.
void apply_layers(const Scenario& scenario, const WorkloadSpec& spec, const WorkloadObject& object, std::vector<StartStage>& stages, Problems& problems) {
    if (object.pod.containers.empty()) return;
    const std::size_t container = object.server_container < object.pod.containers.size() ? object.server_container : 0;
    const ImageList& list = scenario.cluster.images;
    const std::string& image = object.pod.containers[container].image;
    const std::vector<ImageLayer> layers = list.layers_of(image);
    if (layers.empty() || spec.start.image) return;  // streamed, or on the node, or pulled as a whole
    const auto refuse = [&](const std::string& what) { problems.push_back({list.find(image)->where, list.find(image)->path, what}); };
    if (!spec.cold_start.empty()) return refuse(fmt::format("says of which layers {} is, and {}.cold_start has stages of its own, allowed: one of them", image, spec.path));
    if (spec.start.image_bytes) return refuse(fmt::format("says of which layers {} is, and {}.cold_start.image_gb how large, allowed: one of them", image, spec.path));
    for (StartStage& stage : stages) {
        if (!stage.is_image()) continue;
        stage.layers = layers;
        stage.downloads = list.pulls.downloads;
        stage.median_s = pull_seconds(layers, list.pulls.downloads);
        stage.sigma = list.pulls.sigma;
        stage.bytes = 0;
        for (const ImageLayer& l : layers) stage.bytes += l.bytes;
        stage.from = spec.start.registry;
        stage.over_network = stage.over_disk = true;
        stage.artefact = "image " + image;
        stage.source = "cluster.images";
    }
}

}  // namespace

Result<StartGraph> start_graph_of(const Scenario& scenario, const WorkloadSpec& spec, const WorkloadObject& object, const ModelServer* server,
                                  const KvCapacity* capacity) {
    std::vector<StartStage> stages;
    Problems problems;
    if (!spec.cold_start.empty())
        stages = own_stages(spec);
    else if (server != nullptr && capacity != nullptr)
        stages = stages_of_facts(scenario, spec, object, *server, *capacity, problems);
    else
        stages = plain_stages();
    apply_layers(scenario, spec, object, stages, problems);
    if (!problems.empty()) return problems;
    return make_start_graph(std::move(stages), spec.where, spec.path + ".cold_start");
}

// ---- into the blueprint ------------------------------------------------------------------------------------

void StartCompiler::add_sources() {
    for (const SourceSpec& source : m_cluster.sources) m_parts.sources.push_back({source.bytes_per_second});
}

void StartCompiler::set_networks(std::vector<PoolDraft>& pools) const {
    for (PoolDraft& pool : pools)
        for (ShapeDraft& shape : pool.shapes) {
            shape.plan.disk_bytes_per_s = pool.spec.disk_bytes_per_s;
            shape.plan.parallel_pulls = static_cast<std::uint32_t>(pool.spec.parallel_image_pulls);
            shape.plan.network_bytes_per_s = pool.spec.network_bytes_per_s;
            if (shape.plan.network_bytes_per_s > 0) continue;
            const auto type = get_instance_type(cloud_name(m_cluster.cloud), shape.instance_type);
            if (type) shape.plan.network_bytes_per_s = std::llround((*type)->network_gbits_per_s * 1e9 / 8);
        }
}

std::int32_t StartCompiler::table_of(double median_s, double sigma) {
    if (sigma <= 0 || median_s <= 0) return -1;
    m_parts.tables.push_back(lognormal_table(static_cast<double>(from_seconds(median_s).count), sigma, 0, seconds(86'400).count));
    return static_cast<std::int32_t>(m_parts.tables.size()) - 1;
}

std::uint32_t StartCompiler::source_of(const std::string& name) const {
    for (std::size_t i = 0; i < m_cluster.sources.size(); ++i)
        if (m_cluster.sources[i].name == name) return static_cast<std::uint32_t>(i);
    return no_link;  // "", or reported when the scenario was read
}

/// A layer is the same wherever its name is; unpacked where those before it are the same, too.
void StartCompiler::add_layers(const StartStage& from, StagePlan& stage) {
    stage.downloads = static_cast<std::uint32_t>(from.downloads);
    stage.first_layer = static_cast<std::uint32_t>(m_parts.layers.size());
    stage.layer_count = static_cast<std::uint32_t>(from.layers.size());
    std::string chain = "unpacked";
    for (const ImageLayer& l : from.layers) {
        chain += " " + l.name;
        const auto whole = [](double n) { return std::max<std::int64_t>(1, std::llround(n)); };
        m_parts.layers.push_back({whole(l.bytes), whole(l.unpacked), max(from_seconds(l.download_s), Tick{1}), max(from_seconds(l.unpack_s), Tick{1}),
                                  artefact_of("layer " + l.name), artefact_of(chain)});
    }
}

/// An image whose size is known draws the scheduler to nodes that have it.
void StartCompiler::note_image(const StartStage& from, StagePlan& stage) {
    double bytes = from.layers.empty() ? from.bytes : 0;
    for (const ImageLayer& l : from.layers) bytes += l.bytes;
    if (bytes <= 0) return;
    stage.image = m_images.emplace(stage.artefact, static_cast<std::int32_t>(m_images.size())).first->second;
    stage.image_bytes = std::llround(bytes);
    m_parts.images = static_cast<std::uint32_t>(m_images.size());
}

std::int32_t StartCompiler::artefact_of(const std::string& name) {
    const auto known = m_artefacts.emplace(name, static_cast<std::int32_t>(m_artefacts.size())).first;
    m_parts.artefacts = static_cast<std::uint32_t>(m_artefacts.size());
    return known->second;
}

void StartCompiler::add(const StartGraph& graph, const std::string& title, TemplateParts& pod) {
    pod.stages.clear();
    pod.plan.container_stage = graph.before_container;
    for (std::size_t i = 0; i < graph.stages.size(); ++i) {
        const StartStage& from = graph.stages[i];
        StagePlan stage;
        stage.fixed = from_seconds(from.median_s);
        stage.table = table_of(from.median_s, from.sigma);
        stage.once_per_node = from.is_image() ? 1 : 0;
        stage.after = graph.needs[i];
        stage.kept = from.is_image() ? Kept::node : from.kept;
        stage.one_at_a_time = from.one_at_a_time || from.is_image() ? 1 : 0;
        stage.again = from_seconds(from.again_s);
        stage.again_table = table_of(from.again_s, from.sigma);
        stage.bytes = from.median_s > 0 ? static_cast<std::int64_t>(std::llround(from.bytes)) : 0;
        stage.source = source_of(from.from);
        stage.over_network = from.over_network ? 1 : 0;
        stage.over_disk = from.over_disk ? 1 : 0;
        stage.early = from.starts_with_pod() ? 1 : 0;
        if (stage.kept >= Kept::node) {
            stage.artefact = artefact_of(from.artefact.empty() ? title + " " + from.name : from.artefact);
            if (!from.layers.empty()) add_layers(from, stage);
            if (from.is_image()) note_image(from, stage);
            if (stage.kept == Kept::node && stage.bytes > 0) m_node_stages.push_back({from.name, stage.artefact, stage});
        }
        pod.stages.push_back(stage);
    }
}

void StartCompiler::add_prefetches(const std::vector<PoolDraft>& pools, Problems& errors) {
    for (std::uint32_t p = 0; p < pools.size(); ++p)
        for (const std::string& wanted : pools[p].spec.prefetch) {
            std::set<std::int32_t> known;
            std::vector<std::string> names;
            for (const NodeStage& node : m_node_stages) {
                names.push_back(node.name);
                if (node.name != wanted || !known.insert(node.artefact).second) continue;
                PrefetchPlan plan;
                plan.pool = p;
                plan.artefact = node.artefact;
                plan.stage = node.stage;
                m_parts.prefetches.push_back(plan);
            }
            if (known.empty())
                errors.push_back({pools[p].spec.where, pools[p].spec.path + ".prefetch",
                                  fmt::format("found \"{}\", which no start keeps on its node{}, allowed: a stage with kept: node "
                                              "that moves bytes",
                                              wanted, did_you_mean(wanted, names))});
        }
}

}  // namespace windtunnel
