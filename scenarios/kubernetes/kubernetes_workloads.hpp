#pragma once
#include "models/time.hpp"
#include "scenarios/documents/decoder.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"
#include "scenarios/servers/model_server.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// `replication_controller` behaves as a ReplicaSet. Of a `leader_worker_set` each replica is a group of
/// `group_size` pods that are placed, started and restarted together.
enum class WorkloadKind : std::uint8_t { deployment, stateful_set, replica_set, replication_controller, leader_worker_set };

/// What a dump of a live cluster says of a workload's pods.
struct WorkloadStatus {
    std::int32_t replicas = 0;      ///< pods that exist
    std::int32_t ready = 0;
    std::int32_t available = 0;
    std::int32_t updated = 0;       ///< of the newest revision
};

/// A claim that a StatefulSet or a pod makes, or one of its own.
struct VolumeClaim {
    ObjectMeta meta;
    std::optional<std::string> storage_class;  ///< empty: the default class; "" = none
    std::vector<std::string> access_modes;     ///< ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod
    std::int64_t request_bytes = 0;
    std::string volume;                        ///< spec.volumeName
    bool block = false;                        ///< volumeMode Block
};

/// A Deployment, or what is treated as one.
struct WorkloadObject {
    ObjectMeta meta;
    WorkloadKind kind = WorkloadKind::deployment;
    std::int32_t replicas = 1;
    bool replicas_given = false;
    LabelSelector selector;
    PodTemplate pod;
    bool recreate = false;                 ///< strategy Recreate; else RollingUpdate
    IntOrPercent max_surge{25, true};
    IntOrPercent max_unavailable{25, true};
    Tick min_ready{0};
    Tick progress_deadline = seconds(600);
    bool paused = false;
    std::optional<ModelServer> server;     ///< what its pods serve, where one of its containers is recognised
    std::size_t server_container = 0;      ///< index into pod.containers, when `server` is set

    // StatefulSet
    bool parallel = false;                 ///< podManagementPolicy Parallel; else OrderedReady
    bool on_delete = false;                ///< updateStrategy OnDelete: a rollout replaces no pod by itself
    std::int32_t partition = 0;            ///< ordinals below it keep the old revision
    std::int32_t first_ordinal = 0;
    std::vector<VolumeClaim> volume_claims;
    bool delete_claims_when_scaled = false;  ///< persistentVolumeClaimRetentionPolicy.whenScaled Delete

    // LeaderWorkerSet
    std::int32_t group_size = 1;
    std::optional<PodTemplate> leader;     ///< its leaderTemplate; else the leader is as the workers
    bool starts_after_leader_ready = false;  ///< startupPolicy LeaderReady; else LeaderCreated
    bool restarts_group = true;            ///< restartPolicy RecreateGroupOnPodRestart

    std::string made_from;                 ///< "InferenceService/x" where another object makes it
    std::optional<WorkloadStatus> status;  ///< of a dump
};

/// Its pods run on each node that their template admits.
struct DaemonSetObject {
    ObjectMeta meta;
    LabelSelector selector;
    PodTemplate pod;                       ///< with the tolerations that the controller adds
    bool on_delete = false;
    IntOrPercent max_unavailable{1, false};
    IntOrPercent max_surge{0, false};
    Tick min_ready{0};
};

/// A pod of nobody: it holds what it requests on the node it fits on and is not made again when it is lost.
struct BarePod {
    ObjectMeta meta;
    PodTemplate pod;
};

struct Service {
    ObjectMeta meta;
    Labels selector;                       ///< empty: no selector, never matches
    bool client_ip_affinity = false;
    bool headless = false;
    bool publish_not_ready = false;
};

[[nodiscard]] DaemonSetObject decode_daemon_set(Decoder& object, ObjectMeta meta);
[[nodiscard]] BarePod decode_bare_pod(Decoder& object, ObjectMeta meta);
[[nodiscard]] Service decode_service(Decoder& object, ObjectMeta meta);
/// Deployment, StatefulSet, ReplicaSet, ReplicationController and LeaderWorkerSet, by meta.kind. What its
/// containers serve is not read yet.
[[nodiscard]] WorkloadObject decode_workload(Decoder& object, ObjectMeta meta);
/// The spec of a claim: `spec` of a PersistentVolumeClaim or of an item of volumeClaimTemplates.
[[nodiscard]] VolumeClaim decode_volume_claim(Decoder spec, ObjectMeta meta);

}  // namespace windtunnel
