#include "reports/object_names.hpp"

#include <fmt/format.h>

namespace windtunnel {

namespace {

/// Letters and digits that Kubernetes' generated names are made of (k8s.io/apimachinery util/rand, from general
/// knowledge): no vowels, nothing that looks like another.
constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";

std::uint64_t mixed(std::uint64_t x) {  // splitmix64's finaliser
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

std::string letters(std::uint64_t value, int count) {
    std::string out;
    for (; count > 0; --count, value /= alphabet.size()) out += alphabet[value % alphabet.size()];
    return out;
}

std::string name_in(const std::string& title) { return title.substr(title.find('/') + 1); }

}  // namespace

const WorkloadPlan& ObjectNames::plan_of(std::uint32_t revision) const {
    return m_scenario.parts.workloads[m_scenario.parts.templates[revision].plan.workload];
}
const CompiledWorkload& ObjectNames::workload_of(std::uint32_t revision) const {
    return m_scenario.workloads[m_scenario.parts.templates[revision].plan.workload];
}
std::uint32_t ObjectNames::revision_number(std::uint32_t revision) const {
    return revision - plan_of(revision).first_template + 1;
}
bool ObjectNames::is_deployment(std::uint32_t workload) const {
    return m_scenario.workloads[workload].target.starts_with("Deployment/");
}

std::string ObjectNames::replica_set_name(std::uint32_t revision) const {
    const std::string name = name_in(workload_of(revision).target);
    std::uint64_t hash = revision_number(revision);
    for (const char c : name) hash = mixed(hash ^ static_cast<unsigned char>(c));
    return name + '-' + letters(hash, 9);
}

std::string ObjectNames::pod_name(std::uint32_t p, std::uint32_t revision, std::uint32_t incarnation) const {
    const std::uint32_t w = m_scenario.parts.templates[revision].plan.workload;
    std::uint32_t first = 0;  // slots are laid out workload by workload
    for (std::uint32_t i = 0; i < w; ++i) first += m_scenario.parts.workloads[i].pod_slots;
    const std::uint32_t local = p - first;
    const CompiledWorkload& workload = m_scenario.workloads[w];
    if (workload.target.starts_with("StatefulSet/"))
        return fmt::format("{}-{}", name_in(workload.target), local);
    const std::string owner = is_deployment(w) ? replica_set_name(revision) : name_in(workload.target);
    return owner + '-' + letters(mixed(mixed(local) ^ (std::uint64_t{incarnation} << 32 | w)), 5);
}

std::string ObjectNames::pod(std::uint32_t p, std::uint32_t revision, std::uint32_t incarnation) const {
    return "Pod/" + pod_name(p, revision, incarnation);
}

std::string ObjectNames::pool_name(std::uint32_t pool) const {
    return pool < m_scenario.node_pools.size() ? m_scenario.node_pools[pool].name : fmt::format("pool-{}", pool);
}

std::string ObjectNames::node_name(std::uint32_t n, std::uint32_t incarnation) const {
    std::uint32_t pool = 0, first = 0;
    const auto& pools = m_scenario.parts.pools;
    while (pool + 1 < pools.size() && n >= first + pools[pool].node_slots) first += pools[pool++].node_slots;
    std::string name = fmt::format("{}-{}", pool_name(pool), n - first);
    if (incarnation > 1) name += fmt::format("-{}", incarnation);
    return name;
}

}  // namespace windtunnel
