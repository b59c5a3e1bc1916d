#pragma once
#include "scenarios/commands/shell_script.hpp"
#include "scenarios/servers/model_server.hpp"

namespace windtunnel {

/// Reads vLLM's environment (VLLM_..., LMCACHE_...) into a server. Variables that would change the result and are
/// not simulated are errors or warnings, harmless ones a note, unknown ones a warning with the nearest name.
void read_vllm_environment(const Environment& environment, ModelServer& server, Findings& findings);

}  // namespace windtunnel
