#pragma once
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// What one replica is to the engine: its KV pool, limits and step costs on the given GPU, these of a profile of it
/// where `profiles` has one. `shared_prefixes`: prompts have beginnings in common. A model that does not fit is a problem with the memory's arithmetic, at the place of the
/// command line that asks for it.
[[nodiscard]] Result<ServerParts> compile_server(const ModelServer& server, const std::string& gpu,
                                                 const std::vector<OwnStepTimes>& profiles, bool shared_prefixes,
                                                 CompiledWorkload& facts, Problems& warnings);

/// Warns of profiles of GPUs that no workload serves on.
void warn_of_idle_profiles(const Scenario& scenario, CompiledScenario& out);

/// What `windtunnel kv` would be asked about such a server.
[[nodiscard]] KvRequest kv_request_of(const ModelServer& server, const std::string& gpu);

/// A server whose every step takes `milli` thousandths of its time.
[[nodiscard]] ServerParts slowed(ServerParts server, std::int64_t milli);

/// For servers on devices that pods share by time: what each is while 2, 3, ... of them work, each of which has an equal
/// part of the time (kubernetes.md 8.3; what switching costs is not known and left out). Call it when `parts` has all
/// servers and shapes.
void compile_turns(BlueprintParts& parts, Problems& errors);

}  // namespace windtunnel
