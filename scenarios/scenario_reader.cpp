// Reads scenario file and manifests, applies --set, and joins them into one Scenario.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "scenarios/documents/assignment.hpp"
#include "scenarios/live_pools.hpp"
#include "scenarios/node_auto_provisioning.hpp"
#include "scenarios/prefill_pairing.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {
namespace {

namespace fs = std::filesystem;

/// Node groups of the manifests join the scenario's pools.
void add_node_groups(Scenario& scenario, Findings& findings) {
    ClusterSpec& cluster = scenario.cluster;
    // With Karpenter and without a cluster-autoscaler among the manifests, EKS groups keep the size they have.
    const bool groups_rest = !scenario.manifests.node_pools.empty() && !scenario.manifests.cluster_autoscaler;
    for (const NodeGroup& group : scenario.manifests.node_groups) {
        if (cluster.cloud == CloudKind::none) cluster.cloud = group.cloud;
        if (cluster.cloud != group.cloud) {
            findings.errors.push_back({group.where, group.path, "found the node pool " + group.name + " of another cloud than the scenario's or than the other pools', allowed: pools of one cloud"});
            continue;
        }
        if (cluster.region.empty()) cluster.region = group.region;
        const bool twice = std::any_of(scenario.cluster.pools.begin(), scenario.cluster.pools.end(), [&](const PoolSpec& p) { return p.name == group.name; });
        if (twice) {
            findings.errors.push_back({group.where, group.path, "found the node group " + group.name + ", which cluster.pools names too, allowed: each name once"});
            continue;
        }
        PoolSpec pool;
        pool.name = group.name;
        pool.instance_types = group.instance_types;
        pool.capacity = group.spot ? CapacityType::spot : CapacityType::on_demand;
        pool.min_nodes = group.min_size;
        pool.max_nodes = group.max_size;
        pool.initial_nodes = group.desired_capacity;
        pool.zones = group.availability_zones;
        pool.labels = group.labels;
        pool.taints = group.taints;
        pool.allocation = group.allocation;
        pool.only_reserved = group.only_reserved;
        pool.never_reserved = group.never_reserved;
        pool.longest_run = group.longest_run;
        pool.buys_both = group.buys_both;
        pool.on_demand_base = group.on_demand_base;
        pool.on_demand_percent = group.on_demand_percent;
        pool.zone_groups = group.zone_groups;
        pool.balances = group.balances;
        pool.zone_min = group.zone_min;
        pool.zone_max = group.zone_max;
        pool.autoscaled = group.autoscaled;
        if (!pool.autoscaled && groups_rest) pool.autoscaled = false;
        pool.max_pods = group.max_pods;
        pool.division = group.division;
        for (std::string& zone : pool.zones)  // Azure numbers its zones
            if (group.cloud == CloudKind::azure && zone.size() == 1 && !cluster.region.empty()) zone = cluster.region + "-" + zone;
        const auto own = get_instance_type(group.cloud == CloudKind::gcp ? "gcp" : "aws", group.instance_types.empty() ? "" : group.instance_types.front());
        if (!group.accelerator.empty() && !(own && (*own)->gpu_count > 0)) {  // cards on a general machine
            pool.gpu = group.accelerator;
            pool.gpus_per_node = group.accelerator_count;
        }
        pool.where = group.where;
        pool.path = group.path;
        scenario.cluster.pools.push_back(std::move(pool));
    }
    if (!scenario.manifests.node_groups.empty()) {
        const std::string& region = scenario.manifests.cluster_region;
        if (scenario.cluster.region.empty()) scenario.cluster.region = region;
        else if (!region.empty() && region != scenario.cluster.region)
            findings.warnings.push_back({scenario.manifests.node_groups.front().meta.where, "metadata.region", "found the region " + region + ", but cluster.region of the scenario is " + scenario.cluster.region + ", which holds"});
    }
}

/// NodePools say by their node classes whose cloud it is, and by the zones they require which region.
void infer_cloud(Scenario& scenario) {
    ClusterSpec& cluster = scenario.cluster;
    for (const KarpenterNodePool& pool : scenario.manifests.node_pools) {
        if (cluster.cloud == CloudKind::none && (pool.node_class_kind == "EC2NodeClass" || pool.node_class_kind == "NodeClass")) cluster.cloud = CloudKind::aws;
        if (cluster.cloud == CloudKind::none && pool.node_class_kind == "AKSNodeClass") cluster.cloud = CloudKind::azure;
        if (cluster.cloud == CloudKind::none && pool.node_class_kind == "GCENodeClass") cluster.cloud = CloudKind::gcp;
        const std::string cloud = cluster.cloud == CloudKind::azure ? "azure" : cluster.cloud == CloudKind::gcp ? "gcp" : "aws";
        for (const NodeRequirement& r : pool.requirements) {
            const SelectorExpression& e = r.expression;
            if (!cluster.region.empty() || e.op != SelectorOperator::in || e.values.empty()) continue;
            if (e.key == "topology.kubernetes.io/region") cluster.region = e.values.front();
            if (e.key == "topology.kubernetes.io/zone") cluster.region = region_of_zone(cloud, e.values.front());
        }
    }
}

/// `workload.server` speaks over what the manifest says: decoded once more, with that as its base.
void complete_server(const Scenario& scenario, const SourcePosition& of, WorkloadSpec& workload, const WorkloadObject& target, Findings& findings) {
    const Node* node = scenario.document.root.find("workload");
    if (node && node->is_list())
        for (const Node& item : node->children)
            if (item.line == of.line && item.column == of.column) node = &item;
    if (node && workload.side == PairSide::prefill) node = node->find("prefill");
    node = node ? node->find("server") : nullptr;
    if (node && target.server) {
        Findings already_reported;
        Decoder decoder(*node, workload.path + ".server", scenario.document.file, already_reported);
        workload.server = decode_model_server(decoder, *target.server);
    }
    if (workload.server->model.empty())
        findings.errors.push_back({workload.server->where, workload.path + ".server.model", "is missing, and the manifest names none, allowed: a model's Hugging Face id"});
}

/// Workloads without a target get the only workload that serves a model; every target must exist and serve one.
void resolve_targets(Scenario& scenario, Findings& findings) {
    std::vector<std::string> titles, serving;
    for (const WorkloadObject& object : scenario.manifests.workloads) {
        titles.push_back(object.meta.title());
        if (object.server && pair_side_of(object) != PairSide::prefill) serving.push_back(object.meta.title());
    }
    for (WorkloadSpec& workload : scenario.workloads) {
        const auto error = [&](const std::string& message) { findings.errors.push_back({workload.where, workload.path + ".target", message}); };
        if (workload.target_name.empty()) {
            const std::vector<std::string>& choices = !serving.empty() || !workload.server ? serving : titles;
            if (choices.size() == 1) {
                const std::size_t slash = choices[0].find('/');
                workload.target_kind = choices[0].substr(0, slash);
                workload.target_name = choices[0].substr(slash + 1);
            } else if (choices.empty()) {
                error(titles.empty() ? "is missing, and the manifests hold no Deployment, StatefulSet or ReplicaSet, allowed: manifests with one"
                                     : "is missing, and no container of the manifests is a model server that is known (" + join(titles) +
                                           "), allowed: a vLLM container, or workload.server: {model: ..., gpu: ...}");
                continue;
            } else {
                error("is missing, and the manifests hold several: allowed: one of " + join(choices));
                continue;
            }
        }
        const WorkloadObject* target = scenario.target_of(workload);
        const std::string title = workload.target_kind + "/" + workload.target_name;
        if (!target && scenario.manifests.incomplete) continue;  // it may be the object that could not be read
        if (!target) error("found " + title + ", which no manifest has" + did_you_mean(title, titles) + (titles.empty() ? "" : ", allowed: " + join(titles)));
        else if (!target->server && !workload.server)
            error("found " + title + ", which has no model server that is known, allowed: a vLLM container, or workload.server: {model: ..., gpu: ...}");
        const auto same = [&](const WorkloadObject& o) { return target && o.meta.kind == target->meta.kind && o.meta.name == target->meta.name; };
        if (std::count_if(scenario.manifests.workloads.begin(), scenario.manifests.workloads.end(), same) > 1)
            error("found " + title + " in several namespaces, allowed: manifests with one of them");
        if (target && workload.server) complete_server(scenario, workload.where, workload, *target, findings);
        if (target) pair_up(scenario, workload, *target, findings);
        if (WorkloadSpec* by = workload.prefilled_by.empty() ? nullptr : &workload.prefilled_by[0]; by && by->server)
            if (const WorkloadObject* prefill = scenario.target_of(*by)) complete_server(scenario, workload.where, *by, *prefill, findings);
        if (workload.name.empty()) workload.name = workload.target_name;
    }
    for (const WorkloadObject& object : scenario.manifests.workloads) {
        if (!scenario.is_target(object) && !scenario.workloads.empty() && object.pod.gpus() > 0)
            findings.warnings.push_back({object.meta.where, "", object.meta.title() + " uses GPUs and no workload sends requests to it: its pods take their nodes and serve nobody"});
    }
    for (std::size_t i = 0; i < scenario.workloads.size(); ++i)
        for (std::size_t k = 0; k < i; ++k) {
            if (scenario.workloads[i].target_name.empty()) continue;
            if (scenario.workloads[i].name == scenario.workloads[k].name)
                findings.errors.push_back({scenario.workloads[i].where, scenario.workloads[i].path + ".name", "found \"" + scenario.workloads[i].name + "\" a second time, allowed: each workload by its own name"});
            if (scenario.workloads[i].target_name == scenario.workloads[k].target_name && scenario.workloads[i].target_kind == scenario.workloads[k].target_kind)
                findings.errors.push_back({scenario.workloads[i].where, scenario.workloads[i].path + ".target", "found " + scenario.workloads[i].target_name + " as the target of a second workload, allowed: one workload for each target"});
        }
}

/// A server that its command line does not name a model for needs an annotation, or the scenario's word.
void check_models(const Scenario& scenario, Findings& findings) {
    for (const WorkloadObject& object : scenario.manifests.workloads) {
        if (!object.server || !object.server->model.empty()) continue;
        const auto declares = [&](const WorkloadSpec& w) {
            for (const WorkloadSpec& by : w.prefilled_by)
                if (by.server && scenario.target_of(by) == &object) return true;
            return w.server && scenario.target_of(w) == &object;
        };
        if (std::any_of(scenario.workloads.begin(), scenario.workloads.end(), declares)) continue;
        const std::string& engine = object.server->engine;
        const std::string flag = engine == "sglang" ? "--model-path" : engine == "tgi" ? "--model-id or MODEL_ID" : "vllm serve MODEL or --model MODEL";
        findings.errors.push_back({object.server->where, object.server->path,
                                   object.meta.title() + " names no model, allowed: " + flag + ", the annotation windtunnel.dev/model, or workload.server.model in the scenario"});
    }
}

void check_source(const std::string& name, const std::vector<std::string>& sources, const SourcePosition& where, const std::string& path, Findings& findings) {
    if (std::find(sources.begin(), sources.end(), name) != sources.end()) return;
    findings.errors.push_back({where, path, "found \"" + name + "\", which is no source of the cluster" + did_you_mean(name, sources) + ", allowed: " + (sources.empty() ? "one of cluster.sources: {name, gb_per_s}" : join(sources))});
}

/// An image that is described must be some container's, or the base of one that is.
void check_images(const Scenario& scenario, Findings& findings) {
    const ImageList& list = scenario.cluster.images;
    std::set<const ImageSpec*> used;
    std::vector<std::string> known;
    for (const WorkloadObject& object : scenario.manifests.workloads)
        for (const std::vector<Container>* containers : {&object.pod.containers, &object.pod.init_containers})
            for (const Container& c : *containers) {
                known.push_back(c.image);
                for (const ImageSpec* at = list.find(c.image); at != nullptr && used.insert(at).second;) at = at->base.empty() ? nullptr : list.find(at->base);
            }
    for (const ImageSpec& image : list.images)
        if (used.count(&image) == 0)
            findings.errors.push_back({image.where, image.path + ".image", "found \"" + image.image + "\", which no container of the manifests has" + did_you_mean(image.image, known) +
                                                                               (known.empty() ? "" : ", allowed: " + join(known))});
}

/// The sources that starts load from must be there.
void check_sources(const Scenario& scenario, Findings& findings) {
    std::vector<std::string> sources;
    for (const SourceSpec& source : scenario.cluster.sources) sources.push_back(source.name);
    for (const WorkloadSpec& workload : scenario.workloads) {
        const auto check = [&](const std::string& name) {
            if (!name.empty()) check_source(name, sources, workload.where, workload.path + ".cold_start", findings);
        };
        for (const ColdStartStageSpec& stage : workload.cold_start) check(stage.from);
        check(workload.start.registry);
        check(workload.start.from);
    }
}

/// The workloads and pools that events name must be there.
void check_events(const Scenario& scenario, Findings& findings) {
    std::vector<std::string> workloads, pools;
    for (const WorkloadObject& object : scenario.manifests.workloads) workloads.push_back(object.meta.title());
    for (const PoolSpec& pool : scenario.cluster.pools) pools.push_back(pool.name);
    for (const KarpenterNodePool& pool : scenario.manifests.node_pools) pools.push_back(pool.meta.name);
    for (const ScenarioEvent& event : scenario.events) {
        if (event.kind == EventKind::no_metrics && (event.target == "prometheus" || event.target == "metrics-server")) continue;
        if ((event.kind == EventKind::no_capacity && event.target == "*")) continue;
        if (event.kind == EventKind::lose_zone) continue;  // the compiler knows the zones
        if (event.kind == EventKind::slow_source) {
            std::vector<std::string> sources;
            for (const SourceSpec& source : scenario.cluster.sources) sources.push_back(source.name);
            check_source(event.target, sources, event.where, event.path, findings);
            continue;
        }
        const bool of_workload = event.kind == EventKind::load_test || event.kind == EventKind::rollout || event.kind == EventKind::scale || event.kind == EventKind::degrade || event.kind == EventKind::no_metrics || event.kind == EventKind::no_image;
        const std::vector<std::string>& known = of_workload ? workloads : pools;
        if (std::find(known.begin(), known.end(), event.target) == known.end())
            findings.errors.push_back({event.where, event.path, "found \"" + event.target + "\", which is no " + (of_workload ? "workload of the manifests" : "pool") +
                                                                    did_you_mean(event.target, known) + (known.empty() ? "" : ", allowed: " + join(known)) + (event.kind == EventKind::no_metrics ? ", prometheus or metrics-server" : "")});
    }
}

void take_problems(Problems problems, Findings& findings) {
    for (Problem& p : problems) findings.errors.push_back(std::move(p));
}

/// An object of a cluster's API.
bool is_manifest(const Document& document) {
    const std::string version = document.root.text_at({"apiVersion"});
    const std::string kind = document.root.text_at({"kind"});
    return !version.empty() && !version.starts_with("windtunnel/") && !kind.empty() && kind != "Scenario";
}

}  // namespace

