#pragma once
#include "scenarios/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// What one replica is to the engine: its KV pool, limits and step costs on the given GPU. A model that does
/// not fit is a problem with the memory's arithmetic, at the place of the command line that asks for it.
[[nodiscard]] Result<ServerParts> compile_server(const ModelServer& server, const std::string& gpu,
                                                 CompiledWorkload& facts, Problems& warnings);

}  // namespace windtunnel
