#pragma once
#include "models/host_device.hpp"
#include "models/time.hpp"
#include "policies/promql_program.hpp"

#include <cstdint>

namespace windtunnel {

/// An alerting rule besides its expression.
struct AlertRule {
    Tick hold_for;         ///< `for`: an element must be there for so long before its alert fires
    Tick keep_firing_for;  ///< after its element has gone, a firing alert goes on for so long
};

enum class AlertState : std::uint8_t { pending, firing };

/// The alert of one element of the rule's answer.
struct AlertInstance {
    std::int32_t labels = 0;  ///< these three tell elements apart (PromqlElement)
    std::int32_t pod = -1;
    std::uint32_t generation = 0;
    AlertState state = AlertState::pending;
    std::uint8_t padding[3] = {};
    Tick active_at;              ///< when its element appeared
    Tick gone_since = never;     ///< of a firing alert that is kept: since when its element is missing
};

/// A rule's alerts: `count` of at most `capacity`.
struct AlertInstances {
    AlertInstance* first = nullptr;
    std::uint32_t capacity = 0;
    std::uint32_t count = 0;
};

/// What an evaluation did.
struct AlertEvaluation {
    std::uint32_t fired = 0;     ///< alerts that began to fire
    std::uint32_t resolved = 0;  ///< firing ones that ended
    std::uint32_t firing = 0;    ///< that fire now
    bool overflowed = false;     ///< more alerts than there is room for
};

WT_HD inline bool is_alert_of(const AlertInstance& alert, const PromqlElement& e) {
    return alert.labels == e.labels && alert.pod == e.pod && alert.generation == e.generation;
}

/// One evaluation of an alerting rule (prometheus/prometheus, rules/alerting.go, AlertingRule.Eval, v2.42): an
/// element without an alert makes one, pending; an alert whose element is missing ends, unless it fires and
/// keep_firing_for still holds it; one that has been there for `for` fires, at once where that is 0.
///
/// Elements come in the order of the series, which hardly changes, so that each is found beside the one before.
WT_HD inline AlertEvaluation evaluate_alert(const AlertRule& rule, AlertInstances& alerts,
                                            const PromqlElement* elements, std::int32_t count, Tick now) {
    AlertEvaluation out;
    const auto given = static_cast<std::uint32_t>(count);
    std::uint32_t kept = 0, near = 0;
    for (std::uint32_t i = 0; i < alerts.count; ++i) {
        AlertInstance alert = alerts.first[i];
        bool there = false;
        for (std::uint32_t k = 0; k < given && !there; ++k) {
            const std::uint32_t at = near + k < given ? near + k : near + k - given;
            there = is_alert_of(alert, elements[at]);
            if (there) near = at + 1 < given ? at + 1 : 0;
        }
        if (there) {
            alert.gone_since = never;
        } else {
            if (alert.state == AlertState::pending) continue;
            if (alert.gone_since == never) alert.gone_since = now;
            if (now - alert.gone_since >= rule.keep_firing_for) {
                ++out.resolved;
                continue;
            }
        }
        alerts.first[kept++] = alert;
    }
    alerts.count = kept;
    near = 0;
    for (std::uint32_t e = 0; e < given; ++e) {
        bool there = false;
        for (std::uint32_t k = 0; k < kept && !there; ++k) {
            const std::uint32_t at = near + k < kept ? near + k : near + k - kept;
            there = is_alert_of(alerts.first[at], elements[e]);
            if (there) near = at + 1 < kept ? at + 1 : 0;
        }
        if (there) continue;
        if (alerts.count == alerts.capacity) {
            out.overflowed = true;
            return out;
        }
        alerts.first[alerts.count++] = {elements[e].labels, elements[e].pod, elements[e].generation,
                                        AlertState::pending, {}, now, never};
    }
    for (std::uint32_t i = 0; i < alerts.count; ++i) {
        AlertInstance& alert = alerts.first[i];
        if (alert.state == AlertState::pending && now - alert.active_at >= rule.hold_for) {
            alert.state = AlertState::firing;
            ++out.fired;
        }
        if (alert.state == AlertState::firing) ++out.firing;
    }
    return out;
}

}  // namespace windtunnel
