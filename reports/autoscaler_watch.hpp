#pragma once
#include "reports/event_book.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "sim/observer.hpp"

namespace windtunnel {

/// Keeps one condition's statuses and reasons, and for how long each held.
class ConditionHistory {
public:
    explicit ConditionHistory(std::string type) : m_type(std::move(type)) {}

    void set(Tick now, const std::string& status, const std::string& reason, const std::string& message);
    [[nodiscard]] bool is(const std::string& reason) const {
        return m_current >= 0 && m_held[static_cast<std::size_t>(m_current)].reason == reason;
    }
    /// Closes what is open at the end and appends everything to `out`.
    void finish(Tick end, std::vector<HeldCondition>& out);

private:
    std::string m_type;
    std::vector<HeldCondition> m_held;
    std::vector<Tick> m_time;
    int m_current = -1;
    Tick m_since;
};

/// Turns the syncs and polls of one autoscaler into what `kubectl describe` shows of it.
class AutoscalerWatch {
public:
    AutoscalerWatch(const CompiledAutoscaler& names, const AutoscalerPlan& plan);

    void synced(const HpaSyncRecord& r, EventBook& events);
    void polled(const KedaPollRecord& r, EventBook& events);
    /// A write of spec.replicas that neither made: a schedule, a person.
    void scaled(const ScaleRecord& s);
    [[nodiscard]] AutoscalerLog finish(Tick end);

private:
    void show_conditions(const HpaSyncRecord& r, EventBook& events);
    [[nodiscard]] std::string metric_name(std::int32_t index) const;

    const CompiledAutoscaler& m_names;
    const AutoscalerPlan& m_plan;
    AutoscalerLog m_log;
    ConditionHistory m_able{"AbleToScale"}, m_active{"ScalingActive"}, m_limited{"ScalingLimited"};
    ConditionHistory m_keda_ready{"Ready"}, m_keda_active{"Active"}, m_keda_fallback{"Fallback"};
    Tick m_at_maximum_since = never, m_at_maximum;
    std::optional<Tick> m_first_at_maximum;
};

}  // namespace windtunnel
