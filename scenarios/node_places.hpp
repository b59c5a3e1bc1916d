#pragma once
#include "scenarios/compile_pools.hpp"

namespace windtunnel {

/// Which kinds of nodes a pod may run on.
struct NodePlaces {
    ShapeSet shapes;   ///< that its selectors, required node affinity and tolerations admit, and that hold it empty
    ShapeSet admitted; ///< the same, whatever their size
    ShapeSet tainted;  ///< of the others: those whose taints it does not tolerate
    std::vector<std::string> gpus;  ///< kinds of GPU of `shapes`, in their order; "" = none
    std::string why;   ///< what keeps it off each pool that has no place for it: "; pool: reason"
};

/// Resolves a pod's selectors, required node affinity, tolerations and size against every shape of every pool.
[[nodiscard]] NodePlaces places_of(const PodTemplate& pod, const ResourceAmounts& needs,
                                   const std::vector<PoolDraft>& pools, const ClusterSpec& cluster);

/// Every shape of the pools, by its index in the blueprint.
struct PlacedShape {
    const PoolDraft* pool = nullptr;
    const ShapeDraft* shape = nullptr;
};
[[nodiscard]] std::vector<PlacedShape> all_shapes(const std::vector<PoolDraft>& pools);

}  // namespace windtunnel
