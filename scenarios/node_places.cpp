#include "scenarios/node_places.hpp"

#include "scenarios/node_labels.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {
namespace {

std::string shortage(const ResourceAmounts& needs, const ResourceAmounts& has) {
    if (has[resource_gpus] < needs[resource_gpus]) return fmt::format("a node has {} GPUs", has[resource_gpus]);
    if (has[resource_cpu_milli] < needs[resource_cpu_milli])
        return fmt::format("a node has {} m of CPU to give", has[resource_cpu_milli]);
    if (has[resource_memory_bytes] < needs[resource_memory_bytes])
        return fmt::format("a node has {:.1f} GiB of memory to give",
                           static_cast<double>(has[resource_memory_bytes]) / 1073741824.0);
    return "a node lacks an extended resource that it asks for";
}

}  // namespace

std::vector<PlacedShape> all_shapes(const std::vector<PoolDraft>& pools) {
    std::vector<PlacedShape> out;
    for (const PoolDraft& pool : pools)
        for (const ShapeDraft& shape : pool.shapes) out.push_back({&pool, &shape});
    return out;
}

NodePlaces places_of(const PodTemplate& pod, const ResourceAmounts& needs, const std::vector<PoolDraft>& pools,
                     const ClusterSpec& cluster) {
    NodePlaces out;
    for (const PoolDraft& pool : pools) {
        const std::string taint = untolerated_taint(pod, pool.spec.taints, cluster.cloud);
        std::string label, size;
        bool any = false;
        for (std::size_t i = 0; i < pool.shapes.size(); ++i) {
            const ShapeDraft& shape = pool.shapes[i];
            const auto index = static_cast<std::int32_t>(pool.first_shape + i);
            if (!taint.empty()) {
                out.tainted.add(index);
                continue;
            }
            if (std::string unmet = unmet_label(pod, shape.labels); !unmet.empty()) {
                if (label.empty()) label = std::move(unmet);
                continue;
            }
            out.admitted.add(index);
            if (!fits(needs, shape.plan.room())) {
                size = shortage(needs, shape.plan.room());
                continue;
            }
            any = true;
            out.shapes.add(index);
            if (std::find(out.gpus.begin(), out.gpus.end(), shape.gpu) == out.gpus.end()) out.gpus.push_back(shape.gpu);
        }
        if (!any)
            out.why += fmt::format("; {}: {}", pool.spec.name,
                                   !taint.empty()   ? taint
                                   : !size.empty()  ? size
                                   : !label.empty() ? label
                                                    : std::string("it can launch nothing"));
    }
    return out;
}

}  // namespace windtunnel
