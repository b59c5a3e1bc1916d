#pragma once
#include "policies/resources.hpp"

#include <cstdint>

/// How many nodes of one group cluster-autoscaler would add for its pending pods
/// (kubernetes.md 10.4), and which group it prefers (10.5);
/// cluster-autoscaler 1.37.
namespace windtunnel {

inline constexpr std::int32_t ca_spread_labels = 8;
inline constexpr std::int32_t ca_max_zones = 64;

enum class SpreadKey : std::uint8_t { none, hostname, zone };

/// A DoNotSchedule topology spread constraint.
struct SpreadConstraint {
    SpreadKey key = SpreadKey::none;
    std::int32_t max_skew = 1;
    std::int32_t min_domains = 1;
};

/// Pending pods that are alike.
struct CaPodGroup {
    ResourceAmounts request;  ///< resource_pods must be 1
    std::int32_t count = 0;
    std::uint64_t host_ports = 0;  ///< one bit per distinct host port of the estimation
    SpreadConstraint spread;
    std::int32_t label = 0;      ///< 0 .. ca_spread_labels-1: pods that spread counts together
    std::int32_t source = 0;     ///< the caller's number for these pods
    std::int32_t scheduled = 0;  ///< result: how many of them found room
};

/// A node of the estimation: existing ones first, opened ones after them.
struct CaNode {
    ResourceAmounts free;
    std::uint64_t host_ports = 0;
    std::int32_t zone = 0;
    bool opened = false;  ///< added by this estimation
    bool used = false;    ///< received a pod in this estimation
    std::int32_t labelled[ca_spread_labels] = {};
};

struct CaEstimate {
    std::int32_t nodes = 0;  ///< distinct nodes that received a pod, existing ones included
    std::int32_t scheduled_pods = 0;
    bool node_memory_full = false;  ///< the caller's node array was too small: the trial needs more
};

/// Why a node does not take a pod.
enum class CaRefusal : std::uint8_t {
    none,       ///< it does
    resources,  ///< no room, or anything else but:
    spread,     ///< a topology spread over hosts
};

namespace ca_detail {

WT_HD constexpr double size_score(const ResourceAmounts& request, const ResourceAmounts& allocatable) {
    double score = 0.0;
    for (std::int32_t kind = resource_cpu_milli; kind <= resource_memory_bytes; ++kind)
        if (allocatable[kind] > 0)
            score += static_cast<double>(request[kind]) / static_cast<double>(allocatable[kind]);
    return score;
}

}  // namespace ca_detail

/// Packs pending pods onto new nodes of which an empty one offers `empty`. Groups go by cpu plus memory share,
/// largest first (GPUs do not count); `groups` is reordered. At most `max_nodes` are opened (0 = no limit).
///
/// A group first fills nodes opened for earlier groups, then the newest node, then new ones. It stops when
/// a pod does not even fit on an empty node. Once no more nodes may be opened, later groups only fill what
/// is open (kubernetes.md 10.4.2).
///
/// `Fit` knows the nodes and what stands on them:
///   std::int32_t opened()                 nodes opened so far; the newest is the last
///   bool is_used(i)                       the i-th of them has got a pod
///   CaRefusal try_opened(group, i)        puts a pod of the group on it if it fits
///   bool try_others(group)                ... on any node but the newest that was there before or is opened
///   bool may_relent(group)                a node that refuses one of these pods may take a later one (spread)
///   bool try_open()                       opens a node; false when there is no memory for it
///   std::int32_t used()                   nodes that have got a pod, those that were there before included
template <class Fit>
WT_HD constexpr CaEstimate estimate_nodes(CaPodGroup* groups, std::int32_t group_count,
                                          const ResourceAmounts& empty, Fit& fit, std::int32_t max_nodes) {
    for (std::int32_t i = 1; i < group_count; ++i)  // stable insertion sort
        for (std::int32_t j = i; j > 0 && ca_detail::size_score(groups[j - 1].request, empty) <
                                              ca_detail::size_score(groups[j].request, empty);
             --j) {
            const CaPodGroup moved = groups[j];
            groups[j] = groups[j - 1];
            groups[j - 1] = moved;
        }

    CaEstimate estimate;
    bool may_open = true;
    for (std::int32_t g = 0; g < group_count; ++g) {
        CaPodGroup& group = groups[g];
        group.scheduled = 0;
        // Nodes only fill up: what refused one of the like pods refuses the rest, unless spreading decides.
        for (std::int32_t at = 0; at < fit.opened() && group.scheduled < group.count;) {
            if (fit.try_opened(group, at) != CaRefusal::none) {
                ++at;
                continue;
            }
            ++group.scheduled;
            if (fit.may_relent(group)) at = 0;
        }
        while (may_open && group.scheduled < group.count) {
            const std::int32_t newest = fit.opened() - 1;
            bool found = false;
            if (newest >= 0) {
                const CaRefusal refusal = fit.try_opened(group, newest);
                found = refusal == CaRefusal::none;
                // A pod that spreads over hosts may still find room on any other node, old ones included.
                if (refusal == CaRefusal::spread) found = fit.try_others(group);
            }
            group.scheduled += found ? 1 : 0;
            if (found) continue;
            if (newest >= 0 && !fit.is_used(newest)) break;
            may_open = max_nodes == 0 || newest + 1 < max_nodes;
            if (!may_open) break;
            if (!fit.try_open()) {
                estimate.node_memory_full = true;
                may_open = false;
                break;
            }
            if (fit.try_opened(group, newest + 1) != CaRefusal::none) break;
            ++group.scheduled;
        }
    }
    estimate.nodes = fit.used();
    for (std::int32_t g = 0; g < group_count; ++g) estimate.scheduled_pods += groups[g].scheduled;
    return estimate;
}

/// A Fit over an array of nodes: `existing` ones first, then those that are opened, made from `shape`. It knows
/// room, host ports and topology spreading.
struct CaNodeArray {
    const CaNode* shape = nullptr;
    CaNode* nodes = nullptr;  ///< [capacity]
    std::int32_t existing = 0;
    std::int32_t capacity = 0;
    std::int32_t count = 0;  ///< existing and opened

