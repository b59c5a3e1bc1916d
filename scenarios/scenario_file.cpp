// Reads scenario file and manifests into one Scenario.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "scenarios/assignment.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {
namespace {

namespace fs = std::filesystem;

constexpr double longest_s = 4.5e7;  // the clock's range, models/time.hpp

/// A path that the scenario names, beside the scenario file.
std::string beside(const std::string& scenario_file, const std::string& path) {
    if (path == "-" || fs::path(path).is_absolute()) return path;
    return (fs::path(scenario_file).parent_path() / path).lexically_normal().string();
}

/// `Deployment/chat`.
void decode_target(Decoder& workload, WorkloadSpec& out) {
    const auto target = workload.text("target");
    if (!target) return;
    const std::size_t slash = target->find('/');
    const std::vector<std::string> kinds = {"Deployment", "StatefulSet", "ReplicaSet"};
    const std::string kind = target->substr(0, slash);
    if (slash == std::string::npos || slash + 1 == target->size() || std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
        workload.error("target", "found \"" + *target + "\", allowed: Deployment/NAME, StatefulSet/NAME or ReplicaSet/NAME" +
                                     (slash == std::string::npos ? "" : did_you_mean(kind, kinds)));
        return;
    }
    out.target_kind = kind;
    out.target_name = target->substr(slash + 1);
}

WorkloadSpec decode_workload(Decoder& workload, const std::string& scenario_file) {
    WorkloadSpec out;
    out.where = workload.where();
    out.path = workload.path();
    out.name = workload.text("name").value_or("");
    if (const auto trace = workload.text("trace")) out.trace = beside(scenario_file, *trace);
    if (workload.has("trace") == workload.has("synthetic"))
        workload.error("", std::string("has ") + (workload.has("trace") ? "both trace and synthetic" : "neither trace nor synthetic") + ", allowed: exactly one");
    if (workload.has("synthetic")) {
        Decoder synthetic = workload.child("synthetic");
        out.synthetic = decode_synthetic(synthetic);
    }
    workload.quiet({"synthetic"});
    out.max_tokens = workload.int32("max_tokens", 1);
    out.rate_scale = workload.number("rate_scale", 1e-6, 1e6).value_or(1);
    if (workload.has("rate_scale") && workload.has("synthetic")) workload.error("rate_scale", "stands beside synthetic, allowed: only with trace (write rate_rps)");
    decode_target(workload, out);
    out.routing = workload.choice<RoutingSpec>("routing", {{"random", RoutingSpec::random},
                                                       {"least-requests", RoutingSpec::least_requests},
                                                       {"round-robin", RoutingSpec::round_robin},
                                                       {"queue", RoutingSpec::queue}})
                      .value_or(workload.has("queue") ? RoutingSpec::queue : RoutingSpec::random);
    out.timeout = workload.duration("timeout_s", 1e-3, longest_s);
    if (workload.has("retry")) {
        Decoder retry = workload.child("retry");
        out.retry.attempts = retry.int32("attempts", 1, 100).value_or(1);
        out.retry.backoff = retry.duration("backoff_s", 0, 86400).value_or(Tick{0});
        retry.finish();
    }
    if (workload.has("queue")) {
        if (out.routing != RoutingSpec::queue) workload.error("queue", "stands beside another routing, allowed: only with routing: queue");
        Decoder queue = workload.child("queue");
        out.queue.per_replica_concurrency = queue.int32("per_replica_concurrency", 1, 1'000'000).value_or(1);
        out.queue.hold = queue.integer("hold", 0, 1'000'000'000);
        out.queue.visibility_timeout = queue.duration("visibility_timeout_s", 1e-3, longest_s);
        out.queue.attempts = queue.int32("attempts", 1, 1000).value_or(1);
        queue.finish();
    }
    workload.quiet({"retry", "queue"});
    out.on_no_endpoints = workload.choice<OnNoEndpoints>("on_no_endpoints", {{"fail", OnNoEndpoints::fail}, {"hold", OnNoEndpoints::hold}})
                              .value_or(out.routing == RoutingSpec::queue ? OnNoEndpoints::hold : OnNoEndpoints::fail);
    out.hold_limit = workload.integer("hold_limit", 0, 1'000'000'000);
    if (workload.has("hold_limit") && out.on_no_endpoints != OnNoEndpoints::hold) workload.error("hold_limit", "stands beside on_no_endpoints: fail, allowed: only with hold");
    out.endpoint_delay = workload.duration("endpoint_delay_s", 0, 3600).value_or(seconds(1));
    if (workload.has("server")) {
        Decoder server = workload.child("server");
        out.server = decode_model_server(server, ModelServer{});
    }
    workload.quiet({"server"});
    for (Decoder& item : workload.children("cold_start")) {
        ColdStartStageSpec stage;
        stage.name = item.required_text("name");
        if (!item.has("median_s")) item.missing("median_s", "a number of seconds");
        stage.median = item.duration("median_s", 0, 86400).value_or(Tick{0});
        stage.sigma = item.number("sigma", 0, 5).value_or(0);
        const bool twice = std::any_of(out.cold_start.begin(), out.cold_start.end(), [&](const ColdStartStageSpec& s) { return s.name == stage.name; });
        if (twice) item.error("name", "found \"" + stage.name + "\" a second time, allowed: each stage once");
        item.finish();
        out.cold_start.push_back(std::move(stage));
    }
    workload.finish();
    return out;
}

PoolSpec decode_pool(Decoder& pool) {
    PoolSpec out;
    out.where = pool.where();
    out.path = pool.path();
    out.name = pool.required_text("name");
    if (pool.has("instance_type") == pool.has("instance_types")) pool.missing("instance_type", "one instance type (or instance_types: a list)");
    if (const auto type = pool.text("instance_type")) out.instance_types = {*type};
    for (std::string& type : pool.texts("instance_types")) out.instance_types.push_back(std::move(type));
    out.capacity = pool.choice<CapacityType>("capacity_type", {{"on-demand", CapacityType::on_demand}, {"spot", CapacityType::spot}}).value_or(CapacityType::on_demand);
    out.min_nodes = pool.int32("min", 0, 100'000).value_or(0);
    if (!pool.has("max")) pool.missing("max", "the most nodes the pool may have");
    out.max_nodes = pool.int32("max", 0, 100'000).value_or(std::max(1, out.min_nodes));
    if (out.min_nodes > out.max_nodes) pool.error("min", "found " + std::to_string(out.min_nodes) + " above max " + std::to_string(out.max_nodes) + ", allowed: at most max");
    out.initial_nodes = pool.int32("initial", out.min_nodes, out.max_nodes).value_or(out.min_nodes);
    out.price_nano_usd_per_hour = pool.nano_usd("price_usd_per_hour");
    out.provisioning = pool.duration("provisioning_s", 0, 86400);
    out.provisioning_sigma = pool.number("provisioning_sigma", 0, 5).value_or(0);
    out.interruptions_per_hour = pool.number("interruptions_per_hour", 0, 3600);
    out.interruption_notice = pool.duration("interruption_notice_s", 0, 86400);
    if (out.capacity == CapacityType::on_demand)
        for (const char* key : {"interruptions_per_hour", "interruption_notice_s"})
            if (pool.has(key)) pool.error(key, "stands in an on-demand pool, allowed: only with capacity_type: spot");
    out.gpu = pool.text("gpu").value_or("");
    out.gpus_per_node = pool.int32("gpus_per_node", 1, 64).value_or(0);
    if (const auto cpu = pool.quantity("cpu")) out.cpu_milli = cpu->milli_ceil();
    if (const auto memory = pool.quantity("memory")) out.memory_bytes = memory->ceil();
    if (out.cpu_milli < 0 || out.memory_bytes < 0) pool.error("", "has a negative cpu or memory, allowed: above 0");
    out.zones = pool.texts("zones");
    if (const auto zone = pool.text("zone")) out.zones.push_back(*zone);
    out.labels = pool.text_map("labels");
    for (Decoder& item : pool.children("taints")) {
        Taint taint;
        taint.key = item.required_text("key");
        taint.value = item.text("value").value_or("");
        taint.effect = decode_taint_effect(item, "effect").value_or(TaintEffect::no_schedule);
        item.finish();
        out.taints.push_back(std::move(taint));
    }
    pool.finish();
    return out;
}

ClusterSpec decode_cluster(Decoder cluster) {
    ClusterSpec out;
    out.where = cluster.where();
    out.cloud = cluster.choice<CloudKind>("cloud", {{"aws", CloudKind::aws}, {"gcp", CloudKind::gcp}, {"azure", CloudKind::azure}}).value_or(CloudKind::none);
    out.region = cluster.text("region").value_or("");
    out.zones = cluster.texts("zones");
    if (const auto zone = cluster.text("zone")) out.zones.push_back(*zone);
    for (Decoder& item : cluster.children("pools")) {
        PoolSpec pool = decode_pool(item);
        const bool twice = std::any_of(out.pools.begin(), out.pools.end(), [&](const PoolSpec& p) { return p.name == pool.name; });
        if (twice && !pool.name.empty()) item.error("name", "found \"" + pool.name + "\" a second time, allowed: each name once");
        out.pools.push_back(std::move(pool));
    }
    out.autoscaling = cluster.choice<NodeAutoscaling>("autoscaling", {{"cluster-autoscaler", NodeAutoscaling::cluster_autoscaler}, {"none", NodeAutoscaling::none}})
                          .value_or(NodeAutoscaling::cluster_autoscaler);
    out.scale_down_unneeded = cluster.duration("scale_down_unneeded_s", 0, longest_s).value_or(seconds(600));
    cluster.finish();
    return out;
}

void decode_goodput(Decoder goodput, GoodputSpec& out) {
    out.where = goodput.where();
    out.ttft = goodput.duration("ttft_ms", 1e-6, 1e12);
    out.tpot = goodput.duration("tpot_ms", 1e-6, 1e12);
    out.e2el = goodput.duration("e2el_ms", 1e-6, 1e12);
    goodput.finish();
}

void decode_thresholds(Decoder& root, Scenario& out) {
    const Node* list = root.take("thresholds");
    if (!list) return;
    if (!list->is_list()) {
        root.error("thresholds", "found " + describe(*list) + ", allowed: a list of expressions such as \"p99 ttft_ms < 2000\"");
        return;
    }
    for (std::size_t i = 0; i < list->children.size(); ++i) {
        const Node& item = list->children[i];
        const std::string path = "thresholds[" + std::to_string(i) + "]";
        const SourcePosition where{root.file(), item.line, item.column};
        if (!item.is_text()) {
            root.findings().errors.push_back({where, path, "found " + describe(item) + ", allowed: an expression such as \"p99 ttft_ms < 2000\""});
            continue;
        }
        auto threshold = parse_threshold(item.text);
        if (!threshold) {
            root.findings().errors.push_back({where, path, threshold.problems()[0].message});
            continue;
        }
        threshold->where = where;
        threshold->path = path;
        if (threshold->metric == ThresholdMetric::goodput || threshold->metric == ThresholdMetric::request_goodput)
            if (out.goodput.empty()) root.findings().errors.push_back({where, path, "looks at goodput, but the scenario says of no request when it is good, allowed with: goodput: {ttft_ms: ..., tpot_ms: ...}"});
        out.thresholds.push_back(std::move(*threshold));
    }
}

/// `{at_s: 60, rollout: Deployment/chat}`: exactly one of the kinds, with what it is about.
void decode_events(Decoder& root, Scenario& out) {
    const std::vector<std::pair<std::string, EventKind>> kinds = {{"rollout", EventKind::rollout},       {"scale", EventKind::scale},
                                                                  {"lose_node", EventKind::lose_node},   {"drain_node", EventKind::drain_node},
                                                                  {"add_node", EventKind::add_node},     {"no_capacity", EventKind::no_capacity},
                                                                  {"no_metrics", EventKind::no_metrics}};
    std::vector<std::string> names;
    for (const auto& [name, kind] : kinds) names.push_back(name);
    for (Decoder& item : root.children("events")) {
        ScenarioEvent event;
        event.where = item.where();
        event.path = item.path();
        if (!item.has("at_s")) item.missing("at_s", "a number of seconds");
        event.at = item.duration("at_s", 0, longest_s).value_or(Tick{0});
        int given = 0;
        for (const auto& [name, kind] : kinds) {
            if (!item.has(name)) continue;
            ++given;
            event.kind = kind;
            if (kind == EventKind::no_metrics) item.boolean(name);
            else event.target = item.text(name).value_or("");
        }
        item.quiet(names);
        if (given != 1) item.error("", "says " + std::to_string(given) + " things that happen, allowed: exactly one of " + join(names));
        const bool lasts = event.kind == EventKind::no_capacity || event.kind == EventKind::no_metrics;
        if (lasts && !item.has("duration_s")) item.missing("duration_s", "a number of seconds");
        if (lasts) event.duration = item.duration("duration_s", 0, longest_s).value_or(Tick{0});
        if (event.kind == EventKind::scale && !item.has("replicas")) item.missing("replicas", "an integer of at least 0");
        if (event.kind == EventKind::scale) event.count = item.int32("replicas", 0).value_or(0);
        if (event.kind == EventKind::lose_node || event.kind == EventKind::drain_node || event.kind == EventKind::add_node)
            event.count = item.int32("count", 1, 100'000).value_or(1);
        item.finish();
        out.events.push_back(std::move(event));
    }
}

/// Node groups of the manifests join the scenario's pools.
void add_node_groups(Scenario& scenario, Findings& findings) {
    for (const NodeGroup& group : scenario.manifests.node_groups) {
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
        pool.where = group.where;
        pool.path = group.path;
        scenario.cluster.pools.push_back(std::move(pool));
    }
    if (!scenario.manifests.node_groups.empty()) {
        if (scenario.cluster.cloud == CloudKind::none) scenario.cluster.cloud = CloudKind::aws;  // eksctl knows no other
        if (scenario.cluster.region.empty()) scenario.cluster.region = scenario.manifests.cluster_region;
    }
}

/// `workload.server` speaks over what the manifest says: decoded once more, with that as its base.
void complete_server(const Scenario& scenario, WorkloadSpec& workload, const WorkloadObject& target, Findings& findings) {
    const Node* node = scenario.document.root.find("workload");
    if (node && node->is_list())
        for (const Node& item : node->children)
            if (item.line == workload.where.line && item.column == workload.where.column && item.find("server")) node = &item;
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
        if (object.server) serving.push_back(object.meta.title());
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
        if (!target) error("found " + title + ", which no manifest has" + did_you_mean(title, titles) + (titles.empty() ? "" : ", allowed: " + join(titles)));
        else if (!target->server && !workload.server)
            error("found " + title + ", which has no model server that is known, allowed: a vLLM container, or workload.server: {model: ..., gpu: ...}");
        if (target && workload.server) complete_server(scenario, workload, *target, findings);
        if (workload.name.empty()) workload.name = workload.target_name;
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

/// The workloads and pools that events name must be there.
void check_events(const Scenario& scenario, Findings& findings) {
    std::vector<std::string> workloads, pools;
    for (const WorkloadObject& object : scenario.manifests.workloads) workloads.push_back(object.meta.title());
    for (const PoolSpec& pool : scenario.cluster.pools) pools.push_back(pool.name);
    for (const ScenarioEvent& event : scenario.events) {
        if (event.kind == EventKind::no_metrics) continue;
        const bool of_workload = event.kind == EventKind::rollout || event.kind == EventKind::scale;
        const std::vector<std::string>& known = of_workload ? workloads : pools;
        if (std::find(known.begin(), known.end(), event.target) == known.end())
            findings.errors.push_back({event.where, event.path, "found \"" + event.target + "\", which is no " + (of_workload ? "workload of the manifests" : "pool") +
                                                                    did_you_mean(event.target, known) + (known.empty() ? "" : ", allowed: " + join(known))});
    }
}

void take_problems(Problems problems, Findings& findings) {
    for (Problem& p : problems) findings.errors.push_back(std::move(p));
}

}  // namespace

void decode_scenario(const Document& document, Scenario& out, Findings& findings) {
    Decoder root(document.root, "", document.file, findings);
    out.document = document;
    const std::string version = root.required_text("apiVersion");
    if (!version.empty() && version != "windtunnel/v1") root.error("apiVersion", "found \"" + version + "\", allowed: windtunnel/v1");
    const std::string kind = root.required_text("kind");
    if (!kind.empty() && kind != "Scenario") root.error("kind", "found \"" + kind + "\", allowed: Scenario");
    out.name = root.text("name").value_or("");
    root.text("description");
    for (const std::string& path : root.text_or_texts("manifests")) out.manifest_paths.push_back(beside(document.file, path));
    const Node* workload = root.take("workload");
    if (workload && workload->is_list()) {
        for (Decoder& item : root.children("workload")) out.workloads.push_back(decode_workload(item, document.file));
    } else if (workload) {
        Decoder one = root.child("workload");
        out.workloads.push_back(decode_workload(one, document.file));
    }
    out.cluster = decode_cluster(root.child("cluster"));
    Decoder metrics = root.child("metrics");
    for (const Node& member : metrics.node().children)
        if (const auto expression = metrics.text(member.key)) out.metrics.push_back({member.key, *expression, metrics.where(member.key)});
    Decoder prometheus = root.child("prometheus");
    out.prometheus.scrape_interval = prometheus.duration("scrape_interval_s", 1e-3, 86400).value_or(seconds(15));
    out.prometheus.evaluation_delay = prometheus.duration("delay_s", 0, 86400).value_or(Tick{0});
    out.prometheus.adapter_interval = prometheus.duration("adapter_interval_s", 0, 86400).value_or(seconds(30));
    prometheus.finish();
    decode_goodput(root.child("goodput"), out.goodput);
    decode_thresholds(root, out);
    decode_events(root, out);
    out.start = root.choice<StartState>("start", {{"warm", StartState::warm}, {"cold", StartState::cold}}).value_or(StartState::warm);
    out.time_zone = root.text("time_zone").value_or("Etc/UTC");
    if (!is_time_zone(out.time_zone)) {
        root.error("time_zone", "found \"" + out.time_zone + "\", allowed: an IANA time zone such as Asia/Kolkata");
        out.time_zone = "Etc/UTC";
    }
    if (const auto start = root.text("start_time")) {
        auto time = parse_wall_clock(*start, out.time_zone);
        if (time) out.start_unix_s = *time;
        else root.error("start_time", time.problems()[0].message);
    }
    out.duration = root.duration("duration_s", 1e-3, longest_s);
    out.drain_limit = root.duration("drain_limit_s", 0, longest_s).value_or(seconds(600));
    out.trials = root.int32("trials", 1, 10'000'000).value_or(1);
    out.seed = static_cast<std::uint64_t>(root.integer("seed", 0).value_or(1));
    root.finish();
}

const WorkloadObject* Scenario::target_of(const WorkloadSpec& workload) const {
    for (const WorkloadObject& object : manifests.workloads)
        if (object.meta.kind == workload.target_kind && object.meta.name == workload.target_name) return &object;
    return nullptr;
}

const ModelServer* Scenario::server_of(const WorkloadSpec& workload) const {
    if (workload.server) return &*workload.server;
    const WorkloadObject* object = target_of(workload);
    return object && object->server ? &*object->server : nullptr;
}

Tick Scenario::scrape_interval_of(const WorkloadObject& object) const {
    std::optional<Tick> shortest;
    for (const MetricsMonitor& monitor : manifests.monitors) {
        if (!monitor.interval) continue;
        bool selected = !monitor.selects_services && monitor.selector.matches(object.pod.labels);
        for (const Service& service : manifests.services) {
            LabelSelector pods;
            pods.match_labels = service.selector;
            selected = selected || (monitor.selects_services && !pods.empty() && monitor.selector.matches(service.meta.labels) && pods.matches(object.pod.labels));
        }
        if (selected) shortest = shortest ? min(*shortest, *monitor.interval) : *monitor.interval;
    }
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
    if (scenario.workloads.empty() && inputs.workload_required)
        findings.errors.push_back({document.where(), "workload", "is missing, allowed: a trace or synthetic, and its target (or -t)"});
    resolve_targets(scenario, findings);
    check_events(scenario, findings);
    if (scenario.cluster.pools.empty() && inputs.workload_required)
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
