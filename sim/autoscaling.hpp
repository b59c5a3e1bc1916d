#pragma once
#include "policies/hpa_reconcile.hpp"
#include "policies/keda_scalers.hpp"
#include "sim/metrics_board.hpp"

namespace windtunnel {

/// The autoscalers of a trial: reads their metrics, lets the HPA and KEDA policies decide, says what they
/// want.
///
/// `Host` is the trial: fleet(), workload_reading(…), scale(workload, replicas, metric, now).
template <class Layout>
class Autoscaling {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_states = arena.template take_plain<State>(b.autoscalers.size());
        for (std::uint32_t a = 0; a < b.autoscalers.size(); ++a) {
            const HpaLogCapacity& log = b.autoscalers[a].log;
            auto* recommendations =
                arena.template take_plain<HpaRecommendation>(static_cast<std::size_t>(log.recommendations));
            auto* ups = arena.template take_plain<HpaScaleEvent>(static_cast<std::size_t>(log.scale_ups));
            auto* downs = arena.template take_plain<HpaScaleEvent>(static_cast<std::size_t>(log.scale_downs));
            if (m_states == nullptr) continue;
            m_states[a] = State{};
            m_states[a].hpa.recommendations = {recommendations, log.recommendations, 0};
            m_states[a].hpa.scale_ups = {ups, log.scale_ups, 0};
            m_states[a].hpa.scale_downs = {downs, log.scale_downs, 0};
        }
        std::uint32_t most = 0;
        for (const WorkloadPlan& w : b.workloads)
            if (w.autoscaler >= 0 && w.pod_slots > most) most = w.pod_slots;
        m_pods = arena.template take_plain<HpaPod>(most);
        m_samples = arena.template take_plain<HpaPodSample>(std::size_t{most} * hpa_max_metrics);
        m_sample_of = arena.template take_plain<std::int32_t>(most);
        m_pod_capacity = most;
    }

    /// The controllers have run before t = 0; where in their periods they are is random.
    WT_HD_COLD void start(const Blueprint& b, TrialKey key, Calendar<Layout>& calendar,
                          const ControlSlots& slots) {
        m_blueprint = &b;
        for (std::uint32_t a = 0; a < b.autoscalers.size(); ++a) {
            const AutoscalerPlan& plan = b.autoscalers[a];
            State& s = m_states[a];
            s.hpa.recommendations.count = s.hpa.scale_ups.count = s.hpa.scale_downs.count = 0;
            s.hpa.scaled_to_zero = false;
            s.keda = {};
            s.hpa_spec = plan.hpa;
            s.keda_spec = plan.keda;
            s.keda.ever_active = b.workloads[plan.workload].initial_replicas > 0;
            for (KedaHealth& h : s.health) h = {};
            for (bool& has : s.has_cached) has = false;
            RandomStream phase(key.seed, key.trial, StreamPurpose::controller_phase, a);
            const auto sync = static_cast<std::uint64_t>(plan.hpa.sync_period.count),
                       poll = static_cast<std::uint64_t>(plan.keda.polling_interval.count);
            calendar.set(slots.hpa + a,
                         plan.paused || plan.scales_jobs ? never : Tick{static_cast<std::int64_t>(phase.below(sync))});
            calendar.set(slots.keda + a, plan.is_keda && !plan.paused
                                             ? Tick{static_cast<std::int64_t>(phase.below(poll))}
                                             : never);
        }
    }

    /// Its HPA's bounds, as they are now.
    [[nodiscard]] WT_HD std::int32_t minimum(std::uint32_t a) const { return m_states[a].hpa_spec.min_replicas; }
    [[nodiscard]] WT_HD std::int32_t maximum(std::uint32_t a) const { return m_states[a].hpa_spec.max_replicas; }

    /// Somebody patches an autoscaler's bounds; -1 leaves one as it is. KEDA hands them on to its HPA, whose
    /// minimum is at least 1.
    WT_HD_COLD void set_bounds(std::uint32_t a, std::int32_t minimum, std::int32_t maximum) {
        State& s = m_states[a];
        const bool keda = m_blueprint->autoscalers[a].is_keda != 0;
        if (minimum >= 0) {
            s.keda_spec.min_replicas = minimum;
            s.hpa_spec.min_replicas = keda && minimum < 1 ? 1 : minimum;
        }
        if (maximum >= 0) s.keda_spec.max_replicas = s.hpa_spec.max_replicas = maximum;
    }

