#pragma once
#include "models/time.hpp"

#include <cstdint>

/// One probe of one container, without running every tick of it (kubernetes.md 4, v1.31.13 and
/// the 1.35 cycle; kubernetes.md 4.1 to 4.9).
namespace windtunnel {

enum class ProbeKind : std::uint8_t { startup, readiness, liveness };
enum class ProbeResult : std::uint8_t { unknown, success, failure };

/// Defaults: kubernetes.md 4, v1.31.13. `period` is at least 1 s.
struct ProbeRule {
    Tick initial_delay;  ///< whole seconds
    Tick period = seconds(10);
    Tick timeout = seconds(1);
    std::int32_t success_threshold = 1;
    std::int32_t failure_threshold = 3;
};

/// What a probe meets that begins now: its outcome, and how long it takes to be known. What is met when a
/// probe begins decides it, whatever happens to the server meanwhile.
struct ProbeAnswer {
    bool success = false;
    Tick takes;
};

/// An endpoint that would answer after `takes`: later than the probe waits is a failure at its time-out.
WT_HD constexpr ProbeAnswer within_timeout(ProbeAnswer endpoint, Tick timeout) {
    return endpoint.takes < timeout ? endpoint : ProbeAnswer{false, timeout};
}

/// The kubelet's worker for one container and kind of probe.
///
/// It begins a probe at each tick of its ticker, or at once when a tick has passed during the last probe (the
/// ticker's channel holds one): the probe after one that began at s and took d begins at
/// max(s + d, first tick after s). While what it meets stays as it is, the n-th begin is a formula, and so is
/// the next change of its result; nothing happens per tick.
///
/// At one instant a result becomes known before the world changes, and the world changes before a probe
/// begins. The owner calls `advance_to(t)` up to `next_change()`, never past it, and before every change.
class ProbeWorker {
public:
    /// The worker starts, before the container exists; its ticks are `now` + n periods (4.1).
    WT_HD void start(ProbeKind kind, Tick now) {
        *this = ProbeWorker{};
        m_kind = kind;
        m_ticker = now;
        m_result = initial();
    }

    /// A new container: results count for it from the beginning, run lengths go on (4.5, 4.6). `gated` while
    /// a startup probe has not succeeded (4.3).
    WT_HD void container_started(const ProbeRule& rule, Tick now, bool gated) {
        m_running = true;
        m_held = false;
        m_gated = gated;
        m_result = initial();
        m_effective = now + rule.initial_delay;  // whole seconds since then < initialDelaySeconds: skipped
        m_pending = never;
        schedule(rule, now);
    }
    /// The container has stopped: not ready, and a probe under way is cut off and does not count. A trigger
    /// that waited for its end has its turn now, with no container to probe.
    WT_HD void container_stopped(Tick now) {
        if (m_ticker > now) m_ticker = now;
        m_running = false;
        m_result = ProbeResult::failure;
        m_next = m_pending = never;
    }
    WT_HD void open_gate(const ProbeRule& rule, Tick now) {
        m_gated = false;
        if (m_pending == never) schedule(rule, now);
    }
    /// No more probes (the pod is being deleted, 4.9; a startup probe has succeeded, 4.3).
    WT_HD void stop() {
        m_held = true;
        m_next = m_pending = never;
    }
    /// Its container has been running and answering for long. Requires one that has started.
    WT_HD void assume_success(const ProbeRule& rule) {
        m_result = ProbeResult::success;
        m_run = rule.success_threshold;
        m_last = true;
        m_gated = false;
        if (m_kind == ProbeKind::startup)
            stop();
        else
            schedule(rule, m_ticker);
    }
    WT_HD void set_answer(ProbeAnswer answer) { m_answer = answer; }

    /// Probes at once, off the ticker's grid (4.8); while a probe is under way, right after it. Newer
    /// kubelets restart the ticker then (4.8.1).
    WT_HD void trigger(const ProbeRule& rule, Tick now, bool restart_ticker) {
        const Tick at = m_pending == never ? now : m_pending;
        if (restart_ticker) m_ticker = at;
        if (!active()) return;
        if (at >= m_effective)
            m_next = at;
        else
            schedule(rule, now);
    }

    [[nodiscard]] WT_HD ProbeResult result() const { return m_result; }

    /// When the result changes, if nothing else does; `never` for a healthy container.
    [[nodiscard]] WT_HD_CALL Tick next_change(const ProbeRule& rule) const {
        std::int32_t run = m_run;
        bool last = m_last;
        if (m_pending != never) {
            run = m_pending_success == last ? run + 1 : 1;
            last = m_pending_success;
            if (run >= threshold(rule, last) && m_result != outcome(last)) return m_pending;
        }
        if (m_next == never || m_result == outcome(m_answer.success)) return never;
        std::int32_t missing = threshold(rule, m_answer.success) - (last == m_answer.success ? run : 0);
        if (missing < 1) missing = 1;
        return begin(rule, missing - 1) + m_answer.takes;
    }

    /// Counts every probe that began before `t`, and its outcome if it is known by then.
    WT_HD_CALL void advance_to(const ProbeRule& rule, Tick t) {
        if (m_pending <= t) {
            count(rule, 1, m_pending_success);
            m_pending = never;
        }
        if (m_next >= t) return;  // `never` included
        const std::int64_t n = begins_before(rule, t);
        const Tick last = begin(rule, n - 1), after = begin(rule, n);
        const bool known = last + m_answer.takes <= t;
        if (!known) {
            m_pending = last + m_answer.takes;
            m_pending_success = m_answer.success;
        }
        m_next = after;
        if (n > 1 || known) count(rule, known ? n : n - 1, m_answer.success);
    }

