#pragma once
#include "scenarios/kubernetes/kubernetes_autoscaling.hpp"

#include <string>
#include <utility>
#include <vector>

/// What the decoders of HorizontalPodAutoscaler, ScaledObject and ScaledJob share.
namespace windtunnel {

/// metricType and target.type, as written.
[[nodiscard]] const std::vector<std::pair<std::string, MetricTargetType>>& metric_target_types();

/// Reads `scaleTargetRef`. Calls `finish`.
[[nodiscard]] ScaleTarget decode_scale_target(Decoder target);

/// Reads `behavior` of an HPA or of a ScaledObject's horizontalPodAutoscalerConfig; empty: not given.
[[nodiscard]] std::optional<ScalingBehavior> decode_behavior(Decoder& owner);

/// A number in a trigger's metadata, which is text there.
[[nodiscard]] double metadata_number(Decoder& metadata, const std::string& key, double fallback, bool required,
                                     bool positive);

/// Reads one entry of `triggers`. Calls `finish`.
[[nodiscard]] Trigger decode_trigger(Decoder& trigger);

}  // namespace windtunnel