    [[nodiscard]] WT_HD constexpr std::int32_t opened() const { return count - existing; }
    [[nodiscard]] WT_HD constexpr bool is_used(std::int32_t i) const { return nodes[existing + i].used; }
    [[nodiscard]] WT_HD constexpr bool may_relent(const CaPodGroup& group) const {
        return group.spread.key != SpreadKey::none;
    }
    WT_HD constexpr CaRefusal try_opened(const CaPodGroup& group, std::int32_t i) {
        return try_at(group, existing + i);
    }
    [[nodiscard]] WT_HD constexpr bool try_others(const CaPodGroup& group) {
        for (std::int32_t at = 0; at + 1 < count; ++at)
            if (try_at(group, at) == CaRefusal::none) return true;
        return false;
    }
    [[nodiscard]] WT_HD constexpr bool try_open() {
        if (count == capacity) return false;
        nodes[count] = *shape;
        nodes[count].opened = true;
        nodes[count++].used = false;
        return true;
    }
    [[nodiscard]] WT_HD constexpr std::int32_t used() const {
        std::int32_t sum = 0;
        for (std::int32_t i = 0; i < count; ++i) sum += nodes[i].used ? 1 : 0;
        return sum;
    }

private:
    WT_HD constexpr CaRefusal try_at(const CaPodGroup& group, std::int32_t at) {
        CaNode& node = nodes[at];
        if (!fits(group.request, node.free) || (group.host_ports & node.host_ports) != 0)
            return CaRefusal::resources;
        if (!keeps_skew(group, node))
            return group.spread.key == SpreadKey::hostname ? CaRefusal::spread : CaRefusal::resources;
        node.free -= group.request;
        node.host_ports |= group.host_ports;
        node.used = true;
        ++node.labelled[group.label];
        return CaRefusal::none;
    }
    [[nodiscard]] WT_HD constexpr bool keeps_skew(const CaPodGroup& group, const CaNode& node) const {
        if (group.spread.key == SpreadKey::none) return true;
        std::int32_t here = 0, least = 2147483647, domains = 0;
        if (group.spread.key == SpreadKey::hostname) {
            here = node.labelled[group.label];
            domains = count;
            for (std::int32_t i = 0; i < count; ++i)
                if (nodes[i].labelled[group.label] < least) least = nodes[i].labelled[group.label];
        } else {
            std::int32_t in_zone[ca_max_zones] = {};
            std::uint64_t seen = 0;
            for (std::int32_t i = 0; i < count; ++i) {
                in_zone[nodes[i].zone] += nodes[i].labelled[group.label];
                seen |= std::uint64_t{1} << nodes[i].zone;
            }
            for (std::int32_t zone = 0; zone < ca_max_zones; ++zone) {
                if ((seen >> zone & 1) == 0) continue;
                ++domains;
                if (in_zone[zone] < least) least = in_zone[zone];
            }
            here = in_zone[node.zone];
        }
        if (domains < group.spread.min_domains) least = 0;
        return here + 1 - least <= group.spread.max_skew;
    }
};

/// The same over an array: `nodes` holds `existing` nodes at first and has room for `capacity`.
WT_HD constexpr CaEstimate estimate_nodes(CaPodGroup* groups, std::int32_t group_count,
                                          const CaNode& template_node, CaNode* nodes, std::int32_t existing,
                                          std::int32_t capacity, std::int32_t max_nodes) {
    CaNodeArray array;
    array.shape = &template_node;
    array.nodes = nodes;
    array.existing = array.count = existing;
    array.capacity = capacity;
    return estimate_nodes(groups, group_count, template_node.free, array, max_nodes);
}

/// One way to scale up.
struct CaOption {
    ResourceAmounts node;  ///< capacity of one node of the group
    std::int32_t node_count = 0;
    ResourceAmounts pods;  ///< sum of the requests that it would schedule
    std::int32_t pod_count = 0;
    std::int64_t price_micro_usd = 0;  ///< of all its nodes for an hour; expander price
    std::int32_t priority = 0;         ///< of the first matching regular expression; expander priority
    bool has_priority = false;
};

/// Cpu and memory that the option would leave idle, as shares; GPUs are not looked at.
WT_HD constexpr double waste_score(const CaOption& option) {
    double waste = 0.0;
    for (std::int32_t kind = resource_cpu_milli; kind <= resource_memory_bytes; ++kind) {
        const auto available = static_cast<double>(option.node[kind] * option.node_count);
        waste += (available - static_cast<double>(option.pods[kind])) / available;
    }
    return waste;
}

/// Defaults: least_waste since 1.33, random (keeps all, for the caller to draw) up to 1.32.
enum class CaExpander : std::uint8_t { least_waste, most_pods, least_nodes, price, priority, random };

/// Keeps the options that an expander finds best, exact ties included, as a bit mask over `options`.
/// `kept` = the options that earlier expanders of the chain left. The caller draws among what remains.
WT_HD constexpr std::uint64_t expand(CaExpander expander, const CaOption* options, std::int32_t count,
                                     std::uint64_t kept) {
    std::uint64_t best = 0;
    double best_score = 0.0;
    for (std::int32_t i = 0; i < count; ++i) {
        if ((kept >> i & 1) == 0) continue;
        double score = 0.0;  // smaller is better
        switch (expander) {
            case CaExpander::random:
                break;
            case CaExpander::least_waste:
                score = waste_score(options[i]);
                break;
            case CaExpander::most_pods:
                score = -static_cast<double>(options[i].pod_count);
                break;
            case CaExpander::least_nodes:
                score = static_cast<double>(options[i].node_count);
                break;
            case CaExpander::price:
                score = static_cast<double>(options[i].price_micro_usd);
                break;
            case CaExpander::priority:
                if (!options[i].has_priority) continue;
                score = -static_cast<double>(options[i].priority);
                break;
        }
        if (best == 0 || score < best_score) {
            best = 0;
            best_score = score;
        }
        if (score == best_score) best |= std::uint64_t{1} << i;
    }
    return best != 0 ? best : kept;  // no group matched any priority: all stay
}

}  // namespace windtunnel
