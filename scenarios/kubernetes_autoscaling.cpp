#include "scenarios/kubernetes_autoscaling.hpp"

#include <algorithm>

#include "scenarios/command_line.hpp"

namespace windtunnel {

MetricsMonitor decode_metrics_monitor(Decoder& object, ObjectMeta meta) {
    MetricsMonitor out;
    out.meta = std::move(meta);
    out.selects_services = out.meta.kind == "ServiceMonitor";
    Decoder spec = object.child("spec");
    out.selector = decode_label_selector(spec.child("selector"));
    const bool pod_monitor = out.meta.kind == "PodMonitor";  // Google's PodMonitoring has endpoints too
    for (Decoder& endpoint : spec.children(pod_monitor ? "podMetricsEndpoints" : "endpoints")) {
        // Prometheus writes durations as Go does, with days and weeks besides; scrape intervals are short.
        if (const auto interval = endpoint.go_duration("interval")) {
            if (interval->count <= 0) endpoint.error("interval", "found an interval of 0 or less, allowed: above 0");
            else out.interval = out.interval ? min(*out.interval, *interval) : *interval;
        }
    }
    return out;
}

}  // namespace windtunnel
