#pragma once
#include "sim/kubelet.hpp"

namespace windtunnel {

/// What a pod's status says of its container, as far as kube-state-metrics makes series of it. The waiting
/// reasons are the kubelet's, in the order of the label values of kube_pod_container_status_waiting_reason.
enum class ContainerStatus : std::uint8_t {
    container_creating,
    crash_loop_back_off,
    err_image_pull,
    image_pull_back_off,
    running,
    terminated,  ///< it has exited and the kubelet has not looked at it since
    none,        ///< the pod has no node: its status names no container
};

WT_HD constexpr bool is_waiting(ContainerStatus status) { return status < ContainerStatus::running; }

/// A failed pull is ErrImagePull until the pod's next sync, 10 s later at the least, finds it backed off
/// (kubernetes.md 4.11.2); an exited container is Terminated until the relist, at most a second later.
[[nodiscard]] WT_HD inline ContainerStatus container_status(const Pod& pod, const KubeletPod& kubelet,
                                                            Tick now) {
    if (pod.state == PodState::none || pod.state == PodState::pending) return ContainerStatus::none;
    if (kubelet.running) return ContainerStatus::running;
    if (kubelet.pull_due != never)
        return now - kubelet.pull_backoff.last_failure < seconds(10) ? ContainerStatus::err_image_pull
                                                                     : ContainerStatus::image_pull_back_off;
    if (kubelet.restart_due == never) return ContainerStatus::container_creating;
    return kubelet.restart_due - kubelet.exited > seconds(1) ? ContainerStatus::crash_loop_back_off
                                                             : ContainerStatus::terminated;
}

}  // namespace windtunnel