    /// One poll of KEDA's loop: between zero (or idle) and the minimum.
    template <class Host>
    WT_HD_COLD void poll(std::uint32_t a, Host& host, MetricsBoard<Layout>& board, Tick now, Fault& fault) {
        const AutoscalerPlan& plan = m_blueprint->autoscalers[a];
        if (plan.scales_jobs) return poll_jobs(a, host, board, now, fault);
        State& s = m_states[a];
        const auto current = static_cast<std::int32_t>(host.workload(plan.workload).desired);
        KedaTriggerReading readings[hpa_max_metrics];
        KedaMetricAnswer answers[hpa_max_metrics];
        for (std::uint32_t t = 0; t < plan.trigger_count; ++t) {
            KedaTriggerReading& reading = readings[t];
            reading.resource = is_pod_resource(plan.triggers[t]);
            if (reading.resource) continue;
            const KedaScalerReading r = read(plan.triggers[t], host, board, now, fault);
            s.cached[t] = r;
            s.has_cached[t] = true;
            answers[t] = answer_of(plan, s, t, r, host, current);
            reading.active = !r.error && r.active;
            reading.error = answers[t].error;
            reading.fell_back = answers[t].fell_back;
        }
        KedaObjectActivity activity = object_activity(readings, static_cast<std::int32_t>(plan.trigger_count));
        if (plan.formula_metric >= 0) {
            const KedaMetricAnswer composite = composite_of(plan, answers);
            activity.error = activity.error || composite.error;
            activity.active = !activity.error && static_cast<double>(composite.value_milli) >
                                                     plan.formula_activation * 1000.0;
        }
        const KedaDecision d = request_scale(s.keda_spec, s.keda, current, activity.active, activity.error, now);
        KedaPollRecord record{a, current, 0, 0, d, now};
        for (std::uint32_t t = 0; t < plan.trigger_count; ++t) {
            if (is_pod_resource(plan.triggers[t])) continue;
            record.failing |= s.health[t].failing ? 1u << t : 0u;
            record.falling_back |= is_falling_back(plan.keda.fallback, s.health[t]) ? 1u << t : 0u;
        }
        host.note(record);
        if (d.rescale) host.scale(plan.workload, d.replicas, -1, now);
    }

    /// One poll of a ScaledJob: it starts Jobs, which end by themselves.
    template <class Host>
    WT_HD_COLD void poll_jobs(std::uint32_t a, Host& host, MetricsBoard<Layout>& board, Tick now, Fault& fault) {
        const AutoscalerPlan& plan = m_blueprint->autoscalers[a];
        const WorkloadPlan& w = m_blueprint->workloads[plan.workload];
        KedaJobMetric metrics[hpa_max_metrics];
        KedaPollRecord record{a, static_cast<std::int32_t>(host.workload(plan.workload).desired), 0, 0, {}, now};
        for (std::uint32_t t = 0; t < plan.trigger_count; ++t) {
            const KedaScalerReading r = read(plan.triggers[t], host, board, now, fault);
            if (r.error) record.failing |= 1u << t;
            metrics[t] = {!r.error && r.active, r.error ? 0 : r.value,
                          static_cast<double>(plan.triggers[t].target_milli) / 1000.0};
        }
        const KedaJobDemand demand = keda_job_demand(plan.jobs, metrics, static_cast<std::int32_t>(plan.trigger_count));
        std::int64_t pending = 0, there = 0;
        const auto& existing = host.existing_pods();
        for (std::uint32_t p = existing.next(w.first_pod); p < w.first_pod + w.pod_slots; p = existing.next(p + 1)) {
            if (!host.pod(p).active()) continue;
            ++there;
            if (is_pending_job(plan, host.pod(p))) ++pending;
        }
        const std::int64_t running = record.current;
        pending += running > there ? running - there : 0;  // whose pod waits for a back-off or a quota
        const std::int64_t starts = keda_jobs_to_start(plan.jobs, demand, running, pending);
        record.decision.rescale = starts > 0;
        record.decision.replicas = static_cast<std::int32_t>(running + starts);
        host.note(record);
        if (starts > 0) host.scale(plan.workload, record.decision.replicas, -1, now);
    }

