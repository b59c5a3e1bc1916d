#pragma once
#include "policies/probe_worker.hpp"

namespace windtunnel {

/// The probes of one container.
struct ContainerProbeRules {
    ProbeRule startup, readiness, liveness;
    bool has_startup = false, has_readiness = false, has_liveness = false;
    /// A readiness probe off the grid restarts its ticker (kubelets of the 1.35 cycle and later).
    bool trigger_restarts_ticker = true;
};

/// What a change of a probe's result means for the container.
enum class ProbeEvent : std::uint8_t {
    none,
    started,         ///< the startup probe has succeeded
    startup_failed,  ///< kill the container with grace, restart it by policy
    became_ready,
    became_unready,
    liveness_failed,  ///< kill the container with grace, restart it by policy
};

/// The three workers of a container and what they do to one another: the startup probe holds back the others
/// (4.3), and a pod sync probes readiness at once as long as it is not a success (4.8).
///
/// `next_change()` is `never` for a container whose probes go on answering as they do: healthy pods cost
/// nothing. The owner calls `step` at exactly that time, and everything else only when no change is due.
class ContainerProbes {
public:
    /// The pod's first sync on its node, with its volumes mounted and nothing pulled yet (4.1).
    WT_HD void start(Tick now) {
        m_startup.start(ProbeKind::startup, now);
        m_readiness.start(ProbeKind::readiness, now);
        m_liveness.start(ProbeKind::liveness, now);
        m_running = m_started = m_deleted = false;
    }

    WT_HD void container_started(const ContainerProbeRules& rules, Tick now) {
        advance_to(rules, now);
        m_running = true;
        m_started = !rules.has_startup;
        if (rules.has_startup && !m_deleted) m_startup.container_started(rules.startup, now, false);
        if (rules.has_liveness && !m_deleted)
            m_liveness.container_started(rules.liveness, now, rules.has_startup);
        if (rules.has_readiness) m_readiness.container_started(rules.readiness, now, rules.has_startup);
    }
    WT_HD void container_stopped(const ContainerProbeRules& rules, Tick now) {
        advance_to(rules, now);
        m_running = m_started = false;
        m_startup.container_stopped(now);
        m_liveness.container_stopped(now);
        m_readiness.container_stopped(now);
    }

    /// What probes meet from `now` on; times beyond a probe's time-out are failures at the time-out.
    WT_HD_CALL void set_answers(const ContainerProbeRules& rules, Tick now, ProbeAnswer startup,
                                ProbeAnswer readiness, ProbeAnswer liveness) {
        advance_to(rules, now);
        m_startup.set_answer(within_timeout(startup, rules.startup.timeout));
        m_readiness.set_answer(within_timeout(readiness, rules.readiness.timeout));
        m_liveness.set_answer(within_timeout(liveness, rules.liveness.timeout));
    }

    /// A pod sync: containers seen to start or exit (relist, every 1 s), the periodic one (60 to 90 s).
    WT_HD void sync(const ContainerProbeRules& rules, Tick now) {
        advance_to(rules, now);
        if (rules.has_readiness && m_started && m_readiness.result() != ProbeResult::success)
            m_readiness.trigger(rules.readiness, now, rules.trigger_restarts_ticker);
    }

    /// The pod has a deletion time: startup and liveness probes stop, readiness goes on (4.9).
    WT_HD void pod_deleted(const ContainerProbeRules& rules, Tick now) {
        advance_to(rules, now);
        m_deleted = true;
        m_startup.stop();
        m_liveness.stop();
    }

    /// A container that has long been up and answers: every result is the good one.
    WT_HD void assume_healthy(const ContainerProbeRules& rules) {
        m_started = true;
        if (rules.has_startup) m_startup.assume_success(rules.startup);
        if (rules.has_readiness) m_readiness.assume_success(rules.readiness);
        if (rules.has_liveness) m_liveness.assume_success(rules.liveness);
    }

    [[nodiscard]] WT_HD bool running() const { return m_running; }
    [[nodiscard]] WT_HD bool started() const { return m_running && m_started; }
    /// The container's part in the pod's Ready condition.
    [[nodiscard]] WT_HD bool ready(const ContainerProbeRules& rules) const {
        return started() && (!rules.has_readiness || m_readiness.result() == ProbeResult::success);
    }

    [[nodiscard]] WT_HD_CALL Tick next_change(const ContainerProbeRules& rules) const {
        Tick next = m_readiness.next_change(rules.readiness);
        next = min(next, m_startup.next_change(rules.startup));
        return min(next, m_liveness.next_change(rules.liveness));
    }

    /// Does the first of the changes due at `next_change()`; the rest stay due. Startup comes before
    /// liveness, and liveness before readiness.
    WT_HD ProbeEvent step(const ContainerProbeRules& rules) {
        const Tick now = next_change(rules);
        if (now == never) return ProbeEvent::none;
        if (m_startup.next_change(rules.startup) == now) {
            settle(m_startup, rules.startup, now);
            if (m_startup.result() != ProbeResult::success) return ProbeEvent::startup_failed;
            m_started = true;
            m_liveness.open_gate(rules.liveness, now);
            m_readiness.open_gate(rules.readiness, now);
            sync(rules, now);
            return ProbeEvent::started;
        }
        if (m_liveness.next_change(rules.liveness) == now) {
            settle(m_liveness, rules.liveness, now);
            return m_liveness.result() == ProbeResult::failure ? ProbeEvent::liveness_failed
                                                               : ProbeEvent::none;
        }
        settle(m_readiness, rules.readiness, now);
        if (m_readiness.result() == ProbeResult::success) return ProbeEvent::became_ready;
        m_readiness.trigger(rules.readiness, now, rules.trigger_restarts_ticker);  // the change syncs the pod
        return ProbeEvent::became_unready;
    }

private:
    WT_HD void advance_to(const ContainerProbeRules& rules, Tick now) {
        m_startup.advance_to(rules.startup, now);
        m_liveness.advance_to(rules.liveness, now);
        m_readiness.advance_to(rules.readiness, now);
    }
    /// Up to and including a probe that begins and is answered at `now`.
    static WT_HD void settle(ProbeWorker& worker, const ProbeRule& rule, Tick now) {
        worker.advance_to(rule, now);
        if (worker.next_change(rule) == now) worker.finish_instant(rule, now);
    }

    ProbeWorker m_startup, m_readiness, m_liveness;
    bool m_running = false, m_started = false, m_deleted = false;
};

}  // namespace windtunnel