    /// The probe that begins at `t` and is answered at once. Requires that it is the next one.
    WT_HD void finish_instant(const ProbeRule& rule, Tick t) {
        if (m_next != t || m_answer.takes.count != 0) return;
        m_next = begin(rule, 1);
        count(rule, 1, m_answer.success);
    }

private:
    [[nodiscard]] WT_HD bool active() const { return m_running && !m_held && !m_gated; }
    [[nodiscard]] WT_HD ProbeResult initial() const {  // 4.4
        return m_kind == ProbeKind::startup     ? ProbeResult::unknown
               : m_kind == ProbeKind::readiness ? ProbeResult::failure
                                                : ProbeResult::success;
    }
    [[nodiscard]] static WT_HD ProbeResult outcome(bool success) {
        return success ? ProbeResult::success : ProbeResult::failure;
    }
    [[nodiscard]] static WT_HD std::int32_t threshold(const ProbeRule& rule, bool success) {
        return success ? rule.success_threshold : rule.failure_threshold;
    }

    /// The first tick at or after both `now` and the end of the initial delay.
    WT_HD void schedule(const ProbeRule& rule, Tick now) {
        m_next = never;
        if (!active()) return;
        const Tick from = max(now, m_effective);
        const std::int64_t period = rule.period.count;
        m_next = from <= m_ticker
                     ? m_ticker
                     : m_ticker + rule.period * (((from - m_ticker).count + period - 1) / period);
    }

    /// How far `m_next` is behind the last tick: not 0 after a probe longer than the period, or a trigger.
    [[nodiscard]] WT_HD std::int64_t offset(const ProbeRule& rule) const {
        return (m_next - m_ticker).count % rule.period.count;
    }
    /// Of probes shorter than the period: how many follow `m_next` back to back until a begin waits for a
    /// tick again. Each gains period - takes on the ticker.
    [[nodiscard]] WT_HD std::int64_t back_to_back(const ProbeRule& rule, std::int64_t behind) const {
        const std::int64_t gain = rule.period.count - m_answer.takes.count;
        return behind <= gain ? 0 : (behind - gain + gain - 1) / gain;
    }
    /// When the n-th probe from `m_next` on begins.
    [[nodiscard]] WT_HD Tick begin(const ProbeRule& rule, std::int64_t n) const {
        if (m_answer.takes >= rule.period) return m_next + m_answer.takes * n;
        const std::int64_t behind = offset(rule);
        if (behind == 0) return m_next + rule.period * n;
        const std::int64_t k = back_to_back(rule, behind);
        if (n <= k) return m_next + m_answer.takes * n;
        return first_on_grid(rule, behind, k) + rule.period * (n - k - 1);
    }
    [[nodiscard]] WT_HD Tick first_on_grid(const ProbeRule& rule, std::int64_t behind, std::int64_t k) const {
        const std::int64_t left = behind - k * (rule.period.count - m_answer.takes.count);
        return m_next + m_answer.takes * k + Tick{rule.period.count - left};
    }
    /// How many probes begin in [m_next, t). Requires m_next < t.
    [[nodiscard]] WT_HD std::int64_t begins_before(const ProbeRule& rule, Tick t) const {
        if (m_answer.takes >= rule.period) return up_to(m_next, t, m_answer.takes);
        const std::int64_t behind = offset(rule);
        if (behind == 0) return up_to(m_next, t, rule.period);
        const std::int64_t k = back_to_back(rule, behind);
        const Tick grid = first_on_grid(rule, behind, k);
        if (t > grid) return k + 1 + up_to(grid, t, rule.period);
        const std::int64_t n = m_answer.takes.count == 0 ? 1 : up_to(m_next, t, m_answer.takes);
        return n < k + 1 ? n : k + 1;
    }
    /// Members of first, first + step, ... before t.
    [[nodiscard]] static WT_HD std::int64_t up_to(Tick first, Tick t, Tick step) {
        return ((t - first).count + step.count - 1) / step.count;
    }

    /// `n` more equal outcomes. A failed startup or liveness probe waits for the next container, its run
    /// length reset (4.6); a startup probe that has succeeded is over.
    WT_HD void count(const ProbeRule& rule, std::int64_t n, bool success) {
        constexpr std::int64_t most = 1 << 30;
        const std::int64_t run = (success == m_last ? m_run : 0) + n;
        m_run = static_cast<std::int32_t>(run < most ? run : most);
        m_last = success;
        if (m_run < threshold(rule, success)) return;
        m_result = outcome(success);
        if (m_kind == ProbeKind::readiness || (success && m_kind == ProbeKind::liveness)) return;
        if (!success) m_run = 0;
        stop();
    }

    Tick m_ticker;           ///< a tick of the grid
    Tick m_effective;        ///< ticks before are skipped: the initial delay
    Tick m_next = never;     ///< when the next probe begins that has an effect
    Tick m_pending = never;  ///< when the outcome of the probe under way is known
    ProbeAnswer m_answer;    ///< what a probe meets that begins now
    std::int32_t m_run = 0;  ///< equal outcomes in a row
    bool m_last = false;     ///< the last outcome; of no meaning while the run is 0
    bool m_pending_success = false;
    bool m_running = false;
    bool m_gated = false;
    bool m_held = false;
    ProbeKind m_kind = ProbeKind::readiness;
    ProbeResult m_result = ProbeResult::unknown;
};

}  // namespace windtunnel
