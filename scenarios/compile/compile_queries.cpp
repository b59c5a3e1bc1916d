// What the simulated cluster exposes, and the queries over it.
#include "scenarios/compile/compile_queries.hpp"

#include "policies/promql_labels.hpp"
#include "policies/promql_pods.hpp"
#include "scenarios/compile/alert_series.hpp"
#include "scenarios/compile/compile_autoscalers.hpp"
#include "scenarios/compile/scrape_targets.hpp"

#include <algorithm>
#include <iterator>
#include <set>

namespace windtunnel {

namespace {

/// Which label names a queue, by exporter.
constexpr const char* queue_labels[] = {"queue", "key", "topic", "consumergroup", "dimension_QueueName"};

/// The name of the queue in front of a workload: what a trigger of its ScaledObject looks at, else its own.
std::string queue_of(const Scenario& scenario, const WorkloadObject& w) {
    const ScalerOf scaler = scaler_of(scenario, w);
    if (scaler.scaled_object != nullptr)
        for (const Trigger& t : scaler.scaled_object->triggers)
            if (t.kind == TriggerKind::queue && !t.queue.empty()) return t.queue.substr(t.queue.rfind('/') + 1);
    return w.meta.name;
}

/// Which of its workload's labels a family carries, by its name's beginning: of the exporters only what they say of an
/// object; vLLM's own, where no monitor says otherwise, what a scrape that maps all of a pod's labels gives.
struct CarriedLabels {
    const char* family;
    std::vector<std::string> labels;
};
const std::vector<CarriedLabels>& carried_labels() {
    static const std::vector<std::string> of_pod = {"namespace", "pod", "container", "instance", "exported_pod",
                                                    "exported_namespace", "exported_container"};
    static const std::vector<std::string> queue = {"namespace", "instance", "queue", "key", "topic", "consumergroup", "dimension_QueueName"};
    static const std::vector<CarriedLabels> table = {
        {"DCGM_", of_pod},
        {"container_", of_pod},
        {"redis_", queue},
        {"rabbitmq_", queue},
        {"kafka_", queue},
        {"aws_sqs_", queue},
        {"kube_deployment_", {"namespace", "instance", "deployment"}},
        {"kube_statefulset_", {"namespace", "instance", "statefulset"}},
        {"kube_horizontalpodautoscaler_", {"namespace", "instance", "horizontalpodautoscaler"}},
        {"kube_hpa_", {"namespace", "instance", "hpa"}},
        {"kube_pod_owner", {"namespace", "instance", "pod", "owner_kind", "owner_is_controller"}},
        {"kube_pod_container_", {"namespace", "instance", "pod", "container"}},
        {"kube_pod_", {"namespace", "instance", "pod"}},
        {"istio_", {"namespace", "instance", "destination_workload", "destination_workload_namespace", "destination_service_name",
                    "destination_service_namespace", "destination_service", "destination_app"}},
        {"envoy_", {"namespace", "instance", "envoy_cluster_name"}},
        {"nginx_", {"namespace", "instance", "ingress", "service", "exported_service", "exported_namespace"}},
        {"traefik_", {"namespace", "instance", "service"}},
        {"inference_pool_", {"namespace", "instance", "name"}},
        {"inference_", {"namespace", "instance", "model_name", "target_model_name"}}};
    return table;
}

/// Labels that only exporters of other objects carry.
bool is_of_an_exporter(const std::string& label) {
    for (const CarriedLabels& row : carried_labels())
        if (label != "namespace" && label != "pod" && label != "container" && label != "instance" && label != "deployment" &&
            label != "service" && label != "model_name" &&
            std::find(row.labels.begin(), row.labels.end(), label) != row.labels.end())
            return true;
    return label.starts_with("label_");
}

/// Which labels of the workloads a family does not carry.
std::vector<std::string> hidden_labels(const MetricCatalog& catalog, const std::string& family) {
    std::set<std::string> all;
    for (const MetricWorkload& w : catalog.workloads) {
        for (const auto& [name, value] : w.labels) all.insert(name);
        for (const auto& [name, values] : w.pod_labels) all.insert(name);
    }
    const CarriedLabels* carried = nullptr;
    for (const CarriedLabels& row : carried_labels())
        if (carried == nullptr && family.starts_with(row.family)) carried = &row;
    std::vector<std::string> hidden;
    for (const std::string& label : all) {
        const bool listed = carried != nullptr && std::find(carried->labels.begin(), carried->labels.end(), label) != carried->labels.end();
        const bool of_object = family == "kube_pod_labels" && label.starts_with("label_");
        if (carried != nullptr ? !listed && !of_object : is_of_an_exporter(label)) hidden.push_back(label);
    }
    return hidden;
}

/// Labels that the series of a workload carry: those of service discovery, of kube-state-metrics and of vLLM.
LabelSet labels_of(const Scenario& scenario, const WorkloadObject& w, const CompiledWorkload& facts) {
    LabelSet labels;
    for (const auto& [key, value] : w.pod.labels) {
        labels[sanitized_label(key)] = value;
        labels["label_" + sanitized_label(key)] = value;  // kube_pod_labels
    }
    labels["namespace"] = w.meta.name_space;
    labels["deployment"] = w.meta.name;
    if (!w.pod.containers.empty())
        labels["container"] =
            w.pod.containers[std::min(w.server_container, w.pod.containers.size() - 1)].name;
    labels["exported_namespace"] = w.meta.name_space;
    if (labels.contains("container")) labels["exported_container"] = labels["container"];
    labels["statefulset"] = w.meta.name;
    for (const char* label : queue_labels) labels[label] = queue_of(scenario, w);
    const ScalerOf scaler = scaler_of(scenario, w);
    if (scaler.scaled_object != nullptr) labels["horizontalpodautoscaler"] = scaler.scaled_object->hpa_name;
    if (scaler.hpa != nullptr) labels["horizontalpodautoscaler"] = scaler.hpa->meta.name;
    if (labels.contains("horizontalpodautoscaler")) labels["hpa"] = labels["horizontalpodautoscaler"];
    labels["job"] = w.meta.name;
    for (const Service& s : scenario.manifests.services) {
        if (s.selector.empty() || s.meta.name_space != w.meta.name_space) continue;
        const bool selects = std::all_of(s.selector.begin(), s.selector.end(), [&](const auto& l) {
            const auto found = w.pod.labels.find(l.first);
            return found != w.pod.labels.end() && found->second == l.second;
        });
        if (!selects) continue;
        labels["service"] = labels["job"] = s.meta.name;
        break;
    }
    labels["model_name"] = w.server && !w.server->served_model_names.empty()
                               ? w.server->served_model_names.front()
                           : w.server && !w.server->model.empty() ? w.server->model
                                                                  : facts.model;
    const std::string service = labels.contains("service") ? labels["service"] : w.meta.name;
    labels["name"] = service;  // an InferencePool is called as its Service would be
    labels["target_model_name"] = labels["model_name"];
    labels["owner_kind"] = w.meta.kind == "Deployment" ? "ReplicaSet" : w.meta.kind;
    labels["owner_is_controller"] = "true";
    labels["ingress"] = labels["exported_service"] = labels["destination_service_name"] = service;
    labels["destination_workload"] = w.meta.name;
    labels["destination_workload_namespace"] = labels["destination_service_namespace"] = w.meta.name_space;
    labels["destination_service"] = service + "." + w.meta.name_space + ".svc.cluster.local";
    if (const auto app = w.pod.labels.find("app"); app != w.pod.labels.end()) labels["destination_app"] = app->second;
    labels["envoy_cluster_name"] = "outbound|80||" + labels["destination_service"];
    return labels;
}

bool exposes(Exposer exposer, const Scenario& scenario, const BlueprintParts& parts, std::size_t w, const WorkloadObject& object) {
    const WorkloadPlan& plan = parts.workloads[w];
    switch (exposer) {
        case Exposer::all:
            return true;
        case Exposer::servers:
            for (std::uint32_t t = plan.first_template; t < plan.first_template + plan.template_count; ++t)
                if (parts.templates[t].plan.server >= 0) return true;
            return false;
        case Exposer::tgi_servers:
            return object.server && object.server->engine == "tgi";
        case Exposer::sglang_servers:
            return object.server && object.server->engine == "sglang";
        case Exposer::deployments:
            return object.meta.kind == "Deployment";
        case Exposer::stateful_sets:
            return object.meta.kind == "StatefulSet" || object.meta.kind == "LeaderWorkerSet";
        case Exposer::autoscaled:
            return scaler_of(scenario, object).hpa != nullptr || scaler_of(scenario, object).scaled_object != nullptr;
    }
    return false;
}

/// The expressions of recording rules by the names that they record; several rules may record one name, each with
/// labels of its own.
std::map<std::string, std::string> recorded_metrics(const std::vector<RecordingRule>& rules) {
    std::map<std::string, std::string> out;
    for (const RecordingRule& rule : rules) {
        const std::string expression = with_rule_labels("(" + rule.expression + ")", rule.labels);
        std::string& all = out[rule.name];
        all = all.empty() ? expression : all + " or " + expression;
    }
    // A rule alone, without labels, keeps the text that people wrote, and with it the columns of its problems.
    for (const RecordingRule& rule : rules)
        if (out[rule.name] == "(" + rule.expression + ")") out[rule.name] = rule.expression;
    return out;
}

}  // namespace

QueryCompiler::QueryCompiler(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                             CompiledScenario& out, Problems& errors, Problems& warnings)
    : m_out(out),
      m_errors(errors),
      m_warnings(warnings),
      m_exposed(exposed_metrics()),
      m_compiler(make(scenario, objects)) {}

std::uint32_t QueryCompiler::add(const std::string& query, const SourcePosition& where, const std::string& path,
                                 std::int32_t pods_of) {
    Result<PromqlProgram> program = m_compiler.compile(query, where, path);
    if (!program) {
        m_errors.insert(m_errors.end(), program.problems().begin(), program.problems().end());
        return 0;
    }
    m_warnings.insert(m_warnings.end(), program->warnings.begin(), program->warnings.end());
    if (pods_of >= 0) (void)read_only_pods_of(*program, m_compiler.layout().streams, pods_of);
    return place(*program);
}

QueryCompiler::Attempt QueryCompiler::attempt(const std::string& query, const SourcePosition& where,
                                              const std::string& path) const {
    PromqlCompiler copy = m_compiler;
    Result<PromqlProgram> program = copy.compile(query, where, path);
    return {std::move(program), copy.layout().sample_count - m_compiler.layout().sample_count};
}

std::uint32_t QueryCompiler::take(const std::string& query, const SourcePosition& where, const std::string& path) {
    const Result<PromqlProgram> program = m_compiler.compile(query, where, path);
    return place(*program);
}

std::uint32_t QueryCompiler::place(const PromqlProgram& program) {
    BlueprintParts& parts = m_out.parts;
    QueryPlan plan;
    plan.first_instruction = static_cast<std::uint32_t>(parts.instructions.size());
    plan.first_word = static_cast<std::uint32_t>(parts.words.size());
    plan.first_number = static_cast<std::uint32_t>(parts.numbers.size());
    plan.instruction_count = static_cast<std::int32_t>(program.instructions.size());
    plan.semantics = program.semantics;
    plan.is_scalar = program.is_scalar ? 1 : 0;
    plan.workspace = program.workspace;
    parts.instructions.insert(parts.instructions.end(), program.instructions.begin(), program.instructions.end());
    parts.words.insert(parts.words.end(), program.words.begin(), program.words.end());
    parts.numbers.insert(parts.numbers.end(), program.numbers.begin(), program.numbers.end());
    parts.scrape.workspace.elements = std::max(parts.scrape.workspace.elements, plan.workspace.elements);
    parts.scrape.workspace.points = std::max(parts.scrape.workspace.points, plan.workspace.points);
    parts.queries.push_back(plan);
    return static_cast<std::uint32_t>(parts.queries.size() - 1);
}

std::vector<std::string> QueryCompiler::series_names() const {
    std::vector<std::string> out;
    for (const MetricFamily& f : m_exposed.catalog.families) out.push_back(f.name);
    for (const auto& [name, expression] : m_compiler.options().metrics) out.push_back(name);
    for (const auto& [name, parts] : m_compiler.options().parts) out.push_back(name);
    return out;
}

void QueryCompiler::finish() {
    const SampleLayout layout = m_compiler.layout();
    BlueprintParts& parts = m_out.parts;
    parts.scrape.series_count = layout.series_count;
    parts.scrape.sample_count = layout.sample_count;
    parts.streams = layout.streams;
    // Only the histograms that somebody reads are kept.
    std::vector<std::int32_t> kept(m_exposed.histograms.size(), -1);
    for (const StreamPlan& stream : layout.streams) {
        StreamSource source = m_exposed.sources[static_cast<std::size_t>(stream.family)];
        source.workload = static_cast<std::uint32_t>(std::max(stream.workload, 0));
        source.extra = stream.extra;
        if (source.source == SeriesKind::histogram_bucket || source.source == SeriesKind::histogram_sum ||
            source.source == SeriesKind::histogram_count) {
            std::int32_t& index = kept[source.histogram];
            if (index < 0) {
                index = static_cast<std::int32_t>(parts.histograms.size());
                HistogramPlan plan = m_exposed.histograms[source.histogram];
                const auto first = m_exposed.bounds.begin() + plan.first_bound;
                plan.first_bound = static_cast<std::uint32_t>(parts.histogram_bounds.size());
                parts.histogram_bounds.insert(parts.histogram_bounds.end(), first, first + plan.bound_count);
                parts.histograms.push_back(plan);
            }
            source.histogram = static_cast<std::uint16_t>(index);
        }
        parts.stream_sources.push_back(source);
    }
}

PromqlCompiler QueryCompiler::make(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects) {
    const BlueprintParts& parts = m_out.parts;
    MetricCatalog& catalog = m_exposed.catalog;
    for (std::size_t w = 0; w < objects.size(); ++w)
        m_exposed.catalog.add_workload(objects[w]->meta.name, labels_of(scenario, *objects[w], m_out.workloads[w]),
                                       static_cast<std::int32_t>(parts.workloads[w].pod_slots));
    for (MetricWorkload& w : catalog.workloads) w.pod_labels["exported_pod"] = w.pod_labels["pod"];
    const auto milliseconds_of = [](Tick t) { return t.count / ticks_per_millisecond; };
    Tick shortest = never, longest = parts.scrape_loops[0];
    for (const WorkloadPlan& w : parts.workloads) {
        shortest = min(shortest, parts.scrape_loops[w.scrape_loop]);
        longest = max(longest, parts.scrape_loops[w.scrape_loop]);
    }
    for (std::size_t i = 0; i < catalog.families.size(); ++i) {
        MetricFamily& f = catalog.families[i];
        f.scrape_interval_ms = std::max<std::int64_t>(1, milliseconds_of(f.own_endpoint ? shortest : parts.scrape_loops[0]));
        f.hidden_labels = hidden_labels(catalog, f.name);
        if (m_exposed.exposers[i] == Exposer::all) continue;
        for (std::size_t w = 0; w < objects.size(); ++w)
            if (exposes(m_exposed.exposers[i], scenario, parts, w, *objects[w])) f.workloads.push_back(static_cast<std::int32_t>(w));
        if (f.workloads.empty()) f.workloads.push_back(-1);  // nobody
    }
    add_endpoints(scenario, objects);
    PromqlOptions options;
    // The oldest samples are those from before t = 0.
    options.longest_history_ms = milliseconds_of(parts.span + parts.drain_limit + longest + longest) + 1;
    options.delay_ms = milliseconds_of(parts.scrape.delay);
    options.metrics = recorded_metrics(scenario.manifests.rules.recording);
    if (!scenario.manifests.rules.alerting.empty())
        options.parts["ALERTS"] = alert_series(scenario.manifests.rules.alerting, scenario.prometheus.evaluation_interval);
    for (const MetricMapping& m : scenario.metrics) options.metrics[m.name] = m.expression;
    return PromqlCompiler(m_exposed.catalog, options);
}

/// The labels that monitors give, and the series that their metricRelabelings drop or call something else.
void QueryCompiler::add_endpoints(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects) {
    MetricCatalog& catalog = m_exposed.catalog;
    const std::size_t families = catalog.families.size();
    for (std::size_t w = 0; w < objects.size(); ++w) {
        MetricWorkload& workload = catalog.workloads[w];
        workload.endpoint_labels = endpoint_labels_of(scenario, *objects[w]);
        if (!workload.endpoint_labels) continue;
        (*workload.endpoint_labels)["model_name"] = workload.labels["model_name"];  // vLLM's own
        const std::vector<const MetricsMonitor*> monitors = scenario.monitors_of(*objects[w]);
        if (monitors.empty() || monitors.front()->metric_relabelings.empty()) continue;
        std::optional<LabelSet> labels;
        for (std::size_t f = 0; f < families; ++f) {
            if (!catalog.families[f].own_endpoint) continue;
            LabelSet before = *workload.endpoint_labels;
            before["__name__"] = catalog.families[f].name;
            const std::optional<LabelSet> after = relabelled(monitors.front()->metric_relabelings, std::move(before));
            const auto name = after ? after->find("__name__") : LabelSet::const_iterator{};
            const bool keeps = after && name != after->end() && name->second == catalog.families[f].name;
            if (after) {
                labels = *after;
                labels->erase("__name__");
            }
            if (keeps) continue;
            // Not under this name: every other workload goes on exposing it.
            std::vector<std::int32_t>& listed = catalog.families[f].workloads;
            if (listed.empty())
                for (std::size_t other = 0; other < objects.size(); ++other)
                    listed.push_back(static_cast<std::int32_t>(other));
            std::erase(listed, static_cast<std::int32_t>(w));
            if (listed.empty()) listed.push_back(-1);  // nobody
            if (!after || name == after->end()) continue;
            MetricFamily renamed = catalog.families[f];
            renamed.name = name->second;
            renamed.workloads = {static_cast<std::int32_t>(w)};
            catalog.families.push_back(std::move(renamed));
            m_exposed.sources.push_back(m_exposed.sources[f]);
        }
        if (labels) workload.endpoint_labels = labels;
    }
}

}  // namespace windtunnel
