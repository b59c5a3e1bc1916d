// What the simulated cluster exposes, and the queries over it.
#include "scenarios/compile_queries.hpp"

#include "policies/promql_labels.hpp"
#include "policies/promql_pods.hpp"
#include "scenarios/compile_autoscalers.hpp"
#include "scenarios/scrape_targets.hpp"

#include <algorithm>
#include <iterator>

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

/// A label's value in PromQL's quotes.
std::string in_quotes(const std::string& value) {
    std::string out = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

/// The expressions of recording rules by the names that they record; several rules may record one name, each with
/// labels of its own.
std::map<std::string, std::string> recorded_metrics(const std::vector<RecordingRule>& rules) {
    std::map<std::string, std::string> out;
    for (const RecordingRule& rule : rules) {
        std::string expression = "(" + rule.expression + ")";
        for (const auto& [label, value] : rule.labels)
            if (value.find("{{") == std::string::npos)
                expression = "label_replace(" + expression + ", " + in_quotes(label) + ", " + in_quotes(value) + ", \"\", \"\")";
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
    return out;
}

void QueryCompiler::finish() {
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
                     source.source == SeriesKind::histogram_sum || source.source == SeriesKind::histogram_count;
        parts.stream_sources.push_back(source);
    }
    if (histograms) {
        parts.histograms = m_exposed.histograms;
        parts.histogram_bounds = m_exposed.bounds;
    }
}

PromqlCompiler QueryCompiler::make(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects) {
    const BlueprintParts& parts = m_out.parts;
    const std::int64_t interval_ms = parts.scrape.interval.count / ticks_per_millisecond;
    for (MetricFamily& f : m_exposed.catalog.families) {
        f.scrape_interval_ms = interval_ms;
        f.hidden_labels = hidden_labels(m_exposed, f.name);
    }
    for (std::size_t w = 0; w < objects.size(); ++w)
        m_exposed.catalog.add_workload(objects[w]->meta.name, labels_of(scenario, *objects[w], m_out.workloads[w]),
                                       static_cast<std::int32_t>(parts.workloads[w].pod_slots));
    for (MetricWorkload& w : m_exposed.catalog.workloads) w.pod_labels["exported_pod"] = w.pod_labels["pod"];
    add_endpoints(scenario, objects);
    PromqlOptions options;
    options.longest_history_ms = (parts.span + parts.drain_limit + parts.scrape.interval).count / ticks_per_millisecond + 1;
    options.metrics = recorded_metrics(scenario.manifests.rules.recording);
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
