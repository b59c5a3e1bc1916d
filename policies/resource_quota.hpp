#pragma once
#include "models/time.hpp"
#include "policies/resources.hpp"

#include <cstdint>

/// ResourceQuota: admission of new pods (kubernetes.md 7.5, 1.30-1.36 cycle). A refused pod is not Pending:
/// it is not created, and its ReplicaSet tries again by itself (creation_retry_delay).
namespace windtunnel {

/// One quota over one kind of sum: requests (GPUs have no other) and the number of pods.
struct ResourceQuota {
    std::uint32_t limited = 0;  ///< bit per ResourceKind that `hard` limits
    ResourceAmounts hard;
    ResourceAmounts used;
    bool computed = true;  ///< false until its usage is first known: everything is refused
};

/// Whether one pod more has room.
WT_HD constexpr bool has_room(const ResourceQuota& quota, const ResourceAmounts& request) {
    if (!quota.computed) return false;
    for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
        if ((quota.limited >> kind & 1) != 0 && request[kind] > 0 &&
            quota.used[kind] + request[kind] > quota.hard[kind])
            return false;
    return true;
}

/// Charges all matching quotas or none. A false return is an ordinary event and changes nothing.
[[nodiscard]] WT_HD constexpr bool try_admit(ResourceQuota* quotas, std::int32_t count,
                                             const ResourceAmounts& request) {
    for (std::int32_t i = 0; i < count; ++i)
        if (!has_room(quotas[i], request)) return false;
    for (std::int32_t i = 0; i < count; ++i) quotas[i].used += request;
    return true;
}

/// How often the quota controller computes usage anew by itself (--resource-quota-sync-period); after a pod
/// is gone or has ended it does so within a second. Only then does usage go down.
inline constexpr Tick quota_full_resync = seconds(300);

/// Gives back what one pod was charged: what the quota controller finds when it counts again.
WT_HD constexpr void give_back(ResourceQuota* quotas, std::int32_t count, const ResourceAmounts& request) {
    for (std::int32_t i = 0; i < count; ++i) quotas[i].used -= request;
}

/// Which quota refused, -1 = none: the one the FailedCreate event names.
WT_HD constexpr std::int32_t refusing_quota(const ResourceQuota* quotas, std::int32_t count,
                                            const ResourceAmounts& request) {
    for (std::int32_t i = 0; i < count; ++i)
        if (!has_room(quotas[i], request)) return i;
    return -1;
}

/// When a deleted pod that does not end by itself is no longer charged. The deletion timestamp already
/// contains the grace period, so it is two graces after the request.
WT_HD constexpr Tick uncharged_at(Tick deletion_requested, Tick grace) {
    return deletion_requested + 2 * grace;
}

}  // namespace windtunnel