    /// One sync of an HPA.
    template <class Host>
    WT_HD_COLD void sync(std::uint32_t a, Host& host, MetricsBoard<Layout>& board, Tick now, Fault& fault) {
        const AutoscalerPlan& plan = m_blueprint->autoscalers[a];
        State& s = m_states[a];
        const WorkloadState& w = host.workload(plan.workload);
        HpaSnapshot snapshot;
        snapshot.spec_replicas = static_cast<std::int32_t>(w.desired);
        snapshot.status_replicas = static_cast<std::int32_t>(w.active);
        bool asks = false;
        for (std::int32_t i = 0; i < s.hpa_spec.metric_count; ++i)
            asks = asks || asks_for_pods(s.hpa_spec.metrics[i]);
        if (asks) list_pods(plan.workload, host, snapshot);
        std::int64_t values[hpa_max_metrics];
        KedaMetricAnswer answers[hpa_max_metrics];
        for (std::uint32_t t = 0; t < plan.trigger_count; ++t) {
            const TriggerPlan& trigger = plan.triggers[t];
            if (trigger.kind == TriggerSource::pod_query || is_pod_resource(trigger)) {
                HpaPodSample* samples = m_samples + std::size_t{t} * m_pod_capacity;
                snapshot.metrics[trigger.metric].samples = samples;
                snapshot.metrics[trigger.metric].failed =
                    is_pod_resource(trigger) && board.is_out(OutageKind::metrics_server, 0, now);
                sample_pods(trigger, plan.workload, host, board, now, samples, fault);
                continue;
            }
            if (!trigger.is_cached || !s.has_cached[t]) {
                s.cached[t] = read(trigger, host, board, now, fault);
                s.has_cached[t] = true;  // before the first poll of a trial: what one before it would have read
            }
            const KedaScalerReading r = s.cached[t];
            if (plan.is_keda)
                answers[t] = answer_of(plan, s, t, r, host, snapshot.spec_replicas);
            else
                answers[t] = {r.error, false, keda_metric_milli(r.value)};
            if (trigger.metric >= 0) give(snapshot.metrics[trigger.metric], answers[t], values[trigger.metric]);
        }
        if (plan.formula_metric >= 0)
            give(snapshot.metrics[plan.formula_metric], composite_of(plan, answers),
                 values[plan.formula_metric]);
        const HpaDecision d = reconcile_hpa(s.hpa_spec, s.hpa, snapshot, now);
        if (!WT_CHECK(fault, !d.log_full)) return;
        host.note(HpaSyncRecord{a, snapshot.spec_replicas, &snapshot, d, now});
        if (d.rescale) host.scale(plan.workload, d.desired_replicas, d.winning_metric, now);
    }

private:
    struct State {
        HpaSpec hpa_spec;  ///< with the bounds that somebody has set since t = 0
        KedaScaledObject keda_spec;
        HpaState hpa;
        KedaState keda;
        KedaHealth health[hpa_max_metrics];
        KedaScalerReading cached[hpa_max_metrics];  ///< by trigger: what the last poll read
        bool has_cached[hpa_max_metrics] = {};
    };

    [[nodiscard]] WT_HD static bool is_pod_resource(const TriggerPlan& t) {
        return t.kind == TriggerSource::pod_cpu || t.kind == TriggerSource::pod_memory;
    }
    /// Whether a Job's pod has not come as far as pendingPodConditions ask; without any, to phase Running.
    [[nodiscard]] WT_HD_COLD bool is_pending_job(const AutoscalerPlan& plan, const Pod& pod) const {
        const bool runs = pod.state >= PodState::ready ||
                          (pod.state == PodState::starting && pod.stage >= m_blueprint->templates[pod.revision].container_stage);
        const auto asks = [&](PodMilestone m) { return (plan.pending_until >> static_cast<unsigned>(m) & 1) != 0; };
        if (plan.pending_until == 0) return !runs;
        return (asks(PodMilestone::scheduled) && pod.node == no_index) || (asks(PodMilestone::initialized) && !runs) ||
               (asks(PodMilestone::ready) && pod.state != PodState::ready);
    }
    WT_HD static void give(HpaMetricInput& input, const KedaMetricAnswer& answer, std::int64_t& value) {
        value = answer.value_milli;
        input.failed = answer.error;
        input.values_milli = &value;
        input.value_count = answer.error ? 0 : 1;
    }

