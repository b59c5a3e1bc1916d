#include "scenarios/compile/node_places.hpp"

#include "models/bytes.hpp"
#include "scenarios/node_labels.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {
namespace {

/// What a node advertises of GPUs: "2 x nvidia.com/gpu.shared", "no GPUs".
std::string advertised(const ShapeDraft& shape) {
    std::string out;
    for (const DeviceUnits& d : shape.devices) out += (out.empty() ? "" : ", ") + fmt::format("{} x {}", d.units(), d.resource);
    return out.empty() ? "no GPUs" : out;
}

std::string shortage(const ResourceAmounts& needs, const ResourceAmounts& has, const ShapeDraft& shape) {
    const bool plain = shape.devices.empty() || (shape.devices.size() == 1 && shape.devices[0].resource == "nvidia.com/gpu");
    if (plain && has[resource_gpus] < needs[resource_gpus]) return fmt::format("a node has {} GPUs", has[resource_gpus]);
    for (std::int32_t kind = resource_extended; kind < resource_kinds; ++kind)
        if (has[kind] < needs[kind]) return fmt::format("a node has {}", advertised(shape));
    if (has[resource_cpu_milli] < needs[resource_cpu_milli])
        return fmt::format("a node has {} m of CPU to give", has[resource_cpu_milli]);
    if (has[resource_memory_bytes] < needs[resource_memory_bytes])
        return fmt::format("a node has {:.1f} GiB of memory to give",
                           static_cast<double>(has[resource_memory_bytes]) / gib);
    return fmt::format("a node has room for {} pods besides its own", has[resource_pods]);
}

}  // namespace

std::string why_unconnected(const PlacedGpu& gpu, std::int64_t wanted) {
    if (gpu.device.find('/') != std::string::npos)
        return fmt::format("splits the model over {} devices, but slices and fixed shares of GPUs ({}) cannot talk to each "
                           "other, allowed: tensor-parallel-size 1",
                           wanted, gpu.device);
    if (wanted > gpu.devices)
        return fmt::format("splits the model over {} GPUs, but the {} units that a node advertises are of {} GPUs, allowed: at "
                           "most {}",
                           wanted, std::int64_t{gpu.devices} * gpu.clients, gpu.devices, gpu.devices);
    return "";
}

std::vector<PlacedShape> all_shapes(const std::vector<PoolDraft>& pools) {
    std::vector<PlacedShape> out;
    for (const PoolDraft& pool : pools)
        for (const ShapeDraft& shape : pool.shapes) out.push_back({&pool, &shape});
    return out;
}

NodePlaces places_of(const PodTemplate& pod, const ExtendedResources& extended, const std::vector<PoolDraft>& pools,
                     const ClusterSpec& cluster) {
    NodePlaces out;
    const ResourceAmounts needs = extended.needs_of(pod);
    const std::string resource = pod.gpu_resource();
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
                size = shortage(needs, shape.plan.room(), shape);
                continue;
            }
            any = true;
            out.shapes.add(index);
            const auto same = [&](const PlacedGpu& g) { return g.kind == shape.plan.gpu_kind; };
            if (std::any_of(out.gpus.begin(), out.gpus.end(), same)) continue;
            PlacedGpu gpu;
            gpu.kind = shape.plan.gpu_kind;
            for (const DeviceUnits& d : shape.devices)
                if (d.resource == resource) gpu = {gpu.kind, d.device, d.devices, d.clients, d.takes_turns};
            out.gpus.push_back(gpu);
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
