// Decodes a scenario document, key by key.
#include <algorithm>
#include <filesystem>

#include "scenarios/scenario.hpp"
#include "scenarios/scenario_parts.hpp"

namespace windtunnel {
namespace {

namespace fs = std::filesystem;


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
    // The workloads themselves, or the operators' objects that make one.
    const std::vector<std::string> kinds = {"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "LeaderWorkerSet", "Rollout", "InferenceService", "LLMInferenceService", "NIMService", "RayService", "RayCluster", "VLLMRuntime", "Model", "Workspace", "InferenceSet"};
    const std::string kind = target->substr(0, slash);
    if (slash == std::string::npos || slash + 1 == target->size() || std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
        workload.error("target", "found \"" + *target + "\", allowed: KIND/NAME such as Deployment/NAME, StatefulSet/NAME or InferenceService/NAME" +
                                     (slash == std::string::npos ? "" : did_you_mean(kind, kinds)));
        return;
    }
    out.target_kind = kind;
    out.target_name = target->substr(slash + 1);
}

/// Decodes `resample:` of a workload.
ResamplingSpec decode_resampling(Decoder& resample) {
    ResamplingSpec out;
    out.where = resample.where();
    out.path = resample.path();
    out.block = resample.duration("block_s", 1e-3, longest_scenario_s);
    out.within = resample.duration("within_s", 0, longest_scenario_s);
    out.period = resample.duration("period_s", 1, longest_scenario_s);
    for (const char* key : {"within_s", "period_s"})
        if (resample.has(key) && !resample.has("block_s")) resample.error(key, "says where blocks are drawn from, but there are none, allowed with: block_s");
    if (resample.has("growth")) {
        if (const Node* node = resample.take("growth"); node != nullptr && node->is_list()) {
            for (Decoder& item : resample.children("growth")) {
                const double at_s = item.number("at_s", 0, longest_scenario_s).value_or(0), factor = item.number("factor", 0, 1e6).value_or(1);
                for (const char* key : {"at_s", "factor"})
                    if (!item.has(key)) item.missing(key, "a number");
                item.finish();
                if (!out.growth.empty() && at_s <= out.growth.back().at_s) item.error("at_s", "is not after the point before, allowed: rising times");
                out.growth.push_back({at_s, factor});
            }
        } else if (const auto factor = resample.number("growth", 1e-6, 1e6)) {
            out.growth.push_back({0, *factor});
        }
    }
    if (!resample.has("block_s") && !resample.has("growth")) resample.missing("block_s", "a number of seconds, or growth");
    resample.finish();
    return out;
}

/// `prefill:` of a workload.
void decode_prefill(Decoder& prefill, WorkloadSpec& workload) {
    PrefillSpec& out = workload.prefill;
    out.threshold_tokens = prefill.int32("threshold_tokens", 0, 100'000'000).value_or(0);
    if (const auto ms = prefill.number("latency_ms", 0, 60'000)) out.latency = from_seconds(*ms / 1000);
    if (const auto rate = prefill.number("gb_per_s", 1e-6, 1000)) out.link_bytes_per_s = static_cast<std::int64_t>(*rate * 1e9);
    if (const auto rate = prefill.number("local_gb_per_s", 1e-6, 1000)) out.local_bytes_per_s = static_cast<std::int64_t>(*rate * 1e9);
    out.hold = prefill.duration("hold_s", 1e-3, longest_scenario_s).value_or(out.hold);
    out.fails = prefill.choice<bool>("on_kv_loss", {{"recompute", false}, {"fail", true}});
    WorkloadSpec by;
    by.where = prefill.where();
    by.path = prefill.path();
    by.side = PairSide::prefill;
    decode_target(prefill, by);
    by.routing = prefill.choice<RoutingSpec>("routing", {{"random", RoutingSpec::random}, {"least-requests", RoutingSpec::least_requests}, {"round-robin", RoutingSpec::round_robin}}).value_or(RoutingSpec::random);
    by.initial_replicas = prefill.int32("initial_replicas", 0, 100'000);
    by.endpoint_delay = prefill.duration("endpoint_delay_s", 0, 3600).value_or(seconds(1));
    if (prefill.has("server")) {
        Decoder server = prefill.child("server");
        by.server = decode_model_server(server, ModelServer{});
    }
    prefill.quiet({"server"});
    decode_cold_start(prefill, by);
    prefill.finish();
    workload.side = PairSide::decode;
    workload.prefilled_by.push_back(std::move(by));
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
    out.tenant = workload.text("tenant").value_or("");
    out.max_tokens = workload.int32("max_tokens", 1);
    out.rate_scale = workload.number("rate_scale", 1e-6, 1e6).value_or(1);
    if (workload.has("rate_scale") && workload.has("synthetic")) workload.error("rate_scale", "stands beside synthetic, allowed: only with trace (write rate_rps)");
    if (workload.has("resample")) {
        if (workload.has("synthetic")) workload.error("resample", "stands beside synthetic, allowed: only with trace (synthetic workloads are drawn anew for each trial)");
        Decoder resample = workload.child("resample");
        out.resample = decode_resampling(resample);
    }
    decode_target(workload, out);
    out.routing = workload.choice<RoutingSpec>("routing", {{"random", RoutingSpec::random},
                                                       {"least-requests", RoutingSpec::least_requests},
                                                       {"round-robin", RoutingSpec::round_robin},
                                                       {"queue", RoutingSpec::queue}})
                      .value_or(workload.has("queue") ? RoutingSpec::queue : RoutingSpec::random);
    out.timeout = workload.duration("timeout_s", 1e-3, longest_scenario_s);
    if (workload.has("retry")) {
        Decoder retry = workload.child("retry");
        out.retry.attempts = retry.int32("attempts", 1, 100).value_or(1);
        out.retry.backoff = retry.duration("backoff_s", 0, 86400).value_or(Tick{0});
        out.retry.max_backoff = retry.duration("max_backoff_s", 0, 86400).value_or(seconds(86400));
        out.retry.jitter = retry.number("jitter", 0, 1).value_or(0);
        out.retry.attempt_timeout = retry.duration("attempt_timeout_s", 1e-3, longest_scenario_s);
        retry.finish();
    }
    if (workload.has("queue")) {
        if (out.routing != RoutingSpec::queue) workload.error("queue", "stands beside another routing, allowed: only with routing: queue");
        Decoder queue = workload.child("queue");
        out.queue.per_replica_concurrency = queue.int32("per_replica_concurrency", 1, 1'000'000).value_or(1);
        out.queue.hold = queue.integer("hold", 0, 1'000'000'000);
        out.queue.visibility_timeout = queue.duration("visibility_timeout_s", 1e-3, longest_scenario_s);
        out.queue.attempts = queue.int32("attempts", 1, 1000).value_or(1);
        out.queue.returns = queue.choice<bool>("on_worker_loss", {{"wait", false}, {"return", true}});
        if (out.queue.returns == false && !out.queue.visibility_timeout)
            queue.error("on_worker_loss", "says wait, but there is no visibility_timeout_s to wait for, allowed: return");
        if (out.queue.returns == true && out.queue.attempts == 1)
            queue.error("on_worker_loss", "says return, but attempts: 1 hands nothing out again, allowed with: attempts of at least 2");
        queue.finish();
    }
    workload.quiet({"retry", "queue"});
    if (workload.has("retry") && out.routing == RoutingSpec::queue)
        workload.error("retry", "stands beside routing: queue, allowed: queue.attempts, which says how often a request is handed out");
    out.connections = workload.int32("connections", 1, 1'000'000).value_or(0);
    if (out.connections > 0 && out.routing != RoutingSpec::random)
        workload.error("connections", "stands beside another routing, allowed: only with routing: random (kube-proxy chooses per connection)");
    out.on_no_endpoints = workload.choice<OnNoEndpoints>("on_no_endpoints", {{"fail", OnNoEndpoints::fail}, {"hold", OnNoEndpoints::hold}})
                              .value_or(out.routing == RoutingSpec::queue ? OnNoEndpoints::hold : OnNoEndpoints::fail);
    out.initial_replicas = workload.int32("initial_replicas", 0, 100'000);
    out.hold_limit = workload.integer("hold_limit", 0, 1'000'000'000);
    if (workload.has("hold_limit") && out.on_no_endpoints != OnNoEndpoints::hold) workload.error("hold_limit", "stands beside on_no_endpoints: fail, allowed: only with hold");
    out.endpoint_delay = workload.duration("endpoint_delay_s", 0, 3600).value_or(seconds(1));
    if (workload.has("server")) {
        Decoder server = workload.child("server");
        out.server = decode_model_server(server, ModelServer{});
    }
    workload.quiet({"server"});
    decode_cold_start(workload, out);
    if (workload.has("prefill")) {
        Decoder prefill = workload.child("prefill");
        decode_prefill(prefill, out);
    }
    workload.quiet({"prefill"});
    workload.finish();
    return out;
}

PoolSpec decode_pool(Decoder& pool, const std::string& scenario_file) {
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
    if (out.capacity == CapacityType::on_demand)
        for (const char* key : {"interruptions_per_hour", "interruption_notice_s", "spot"})
            if (pool.has(key)) pool.error(key, "stands in an on-demand pool, allowed: only with capacity_type: spot");
    if (pool.has("spot")) {
        Decoder spot = pool.child("spot");
        out.spot = decode_spot(spot, scenario_file, false);
    }
    pool.quiet({"spot"});
    if (const auto rate = pool.number("interruptions_per_hour", 0, 3600)) {
        if (!out.spot) out.spot.emplace(SpotSpec{}).where = pool.where("interruptions_per_hour");
        if (out.spot->replaces_default()) pool.error("interruptions_per_hour", "stands beside spot, allowed: spot.interruptions_per_hour");
        out.spot->interruptions_per_hour = *rate;
    }
    if (const auto notice = pool.duration("interruption_notice_s", 0, 86400)) {
        if (!out.spot) out.spot.emplace(SpotSpec{}).where = pool.where("interruption_notice_s");
        if (out.spot->notice) pool.error("interruption_notice_s", "stands beside spot.notice_s, allowed: one of both");
        out.spot->notice = *notice;
    }
    out.gpu = pool.text("gpu").value_or("");
    out.gpus_per_node = pool.int32("gpus_per_node", 1, 64).value_or(0);
    Decoder division = pool.child("gpu_sharing");
    out.division = decode_gpu_division(division);
    division.finish();
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
    out.network_bytes_per_s = gigabytes(pool.number("network_gb_per_s", 1e-3, 1000));
    out.disk_bytes_per_s = gigabytes(pool.number("disk_gb_per_s", 1e-3, 1000));
    out.parallel_image_pulls = pool.int32("parallel_image_pulls", 1, 1000).value_or(1);
    out.prefetch = pool.texts("prefetch");
    pool.finish();
    return out;
}

void decode_profiles(Decoder& cluster, const std::string& scenario_file, ClusterSpec& out) {
    for (const std::string& file : cluster.text_or_texts("profiles")) {
        Result<OwnStepTimes> profile = read_own_step_times(beside(scenario_file, file));
        if (!profile) {
            for (const Problem& p : profile.problems()) cluster.error("profiles", to_string(p));
            continue;
        }
        profile->where = cluster.where();
        profile->path = "cluster.profiles";
        for (Problem& p : add_own_step_times(std::move(*profile), out.profiles)) cluster.findings().errors.push_back(std::move(p));
    }
}

ClusterSpec decode_cluster(Decoder cluster, const std::string& scenario_file) {
    ClusterSpec out;
    out.where = cluster.where();
    out.cloud = cluster.choice<CloudKind>("cloud", {{"aws", CloudKind::aws}, {"gcp", CloudKind::gcp}, {"azure", CloudKind::azure}, {"oci", CloudKind::oci}}).value_or(CloudKind::none);
    out.region = cluster.text("region").value_or("");
    out.zones = cluster.texts("zones");
    if (const auto zone = cluster.text("zone")) out.zones.push_back(*zone);
    for (Decoder& item : cluster.children("pools")) {
        PoolSpec pool = decode_pool(item, scenario_file);
        const bool twice = std::any_of(out.pools.begin(), out.pools.end(), [&](const PoolSpec& p) { return p.name == pool.name; });
        if (twice && !pool.name.empty()) item.error("name", "found \"" + pool.name + "\" a second time, allowed: each name once");
        out.pools.push_back(std::move(pool));
    }
    if (const auto prices = cluster.text("prices")) {
        out.price_file = beside(scenario_file, *prices);
        const auto list = read_price_list(std::filesystem::path(out.price_file));
        if (list) {
            out.prices = PriceBook(*list);
            for (const Problem& p : list->warnings) cluster.findings().notes.push_back(p);
        } else {
            for (const Problem& p : list.problems()) cluster.error("prices", to_string(p));
        }
    }
    decode_profiles(cluster, scenario_file, out);
    if (cluster.has("costs")) {
        Decoder costs = cluster.child("costs");
        out.costs = decode_costs(costs);
    }
    cluster.quiet({"costs"});
    for (Decoder& item : cluster.children("quotas")) out.quotas.push_back(decode_cloud_quota(item));
    for (Decoder& item : cluster.children("reservations")) out.reservations.push_back(decode_reservation(item));
    for (Decoder& item : cluster.children("spot")) out.spot.push_back(decode_spot(item, scenario_file, true));
    decode_sources(cluster, out);
    out.images = decode_images(cluster, scenario_file);
    out.autoscaling = cluster.choice<NodeAutoscaling>("autoscaling", {{"cluster-autoscaler", NodeAutoscaling::cluster_autoscaler}, {"none", NodeAutoscaling::none}})
                          .value_or(NodeAutoscaling::cluster_autoscaler);
    out.scale_down_unneeded = cluster.duration("scale_down_unneeded_s", 0, longest_scenario_s).value_or(seconds(600));
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
        if (threshold->looks_at_goodput())
            if (out.goodput.empty()) root.findings().errors.push_back({where, path, "looks at goodput, but the scenario says of no request when it is good, allowed with: goodput: {ttft_ms: ..., tpot_ms: ...}"});
        out.thresholds.push_back(std::move(*threshold));
    }
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
    out.cluster = decode_cluster(root.child("cluster"), document.file);
    Decoder metrics = root.child("metrics");
    for (const Node& member : metrics.node().children)
        if (const auto expression = metrics.text(member.key)) out.metrics.push_back({member.key, *expression, metrics.where(member.key)});
    Decoder prometheus = root.child("prometheus");
    out.prometheus.scrape_interval = prometheus.duration("scrape_interval_s", 1e-3, 86400).value_or(seconds(15));
    out.prometheus.evaluation_delay = prometheus.duration("delay_s", 0, 86400).value_or(Tick{0});
    out.prometheus.evaluation_interval = prometheus.duration("evaluation_interval_s", 1e-3, 86400).value_or(seconds(30));
    prometheus.finish();
    Decoder metrics_server = root.child("metrics_server");
    if (const auto resolution = metrics_server.duration("resolution_s", 1, 600)) out.metrics_server_resolution = *resolution;
    metrics_server.finish();
    decode_goodput(root.child("goodput"), out.goodput);
    decode_thresholds(root, out);
    const std::vector<ClockTime> clock_times = decode_events(root, out);
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
    set_clock_times(root, clock_times, out);
    out.duration = root.duration("duration_s", 1e-3, longest_scenario_s);
    out.drain_limit = root.duration("drain_limit_s", 0, longest_scenario_s).value_or(seconds(600));
    out.trials = root.int32("trials", 1, 10'000'000).value_or(1);
    out.seed = static_cast<std::uint64_t>(root.integer("seed", 0).value_or(1));
    root.finish();
}

}  // namespace windtunnel
