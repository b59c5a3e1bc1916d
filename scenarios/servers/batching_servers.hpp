#pragma once
#include <optional>

#include "models/problem.hpp"
#include "scenarios/commands/shell_script.hpp"
#include "scenarios/servers/model_server.hpp"

namespace windtunnel {

/// Reads how a container that runs Triton, TorchServe or TensorFlow Serving batches, from the configuration
/// files that ConfigMaps mount into it: Triton's config.pbtxt, TorchServe's config.properties, TensorFlow
/// Serving's batching_parameters_file. Empty: it is none of them, or says nothing about batches.
[[nodiscard]] std::optional<ModelServer> read_batching_server(const Container& container,
                                                              const ShellContext& context,
                                                              Findings& findings);

}  // namespace windtunnel
