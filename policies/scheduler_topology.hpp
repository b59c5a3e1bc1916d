#pragma once
#include "policies/karpenter_provisioning.hpp"

#include <cstdint>

/// How many pods of a set stand in each domain of a topology key, kept up to date at every bind, deletion and
/// node change, so that no attempt to place a pod has to count pods.
namespace windtunnel {

/// One counter: a set of pods (a label selector, resolved to templates by the compiler) by one key.
struct TopologyCounterPlan {
    std::uint32_t key = 0;
    std::uint32_t first_cell = 0;  ///< its cells are [first_cell, first_cell + domains)
    std::uint32_t domains = 0;
    bool counts_terminating = true;  ///< affinity counts pods until they are gone, spreading until deletion
    std::uint8_t padding[3] = {};
    OfferingSet shapes;  ///< kinds of nodes that count for it, by index of shape
};

struct TopologyCell {
    std::int32_t pods = 0;
    std::int32_t nodes = 0;  ///< nodes that count for the counter; a domain without one does not exist
};

/// The counters of a cluster. `Cells` is an array of TopologyCell (a pointer, an ArenaArray).
template <class Cells>
struct TopologyCounts {
    Cells cells{};
    const TopologyCounterPlan* plans = nullptr;

    /// A pod of the counter's set came to (by = 1) or left (by = -1) `domain`. -1 = no domain: not counted.
    WT_HD void change_pods(std::int32_t counter, std::int32_t domain, std::int32_t by) const {
        if (domain >= 0) cells[plans[counter].first_cell + static_cast<std::uint32_t>(domain)].pods += by;
    }
    /// A node that counts for the counter came or left.
    WT_HD void change_nodes(std::int32_t counter, std::int32_t domain, std::int32_t by) const {
        if (domain >= 0) cells[plans[counter].first_cell + static_cast<std::uint32_t>(domain)].nodes += by;
    }
    [[nodiscard]] WT_HD std::int32_t pods_in(std::int32_t counter, std::int32_t domain) const {
        return cells[plans[counter].first_cell + static_cast<std::uint32_t>(domain)].pods;
    }
    [[nodiscard]] WT_HD std::int32_t nodes_in(std::int32_t counter, std::int32_t domain) const {
        return cells[plans[counter].first_cell + static_cast<std::uint32_t>(domain)].nodes;
    }
};

}  // namespace windtunnel
