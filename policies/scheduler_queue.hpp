#pragma once
#include "models/time.hpp"
#include "policies/scheduler_rules.hpp"

/// kube-scheduler's queue: active, back-off and unschedulable pods (kubernetes.md 7.1).
namespace windtunnel {

/// podInitialBackoffSeconds 1, podMaxBackoffSeconds 10 (defaults).
inline constexpr std::int64_t scheduler_first_backoff_seconds = 1;
inline constexpr std::int64_t scheduler_longest_backoff_seconds = 10;
/// A pod that no event helps is tried again when older than 5 min, looked at every 30 s (7.1.2).
inline constexpr std::int64_t scheduler_unschedulable_seconds = 300;
inline constexpr std::int64_t scheduler_unschedulable_flush_seconds = 30;

/// 1, 2, 4, 8, 10, 10 ... s after the first, second, third ... failed attempt.
WT_HD constexpr Tick scheduling_backoff(std::int32_t failed_attempts) {
    std::int64_t s = scheduler_first_backoff_seconds;
    for (std::int32_t i = 1; i < failed_attempts && s < scheduler_longest_backoff_seconds; ++i) s *= 2;
    return seconds(s < scheduler_longest_backoff_seconds ? s : scheduler_longest_backoff_seconds);
}

/// What happens in a cluster that may help a pod which was refused.
enum class SchedulingEvent : std::uint8_t {
    node_added,         ///< or one whose labels, taints or schedulability changed
    node_room_grew,     ///< allocatable grew (GPUs registered)
    pod_room_freed,     ///< an assigned pod is gone: its requests, ports and places in domains are free
    pod_being_deleted,  ///< an assigned pod got its deletion time: spreading no longer counts it
    pod_assigned,       ///< a pod was bound: affinity may now be met, a skew may be gone
};

/// Which events may cure which refusals (queueing hints of the plugins, on since 1.32; 7.1.2.3). What the
/// event is about is narrowed further by the caller (the resource that was freed, the selector that
/// matches).
WT_HD constexpr std::uint32_t rejections_cured_by(SchedulingEvent event) {
    const auto bit = [](Rejection r) { return std::uint32_t{1} << static_cast<int>(r); };
    const std::uint32_t all = (std::uint32_t{1} << static_cast<int>(Rejection::kinds)) - 2;
    switch (event) {
        case SchedulingEvent::node_added:
            return all;
        case SchedulingEvent::node_room_grew:
            return bit(Rejection::resources);
        case SchedulingEvent::pod_room_freed:
            return bit(Rejection::ports) | bit(Rejection::resources) | bit(Rejection::volume_conflict) |
                   bit(Rejection::volume_limit) | bit(Rejection::spread) | bit(Rejection::anti_affinity) |
                   bit(Rejection::existing_anti_affinity) | bit(Rejection::affinity);
        case SchedulingEvent::pod_being_deleted:
            return bit(Rejection::spread);
        case SchedulingEvent::pod_assigned:
            return bit(Rejection::affinity) | bit(Rejection::spread);
    }
    return all;
}

/// Whether an event is worth another attempt. A pod that failed before any node was there waits for one.
WT_HD constexpr bool event_helps(SchedulingEvent event, std::uint32_t rejections) {
    if (rejections == 0) return event == SchedulingEvent::node_added;
    return (rejections_cured_by(event) & rejections) != 0;
}

enum class QueuePlace : std::uint8_t { none, active, backoff, unschedulable };

/// A pod in the queue.
struct QueuedPod {
    QueuePlace place = QueuePlace::none;
    bool internal_error = false;  ///< its last attempt ended in an error: it sits out its back-off
    std::int32_t priority = 0;
    std::int32_t failed_attempts = 0;
    std::uint32_t position = 0;    ///< in the heap or list of its place
    std::uint32_t rejections = 0;  ///< RejectionCounts::reasons() of the last attempt
    Tick enqueued;                 ///< enqueue time (first of the two keys of equal priority)
    Tick failed;                   ///< last failed attempt

