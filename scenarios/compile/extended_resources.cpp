#include "scenarios/compile/extended_resources.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {
namespace {

const char* const disk = "ephemeral-storage";

/// Every pod template of the manifests, with the object it stands in.
template <class Visit>
void for_each_pod(const Manifests& m, Visit visit) {
    for (const WorkloadObject& w : m.workloads) {
        visit(w.pod, w.meta);
        if (w.leader) visit(*w.leader, w.meta);
    }
    for (const JobObject& j : m.jobs) visit(j.pod, j.meta);
    for (const CronJobObject& j : m.cron_jobs) visit(j.job.pod, j.meta);
    for (const BarePod& p : m.bare_pods) visit(p.pod, p.meta);
    for (const DaemonSetObject& d : m.daemon_sets) visit(d.pod, d.meta);
}

}  // namespace

ExtendedResources ExtendedResources::of(const Manifests& manifests, Problems& errors) {
    ExtendedResources out;
    const auto add = [&](const std::string& name, const ObjectMeta& meta) {
        if (out.place(name) >= 0) return;
        if (out.m_names.size() < static_cast<std::size_t>(extended_kinds)) {
            out.m_names.push_back(name);
            return;
        }
        errors.push_back({meta.where, meta.title(),
                          fmt::format("asks for {}, a further kind of resource besides {}, allowed: at most {} kinds in one run",
                                      name, join(out.m_names), extended_kinds)});
    };
    for_each_pod(manifests, [&](const PodTemplate& pod, const ObjectMeta& meta) {
        for (const auto& [name, amount] : pod.extended_requests())
            if (is_gpu_resource(name)) add(name, meta);
    });
    for (const ResourceQuotaObject& quota : manifests.resource_quotas)
        for (const auto& [key, amount] : quota.hard)
            if (key.ends_with(disk)) add(disk, quota.meta);
    return out;
}

std::int32_t ExtendedResources::place(const std::string& name) const {
    const auto known = std::find(m_names.begin(), m_names.end(), name);
    return known == m_names.end() ? -1 : resource_extended + static_cast<std::int32_t>(known - m_names.begin());
}

ResourceAmounts ExtendedResources::needs_of(const PodTemplate& pod) const {
    ResourceAmounts needs = resource_amounts(0, pod.cpu_request_milli(), pod.memory_request_bytes(), 1);
    for (const auto& [name, amount] : pod.extended_requests())
        if (const std::int32_t at = place(name); at >= 0) needs[at] = amount;
    if (const std::int32_t at = place(disk); at >= 0) needs[at] = pod.ephemeral_storage_bytes();
    return needs;
}

void ExtendedResources::ask(const PodTemplate& pod, TemplatePlan& plan) const {
    plan.needs = needs_of(pod);
    plan.scoring_cpu_milli = pod.scored_cpu_milli();
    plan.scoring_memory = pod.scored_memory_bytes();
}

void ExtendedResources::put(const std::vector<DeviceUnits>& devices, ShapePlan& shape) const {
    std::uint32_t first = 0;
    for (const DeviceUnits& d : devices) {
        const std::int32_t at = place(d.resource);
        if (at < 0) continue;  // nobody asks for it
        shape.capacity[at] = shape.allocatable[at] = d.units();
        DeviceRange& range = shape.devices[at - resource_extended];
        range.num = static_cast<std::uint16_t>(d.num);
        range.den = static_cast<std::uint16_t>(d.den);
        range.clients = static_cast<std::uint8_t>(d.clients);
        range.takes_turns = d.takes_turns ? 1 : 0;
        if (first + static_cast<std::uint32_t>(d.devices) > 64) continue;  // counted, and not told apart
        range.first = static_cast<std::uint8_t>(first);
        range.count = static_cast<std::uint8_t>(d.devices);
        first += range.count;
    }
    const std::int32_t at = place(disk);
    if (at < 0) return;
    shape.capacity[at] = shape.allocatable[at] = INT64_MAX / 4;
    shape.devices[at - resource_extended].clients = 0;  // no device, and no part of the GPUs
}

}  // namespace windtunnel
