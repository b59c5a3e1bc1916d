#pragma once
#include "policies/restart_backoff.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

/// Whether the image of a pod on a node cannot be had now. Where the node has it (`pulled`), the registry is asked only by those
/// who always pull (kubernetes.md 4.12).
template <class State>
[[nodiscard]] WT_HD_COLD bool image_fails(const State& s, std::uint32_t p, bool pulled) {
    const Pod& pod = s.pod(p);
    const TemplatePlan& plan = s.template_of(pod);
    if ((plan.pull & pull_fails) != 0) return true;
    if (s.workload(pod.workload).no_image == 0) return false;
    const ImagePullPolicy policy =
        (plan.pull & pull_always) != 0 ? ImagePullPolicy::always : ImagePullPolicy::if_not_present;
    return asks_registry(policy, pulled);
}

}  // namespace windtunnel
