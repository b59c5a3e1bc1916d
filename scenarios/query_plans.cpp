#include "scenarios/query_plans.hpp"

#include "policies/promql_pods.hpp"
#include "scenarios/compile_autoscalers.hpp"

#include <algorithm>
#include <cctype>

namespace windtunnel {

namespace {

/// Which label names a queue, by exporter; and those that only exporters of other objects carry.
constexpr const char* queue_labels[] = {"queue", "key", "topic", "consumergroup", "dimension_QueueName"};

/// The name of the queue in front of a workload: what a trigger of its ScaledObject looks at, else its own.
std::string queue_of(const Scenario& scenario, const WorkloadObject& w) {
    const ScalerOf scaler = scaler_of(scenario, w);
    if (scaler.scaled_object != nullptr)
        for (const Trigger& t : scaler.scaled_object->triggers)
            if (t.kind == TriggerKind::queue && !t.queue.empty()) return t.queue.substr(t.queue.rfind('/') + 1);
    return w.meta.name;
}

/// Which of a workload's labels a family does not carry.
std::vector<std::string> hidden_labels(const ExposedMetrics& exposed, const std::string& family) {
    std::vector<std::string> hidden;
    const auto& others = exposed.speaks_of_others;
    const bool queue = family.starts_with("redis_") || family.starts_with("rabbitmq_") ||
                       family.starts_with("kafka_") || family.starts_with("aws_sqs_");
    if (!queue) hidden.insert(hidden.end(), std::begin(queue_labels), std::end(queue_labels));
    if (std::find(others.begin(), others.end(), family) == others.end())
        hidden.insert(hidden.end(), {"exported_pod", "exported_namespace", "exported_container"});
    if (!family.starts_with("kube_horizontalpodautoscaler_")) hidden.emplace_back("horizontalpodautoscaler");
    hidden.emplace_back(family.starts_with("kube_statefulset_") ? "deployment" : "statefulset");
    return hidden;
}

/// Labels that the series of a workload carry: those of service discovery, of kube-state-metrics and of vLLM.
LabelSet labels_of(const Scenario& scenario, const WorkloadObject& w, const CompiledWorkload& facts) {
    LabelSet labels;
    for (const auto& [key, value] : w.pod.labels) labels[sanitized_label(key)] = value;
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
    return labels;
}

}  // namespace

std::string sanitized_label(const std::string& name) {
    std::string out = name;
    for (char& c : out)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return out;
}

Queries::Queries(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                 CompiledScenario& out, Problems& errors, Problems& warnings)
    : m_out(out),
      m_errors(errors),
      m_warnings(warnings),
      m_exposed(exposed_metrics()),
      m_compiler(make(scenario, objects)) {}

std::uint32_t Queries::add(const std::string& query, const SourcePosition& where, const std::string& path,
                           std::int32_t pods_of) {
    Result<PromqlProgram> program = m_compiler.compile(query, where, path);
    if (!program) {
        m_errors.insert(m_errors.end(), program.problems().begin(), program.problems().end());
        return 0;
    }
    m_warnings.insert(m_warnings.end(), program->warnings.begin(), program->warnings.end());
    if (pods_of >= 0) (void)read_only_pods_of(*program, m_compiler.layout().streams, pods_of);
    BlueprintParts& parts = m_out.parts;
    QueryPlan plan;
    plan.first_instruction = static_cast<std::uint32_t>(parts.instructions.size());
    plan.first_word = static_cast<std::uint32_t>(parts.words.size());
    plan.first_number = static_cast<std::uint32_t>(parts.numbers.size());
    plan.instruction_count = static_cast<std::int32_t>(program->instructions.size());
    plan.semantics = program->semantics;
    plan.is_scalar = program->is_scalar ? 1 : 0;
    plan.workspace = program->workspace;
    parts.instructions.insert(parts.instructions.end(), program->instructions.begin(),
                              program->instructions.end());
    parts.words.insert(parts.words.end(), program->words.begin(), program->words.end());
    parts.numbers.insert(parts.numbers.end(), program->numbers.begin(), program->numbers.end());
    parts.scrape.workspace.elements = std::max(parts.scrape.workspace.elements, plan.workspace.elements);
    parts.scrape.workspace.points = std::max(parts.scrape.workspace.points, plan.workspace.points);
    parts.queries.push_back(plan);
    return static_cast<std::uint32_t>(parts.queries.size() - 1);
}

std::vector<std::string> Queries::series_names() const {
    std::vector<std::string> out;
    for (const MetricFamily& f : m_exposed.catalog.families) out.push_back(f.name);
    for (const auto& [name, expression] : m_compiler.options().metrics) out.push_back(name);
    return out;
}

void Queries::finish() {
    const SampleLayout layout = m_compiler.layout();
    BlueprintParts& parts = m_out.parts;
    parts.scrape.series_count = layout.series_count;
    parts.scrape.sample_count = layout.sample_count;
    parts.streams = layout.streams;
    bool histograms = false;
    for (const StreamPlan& stream : layout.streams) {
        StreamSource source = m_exposed.sources[static_cast<std::size_t>(stream.family)];
        source.workload = static_cast<std::uint32_t>(std::max(stream.workload, 0));
        source.extra = stream.extra;
        histograms = histograms || source.source == SeriesKind::histogram_bucket ||
                     source.source == SeriesKind::histogram_sum ||
                     source.source == SeriesKind::histogram_count;
        parts.stream_sources.push_back(source);
    }
    if (histograms) {
        parts.histograms = m_exposed.histograms;
        parts.histogram_bounds = m_exposed.bounds;
    }
}

PromqlCompiler Queries::make(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects) {
    const std::int64_t interval_ms = m_out.parts.scrape.interval.count / ticks_per_millisecond;
    for (MetricFamily& f : m_exposed.catalog.families) {
        f.scrape_interval_ms = interval_ms;
        f.hidden_labels = hidden_labels(m_exposed, f.name);
    }
    for (std::size_t w = 0; w < objects.size(); ++w)
        m_exposed.catalog.add_workload(objects[w]->meta.name,
                                       labels_of(scenario, *objects[w], m_out.workloads[w]),
                                       static_cast<std::int32_t>(m_out.parts.workloads[w].pod_slots));
    for (MetricWorkload& w : m_exposed.catalog.workloads) w.pod_labels["exported_pod"] = w.pod_labels["pod"];
    PromqlOptions options;
    for (const RecordingRule& rule : scenario.manifests.recording_rules)
        options.metrics[rule.name] = rule.expression;
    for (const MetricMapping& m : scenario.metrics) options.metrics[m.name] = m.expression;
    return PromqlCompiler(m_exposed.catalog, options);
}

}  // namespace windtunnel
