#include "reports/cluster_json.hpp"

#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

Json limit_json(const BindingLimit& l) {
    return Json{{"limit", l.limit},
                {"value", l.value},
                {"held_s", l.held_s},
                {"first_s", l.first_s},
                {"file", l.where.file},
                {"line", l.where.line > 0 ? Json(l.where.line) : Json(nullptr)},
                {"path", l.path}};
}

Json autoscaler_json(const AutoscalerLog& a) {
    Json conditions = Json::array(), scalings = Json::array(), limits = Json::array();
    for (const HeldCondition& c : a.conditions)
        conditions.push_back(Json{{"type", c.type},
                                  {"status", c.status},
                                  {"reason", c.reason},
                                  {"message", c.message},
                                  {"held_s", c.held_s},
                                  {"times", c.times},
                                  {"first_s", c.first_s}});
    for (const ScalingEntry& s : a.scalings)
        scalings.push_back(Json{{"at_s", s.at_s},
                                {"from", s.from},
                                {"to", s.to},
                                {"by", s.by},
                                {"metric", s.metric},
                                {"reason", s.reason}});
    for (const BindingLimit& l : a.limits) limits.push_back(limit_json(l));
    return Json{{"name", a.name},
                {"hpa", a.hpa},
                {"target", a.target},
                {"min_replicas", a.minimum},
                {"max_replicas", a.maximum},
                {"conditions", std::move(conditions)},
                {"scalings", std::move(scalings)},
                {"binding_limits", std::move(limits)}};
}

Json latency_json(const Distribution& d) {
    if (d.totals.count == 0) return nullptr;
    const auto ms = [](Tick t) { return to_seconds(t) * 1000; };
    return Json{{"mean_ms", d.mean_ticks() / static_cast<double>(ticks_per_millisecond)},
                {"p50_ms", ms(d.quantile(0.5))},
                {"p90_ms", ms(d.quantile(0.9))},
                {"p99_ms", ms(d.quantile(0.99))}};
}

Json workload_json(const WorkloadLog& w) {
    Json rollouts = Json::array(), revisions = Json::array();
    for (const RolloutLog& r : w.rollouts)
        rollouts.push_back(
            Json{{"revision", r.revision},
                 {"started_s", r.started_s},
                 {"duration_s", r.completed_s ? Json(*r.completed_s - r.started_s) : Json(nullptr)},
                 {"status", r.completed_s         ? "complete"
                            : r.deadline_exceeded ? "ProgressDeadlineExceeded"
                                                  : "incomplete"}});
    for (const RevisionLog& r : w.revisions)
        revisions.push_back(Json{{"revision", r.number},
                                 {"labels", Json(r.labels)},
                                 {"completed", r.completed},
                                 {"failed", r.failed},
                                 {"ttft", latency_json(r.ttft)},
                                 {"tpot", latency_json(r.tpot)},
                                 {"e2el", latency_json(r.e2el)}});
    return Json{{"workload", w.target},
                {"created", w.pods_created},
                {"deleted", w.pods_deleted},
                {"restarts", w.restarts},
                {"startup_probe_kills", w.startup_kills},
                {"liveness_probe_kills", w.liveness_kills},
                {"crash_loop_pod_s", w.crash_loop_pod_s},
                {"evictions", w.evictions},
                {"evictions_refused", w.evictions_refused},
                {"preempted", w.preempted},
                {"creates_refused", w.creates_refused},
                {"rollouts", std::move(rollouts)},
                {"revisions", std::move(revisions)}};
}

}  // namespace

