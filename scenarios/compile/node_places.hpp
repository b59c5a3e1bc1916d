#pragma once
#include "scenarios/compile/compile_pools.hpp"

namespace windtunnel {

/// What a pod meets on the nodes of one kind of GPU (ShapePlan::gpu_kind).
struct PlacedGpu {
    std::uint32_t kind = 0;
    std::string device;         ///< what one of its units is, for get_gpu; "" = it asks for none
    std::int32_t devices = 0;   ///< of a node, under the name that it asks for
    std::int32_t clients = 1;   ///< pods on each
    bool takes_turns = false;
};

/// Why a model cannot be split over so many devices of a pod; "" = it can.
[[nodiscard]] std::string why_unconnected(const PlacedGpu& gpu, std::int64_t wanted);

/// Which kinds of nodes a pod may run on.
struct NodePlaces {
    ShapeSet shapes;   ///< that its selectors, required node affinity and tolerations admit, and that hold it empty
    ShapeSet admitted; ///< the same, whatever their size
    ShapeSet tainted;  ///< of the others: those whose taints it does not tolerate
    std::vector<PlacedGpu> gpus;  ///< kinds of GPU of `shapes`, in their order
    std::string why;   ///< what keeps it off each pool that has no place for it: "; pool: reason"
};

/// Resolves a pod's selectors, required node affinity, tolerations and size against every shape of every pool.
[[nodiscard]] NodePlaces places_of(const PodTemplate& pod, const ExtendedResources& extended,
                                   const std::vector<PoolDraft>& pools, const ClusterSpec& cluster);

/// Every shape of the pools, by its index in the blueprint.
struct PlacedShape {
    const PoolDraft* pool = nullptr;
    const ShapeDraft* shape = nullptr;
};
[[nodiscard]] std::vector<PlacedShape> all_shapes(const std::vector<PoolDraft>& pools);

}  // namespace windtunnel