    /// What the formula of scalingModifiers gives: the first fallback where one stands in, an error where a
    /// trigger failed; nil stands for the fallback's replicas.
    [[nodiscard]] WT_HD_COLD KedaMetricAnswer composite_of(const AutoscalerPlan& plan,
                                                           const KedaMetricAnswer* answers) const {
        KedaFormulaValue operands[hpa_max_metrics];
        for (std::uint32_t t = 0; t < plan.trigger_count; ++t) {
            if (is_pod_resource(plan.triggers[t])) continue;
            if (answers[t].error) return {true, false, 0};
            if (answers[t].fell_back && !answers[t].is_nil) return answers[t];
            if (!answers[t].is_nil)
                operands[t] = {KedaFormulaKind::number, static_cast<double>(answers[t].value_milli) / 1000.0};
        }
        KedaFormulaMachine machine;
        const KedaFormulaResult r = machine.run(plan.formula, operands);
        if (r.error) return {true, false, 0};
        if (!r.is_nil) return {false, false, keda_metric_milli(r.value)};
        return {false, true,
                plan.hpa.metrics[plan.formula_metric].target_milli * plan.keda.fallback.replicas};
    }

    template <class Host>
    WT_HD KedaMetricAnswer answer_of(const AutoscalerPlan& plan, State& s, std::uint32_t t,
                                     const KedaScalerReading& r, const Host& host, std::int32_t current) {
        const TriggerPlan& trigger = plan.triggers[t];
        return metric_with_fallback(plan.keda.fallback, s.health[t], !r.error, keda_metric_milli(r.value),
                                    trigger.target_milli, trigger.is_average != 0, current, static_cast<std::int32_t>(host.workload(plan.workload).ready));
    }

    /// What a trigger's source says now, one number for the whole workload.
    template <class Host>
    WT_HD_COLD KedaScalerReading read(const TriggerPlan& t, const Host& host, MetricsBoard<Layout>& board,
                                      Tick now, Fault& fault) {
        switch (t.kind) {
            case TriggerSource::query: {
                const PromqlResult r = board.ask_for_autoscaler(t.query, now);
                if (r.status != PromqlStatus::ok) {
                    (void)WT_CHECK(
                        fault,
                        is_query_error(r.status));  // a workspace or history that is too small is our mistake
                    return {true, false, 0};
                }
                if (r.is_scalar) return keda_reading(r.scalar, t.activation);
                double value = r.count > 0 ? r.elements[0].value : 0;
                for (std::int32_t i = 1; t.sums_series && i < r.count; ++i) value += r.elements[i].value;
                return keda_prometheus(t.sums_series && r.count > 1 ? 1 : r.count, value,
                                       t.ignore_null_values != 0, t.activation);
            }
            case TriggerSource::queue: {
                double length = host.workload_reading(SeriesKind::queue_length, t.workload);
                if (t.counts_in_flight)
                    length += host.workload_reading(SeriesKind::queue_in_flight, t.workload);
                return keda_reading(length, t.activation);
            }
            case TriggerSource::cron: {
                for (std::uint32_t i = 0; i < t.interval_count; ++i) {
                    const ActiveInterval& interval = m_blueprint->intervals[t.first_interval + i];
                    if (interval.from <= now && now < interval.to) return {false, true, t.value};
                }
                return {false, false, 0};
            }
            default:
                return {true, false, 0};
        }
    }