const WorkloadObject* Scenario::target_of(const WorkloadSpec& workload) const {
    for (const WorkloadObject& object : manifests.workloads)
        if ((object.meta.kind == workload.target_kind && object.meta.name == workload.target_name) || object.made_from == workload.target_kind + "/" + workload.target_name) return &object;
    return nullptr;
}

bool Scenario::is_target(const WorkloadObject& object) const {
    return std::any_of(workloads.begin(), workloads.end(), [&](const WorkloadSpec& w) {
        return target_of(w) == &object || (!w.prefilled_by.empty() && target_of(w.prefilled_by[0]) == &object);
    });
}

const ModelServer* Scenario::server_of(const WorkloadSpec& workload) const {
    if (workload.server) return &*workload.server;
    const WorkloadObject* object = target_of(workload);
    return object && object->server ? &*object->server : nullptr;
}

std::vector<const MetricsMonitor*> Scenario::monitors_of(const WorkloadObject& object) const {
    std::vector<const MetricsMonitor*> out;
    for (const MetricsMonitor& monitor : manifests.monitors) {
        if (!monitor.covers(object.meta.name_space)) continue;
        bool selected = !monitor.selects_services && monitor.selector.matches(object.pod.labels);
        for (const Service& service : manifests.services) {
            LabelSelector pods;
            pods.match_labels = service.selector;
            selected = selected || (monitor.selects_services && service.meta.name_space == object.meta.name_space && !pods.empty() &&
                                    monitor.selector.matches(service.meta.labels) && pods.matches(object.pod.labels));
        }
        if (selected) out.push_back(&monitor);
    }
    return out;
}

