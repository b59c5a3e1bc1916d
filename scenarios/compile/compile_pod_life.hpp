#pragma once
#include "scenarios/kubernetes/kubernetes_workloads.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"
#include "sim/blueprint_builder.hpp"

namespace windtunnel {

/// A pod's life on its node: the server container's probes, preStop and grace, and how late the router hears
/// of a change (`endpoint_delay`, ticks).
///
/// What a probe meets while the model loads follows from its action and path and from the server
/// (models/server_health.hpp). A server whose /health answers as soon as its process runs is declared by the
/// pod annotation windtunnel.dev/early-health: "true".
void compile_pod_life(const WorkloadObject& workload, Tick endpoint_delay, TemplatePlan& plan);

/// How long a probe that runs an inference takes on its server.
void compile_inference_probes(const ServerParts& server, TemplatePlan& plan);

}  // namespace windtunnel