    [[nodiscard]] WT_HD constexpr Tick backoff_ends() const {
        return failed + scheduling_backoff(failed_attempts);
    }
    /// Back-offs are collected on whole seconds; those that end within one second end together (7.1.2.1).
    [[nodiscard]] WT_HD constexpr Tick backoff_collected() const {
        return Tick{(backoff_ends().count + ticks_per_second - 1) / ticks_per_second * ticks_per_second};
    }
};

/// The three pools, in arrays of the caller: `Pods` of QueuedPod by pod number, `Order` of pod numbers, one
/// place per pod for each of the three. All changes cost at most the logarithm of the pool's size, but for
/// event(), which looks at every unschedulable pod.
template <class Pods, class Order>
class SchedulingQueue {
public:
    WT_HD SchedulingQueue(Pods pods, Order active, Order backoff, Order unschedulable, bool pop_from_backoff)
        : m_pods(pods), m_order{active, backoff, unschedulable}, m_pop_from_backoff(pop_from_backoff) {}
    SchedulingQueue() = default;

    [[nodiscard]] WT_HD bool empty() const { return m_size[0] + m_size[1] + m_size[2] == 0; }
    [[nodiscard]] WT_HD std::uint32_t size(QueuePlace place) const { return m_size[index(place)]; }
    /// Whether pop() would give a pod now.
    [[nodiscard]] WT_HD bool has_next() const {
        return m_size[0] > 0 || (m_pop_from_backoff && m_size[1] > 0 && first_poppable() != nobody);
    }

    /// A new pod.
    WT_HD_COLD void push(std::uint32_t p, std::int32_t priority, Tick now) {
        QueuedPod& pod = m_pods[p];
        pod = QueuedPod{};
        pod.priority = priority;
        pod.enqueued = now;
        enter(p, QueuePlace::active);
    }
    /// The next pod to try, which leaves the queue: the first active one; where there is none and
    /// PopFromBackoffQ is on (7.1.2.2), the first in back-off. `nobody` when there is none.
    WT_HD_COLD std::uint32_t pop() {
        std::uint32_t p = nobody;
        if (m_size[0] > 0)
            p = m_order[0][0];
        else if (m_pop_from_backoff)
            p = first_poppable();
        if (p != nobody) remove(p);
        return p;
    }
    /// A popped pod found no place: it waits for an event.
    WT_HD_COLD void failed(std::uint32_t p, std::uint32_t rejections, Tick now) {
        QueuedPod& pod = m_pods[p];
        ++pod.failed_attempts;
        pod.failed = now;
        pod.rejections = rejections;
        pod.internal_error = false;
        enter(p, QueuePlace::unschedulable);
    }
    /// Something happened: unschedulable pods that it may help go to back-off, or are active at once where
    /// their back-off has passed. `helps(pod)` narrows by what the event is about. Gives how many moved.
    template <class Helps>
    WT_HD_COLD std::uint32_t event(SchedulingEvent event, Tick now, Helps helps) {
        std::uint32_t moved = 0;
        for (std::uint32_t i = m_size[2]; i-- > 0;) {
            const std::uint32_t p = m_order[2][i];
            if (!event_helps(event, m_pods[p].rejections) || !helps(p)) continue;
            leave_unschedulable(p, now);
            ++moved;
        }
        return moved;
    }
    /// The flush of old unschedulable pods, every 30 s.
    WT_HD_COLD void flush_old(Tick now) {
        for (std::uint32_t i = m_size[2]; i-- > 0;) {
            const std::uint32_t p = m_order[2][i];
            if (now - m_pods[p].failed > seconds(scheduler_unschedulable_seconds))
                leave_unschedulable(p, now);
        }
    }
    /// Back-offs that have ended become active.
    WT_HD_COLD void flush_backoff(Tick now) {
        while (m_size[1] > 0 && m_pods[m_order[1][0]].backoff_collected() <= now) {
            const std::uint32_t p = m_order[1][0];
            remove(p);
            m_pods[p].enqueued = now;
            enter(p, QueuePlace::active);
        }
    }
    /// When flush_backoff has something to do next: the expiry, on the collector's whole second.
    [[nodiscard]] WT_HD Tick next_backoff_flush() const {
        return m_size[1] == 0 ? Tick{INT64_MAX} : m_pods[m_order[1][0]].backoff_collected();
    }
    /// The pod was deleted, or bound by somebody else.
    WT_HD_COLD void remove(std::uint32_t p) {
        QueuedPod& pod = m_pods[p];
        if (pod.place == QueuePlace::none) return;
        const std::uint32_t which = index(pod.place);
        const std::uint32_t at = pod.position, last = --m_size[which];
        pod.place = QueuePlace::none;
        if (at == last) return;
        const std::uint32_t moved = m_order[which][last];
        place(which, at, moved);
        if (which == 2) return;
        sift_down(which, at);
        sift_up(which, m_pods[moved].position);
    }
    /// i-th unschedulable pod, in no particular order.
    [[nodiscard]] WT_HD std::uint32_t unschedulable(std::uint32_t i) const { return m_order[2][i]; }