Tick Scenario::scrape_interval_of(const WorkloadObject& object) const {
    std::optional<Tick> shortest;
    for (const MetricsMonitor* monitor : monitors_of(object))
        if (monitor->interval) shortest = shortest ? min(*shortest, *monitor->interval) : *monitor->interval;
    return shortest.value_or(prometheus.scrape_interval);
}

void read_scenario_into(const ScenarioInputs& inputs, std::istream& standard_input, Scenario& scenario, Findings& findings) {
    std::vector<Assignment> assignments;
    for (const std::string& text : inputs.assignments) {
        auto assignment = parse_assignment(text);
        if (assignment) assignments.push_back(std::move(*assignment));
        else take_problems(assignment.take_problems(), findings);
    }
    // Without a file there is a scenario all the same, made of defaults and assignments.
    Document document{"--set", {}};
    document.root.kind = Node::Kind::map;
    if (!inputs.scenario_file.empty()) {
        auto documents = read_documents({inputs.scenario_file}, standard_input);
        if (!documents) {
            take_problems(documents.take_problems(), findings);
            return;
        }
        if (!documents->empty() && std::all_of(documents->begin(), documents->end(), is_manifest)) {
            const Document& first = documents->front();
            findings.errors.push_back({first.where(first.root), "", "found manifests (" + first.root.text_at({"kind"}) + "), allowed: a scenario; manifests are given with -f " + inputs.scenario_file});
            return;
        }
        if (documents->size() != 1) {
            findings.errors.push_back({{inputs.scenario_file, 0, 0}, "", "found " + std::to_string(documents->size()) + " documents, allowed: one scenario (manifests are named under manifests:)"});
            return;
        }
        document = std::move((*documents)[0]);
        scenario.file = inputs.scenario_file;
    } else {
        document.root = parse_documents("apiVersion: windtunnel/v1\nkind: Scenario\n", "--set")->front().root;
    }
    for (const Assignment& assignment : assignments)
        if (assignment.kind.empty())
            if (auto wrong = assign(document.root, assignment, true)) findings.errors.push_back(std::move(*wrong));
    if (!inputs.trace.empty()) {
        // -t stands in for the trace of the only workload.
        Node* workload = document.root.find("workload");
        if (!workload) {
            document.root.children.emplace_back();
            workload = &document.root.children.back();
            workload->key = "workload";
            workload->kind = Node::Kind::map;
        }
        if (workload->is_list() && workload->children.size() == 1) workload = &workload->children[0];
        if (workload->is_list()) {
            findings.errors.push_back({{"--trace", 0, 0}, "", "found a trace for a scenario with several workloads, allowed: --set workload[0].trace=FILE"});
        } else {
            std::erase_if(workload->children, [](const Node& n) { return n.key == "synthetic" || n.key == "trace"; });
            workload->kind = Node::Kind::map;
            Node trace;
            trace.kind = Node::Kind::string;
            trace.key = "trace";
            trace.text = std::filesystem::absolute(inputs.trace).string();
            trace.line = workload->line;
            trace.column = workload->column;
            workload->children.push_back(std::move(trace));
        }
    }
    decode_scenario(document, scenario, findings);
    if (!inputs.trace.empty() && scenario.workloads.size() == 1) scenario.workloads[0].trace = inputs.trace;  // as the user wrote it
    if (scenario.name.empty()) {
        const fs::path file(scenario.file);
        scenario.name = scenario.file.empty() ? "scenario" : file.stem() == "scenario" && !file.parent_path().filename().empty() ? file.parent_path().filename().string() : file.stem().string();
    }
    if (!inputs.manifests.empty()) scenario.manifest_paths = inputs.manifests;
    if (!scenario.manifest_paths.empty()) {
        auto manifests = read_documents(scenario.manifest_paths, standard_input);
        if (manifests) {
            // A scenario that lies in the same folder is no manifest.
            std::erase_if(*manifests, [](const Document& d) { return d.root.text_at({"kind"}) == "Scenario" && d.root.text_at({"apiVersion"}).starts_with("windtunnel/"); });
            take_problems(assign_to_objects(*manifests, assignments), findings);
            scenario.manifests = import_kubernetes(std::move(*manifests), findings);
        } else {
            take_problems(manifests.take_problems(), findings);
            return;
        }
    } else {
        std::vector<Document> none;
        take_problems(assign_to_objects(none, assignments), findings);
        if (inputs.workload_required) findings.errors.push_back({document.where(), "manifests", "is missing, allowed: files or folders of Kubernetes manifests (or -f)"});
    }
    add_node_groups(scenario, findings);
    add_live_nodes(scenario, findings);
    infer_cloud(scenario);
    add_provisioned_pools(scenario, findings);
    if (scenario.workloads.empty() && inputs.workload_required)
        findings.errors.push_back({document.where(), "workload", "is missing, allowed: a trace or synthetic, and its target (or -t)"});
    if (!scenario.manifests.incomplete) {
        resolve_targets(scenario, findings);
        check_models(scenario, findings);
        check_events(scenario, findings);
    check_sources(scenario, findings);
    check_images(scenario, findings);
    }
    if (scenario.cluster.pools.empty() && scenario.manifests.node_pools.empty() && scenario.manifests.compute_classes.empty() &&
        !scenario.manifests.auto_provisioning && inputs.workload_required)
        findings.errors.push_back({document.where(), "cluster.pools", "is missing, and the manifests bring no node groups, allowed: {name, instance_type, capacity_type, min, max}"});
    scenario.warnings = findings.warnings;
    scenario.notes = findings.notes;
}

nlohmann::ordered_json canonical_json(const Scenario& scenario) {
    auto manifests = nlohmann::ordered_json::array();
    for (const Document& document : scenario.manifests.documents) manifests.push_back(to_json(document.root));
    nlohmann::ordered_json out;
    out["scenario"] = to_json(scenario.document.root);
    out["manifests"] = std::move(manifests);
    return out;
}

Result<Scenario> read_scenario(const ScenarioInputs& inputs, std::istream& standard_input) {
    Scenario scenario;
    Findings findings;
    read_scenario_into(inputs, standard_input, scenario, findings);
    if (!findings.errors.empty()) return findings.errors;
    return scenario;
}

}  // namespace windtunnel
