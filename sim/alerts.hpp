#pragma once
#include "policies/alert_rule.hpp"
#include "sim/alert_tally.hpp"
#include "sim/metrics_board.hpp"

namespace windtunnel {

/// The trial's alerting rules: each group is evaluated every interval, from an instant of its own on.
///
/// `Host` is the trial: note(record).
template <class Layout>
class Alerts {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_instances = arena.template take_plain<AlertInstance>(b.alert_instances);
        m_tallies = arena.template take_plain<AlertTally>(b.alerts.size());
        m_counts = arena.template take_plain<std::uint32_t>(b.alerts.size());
    }

    /// Prometheus starts a group at an offset that its name's hash gives; here it is drawn.
    WT_HD_COLD void start(const Blueprint& b, TrialKey key, Calendar<Layout>& calendar, const ControlSlots& slots) {
        m_blueprint = &b;
        for (std::uint32_t a = 0; a < b.alerts.size(); ++a) {
            m_tallies[a] = AlertTally{};
            m_counts[a] = 0;
        }
        for (std::uint32_t g = 0; g < b.alert_groups.size(); ++g) {
            RandomStream phase(key.seed, key.trial, StreamPurpose::rule_group_phase, g);
            const auto interval = static_cast<std::uint64_t>(b.alert_groups[g].interval.count);
            calendar.set(slots.rules + g, Tick{static_cast<std::int64_t>(phase.below(interval))});
        }
    }

    /// A group is due: its rules one after another. Gives when it is due again, or `never` after the span. False in
    /// `fits`: more alerts at one time than the arena has room for.
    template <class Host>
    [[nodiscard]] WT_HD_COLD Tick evaluate(std::uint32_t g, Host& host, MetricsBoard<Layout>& board, Tick now,
                                           Fault& fault, bool& fits) {
        const Blueprint& b = *m_blueprint;
        const AlertGroupPlan& group = b.alert_groups[g];
        for (std::uint32_t a = group.first_alert; a < group.first_alert + group.alert_count; ++a) {
            const AlertPlan& plan = b.alerts[a];
            const PromqlResult r = board.ask(plan.query, now);
            if (r.status != PromqlStatus::ok) {  // as in Prometheus, a failed evaluation leaves its alerts as they are
                if (!WT_CHECK(fault, is_query_error(r.status))) return never;
                ++m_tallies[a].failed_evaluations;
                continue;
            }
            // A scalar is an element without labels.
            PromqlElement scalar;
            scalar.value = r.scalar;
            AlertInstances alerts{m_instances + plan.first_instance, plan.instance_capacity, m_counts[a]};
            const AlertEvaluation done =
                evaluate_alert(plan.rule, alerts, r.is_scalar ? &scalar : r.elements, r.is_scalar ? 1 : r.count, now);
            m_counts[a] = alerts.count;
            if (done.overflowed) {
                fits = false;
                return never;
            }
            count(a, done, host, now);
        }
        const Tick next = now + group.interval;
        return next < b.span ? next : Tick{never};
    }

    /// The span is over.
    WT_HD_COLD void settle(Tick now) {
        for (std::uint32_t a = 0; a < m_blueprint->alerts.size(); ++a) m_tallies[a].settle(now);
    }
    [[nodiscard]] WT_HD const AlertTally* tallies() const { return m_tallies; }

private:
    template <class Host>
    WT_HD_COLD void count(std::uint32_t a, const AlertEvaluation& done, Host& host, Tick now) {
        AlertTally& tally = m_tallies[a];
        tally.series_fired += done.fired;
        if (done.fired > 0)
            host.note(OccurrenceRecord{Occurrence::alert_fired, a, no_object, done.firing, now});
        if (done.resolved > 0)
            host.note(OccurrenceRecord{Occurrence::alert_resolved, a, no_object, done.firing, now});
        tally.change(done.firing > 0, now);
    }

    const Blueprint* m_blueprint = nullptr;
    AlertInstance* m_instances = nullptr;  ///< [Blueprint::alert_instances]
    AlertTally* m_tallies = nullptr;       ///< [alerts]
    std::uint32_t* m_counts = nullptr;     ///< [alerts]
};

}  // namespace windtunnel
