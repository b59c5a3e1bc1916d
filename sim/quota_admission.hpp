#pragma once
#include "policies/resource_quota.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

/// ResourceQuotas (kubernetes.md 7.5): asked when a pod is created. Usage goes up at once and down only when the
/// quota controller counts again, a moment after pods are gone. A terminating pod is charged to its end.
template <class Layout, class Owner>
class QuotaAdmission {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_quotas = arena.template take_plain<ResourceQuota>(b.quotas.size());
        m_freed = arena.template take_plain<ResourceAmounts>(b.quotas.size());
        m_late = arena.template take_plain<ResourceAmounts>(b.quotas.size());
    }
    WT_HD_COLD void start(const Blueprint& b) {
        m_recount = m_late_due = never;
        for (std::uint32_t q = 0; q < b.quotas.size(); ++q) {
            m_late[q] = ResourceAmounts{};
            m_quotas[q] = ResourceQuota{};
            m_quotas[q].limited = b.quotas[q].limited;
            m_quotas[q].hard = b.quotas[q].hard;
            m_freed[q] = ResourceAmounts{};
        }
    }

    /// Charges one pod more to all quotas of its workload, or to none. Gives the quota that refuses, -1 = none.
    [[nodiscard]] WT_HD_COLD std::int32_t admit(const State& s, std::uint32_t w, const TemplatePlan& pod) {
        const Blueprint& b = s.blueprint();
        for (std::uint32_t q = 0; q < b.quotas.size(); ++q)
            if (b.quotas[q].covers(w) && !has_room(m_quotas[q], b.quotas[q].charge(pod)))
                return static_cast<std::int32_t>(q);
        for (std::uint32_t q = 0; q < b.quotas.size(); ++q)
            if (b.quotas[q].covers(w)) m_quotas[q].used += b.quotas[q].charge(pod);
        return -1;
    }

    /// A pod is gone: its charge goes back when the quota controller counts again. One that nobody could end, because
    /// its node is dead, is charged until two graces after its deletion (7.5.2).
    WT_HD_COLD void release(State& s, std::uint32_t w, const TemplatePlan& pod, bool lost, Tick now) {
        const Blueprint& b = s.blueprint();
        bool charged = false;
        for (std::uint32_t q = 0; q < b.quotas.size(); ++q) {
            if (!b.quotas[q].covers(w)) continue;
            (lost ? m_late : m_freed)[q] += b.quotas[q].charge(pod);
            charged = true;
        }
        if (!charged) return;
        if (lost)
            m_late_due = m_late_due == never ? uncharged_at(now, pod.grace) : max(m_late_due, uncharged_at(now, pod.grace));
        else if (m_recount == never)
            m_recount = now + recount_delay;
        s.wake_quota(min(m_recount, m_late_due));
    }

    /// The quota controller counts. It tells nobody: who was refused finds out at its next try.
    WT_HD_COLD void recount(State& s, Tick now) {
        if (m_recount <= now) count_again(s.blueprint(), m_freed, m_recount);
        if (m_late_due <= now) count_again(s.blueprint(), m_late, m_late_due);
        s.wake_quota(min(m_recount, m_late_due));
    }

    [[nodiscard]] WT_HD const ResourceQuota& quota(std::uint32_t q) const { return m_quotas[q]; }

private:
    WT_HD_COLD void count_again(const Blueprint& b, ResourceAmounts* freed, Tick& due) {
        due = never;
        for (std::uint32_t q = 0; q < b.quotas.size(); ++q) {
            give_back(&m_quotas[q], 1, freed[q]);
            freed[q] = ResourceAmounts{};
        }
    }

    /// From a pod's end to the quota's new status: less than a second (kubernetes.md 7.5.2.1).
    static constexpr Tick recount_delay = milliseconds(500);

    ResourceQuota* m_quotas = nullptr;
    ResourceAmounts* m_freed = nullptr;  ///< per quota: of pods that are gone, until the next count
    ResourceAmounts* m_late = nullptr;   ///< ... of pods of lost nodes
    Tick m_recount = never;
    Tick m_late_due = never;
};

}  // namespace windtunnel