    template <class Host>
    WT_HD_COLD void list_pods(std::uint32_t workload, const Host& host, HpaSnapshot& snapshot) {
        const WorkloadPlan& plan = m_blueprint->workloads[workload];
        std::int32_t n = 0;
        const auto& existing = host.existing_pods();
        const std::uint32_t end = plan.first_pod + plan.pod_slots;
        for (std::uint32_t p = existing.next(plan.first_pod); p < end; p = existing.next(p + 1)) {
            const Pod& pod = host.pod(p);
            if (!plan.is_replica(p - plan.first_pod)) continue;
            HpaPod& seen = m_pods[n++];
            seen = HpaPod{};
            const bool created = pod.state == PodState::pending ||
                                 (pod.state == PodState::starting && pod.stage < m_blueprint->templates[pod.revision].container_stage);
            seen.phase = created ? PodPhase::pending : PodPhase::running;
            seen.deleting = pod.state >= PodState::terminating;
            seen.started = pod.node != no_index;
            seen.start = pod.bound;
            seen.ready =
                pod.state == PodState::ready || seen.deleting ? ReadyCondition::yes : ReadyCondition::no;
            seen.ready_transition = pod.state >= PodState::ready ? pod.ready_since : pod.bound;
        }
        snapshot.pods = m_pods;
        snapshot.pod_count = n;
        snapshot.ready_pods = count_ready_pods(m_pods, n);
    }

    /// A Pods or Resource metric: one sample for each pod that list_pods has listed, in the same order.
    template <class Host>
    WT_HD_COLD void sample_pods(const TriggerPlan& t, std::uint32_t workload, const Host& host,
                                MetricsBoard<Layout>& board, Tick now, HpaPodSample* samples, Fault& fault) {
        const WorkloadPlan& plan = m_blueprint->workloads[workload];
        PromqlResult r;
        if (t.kind == TriggerSource::pod_query) {
            r = board.ask_for_autoscaler(t.query, now);
            if (r.status != PromqlStatus::ok && !WT_CHECK(fault, is_query_error(r.status))) return;
        }
        std::int32_t n = 0;
        const auto& existing = host.existing_pods();
        const std::uint32_t end = plan.first_pod + plan.pod_slots;
        for (std::uint32_t p = existing.next(plan.first_pod); p < end; p = existing.next(p + 1)) {
            if (!plan.is_replica(p - plan.first_pod)) continue;
            m_sample_of[p - plan.first_pod] = n;
            HpaPodSample& sample = samples[n++];
            sample = HpaPodSample{};
            sample.timestamp = now;
            sample.window = m_blueprint->scrape.metrics_server_resolution;
            sample.request_milli = t.request_milli;
            sample.has_request = t.request_milli > 0;
            if (t.kind == TriggerSource::pod_cpu) {
                sample.present = host.pod(p).serves() && board.has_cpu(p);
                sample.timestamp = board.cpu_time(p);
                sample.value_milli = t.is_sidecar ? 0 : board.cpu_milli(p);
            } else if (t.kind == TriggerSource::pod_memory) {
                const Pod& pod = host.pod(p);
                sample.present = pod.state >= PodState::ready ||
                                 (pod.state == PodState::starting && pod.stage >= m_blueprint->templates[pod.revision].container_stage);
                sample.value_milli = t.is_sidecar ? 0 : plan.cpu.memory_bytes * 1000;
            }
        }
        if (t.kind != TriggerSource::pod_query || r.status != PromqlStatus::ok) return;
        for (std::int32_t i = 0; i < r.count; ++i) {
            const auto p = static_cast<std::uint32_t>(r.elements[i].pod);
            if (p < plan.first_pod || p >= end || !existing.has(p)) continue;
            HpaPodSample& sample = samples[m_sample_of[p - plan.first_pod]];
            sample.present = true;
            sample.value_milli = keda_metric_milli(r.elements[i].value);
        }
    }

    const Blueprint* m_blueprint = nullptr;
    State* m_states = nullptr;
    HpaPod* m_pods = nullptr;           ///< scratch of one sync
    HpaPodSample* m_samples = nullptr;  ///< scratch: [metric][pod]
    std::int32_t* m_sample_of = nullptr;  ///< scratch: [pod slot] its place in a metric's samples
    std::uint32_t m_pod_capacity = 0;
};

}  // namespace windtunnel
