#pragma once
#include "models/shared_links.hpp"
#include "models/time.hpp"

#include <cstdint>

namespace windtunnel {

/// A pod's stages have a bit each, and draws of their own (ClusterState::pod_draw numbers below 24).
inline constexpr std::uint32_t max_stages = 20;

/// Where what a stage has made stays. A stage is not run again where that is still there.
enum class Kept : std::uint8_t {
    nowhere,  ///< in the container: each of its starts goes through the stage
    pod,      ///< a volume of the pod: a restarted container finds it
    node,     ///< the node's images, a host path: later pods on the node find it, and it dies with the node
    cluster,  ///< a shared volume: everybody finds it
};

/// Layers that one pull downloads at once, at most (containerd's max_concurrent_downloads is 3 by default).
inline constexpr std::uint32_t most_downloads = 8;
/// Layers of one image: overlayfs snapshots stack no more than 128 (Docker's storage driver documentation, 2024).
inline constexpr std::uint32_t most_layers = 128;

/// A layer of an image: it is downloaded compressed, and unpacked on top of those before it.
struct LayerPlan {
    std::int64_t bytes = 0;     ///< compressed: from the registry over the node's network to its disk
    std::int64_t unpacked = 0;  ///< to the node's disk
    Tick download, unpack;      ///< each takes so long alone
    /// What a node keeps of it, below BlueprintParts::artefacts: the compressed layer, which is the same in every image
    /// that has it; and unpacked, which is the same where all layers before it are too.
    std::int32_t blob = -1, chain = -1;
};

/// One stage of a pod's start, in an order in which none comes before one that it needs.
struct StagePlan {
    std::int32_t table = -1;         ///< its duration, by index into Blueprint::tables; -1 = `fixed`
    std::uint8_t once_per_node = 0;  ///< an image: kept on the node, which pulls one after the other
    std::uint8_t padding[3] = {};
    Tick fixed;
    /// The stages that have to be over before it begins, a bit each. From the template's `container_stage` on,
    /// all stages before that are needed besides, but for early ones.
    static constexpr std::uint32_t all_before = 0xffffffffu;
    std::uint32_t after = all_before;
    Kept kept = Kept::nowhere;
    std::uint8_t one_at_a_time = 0;  ///< others wait for who is at it (a lock on the download), and find it done
    std::uint8_t over_network = 0, over_disk = 0;  ///< its bytes pass the node's network, its disk
    std::int32_t artefact = -1;  ///< what it makes, below BlueprintParts::artefacts; -1 = something of its own
    std::int32_t again_table = -1;
    Tick again{};  ///< it takes where that is there already; 0 = it is left out
    /// Bytes that it moves. Its duration is then what they take at the stage's own speed; it is longer while the
    /// links on the way are shared. 0 = it moves none.
    std::int64_t bytes = 0;
    std::uint32_t source = no_link;  ///< where they come from, by index into Blueprint::sources
    /// It begins when the pod is on its node, beside the images, and is the pod's and not its container's. Else a
    /// stage from the template's `container_stage` on needs a container.
    std::uint32_t early = 0;
    /// An image by layers: Blueprint::layers [first, first + count), of which so many are downloaded at once. Its duration
    /// is what they take together, alone. A template has at most one such stage.
    std::uint32_t first_layer = 0, layer_count = 0;
    std::uint32_t downloads = 0;
    /// An image whose size is known: below BlueprintParts::images, and its compressed bytes, as containerd reports images.
    std::int32_t image = -1;
    std::int64_t image_bytes = 0;

    /// Places among its pod's transfers: one for its bytes; of an image by layers one for each download, and one for what
    /// is unpacked.
    [[nodiscard]] WT_HD std::uint32_t transfers() const { return layer_count > 0 ? downloads + 1 : bytes > 0 ? 1 : 0; }
};

/// A bucket, a registry, a file server: who loads from it shares what it gives.
struct SourcePlan {
    std::int64_t bytes_per_second = 0;
};

/// What a new node fills its own cache with by itself (a boot script, a DaemonSet), from when it is Ready.
struct PrefetchPlan {
    std::uint32_t pool = 0;
    std::int32_t artefact = -1;
    StagePlan stage;
};

}  // namespace windtunnel
