#pragma once
#include "models/problem.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/servers/model_server.hpp"
#include "scenarios/servers/own_step_times.hpp"
#include "sim/blueprint_builder.hpp"

namespace windtunnel {

/// Of a server of whole batches: how long a batch takes, on `gpu` ("" = on its CPUs).
[[nodiscard]] Result<ServerParts> compile_batching_server(const ModelServer& server, const std::string& gpu,
                                                          const std::vector<OwnStepTimes>& profiles,
                                                          CompiledWorkload& facts, Problems& warnings);

/// An engine's front end and host work on few CPUs: what of `server.cpu_limit_milli` each of the two has, in
/// thousandths, where that is less than a core; 1000 otherwise.
[[nodiscard]] std::int64_t cpu_share_milli(const ModelServer& server);

}  // namespace windtunnel
