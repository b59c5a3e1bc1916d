#pragma once
#include "scenarios/compile/compile_pools.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

#include <map>

namespace windtunnel {

/// What the manifests say of where a pod's weights and caches are: volumes under the model's path or the Hugging
/// Face cache, init containers that download, the loader, the model's scheme.
struct ManifestStart {
    WeightStorage storage = WeightStorage::hub;
    WeightStorage downloaded_to = WeightStorage::local_nvme;
    Kept kept = Kept::nowhere;           ///< what is downloaded
    Kept compile_cache = Kept::nowhere;  ///< ~/.cache/vllm, or VLLM_CACHE_ROOT
    bool in_init_container = false;
    bool downloads = true;               ///< false: the volume has the weights already
    std::string why;                     ///< in a few words
};
[[nodiscard]] ManifestStart read_manifest_start(const Scenario& scenario, const WorkloadObject& object, const ModelServer& server);

/// The stages of a workload's start on a node that is there: the scenario's own, or those of the facts for what it
/// serves (`capacity`; none: a plain container).
[[nodiscard]] Result<StartGraph> start_graph_of(const Scenario& scenario, const WorkloadSpec& spec, const WorkloadObject& object,
                                                const ModelServer* server, const KvCapacity* capacity);

/// Numbers for sources and for things that are kept, by name, over a whole scenario.
class StartCompiler {
public:
    StartCompiler(const ClusterSpec& cluster, BlueprintParts& parts) : m_cluster(cluster), m_parts(parts) {}
    /// The cluster's sources. Once, before the rest.
    void add_sources();
    /// What the nodes' networks and disks carry.
    void set_networks(std::vector<PoolDraft>& pools) const;
    /// Puts a graph into a template. `title` names the workload.
    void add(const StartGraph& graph, const std::string& title, TemplateParts& pod);
    /// The boot scripts of the pools, when all templates are there; a name that no stage has is an error.
    void add_prefetches(const std::vector<PoolDraft>& pools, Problems& errors);

private:
    void add_layers(const StartStage& from, StagePlan& stage);
    void note_image(const StartStage& from, StagePlan& stage);
    [[nodiscard]] std::int32_t artefact_of(const std::string& name);
    [[nodiscard]] std::int32_t table_of(double median_s, double sigma);
    [[nodiscard]] std::uint32_t source_of(const std::string& name) const;

    const ClusterSpec& m_cluster;
    BlueprintParts& m_parts;
    std::map<std::string, std::int32_t> m_artefacts;
    std::map<std::int32_t, std::int32_t> m_images;  ///< by their artefacts
    struct NodeStage {
        std::string name;
        std::int32_t artefact = -1;
        StagePlan stage;
    };
    std::vector<NodeStage> m_node_stages;  ///< that are kept on nodes and move bytes
};

}  // namespace windtunnel