namespace {

Json path_json(const std::vector<StartStep>& path) {
    Json out = Json::array();
    for (const StartStep& step : path) out.push_back(Json{{"stage", step.stage}, {"s", step.s}});
    return out;
}
Json start_json(const StartLog& s) {
    Json stages = Json::array();
    for (const StartLog::Stage& stage : s.stages)
        stages.push_back(Json{{"stage", stage.stage},
                              {"runs", stage.runs},
                              {"mean_s", stage.runs > 0 ? Json(stage.mean_s) : Json(nullptr)},
                              {"longest_s", stage.runs > 0 ? Json(stage.longest_s) : Json(nullptr)}});
    Json layers = Json::array();
    for (const StartLog::Layer& l : s.layers)
        layers.push_back(Json{{"layer", l.name},
                              {"gb", l.gb},
                              {"downloads", l.downloads},
                              {"found_on_node", l.found},
                              {"unpacks", l.unpacks},
                              {"mean_download_s", l.downloads > 0 ? Json(l.download_s) : Json(nullptr)},
                              {"mean_unpack_s", l.unpacks > 0 ? Json(l.unpack_s) : Json(nullptr)}});
    Json out{{"workload", s.target},
                {"starts", s.starts},
                {"mean_s", s.starts > 0 ? Json(s.mean_s) : Json(nullptr)},
                {"longest_s", s.starts > 0 ? Json(s.longest_s) : Json(nullptr)},
                {"critical_path", path_json(s.path)},
                {"stages", std::move(stages)},
                {"planned", Json{{"first_s", s.first_s}, {"again_s", s.again_s}, {"critical_path", path_json(s.planned_path)}}}};
    if (!s.layers.empty()) out["image_layers"] = std::move(layers);
    return out;
}

Json steps_json(const std::vector<SpotStep>& steps) {
    Json out = Json::array();
    for (const SpotStep& step : steps) out.push_back(Json::array({step.at_s, step.value}));
    return out;
}
Json market_json(const SpotMarketLog& s) {
    Json evictions = Json::array();
    for (const SpotEviction& e : s.evictions) evictions.push_back(Json{{"at_s", e.at_s}, {"what", e.what}, {"pods", e.pods}});
    return Json{{"market", s.market},
                {"launched", s.launched},
                {"launch_failures", s.launch_failures},
                {"machines_taken_empty", s.taken_empty},
                {"machines_taken_with_pods", s.taken_with_pods},
                {"available", s.available},
                {"notice_s", s.notice_s > 0 ? Json(s.notice_s) : Json(nullptr)},
                {"mean_notice_used_s", s.notice_used_s ? Json(*s.notice_used_s) : Json(nullptr)},
                {"evictions", std::move(evictions)},
                {"nodes", steps_json(s.nodes)},
                {"price_usd_per_hour", steps_json(s.price)},
                {"capacity_nodes", s.capacity.empty() ? Json(nullptr) : steps_json(s.capacity)}};
}

}  // namespace

void add_cluster_sections(const ClusterLog& log, nlohmann::ordered_json& results) {
    results["observed_trial"] = log.trial;
    Json& autoscalers = results["autoscalers"] = Json::array();
    for (const AutoscalerLog& a : log.autoscalers) autoscalers.push_back(autoscaler_json(a));
    Json pending = Json::array(), workloads = Json::array();
    for (const PendingReason& p : log.pending)
        pending.push_back(Json{{"workload", p.target},
                               {"message", p.message},
                               {"pods", p.pods},
                               {"pod_s", p.pod_s},
                               {"longest_s", p.longest_s},
                               {"first_s", p.first_s}});
    for (const WorkloadLog& w : log.workloads) workloads.push_back(workload_json(w));
    results["pods"] = Json{{"pending", std::move(pending)}, {"by_workload", std::move(workloads)}};
    Json& nodes = results["nodes"] = Json::array();
    for (const PoolLog& p : log.pools)
        nodes.push_back(Json{{"pool", p.pool},
                             {"launched", p.launched},
                             {"launch_failures", p.launch_failures},
                             {"lost", p.lost},
                             {"binding_limit", p.limit ? limit_json(*p.limit) : Json(nullptr)}});
    Json& starts = results["starts"] = Json::array();
    for (const StartLog& s : log.starts) starts.push_back(start_json(s));
    Json& fragmentation = results["fragmentation"] = Json::array();
    for (const FragmentationLog& f : log.fragmentation) {
        Json unusable = Json::array();
        for (const FragmentationLog::Unusable& u : f.unusable)
            unusable.push_back(Json{{"reason", u.reason}, {"gpus", u.gpus}, {"nodes", u.nodes}});
        fragmentation.push_back(Json{{"workload", f.target},
                                     {"at_s", f.at_s},
                                     {"gpus_per_pod", f.needs},
                                     {"free_gpus", f.free},
                                     {"unusable", std::move(unusable)}});
    }
    if (!log.spot.empty()) {
        Json& spot = results["spot_markets"] = Json::array();
        for (const SpotMarketLog& s : log.spot) spot.push_back(market_json(s));
    }
    Json& events = results["events"] = Json::array();
    for (const EventEntry& e : log.events)
        events.push_back(Json{{"first_s", e.first_s},
                              {"last_s", e.last_s},
                              {"count", e.count},
                              {"type", e.warning ? "Warning" : "Normal"},
                              {"reason", e.reason},
                              {"object", e.object},
                              {"message", e.message}});
    results["events_omitted"] = log.events_omitted;
}

}  // namespace windtunnel
