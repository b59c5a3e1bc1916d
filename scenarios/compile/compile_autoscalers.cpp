#include "scenarios/compile/compile_autoscalers.hpp"

#include "policies/cron_schedule.hpp"
#include "policies/hpa_behavior.hpp"
#include "policies/keda_formula_compiler.hpp"
#include "scenarios/compile/compile_alerts.hpp"
#include "scenarios/compile/compile_queries.hpp"
#include "scenarios/compile/scrape_targets.hpp"

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

std::int64_t milli(double value) { return std::llround(value * 1000.0); }

/// One Kubernetes object that scales one workload, on its way into a plan.
class ScalerDraft {
public:
    ScalerDraft(const Scenario& scenario, const WorkloadObject& object, std::uint32_t workload,
                const StartClock& clock, QueryCompiler& queries, CompiledScenario& out, Problems& errors)
        : m_scenario(scenario),
          m_object(object),
          m_clock(clock),
          m_queries(queries),
          m_out(out),
          m_errors(errors) {
        m_plan.workload = workload;
    }

    void add(const ScaledObject& so) {
        name(so.meta, "spec.maxReplicaCount", so.hpa_name);
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
            k.fallback.behavior = static_cast<KedaFallbackBehavior>(so.fallback->behavior);
            if (so.fallback->behavior == FallbackBehavior::scaling_modifiers && !so.modifiers)
                refuse(so.meta, "spec.fallback.behavior",
                       "found scalingModifiers without a formula, allowed: with spec.advanced.scalingModifiers");
        }
        m_modifiers = so.modifiers ? &*so.modifiers : nullptr;
        m_plan.paused = k.paused ? 1 : 0;
        m_plan.hpa = generated_hpa(k);
        m_plan.hpa.sync_period = seconds(15);
        set_behavior(m_plan.hpa, so.behavior);
        for (std::size_t i = 0; i < so.triggers.size(); ++i)
            trigger(so, so.triggers[i], fmt::format("spec.triggers[{}]", i));
        if (m_modifiers != nullptr) formula(so);
        finish();
    }

    /// Its triggers are read as a ScaledObject's are.
    void add(const ScaledJobObject& job) {
        ScaledObject so;
        so.meta = job.meta;
        so.polling_interval = job.polling_interval;
        so.min_replicas = job.min_replicas;
        so.max_replicas = job.max_replicas;
        so.triggers = job.triggers;
        m_plan.scales_jobs = 1;
        m_plan.jobs.min_replicas = job.min_replicas;
        m_plan.jobs.max_replicas = job.max_replicas;
        m_plan.jobs.queue_length_deduction = job.custom_queue_deduction;
        m_plan.jobs.running_job_percentage = job.custom_running_percentage;
        m_plan.jobs.strategy = static_cast<KedaJobStrategy>(job.strategy);
        m_plan.jobs.calculation = job.calculation == "min"   ? KedaJobCalculation::min
                                  : job.calculation == "avg" ? KedaJobCalculation::avg
                                  : job.calculation == "sum" ? KedaJobCalculation::sum
                                                             : KedaJobCalculation::max;
        for (const std::string& condition : job.pending_pod_conditions) {
            const PodMilestone milestone = condition == "PodScheduled" ? PodMilestone::scheduled
                                           : condition == "Ready" || condition == "ContainersReady"
                                               ? PodMilestone::ready
                                               : PodMilestone::initialized;
            m_plan.pending_until |= static_cast<std::uint8_t>(1u << static_cast<unsigned>(milestone));
        }
        add(so);
    }

    void add(const HorizontalPodAutoscaler& hpa) {
        name(hpa.meta, "spec.maxReplicas", hpa.meta.name);
        m_plan.hpa.min_replicas = hpa.min_replicas;
        m_plan.hpa.max_replicas = hpa.max_replicas;
        m_plan.keda.polling_interval = seconds(30);
        set_behavior(m_plan.hpa, hpa.behavior);
        for (std::size_t i = 0; i < hpa.metrics.size(); ++i)
            metric(hpa, hpa.metrics[i], fmt::format("spec.metrics[{}]", i));
        finish();
    }

