#include "scenarios/compile_autoscalers.hpp"

#include "policies/cron_schedule.hpp"
#include "policies/hpa_behavior.hpp"
#include "policies/promql_compiler.hpp"
#include "scenarios/metric_families.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cctype>
#include <cmath>

namespace windtunnel {

namespace {

HpaScalingRules rules_of(const ScalingRules& from, HpaScalingRules rules) {
    if (from.stabilization_window) rules.stabilization_window = *from.stabilization_window;
    if (from.select_policy) rules.select = static_cast<HpaSelectPolicy>(*from.select_policy);
    if (from.policies) {
        rules.policy_count = 0;
        for (const ScalingPolicy& p : *from.policies)
            if (rules.policy_count < hpa_max_policies)
                rules.policies[rules.policy_count++] = {
                    p.percent ? HpaPolicyType::percent : HpaPolicyType::pods, p.value, p.period};
    }
    return rules;
}

void set_behavior(HpaSpec& spec, const std::optional<ScalingBehavior>& behavior) {
    if (!behavior) return;
    spec.has_behavior = true;
    spec.scale_up = rules_of(behavior->scale_up, default_scale_up_rules());
    spec.scale_down = rules_of(behavior->scale_down, default_scale_down_rules(spec.downscale_stabilization));
    if (behavior->scale_up.tolerance)
        spec.tolerance.up = *behavior->scale_up.tolerance;
    if (behavior->scale_down.tolerance)
        spec.tolerance.down = *behavior->scale_down.tolerance;
}

/// A label name as Prometheus' service discovery writes a Kubernetes label's.
std::string sanitized(const std::string& name) {
    std::string out = name;
    for (char& c : out)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return out;
}

/// Labels that the series of a workload carry: those of service discovery, of kube-state-metrics and of vLLM.
LabelSet labels_of(const Scenario& scenario, const WorkloadObject& w, const CompiledWorkload& facts) {
    LabelSet labels;
    for (const auto& [key, value] : w.pod.labels) labels[sanitized(key)] = value;
    labels["namespace"] = w.meta.name_space;
    labels["deployment"] = w.meta.name;
    if (!w.pod.containers.empty())
        labels["container"] =
            w.pod.containers[std::min(w.server_container, w.pod.containers.size() - 1)].name;
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

/// Compiles all queries of a scenario and hands out their indices.
class Queries {
public:
    Queries(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
            CompiledScenario& out, Problems& errors, Problems& warnings)
        : m_out(out),
          m_errors(errors),
          m_warnings(warnings),
          m_exposed(exposed_metrics()),
          m_compiler(make(scenario, objects)) {}

    std::uint32_t add(const std::string& query, const SourcePosition& where, const std::string& path) {
        Result<PromqlProgram> program = m_compiler.compile(query, where, path);
        if (!program) {
            m_errors.insert(m_errors.end(), program.problems().begin(), program.problems().end());
            return 0;
        }
        m_warnings.insert(m_warnings.end(), program->warnings.begin(), program->warnings.end());
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

    /// The series that the queries read; once, after the last query.
    void finish() {
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

private:
    PromqlCompiler make(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects) {
        const std::int64_t interval_ms = m_out.parts.scrape.interval.count / ticks_per_millisecond;
        for (MetricFamily& f : m_exposed.catalog.families) f.scrape_interval_ms = interval_ms;
        for (std::size_t w = 0; w < objects.size(); ++w)
            m_exposed.catalog.add_workload(objects[w]->meta.name,
                                           labels_of(scenario, *objects[w], m_out.workloads[w]),
                                           static_cast<std::int32_t>(m_out.parts.workloads[w].pod_slots));
        PromqlOptions options;
        for (const MetricMapping& m : scenario.metrics) options.metrics[m.name] = m.expression;
        return PromqlCompiler(m_exposed.catalog, options);
    }

    CompiledScenario& m_out;
    Problems& m_errors;
    Problems& m_warnings;
    ExposedMetrics m_exposed;
    PromqlCompiler m_compiler;
};

std::int64_t milli(double value) { return std::llround(value * 1000.0); }

/// One Kubernetes object that scales one workload, on its way into a plan.
class ScalerDraft {
public:
    ScalerDraft(const Scenario& scenario, std::uint32_t workload, const StartClock& clock, Queries& queries,
                CompiledScenario& out, Problems& errors)
        : m_scenario(scenario),
          m_clock(clock),
          m_queries(queries),
          m_out(out),
          m_errors(errors) {
        m_plan.workload = workload;
    }

    void add(const ScaledObject& so) {
        m_plan.is_keda = 1;
        KedaScaledObject& k = m_plan.keda;
        k.min_replicas = so.min_replicas;
        k.max_replicas = so.max_replicas;
        k.has_idle_replicas = so.idle_replicas.has_value();
        k.idle_replicas = so.idle_replicas.value_or(0);
        k.polling_interval = so.polling_interval;
        k.cooldown = so.cooldown_period;
        k.initial_cooldown = so.initial_cooldown_period;
        k.paused = so.paused || so.paused_replicas.has_value();
        k.paused_scale_in = so.paused_scale_in;
        k.paused_scale_out = so.paused_scale_out;
        k.force_activation = so.force_activation;
        if (so.fallback) {
            k.fallback.configured = true;
            k.fallback.failure_threshold = so.fallback->failure_threshold;
            k.fallback.replicas = so.fallback->replicas;
            if (so.fallback->behavior == FallbackBehavior::scaling_modifiers)
                refuse(so.meta, "spec.fallback.behavior", "scalingModifiers are not simulated");
            else
                k.fallback.behavior = static_cast<KedaFallbackBehavior>(so.fallback->behavior);
        }
        if (so.modifiers)
            refuse(so.meta, "spec.advanced.scalingModifiers",
                   "a formula over triggers is not simulated, allowed: triggers without scalingModifiers");
        m_plan.paused = k.paused ? 1 : 0;
        m_plan.hpa = generated_hpa(k);
        m_plan.hpa.sync_period = seconds(15);
        set_behavior(m_plan.hpa, so.behavior);
        for (std::size_t i = 0; i < so.triggers.size(); ++i)
            trigger(so, so.triggers[i], fmt::format("spec.triggers[{}]", i));
        finish();
    }

    void add(const HorizontalPodAutoscaler& hpa) {
        m_plan.hpa.min_replicas = hpa.min_replicas;
        m_plan.hpa.max_replicas = hpa.max_replicas;
        m_plan.keda.polling_interval = seconds(30);
        set_behavior(m_plan.hpa, hpa.behavior);
        for (std::size_t i = 0; i < hpa.metrics.size(); ++i)
            metric(hpa, hpa.metrics[i], fmt::format("spec.metrics[{}]", i));
        finish();
    }

private:
    void refuse(const ObjectMeta& meta, const std::string& path, std::string message) {
        m_errors.push_back(
            {m_scenario.manifests.where(meta, path), meta.title() + ":" + path, std::move(message)});
    }

    bool has_room(const ObjectMeta& meta, const std::string& path) {
        if (m_plan.trigger_count < hpa_max_metrics) return true;
        refuse(
            meta, path,
            fmt::format("found more than {} metrics, allowed: at most {}", hpa_max_metrics, hpa_max_metrics));
        return false;
    }

    /// A CPU metric: a Resource metric of the HPA, for KEDA's cpu trigger too.
    void cpu(const ObjectMeta& meta, const std::string& path, std::int32_t percent,
             std::int64_t target_milli) {
        const WorkloadPlan& workload = m_out.parts.workloads[m_plan.workload];
        const std::int64_t request =
            m_out.parts.templates[workload.first_template].plan.needs[resource_cpu_milli];
        if (percent > 0 && request == 0)
            refuse(meta, path,
                   "a CPU utilization target needs the pods' CPU request, found none, allowed: "
                   "resources.requests.cpu on the container");
        TriggerPlan t;
        t.kind = TriggerSource::pod_cpu;
        t.request_milli = request;
        m_plan.triggers[m_plan.trigger_count++] = t;
        m_plan.hpa.metrics[m_plan.hpa.metric_count++] = {
            HpaMetricKind::resource, percent > 0 ? HpaTargetKind::utilization : HpaTargetKind::average_value,
            true, percent > 0 ? percent : target_milli};
    }

    void trigger(const ScaledObject& so, const Trigger& from, const std::string& path) {
        if (!has_room(so.meta, path)) return;
        if (from.kind == TriggerKind::cpu)
            return cpu(so.meta, path, from.utilization_percent, from.target_milli);
        if (from.kind == TriggerKind::memory)
            return refuse(
                so.meta, path,
                "memory triggers are not simulated, allowed: prometheus, queue, cron and cpu triggers");
        TriggerPlan t;
        t.activation = from.activation_threshold;
        std::int64_t target = milli(from.threshold);
        if (from.kind == TriggerKind::prometheus) {
            t.kind = TriggerSource::query;
            t.ignore_null_values = from.ignore_null_values ? 1 : 0;
            t.query = m_queries.add(from.query, m_scenario.manifests.where(so.meta, path + ".metadata.query"),
                                    so.meta.title() + ":" + path + ".metadata.query");
        } else if (from.kind == TriggerKind::queue && simulates_queue() && !from.queue_rate) {
            t.kind = TriggerSource::queue;
            t.workload = m_plan.workload;
            t.counts_in_flight = from.queue_counts_in_flight ? 1 : 0;
        } else if (from.kind == TriggerKind::queue || from.kind == TriggerKind::series) {
            if (!given_series(so, from, path, t)) return;
        } else {
            t.kind = TriggerSource::cron;
            target = cron_target_average * 1000;
            cron(so, from, path, t);
        }
        if (target <= 0)
            return refuse(so.meta, path, "found no threshold above 0, allowed: a positive threshold");
        m_plan.triggers[m_plan.trigger_count++] = t;
        (void)add_external_metric(m_plan.hpa, target, from.metric_type != MetricTargetType::value);
    }

    /// Whether requests wait for this workload in a queue of their own.
    [[nodiscard]] bool simulates_queue() const {
        return m_out.parts.workloads[m_plan.workload].per_replica_limit > 0;
    }

    /// A trigger on something that is not simulated reads what the scenario's `metrics` map says under the
    /// trigger's name, its metricName, or the name of what it looks at.
    bool given_series(const ScaledObject& so, const Trigger& from, const std::string& path, TriggerPlan& t) {
        std::vector<std::string> names = {from.name};
        if (const auto found = from.metadata.find("metricName"); found != from.metadata.end())
            names.push_back(found->second);
        names.push_back(from.queue);
        std::erase_if(names, [](const std::string& name) { return name.empty(); });
        for (const std::string& name : names)
            for (const MetricMapping& mapping : m_scenario.metrics) {
                if (mapping.name != name) continue;
                t.kind = TriggerSource::query;
                t.query = m_queries.add(mapping.expression, mapping.where, "metrics." + name);
                return true;
            }
        const std::string wanted = names.empty() ? "NAME" : names.front();
        const bool queue = from.kind == TriggerKind::queue && !from.queue_rate;
        refuse(so.meta, path,
               fmt::format("a {} trigger reads something that is not simulated, allowed: its value in the scenario as "
                           "metrics: {{\"{}\": EXPRESSION}}{}{}",
                           from.type, wanted, names.empty() ? " and name: NAME on the trigger" : "",
                           queue ? ", or workload.routing: queue where it is the queue in front of the workload" : ""));
        return false;
    }

    void cron(const ScaledObject& so, const Trigger& from, const std::string& path, TriggerPlan& t) {
        CronTriggerText text{from.timezone, from.start, from.end, std::to_string(from.desired_replicas)};
        const auto parsed =
            parse_cron_trigger(text, m_scenario.manifests.where(so.meta, path), so.meta.title() + ":" + path);
        if (!parsed) {
            m_errors.insert(m_errors.end(), parsed.problems().begin(), parsed.problems().end());
            return;
        }
        const BlueprintParts& parts = m_out.parts;
        const auto intervals =
            active_intervals(*parsed, UtcSeconds{std::chrono::seconds{m_clock.start_unix_s}}, Tick{},
                             parts.span + parts.drain_limit);
        t.first_interval = static_cast<std::uint32_t>(parts.intervals.size());
        t.interval_count = static_cast<std::uint32_t>(intervals.size());
        t.value = static_cast<double>(parsed->desired_replicas);
        m_out.parts.intervals.insert(m_out.parts.intervals.end(), intervals.begin(), intervals.end());
    }

    /// Google's metrics adapter writes a Prometheus series as `prometheus.googleapis.com|NAME|KIND`.
    static std::string series_of(const std::string& name) {
        const std::string prefix = "prometheus.googleapis.com|";
        if (!name.starts_with(prefix)) return name;
        return name.substr(prefix.size(), name.rfind('|') - prefix.size());
    }

    static std::string selector_text(const LabelSelector& s) {
        std::string out;
        for (const auto& [key, value] : s.match_labels)
            out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", sanitized(key), value);
        return out.empty() ? "" : "{" + out + "}";
    }

    void metric(const HorizontalPodAutoscaler& hpa, const HpaMetric& from, const std::string& path) {
        if (!has_room(hpa.meta, path)) return;
        const bool resource =
            from.source == MetricSource::resource || from.source == MetricSource::container_resource;
        if (resource && from.name == "cpu")
            return cpu(hpa.meta, path, from.utilization_percent, from.target_milli);
        if (resource)
            return refuse(hpa.meta, path,
                          fmt::format("the resource metric {} is not simulated, allowed: cpu, or Pods, "
                                      "Object and External metrics",
                                      from.name));
        if (!from.selector.match_expressions.empty())
            return refuse(hpa.meta, path,
                          "matchExpressions in a metric's selector are not simulated, allowed: matchLabels");
        TriggerPlan t;
        t.kind = from.source == MetricSource::pods ? TriggerSource::pod_query : TriggerSource::query;
        t.sums_series = 1;
        t.ignore_null_values = 0;  // the metrics API answers a query without result with an error
        t.query = m_queries.add(series_of(from.name) + selector_text(from.selector),
                                m_scenario.manifests.where(hpa.meta, path), hpa.meta.title() + ":" + path);
        m_plan.triggers[m_plan.trigger_count++] = t;
        const HpaMetricKind kind = from.source == MetricSource::pods     ? HpaMetricKind::pods
                                   : from.source == MetricSource::object ? HpaMetricKind::object
                                                                         : HpaMetricKind::external;
        m_plan.hpa.metrics[m_plan.hpa.metric_count++] = {
            kind,
            from.target == MetricTargetType::value ? HpaTargetKind::value : HpaTargetKind::average_value,
            false, from.target_milli};
    }

    void finish() {
        m_plan.log = hpa_log_capacity(m_plan.hpa);
        m_out.parts.workloads[m_plan.workload].autoscaler =
            static_cast<std::int32_t>(m_out.parts.autoscalers.size());
        m_out.parts.autoscalers.push_back(m_plan);
    }

    const Scenario& m_scenario;
    const StartClock& m_clock;
    Queries& m_queries;
    CompiledScenario& m_out;
    Problems& m_errors;
    AutoscalerPlan m_plan;
};

/// CronJobs that run `kubectl scale`: a replica count at each of their times, 100 ms after the minute.
void compile_schedule(const Scenario& scenario, const std::vector<const WorkloadObject*>& workloads,
                      const StartClock& clock, BlueprintParts& parts, Problems& errors) {
    for (const ScalingCronJob& job : scenario.manifests.scaling_cron_jobs) {
        if (job.suspended || job.min_replicas || job.max_replicas) continue;
        const auto at = [&](const std::string& path) { return scenario.manifests.where(job.meta, path); };
        const auto schedule = CronSchedule::parse(job.schedule, CronDescriptors::allowed, at("spec.schedule"),
                                                  job.meta.title() + ":spec.schedule");
        const auto zone =
            find_time_zone(job.timezone, at("spec.timeZone"), job.meta.title() + ":spec.timeZone");
        if (!schedule) errors.insert(errors.end(), schedule.problems().begin(), schedule.problems().end());
        if (!zone) errors.insert(errors.end(), zone.problems().begin(), zone.problems().end());
        if (!schedule || !zone) continue;
        for (std::uint32_t w = 0; w < workloads.size(); ++w) {
            if (workloads[w]->meta.name != job.target.name ||
                workloads[w]->meta.name_space != job.meta.name_space)
                continue;
            const std::int64_t start = clock.start_unix_s;
            UtcSeconds now{std::chrono::seconds{start}};
            while (const auto next = schedule->next_after(now, *zone)) {
                const Tick when = seconds((next->time_since_epoch()).count() - start) +
                                  milliseconds(100);  // kubernetes.md 3.3.1
                if (when > parts.span + parts.drain_limit || parts.schedule.size() > 100'000) break;
                parts.schedule.push_back({when, w, static_cast<std::uint32_t>(job.replicas)});
                now = *next;
            }
        }
    }
    std::stable_sort(parts.schedule.begin(), parts.schedule.end(),
                     [](const ScheduledScale& a, const ScheduledScale& b) { return a.at < b.at; });
}

}  // namespace

ScalerOf scaler_of(const Scenario& scenario, const WorkloadObject& w) {
    ScalerOf out;
    const auto targets = [&](const ObjectMeta& meta, const ScaleTarget& t) {
        return t.kind == w.meta.kind && t.name == w.meta.name && meta.name_space == w.meta.name_space;
    };
    for (const ScaledObject& s : scenario.manifests.scaled_objects)
        if (targets(s.meta, s.target)) out.scaled_object = &s;
    for (const HorizontalPodAutoscaler& h : scenario.manifests.horizontal_pod_autoscalers)
        if (targets(h.meta, h.target)) out.hpa = &h;
    return out;
}

void compile_autoscalers(const Scenario& scenario, const std::vector<const WorkloadObject*>& workloads,
                         const StartClock& clock, CompiledScenario& out, Problems& errors,
                         Problems& warnings) {
    Queries queries(scenario, workloads, out, errors, warnings);
    for (std::uint32_t w = 0; w < workloads.size(); ++w) {
        const ScalerOf scaler = scaler_of(scenario, *workloads[w]);
        ScalerDraft draft(scenario, w, clock, queries, out, errors);
        if (scaler.scaled_object != nullptr)
            draft.add(*scaler.scaled_object);
        else if (scaler.hpa != nullptr)
            draft.add(*scaler.hpa);
    }
    queries.finish();
    compile_schedule(scenario, workloads, clock, out.parts, errors);
}

}  // namespace windtunnel
