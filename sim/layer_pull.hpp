#pragma once
#include "sim/start_plan.hpp"

namespace windtunnel {

/// Who is at something that a node or a volume keeps: a pod, or one of these.
inline constexpr std::uint32_t artefact_absent = 0xffffffffu, artefact_present = 0xfffffffeu, artefact_by_node = 0xfffffffdu;

/// A node's pull of an image by layers, as containerd does it (core/unpack/unpacker.go, 2.0, 2024; docs/cri/config.md):
/// the first layers that are unpacked on the node already are left out; from the first that is not on, layers are
/// downloaded in their order, so many at once (max_concurrent_downloads), but for those that the node has from another
/// image; and unpacked one after the other in their order, each as soon as it is there and all before it are unpacked.
struct LayerPull {
    static constexpr std::uint8_t no_layer = 0xff;
    std::uint64_t got[2] = {};    ///< bit per layer whose compressed form the node has
    std::uint32_t asked = 0;      ///< the layers before it are on their way, or there
    std::uint32_t unpacked = 0;   ///< the first ones
    std::uint32_t unpacking = 0;  ///< layer `unpacked` is being unpacked by this pull
    std::uint32_t padding = 0;
    std::uint8_t at[most_downloads] = {no_layer, no_layer, no_layer, no_layer, no_layer, no_layer, no_layer, no_layer};
    Tick takes;  ///< the stage's draw: its layers take longer or shorter in proportion

    [[nodiscard]] WT_HD bool has(std::uint32_t layer) const { return (got[layer / 64] >> layer % 64 & 1) != 0; }
    WT_HD void note(std::uint32_t layer) { got[layer / 64] |= std::uint64_t{1} << layer % 64; }
    /// How long a part of the pull takes alone, at least one tick.
    [[nodiscard]] WT_HD Tick scaled(Tick part, Tick whole) const {
        const std::uint64_t ticks =
            multiply_divide(static_cast<std::uint64_t>(part.count), static_cast<std::uint64_t>(takes.count),
                            static_cast<std::uint64_t>(whole.count));
        return Tick{ticks > 1 ? static_cast<std::int64_t>(ticks) : 1};
    }
};

/// Begins what may begin, for the pull of pod `me`. `node` is its node: `at(artefact)` is who is at it there,
/// `found(layer)` takes note of a compressed layer that it has, `download(slot, layer)` and `unpack(layer)` begin. True
/// when all layers are unpacked.
template <class Node>
[[nodiscard]] WT_HD_COLD bool go_on_pulling(LayerPull& pull, const StagePlan& stage, std::uint32_t me, Node& node) {
    for (; pull.unpacking == 0 && pull.unpacked < stage.layer_count; ++pull.unpacked)
        if (node.at(node.layer(pull.unpacked).chain) != artefact_present) break;
    if (pull.asked < pull.unpacked) pull.asked = pull.unpacked;
    for (std::uint32_t slot = 0; slot < stage.downloads; ++slot)
        for (;;) {
            std::uint8_t& layer = pull.at[slot];
            const bool fresh = layer == LayerPull::no_layer;
            if (fresh) {
                if (pull.asked == stage.layer_count) break;
                layer = static_cast<std::uint8_t>(pull.asked++);
            }
            std::uint32_t& who = node.at(node.layer(layer).blob);
            if (who == artefact_present) {
                pull.note(layer);
                node.found(layer);
                layer = LayerPull::no_layer;
                continue;
            }
            if (who == artefact_absent) {
                who = me;
                node.download(slot, layer);
            }
            break;  // on its way, by this pull or by another
        }
    if (pull.unpacking == 0 && pull.unpacked < stage.layer_count && pull.has(pull.unpacked)) {
        std::uint32_t& who = node.at(node.layer(pull.unpacked).chain);
        if (who == artefact_absent) {
            who = me;
            pull.unpacking = 1;
            node.unpack(pull.unpacked);
        }
    }
    return pull.unpacked == stage.layer_count;
}

}  // namespace windtunnel
