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

namespace ca_detail {

enum class Refusal : std::uint8_t { none, resources, spread };

WT_HD constexpr Refusal check_node(const CaPodGroup& group, const CaNode* nodes, std::int32_t count,
                                   std::int32_t at) {
    const CaNode& node = nodes[at];
    if (!fits(group.request, node.free) || (group.host_ports & node.host_ports) != 0)
        return Refusal::resources;
    if (group.spread.key == SpreadKey::none) return Refusal::none;
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
    return here + 1 - least > group.spread.max_skew ? Refusal::spread : Refusal::none;
}

WT_HD constexpr void place(CaPodGroup& group, CaNode& node) {
    node.free -= group.request;
    node.host_ports |= group.host_ports;
    node.used = true;
    ++node.labelled[group.label];
    ++group.scheduled;
}

WT_HD constexpr double size_score(const ResourceAmounts& request, const ResourceAmounts& allocatable) {
    double score = 0.0;
    for (std::int32_t kind = resource_cpu_milli; kind <= resource_memory_bytes; ++kind)
        if (allocatable[kind] > 0)
            score += static_cast<double>(request[kind]) / static_cast<double>(allocatable[kind]);
    return score;
}

}  // namespace ca_detail

/// Packs pending pods onto nodes made from `template_node`. Groups go by cpu plus memory share, largest
/// first (GPUs do not count); `groups` is reordered. `nodes` holds `existing` nodes at first and has room
/// for `capacity`; at most `max_nodes` are opened (0 = no limit).
///
/// A group first fills nodes opened for earlier groups, then the newest node, then new ones. It stops when
/// a pod does not even fit on an empty node. Once no more nodes may be opened, later groups only fill what
/// is open (kubernetes.md 10.4.2).
WT_HD constexpr CaEstimate estimate_nodes(CaPodGroup* groups, std::int32_t group_count,
                                          const CaNode& template_node, CaNode* nodes, std::int32_t existing,
                                          std::int32_t capacity, std::int32_t max_nodes) {
    using ca_detail::Refusal;
    for (std::int32_t i = 1; i < group_count; ++i)  // stable insertion sort
        for (std::int32_t j = i; j > 0 && ca_detail::size_score(groups[j - 1].request, template_node.free) <
                                              ca_detail::size_score(groups[j].request, template_node.free);
             --j) {
            const CaPodGroup moved = groups[j];
            groups[j] = groups[j - 1];
            groups[j - 1] = moved;
        }

    CaEstimate estimate;
    std::int32_t count = existing;
    const auto try_at = [&](CaPodGroup& group, std::int32_t at) {
        const Refusal refusal = ca_detail::check_node(group, nodes, count, at);
        if (refusal == Refusal::none) ca_detail::place(group, nodes[at]);
        return refusal;
    };
    const auto try_range = [&](CaPodGroup& group, std::int32_t from, std::int32_t to) {
        for (std::int32_t at = from; at < to; ++at)
            if (try_at(group, at) == Refusal::none) return true;
        return false;
    };
    bool may_open = true;
    for (std::int32_t g = 0; g < group_count; ++g) {
        CaPodGroup& group = groups[g];
        group.scheduled = 0;
        if (group.spread.key == SpreadKey::none) {
            // Nodes only fill up: what refused one of the like pods refuses the rest.
            for (std::int32_t at = existing; at < count && group.scheduled < group.count;)
                if (try_at(group, at) != Refusal::none) ++at;
        } else {
            while (group.scheduled < group.count && try_range(group, existing, count)) {
            }
        }
        while (may_open && group.scheduled < group.count) {
            const std::int32_t newest = count - 1;
            bool found = false;
            if (count > existing) {
                const Refusal refusal = try_at(group, newest);
                found = refusal == Refusal::none;
                // A pod that spreads over hosts may still find room on any other node, old ones included.
                if (refusal == Refusal::spread && group.spread.key == SpreadKey::hostname)
                    found = try_range(group, 0, newest);
            }
            if (found) continue;
            if (count > existing && !nodes[newest].used) break;
            may_open = max_nodes == 0 || count - existing < max_nodes;
            if (!may_open) break;
            if (count == capacity) {
                estimate.node_memory_full = true;
                may_open = false;
                break;
            }
            nodes[count] = template_node;
            nodes[count].opened = true;
            nodes[count].used = false;
            ++count;
            if (try_at(group, count - 1) != Refusal::none) break;
        }
    }
    for (std::int32_t i = 0; i < count; ++i) estimate.nodes += nodes[i].used ? 1 : 0;
    for (std::int32_t g = 0; g < group_count; ++g) estimate.scheduled_pods += groups[g].scheduled;
    return estimate;
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