    static constexpr std::uint32_t nobody = 0xffffffffu;

private:
    WT_HD static constexpr std::uint32_t index(QueuePlace place) {
        return static_cast<std::uint32_t>(place) - 1;
    }
    /// Active: priority, then enqueue time. Back-off: the second at which it is collected comes first.
    [[nodiscard]] WT_HD bool before(std::uint32_t which, std::uint32_t a, std::uint32_t b) const {
        const QueuedPod &x = m_pods[a], &y = m_pods[b];
        if (which == 1) {
            const Tick ends_x = x.backoff_collected(), ends_y = y.backoff_collected();
            if (ends_x != ends_y) return ends_x < ends_y;
        }
        if (x.priority != y.priority) return x.priority > y.priority;
        if (x.enqueued != y.enqueued) return x.enqueued < y.enqueued;
        return a < b;
    }
    [[nodiscard]] WT_HD std::uint32_t first_poppable() const {
        if (m_size[1] == 0) return nobody;
        if (!m_pods[m_order[1][0]].internal_error) return m_order[1][0];
        std::uint32_t best = nobody;
        for (std::uint32_t i = 0; i < m_size[1]; ++i) {
            const std::uint32_t p = m_order[1][i];
            if (!m_pods[p].internal_error && (best == nobody || before(1, p, best))) best = p;
        }
        return best;
    }
    WT_HD void leave_unschedulable(std::uint32_t p, Tick now) {
        remove(p);
        const bool waits = m_pods[p].backoff_ends() > now;
        m_pods[p].enqueued = now;
        enter(p, waits ? QueuePlace::backoff : QueuePlace::active);
    }
    WT_HD void enter(std::uint32_t p, QueuePlace to) {
        const std::uint32_t which = index(to);
        m_pods[p].place = to;
        place(which, m_size[which]++, p);
        if (which != 2) sift_up(which, m_pods[p].position);
    }
    WT_HD void place(std::uint32_t which, std::uint32_t at, std::uint32_t p) {
        m_order[which][at] = p;
        m_pods[p].position = at;
    }
    WT_HD void sift_up(std::uint32_t which, std::uint32_t at) {
        const std::uint32_t p = m_order[which][at];
        while (at > 0 && before(which, p, m_order[which][(at - 1) / 2])) {
            place(which, at, m_order[which][(at - 1) / 2]);
            at = (at - 1) / 2;
        }
        place(which, at, p);
    }
    WT_HD void sift_down(std::uint32_t which, std::uint32_t at) {
        const std::uint32_t p = m_order[which][at];
        for (std::uint32_t child; (child = 2 * at + 1) < m_size[which]; at = child) {
            if (child + 1 < m_size[which] && before(which, m_order[which][child + 1], m_order[which][child]))
                ++child;
            if (!before(which, m_order[which][child], p)) break;
            place(which, at, m_order[which][child]);
        }
        place(which, at, p);
    }

    Pods m_pods{};
    Order m_order[3] = {};
    std::uint32_t m_size[3] = {};
    bool m_pop_from_backoff = true;
};

}  // namespace windtunnel
