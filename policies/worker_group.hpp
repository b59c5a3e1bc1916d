#pragma once
#include "models/host_device.hpp"

#include <cstdint>

/// A LeaderWorkerSet's groups (kubernetes-sigs/lws, API v1): a leader and size - 1 workers that serve one
/// model together, so all of them or none [from general knowledge, not re-read, 2026-11].
namespace windtunnel {

/// restartPolicy. RecreateGroupOnPodRestart is v1's default.
enum class GroupRestart : std::uint8_t { none, recreate_group };
/// startupPolicy: the workers are created with the leader, or once it is Ready.
enum class GroupStartup : std::uint8_t { leader_created, leader_ready };

struct WorkerGroup {
    std::int32_t size = 1;   ///< pods, leader included
    std::int32_t exist = 0;  ///< pods of the group without a deletion time
    std::int32_t ready = 0;
    bool leader_exists = false;
    bool leader_ready = false;
};

/// Whether the group serves: every pod is Ready.
WT_HD constexpr bool group_serves(const WorkerGroup& group) {
    return group.exist == group.size && group.ready == group.size;
}

/// Workers to create now.
WT_HD constexpr std::int32_t workers_to_create(const WorkerGroup& group, GroupStartup startup) {
    if (!group.leader_exists || (startup == GroupStartup::leader_ready && !group.leader_ready)) return 0;
    return group.size - group.exist > 0 ? group.size - group.exist : 0;
}

/// Whether a pod of the group that restarted a container, or was deleted, takes the whole group with it.
WT_HD constexpr bool restarts_group(GroupRestart policy) { return policy == GroupRestart::recreate_group; }

}  // namespace windtunnel