private:
    void name(const ObjectMeta& meta, const std::string& maximum, const std::string& hpa) {
        m_names.name = meta.title();
        m_names.hpa = hpa;
        m_names.target = m_object.meta.title();
        m_names.name_space = meta.name_space;
        m_names.maximum_where = m_scenario.manifests.where(meta, maximum);
        m_names.maximum_path = meta.title() + ":" + maximum;
    }
    /// Names the metric and the trigger that are added next.
    void name_metric(std::string metric, std::string trigger) {
        m_names.metrics.push_back(std::move(metric));
        m_names.triggers.push_back(std::move(trigger));
    }

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

    /// A metric of cpu or memory: a Resource or ContainerResource metric of the HPA, for KEDA's triggers too.
    void resource(const ObjectMeta& meta, const std::string& path, bool cpu, const std::string& container,
                  std::int32_t percent, std::int64_t target_milli) {
        const WorkloadPlan& workload = m_out.parts.workloads[m_plan.workload];
        const auto& needs = m_out.parts.templates[workload.first_template].plan.needs;
        TriggerPlan t;
        t.kind = cpu ? TriggerSource::pod_cpu : TriggerSource::pod_memory;
        t.request_milli = cpu ? needs[resource_cpu_milli] : saturated_milli(needs[resource_memory_bytes]);
        if (!container.empty()) {
            const auto& containers = m_object.pod.containers;
            t.is_sidecar = 1;  // only the server's container works
            t.request_milli = 0;
            for (std::size_t i = 0; i < containers.size(); ++i) {
                if (containers[i].name != container) continue;
                const auto& resources = containers[i].resources;
                t.is_sidecar = i == m_object.server_container ? 0 : 1;
                t.request_milli = cpu ? resources.cpu_request_milli.value_or(0)
                                      : saturated_milli(resources.memory_request_bytes.value_or(0));
            }
        }
        if (cpu && m_out.parts.templates[workload.first_template].plan.server < 0)
            m_out.warnings.push_back({m_scenario.manifests.where(meta, path), meta.title() + ":" + path,
                                      "reads the CPU of pods of which nothing says what they use (they answer no requests here): "
                                      "there are no samples, FailedGetResourceMetric, and this metric scales nothing"});
        if (percent > 0 && t.request_milli == 0)
            refuse(meta, path,
                   fmt::format("a {0} utilization target needs the pods' {0} request, found none, allowed: "
                               "resources.requests.{0} on the container",
                               cpu ? "cpu" : "memory"));
        t.metric = m_plan.hpa.metric_count;
        const std::string name = cpu ? "cpu" : "memory";
        name_metric(name + (container.empty() ? "" : " container") + " resource" +
                        (percent > 0 ? " utilization (percentage of request)" : "") +
                        (container.empty() ? "" : " of " + container),
                    name);
        m_plan.triggers[m_plan.trigger_count++] = t;
        m_plan.hpa.metrics[m_plan.hpa.metric_count++] = {
            container.empty() ? HpaMetricKind::resource : HpaMetricKind::container_resource,
            percent > 0 ? HpaTargetKind::utilization : HpaTargetKind::average_value, cpu,
            percent > 0 ? percent : target_milli};
    }

    static std::int64_t saturated_milli(std::int64_t bytes) {
        return bytes > INT64_MAX / 1000 ? INT64_MAX : bytes * 1000;
    }

    /// scalingModifiers: one composite metric in place of the triggers' own.
    void formula(const ScaledObject& so) {
        const std::string path = "spec.advanced.scalingModifiers";
        std::vector<std::string> names;
        for (const Trigger& t : so.triggers)
            names.push_back(t.kind == TriggerKind::cpu || t.kind == TriggerKind::memory ? "" : t.name);
        const auto program = compile_keda_formula(m_modifiers->formula, names,
                                                  m_scenario.manifests.where(so.meta, path + ".formula"),
                                                  so.meta.title() + ":" + path + ".formula");
        if (!program) {
            m_errors.insert(m_errors.end(), program.problems().begin(), program.problems().end());
            return;
        }
        m_plan.formula = *program;
        m_plan.formula_activation = m_modifiers->activation_target;
        m_plan.formula_metric = m_plan.hpa.metric_count;
        if (!add_external_metric(m_plan.hpa, milli(m_modifiers->target),
                                 m_modifiers->metric_type != MetricTargetType::value))
            (void)has_room(so.meta, path);
        m_names.metrics.emplace_back("external metric composite-metric");
    }

    void trigger(const ScaledObject& so, const Trigger& from, const std::string& path) {
        if (!has_room(so.meta, path)) return;
        if (from.kind == TriggerKind::cpu || from.kind == TriggerKind::memory)
            return resource(so.meta, path, from.kind == TriggerKind::cpu, from.container,
                            from.utilization_percent, from.target_milli);
        TriggerPlan t;
        t.activation = from.activation_threshold;
        std::int64_t target = milli(from.threshold);
        if (from.kind == TriggerKind::prometheus) {
            t.kind = TriggerSource::query;
            t.ignore_null_values = from.ignore_null_values ? 1 : 0;
            t.query = m_queries.add(from.query, m_scenario.manifests.where(so.meta, path + ".metadata.query"),
                                    so.meta.title() + ":" + path + ".metadata.query");
        } else if (from.kind == TriggerKind::queue && (simulates_queue() || from.queue_at_gateway) && !from.queue_rate) {
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
        t.is_cached = from.use_cached_metrics ? 1 : 0;
        if (m_modifiers != nullptr) {
            t.target_milli = milli(m_modifiers->target);
            t.is_average = m_modifiers->metric_type != MetricTargetType::value ? 1 : 0;
        } else {
            t.target_milli = target;
            t.is_average = from.metric_type != MetricTargetType::value ? 1 : 0;
            t.metric = m_plan.hpa.metric_count;
            (void)add_external_metric(m_plan.hpa, target, t.is_average != 0);
            m_names.metrics.push_back("external metric " + scaler_name(from, path));
        }
        m_names.triggers.push_back(from.name.empty() ? from.type : from.name);
        m_plan.triggers[m_plan.trigger_count++] = t;
    }

    /// s0-prometheus, as KEDA names the metric of trigger 0 (pkg/scalers GenerateMetricNameWithIndex).
    static std::string scaler_name(const Trigger& from, const std::string& path) {
        const std::string index = path.substr(path.rfind('[') + 1, path.rfind(']') - path.rfind('[') - 1);
        std::string what = from.type;
        if (!from.queue.empty()) what += "-" + from.queue.substr(from.queue.rfind('/') + 1);
        return "s" + index + "-" + what;
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
               fmt::format("the {} trigger reads something that is not simulated, allowed: its value in the scenario as "
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

    static bool is_series_name(const std::string& name) {
        return std::all_of(name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == ':'; });
    }

    /// A value inside a quoted regular expression that has to match it alone.
    static std::string quoted(const std::string& value, bool pattern) {
        std::string out;
        for (const char c : value) {
            if (pattern && std::string_view("\\.+*?()[]{}|^$").find(c) != std::string_view::npos) out += "\\\\";
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        return out;
    }

    /// A metric's selector as matchers, as prometheus-adapter writes it.
    static std::string selector_text(const LabelSelector& s) {
        std::vector<std::string> matchers;
        for (const auto& [key, value] : s.match_labels)
            matchers.push_back(fmt::format("{}=\"{}\"", sanitized_label(key), quoted(value, false)));
        for (const SelectorExpression& e : s.match_expressions) {
            std::string values;
            for (const std::string& value : e.values) values += (values.empty() ? "" : "|") + quoted(value, true);
            const bool negative = e.op == SelectorOperator::not_in || e.op == SelectorOperator::does_not_exist;
            const bool listed = e.op == SelectorOperator::in || e.op == SelectorOperator::not_in;
            matchers.push_back(listed ? fmt::format("{}{}\"{}\"", sanitized_label(e.key), negative ? "!~" : "=~", values)
                                      : fmt::format("{}{}\"\"", sanitized_label(e.key), negative ? "=" : "!="));
        }
        return matchers.empty() ? "" : fmt::format("{{{}}}", fmt::join(matchers, ","));
    }

    /// The query of an HPA's Pods, Object or External metric: what the scenario's `metrics` map says under its
    /// name (which may hold characters that PromQL does not allow), else what a rule of prometheus-adapter
    /// makes of a series, else the series of that name.
    std::string query_of(const HorizontalPodAutoscaler& hpa, const HpaMetric& from) const {
        for (const MetricMapping& mapping : m_scenario.metrics)
            if (mapping.name == from.name && (from.selector.empty() || !is_series_name(series_of(from.name)))) return mapping.expression;
        std::string selector = selector_text(from.selector);
        if (!selector.empty()) selector = selector.substr(1, selector.size() - 2);
        for (const AdapterRule& rule : m_scenario.manifests.adapter_rules) {
            if (rule.external != (from.source == MetricSource::external)) continue;
            for (const std::string& series : m_queries.series_names()) {
                if (rule.metric_of(series) != from.name) continue;
                std::string matchers = selector, resource;
                const auto match = [&](const std::string& what, const std::string& value) {
                    matchers += fmt::format("{}{}=\"{}\"", matchers.empty() ? "" : ",", rule.label_of(what), value);
                };
                if (from.source == MetricSource::pods) resource = "pod";
                if (from.source == MetricSource::object) {
                    resource = from.object_kind;
                    std::transform(resource.begin(), resource.end(), resource.begin(),
                                   [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
                    match(resource, from.object_name);
                }
                match("namespace", hpa.meta.name_space);
                return rule.query_of(series, matchers, resource);
            }
        }
        return series_of(from.name) + selector_text(from.selector);
    }

    void metric(const HorizontalPodAutoscaler& hpa, const HpaMetric& from, const std::string& path) {
        if (!has_room(hpa.meta, path)) return;
        if (from.source == MetricSource::resource || from.source == MetricSource::container_resource)
            return resource(hpa.meta, path, from.name == "cpu", from.container, from.utilization_percent,
                            from.target_milli);
        TriggerPlan t;
        const std::string query = query_of(hpa, from), series = series_of(from.name);
        if (!is_series_name(series) && query.starts_with(series))
            return refuse(hpa.meta, path, fmt::format("the metric {} is served by a system that is not simulated, allowed: its value in the scenario as metrics: {{\"{}\": EXPRESSION}}", from.name, from.name));
        t.kind = from.source == MetricSource::pods ? TriggerSource::pod_query : TriggerSource::query;
        t.sums_series = 1;
        t.ignore_null_values = 0;  // the metrics API answers a query without result with an error
        t.query = m_queries.add(query, m_scenario.manifests.where(hpa.meta, path),
                                hpa.meta.title() + ":" + path,
                                t.kind == TriggerSource::pod_query ? static_cast<std::int32_t>(m_plan.workload) : -1);
        t.metric = m_plan.hpa.metric_count;
        name_metric(from.source == MetricSource::pods     ? "pods metric " + from.name
                    : from.source == MetricSource::object ? from.object_kind + " metric " + from.name
                                                          : "external metric " + from.name,
                    from.name);
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
        m_out.autoscalers.push_back(std::move(m_names));
    }

    const Scenario& m_scenario;
    const WorkloadObject& m_object;
    const ScalingModifiers* m_modifiers = nullptr;
    const StartClock& m_clock;
    QueryCompiler& m_queries;
    CompiledScenario& m_out;
    Problems& m_errors;
    AutoscalerPlan m_plan;
    CompiledAutoscaler m_names;
};

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
    for (const ScaledJobObject& j : scenario.manifests.scaled_jobs)
        if (w.meta.kind == j.meta.kind && w.meta.name == j.meta.name && w.meta.name_space == j.meta.name_space) out.scaled_job = &j;
    return out;
}

bool gateway_holds(const Scenario& scenario, const WorkloadObject& workload) {
    const ScaledObject* scaled = scaler_of(scenario, workload).scaled_object;
    const std::vector<Document>& documents = scenario.manifests.documents;
    if (scaled == nullptr || scaled->meta.document >= documents.size()) return false;
    const std::string& maker = documents[scaled->meta.document].made_from;
    return maker.starts_with("HTTPScaledObject/") || maker.starts_with("RayService/");
}

void compile_autoscalers(const Scenario& scenario, const std::vector<const WorkloadObject*>& workloads,
                         const StartClock& clock, CompiledScenario& out, Problems& errors,
                         Problems& warnings) {
    QueryCompiler queries(scenario, workloads, out, errors, warnings);
    for (std::uint32_t w = 0; w < workloads.size(); ++w) {
        const ScalerOf scaler = scaler_of(scenario, *workloads[w]);
        ScalerDraft draft(scenario, *workloads[w], w, clock, queries, out, errors);
        if (scaler.scaled_object != nullptr)
            draft.add(*scaler.scaled_object);
        else if (scaler.hpa != nullptr)
            draft.add(*scaler.hpa);
        else if (scaler.scaled_job != nullptr)
            draft.add(*scaler.scaled_job);
    }
    compile_alerts(scenario, queries, out, warnings);
    for (Problem& p : check_alert_thresholds(scenario.thresholds, out.alerts)) errors.push_back(std::move(p));
    queries.finish();
    compile_schedule(scenario, workloads, clock, out.parts, errors);
}

}  // namespace windtunnel
